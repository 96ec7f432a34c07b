//! Whether one value is of the kind that its key wants, and how to say so if not.

mod entries;
mod misfit;
mod scalars;

use super::common_mistakes;
use super::keys::{ConfigKey, Section, ValueKind};
use super::yaml_document::LocatedValue;
pub(super) use entries::body_json;
use entries::{body, entries, header, is_system, own_path, prefix, variable};
use misfit::kind_of;
pub(super) use misfit::{Item, Misfit, got};
use scalars::{
    api_key, choice, flag, is_auto, mib_of, number, number_or_auto, price, text, whole, whole_path,
};
pub(super) use scalars::{name, quote_it};
use serde_yaml::Value;

/// Everything that keeps the value at `place` from being what `key` wants; what is inside of sections is not looked
/// at.
pub(super) fn misfits(key: &ConfigKey, place: LocatedValue<'_>) -> Vec<Misfit> {
    let one = |checked: Result<(), Misfit>| checked.err().into_iter().collect();
    let value = place.value;
    match key.kind {
        ValueKind::Text => one(text(place)),
        ValueKind::Choice(words) => one(choice(words, place)),
        ValueKind::Flag => one(flag(place)),
        ValueKind::Whole { min, max } => one(whole(min, max, key.unit, place)),
        ValueKind::Number { min, max } => one(number(min, max, key.unit, place)),
        ValueKind::NumberOrAuto { .. } if value.as_str().is_some_and(is_auto) => Vec::new(),
        ValueKind::NumberOrAuto { min, max } => one(number_or_auto(min, max, key.unit, place)),
        ValueKind::TextOrTexts if value.is_string() => one(text(place)),
        ValueKind::Texts | ValueKind::TextOrTexts => {
            items(place, "a list of texts", "[\"a\", \"b\"]", |_, item| text(item))
        }
        ValueKind::Price => one(price(place)),
        ValueKind::Secret => one(api_key(place)),
        ValueKind::ApiKeys => items(place, "a list of keys", "[\"key\"]", |_, item| api_key(item)),
        ValueKind::Command => command(place),
        ValueKind::Memory if value.as_str() == Some("auto") => Vec::new(),
        ValueKind::Memory => entries(
            place,
            "a mapping from device names to MiB, or the word auto",
            "{v100: 16000}",
            |device, mib| {
                name(device)?;
                mib_of(device, mib)
            },
        ),
        ValueKind::Watts => {
            entries(place, "a mapping from device names to watts", "{v100: 250}", |device, watts| {
                name(device)?;
                whole(1, 1_000_000, "watts", watts)
            })
        }
        ValueKind::Script if value.is_mapping() => entries(
            place,
            "a script, or one for each system",
            "{linux: run.sh, windows: run.bat}",
            |system, path| {
                is_system(system)?;
                text(path)
            },
        ),
        ValueKind::Script => one(text(place)),
        ValueKind::Env => {
            entries(place, "a mapping from variable names to values", "{NAME: \"value\"}", variable)
        }
        ValueKind::Body => one(body(place)),
        ValueKind::Headers => {
            entries(place, "a mapping from header names to values", "{x-name: \"value\"}", header)
        }
        ValueKind::Prefix => one(prefix(place)),
        ValueKind::Paths => entries(
            place,
            "a mapping from paths to the backend's paths",
            "{/v1/embeddings: /embed}",
            own_path,
        ),
        ValueKind::Listed if value.is_mapping() => entries(
            place,
            "true, false or {aliases: false}",
            "{aliases: false}",
            |name, aliases| match name {
                "aliases" => flag(aliases),
                _ => Err(Misfit::saying("unknown key", Some("write listed: {aliases: false}".to_owned()))),
            },
        ),
        ValueKind::Listed => one(flag(place)),
        ValueKind::One(section) if !value.is_mapping() => {
            vec![Misfit::new("a mapping", place, no_mapping(place, section))]
        }
        ValueKind::Many(section) if !value.is_sequence() => {
            vec![Misfit::new("a list of mappings", place, Some(section.has_keys()))]
        }
        ValueKind::Named(section) if !value.is_mapping() => {
            vec![Misfit::new("a mapping by name", place, no_mapping(place, section))]
        }
        ValueKind::One(_) | ValueKind::Many(_) | ValueKind::Named(_) => Vec::new(),
    }
}

/// The hint for something that should be a mapping of `section`.
pub(super) fn no_mapping(place: LocatedValue<'_>, section: Section) -> Option<String> {
    let slip = place.value.as_str().and_then(common_mistakes::colon);
    if place.value.is_sequence() {
        return Some(
            "write no list, but a name with a colon for each, and what belongs to it indented below"
                .to_owned(),
        );
    }
    Some(slip.unwrap_or_else(|| section.has_keys()))
}

fn items(
    place: LocatedValue<'_>,
    wanted: &str,
    example: &str,
    check: impl Fn(usize, LocatedValue<'_>) -> Result<(), Misfit>,
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

fn command(place: LocatedValue<'_>) -> Vec<Misfit> {
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
