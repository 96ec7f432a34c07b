//! Mappings of the user's own names: variables, headers, paths; and what a probe sends.

use super::misfit::{Item, Misfit, kind_of};
use super::scalars::{as_text, quote_it, whole_path};
use crate::config::common_mistakes;
use crate::config::suggest;
use crate::config::yaml_document::LocatedValue;
use llm_manager_policy::system::OsFamily;
use serde_yaml::Value;

/// Headers that belong to the connection or to the body.
const OWN_HEADERS: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

pub(super) fn entries(
    place: LocatedValue<'_>,
    wanted: &str,
    example: &str,
    check: impl Fn(&str, LocatedValue<'_>) -> Result<(), Misfit>,
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

pub(super) fn is_system(key: &str) -> Result<(), Misfit> {
    let known = [OsFamily::Unix.key(), OsFamily::Windows.key()];
    if known.contains(&key) {
        return Ok(());
    }
    let hint = suggest::hint(key, known.iter().copied(), || "write linux or windows".to_owned());
    Err(Misfit::saying("isn't a system that scripts can be set for", Some(hint)))
}

pub(super) fn variable(name: &str, place: LocatedValue<'_>) -> Result<(), Misfit> {
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
                other => common_mistakes::placeholder(other)
                    .or_else(|| Some("write it as one text, in quotes".to_owned())),
            };
            Err(Misfit::saying(&message, hint))
        }
    }
}

pub(super) fn header(name: &str, place: LocatedValue<'_>) -> Result<(), Misfit> {
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
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.contains(['?', '#']) && !text.contains(char::is_whitespace)
}

/// A path of ours, and the backend's for it.
pub(super) fn own_path(path: &str, place: LocatedValue<'_>) -> Result<(), Misfit> {
    if !is_path(path) {
        let hint = Some("write it like /v1/embeddings: /embed".to_owned());
        return Err(Misfit::saying("is no path that clients ask for", hint));
    }
    match place.value.as_str() {
        Some(text) if is_path(text) => Ok(()),
        _ => Err(Misfit::new("a path of the backend", place, Some("write it like \"/embed\"".to_owned()))),
    }
}

pub(super) fn prefix(place: LocatedValue<'_>) -> Result<(), Misfit> {
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

pub(super) fn body(place: LocatedValue<'_>) -> Result<(), Misfit> {
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
            common_mistakes::placeholder(value).filter(is_model).or_else(|| placeholder_within(inner))
        }
        Value::Sequence(items) => items.iter().find_map(|item| {
            common_mistakes::placeholder(item)
                .filter(is_model)
                .or_else(|| item.as_mapping().and_then(placeholder_within))
        }),
        _ => None,
    })
}

/// The JSON of a probe's body. `{model}` stands in it without quotes, as in the built-in modes: the quotes come
/// with the name that is filled in.
pub(in crate::config) fn body_json(value: &Value) -> Option<String> {
    let json = match value {
        Value::String(text) => text.clone(),
        Value::Mapping(_) => serde_json::to_string(value).ok()?,
        _ => return None,
    };
    let json = json.replace("\"{model}\"", "{model}");
    let filled = json.replace("{model}", "\"x\"");
    serde_json::from_str::<serde_json::Value>(&filled).is_ok().then_some(json)
}
