//! The rows of `notify`: whom word goes out to.

use super::table::row;
use super::{ConfigKey, DefaultValue, Section, ValueKind};

pub(super) static ROWS: &[ConfigKey] = &[
    row(
        Section::Root,
        "notify",
        ValueKind::Many(Section::Notify),
        "",
        DefaultValue::Nothing,
        "Whom word goes out to when something needs a person: a list, each entry with a webhook, a command or a mail address. Each cause is told at most once an hour. Default: none.",
    ),
    row(
        Section::Notify,
        "name",
        ValueKind::Text,
        "",
        DefaultValue::Required,
        "By which it is known in the log, and tested: `llm-manager notify test NAME`.",
    ),
    row(
        Section::Notify,
        "webhook",
        ValueKind::Secret,
        "",
        DefaultValue::Nothing,
        "The address to which word is posted; of ntfy that of the topic. It is a secret, as that of Slack is: ${NAME} takes it from the environment, file:PATH from a file.",
    ),
    row(
        Section::Notify,
        "command",
        ValueKind::Command,
        "",
        DefaultValue::Nothing,
        "Program and arguments that are run instead; {title}, {text}, {event} and {subject} in them are filled in, and all of it comes as JSON on standard input. It may take 30 seconds. With the format mail: the mail program.",
    ),
    row(
        Section::Notify,
        "format",
        ValueKind::Choice(&["json", "ntfy", "slack", "feishu", "mail"]),
        "",
        DefaultValue::Text("json"),
        "What the other side understands. json: the manager's own form, signed with the secret.",
    ),
    row(
        Section::Notify,
        "secret",
        ValueKind::Secret,
        "",
        DefaultValue::Nothing,
        "With json: the key with which word is signed (HMAC-SHA256). With feishu: the bot's secret for signatures. With ntfy: the access token. ${NAME} and file:PATH as above. Default: none.",
    ),
    row(
        Section::Notify,
        "to",
        ValueKind::TextOrTexts,
        "",
        DefaultValue::Nothing,
        "With mail: the address, or a list of addresses.",
    ),
    row(
        Section::Notify,
        "from",
        ValueKind::Text,
        "",
        DefaultValue::Nothing,
        "With mail: the sender's address. Default: what the mail program makes of the manager's user.",
    ),
    row(
        Section::Notify,
        "events",
        ValueKind::Texts,
        "",
        DefaultValue::Nothing,
        "What it is told: model_failed (three failures in a row), budget_80 and budget_100 (of a key), device_gone, device_back, rows_waiting (in the overflow file, for the ledger can't be written), certificate (it ends within 14 days). Default: all of them.",
    ),
];
