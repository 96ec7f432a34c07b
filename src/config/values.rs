//! Whether one value is of the kind that its key wants, and how to say so if not.

use llm_manager_policy::pricing::Price;
use llm_manager_policy::system::System;
use serde_yaml::Value;

use super::keys::{Key, Kind, Section};
use super::slips;
use super::source::Place;

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
    fn new(wanted: &str, place: Place<'_>, hint: Option<String>) -> Self {
        Self { item: None, message: format!("expected {wanted}, got {}", got(place)), hint }
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

/// Everything that keeps the value at `place` from being what `key` wants; what is inside of sections is not looked
/// at.
pub(super) fn misfits(key: &Key, place: Place<'_>) -> Vec<Misfit> {
    let one = |checked: Result<(), Misfit>| checked.err().into_iter().collect();
    let value = place.value;
    match key.kind {
        Kind::Text => one(text(place)),
        Kind::Choice(words) => one(choice(words, place)),
        Kind::Flag => one(flag(place)),
        Kind::Whole { min, max } => one(whole(min, max, key.unit, place)),
        Kind::Number { min, max } => one(number(min, max, key.unit, place)),
        Kind::NumberOrAuto { .. } if value.as_str().is_some_and(is_auto) => Vec::new(),
        Kind::NumberOrAuto { min, max } => one(number_or_auto(min, max, key.unit, place)),
        Kind::TextOrTexts if value.is_string() => one(text(place)),
        Kind::Texts | Kind::TextOrTexts => {
            items(place, "a list of texts", "[\"a\", \"b\"]", |_, item| text(item))
        }
        Kind::Price => one(price(place)),
        Kind::Secret => one(api_key(place)),
        Kind::ApiKeys => items(place, "a list of keys", "[\"key\"]", |_, item| api_key(item)),
        Kind::Command => command(place),
        Kind::Memory if value.as_str() == Some("auto") => Vec::new(),
        Kind::Memory => entries(
            place,
            "a mapping from device names to MiB, or the word auto",
            "{v100: 16000}",
            |device, mib| {
                name(device)?;
                mib_of(device, mib)
            },
        ),
        Kind::Watts => {
            entries(place, "a mapping from device names to watts", "{v100: 250}", |device, watts| {
                name(device)?;
                whole(1, 1_000_000, "watts", watts)
            })
        }
        Kind::Script if value.is_mapping() => entries(
            place,
            "a script, or one for each system",
            "{linux: run.sh, windows: run.bat}",
            |system, path| {
                is_system(system)?;
                text(path)
            },
        ),
        Kind::Script => one(text(place)),
        Kind::Env => entries(place, "a mapping from variable names to values", "{NAME: \"value\"}", variable),
        Kind::Body => one(body(place)),
        Kind::Headers => {
            entries(place, "a mapping from header names to values", "{x-name: \"value\"}", header)
        }
        Kind::Prefix => one(prefix(place)),
        Kind::Paths => entries(
            place,
            "a mapping from paths to the backend's paths",
            "{/v1/embeddings: /embed}",
            own_path,
        ),
        Kind::Listed if value.is_mapping() => entries(
            place,
            "true, false or {aliases: false}",
            "{aliases: false}",
            |name, aliases| match name {
                "aliases" => flag(aliases),
                _ => Err(Misfit::saying("unknown key", Some("write listed: {aliases: false}".to_owned()))),
            },
        ),
        Kind::Listed => one(flag(place)),
        Kind::One(section) if !value.is_mapping() => {
            vec![Misfit::new("a mapping", place, no_mapping(place, section))]
        }
        Kind::Many(section) if !value.is_sequence() => {
            vec![Misfit::new("a list of mappings", place, Some(section.has_keys()))]
        }
        Kind::Named(section) if !value.is_mapping() => {
            vec![Misfit::new("a mapping by name", place, no_mapping(place, section))]
        }
        Kind::One(_) | Kind::Many(_) | Kind::Named(_) => Vec::new(),
    }
}

/// The hint for something that should be a mapping of `section`.
pub(super) fn no_mapping(place: Place<'_>, section: Section) -> Option<String> {
    let slip = place.value.as_str().and_then(slips::colon);
    if place.value.is_sequence() {
        return Some(
            "write no list, but a name with a colon for each, and what belongs to it indented below"
                .to_owned(),
        );
    }
    Some(slip.unwrap_or_else(|| section.has_keys()))
}

/// A value in the words of a message, as it is written. Long texts are cut.
pub(super) fn got(place: Place<'_>) -> String {
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

/// A name of a model, alias, variant, mode or device.
pub(super) fn name(text: &str) -> Result<(), Misfit> {
    name_at(text, "remove it")
}

/// The same; `control` is what to do about a control character.
fn name_at(text: &str, control: &str) -> Result<(), Misfit> {
    let wrong = |message: &str, hint: &str| Err(Misfit::saying(message, Some(hint.to_owned())));
    if text.trim().is_empty() {
        wrong("is empty", "write something between the quotes, or remove it")
    } else if text.chars().any(char::is_control) {
        wrong("has a control character (a tab or line break, for example) in it", control)
    } else if text.trim() != text {
        wrong("starts or ends with a space", "remove the space")
    } else if let Some(inner) = slips::between_typographic_quotes(text) {
        let message = format!("is {text:?}: these quotes are no YAML quotes, but a part of the text");
        wrong(&message, &format!("write \"{inner}\""))
    } else {
        Ok(())
    }
}

fn text(place: Place<'_>) -> Result<(), Misfit> {
    match place.value {
        Value::String(text) => name_at(text, &slips::control(place)),
        _ => Err(Misfit::new("text", place, as_text(place))),
    }
}

/// The hint for something that was meant to be text.
fn as_text(place: Place<'_>) -> Option<String> {
    match place.value {
        Value::Bool(_) | Value::Number(_) => Some(quote_it(place)),
        Value::Null => {
            place.plain().filter(|raw| !raw.is_empty()).map(|raw| format!("put it in quotes: \"{raw}\""))
        }
        value => slips::placeholder(value),
    }
}

fn price(place: Place<'_>) -> Result<(), Misfit> {
    let Value::String(text) = place.value else {
        return Err(Misfit::new("a decimal in quotes", place, Some(quote_it(place))));
    };
    let parsed: Result<Price, _> = text.parse();
    parsed.map(|_| ()).map_err(|error| Misfit::saying(&error.to_string(), None))
}

/// The hint for a scalar that YAML takes for a number or a truth value: in quotes, as it was written.
pub(super) fn quote_it(place: Place<'_>) -> String {
    let text = place.plain().map(str::to_owned).or_else(|| match place.value {
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    text.map_or_else(|| "put it in quotes".to_owned(), |text| format!("put it in quotes: \"{text}\""))
}

fn choice(words: &[&str], place: Place<'_>) -> Result<(), Misfit> {
    let wanted = || format!("one of {}", words.join(", "));
    match place.value {
        Value::String(text) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => Ok(()),
        Value::String(text) => {
            let typed = slips::between_typographic_quotes(text).unwrap_or(text);
            let near = super::suggest::nearest(typed, words.iter().copied());
            Err(Misfit::new(&wanted(), place, near.map(|word| format!("did you mean `{word}`?"))))
        }
        _ => Err(Misfit::new(&wanted(), place, None)),
    }
}

fn flag(place: Place<'_>) -> Result<(), Misfit> {
    if place.value.is_bool() {
        return Ok(());
    }
    Err(Misfit::new("true or false", place, slips::flag(place.value, place.raw())))
}

fn whole(min: u64, max: u64, unit: &str, place: Place<'_>) -> Result<(), Misfit> {
    match place.value.as_u64() {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        _ => {
            let wanted = format!("a whole number from {min} to {max}");
            Err(Misfit::new(&wanted, place, as_number(place, unit)))
        }
    }
}

fn number(min: f64, max: f64, unit: &str, place: Place<'_>) -> Result<(), Misfit> {
    // `contains` is false for NaN, and infinities are outside of any range.
    match place.value.as_f64() {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        _ => Err(Misfit::new(&format!("a number from {min} to {max}"), place, as_number(place, unit))),
    }
}

fn number_or_auto(min: f64, max: f64, unit: &str, place: Place<'_>) -> Result<(), Misfit> {
    match place.value.as_f64() {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        _ => {
            let wanted = format!("a number from {min} to {max}, or the word auto");
            Err(Misfit::new(&wanted, place, as_number(place, unit)))
        }
    }
}

/// In any case, as words of a choice are.
fn is_auto(text: &str) -> bool {
    text.eq_ignore_ascii_case("auto")
}

/// Memory of a device. Between braces, the comma of `8,000` begins a new entry.
fn mib_of(device: &str, place: Place<'_>) -> Result<(), Misfit> {
    let is_rest = place.value.is_null() && device.bytes().all(|byte| byte.is_ascii_digit());
    whole(0, 1_000_000_000, "MiB", place).map_err(|misfit| {
        if is_rest {
            let hint =
                format!("if it belongs to the number before it, write that without a comma: ...{device}");
            return Misfit { hint: Some(hint), ..misfit };
        }
        misfit
    })
}

fn as_number(place: Place<'_>, unit: &str) -> Option<String> {
    if let Some(number) = place.value.as_f64().filter(|_| place.value.is_f64()) {
        return (number.fract() == 0.0 && number.abs() < 1e15)
            .then(|| format!("write it without a point: {number:.0}"));
    }
    slips::number(place.value.as_str()?, place.raw(), unit)
}

fn api_key(place: Place<'_>) -> Result<(), Misfit> {
    let good = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    let hint = match place.value {
        Value::Number(_) | Value::Bool(_) => Some("put it in quotes".to_owned()),
        Value::String(text) if slips::between_typographic_quotes(text).is_some() => {
            Some("write it in straight quotes (\"): typographic ones are a part of the key".to_owned())
        }
        _ => None,
    };
    match place.value.as_str() {
        Some(text) if good(text) => Ok(()),
        // The value is not repeated: messages end up in logs.
        _ => Err(Misfit::saying("expected a key: text of printable ASCII characters without spaces", hint)),
    }
}

fn items(
    place: Place<'_>,
    wanted: &str,
    example: &str,
    check: impl Fn(usize, Place<'_>) -> Result<(), Misfit>,
) -> Vec<Misfit> {
    let Some(list) = place.value.as_sequence() else {
        let message = format!("expected {wanted}, got {}", kind_of(place.value));
        return vec![Misfit::saying(&message, Some(format!("write it like {example}")))];
    };
    let wrong = |(index, item): (usize, _)| {
        check(index, place.item(index, item)).err().map(|misfit| misfit.within(Item::Index(index)))
    };
    list.iter().enumerate().filter_map(wrong).collect()
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

fn command(place: Place<'_>) -> Vec<Misfit> {
    const EXAMPLE: &str = "[\"program\", \"argument\"]";
    if place.value.as_sequence().is_some_and(Vec::is_empty) {
        return vec![Misfit::saying("is empty", Some(format!("write it like {EXAMPLE}")))];
    }
    items(place, "a list of program and arguments", EXAMPLE, |index, item| match item.value {
        Value::String(argument) if argument.contains('\0') => Err(Misfit::saying("has a NUL in it", None)),
        Value::String(_) if index == 0 => text(item),
        // An argument may be empty and have line breaks.
        Value::String(argument) => whole_path(argument),
        _ => text(item),
    })
}

/// A path that escapes have spoilt would be passed on in silence.
fn whole_path(text: &str) -> Result<(), Misfit> {
    if slips::is_broken_path(text) {
        let message = "is a path with a control character (a tab or line break, for example) in it";
        return Err(Misfit::saying(message, Some(slips::ESCAPES.to_owned())));
    }
    Ok(())
}

fn entries(
    place: Place<'_>,
    wanted: &str,
    example: &str,
    check: impl Fn(&str, Place<'_>) -> Result<(), Misfit>,
) -> Vec<Misfit> {
    let Some(mapping) = place.value.as_mapping() else {
        let message = format!("expected {wanted}, got {}", kind_of(place.value));
        return vec![Misfit::saying(&message, Some(format!("write it like {example}")))];
    };
    let entry = |(key, value): (&Value, &Value)| match key {
        Value::String(key) => {
            check(key, place.entry(key, value)).err().map(|misfit| misfit.within(Item::Key(key.clone())))
        }
        key => {
            let written = place.key(key);
            let misfit = Misfit::new("text as a key", written, Some(quote_it(written)));
            Some(match written.plain() {
                Some(text) => misfit.within(Item::Key(text.to_owned())),
                None => misfit,
            })
        }
    };
    mapping.iter().filter_map(entry).collect()
}

fn is_system(key: &str) -> Result<(), Misfit> {
    let known = [System::Unix.key(), System::Windows.key()];
    if known.contains(&key) {
        return Ok(());
    }
    let hint = super::suggest::hint(key, known.iter().copied(), || "write linux or windows".to_owned());
    Err(Misfit::saying("isn't a system that scripts can be set for", Some(hint)))
}

fn variable(name: &str, place: Place<'_>) -> Result<(), Misfit> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(Misfit::saying("is not a variable name: it is empty or has `=` or NUL in it", None));
    }
    match place.value {
        Value::String(text) if text.contains('\0') => Err(Misfit::saying("has a NUL in it", None)),
        Value::String(text) => whole_path(text),
        Value::Number(_) | Value::Bool(_) => Ok(()),
        // Not repeated: variables hold secrets.
        other => {
            let message = format!("expected text, a number, true or false, got {}", kind_of(other));
            let hint = match other {
                Value::Null if place.plain().is_none_or(str::is_empty) => {
                    Some("for an empty value, write \"\"".to_owned())
                }
                Value::Null => as_text(place),
                other => {
                    slips::placeholder(other).or_else(|| Some("write it as one text, in quotes".to_owned()))
                }
            };
            Err(Misfit::saying(&message, hint))
        }
    }
}

fn header(name: &str, place: Place<'_>) -> Result<(), Misfit> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(Misfit::saying("is no name of a header", Some("write it like x-api-key".to_owned())));
    }
    if OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return Err(Misfit::saying("is a header that the manager sets itself", Some("remove it".to_owned())));
    }
    match place.value {
        Value::String(text) if text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) => Ok(()),
        Value::Number(_) => Ok(()),
        // Not repeated: headers hold secrets.
        other => {
            let message = format!("expected text of printable ASCII characters, got {}", kind_of(other));
            Err(Misfit::saying(&message, None))
        }
    }
}

/// As it stands in a request.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.contains(['?', '#']) && !text.contains(char::is_whitespace)
}

/// A path of ours, and the backend's for it.
fn own_path(path: &str, place: Place<'_>) -> Result<(), Misfit> {
    if !is_path(path) {
        let hint = Some("write it like /v1/embeddings: /embed".to_owned());
        return Err(Misfit::saying("is no path that clients ask for", hint));
    }
    match place.value.as_str() {
        Some(text) if is_path(text) => Ok(()),
        _ => Err(Misfit::new("a path of the backend", place, Some("write it like \"/embed\"".to_owned()))),
    }
}

fn prefix(place: Place<'_>) -> Result<(), Misfit> {
    match place.value.as_str() {
        Some(text) if text.is_empty() || is_path(text) => Ok(()),
        _ => {
            let meant = place
                .value
                .as_str()
                .map(|text| format!("/{text}"))
                .filter(|text| is_path(text) && !text.contains("//"));
            let meant = meant.as_deref().unwrap_or("/openai/v1");
            let hint = Some(format!("write it like \"{meant}\", or \"\" for none"));
            Err(Misfit::new("the beginning of a path", place, hint))
        }
    }
}

fn body(place: Place<'_>) -> Result<(), Misfit> {
    if let Some(hint) = place.value.as_mapping().and_then(placeholder_within) {
        return Err(Misfit::saying("has a placeholder without quotes in it", Some(hint)));
    }
    match body_json(place.value) {
        Some(_) => Ok(()),
        None => Err(Misfit::saying(
            "expected JSON, as text or as a mapping",
            Some("write it like {model: \"{model}\", input: \"hi\"}".to_owned()),
        )),
    }
}

/// `{model}` without quotes is a mapping, which would be sent as one.
fn placeholder_within(mapping: &serde_yaml::Mapping) -> Option<String> {
    let is_model = |hint: &String| hint.contains("\"{model}\"");
    mapping.values().find_map(|value| match value {
        Value::Mapping(inner) => {
            slips::placeholder(value).filter(is_model).or_else(|| placeholder_within(inner))
        }
        Value::Sequence(items) => items.iter().find_map(|item| {
            slips::placeholder(item)
                .filter(is_model)
                .or_else(|| item.as_mapping().and_then(placeholder_within))
        }),
        _ => None,
    })
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
