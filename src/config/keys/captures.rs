//! The rows of bodies of requests that are kept.

use super::table::row;
use super::{Key, Kind, Preset, Section};

pub(super) static ROWS: &[Key] = &[
    row(
        Section::Program,
        "captures",
        Kind::One(Section::Captures),
        "",
        Preset::Nothing,
        "How much is kept of requests to models with capture: true, in the folder captures beside the ledger. May be left out.",
    ),
    row(
        Section::Captures,
        "body_kb",
        Kind::Whole { min: 1, max: 16_384 },
        "KiB",
        Preset::Whole(1024),
        "Most that is kept of one body, of the request and of the answer each. The rest of a longer one is left out.",
    ),
    row(
        Section::Captures,
        "size_mb",
        Kind::Whole { min: 1, max: 1_000_000 },
        "MiB",
        Preset::Whole(256),
        "Most that all of them take together: the oldest go first. At most 10000 requests are kept.",
    ),
    row(
        Section::Captures,
        "hours",
        Kind::Number { min: 0.0001, max: 8760.0 },
        "hours",
        Preset::Whole(24),
        "How long a request is kept after its beginning. Too long: other people's words stay on the disk.",
    ),
    row(
        Section::Model,
        "capture",
        Kind::Flag,
        "",
        Preset::Flag(false),
        "true: the bodies of requests to this model, and of their answers, are kept for a while, for admins to look at: as files that only the manager's user may read, without the headers that are secrets (program.captures has the bounds). Tell the users.",
    ),
];
