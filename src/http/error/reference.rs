//! `docs/reference/errors.md` has every error: what the variants of [`Kind`](super::Kind) say of themselves in this file's
//! parent, and their rows.

use crate::reference::{assert_block, cell};
use std::collections::HashMap;
use std::fmt::Write;
use syn::{Attribute, Expr, Item, Lit, Meta};

const SOURCE: &str = include_str!("../error.rs");

fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(text) => match &text.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ")
}

/// Status, code and type of each kind, as `Kind::row` has them.
fn rows() -> HashMap<String, (String, String)> {
    let table = SOURCE.split("fn row(self)").nth(1).and_then(|rest| rest.split("\n    }\n").next()).unwrap();
    let flat = table.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = HashMap::new();
    for row in flat.split("Kind::").skip(1) {
        let (kind, rest) = row.split_once(" => ").unwrap();
        let status = rest.split("StatusCode::").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
        let code = rest.split('"').nth(1).unwrap();
        found.insert(kind.to_owned(), (status.to_owned(), code.to_owned()));
    }
    found
}

fn number(status: &str) -> u16 {
    let spelt = |status: &actix_web::http::StatusCode| {
        let reason = status.canonical_reason().unwrap_or("");
        reason.to_uppercase().replace([' ', '-'], "_")
    };
    let mut all = (400..600).filter_map(|number| actix_web::http::StatusCode::from_u16(number).ok());
    all.find(|one| spelt(one) == status).map_or_else(|| panic!("{status}"), |one| one.as_u16())
}

/// The status that goes with a code.
pub(in crate::http) fn status_of(code: &str) -> u16 {
    let rows = rows();
    let row = rows.values().find(|(_, known)| known == code);
    row.map_or_else(|| panic!("no error has the code {code}"), |(status, _)| number(status))
}

#[test]
fn the_reference_has_every_error() {
    let file = syn::parse_file(SOURCE).unwrap();
    let kinds = file.items.iter().find_map(|item| match item {
        Item::Enum(kinds) if kinds.ident == "ApiErrorKind" => Some(kinds),
        _ => None,
    });
    let rows = rows();
    let mut all: Vec<(u16, String, String)> = Vec::new();
    for kind in &kinds.unwrap().variants {
        let (status, code) = &rows[&kind.ident.to_string()];
        all.push((number(status), code.clone(), doc(&kind.attrs)));
    }
    assert!(all.len() > 20 && all.len() == rows.len(), "{all:?}");
    all.sort_by_key(|(status, ..)| *status);
    let mut text = "| status | code | case |\n|---|---|---|\n".to_owned();
    for (status, code, case) in &all {
        let _ = writeln!(text, "| {status} | `{code}` | {} |", cell(case.trim_end_matches('.')));
    }
    assert_block("docs/reference/errors.md", "errors", &text);

    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let chinese = std::fs::read_to_string(root.join("docs/reference/errors.zh-CN.md")).unwrap();
    let is_missing = |(status, code, _): &&(u16, String, String)| {
        !chinese.lines().any(|line| line.contains(&format!("| {status} | `{code}` |")))
    };
    let missing: Vec<_> = all.iter().filter(is_missing).collect();
    assert!(
        missing.is_empty(),
        "docs/reference/errors.zh-CN.md lacks rows `| case | status | code | ...` for {missing:?}"
    );
}
