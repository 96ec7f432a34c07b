//! The rows of what passes through the gateway: who may call it from a browser, and what clients see of models.

use super::table::row;
use super::{ConfigKey, DefaultValue, Section, ValueKind};

pub(super) static ROWS: &[ConfigKey] = &[
    row(
        Section::Program,
        "allowed_origins",
        ValueKind::Texts,
        "",
        DefaultValue::Nothing,
        "Origins whose pages may call /v1 from a browser, such as https://app.example.com; * for any. Pages of other sites are refused unless they send a key in a header. Default: none.",
    ),
    row(
        Section::Program,
        "loading_comments",
        ValueKind::Flag,
        "",
        DefaultValue::Flag(false),
        "true: a stream that waits for its model for longer than 2 seconds gets comments (Anthropic's clients: pings), so that proxies and clients don't give up. A failure after that is an event in the stream, no status.",
    ),
    row(
        Section::Program,
        "watch_config",
        ValueKind::Flag,
        "",
        DefaultValue::Flag(false),
        "true: the file is applied as soon as it changes, as `llm-manager reload` does it. With errors in it the former one stays in force.",
    ),
    row(
        Section::Program,
        "shared",
        ValueKind::Flag,
        "",
        DefaultValue::Flag(false),
        "true: other managers have the same PostgreSQL ledger, the same `data` folder and the same cluster; one of them leads, and another takes over when it fails. All variants run on Slurm or at a url.",
    ),
    row(
        Section::Model,
        "formerly",
        ValueKind::TextOrTexts,
        "",
        DefaultValue::Nothing,
        "Names that the model had before: requests, runs and costs recorded under them become its own. Clients cannot use them; for that there are aliases. Default: none.",
    ),
    row(
        Section::Model,
        "listed",
        ValueKind::Listed,
        "",
        DefaultValue::Nothing,
        "false: /v1/models does not list it; {aliases: false}: only its aliases are left out. It can be asked for all the same. Default: true.",
    ),
    row(
        Section::Model,
        "context_length",
        ValueKind::Whole { min: 1, max: 1_000_000_000 },
        "tokens",
        DefaultValue::Nothing,
        "How many tokens fit into its context; shown in /v1/models. Default: what the backend reported when it was last ready.",
    ),
    row(
        Section::Model,
        "rewrite_model",
        ValueKind::Flag,
        "",
        DefaultValue::Flag(false),
        "true: the model in an answer becomes the name that was asked for. With false, answers carry the backend's own name.",
    ),
    row(
        Section::Model,
        "end_with_client",
        ValueKind::Flag,
        "",
        DefaultValue::Nothing,
        "true: a plain request is sent as a stream and put together again, so that the engine notices when its client leaves; false: never. Default: true for llama.cpp, whose router otherwise generates on to the last token; false for others.",
    ),
];
