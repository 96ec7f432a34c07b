//! What an import has to say, line by line.

use std::fmt;
use std::path::{Path, PathBuf};

/// `count` of something, in words.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// What becomes of each thing in a file.
#[derive(Debug)]
pub(super) struct ImportReport {
    file: PathBuf,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    /// In the file; 0: nowhere in particular.
    number: usize,
    is_warning: bool,
    text: String,
}

impl ImportReport {
    pub(super) fn of(file: &Path) -> Self {
        Self { file: file.to_owned(), lines: Vec::new() }
    }

    /// `what` has become `there`.
    pub(super) fn taken(&mut self, number: usize, what: &str, there: impl fmt::Display) {
        self.lines.push(Line { number, is_warning: false, text: format!("{what}: becomes {there}") });
    }

    /// Something that is left behind, or that a person has to look at.
    pub(super) fn warn(&mut self, number: usize, what: &str, why: impl fmt::Display) {
        self.lines.push(Line { number, is_warning: true, text: format!("{what}: {why}") });
    }

    /// `what` has no counterpart.
    pub(super) fn lost(&mut self, number: usize, what: &str, why: impl fmt::Display) {
        self.warn(number, what, format!("has no counterpart here: {why}"));
    }

    pub(super) fn warnings(&self) -> u64 {
        self.lines.iter().filter(|line| line.is_warning).count() as u64
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<_> = self.lines.iter().collect();
        lines.sort_by_key(|line| line.number);
        for line in lines {
            write!(f, "{}:", self.file.display())?;
            if line.number > 0 {
                write!(f, "{}:", line.number)?;
            }
            writeln!(f, "{} {}", if line.is_warning { " warning:" } else { "" }, line.text)?;
        }
        Ok(())
    }
}
