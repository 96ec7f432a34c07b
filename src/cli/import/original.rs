//! Configurations of the original LLM-Manager: config.json (models beside `program`), config.yaml (`Local-Models`), and
//! what v3 keeps in its database.

use llm_manager_ledger::{Configuration, ImportedVariant};
use serde_json::Value as Json;
use std::path::Path;

use super::emit::{GeneratedConfig, ModelEntry, list, map, quoted};
use super::report::{ImportReport, counted};
use super::yaml11::{YamlNode, YamlValue};

const MODES: [&str; 4] = ["Chat", "Base", "Embedding", "Reranker"];
/// Keys of `program` that mean nothing here.
const LOST: [(&str, &str); 6] = [
    ("TokenTracker", "the tokens of every mode are recorded"),
    ("device_plugin_dir", "devices are detected; others are declared under `devices`"),
    ("interface_plugin_dir", "the modes are built in; others are declared under `modes`"),
    ("claude_settings_path", "see `llm-manager connect claude-code`"),
    ("webui_host", "the dashboard is at program.host"),
    ("webui_port", "the dashboard is at program.port"),
];

/// Settings of v3 that mean nothing here. Their values aren't repeated: some hold keys.
const SETTINGS_LOST: [(&str, &str); 6] = [
    ("log_retention_days", "write `logs: {days: ...}`"),
    ("log_retention_count", "logs are bounded by `logs: {size_mb, days}`"),
    ("claude_settings_path", "see `llm-manager connect claude-code`"),
    ("claude_configs", "see `llm-manager connect claude-code`"),
    ("wol_broadcast", "this program wakes no other computer"),
    ("wol_mac", "this program wakes no other computer"),
];

/// Whether it is one: llama-swap knows no `program`.
pub(super) fn is(file: &YamlNode) -> bool {
    file.get("Local-Models").is_some() || file.get("program").is_some()
}

/// What becomes of a file in `folder`.
pub(super) fn convert(
    file: &YamlNode,
    folder: &Path,
    report: &mut ImportReport,
) -> Result<GeneratedConfig, String> {
    let mut output = GeneratedConfig { head: head(), ..GeneratedConfig::default() };
    if let Some(given) = file.get("program") {
        program(given, &mut output, report);
    }
    let is_model = |value: &YamlNode| {
        matches!(value.value, YamlValue::Map(_))
            && (value.get("mode").is_some() || value.get("port").is_some() || value.get("aliases").is_some())
    };
    for (key, value) in file.entries() {
        let name = key.text().unwrap_or_default();
        match name.as_str() {
            "program" | "Local-Models" => {}
            "wake_on_lan" => report.lost(key.line, &name, "this program wakes no other computer"),
            "claude_configs" => report.lost(key.line, &name, "see `llm-manager connect claude-code`"),
            _ if file.get("Local-Models").is_none() && is_model(value) => {
                output.models.extend(model(key, value, folder, report));
            }
            _ => report.lost(key.line, &name, "unknown key"),
        }
    }
    for (key, value) in file.get("Local-Models").into_iter().flat_map(YamlNode::entries) {
        output.models.extend(model(key, value, folder, report));
    }
    Ok(output)
}

fn head() -> Vec<String> {
    vec!["Imported from the original LLM-Manager by `llm-manager import`.".to_owned()]
}

fn program(given: &YamlNode, output: &mut GeneratedConfig, report: &mut ImportReport) {
    let mut has_alive_time = false;
    for (key, value) in given.entries() {
        let name = key.text().unwrap_or_default();
        let at = format!("program.{name}");
        let (ours, value) = match name.as_str() {
            "host" | "openai_host" => ("host", value.text().map(|host| quoted(&host))),
            "port" | "openai_port" => ("port", value.whole().map(|port| port.to_string())),
            "log_level" => ("log_level", value.text().map(|level| quoted(&level))),
            "alive_time" => {
                has_alive_time = true;
                ("alive_time", value.number().map(|minutes| minutes.max(0.0).to_string()))
            }
            "Disable_GPU_monitoring" => ("Disable_GPU_monitoring", value.flag().map(|flag| flag.to_string())),
            _ => {
                let why = LOST.iter().find(|(known, _)| *known == name).map_or("unknown key", |(_, why)| why);
                report.lost(key.line, &at, why);
                continue;
            }
        };
        match value {
            Some(value) => {
                report.taken(key.line, &at, format!("program.{ours}: {value}"));
                output.program.retain(|(known, _)| *known != ours);
                output.program.push((ours, value));
            }
            None => report.warn(key.line, &at, "its value isn't understood; left out"),
        }
    }
    if !has_alive_time {
        // Its default is never, ours a quarter of an hour.
        output.program.push(("alive_time", "0".to_owned()));
    }
}

fn model(key: &YamlNode, value: &YamlNode, folder: &Path, report: &mut ImportReport) -> Option<ModelEntry> {
    let name = key.text()?;
    let at = format!("Local-Models.{name}");
    let mut entry = ModelEntry { name: name.clone(), ..ModelEntry::default() };
    let aliases: Vec<_> = value
        .get("aliases")
        .map(YamlNode::items)
        .unwrap_or_default()
        .iter()
        .filter_map(YamlNode::text)
        .collect();
    if let Some(first) = aliases.first().filter(|first| **first != name) {
        report.taken(key.line, &at, format!("the model {name}; the original's ledger calls it {first}"));
    }
    let aliases: Vec<_> = aliases.into_iter().filter(|alias| *alias != name).collect();
    if !aliases.is_empty() {
        entry.keys.push(("aliases", list(&aliases)));
    }
    let mode = value.get("mode").and_then(YamlNode::text).unwrap_or_else(|| "Chat".to_owned());
    entry.keys.push(("mode", quoted(&known_mode(&mode, key.line, &at, report))));
    if let Some(port) = value.get("port").and_then(YamlNode::whole) {
        entry.keys.push(("port", port.to_string()));
    }
    if let Some(flag) = value.get("auto_start").and_then(YamlNode::flag) {
        entry.keys.push(("auto_start", flag.to_string()));
    }
    for (key, inner) in value.entries() {
        let Some(source) = key.text() else { continue };
        match source.as_str() {
            "aliases" | "mode" | "port" | "auto_start" | "bat_path" | "script_path" | "gpu_mem_mb" => {}
            _ if inner.get("script_path").is_some() || inner.get("bat_path").is_some() => {
                entry
                    .variants
                    .push((source.clone(), variant(inner, folder, &format!("{at}.{source}"), report)));
            }
            _ => report.lost(key.line, &format!("{at}.{source}"), "unknown key"),
        }
    }
    // The first versions had one script for each model.
    if entry.variants.is_empty() && (value.get("bat_path").is_some() || value.get("script_path").is_some()) {
        entry.variants.push(("Default".to_owned(), variant(value, folder, &at, report)));
    }
    if entry.variants.is_empty() {
        report.lost(key.line, &at, "nothing says how to start it; left out");
        return None;
    }
    report.taken(key.line, &at, counted(entry.variants.len() as u64, "variant"));
    Some(entry)
}

fn known_mode(mode: &str, line: usize, at: &str, report: &mut ImportReport) -> String {
    if let Some(known) = MODES.iter().find(|known| known.eq_ignore_ascii_case(mode)) {
        return (*known).to_owned();
    }
    report.warn(
        line,
        at,
        format!("the mode {mode:?} isn't known here: declare it under `modes`; taken for Chat"),
    );
    "Chat".to_owned()
}

fn variant(
    given: &YamlNode,
    folder: &Path,
    at: &str,
    report: &mut ImportReport,
) -> Vec<(&'static str, String)> {
    let memory = given.get("memory_mb").or_else(|| given.get("gpu_mem_mb"));
    let memory: Vec<_> = memory
        .into_iter()
        .flat_map(YamlNode::entries)
        .filter_map(|(device, mib)| Some((device.text()?, mib.whole()?.max(0).to_string())))
        .collect();
    let devices: Vec<String> = match given.get("required_devices") {
        Some(devices) => devices.items().iter().filter_map(YamlNode::text).collect(),
        None => memory.iter().map(|(device, _)| device.clone()).collect(),
    };
    let mut keys = placement(&devices, memory, given.line, at, report);
    let script = given.get("script_path").or_else(|| given.get("bat_path"));
    if let Some((line, script)) = script.and_then(|script| Some((script.line, script.text()?))) {
        let path = if cfg!(windows) { script.clone() } else { script.replace('\\', "/") };
        if !folder.join(&path).is_file() {
            report.warn(
                line,
                at,
                format!(
                    "there is no script {path} beside the file; put it into the new configuration's folder"
                ),
            );
        }
        if !cfg!(windows)
            && Path::new(&path).extension().is_some_and(|ending| ending == "bat" || ending == "cmd")
        {
            report.warn(line, at, format!("{path} is a script of Windows, which doesn't run here"));
        }
        keys.push(("script_path", quoted(&path)));
    }
    keys
}

/// `required_devices` and `memory_mb`, which may name no other device.
fn placement(
    devices: &[String],
    memory: Vec<(String, String)>,
    line: usize,
    at: &str,
    report: &mut ImportReport,
) -> Vec<(&'static str, String)> {
    let mut keys = Vec::new();
    if !devices.is_empty() {
        keys.push(("required_devices", list(devices)));
    }
    let (memory, others): (Vec<_>, Vec<_>) =
        memory.into_iter().partition(|(device, _)| devices.contains(device));
    for (device, _) in others {
        report.warn(
            line,
            at,
            format!("memory_mb of {device:?}, which isn't among its required_devices: left out"),
        );
    }
    if !memory.is_empty() {
        keys.push(("memory_mb", map(&memory)));
    }
    keys
}

/// What becomes of v3's configuration.
pub(super) fn of_v3(given: &Configuration, report: &mut ImportReport) -> GeneratedConfig {
    let mut output = GeneratedConfig { head: head(), ..GeneratedConfig::default() };
    let mut has_alive_time = false;
    for (key, value) in &given.settings {
        let value: Json = serde_json::from_str(value).unwrap_or_else(|_| Json::from(value.as_str()));
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let name = key.rsplit('.').next().unwrap_or(key);
        let ours = match name {
            "host" => Some(("host", quoted(&text))),
            "port" => text.parse::<u16>().ok().map(|port| ("port", port.to_string())),
            "log_level" => Some(("log_level", quoted(&text.to_ascii_uppercase()))),
            "alive_time" => {
                text.parse::<f64>().ok().map(|minutes| ("alive_time", minutes.max(0.0).to_string()))
            }
            "disable_gpu_monitoring" | "Disable_GPU_monitoring" => {
                Some(("Disable_GPU_monitoring", matches!(text.as_str(), "true" | "1" | "True").to_string()))
            }
            _ => None,
        };
        match ours {
            Some((ours, value)) => {
                has_alive_time |= ours == "alive_time";
                report.taken(0, &format!("system_settings.{key}"), format!("program.{ours}: {value}"));
                output.program.push((ours, value));
            }
            None => {
                let why = SETTINGS_LOST.iter().find(|(known, _)| *known == name);
                let why = why.map_or("unknown setting", |(_, why)| *why);
                report.lost(0, &format!("system_settings.{key}"), why);
            }
        }
    }
    if !has_alive_time {
        output.program.push(("alive_time", "60".to_owned()));
    }
    for model in &given.models {
        let at = format!("model_defs.{}", model.name);
        let mut entry = ModelEntry { name: model.name.clone(), ..ModelEntry::default() };
        let aliases: Vec<_> = model.aliases.iter().filter(|alias| **alias != model.name).collect();
        if !aliases.is_empty() {
            entry.keys.push(("aliases", list(&aliases)));
        }
        entry.keys.push(("mode", quoted(&known_mode(&model.mode, 0, &at, report))));
        if model.port > 0 {
            entry.keys.push(("port", model.port.to_string()));
        }
        if model.auto_start {
            entry.keys.push(("auto_start", "true".to_owned()));
        }
        for variant in &model.variants {
            let served = model.aliases.first().unwrap_or(&model.name);
            if let Some(keys) = scheme(variant, served, &at, report) {
                entry.variants.push((variant.name.clone(), keys));
            }
        }
        if entry.variants.is_empty() {
            report.lost(0, &at, "nothing says how to start it; left out");
            continue;
        }
        let variants = counted(entry.variants.len() as u64, "variant");
        report.taken(0, &at, format!("Local-Models.{}, {variants}", model.name));
        output.models.push(entry);
    }
    output
}

/// `served`: what the original puts in place of `{{alias}}`, the first one.
fn scheme(
    variant: &ImportedVariant,
    served: &str,
    at: &str,
    report: &mut ImportReport,
) -> Option<Vec<(&'static str, String)>> {
    let at = format!("{at}.{}", variant.name);
    let json = |text: &str| serde_json::from_str::<Json>(text).unwrap_or(Json::Null);
    let devices = json(&variant.required_devices);
    let devices: Vec<String> = devices
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|device| Some(device.as_str()?.to_owned()))
        .collect();
    let memory = json(&variant.memory_mb);
    let memory = memory.as_object().into_iter().flatten();
    let memory = memory
        .filter_map(|(device, mib)| Some((device.clone(), (mib.as_f64()?.max(0.0) as u64).to_string())));
    let mut keys = placement(&devices, memory.collect(), 0, &at, report);
    let command = json(&variant.command);
    let fill = |text: &str| text.replace("{{port}}", "{port}").replace("{{alias}}", served);
    let Some(exe) = command.get("exe").and_then(Json::as_str).filter(|exe| !exe.is_empty()) else {
        report.lost(0, &at, "its command names no program");
        return None;
    };
    let mut words = vec![fill(exe)];
    match command.get("args") {
        Some(Json::Array(arguments)) => words.extend(arguments.iter().filter_map(Json::as_str).map(fill)),
        Some(Json::String(text)) => match super::split_command::split(text) {
            Ok(arguments) => words.extend(arguments.iter().map(|word| fill(word))),
            Err(error) => report.warn(0, &at, format!("args: {error}; left out")),
        },
        _ => {}
    }
    for (key, why) in [
        ("cwd", "a backend runs in the folder of the configuration"),
        ("conda_env", "write the environment's python as the program"),
    ] {
        if command.get(key).and_then(Json::as_str).is_some_and(|text| !text.is_empty()) {
            report.lost(0, &format!("{at}.{key}"), why);
        }
    }
    let env: Vec<_> = command
        .get("env")
        .and_then(Json::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), quoted(&value.as_str().map_or_else(|| value.to_string(), fill))))
        .collect();
    if !env.is_empty() {
        keys.push(("env", map(&env)));
    }
    keys.push(("command", list(&words)));
    Some(keys)
}
