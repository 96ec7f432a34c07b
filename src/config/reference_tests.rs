//! `docs/reference/configuration.md` and its Chinese partner have every key of the table.

use super::keys::{ConfigKey, DefaultValue, Section, ValueKind};
use crate::reference::{assert_block, cell};
use std::collections::HashMap;
use std::fmt::Write;

const CHINESE: &str = include_str!("../../webui/src/features/configuration/chinese.ts");

/// The dashboard's help in Chinese, by place.
fn chinese() -> HashMap<&'static str, String> {
    let lines = CHINESE.lines().filter_map(|line| {
        let (place, text) = line.strip_prefix("  ")?.split_once(": '")?;
        let text = text.trim_end_matches(',').strip_suffix('\'')?;
        Some((place.trim_matches('\''), text.replace("\\'", "'")))
    });
    let found: HashMap<_, _> = lines.collect();
    assert!(found.len() > 60, "only {} texts were found in chinese.ts", found.len());
    found
}

#[derive(Clone, Copy, PartialEq)]
enum Language {
    English,
    Chinese,
}

impl Language {
    fn of(self, english: &str, chinese: &str) -> String {
        if self == Language::English { english.to_owned() } else { chinese.to_owned() }
    }
}

fn unit(unit: &str, language: Language) -> String {
    let word = match (unit, language) {
        ("minutes", Language::Chinese) => "分钟",
        ("seconds", Language::Chinese) => "秒",
        ("requests", Language::Chinese) => "个请求",
        ("days", Language::Chinese) => "天",
        (unit, _) => unit,
    };
    if word.is_empty() { String::new() } else { format!(" {word}") }
}

/// What a value may be.
fn value(key: &ConfigKey, language: Language) -> String {
    let unit = unit(key.unit, language);
    let to = language.of("to", "到");
    match key.kind {
        ValueKind::Choice(words) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        ValueKind::Flag => "`true`, `false`".to_owned(),
        ValueKind::Whole { min, max } => format!("{min} {to} {max}{unit}"),
        ValueKind::Number { min, max } => {
            format!("{min} {to} {max}{unit}{}", language.of(", fractions allowed", "，可以是小数"))
        }
        ValueKind::NumberOrAuto { min, max } => {
            format!("`auto`, {min} {to} {max}{unit}{}", language.of(", fractions allowed", "，可以是小数"))
        }
        ValueKind::Text => language.of("text", "文本"),
        ValueKind::Texts | ValueKind::ApiKeys => language.of("list of texts", "文本列表"),
        ValueKind::Command => language.of("program and arguments", "程序及参数"),
        ValueKind::Price => language.of("decimal in quotes", "引号中的小数"),
        ValueKind::Memory | ValueKind::Env | ValueKind::Headers | ValueKind::Named(_) | ValueKind::One(_) => {
            language.of("mapping", "映射")
        }
        ValueKind::Many(_) => language.of("list", "列表"),
        _ => String::new(),
    }
}

fn preset(key: &ConfigKey, language: Language) -> String {
    match key.preset {
        DefaultValue::Required => language.of("required", "必填"),
        DefaultValue::Nothing => String::new(),
        DefaultValue::Text(word) => format!("`{word}`"),
        DefaultValue::Whole(number) => number.to_string(),
        DefaultValue::Flag(flag) => format!("`{flag}`"),
        DefaultValue::Program => format!("`program.{}`", key.name),
    }
}

/// A section with its heading, then those that its keys hold. `place` is where chinese.ts and the schema have it.
fn section(section: Section, place: &str, language: Language, seen: &mut Vec<Section>, text: &mut String) {
    if seen.contains(&section) {
        return;
    }
    seen.push(section);
    let at = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    let heading = match place {
        "" => language.of("The file", "文件"),
        place => {
            let named = place.replace("*.*", "MODEL.VARIANT").replace("Local-Models.*", "Local-Models.MODEL");
            format!("`{}`", named.replace('*', "NAME").replace(".-", "[]"))
        }
    };
    let _ = writeln!(text, "## {heading}\n");
    let head = language.of("| key | value | default | meaning |", "| 键 | 取值 | 默认值 | 含义 |");
    let _ = writeln!(text, "{head}\n|---|---|---|---|");
    let chinese = chinese();
    for key in section.keys() {
        let meaning = match language {
            Language::English => key.help,
            Language::Chinese => chinese.get(at(key.name).as_str()).map_or(key.help, String::as_str),
        };
        let (value, preset) = (value(key, language), preset(key, language));
        let _ = writeln!(text, "| `{}` | {value} | {preset} | {} |", key.name, cell(meaning));
    }
    text.push('\n');
    let inner = section.keys().filter_map(|key| match key.kind {
        ValueKind::One(inner) => Some((inner, at(key.name))),
        ValueKind::Many(inner) => Some((inner, at(&format!("{}.-", key.name)))),
        ValueKind::Named(inner) => Some((inner, at(&format!("{}.*", key.name)))),
        _ => None,
    });
    let variant = (section == Section::Model).then(|| (Section::Variant, at("*")));
    for (inner, place) in inner.chain(variant) {
        self::section(inner, &place, language, seen, text);
    }
}

#[test]
fn the_reference_has_every_key() {
    for (page, language) in [
        ("docs/reference/configuration.md", Language::English),
        ("docs/reference/configuration.zh-CN.md", Language::Chinese),
    ] {
        let (mut text, mut seen) = (String::new(), Vec::new());
        section(Section::Root, "", language, &mut seen, &mut text);
        for key in super::keys::all() {
            assert!(
                seen.contains(&key.section),
                "{:?} can't be reached from the top of the file",
                key.section
            );
        }
        assert_block(page, "keys", &text);
    }
}
