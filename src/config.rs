//! The configuration file: read, checked as a whole, and told apart from its mistakes.
//!
//! [`load`] gives either a [`Spec`] or a [`ConfigReport`] of every problem with key path, line and fix. What the file may
//! say is one table (`keys`); [`schema()`] is the same table for editors. `config.example.yaml` is the manual.
//!
//! The way of a file: bytes -> `yaml` (a value, and `locate`: the line of each key) -> `validate` (section by
//! section with `fields`, which knows the table, and `values`, which knows the types) -> [`Spec`].

mod backend;
mod billing;
mod common_mistakes;
mod devices;
mod edge;
mod fields;
mod file;
mod hours;
pub(crate) mod key_specs;
mod keys;
mod line_index;
mod models;
mod modes;
mod notify;
mod park;
mod place;
mod pods;
mod problem;
mod replicas;
mod schema;
mod several_managers;
pub(crate) mod suggest;
mod syntax;
mod validate;
mod values;
mod yaml;
mod yaml_document;

#[cfg(test)]
mod example_tests;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use llm_manager_policy::spec::{ProgramSpec, Spec};

pub(crate) use file::real as real_path;
pub use file::{Present, SaveError, check, read, save, version};
pub use problem::{ConfigProblem, ConfigReport, Severity};
pub use schema::schema;

/// The variable of the command line's own environment that holds the key which it sends. It is withheld from backends.
pub(crate) const CLIENT_KEY: &str = "LLM_MANAGER_API_KEY";

/// A configuration that is free of errors.
#[derive(Clone, Debug)]
pub struct LoadedConfig {
    /// What the file asks for, with defaults filled in.
    pub spec: Spec,
    /// What is allowed but probably not meant; often empty.
    pub warnings: ConfigReport,
    /// The file as it was read.
    pub text: String,
}

/// Reads and checks the file at `path`. Paths in the result are absolute.
///
/// # Errors
/// Everything that is wrong with the file, warnings included.
pub fn load(path: &Path) -> Result<LoadedConfig, ConfigReport> {
    match std::fs::read(path) {
        Ok(bytes) => parse(&bytes, path),
        Err(error) => Err(ConfigReport::new(path, vec![unreadable(path, &error)])),
    }
}

/// Reads what the file at `path` says under `keys` of `program`, whatever else is wrong with it: a model that can't
/// be started must not keep its operator from looking at the manager that runs.
///
/// # Errors
/// Everything that is wrong with these keys, or with the file as a whole.
pub fn load_program(path: &Path, keys: &[&str]) -> Result<ProgramSpec, ConfigReport> {
    let bytes =
        std::fs::read(path).map_err(|error| ConfigReport::new(path, vec![unreadable(path, &error)]))?;
    let (spec, mut report) = examine(&bytes, path)?;
    let matters = |problem: &ConfigProblem| {
        let within = |whole: &str| {
            problem
                .path
                .strip_prefix(whole)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
        };
        let of_keys = keys.iter().any(|key| within(&format!("program.{key}")));
        problem.severity == Severity::Error && (of_keys || matches!(problem.path.as_str(), "" | "program"))
    };
    report.problems.retain(matters);
    if report.is_empty() { Ok(spec.program) } else { Err(report) }
}

/// The secret of a key of `keys` by which the command line may look at its manager and give it orders, if there is one that can be
/// read here.
pub fn operator_key(path: &Path) -> Option<String> {
    let parsed = yaml::parse(&std::fs::read(path).ok()?).ok()?;
    key_specs::operator(&base_dir(path), &parsed.value)
}

/// What is right in the file at `path`, whatever is wrong with the rest.
///
/// # Errors
/// The file can't be read, or is no YAML.
pub fn load_any(path: &Path) -> Result<Spec, ConfigReport> {
    let bytes =
        std::fs::read(path).map_err(|error| ConfigReport::new(path, vec![unreadable(path, &error)]))?;
    examine(&bytes, path).map(|(spec, _)| spec)
}

/// The same of a text that isn't in the file yet.
pub fn any_of(text: &str, path: &Path) -> Result<Spec, ConfigReport> {
    examine(text.as_bytes(), path).map(|(spec, ..)| spec)
}

/// What holds when the file at `path` says nothing.
pub fn defaults(path: &Path) -> Spec {
    let base_dir = base_dir(path);
    let lines = line_index::LineIndex::default();
    let mut walk = fields::Walk { lines: &lines, base_dir: &base_dir, problems: Vec::new() };
    validate::spec(&mut walk, &serde_yaml::Value::Null)
}

/// Whether a model may have the key `name`.
pub fn is_model_key(name: &str) -> bool {
    keys::Section::Model.key(name).is_some()
}

/// Checks `bytes` as if they were the content of the file at `path`, which need not exist. Scripts that it names
/// are looked for from the folder of `path`.
///
/// # Errors
/// Everything that is wrong with the text, warnings included.
pub fn parse(bytes: &[u8], path: &Path) -> Result<LoadedConfig, ConfigReport> {
    let (spec, report, text) = examine_with(bytes, path, |walk, spec| {
        if let Some(tls) = &spec.program.tls {
            edge::certificate(walk, tls);
        }
    })?;
    let has_error = report.problems.iter().any(|problem| problem.severity == Severity::Error);
    if has_error { Err(report) } else { Ok(LoadedConfig { spec, warnings: report, text }) }
}

/// A spec of what is right in the file, and all that is wrong with it. Fails if it is no YAML at all.
fn examine(bytes: &[u8], path: &Path) -> Result<(Spec, ConfigReport), ConfigReport> {
    examine_with(bytes, path, |_, _| ()).map(|(spec, report, _)| (spec, report))
}

/// The same with one more look, and the text.
fn examine_with(
    bytes: &[u8],
    path: &Path,
    look: impl FnOnce(&mut fields::Walk<'_>, &Spec),
) -> Result<(Spec, ConfigReport, String), ConfigReport> {
    let parsed = yaml::parse(bytes).map_err(|problems| ConfigReport::new(path, problems))?;
    let base_dir = base_dir(path);
    let mut walk = fields::Walk { lines: &parsed.lines, base_dir: &base_dir, problems: parsed.problems };
    let spec = validate::spec(&mut walk, &parsed.value);
    look(&mut walk, &spec);
    Ok((spec, ConfigReport::new(path, walk.problems), parsed.text))
}

/// The absolute folder of the file at `path`.
fn base_dir(path: &Path) -> PathBuf {
    // This fails only for an empty path, or when the working directory is gone.
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.parent().map(Path::to_owned).unwrap_or_default()
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigProblem {
    let way_out = "name another file with `--config FILE`, or have `llm-manager init` write one for the models on this machine";
    let (message, hint) = match error.kind() {
        std::io::ErrorKind::NotFound => ("there is no such file".to_owned(), way_out),
        _ if path.is_dir() => ("this is a folder, not a file".to_owned(), way_out),
        _ => (
            format!("cannot be read: {error}"),
            "check the permissions of the file and of the folders above it",
        ),
    };
    ConfigProblem::of_file(None, message, Some(hint.to_owned()))
}
