//! From the bytes of a file to a YAML value, with every way in which that fails named by its line.

use serde_yaml::{Mapping, Value};

use super::locate::Lines;
use super::problem::Problem;

/// A file that is YAML.
pub(super) struct Parsed {
    pub(super) text: String,
    pub(super) value: Value,
    pub(super) lines: Lines,
}

/// Reads UTF-8 with or without a byte order mark; anchors, aliases and `<<` are resolved.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Vec<Problem>> {
    let text = std::str::from_utf8(bytes).map_err(|error| vec![not_utf8(bytes, error.valid_up_to())])?;
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut value: Value = serde_yaml::from_str(plain).map_err(|error| explain(plain, &error))?;
    merge(&mut value).map_err(|message| vec![Problem::of_file(None, message.to_owned(), None)])?;
    Ok(Parsed { text: text.to_owned(), value, lines: Lines::of(plain) })
}

fn not_utf8(bytes: &[u8], valid_up_to: usize) -> Problem {
    let before = bytes.get(..valid_up_to).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    Problem::of_file(
        Some(line),
        "the file is not UTF-8 text".to_owned(),
        Some("save it with the encoding UTF-8".to_owned()),
    )
}

/// Duplicate keys are all named, with both lines; of other mistakes the parser only sees the first.
fn explain(text: &str, error: &serde_yaml::Error) -> Vec<Problem> {
    let message = error.to_string();
    if message.contains("duplicate entry") {
        let duplicates = Lines::of(text).duplicates;
        if !duplicates.is_empty() {
            return duplicates.into_iter().map(duplicate).collect();
        }
    }
    let hint = if message.contains("cannot start any token") {
        "YAML is indented with spaces, not tabs; text that starts with one of @ ` % wants quotes"
    } else if message.contains("more than one document") {
        "the file may hold one document only: remove the line `---`"
    } else {
        "look for a missing quote, colon or bracket, or a wrong indentation, on this line or just above"
    };
    let line = error.location().map(|location| location.line());
    vec![Problem::of_file(line, format!("not valid YAML: {message}"), Some(hint.to_owned()))]
}

fn duplicate((path, line, first): (super::locate::KeyPath, usize, usize)) -> Problem {
    let hint = Some("remove one of the two, or rename it".to_owned());
    let mut problem =
        Problem::of_file(Some(line), format!("this key is there twice, first on line {first}"), hint);
    problem.path = path.to_string();
    problem
}

/// Resolves `<<`. Not `Value::apply_merge`: that one changes the order of the keys, and the order of variants is
/// their priority.
fn merge(value: &mut Value) -> Result<(), &'static str> {
    match value {
        Value::Sequence(items) => items.iter_mut().try_for_each(merge),
        Value::Mapping(entries) => {
            if let Some(base) = entries.shift_remove("<<") {
                add_missing(entries, base)?;
            }
            entries.values_mut().try_for_each(merge)
        }
        _ => Ok(()),
    }
}

fn add_missing(entries: &mut Mapping, base: Value) -> Result<(), &'static str> {
    match base {
        Value::Mapping(base) => {
            for (key, value) in base {
                entries.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Sequence(bases) if !bases.iter().any(Value::is_sequence) => {
            bases.into_iter().try_for_each(|base| add_missing(entries, base))
        }
        _ => Err("`<<` wants an alias of a mapping, such as `<<: *base`, or a list of them"),
    }
}
