//! Whether one value is of the kind that its key wants, and how to say so if not.

mod entries;
mod misfit;
mod scalars;

use super::keys::{Key, Kind, Section};
use super::slips;
use super::source::Place;
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
