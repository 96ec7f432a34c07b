//! Slips that people make when they write YAML by hand, and the way out of each.

use saphyr_parser::ScalarStyle;
use serde_yaml::Value;

use super::yaml_document::{LocatedValue, Scalar};

/// What to do about a path whose backslashes were read as escapes.
pub(super) const ESCAPES: &str =
    "in double quotes, \\ starts an escape (\\t is a tab): put a path in single quotes, or write it with /";

/// Quotation marks that word processors make, opening ones first.
const TYPOGRAPHIC: [(char, char); 9] = [
    ('“', '”'),
    ('”', '”'),
    ('„', '“'),
    ('‘', '’'),
    ('’', '’'),
    ('«', '»'),
    ('「', '」'),
    ('＂', '＂'),
    ('＇', '＇'),
];

/// The text between typographic quotes, which YAML takes for a part of it.
pub(super) fn between_typographic_quotes(text: &str) -> Option<&str> {
    let opening = text.chars().next()?;
    let is_closing = |closing: char| {
        let mut pairs = TYPOGRAPHIC.iter();
        pairs.any(|(open, close)| *open == opening && (closing == *close || closing == opening))
    };
    text.strip_prefix(opening)?.strip_suffix(is_closing)
}

/// For a text that was meant to be `key: value`.
pub(super) fn colon(text: &str) -> Option<String> {
    if text.contains('：') {
        return Some("`：` is a full-width colon: write `:` and a space".to_owned());
    }
    let line = text.lines().next().unwrap_or_default();
    let is_word =
        |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    if let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim()))
        && is_word(key)
        && !value.is_empty()
    {
        return Some(format!("write a colon and a space in place of `=`: `{key}: {value}`"));
    }
    let (key, value) = line.split_once(':')?;
    let is_key = is_word(key);
    // A slash is that of an address, a backslash that of a drive.
    (is_key && !value.is_empty() && !value.starts_with([' ', '/', '\\']))
        .then(|| format!("write a space after the colon: `{key}: {value}`"))
}

/// For a text where a number is wanted.
pub(super) fn number(text: &str, raw: Option<&Scalar>, unit: &str) -> Option<String> {
    let text = text.trim();
    if let Some(inner) = between_typographic_quotes(text) {
        return Some(format!("remove the quotes: write {inner}"));
    }
    if text.chars().any(|c| matches!(c, '０'..='９' | '．')) {
        let ascii = |c: char| match c {
            '０'..='９' | '．' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            c => c,
        };
        return Some(format!("write it with ASCII digits: {}", text.chars().map(ascii).collect::<String>()));
    }
    if let Some(raw) = raw
        && !raw.tag.is_empty()
    {
        return Some(format!("remove the tag {}", raw.tag));
    }
    let is_number = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && text.parse::<f64>().is_ok_and(f64::is_finite)
    };
    let sign = if text.starts_with('-') { "-" } else { "" };
    let digits = text.trim_start_matches(['+', '-']);
    if let Some((head, comment)) = digits.split_once("//").or_else(|| digits.split_once('#'))
        && is_number(head.trim())
    {
        let (head, comment) = (head.trim(), comment.trim());
        return Some(format!("a comment begins with a space and `#`: `{sign}{head} # {comment}`"));
    }
    if let Some(head) = digits.strip_suffix([',', ';']).filter(|head| is_number(head)) {
        return Some(format!("drop what stands behind it: write {sign}{head}"));
    }
    let is_quoted = raw.is_some_and(|raw| raw.style != ScalarStyle::Plain);
    let without_quotes = if is_quoted { ", without quotes" } else { "" };
    let leading = digits.trim_start_matches('0');
    if leading.len() < digits.len() && is_number(digits) && digits.as_bytes().get(1) != Some(&b'.') {
        let leading = if leading.starts_with(|c: char| c.is_ascii_digit()) {
            leading.to_owned()
        } else {
            format!("0{leading}")
        };
        if leading != digits {
            return Some(format!("drop the leading zero: write {sign}{leading}{without_quotes}"));
        }
    }
    if is_number(digits) {
        // From an alias it is not known how it is written.
        return Some(if is_quoted { "remove the quotes" } else { "write it without quotes" }.to_owned());
    }
    if digits.parse::<f64>().is_ok_and(f64::is_infinite) && digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Some("it is too large".to_owned());
    }
    let plain = digits.replace(['_', ' ', '\''], "");
    if plain.len() < digits.len() && is_number(&plain) {
        return Some(format!("write {sign}{plain}{without_quotes}"));
    }
    if digits.matches(',').count() == 1 && is_number(&digits.replace(',', ".")) {
        let hint = format!("write the decimal point as a point: {sign}{}", digits.replace(',', "."));
        return Some(hint + without_quotes);
    }
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (amount, rest) = digits.split_at(end);
    let is_unit = rest.trim().chars().all(char::is_alphabetic);
    (is_number(amount) && is_unit && !unit.is_empty())
        .then(|| format!("write the number alone: it counts {unit}"))
}

/// For something that was meant to be true or false; `raw`: how it is written.
pub(super) fn flag(value: &Value, raw: Option<&Scalar>) -> Option<String> {
    let word = match value {
        Value::String(text) => {
            between_typographic_quotes(text.trim()).unwrap_or(text.trim()).to_ascii_lowercase()
        }
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let flag = match word.as_str() {
        "yes" | "on" | "true" | "y" | "t" | "1" | "enabled" => "true",
        "no" | "off" | "false" | "n" | "f" | "0" | "disabled" | "none" => "false",
        _ => return None,
    };
    let is_quoted =
        value.as_str() != Some(word.as_str()) || raw.is_none_or(|raw| raw.style != ScalarStyle::Plain);
    Some(if is_quoted && word == flag {
        format!("write {flag}, without quotes")
    } else {
        format!("write {flag}")
    })
}

/// For a mapping that was meant to be a text with a placeholder: `{port}` without quotes.
pub(super) fn placeholder(value: &Value) -> Option<String> {
    let (key, nothing) = value.as_mapping().filter(|mapping| mapping.len() == 1)?.iter().next()?;
    let name = match key {
        Value::String(name) => name.clone(),
        // `{{port}}`, as the original program has it.
        Value::Mapping(_) => return placeholder(key),
        _ => return None,
    };
    nothing.is_null().then(|| format!("put it in quotes: \"{{{name}}}\""))
}

/// What a control character in a text comes from.
pub(super) fn control(place: LocatedValue<'_>) -> String {
    match place.raw().map(|raw| raw.style) {
        Some(ScalarStyle::DoubleQuoted) => ESCAPES.to_owned(),
        Some(ScalarStyle::Literal | ScalarStyle::Folded) => {
            "a block (| or >) ends with a line break: write the text on one line".to_owned()
        }
        _ => "remove it".to_owned(),
    }
}

/// Whether a text is a Windows path in which escapes have eaten backslashes: `D:` and a tab.
pub(super) fn is_broken_path(text: &str) -> bool {
    let mut chars = text.chars();
    let has_drive = chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some(':');
    let is_escape = |c: char| c.is_control() || matches!(c, '\u{a0}' | '\u{2028}' | '\u{2029}');
    has_drive && text.chars().any(is_escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_are_seen_through() {
        let plain =
            |text: &str| Scalar { text: text.to_owned(), style: ScalarStyle::Plain, tag: String::new() };
        for (text, expected) in [
            ("010", "write 10"),
            ("08.5", "write 8.5"),
            ("00", "write 0"),
            ("018431", "write 18431"),
            ("-05", "write -5"),
            ("1e400", "it is too large"),
            ("1_000", "write 1000"),
            ("1 000", "write 1000"),
            ("0,5", "point: 0.5"),
            ("15m", "alone: it counts minutes"),
            ("15 min", "alone: it counts minutes"),
            ("１５", "ASCII digits: 15"),
            ("“15”", "write 15"),
            ("8080,", "write 8080"),
            ("8080;", "write 8080"),
            ("-1 // why", "`-1 # why`"),
            ("8080# why", "`8080 # why`"),
        ] {
            let hint = number(text, Some(&plain(text)), "minutes").unwrap_or_default();
            assert!(hint.ends_with(expected), "{text}: {hint}");
            let quoted = Scalar { style: ScalarStyle::DoubleQuoted, ..plain(text) };
            assert!(number(text, Some(&quoted), "minutes").is_some(), "{text}");
        }
        for text in ["soon", "", "-", "1.2.3", "15m!", "nan", "inf", "0x1f"] {
            assert_eq!(number(text, Some(&plain(text)), "minutes"), None, "{text}");
        }
    }

    #[test]
    fn quotes_of_word_processors_are_told_from_apostrophes() {
        for (text, inner) in [
            ("“a1”", Some("a1")),
            ("„a“", Some("a")),
            ("‘a’", Some("a")),
            ("「a」", Some("a")),
            ("”a”", Some("a")),
            ("a1”", None),
            ("it’s", None),
            ("“", None),
            ("", None),
        ] {
            assert_eq!(between_typographic_quotes(text), inner, "{text}");
        }
    }
}
