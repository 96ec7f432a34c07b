//! Whether one value is of the kind that its key wants, and how to say so if not.

use llm_manager_policy::pricing::Price;
use serde_yaml::Value;

use super::keys::{Key, Kind, Section};

/// What is wrong with a value; `item`: the index or key in it to blame.
pub(super) struct Misfit {
    pub(super) item: Option<Item>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// A part of a value.
pub(super) enum Item {
    Index(usize),
    Key(String),
}

impl Misfit {
    fn new(wanted: &str, value: &Value, hint: Option<String>) -> Self {
        Self { item: None, message: format!("wants {wanted}, got {}", got(value)), hint }
    }

    fn saying(message: &str, hint: Option<String>) -> Self {
        Self { item: None, message: message.to_owned(), hint }
    }

    fn within(mut self, item: Item) -> Self {
        self.item = Some(item);
        self
    }
}

/// Headers that belong to the connection or to the body.
const OWN_HEADERS: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// Everything that keeps `value` from being what `key` wants; what is inside of sections is not looked at.
pub(super) fn misfits(key: &Key, value: &Value) -> Vec<Misfit> {
    match key.kind {
        Kind::Text => text(value).err().into_iter().collect(),
        Kind::Choice(words) => choice(words, value).err().into_iter().collect(),
        Kind::Flag => flag(value).err().into_iter().collect(),
        Kind::Whole { min, max } => whole(min, max, value).err().into_iter().collect(),
        Kind::Number { min, max } => number(min, max, value).err().into_iter().collect(),
        Kind::Texts => items(value, "a list of texts", "[\"a\", \"b\"]", |_, item| text(item)),
        Kind::Price => price(value).err().into_iter().collect(),
        Kind::ApiKeys => items(value, "a list of keys", "[\"key\"]", |_, item| api_key(item)),
        Kind::Command => command(value),
        Kind::Memory if value.as_str() == Some("auto") => Vec::new(),
        Kind::Memory => {
            entries(value, "a mapping from device names to MiB, or the word auto", |device, mib| {
                name(device)?;
                whole(0, 1_000_000_000, mib)
            })
        }
        Kind::Env => entries(value, "a mapping from variable names to values", variable),
        Kind::Body => body(value).err().into_iter().collect(),
        Kind::Headers => entries(value, "a mapping from header names to values", header),
        Kind::Prefix => prefix(value).err().into_iter().collect(),
        Kind::One(section) if !value.is_mapping() => vec![Misfit::new("a mapping", value, keys_of(section))],
        Kind::Many(section) if !value.is_sequence() => {
            vec![Misfit::new("a list of mappings", value, keys_of(section))]
        }
        Kind::Named(section) if !value.is_mapping() => {
            vec![Misfit::new("a mapping by name", value, keys_of(section))]
        }
        Kind::One(_) | Kind::Many(_) | Kind::Named(_) => Vec::new(),
    }
}

/// A value in the words of a message. Long texts are cut.
pub(super) fn got(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > 60 => {
            format!("the text {:?}...", text.chars().take(60).collect::<String>())
        }
        Value::String(text) => format!("the text {text:?}"),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
        Value::Tagged(_) => "a value with a `!tag`".to_owned(),
    }
}

/// A name of a model, alias, variant, mode or device.
pub(super) fn name(text: &str) -> Result<(), Misfit> {
    if text.trim().is_empty() {
        Err(Misfit::saying("is empty", Some("give it a name".to_owned())))
    } else if text.chars().any(char::is_control) {
        Err(Misfit::saying(
            "has a control character (a tab or line break, for example) in it",
            Some("remove it".to_owned()),
        ))
    } else if text.trim() != text {
        Err(Misfit::saying("starts or ends with a space", Some("remove the space".to_owned())))
    } else {
        Ok(())
    }
}

fn keys_of(section: Section) -> Option<String> {
    let keys: Vec<_> = section.keys().map(|key| key.name).collect();
    Some(format!("{} has the keys {}", section.called(), keys.join(", ")))
}

fn text(value: &Value) -> Result<(), Misfit> {
    match value {
        Value::String(text) => name(text),
        Value::Bool(_) | Value::Number(_) => Err(Misfit::new("text", value, Some(quote_it(value)))),
        _ => Err(Misfit::new("text", value, None)),
    }
}

fn price(value: &Value) -> Result<(), Misfit> {
    let Value::String(text) = value else {
        return Err(Misfit::new("a decimal in quotes", value, Some(quote_it(value))));
    };
    let parsed: Result<Price, _> = text.parse();
    parsed.map(|_| ()).map_err(|error| Misfit::saying(&error.to_string(), None))
}

/// The hint for a scalar that YAML takes for a number or a truth value.
pub(super) fn quote_it(value: &Value) -> String {
    match value {
        Value::Bool(flag) => format!("put it in quotes: \"{flag}\""),
        Value::Number(number) => format!("put it in quotes: \"{number}\""),
        _ => "put it in quotes".to_owned(),
    }
}

fn choice(words: &[&str], value: &Value) -> Result<(), Misfit> {
    let wanted = || format!("one of {}", words.join(", "));
    match value {
        Value::String(text) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => Ok(()),
        Value::String(text) => {
            let near = super::suggest::nearest(text, words.iter().copied());
            Err(Misfit::new(&wanted(), value, near.map(|word| format!("did you mean `{word}`?"))))
        }
        _ => Err(Misfit::new(&wanted(), value, None)),
    }
}

fn flag(value: &Value) -> Result<(), Misfit> {
    let hint = match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("yes" | "on" | "true") => Some("write true, without quotes".to_owned()),
        Some("no" | "off" | "false") => Some("write false, without quotes".to_owned()),
        _ => None,
    };
    if value.is_bool() { Ok(()) } else { Err(Misfit::new("true or false", value, hint)) }
}

fn whole(min: u64, max: u64, value: &Value) -> Result<(), Misfit> {
    match value.as_u64() {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        _ => Err(Misfit::new(&format!("a whole number from {min} to {max}"), value, unquote(value))),
    }
}

fn number(min: f64, max: f64, value: &Value) -> Result<(), Misfit> {
    // `contains` is false for NaN, and infinities are outside of any range.
    match value.as_f64() {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        _ => Err(Misfit::new(&format!("a number from {min} to {max}"), value, unquote(value))),
    }
}

fn unquote(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    text.trim().parse::<f64>().is_ok().then(|| "remove the quotes".to_owned())
}

fn api_key(value: &Value) -> Result<(), Misfit> {
    let good = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    let hint = match value {
        Value::Number(_) | Value::Bool(_) => Some("put it in quotes".to_owned()),
        _ => None,
    };
    match value.as_str() {
        Some(text) if good(text) => Ok(()),
        // The value is not repeated: messages end up in logs.
        _ => Err(Misfit::saying("wants a key: text of printable ASCII characters without spaces", hint)),
    }
}

fn items(
    value: &Value,
    wanted: &str,
    example: &str,
    check: impl Fn(usize, &Value) -> Result<(), Misfit>,
) -> Vec<Misfit> {
    let Some(list) = value.as_sequence() else {
        let message = format!("wants {wanted}, got {}", kind_of(value));
        return vec![Misfit::saying(&message, Some(format!("write it like {example}")))];
    };
    list.iter()
        .enumerate()
        .filter_map(|(index, item)| check(index, item).err().map(|misfit| misfit.within(Item::Index(index))))
        .collect()
}

/// Like [`got`], for values that may be secret.
fn kind_of(value: &Value) -> &'static str {
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

fn command(value: &Value) -> Vec<Misfit> {
    const EXAMPLE: &str = "[\"program\", \"argument\"]";
    if value.as_sequence().is_some_and(Vec::is_empty) {
        return vec![Misfit::saying("is empty", Some(format!("write it like {EXAMPLE}")))];
    }
    items(value, "a list of program and arguments", EXAMPLE, |index, item| match item {
        Value::String(argument) if argument.contains('\0') => Err(Misfit::saying("has a NUL in it", None)),
        Value::String(program) if index == 0 => name(program),
        // An argument may be empty and have line breaks.
        Value::String(_) => Ok(()),
        other => text(other),
    })
}

fn entries(value: &Value, wanted: &str, check: impl Fn(&str, &Value) -> Result<(), Misfit>) -> Vec<Misfit> {
    let Some(mapping) = value.as_mapping() else {
        return vec![Misfit::saying(&format!("wants {wanted}, got {}", kind_of(value)), None)];
    };
    let entry = |(key, value): (&Value, &Value)| match key {
        Value::String(key) => check(key, value).err().map(|misfit| misfit.within(Item::Key(key.clone()))),
        key => Some(Misfit::new("text as a key", key, Some(quote_it(key)))),
    };
    mapping.iter().filter_map(entry).collect()
}

fn variable(name: &str, value: &Value) -> Result<(), Misfit> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(Misfit::saying("is not a variable name: it is empty or has `=` or NUL in it", None));
    }
    match value {
        Value::String(text) if text.contains('\0') => Err(Misfit::saying("has a NUL in it", None)),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Ok(()),
        // Not repeated: variables hold secrets.
        other => {
            let message = format!("wants text, a number, true or false, got {}", kind_of(other));
            Err(Misfit::saying(&message, None))
        }
    }
}

fn header(name: &str, value: &Value) -> Result<(), Misfit> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(Misfit::saying("is no name of a header", Some("write it like x-api-key".to_owned())));
    }
    if OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return Err(Misfit::saying("is a header that the manager sets itself", Some("remove it".to_owned())));
    }
    match value {
        Value::String(text) if text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) => Ok(()),
        Value::Number(_) => Ok(()),
        // Not repeated: headers hold secrets.
        other => {
            let message = format!("wants text of printable ASCII characters, got {}", kind_of(other));
            Err(Misfit::saying(&message, None))
        }
    }
}

fn prefix(value: &Value) -> Result<(), Misfit> {
    let good = |text: &str| {
        text.is_empty()
            || text.starts_with('/') && !text.contains(['?', '#']) && !text.contains(char::is_whitespace)
    };
    match value.as_str() {
        Some(text) if good(text) => Ok(()),
        _ => {
            let hint = Some("write it like \"/openai/v1\", or \"\" for none".to_owned());
            Err(Misfit::new("the beginning of a path", value, hint))
        }
    }
}

fn body(value: &Value) -> Result<(), Misfit> {
    match body_json(value) {
        Some(_) => Ok(()),
        None => Err(Misfit::saying(
            "wants JSON, as text or as a mapping",
            Some("write it like {model: \"{model}\", input: \"hi\"}".to_owned()),
        )),
    }
}

/// The JSON of a probe's body. `{model}` stands in it without quotes, as in the built-in modes: the quotes come
/// with the name that is filled in.
pub(super) fn body_json(value: &Value) -> Option<String> {
    let json = match value {
        Value::String(text) => text.clone(),
        Value::Mapping(_) => serde_json::to_string(value).ok()?,
        _ => return None,
    };
    let json = json.replace("\"{model}\"", "{model}");
    let filled = json.replace("{model}", "\"x\"");
    serde_json::from_str::<serde_json::Value>(&filled).is_ok().then_some(json)
}
