//! The rows of replicas: how many backends serve a model.

use super::table::row;
use super::{ConfigKey, DefaultValue, Section, ValueKind};

const WEEK: f64 = 604_800.0;

pub(super) static ROWS: &[ConfigKey] = &[
    row(
        Section::Model,
        "replicas",
        ValueKind::One(Section::Replicas),
        "",
        DefaultValue::Nothing,
        "How many backends of this model run side by side, on two cards for example; requests go to the least busy one. With max above 1, leave port out: each replica is given a port of its own in PORT. Default: one.",
    ),
    // Local-Models.<name>.replicas
    row(
        Section::Replicas,
        "min",
        ValueKind::Whole { min: 0, max: 64 },
        "",
        DefaultValue::Whole(0),
        "How many are kept once the model runs, idle or not; the others stop after alive_time. 0: all of them may stop.",
    ),
    row(
        Section::Replicas,
        "max",
        ValueKind::Whole { min: 1, max: 64 },
        "",
        DefaultValue::Whole(1),
        "How many there are at the most. A further one takes memory that is free, and makes no other model go.",
    ),
    row(
        Section::Replicas,
        "scale_up_after",
        ValueKind::Number { min: 0.0, max: WEEK },
        "seconds",
        DefaultValue::Whole(5),
        "One more is started when a request has waited for so long. Too high: requests wait. Too low: a short burst loads a model that nobody needs a moment later.",
    ),
];
