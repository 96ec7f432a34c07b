//! The rows of the files that keep what backends print.

use super::table::row;
use super::{ConfigKey, DefaultValue, Section, ValueKind};

pub(super) static ROWS: &[ConfigKey] = &[
    row(
        Section::Root,
        "logs",
        ValueKind::One(Section::Logs),
        "",
        DefaultValue::Nothing,
        "Files that keep what backends print, one log a run, also when the manager has ended. May be left out.",
    ),
    row(
        Section::Logs,
        "folder",
        ValueKind::Text,
        "",
        DefaultValue::Nothing,
        "Folder of these files. Default: logs, beside the ledger.",
    ),
    row(
        Section::Logs,
        "size_mb",
        ValueKind::Whole { min: 0, max: 1_000_000 },
        "MiB",
        DefaultValue::Whole(20),
        "Most that all of them take together: the oldest go first, and a run that still prints has at most half. 0: nothing is kept. Too high: the disk fills. Too low: last night's crash is gone by the morning.",
    ),
    row(
        Section::Logs,
        "days",
        ValueKind::Whole { min: 1, max: 36_500 },
        "days",
        DefaultValue::Whole(14),
        "How long a log is kept after its last line.",
    ),
];
