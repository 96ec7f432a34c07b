//! `park` of a model or a variant: read, and compared with what the engine needs for it.

use std::time::Duration;

use llm_manager_policy::parking::{ParkAct, ParkRequest, ParkSpec, ParkWay, ParkedCheck, Read, STEP_TIMEOUT};
use llm_manager_policy::spec::{Launch, VariantSpec};
use serde_yaml::Value;

use super::fields::{Fields, Walk};
use super::keys::Section;
use super::line_index::KeyPath;
use super::validate::command;
use super::values;

/// What each way may have beside `with` and `timeout`.
const OF_HTTP: [&str; 4] = ["sleep", "wake", "parked", "busy"];
const OF_COMMAND: [&str; 4] = ["sleep_command", "wake_command", "parked", "busy"];

pub(super) fn read(walk: &mut Walk<'_>, outer: &Fields<'_>) -> Option<ParkSpec> {
    let fields = walk.fields(Section::Park, &outer.at("park"), outer.value("park")?);
    walk.refuse_unknown(&fields);
    let way = ParkWay::of(fields.text("with")?)?;
    let timeout = fields.time("timeout", 1.0).unwrap_or(STEP_TIMEOUT);
    let (own, needed): (&[&str], &[&str]) = match way {
        ParkWay::Vllm | ParkWay::Sglang => (&[], &[]),
        ParkWay::Cuda => (&["busy"], &[]),
        ParkWay::Http => (&OF_HTTP, &["sleep", "wake"]),
        ParkWay::Command => (&OF_COMMAND, &["sleep_command", "wake_command"]),
    };
    let all = OF_HTTP.iter().chain(&OF_COMMAND[..2]);
    for key in all.filter(|key| fields.is_given(key) && !own.contains(key)) {
        let message = format!("has no effect with `{}`", way.text());
        walk.error(&fields.at(key), message, Some(format!("remove it, or write `with: {}`", owner(key))));
    }
    for key in needed.iter().filter(|key| !fields.is_given(key)) {
        walk.error(&fields.path, format!("`{key}` is missing, and `with: {}` needs it", way.text()), None);
    }
    if let Some(mut spec) = ParkSpec::of_engine(way, timeout) {
        spec.busy = spec.busy.or_else(|| sign(walk, &fields, "busy"));
        return Some(spec);
    }
    let act = |walk: &mut Walk<'_>, requests: &str, words: &str| match way {
        ParkWay::Command => ParkAct::Command { words: command(walk, &fields, words), timeout },
        _ => ParkAct::Requests(steps(walk, &fields, requests, timeout)),
    };
    Some(ParkSpec {
        way,
        sleep: act(walk, "sleep", "sleep_command"),
        wake: act(walk, "wake", "wake_command"),
        parked: sign(walk, &fields, "parked"),
        busy: sign(walk, &fields, "busy"),
    })
}

fn owner(key: &str) -> &'static str {
    if key.ends_with("_command") { "command" } else { "http" }
}

fn steps(walk: &mut Walk<'_>, fields: &Fields<'_>, key: &str, timeout: Duration) -> Vec<ParkRequest> {
    let list = fields.value(key).and_then(Value::as_sequence);
    let Some(list) = list else { return Vec::new() };
    if list.is_empty() {
        let hint = Some("write it like [{path: /sleep}]".to_owned());
        walk.error(&fields.at(key), "is empty", hint);
    }
    let mut all = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let step = walk.fields(Section::ParkStep, &fields.at(key).item(index), value);
        walk.refuse_unknown(&step);
        let Some(path) = step.text("path") else { continue };
        check_path(walk, &step.at("path"), path);
        all.push(ParkRequest {
            method: step.text("method").unwrap_or_default().to_ascii_uppercase(),
            path: path.to_owned(),
            body: step.value("body").and_then(values::body_json),
            timeout: step.time("timeout", 1.0).unwrap_or(timeout),
        });
    }
    all
}

fn sign(walk: &mut Walk<'_>, fields: &Fields<'_>, key: &str) -> Option<ParkedCheck> {
    let sign = walk.fields(Section::ParkSign, &fields.at(key), fields.value(key)?);
    walk.refuse_unknown(&sign);
    let path = sign.text("path")?;
    check_path(walk, &sign.at("path"), path);
    let pointer = sign.text("pointer");
    if let Some(pointer) = pointer.filter(|pointer| !pointer.starts_with('/')) {
        let hint = Some(format!("write \"/{}\"", pointer.replace('.', "/")));
        walk.error(&sign.at("pointer"), format!("expected a JSON pointer, got {pointer:?}"), hint);
    }
    let read = pointer.map_or(Read::Status, |pointer| Read::Pointer(pointer.to_owned()));
    Some(ParkedCheck { path: path.to_owned(), read })
}

/// A path of the backend, which may have a query.
fn check_path(walk: &mut Walk<'_>, at: &KeyPath, path: &str) {
    if !path.starts_with('/') || path.contains('#') || path.contains(char::is_whitespace) {
        let hint = Some("write it like \"/sleep?level=1\"".to_owned());
        walk.error(at, format!("expected a path that starts with \"/\", got {path:?}"), hint);
    }
}

/// Warns where the launch lacks what the engine needs to sleep: a script may have it elsewhere.
pub(super) fn check_launch(walk: &mut Walk<'_>, at: &KeyPath, variant: &VariantSpec) {
    let Some(park) = &variant.park else { return };
    let (place, text) = match &variant.launch {
        Launch::Command(words) => ("command", words.join(" ")),
        // What can't be read has been told already.
        Launch::Script(path) => ("script", std::fs::read_to_string(path).unwrap_or_default()),
        // Somebody else has started it.
        Launch::Nothing => return,
    };
    let way = park.way.text();
    if park.way == ParkWay::Cuda && !variant.place.is_local() {
        let message = format!("is parked with `{way}`, but runs elsewhere, where nobody can ask the driver");
        walk.warn(at, message, Some("remove `park`, or use the engine's own".to_owned()));
    }
    for (word, why) in park.way.obstacles() {
        if text.contains(word) || variant.env.contains_key(*word) {
            let message = format!("is parked with `{way}`, but has {word}: {why}");
            let hint = "it is stopped instead; use the engine's own way, or remove one of the two";
            walk.warn(at, message, Some(hint.to_owned()));
        }
    }
    for (flag, otherwise) in park.way.flags().iter().filter(|(flag, _)| !text.contains(flag)) {
        let message = format!("is parked with `{way}`, but its {place} has no {flag}: {otherwise}");
        let hint = format!("add {flag}, unless it comes from elsewhere, such as a file of the engine");
        walk.warn(at, message, Some(hint));
    }
    if let Some((name, value)) = park.way.variable()
        && !variant.env.contains_key(name)
        && !text.contains(name)
        && std::env::var_os(name).is_none()
    {
        let message =
            format!("is parked with `{way}`, but {name} is not set: the engine has no /sleep without it");
        walk.warn(at, message, Some(format!("add `env: {{{name}: \"{value}\"}}` to the variant")));
    }
}
