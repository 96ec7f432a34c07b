//! No bytes make it panic.

use std::path::Path;

use proptest::prelude::*;

use super::super::{ConfigReport, parse};

const EXAMPLE: &str = include_str!("../../../config.example.yaml");

/// Reads `bytes`, shows every message, and finds no line that the text doesn't have.
fn read(bytes: &[u8]) -> Result<(), TestCaseError> {
    let report: ConfigReport = match parse(bytes, Path::new("no/such/folder/config.yaml")) {
        Ok(loaded) => loaded.warnings,
        Err(report) => report,
    };
    prop_assert!(report.to_string().len() >= report.problems.len());
    // YAML counts a lone carriage return as a line break too.
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + bytes.len().min(4);
    for problem in &report.problems {
        prop_assert!(problem.line.unwrap_or(1) >= 1, "{problem:?}");
        if bytes.is_ascii() {
            prop_assert!(problem.line.unwrap_or(1) <= lines.max(1) + 1, "{problem:?}");
        }
    }
    Ok(())
}

/// Bits of YAML that mean something to a parser.
fn fragment() -> impl Strategy<Value = String> {
    let bits = [
        "\n",
        "\n  ",
        ": ",
        "- ",
        "? ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "&a ",
        "*a",
        "<<: ",
        "!t ",
        "|\n",
        ">-\n",
        "'",
        "\"",
        "#",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\t",
        "\r\n",
        "~",
        "1e999",
        "-1",
        ".nan",
        "0x7f",
        "\u{feff}",
        "\u{85}",
        "\\",
        "program",
        "port",
        "Local-Models",
        "m",
        "V",
        "command",
        "api_keys",
        "modes",
        "devices",
    ];
    proptest::collection::vec(
        prop_oneof![3 => proptest::sample::select(bits.to_vec()).prop_map(str::to_owned), 1 => ".{0,3}"],
        0..30,
    )
    .prop_map(|bits| bits.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes)?;
    }

    #[test]
    fn any_text(text in "\\PC{0,100}") {
        read(text.as_bytes())?;
    }

    #[test]
    fn any_yaml(text in fragment()) {
        read(text.as_bytes())?;
    }

    #[test]
    fn the_example_with_a_hole(start in 0..EXAMPLE.len(), length in 0..40_usize, text in fragment()) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, text.bytes());
        read(&bytes)?;
    }
}

#[test]
fn deep_and_self_multiplying_texts_are_refused() {
    let deep = "[".repeat(100_000);
    read(deep.as_bytes()).unwrap();
    let deep = "a: ".to_owned() + &"{a: ".repeat(5000) + &"}".repeat(5000);
    read(deep.as_bytes()).unwrap();
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(parse(bomb.as_bytes(), Path::new("config.yaml")).is_err());
}
