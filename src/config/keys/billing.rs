//! The rows of price plans.

use super::table::row;
use super::{ConfigKey, DefaultValue, Section, ValueKind};

pub(super) static ROWS: &[ConfigKey] = &[
    // Local-Models.<name>.billing
    row(
        Section::Billing,
        "method",
        ValueKind::Choice(&["tiered", "hourly"]),
        "",
        DefaultValue::Required,
        "tiered: each request is paid by its tokens. hourly: the time during which the model is ready is paid.",
    ),
    row(
        Section::Billing,
        "currency",
        ValueKind::Text,
        "",
        DefaultValue::Required,
        "Three capital letters, such as CNY or EUR. Nothing is converted.",
    ),
    row(
        Section::Billing,
        "cache_pricing",
        ValueKind::Flag,
        "",
        DefaultValue::Flag(false),
        "true: input tokens from the cache cost cache_read, and all others input + cache_write. false: all input tokens cost the same.",
    ),
    row(
        Section::Billing,
        "tiers",
        ValueKind::Many(Section::Tier),
        "",
        DefaultValue::Nothing,
        "With tiered: a list; the first tier that a request fits in prices the whole of it, and one that fits in none has no price.",
    ),
    row(
        Section::Billing,
        "per_hour",
        ValueKind::Price,
        "",
        DefaultValue::Nothing,
        "With hourly: the price of an hour, in quotes.",
    ),
    row(
        Section::Billing,
        "parked_per_hour",
        ValueKind::Price,
        "",
        DefaultValue::Nothing,
        "With hourly: the price of an hour in which the model is parked, in quotes. Default: that time costs nothing.",
    ),
    row(
        Section::Tier,
        "max_input",
        ValueKind::Whole { min: 0, max: 1_000_000_000_000 },
        "tokens",
        DefaultValue::Nothing,
        "Requests with more tokens of input do not fit. Default: no limit.",
    ),
    row(
        Section::Tier,
        "max_output",
        ValueKind::Whole { min: 0, max: 1_000_000_000_000 },
        "tokens",
        DefaultValue::Nothing,
        "Requests with more tokens of output do not fit. Default: no limit.",
    ),
    row(
        Section::Tier,
        "input",
        ValueKind::Price,
        "",
        DefaultValue::Required,
        "Price of a million tokens of input, in quotes.",
    ),
    row(
        Section::Tier,
        "output",
        ValueKind::Price,
        "",
        DefaultValue::Required,
        "Price of a million tokens of output, in quotes.",
    ),
    row(
        Section::Tier,
        "cache_read",
        ValueKind::Price,
        "",
        DefaultValue::Nothing,
        "Price of a million tokens of input from the cache; wanted with cache_pricing.",
    ),
    row(
        Section::Tier,
        "cache_write",
        ValueKind::Price,
        "",
        DefaultValue::Nothing,
        "With cache_pricing: what a million tokens of input that are not from the cache cost more. Default: 0.",
    ),
];
