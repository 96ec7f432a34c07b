//! The rows of parking: how a backend gives its memory up and lives on.

use super::table::row;
use super::{ConfigKey, DefaultValue, Section, ValueKind};

const YEAR: f64 = 525_600.0;
const WEEK: f64 = 604_800.0;
const SHORTEST: f64 = 0.01;

pub(super) static ROWS: &[ConfigKey] = &[
    // Local-Models.<name>
    row(
        Section::Model,
        "keep_parked",
        ValueKind::Number { min: 0.0, max: YEAR },
        "minutes",
        DefaultValue::Whole(60),
        "How long a parked model is kept until it is stopped for good; 0 = for ever. Too high: it holds RAM that others could use. Too low: it is loaded again.",
    ),
    row(
        Section::Model,
        "park",
        ValueKind::One(Section::Park),
        "",
        DefaultValue::Nothing,
        "How the backend gives its memory up and lives on, instead of being stopped, when it is idle or another model needs its memory. Default: it is stopped.",
    ),
    row(
        Section::Model,
        "parked_mb",
        ValueKind::Memory,
        "",
        DefaultValue::Nothing,
        "Memory that it holds while it is parked, in MiB, by device as in memory_mb; cpu is RAM. Default: auto, which is what the devices show, and in RAM what its first sleep was seen to take; until then, as much as it gives up on the cards.",
    ),
    // Local-Models.<name>.<variant>
    row(
        Section::Variant,
        "park",
        ValueKind::One(Section::Park),
        "",
        DefaultValue::Nothing,
        "This variant's park. Default: the model's.",
    ),
    row(
        Section::Variant,
        "parked_mb",
        ValueKind::Memory,
        "",
        DefaultValue::Nothing,
        "This variant's parked_mb. Default: the model's.",
    ),
    // park
    row(
        Section::Park,
        "with",
        ValueKind::Choice(&["vllm", "sglang", "cuda", "http", "command"]),
        "",
        DefaultValue::Required,
        "vllm: its sleep mode, level 1. sglang: its memory saver. cuda: the checkpoint of NVIDIA's driver (570 or newer, Linux). http: the requests of sleep and wake. command: sleep_command and wake_command.",
    ),
    row(
        Section::Park,
        "sleep",
        ValueKind::Many(Section::ParkStep),
        "",
        DefaultValue::Nothing,
        "With http: the requests that send it to sleep, in order.",
    ),
    row(
        Section::Park,
        "wake",
        ValueKind::Many(Section::ParkStep),
        "",
        DefaultValue::Nothing,
        "With http: the requests that wake it, in order.",
    ),
    row(
        Section::Park,
        "parked",
        ValueKind::One(Section::ParkSign),
        "",
        DefaultValue::Nothing,
        "Where the backend says that it is asleep; it is asked after sleep and after wake. Default: a 2xx response to the requests is enough.",
    ),
    row(
        Section::Park,
        "busy",
        ValueKind::One(Section::ParkSign),
        "",
        DefaultValue::Nothing,
        "With http, command and cuda: where the backend says that it has work; one that has is not parked. Default: the manager's own count of requests is enough.",
    ),
    row(
        Section::Park,
        "sleep_command",
        ValueKind::Command,
        "",
        DefaultValue::Nothing,
        "With command: program and arguments that send it to sleep; {pid}, {port} and {model} in them are filled in, {pid} being its first process.",
    ),
    row(
        Section::Park,
        "wake_command",
        ValueKind::Command,
        "",
        DefaultValue::Nothing,
        "With command: program and arguments that wake it.",
    ),
    row(
        Section::Park,
        "timeout",
        ValueKind::Number { min: SHORTEST, max: WEEK },
        "seconds",
        DefaultValue::Whole(60),
        "How long each request or command may take; with cuda, the driver for all processes together. Too high: requests wait long for a backend that hangs. Too low: large models are stopped instead of parked.",
    ),
    // park.sleep[], park.wake[]
    row(
        Section::ParkStep,
        "method",
        ValueKind::Choice(&["GET", "POST", "PUT", "DELETE", "PATCH"]),
        "",
        DefaultValue::Text("POST"),
        "HTTP method of the request.",
    ),
    row(
        Section::ParkStep,
        "path",
        ValueKind::Text,
        "",
        DefaultValue::Required,
        "Path of the request, with its query, as the backend has it.",
    ),
    row(
        Section::ParkStep,
        "body",
        ValueKind::Body,
        "",
        DefaultValue::Nothing,
        "JSON to send. Default: no body.",
    ),
    row(
        Section::ParkStep,
        "timeout",
        ValueKind::Number { min: SHORTEST, max: WEEK },
        "seconds",
        DefaultValue::Nothing,
        "How long this request may take. Default: timeout of park.",
    ),
    // park.parked, park.busy
    row(Section::ParkSign, "path", ValueKind::Text, "", DefaultValue::Required, "Path to GET."),
    row(
        Section::ParkSign,
        "pointer",
        ValueKind::Text,
        "",
        DefaultValue::Nothing,
        "JSON pointer (RFC 6901) to true or a number above 0 in the response, such as /is_sleeping. Default: a 2xx response means yes.",
    ),
];
