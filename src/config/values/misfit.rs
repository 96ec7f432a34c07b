//! A value that does not fit, and how it is shown in the words of a message.

use crate::config::yaml_document::LocatedValue;
use serde_yaml::Value;

/// What is wrong with a value; `item`: the index or key in it to blame.
pub(in crate::config) struct Misfit {
    pub(in crate::config) item: Option<Item>,
    pub(in crate::config) message: String,
    pub(in crate::config) hint: Option<String>,
}

/// A part of a value.
pub(in crate::config) enum Item {
    Index(usize),
    Key(String),
}

impl Misfit {
    pub(super) fn new(wanted: &str, place: LocatedValue<'_>, hint: Option<String>) -> Self {
        Self { item: None, message: format!("expected {wanted}, got {}", got(place)), hint }
    }

    pub(super) fn saying(message: &str, hint: Option<String>) -> Self {
        Self { item: None, message: message.to_owned(), hint }
    }

    pub(super) fn within(mut self, item: Item) -> Self {
        self.item = Some(item);
        self
    }
}

/// A value in the words of a message, as it is written. Long texts are cut.
pub(in crate::config) fn got(place: LocatedValue<'_>) -> String {
    match place.value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => place.plain().map_or_else(|| flag.to_string(), str::to_owned),
        Value::Number(number) => {
            format!("the number {}", place.plain().map_or_else(|| number.to_string(), str::to_owned))
        }
        Value::String(text) if text.chars().count() > 60 => {
            format!("the text {:?}...", text.chars().take(60).collect::<String>())
        }
        Value::String(text) => format!("the text {text:?}"),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
        Value::Tagged(_) => "a value with a `!tag`".to_owned(),
    }
}

/// Like [`got`], for values that may be secret.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
        Value::Tagged(_) => "a value with a `!tag`",
    }
}
