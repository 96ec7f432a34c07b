//! The rows of bodies of requests that are kept.

use super::table::row;
use super::{ConfigKey, DefaultValue, Section, ValueKind};

pub(super) static ROWS: &[ConfigKey] = &[
    row(
        Section::Program,
        "captures",
        ValueKind::One(Section::Captures),
        "",
        DefaultValue::Nothing,
        "How much is kept of requests to models with capture: true, in the folder captures beside the ledger. May be left out.",
    ),
    row(
        Section::Captures,
        "body_kb",
        ValueKind::Whole { min: 1, max: 16_384 },
        "KiB",
        DefaultValue::Whole(1024),
        "Most that is kept of one body, of the request and of the answer each. The rest of a longer one is left out.",
    ),
    row(
        Section::Captures,
        "size_mb",
        ValueKind::Whole { min: 1, max: 1_000_000 },
        "MiB",
        DefaultValue::Whole(256),
        "Most that all of them take together: the oldest go first. At most 10000 requests are kept.",
    ),
    row(
        Section::Captures,
        "hours",
        ValueKind::Number { min: 0.0001, max: 8760.0 },
        "hours",
        DefaultValue::Whole(24),
        "How long a request is kept after its beginning. Too long: other people's words stay on the disk.",
    ),
    row(
        Section::Model,
        "capture",
        ValueKind::Flag,
        "",
        DefaultValue::Flag(false),
        "true: the bodies of requests to this model, and of their answers, are kept for a while, for admins to look at: as files that only the manager's user may read, without the headers that are secrets (program.captures has the bounds). Tell the users.",
    ),
];
