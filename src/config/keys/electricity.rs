//! The rows of `program.electricity`.

use super::table::row;
use super::{ConfigKey, DefaultValue, Section, ValueKind};

pub(super) static ROWS: &[ConfigKey] = &[
    row(
        Section::Electricity,
        "price_per_kwh",
        ValueKind::Price,
        "",
        DefaultValue::Required,
        "The price of a kilowatt-hour, in quotes.",
    ),
    row(
        Section::Electricity,
        "currency",
        ValueKind::Text,
        "",
        DefaultValue::Required,
        "The currency of that price: three capital letters.",
    ),
    row(
        Section::Electricity,
        "watts",
        ValueKind::Watts,
        "watts",
        DefaultValue::Nothing,
        "What a device draws while a model is on it, by device name as in required_devices; for devices that don't report their power. Default: none, and nothing is recorded for these.",
    ),
];
