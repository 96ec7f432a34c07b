//! The rows of what the manager must know of a backend: how it is asked, by which name, and how it is stopped.

use super::table::row;
use super::{Key, Kind, Preset, Section};

pub(super) static ROWS: &[Key] = &[
    // modes.<name>.probe
    row(
        Section::Probe,
        "headers",
        Kind::Headers,
        "",
        Preset::Nothing,
        "Headers to send with it, such as a key that the backend wants. Default: none.",
    ),
    // `probe` of a model or a variant
    row(
        Section::OwnProbe,
        "method",
        Kind::Choice(&["GET", "POST"]),
        "",
        Preset::Text("GET"),
        "HTTP method of the probe.",
    ),
    row(
        Section::OwnProbe,
        "path",
        Kind::Text,
        "",
        Preset::Nothing,
        "Path to ask, as it stands: api_prefix is not put before it. Without path and paths, the mode's own requests are sent with these headers.",
    ),
    row(
        Section::OwnProbe,
        "paths",
        Kind::Texts,
        "",
        Preset::Nothing,
        "Paths to ask in order; the next one when the backend doesn't know this one.",
    ),
    row(
        Section::OwnProbe,
        "body",
        Kind::Body,
        "",
        Preset::Nothing,
        "JSON to POST, as text or as a mapping; \"{model}\" in it becomes the name by which the backend knows the model. Default: no body.",
    ),
    row(
        Section::OwnProbe,
        "headers",
        Kind::Headers,
        "",
        Preset::Nothing,
        "Headers to send with it, such as a key that the backend wants. Default: none.",
    ),
    // Local-Models.<name>
    row(
        Section::Model,
        "served_name",
        Kind::Text,
        "",
        Preset::Nothing,
        "The name by which the backend knows the model; requests are sent on under it. Default: the one that the probe finds, where the backend refuses the name that was asked for.",
    ),
    row(
        Section::Model,
        "api_prefix",
        Kind::Prefix,
        "",
        Preset::Nothing,
        "Where the backend's API begins: \"/v1\" in a path becomes this. \"\" for a backend that serves /chat/completions or /embeddings. Default: /v1.",
    ),
    row(
        Section::Model,
        "probe",
        Kind::One(Section::OwnProbe),
        "",
        Preset::Nothing,
        "The request that tells whether the model is ready: a 2xx answer. Default: what the mode asks.",
    ),
    row(
        Section::Model,
        "stop_command",
        Kind::Command,
        "",
        Preset::Nothing,
        "Program and arguments that stop what the script started elsewhere, such as a container; {port} and {model} in them are filled in. It runs beside SIGTERM, and is given up after stop_timeout. Default: SIGTERM alone.",
    ),
    // Local-Models.<name>.<variant>
    row(
        Section::Variant,
        "served_name",
        Kind::Text,
        "",
        Preset::Nothing,
        "This variant's served_name. Default: the model's.",
    ),
    row(
        Section::Variant,
        "api_prefix",
        Kind::Prefix,
        "",
        Preset::Nothing,
        "This variant's api_prefix. Default: the model's.",
    ),
    row(
        Section::Variant,
        "probe",
        Kind::One(Section::OwnProbe),
        "",
        Preset::Nothing,
        "This variant's probe. Default: the model's.",
    ),
    row(
        Section::Variant,
        "stop_command",
        Kind::Command,
        "",
        Preset::Nothing,
        "This variant's stop_command. Default: the model's.",
    ),
];
