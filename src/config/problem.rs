//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// How bad a [`ConfigProblem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing starts while it is there.
    Error,
    /// It is only told.
    Warning,
}

/// One thing that is wrong in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Keys from the top, joined by dots, such as `Local-Models.qwen.port`; empty: the whole file.
    pub path: String,
    /// Line in the file, from 1; `None`: no line is to blame.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether it keeps the program from starting.
    pub severity: Severity,
}

/// All problems of one file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigReport {
    /// The file as the user named it.
    pub file: PathBuf,
    /// The problems; those without a line come first.
    pub problems: Vec<ConfigProblem>,
}

impl ConfigProblem {
    /// An error about the whole file.
    pub(super) fn of_file(line: Option<usize>, message: String, hint: Option<String>) -> Self {
        Self { path: String::new(), line, message, hint, severity: Severity::Error }
    }
}

impl ConfigReport {
    /// Puts `problems` in the order of their lines.
    pub(super) fn new(file: &Path, mut problems: Vec<ConfigProblem>) -> Self {
        problems.sort_by_key(|problem| problem.line);
        Self { file: file.to_owned(), problems }
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One problem per entry: `config.yaml:12: key.path: message`, and its hint indented below.
impl fmt::Display for ConfigReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:", self.file.display())?;
            if let Some(line) = problem.line {
                write!(f, "{line}:")?;
            }
            if problem.severity == Severity::Warning {
                f.write_str(" warning:")?;
            }
            if !problem.path.is_empty() {
                write!(f, " {}:", problem.path)?;
            }
            write!(f, " {}", problem.message)?;
            if let Some(hint) = &problem.hint {
                write!(f, "\n    hint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigReport {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_a_list_in_file_order() {
        let problem = |line, hint: Option<&str>, severity| ConfigProblem {
            path: "program.port".to_owned(),
            line,
            message: "is wrong".to_owned(),
            hint: hint.map(str::to_owned),
            severity,
        };
        let report = ConfigReport::new(
            Path::new("config.yaml"),
            vec![
                problem(Some(12), Some("did you mean `ports`?"), Severity::Error),
                problem(Some(3), None, Severity::Warning),
                ConfigProblem::of_file(None, "cannot be read".to_owned(), None),
            ],
        );
        assert_eq!(
            report.to_string(),
            "config.yaml: cannot be read\n\
             config.yaml:3: warning: program.port: is wrong\n\
             config.yaml:12: program.port: is wrong\n    hint: did you mean `ports`?"
        );
    }
}
