//! The parts of `docs/reference` that are made from the program. A test each compares them with the program; with
//! `UPDATE_DOCS=1 cargo test -p llm-manager --lib reference` they are written.

use std::path::Path;

fn update() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

fn compare(file: &str, fresh: impl FnOnce(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let fresh = fresh(&kept);
    if update() && kept != fresh {
        std::fs::write(&path, &fresh).unwrap();
        return;
    }
    let differs = kept.lines().zip(fresh.lines()).find(|(old, new)| old != new);
    assert!(
        kept == fresh,
        "{file} is not what the program says; run `UPDATE_DOCS=1 cargo test -p llm-manager --lib reference`.\n\
         The first line that differs, and what it should be: {differs:#?}"
    );
}

/// Compares a file with what it should be.
pub(crate) fn assert_fresh(file: &str, fresh: &str) {
    compare(file, |_| fresh.to_owned());
}

/// Compares the part of a page between the comments `made: NAME` and `end: NAME` with what it should be.
pub(crate) fn assert_block(page: &str, name: &str, fresh: &str) {
    let (start, end) = (format!("<!-- made: {name} -->\n"), format!("<!-- end: {name} -->"));
    compare(page, |kept| {
        let parts = kept.split_once(&start).and_then(|(head, rest)| Some((head, rest.split_once(&end)?.1)));
        let (head, tail) = parts.unwrap_or_else(|| panic!("{page} has no part from {start} to {end}"));
        format!("{head}{start}\n{}\n\n{end}{tail}", fresh.trim())
    });
}

/// A text as the cell of a table.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
