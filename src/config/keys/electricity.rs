//! The rows of `program.electricity`.

use super::table::row;
use super::{Key, Kind, Preset, Section};

pub(super) static ROWS: &[Key] = &[
    row(
        Section::Electricity,
        "price_per_kwh",
        Kind::Price,
        "",
        Preset::Required,
        "The price of a kilowatt-hour, in quotes.",
    ),
    row(
        Section::Electricity,
        "currency",
        Kind::Text,
        "",
        Preset::Required,
        "The currency of that price: three capital letters.",
    ),
    row(
        Section::Electricity,
        "watts",
        Kind::Watts,
        "watts",
        Preset::Nothing,
        "What a device draws while a model is on it, by device name as in required_devices; for devices that don't report their power. Default: none, and nothing is recorded for these.",
    ),
];
