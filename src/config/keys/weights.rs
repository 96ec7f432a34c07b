//! The rows of what is known of a model's files.

use super::table::row;
use super::{ConfigKey, DefaultValue, Section, ValueKind};

pub(super) static ROWS: &[ConfigKey] = &[
    // Local-Models.<name>
    row(
        Section::Model,
        "read_ahead",
        ValueKind::Flag,
        "",
        DefaultValue::Flag(true),
        "true: the weights are read into free RAM (the page cache) as soon as the model is wanted, also while it waits for memory; Linux only. false: for weights on a share that is slow for everybody.",
    ),
    row(
        Section::Model,
        "weights",
        ValueKind::Texts,
        "",
        DefaultValue::Nothing,
        "Files or folders to read ahead, in this order. Default: those on the command line or in the script (-m, --mmproj, --model and so on).",
    ),
];
