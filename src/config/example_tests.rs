//! `config.example.yaml` is the manual: it loads, it has every key, and it says of each what the table says.

use std::path::Path;

use serde_yaml::Value;

use super::keys::{self, ConfigKey, Section, ValueKind};
use super::{Severity, load, parse};

const EXAMPLE: &str = include_str!("../../config.example.yaml");

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.yaml")
}

/// The example with every setting that is off (`#key: value`) turned on.
fn all_on() -> String {
    let on = |line: &str| match line.split_once('#') {
        Some((indent, rest)) if indent.trim().is_empty() && rest.starts_with(|c: char| c != ' ') => {
            format!("{indent}{rest}\n")
        }
        _ => format!("{line}\n"),
    };
    EXAMPLE.lines().map(on).collect()
}

/// What the comments say, as running text.
fn comments() -> String {
    let lines = EXAMPLE.lines().filter_map(|line| line.trim_start().strip_prefix("# "));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// The values of `key` in the section, wherever in the file that section is.
fn values<'v>(root: &'v Value, key: &ConfigKey) -> Vec<&'v Value> {
    fn collect<'v>(value: &'v Value, section: Section, key: &ConfigKey, found: &mut Vec<&'v Value>) {
        for (name, value) in value.as_mapping().into_iter().flatten() {
            let Some(row) = section.key(name.as_str().unwrap_or_default()) else {
                if section == Section::Model {
                    collect(value, Section::Variant, key, found);
                }
                continue;
            };
            if std::ptr::eq(row, key) {
                found.push(value);
            }
            match row.kind {
                ValueKind::One(inner) => collect(value, inner, key, found),
                ValueKind::Many(inner) => {
                    value
                        .as_sequence()
                        .into_iter()
                        .flatten()
                        .for_each(|item| collect(item, inner, key, found));
                }
                ValueKind::Named(inner) => {
                    value
                        .as_mapping()
                        .into_iter()
                        .flatten()
                        .for_each(|(_, item)| collect(item, inner, key, found));
                }
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    collect(root, Section::Root, key, &mut found);
    found
}

#[test]
fn it_has_no_error() {
    let loaded = load(&file()).map_err(|report| report.to_string()).unwrap();
    assert_eq!(loaded.text, EXAMPLE);
    // It listens everywhere without a key; that is worth a warning.
    assert!(loaded.warnings.problems.iter().all(|problem| problem.severity == Severity::Warning));
    assert_eq!(loaded.warnings.problems.len(), 1, "{}", loaded.warnings);
    assert_eq!(loaded.spec.models[0].variants.len(), 2);
}

#[test]
fn it_has_no_error_with_everything_turned_on() {
    // A program that can't make Pods refuses to.
    let all_on = if super::pods::BUILT_IN { all_on() } else { without_pods(&all_on()) };
    // What is shared runs on no machine of its own, and the example does.
    let all_on = all_on.replacen("\n  shared: true\n", "\n  shared: false\n", 1);
    // The certificate has to be there.
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut all_on = all_on;
    for (name, pem) in [("cert.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())] {
        std::fs::write(folder.path().join(name), pem).unwrap();
        all_on = all_on.replacen(&format!("tls/{name}"), folder.path().join(name).to_str().unwrap(), 1);
    }
    let loaded = parse(all_on.as_bytes(), &file()).map_err(|report| report.to_string()).unwrap();
    // The weights that it names are nobody's.
    let other = |problem: &&super::ConfigProblem| {
        !problem.message.contains("is not there, so it is not read ahead")
            && (crate::traces::BUILT_IN || !problem.message.contains("without the feature `otel`"))
    };
    assert_eq!(loaded.warnings.problems.iter().filter(other).count(), 0, "{}", loaded.warnings);
    let mut variants: Vec<_> = loaded.spec.models[0].variants.iter().map(|v| v.name.as_str()).collect();
    variants.retain(|name| *name != "Pod-Config");
    assert_eq!(
        variants,
        ["Dual-GPU-Config", "Single-GPU-Config", "CPU-Config", "Box-Config", "Cluster-Config", "Old-Config"]
    );
}

fn without_pods(text: &str) -> String {
    let (before, rest) = text.split_once("    Pod-Config:\n").unwrap();
    let (_, after) = rest.split_once("    Old-Config:\n").unwrap();
    format!("{before}    Old-Config:\n{after}")
}

#[test]
fn every_key_of_the_table_is_in_it() {
    let root: Value = serde_yaml::from_str(&all_on()).unwrap();
    for key in keys::all() {
        assert!(!values(&root, key).is_empty(), "{:?}.{} is missing", key.section, key.name);
    }
}

#[test]
fn its_comments_say_what_the_table_says() {
    let comments = comments();
    for key in keys::all() {
        let text = key.describe();
        assert!(comments.contains(&text), "{:?}.{} wants the comment:\n{text}", key.section, key.name);
    }
}

/// The places of all keys in the schema, as `webui/src/features/configuration/chinese.ts` names them.
fn places(schema: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    let at = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    if schema["description"].is_string() && !path.is_empty() {
        found.push(path.to_owned());
    }
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        places(inner, &at(key), found);
    }
    if schema["additionalProperties"].is_object() {
        places(&schema["additionalProperties"], &at("*"), found);
    }
    if schema["items"].is_object() {
        places(&schema["items"], &at("-"), found);
    }
}

#[test]
fn the_dashboard_explains_every_key_in_chinese() {
    let text = include_str!("../../webui/src/features/configuration/chinese.ts");
    let mut wanted = Vec::new();
    places(&super::schema(), "", &mut wanted);
    assert!(wanted.len() > 60, "{wanted:?}");
    let named =
        |place: &String| text.contains(&format!("'{place}':")) || text.contains(&format!("\n  {place}:"));
    let missing: Vec<_> = wanted.iter().filter(|place| !named(place)).collect();
    assert!(missing.is_empty(), "chinese.ts lacks {missing:?}");
    let known = |place: &&str| wanted.iter().any(|wanted| wanted == place);
    let said = text.lines().filter_map(|line| line.strip_prefix("  '")?.split_once("':"));
    let gone: Vec<_> = said.map(|(place, _)| place).filter(|place| !known(place)).collect();
    assert!(gone.is_empty(), "chinese.ts explains what is no key: {gone:?}");
}
