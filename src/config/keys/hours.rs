//! The rows of what follows the clock.

use super::table::row;
use super::{ConfigKey, DefaultValue, Section, ValueKind};

pub(super) static ROWS: &[ConfigKey] = &[
    row(
        Section::Model,
        "keep_warm",
        ValueKind::Texts,
        "",
        DefaultValue::Nothing,
        "Hours in which the model is ready without a request: it is started before they begin, for which idle models go, and is stopped neither for being idle nor for another model, unless that is wanted by a higher class than its own priority. Days (left out: all), times, zone (left out: the system's). Default: none.",
    ),
    row(
        Section::Model,
        "quiet",
        ValueKind::Texts,
        "",
        DefaultValue::Nothing,
        "Hours in which no request of a key with the priority batch starts the model; it is refused with the time at which they end. Written as keep_warm. Default: none.",
    ),
];
