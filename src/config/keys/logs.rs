//! The rows of the files that keep what backends print.

use super::table::row;
use super::{Key, Kind, Preset, Section};

pub(super) static ROWS: &[Key] = &[
    row(
        Section::Root,
        "logs",
        Kind::One(Section::Logs),
        "",
        Preset::Nothing,
        "Files that keep what backends print, one log a run, also when the manager has ended. May be left out.",
    ),
    row(
        Section::Logs,
        "folder",
        Kind::Text,
        "",
        Preset::Nothing,
        "Folder of these files. Default: logs, beside the ledger.",
    ),
    row(
        Section::Logs,
        "size_mb",
        Kind::Whole { min: 0, max: 1_000_000 },
        "MiB",
        Preset::Whole(20),
        "Most that all of them take together: the oldest go first, and a run that still prints has at most half. 0: nothing is kept. Too high: the disk fills. Too low: last night's crash is gone by the morning.",
    ),
    row(
        Section::Logs,
        "days",
        Kind::Whole { min: 1, max: 36_500 },
        "days",
        Preset::Whole(14),
        "How long a log is kept after its last line.",
    ),
];
