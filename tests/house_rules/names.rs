//! Two things never share a name: a reader who looks for a type finds one.

use super::{Source, assert_none, lines_without_tests, sources};
use std::collections::BTreeMap;

/// Names that the pure modules of `policy` have in common; they are said with their module (`queue::View`).
const OF_EACH_MODULE: &[&str] = &["State", "Event", "View", "Effect", "Step", "Limits"];

/// One type in two versions, of which one is compiled: by system, or by feature.
const OF_TWO_VERSIONS: &[&str] = &[
    "Born",
    "Cradle",
    "Enclosure",
    "GroupLeader",
    "Held",
    "KubernetesLauncher",
    "Reader",
    "Room",
    "Tls",
    "TlsStream",
    "Trace",
    "Tracer",
];

/// The name of the public type that a line declares.
fn declared(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub")?;
    let rest =
        rest.strip_prefix('(').map_or(Some(rest), |rest| rest.split_once(')').map(|(_, rest)| rest))?;
    let rest = rest.strip_prefix(' ')?;
    let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|word| rest.strip_prefix(word))?;
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
    Some(&rest[..end])
}

/// Names that stand for two types, with the places of both.
fn shared(sources: &[Source]) -> Vec<String> {
    let mut types: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for source in sources {
        for (number, line) in lines_without_tests(&source.text) {
            if let Some(name) = declared(line) {
                types.entry(name).or_default().push(format!("{}:{number}", source.path));
            }
        }
    }
    let of_two = types.into_iter().filter(|(_, places)| places.len() > 1);
    let of_two = of_two.filter(|(name, _)| !OF_EACH_MODULE.contains(name) && !OF_TWO_VERSIONS.contains(name));
    of_two.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect()
}

#[test]
fn two_types_never_share_a_name() {
    let mut all = sources(&["src", "actors"], &[".rs"]);
    all.retain(|source| !source.path.contains("/tests/") && !source.path.ends_with("tests.rs"));
    assert!(all.len() > 300, "only {} sources were found: is the walk broken?", all.len());
    let advice = "Say what each of them is (`JobRecord`, `ProcessRecord`)";
    assert_none(&shared(&all), advice);
}

#[test]
fn a_shared_name_is_seen() {
    let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let one = source("one.rs", "pub struct Record;\nstruct Own;\npub enum State {}\n");
    let two = source("two.rs", "pub(super) type Record<T> = T;\nstruct Own;\npub enum State {}\n");
    let three = source("three.rs", "#[cfg(test)]\nmod tests {\n    pub struct Record;\n}\n");
    assert_eq!(shared(&[one, two, three]), ["Record: one.rs:1, two.rs:1"]);
}
