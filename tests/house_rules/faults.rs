//! The table of faults in ARCHITECTURE.md: each test that it names is there.

use super::{Source, read, sources};

/// The names in the last column, each with its row's fault.
fn named(text: &str) -> Vec<(String, String)> {
    let rows = text.lines().skip_while(|line| !line.starts_with("| fault |")).skip(2);
    let mut found = Vec::new();
    for row in rows.take_while(|row| row.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let (Some(fault), Some(tests)) = (cells.first(), cells.get(2)) else { continue };
        // Every other piece stands between backticks.
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test shows what is promised of the fault {fault:?}");
        found.extend(names.into_iter().map(|name| ((*fault).to_owned(), name.to_owned())));
    }
    found
}

/// Whether a name such as `e2e orphans::`, `ledger::tests::journal` or `e2e several::the_leader...` leads to a test.
fn leads_to_a_test(name: &str, files: &[Source]) -> bool {
    let path = name.strip_prefix("policy --test ").map_or_else(
        || name.replace("e2e ", "tests::e2e::"),
        |name| format!("actors::policy::tests::{name}::"),
    );
    let mut parts: Vec<&str> = path.split("::").collect();
    let test = match parts.pop() {
        Some("") => "",
        Some(last) if last.ends_with("...") => last.trim_end_matches('.'),
        Some(last) => {
            parts.push(last);
            ""
        }
        None => return false,
    };
    let room = format!("/{}", parts.join("/"));
    let is_there = |file: &&Source| {
        let path = format!("/{}", file.path.replace("/src/", "/"));
        path.strip_suffix(".rs").is_some_and(|path| path.ends_with(&room))
            || path.contains(&format!("{room}/"))
    };
    files.iter().filter(is_there).any(|file| {
        // A test's attribute stands right before its first line.
        let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
        lines.windows(2).any(|two| {
            let function = two[1].trim_start_matches("async ").strip_prefix("fn ");
            (two[0].starts_with("#[test]") || two[0].contains("::test]"))
                && function.is_some_and(|function| function.starts_with(test))
        })
    })
}

#[test]
fn every_fault_has_its_tests() {
    let files = sources(&["tests/e2e", "src", "actors"], &[".rs"]);
    let named = named(&read("ARCHITECTURE.md"));
    assert!(named.len() > 20, "the table of faults isn't found");
    let missing: Vec<String> = named
        .iter()
        .filter(|(_, name)| !leads_to_a_test(name, &files))
        .map(|(fault, name)| format!("{fault}: no test is found by `{name}`"))
        .collect();
    assert!(missing.is_empty(), "the table of faults in ARCHITECTURE.md:\n{}", missing.join("\n"));
}

#[test]
fn a_name_without_a_test_is_found() {
    let file = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let files = [
        file("tests/e2e/a.rs", "#[test]\nfn one_two() {}\nfn three() {}"),
        file("actors/b/src/c.rs", "fn d() {}"),
    ];
    for (name, wanted) in [
        ("e2e a::", true),
        ("e2e a::one...", true),
        ("e2e a::three...", false),
        ("b::c", false),
        ("e2e b::", false),
    ] {
        assert_eq!(leads_to_a_test(name, &files), wanted, "{name}");
    }
}
