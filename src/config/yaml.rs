//! From the bytes of a file to a YAML value, with every way in which that fails named by its line.

use serde_yaml::{Mapping, Value};

use super::line_index::{KeyPath, LineIndex};
use super::problem::ConfigProblem;
use super::syntax;

/// A file that is YAML.
pub(super) struct Parsed {
    pub(super) text: String,
    pub(super) value: Value,
    pub(super) lines: LineIndex,
    /// What the walk over the values would not see any more.
    pub(super) problems: Vec<ConfigProblem>,
}

/// Reads UTF-8 with or without a byte order mark; anchors, aliases and `<<` are resolved.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Vec<ConfigProblem>> {
    let text = std::str::from_utf8(bytes).map_err(|error| vec![not_utf8(bytes, error.valid_up_to())])?;
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut value: Value = serde_yaml::from_str(plain).map_err(|error| explain(plain, &error))?;
    let lines = LineIndex::of(plain);
    let mut problems = Vec::new();
    resolve(&mut value, &KeyPath::default(), &mut |path, message, hint| {
        let path_text = path.to_string();
        let problem = ConfigProblem::of_file(lines.line(path), message.to_owned(), Some(hint.to_owned()));
        problems.push(ConfigProblem { path: path_text, ..problem });
    });
    Ok(Parsed { text: text.to_owned(), value, lines, problems })
}

fn not_utf8(bytes: &[u8], valid_up_to: usize) -> ConfigProblem {
    let before = bytes.get(..valid_up_to).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    ConfigProblem::of_file(
        Some(line),
        "the file is not UTF-8 text".to_owned(),
        Some("save it with the encoding UTF-8".to_owned()),
    )
}

/// Duplicate keys are all named, with both lines; of other mistakes the parser only sees the first.
fn explain(text: &str, error: &serde_yaml::Error) -> Vec<ConfigProblem> {
    let message = error.to_string();
    if message.contains("duplicate entry") {
        let duplicates = LineIndex::of(text).duplicates;
        if !duplicates.is_empty() {
            return duplicates.into_iter().map(duplicate).collect();
        }
    }
    let line =
        error.location().map(|location| location.line()).or_else(|| LineIndex::of(text).second_document);
    if let Some((line, hint)) = line.and_then(|line| syntax::way_out(text, &message, line)) {
        return vec![ConfigProblem::of_file(Some(line), format!("not valid YAML: {message}"), Some(hint))];
    }
    let hint = if message.contains("unknown anchor") {
        "text that starts with * needs quotes; otherwise it repeats what `&NAME` has marked further up"
    } else if message.contains("invalid type: integer") {
        "this number is too large for any key; a text of digits needs quotes"
    } else if message.contains("more than one document") {
        "the file may hold one document only: remove the line `---`"
    } else {
        "look for a missing quote, colon or bracket, or a wrong indentation, on this line or just above"
    };
    vec![ConfigProblem::of_file(line, format!("not valid YAML: {message}"), Some(hint.to_owned()))]
}

fn duplicate((path, line, first): (KeyPath, usize, usize)) -> ConfigProblem {
    let hint = Some("remove one of the two, or rename it".to_owned());
    let mut problem =
        ConfigProblem::of_file(Some(line), format!("this key is there twice, first on line {first}"), hint);
    problem.path = path.to_string();
    problem
}

/// Puts in place what `<<` stands for, and takes tags off, which nothing here knows. Not `Value::apply_merge`: that
/// one changes the order of the keys, and the order of variants is their priority.
fn resolve(value: &mut Value, path: &KeyPath, tell: &mut impl FnMut(&KeyPath, &str, &str)) {
    while let Value::Tagged(tagged) = value {
        tell(
            path,
            "has a `!tag`, and none is known",
            "remove the tag; a text that starts with `!` needs quotes",
        );
        *value = std::mem::take(&mut tagged.value);
    }
    match value {
        Value::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                resolve(item, &path.item(index), tell);
            }
        }
        Value::Mapping(entries) => {
            if let Some(base) = entries.shift_remove("<<")
                && !add_missing(entries, base)
            {
                let hint = "write `<<: *name`, or `<<: [*one, *two]`, with anchors (`&name`) of mappings";
                tell(&path.key("<<"), "expected an alias of a mapping, or a list of them", hint);
            }
            for (key, value) in entries {
                resolve(value, &path.key(key.as_str().unwrap_or("?")), tell);
            }
        }
        _ => {}
    }
}

/// Adds what `entries` don't have yet; whether `base` was a mapping or a list of them.
fn add_missing(entries: &mut Mapping, base: Value) -> bool {
    match base {
        Value::Mapping(base) => {
            for (key, value) in base {
                entries.entry(key).or_insert(value);
            }
            true
        }
        Value::Sequence(bases) if bases.iter().all(Value::is_mapping) => {
            bases.into_iter().all(|base| add_missing(entries, base))
        }
        _ => false,
    }
}
