//! The rows of `keys:`: who may come in, and what for.

use super::table::row;
use super::{Key, Kind, Preset, Section};

/// As many as nobody needs, and as the arithmetic can hold.
const MANY: u64 = 1_000_000_000_000;

pub(super) static ROWS: &[Key] = &[
    row(
        Section::Root,
        "keys",
        Kind::Many(Section::Key),
        "",
        Preset::Nothing,
        "Keys with names, rights and limits, beside program.api_keys, which may do everything: a list. More of them are made by `llm-manager key add NAME`. Default: none.",
    ),
    row(
        Section::Key,
        "name",
        Kind::Text,
        "",
        Preset::Required,
        "By which reports and limits know the key, whatever its secret is.",
    ),
    row(
        Section::Key,
        "secret",
        Kind::Secret,
        "",
        Preset::Nothing,
        "What clients send: at least 8 characters, better 32 random ones. ${NAME} takes it from the environment, file:PATH from a file.",
    ),
    row(
        Section::Key,
        "secret_sha256",
        Kind::Secret,
        "",
        Preset::Nothing,
        "Instead of the secret its SHA-256 in hex, so that the file holds no secret: printf %s SECRET | sha256sum.",
    ),
    row(
        Section::Key,
        "scopes",
        Kind::Texts,
        "",
        Preset::Nothing,
        "What it may do: infer (ask models), read (look at the management), operate (start and stop models; includes read), admin (everything). Default: [infer].",
    ),
    row(
        Section::Key,
        "models",
        Kind::Texts,
        "",
        Preset::Nothing,
        "Names and aliases that it may use; * stands for any letters. Default: all.",
    ),
    row(
        Section::Key,
        "expires",
        Kind::Text,
        "",
        Preset::Nothing,
        "From when on it opens nothing. Default: never.",
    ),
    row(
        Section::Key,
        "requests_per_minute",
        Kind::Whole { min: 1, max: MANY },
        "",
        Preset::Nothing,
        "Requests to models per minute; a whole minute's worth may come at once, then it refills evenly. More get 429. Default: no limit.",
    ),
    row(
        Section::Key,
        "tokens_per_minute",
        Kind::Whole { min: 1, max: MANY },
        "",
        Preset::Nothing,
        "The same of tokens: what a request may take (its input, and max_tokens) is reserved before, and set right after. Default: no limit.",
    ),
    row(
        Section::Key,
        "budget",
        Kind::One(Section::Budget),
        "",
        Preset::Nothing,
        "What it may use in a day or a month; a request that might go beyond gets 429 at once. Default: no limit.",
    ),
    row(
        Section::Key,
        "priority",
        Kind::Choice(&["interactive", "normal", "batch"]),
        "",
        Preset::Nothing,
        "Whose requests go first among those that wait for the same model; after 30 seconds nobody is passed any more. Default: normal.",
    ),
    row(
        Section::Budget,
        "period",
        Kind::Choice(&["day", "month"]),
        "",
        Preset::Text("month"),
        "From midnight, or from the first of the month, UTC.",
    ),
    row(
        Section::Budget,
        "amount",
        Kind::Price,
        "",
        Preset::Nothing,
        "Money, with its currency; requests to models without a price in it cost nothing.",
    ),
    row(Section::Budget, "currency", Kind::Text, "", Preset::Nothing, "Of the amount: three letters."),
    row(
        Section::Budget,
        "tokens",
        Kind::Whole { min: 1, max: MANY },
        "",
        Preset::Nothing,
        "Tokens, input and output, instead of an amount.",
    ),
];
