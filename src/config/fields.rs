//! Reading one mapping by the table: unknown keys and wrong types become problems, the rest typed values.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use serde_yaml::Value;

use super::common_mistakes;
use super::keys::{self, ConfigKey, DefaultValue, Section, ValueKind, original};
use super::line_index::{KeyPath, LineIndex};
use super::problem::{ConfigProblem, Severity};
use super::suggest;
use super::values::{self, Item, Misfit};
use super::yaml_document::LocatedValue;

/// One walk over a file, and what it found wrong.
pub(super) struct Walk<'a> {
    pub(super) lines: &'a LineIndex,
    /// Folder that relative paths start from.
    pub(super) base_dir: &'a Path,
    pub(super) problems: Vec<ConfigProblem>,
}

/// The entries of one mapping, sorted by what the table says of them.
pub(super) struct Fields<'v> {
    section: Section,
    pub(super) path: KeyPath,
    /// False: it is something else, and reads as an empty one.
    pub(super) is_mapping: bool,
    known: Vec<Field<'v>>,
    /// Keys that the section does not know.
    pub(super) unknown: Vec<(Cow<'v, str>, &'v Value)>,
}

struct Field<'v> {
    key: &'static ConfigKey,
    value: &'v Value,
    /// Whether the value is of the key's kind.
    fits: bool,
}

impl Walk<'_> {
    pub(super) fn error(&mut self, path: &KeyPath, message: impl Into<String>, hint: Option<String>) {
        self.push(path, message.into(), hint, Severity::Error);
    }

    pub(super) fn warn(&mut self, path: &KeyPath, message: impl Into<String>, hint: Option<String>) {
        self.push(path, message.into(), hint, Severity::Warning);
    }

    fn push(&mut self, path: &KeyPath, message: String, hint: Option<String>, severity: Severity) {
        let line = self.lines.line(path);
        self.problems.push(ConfigProblem { path: path.to_string(), line, message, hint, severity });
    }

    /// Tells what is wrong with the value at `path`.
    pub(super) fn misfit(&mut self, path: &KeyPath, misfit: Misfit) {
        let path = match misfit.item {
            Some(Item::Index(index)) => path.item(index),
            Some(Item::Key(key)) => path.key(&key),
            None => path.clone(),
        };
        self.error(&path, misfit.message, misfit.hint);
    }

    /// The entries of a mapping whose keys are names; names that are none become problems, and what they name is looked
    /// at all the same.
    pub(super) fn named<'v>(
        &mut self,
        path: &KeyPath,
        value: Option<&'v Value>,
    ) -> Vec<(Cow<'v, str>, &'v Value)> {
        let mut entries = Vec::new();
        for (key, value) in value.and_then(Value::as_mapping).into_iter().flatten() {
            match key {
                Value::String(name) => {
                    if let Err(misfit) = values::name(name) {
                        self.misfit(&path.key(name), misfit);
                    }
                    entries.push((Cow::from(name.as_str()), value));
                }
                other => entries.push((Cow::from(self.key_is_no_text(path, other)), value)),
            }
        }
        entries
    }

    /// The answer is the key as it is written.
    fn key_is_no_text(&mut self, path: &KeyPath, key: &Value) -> String {
        // The mapping itself isn't looked at.
        let written = LocatedValue::at(&self.lines.source, path, &Value::Null).key(key);
        let text = match (written.plain(), key) {
            (Some(text), _) => text.to_owned(),
            (None, Value::Bool(flag)) => flag.to_string(),
            (None, Value::Number(number)) => number.to_string(),
            _ => "?".to_owned(),
        };
        let message = format!("expected text as a key, got {}", values::got(written));
        let hint = common_mistakes::placeholder(key).unwrap_or_else(|| values::quote_it(written));
        self.error(&path.key(&text), message, Some(hint));
        text
    }

    /// Reads `value` as a mapping of `section`; no mapping is an error and reads as an empty one.
    pub(super) fn fields<'v>(&mut self, section: Section, path: &KeyPath, value: &'v Value) -> Fields<'v> {
        let mut fields = Fields {
            section,
            path: path.clone(),
            is_mapping: value.is_mapping(),
            known: Vec::new(),
            unknown: Vec::new(),
        };
        let Some(mapping) = value.as_mapping() else {
            let place = LocatedValue::at(&self.lines.source, path, value);
            let message = format!("expected a mapping, got {}", values::got(place));
            let hint = values::no_mapping(place, section);
            self.error(path, message, hint);
            return fields;
        };
        for (name, value) in mapping {
            let Value::String(name) = name else {
                let written = self.key_is_no_text(path, name);
                // A variant `1:` is looked at like any other.
                if section == Section::Model && value.is_mapping() {
                    fields.unknown.push((Cow::from(written), value));
                }
                continue;
            };
            let Some(key) = section.key(name) else {
                fields.unknown.push((Cow::from(name.as_str()), value));
                continue;
            };
            // An empty value is a key left out. An empty `api_keys` is not: a template without its secret would
            // open the door.
            if value.is_null() && key.preset != DefaultValue::Required && key.kind != ValueKind::ApiKeys {
                continue;
            }
            let fits = values::misfits(key, LocatedValue::nowhere(value)).is_empty();
            fields.known.push(Field { key, value, fits });
            if !fits {
                // Where it stands is only looked up for those that are wrong.
                let at = path.key(name);
                for misfit in values::misfits(key, LocatedValue::at(&self.lines.source, &at, value)) {
                    self.misfit(&at, misfit);
                }
            }
        }
        for key in section.keys().filter(|key| key.preset == DefaultValue::Required) {
            if !fields.is_given(key.name) {
                self.error(path, format!("`{}` is missing", key.name), None);
            }
        }
        fields
    }

    /// The scalars of the mapping under the key `name`, each as it is written: `1.10` stays 1.10, although YAML
    /// reads a number.
    pub(super) fn written(&self, fields: &Fields<'_>, name: &str) -> Vec<(String, String)> {
        let whole =
            fields.value(name).map(|value| LocatedValue::at(&self.lines.source, &fields.at(name), value));
        let scalar = |(name, value): (&Value, &Value)| {
            let name = name.as_str()?;
            let plain = || whole.and_then(|whole| whole.entry(name, value).plain());
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => plain().map_or_else(|| number.to_string(), str::to_owned),
                Value::Bool(flag) => plain().map_or_else(|| flag.to_string(), str::to_owned),
                _ => return None,
            };
            Some((name.to_owned(), text))
        };
        fields.value(name).and_then(Value::as_mapping).into_iter().flatten().filter_map(scalar).collect()
    }

    /// Every unknown key of `fields` is an error, but those of the original program.
    pub(super) fn refuse_unknown(&mut self, fields: &Fields<'_>) {
        for (name, value) in &fields.unknown {
            if let Some(instead) = original::instead(fields.section, name) {
                self.warn(&fields.at(name), original::HAS_NO_EFFECT, Some(instead.to_owned()));
                continue;
            }
            if fields.section == Section::Root && is_model(value) {
                let hint = "a model stands below `Local-Models:`: indent it, with all that belongs to it";
                self.error(&fields.at(name), "unknown key", Some(hint.to_owned()));
                continue;
            }
            self.unknown_key(&fields.path, fields.section, name);
        }
    }

    pub(super) fn unknown_key(&mut self, path: &KeyPath, section: Section, name: &str) {
        if section == Section::Root && name.eq_ignore_ascii_case("models") {
            self.error(&path.key(name), "unknown key", Some("did you mean `Local-Models`?".to_owned()));
            return;
        }
        let hint = common_mistakes::colon(name).unwrap_or_else(|| {
            suggest::hint(name, section.keys().map(|key| key.name), || {
                match keys::all().find(|key| key.name == name) {
                    Some(elsewhere) => format!("`{name}` is a key of {}", elsewhere.section.called()),
                    None if section == Section::Root => {
                        format!("{}; a key that only holds anchors begins with x-", section.has_keys())
                    }
                    None => section.has_keys(),
                }
            })
        });
        self.error(&path.key(name), "unknown key", Some(hint));
    }
}

/// Whether it has something that says how it is started. A place for anchors usually has not.
fn is_model(value: &Value) -> bool {
    let launches =
        |variant: &Value| ["script_path", "command", "bat_path"].iter().any(|key| variant.get(key).is_some());
    value.as_mapping().is_some_and(|entries| entries.values().any(launches))
}

impl<'v> Fields<'v> {
    /// Where the key `name` is.
    pub(super) fn at(&self, name: &str) -> KeyPath {
        self.path.key(name)
    }

    /// Whether the key is there, right or wrong.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.known.iter().any(|field| field.key.name == name)
    }

    /// Whether the key may not be left out.
    pub(super) fn is_required(&self, name: &str) -> bool {
        self.preset(name) == DefaultValue::Required
    }

    /// The value, if it is there and of the right kind.
    pub(super) fn value(&self, name: &str) -> Option<&'v Value> {
        self.known.iter().find(|field| field.key.name == name && field.fits).map(|field| field.value)
    }

    fn preset(&self, name: &str) -> DefaultValue {
        self.section.key(name).map_or(DefaultValue::Nothing, |key| key.preset)
    }

    /// The text, or the default.
    pub(super) fn text(&self, name: &str) -> Option<&'v str> {
        match (self.value(name), self.preset(name)) {
            (Some(value), _) => value.as_str(),
            (None, DefaultValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The truth value, or the default.
    pub(super) fn flag(&self, name: &str) -> bool {
        match (self.value(name), self.preset(name)) {
            (Some(value), _) => value.as_bool() == Some(true),
            (None, preset) => preset == DefaultValue::Flag(true),
        }
    }

    /// The whole number, or the default.
    pub(super) fn whole(&self, name: &str) -> Option<u64> {
        match (self.value(name), self.preset(name)) {
            (Some(value), _) => value.as_u64(),
            (None, DefaultValue::Whole(number)) => Some(number),
            _ => None,
        }
    }

    /// The number in a unit of `unit_seconds`, as a time, or the default.
    pub(super) fn time(&self, name: &str, unit_seconds: f64) -> Option<Duration> {
        let number = match (self.value(name), self.preset(name)) {
            (Some(value), _) => value.as_f64(),
            // Defaults are small: the conversion is exact.
            (None, DefaultValue::Whole(number)) => Some(number as f64),
            _ => None,
        };
        number.and_then(|number| Duration::try_from_secs_f64(number * unit_seconds).ok())
    }

    /// The items of a list of texts.
    pub(super) fn texts(&self, name: &str) -> Vec<&'v str> {
        let list = self.value(name).and_then(Value::as_sequence);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}
