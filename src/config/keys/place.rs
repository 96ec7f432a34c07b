//! The rows of `on`: where a variant runs.

use super::table::row;
use super::{Key, Kind, Preset, Section};

pub(super) static ROWS: &[Key] = &[
    row(
        Section::Variant,
        "on",
        Kind::One(Section::On),
        "",
        Preset::Nothing,
        "Where it runs, if not on this machine; then nothing says how to start it. Default: on this machine.",
    ),
    row(
        Section::On,
        "url",
        Kind::Text,
        "",
        Preset::Nothing,
        "The address of a server that somebody else runs, with the path at which its API begins: another machine, another manager, a paid API. Nothing is started; the variant is ready while it answers, and counts as offline while it doesn't.",
    ),
    row(
        Section::On,
        "key",
        Kind::Secret,
        "",
        Preset::Nothing,
        "Sent to it as Bearer token, instead of the client's. ${NAME} takes it from the environment, file:PATH from a file. Default: none.",
    ),
];
