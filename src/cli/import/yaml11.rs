//! A file as a YAML 1.1 parser reads it. llama-swap and the original program use such parsers: there `010` is 8 and
//! `yes` is true, and what their users have got used to must not change on the way.

use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;

/// Values that aliases may make of a file; more is no configuration.
const MOST_NODES: usize = 200_000;
/// How deep they may be nested.
const DEEPEST: usize = 100;

/// A value and the line on which it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct YamlNode {
    pub(super) line: usize,
    pub(super) value: YamlValue,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum YamlValue {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// `plain`: it stands without quotes, and words such as `yes` may mean more.
    Text {
        text: String,
        plain: bool,
    },
    List(Vec<YamlNode>),
    Map(Vec<(YamlNode, YamlNode)>),
}

impl YamlNode {
    /// The entry `key` of a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().find(|(name, _)| name.text().as_deref() == Some(key)).map(|(_, value)| value)
    }

    /// Keys and values of a mapping; of anything else, none.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Self, &Self)> {
        let entries = if let YamlValue::Map(entries) = &self.value { entries.as_slice() } else { &[] };
        entries.iter().map(|(key, value)| (key, value))
    }

    /// Items of a list; of anything else, none.
    pub(super) fn items(&self) -> &[Self] {
        if let YamlValue::List(items) = &self.value { items } else { &[] }
    }

    /// A scalar as the text that a 1.1 parser makes of it: `010` is "8", `1e3` is "1000".
    pub(super) fn text(&self) -> Option<String> {
        match &self.value {
            YamlValue::Text { text, .. } => Some(text.clone()),
            YamlValue::Bool(flag) => Some(flag.to_string()),
            YamlValue::Int(number) => Some(number.to_string()),
            YamlValue::Float(number) => Some(number.to_string()),
            YamlValue::Null => Some(String::new()),
            YamlValue::List(_) | YamlValue::Map(_) => None,
        }
    }

    /// A whole number; a fraction is cut off.
    pub(super) fn whole(&self) -> Option<i64> {
        match &self.value {
            YamlValue::Int(number) => Some(*number),
            YamlValue::Float(number) if number.is_finite() => Some(number.trunc() as i64),
            YamlValue::Text { text, .. } => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Any number.
    pub(super) fn number(&self) -> Option<f64> {
        match &self.value {
            YamlValue::Int(number) => Some(*number as f64),
            YamlValue::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// A truth value, with the words of YAML 1.1.
    pub(super) fn flag(&self) -> Option<bool> {
        match &self.value {
            YamlValue::Bool(flag) => Some(*flag),
            YamlValue::Text { text, plain: true } => match text.as_str() {
                "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
                "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it is a text, and not a number or a truth value.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.value, YamlValue::Text { .. })
    }
}

/// Reads the first document; anchors, aliases and `<<` are resolved.
pub(super) fn parse(text: &str) -> Result<YamlNode, String> {
    let mut open: Vec<(YamlNode, usize)> = Vec::new();
    let mut anchors: HashMap<usize, YamlNode> = HashMap::new();
    let mut left = MOST_NODES;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| format!("not valid YAML: {error}"))?;
        let line = span.start.line();
        if open.len() > DEEPEST {
            return Err(format!("line {line}: lists and mappings are nested too deep"));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.is_some_and(|tag| tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !is_text;
                let value =
                    if plain { resolve(&text) } else { YamlValue::Text { text: text.into_owned(), plain } };
                (YamlNode { line, value }, anchor)
            }
            Event::Alias(anchor) => {
                let node =
                    anchors.get(&anchor).cloned().ok_or(format!("line {line}: an alias of nothing"))?;
                // It stands where the alias stands.
                (YamlNode { line, ..node }, 0)
            }
            Event::SequenceStart(anchor, _) => {
                open.push((YamlNode { line, value: YamlValue::List(Vec::new()) }, anchor));
                continue;
            }
            Event::MappingStart(anchor, _) => {
                open.push((YamlNode { line, value: YamlValue::Map(Vec::new()) }, anchor));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((node, anchor)) => (merged(node), anchor),
                None => continue,
            },
            _ => continue,
        };
        left = left.checked_sub(size(&node)).ok_or("its aliases make too much of it")?;
        if anchor > 0 {
            anchors.insert(anchor, node.clone());
        }
        match open.last_mut() {
            None => return Ok(node),
            Some((YamlNode { value: YamlValue::List(items), .. }, _)) => items.push(node),
            Some((YamlNode { value: YamlValue::Map(entries), .. }, _)) => match entries.last_mut() {
                Some((_, value)) if value.line == 0 => *value = node,
                // A value on line 0 is one that is still to come.
                _ => entries.push((node, YamlNode { line: 0, value: YamlValue::Null })),
            },
            Some(_) => {}
        }
    }
    Ok(YamlNode { line: 1, value: YamlValue::Null })
}

/// What an alias multiplies; a container's parts have been counted when they were read.
fn size(node: &YamlNode) -> usize {
    match &node.value {
        YamlValue::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        YamlValue::Map(entries) => {
            1 + entries.iter().map(|(key, value)| size(key) + size(value)).sum::<usize>()
        }
        _ => 1,
    }
}

/// Puts in place what `<<` stands for.
fn merged(node: YamlNode) -> YamlNode {
    let YamlValue::Map(entries) = node.value else { return node };
    let is_merge =
        |key: &YamlNode| matches!(&key.value, YamlValue::Text { text, plain: true } if text == "<<");
    let (bases, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| is_merge(key));
    for (_, base) in bases {
        let bases = if let YamlValue::List(items) = base.value { items } else { vec![base] };
        for base in bases {
            let YamlValue::Map(entries) = base.value else { continue };
            for (key, value) in entries {
                if !own.iter().any(|(known, _)| known.value == key.value) {
                    own.push((key, value));
                }
            }
        }
    }
    YamlNode { line: node.line, value: YamlValue::Map(own) }
}

/// What a plain scalar is.
fn resolve(text: &str) -> YamlValue {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return YamlValue::Null,
        "true" | "True" | "TRUE" => return YamlValue::Bool(true),
        "false" | "False" | "FALSE" => return YamlValue::Bool(false),
        ".inf" | ".Inf" | "+.inf" => return YamlValue::Float(f64::INFINITY),
        "-.inf" | "-.Inf" => return YamlValue::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" => return YamlValue::Float(f64::NAN),
        _ => {}
    }
    if let Some(number) = whole(text) {
        return YamlValue::Int(number);
    }
    let digits = text.replace('_', "");
    let is_float =
        digits.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && digits.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c))
            && digits.contains(|c: char| c.is_ascii_digit());
    match digits.parse::<f64>() {
        Ok(number) if is_float => YamlValue::Float(number),
        _ => YamlValue::Text { text: text.to_owned(), plain: true },
    }
}

/// A whole number in any of YAML 1.1's spellings; one with a leading zero is octal.
fn whole(text: &str) -> Option<i64> {
    let digits = text.replace('_', "");
    let (sign, digits) = match digits.strip_prefix(['-', '+']) {
        Some(rest) => (if text.starts_with('-') { -1 } else { 1 }, rest),
        None => (1, digits.as_str()),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    let is_number = digits.starts_with(|c: char| c.is_ascii_alphanumeric());
    is_number.then(|| i64::from_str_radix(digits, radix).ok())?.map(|number| sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(yaml: &str) -> String {
        parse(&format!("a: {yaml}")).unwrap().get("a").unwrap().text().unwrap()
    }

    #[test]
    fn scalars_are_what_yaml_1_1_makes_of_them() {
        for (written, read) in [
            ("010", "8"),
            ("08", "8"),
            ("0x1F", "31"),
            ("1e3", "1000"),
            ("3.10", "3.1"),
            ("1_000", "1000"),
            ("\"010\"", "010"),
            ("!!str 010", "010"),
            ("True", "true"),
            ("yes", "yes"),
            ("~", ""),
            ("-0b101", "-5"),
            ("1.2.3", "1.2.3"),
            ("2026-01-01", "2026-01-01"),
            ("+", "+"),
            (".", "."),
            ("e5", "e5"),
        ] {
            assert_eq!(text(written), read, "{written}");
        }
        let node = parse("a: yes\nb: 'yes'\nc: 1.5\nd: 010").unwrap();
        assert_eq!(node.get("a").unwrap().flag(), Some(true));
        assert_eq!(node.get("b").unwrap().flag(), None);
        assert_eq!(node.get("c").unwrap().whole(), Some(1));
        assert_eq!(node.get("d").unwrap().whole(), Some(8));
    }

    #[test]
    fn merges_keep_what_is_there_and_lines_are_known() {
        let node = parse("x: &b {ttl: 1, u: 2}\nm:\n  <<: *b\n  ttl: 3\n").unwrap();
        let model = node.get("m").unwrap();
        assert_eq!(model.get("ttl").unwrap().whole(), Some(3));
        assert_eq!(model.get("ttl").unwrap().line, 4);
        assert_eq!(model.get("u").unwrap().whole(), Some(2));
        assert!(parse("a: [1, 2\n").is_err());
        let laughs: String =
            (1..20).map(|n| format!("l{n}: &l{n} [{}]\n", format!("*l{},", n - 1).repeat(10))).collect();
        assert!(parse(&format!("l0: &l0 [x,x]\n{laughs}")).is_err());
        assert_eq!(parse("").unwrap().value, YamlValue::Null);
    }
}
