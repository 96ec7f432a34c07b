//! Keys of the Python program that this one follows. Its files are taken as they are: what has no counterpart is
//! named, one line each, and nothing happens.

use super::Section;

/// What is said of each.
pub(in super::super) const HAS_NO_EFFECT: &str =
    "is a key of the original LLM-Manager and has no effect here";

/// Section, key, and what stands for it here.
pub(in super::super) static KEYS: &[(Section, &str, &str)] = &[
    (Section::Root, "wake_on_lan", "remove it; this program wakes no other computer"),
    (
        Section::Root,
        "claude_configs",
        "remove it; `llm-manager connect claude-code` says what Claude Code needs",
    ),
    (Section::Program, "TokenTracker", "remove it; the tokens of every mode are recorded"),
    (
        Section::Program,
        "device_plugin_dir",
        "remove it; devices are detected, and others are declared under `devices`",
    ),
    (
        Section::Program,
        "interface_plugin_dir",
        "remove it; the modes are built in, and others are declared under `modes`",
    ),
    (
        Section::Program,
        "claude_settings_path",
        "remove it; `llm-manager connect claude-code` says what Claude Code needs",
    ),
    (Section::Program, "openai_host", "the address is `host`"),
    (Section::Program, "openai_port", "the port is `port`"),
    (Section::Program, "webui_host", "remove it; the dashboard is at `host`"),
    (Section::Program, "webui_port", "remove it; the dashboard is at `port`"),
    (Section::Model, "gpu_mem_mb", "memory is `memory_mb` of a variant"),
];

/// What to write instead of `name`, if it is a key of the original program that means nothing here.
pub(in super::super) fn instead(section: Section, name: &str) -> Option<&'static str> {
    KEYS.iter().find(|(of, key, _)| *of == section && *key == name).map(|(.., instead)| *instead)
}
