//! One table per part of the file: a text, and the problems that it must have. What happens to good files is at
//! the end.

mod backend;
mod edge;
mod good;
mod mistakes;
mod place;
mod robust;
mod scripts;
mod slips;

use std::path::PathBuf;

use super::{ConfigReport, LoadedConfig, Severity, parse};

/// A variant that has nothing wrong, for tests of everything else. `ok.sh` is there, see [`folder`].
const V: &str = "V: {script_path: ok.sh}";

/// A folder with a script `ok.sh`, a folder `dir` and the name of a configuration that only the test has.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ok.sh"), "#!/bin/sh\n").unwrap();
    std::fs::create_dir(folder.path().join("dir")).unwrap();
    let file = folder.path().join("config.yaml");
    (folder, file)
}

fn load_text(yaml: &str) -> Result<LoadedConfig, ConfigReport> {
    let (_folder, file) = folder();
    parse(yaml.replace("$V", V).as_bytes(), &file)
}

/// Fails unless `yaml` has exactly the problems `expected`, each written `LINE PATH: MESSAGE | HINT`. `PATH:` is
/// whole; of message and hint a part is enough. `$V` in the text is a good variant.
fn check(yaml: &str, expected: &[&str]) {
    let problems = match load_text(yaml) {
        Ok(loaded) => loaded.warnings.problems,
        Err(report) => {
            let is_error = |severity: Severity| severity == Severity::Error;
            assert!(report.problems.iter().any(|problem| is_error(problem.severity)), "{report}");
            report.problems
        }
    };
    let found: Vec<_> = problems
        .iter()
        .map(|problem| {
            let line = problem.line.map_or("-".to_owned(), |line| line.to_string());
            let hint = problem.hint.as_deref().unwrap_or_default();
            (format!("{line} {}:", problem.path), problem.message.clone(), hint.to_owned())
        })
        .collect();
    let matches = |(place, message, hint): &(String, String, String), expected: &str| {
        let (head, wanted_hint) = expected.split_once(" | ").unwrap_or((expected, ""));
        let rest = head.strip_prefix(place.as_str());
        rest.is_some_and(|part| message.contains(part.trim())) && hint.contains(wanted_hint)
    };
    let all = found.len() == expected.len()
        && found.iter().zip(expected).all(|(problem, expected)| matches(problem, expected));
    assert!(all, "\n--- text\n{yaml}\n--- expected\n{expected:#?}\n--- found\n{found:#?}");
}
