//! Values that are one text, one number or one word.

use super::misfit::Misfit;
use crate::config::common_mistakes;
use crate::config::suggest;
use crate::config::yaml_document::LocatedValue;
use llm_manager_policy::pricing::Price;
use serde_yaml::Value;

/// A name of a model, alias, variant, mode or device.
pub(in crate::config) fn name(text: &str) -> Result<(), Misfit> {
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
    } else if let Some(inner) = common_mistakes::between_typographic_quotes(text) {
        let message = format!("is {text:?}: these quotes are no YAML quotes, but a part of the text");
        wrong(&message, &format!("write \"{inner}\""))
    } else {
        Ok(())
    }
}

pub(super) fn text(place: LocatedValue<'_>) -> Result<(), Misfit> {
    match place.value {
        Value::String(text) => name_at(text, &common_mistakes::control(place)),
        _ => Err(Misfit::new("text", place, as_text(place))),
    }
}

/// The hint for something that was meant to be text.
pub(super) fn as_text(place: LocatedValue<'_>) -> Option<String> {
    match place.value {
        Value::Bool(_) | Value::Number(_) => Some(quote_it(place)),
        Value::Null => {
            place.plain().filter(|raw| !raw.is_empty()).map(|raw| format!("put it in quotes: \"{raw}\""))
        }
        value => common_mistakes::placeholder(value),
    }
}

pub(super) fn price(place: LocatedValue<'_>) -> Result<(), Misfit> {
    let Value::String(text) = place.value else {
        return Err(Misfit::new("a decimal in quotes", place, Some(quote_it(place))));
    };
    let parsed: Result<Price, _> = text.parse();
    parsed.map(|_| ()).map_err(|error| Misfit::saying(&error.to_string(), None))
}

/// The hint for a scalar that YAML takes for a number or a truth value: in quotes, as it was written.
pub(in crate::config) fn quote_it(place: LocatedValue<'_>) -> String {
    let text = place.plain().map(str::to_owned).or_else(|| match place.value {
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    text.map_or_else(|| "put it in quotes".to_owned(), |text| format!("put it in quotes: \"{text}\""))
}

pub(super) fn choice(words: &[&str], place: LocatedValue<'_>) -> Result<(), Misfit> {
    let wanted = || format!("one of {}", words.join(", "));
    match place.value {
        Value::String(text) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => Ok(()),
        Value::String(text) => {
            let typed = common_mistakes::between_typographic_quotes(text).unwrap_or(text);
            let near = suggest::nearest(typed, words.iter().copied());
            Err(Misfit::new(&wanted(), place, near.map(|word| format!("did you mean `{word}`?"))))
        }
        _ => Err(Misfit::new(&wanted(), place, None)),
    }
}

pub(super) fn flag(place: LocatedValue<'_>) -> Result<(), Misfit> {
    if place.value.is_bool() {
        return Ok(());
    }
    Err(Misfit::new("true or false", place, common_mistakes::flag(place.value, place.raw())))
}

pub(super) fn whole(min: u64, max: u64, unit: &str, place: LocatedValue<'_>) -> Result<(), Misfit> {
    match place.value.as_u64() {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        _ => {
            let wanted = format!("a whole number from {min} to {max}");
            Err(Misfit::new(&wanted, place, as_number(place, unit)))
        }
    }
}

pub(super) fn number(min: f64, max: f64, unit: &str, place: LocatedValue<'_>) -> Result<(), Misfit> {
    // `contains` is false for NaN, and infinities are outside of any range.
    match place.value.as_f64() {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        _ => Err(Misfit::new(&format!("a number from {min} to {max}"), place, as_number(place, unit))),
    }
}

pub(super) fn number_or_auto(min: f64, max: f64, unit: &str, place: LocatedValue<'_>) -> Result<(), Misfit> {
    match place.value.as_f64() {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        _ => {
            let wanted = format!("a number from {min} to {max}, or the word auto");
            Err(Misfit::new(&wanted, place, as_number(place, unit)))
        }
    }
}

/// In any case, as words of a choice are.
pub(super) fn is_auto(text: &str) -> bool {
    text.eq_ignore_ascii_case("auto")
}

/// Memory of a device. Between braces, the comma of `8,000` begins a new entry.
pub(super) fn mib_of(device: &str, place: LocatedValue<'_>) -> Result<(), Misfit> {
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

fn as_number(place: LocatedValue<'_>, unit: &str) -> Option<String> {
    if let Some(number) = place.value.as_f64().filter(|_| place.value.is_f64()) {
        return (number.fract() == 0.0 && number.abs() < 1e15)
            .then(|| format!("write it without a point: {number:.0}"));
    }
    common_mistakes::number(place.value.as_str()?, place.raw(), unit)
}

pub(super) fn api_key(place: LocatedValue<'_>) -> Result<(), Misfit> {
    let good = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    let hint = match place.value {
        Value::Number(_) | Value::Bool(_) => Some("put it in quotes".to_owned()),
        Value::String(text) if common_mistakes::between_typographic_quotes(text).is_some() => {
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

/// A path that escapes have spoilt would be passed on in silence.
pub(super) fn whole_path(text: &str) -> Result<(), Misfit> {
    if common_mistakes::is_broken_path(text) {
        let message = "is a path with a control character (a tab or line break, for example) in it";
        return Err(Misfit::saying(message, Some(common_mistakes::ESCAPES.to_owned())));
    }
    Ok(())
}
