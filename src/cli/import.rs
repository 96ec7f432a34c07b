//! `import`: takes over what another program has: the configuration of llama-swap, and configuration and ledger of the
//! original LLM-Manager.

mod emit;
mod exclusion;
mod llama_swap;
mod macros;
mod original;
mod report;
mod split_command;
#[cfg(test)]
mod tests;
mod yaml11;

use clap::Args;
use llm_manager_ledger::{Imported, Location, Original, StoreError, Target};
use llm_manager_policy::spec::Spec;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::config;
use emit::GeneratedConfig;
use report::{ImportReport, counted};

/// How an SQLite file begins.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// What to import.
#[derive(Args)]
pub(super) struct ImportOrder {
    /// config.yaml of llama-swap; config.json, config.yaml, webui/monitoring.db or data/llm_manager.db of the
    /// original LLM-Manager.
    file: PathBuf,
    /// Report what would happen, line by line, and print the configuration; writes nothing.
    #[arg(long)]
    dry_run: bool,
}

impl ImportOrder {
    /// Imports for the configuration at `config`; what there is to say.
    pub(super) fn run(&self, config: &Path) -> Result<String, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", self.file.display());
        if self.file.is_dir() {
            return Err(wrong(&"is a folder; name the file in it"));
        }
        let mut start = Vec::new();
        let opened = std::fs::File::open(&self.file);
        let mut file = opened.map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        Read::by_ref(&mut file)
            .take(SQLITE.len() as u64)
            .read_to_end(&mut start)
            .map_err(|error| wrong(&error))?;
        if start == SQLITE {
            return self.database(config);
        }
        let bytes = std::fs::read(&self.file).map_err(|error| wrong(&error))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong(&"the file is not UTF-8 text"))?;
        let node = yaml11::parse(&text).map_err(|error| wrong(&error))?;
        let mut report = ImportReport::of(&self.file);
        let output = if original::is(&node) {
            let folder = self.file.parent().unwrap_or(Path::new("")).to_owned();
            original::convert(&node, &folder, &mut report)
        } else if node.get("models").is_some() {
            llama_swap::convert(&node, &|name| std::env::var(name).ok(), &mut report)
        } else {
            Err("neither a configuration of llama-swap (`models`) nor of the original LLM-Manager (`program`)".to_owned())
        };
        let output = output.map_err(|error| wrong(&error))?;
        self.configuration(config, &output, &report)
    }

    /// Writes a configuration, or prints it.
    fn configuration(
        &self,
        config: &Path,
        output: &GeneratedConfig,
        report: &ImportReport,
    ) -> Result<String, String> {
        let text = output.text();
        let checked = config::parse(text.as_bytes(), config);
        let mut said = report.to_string();
        if let Err(report) = &checked {
            said.push_str(&format!("The new configuration still has errors:\n{report}\n"));
        }
        let models = counted(output.models.len() as u64, "model");
        let warnings = counted(report.warnings(), "warning");
        if self.dry_run {
            note(&said);
            note(&format!("dry run: {models}, {warnings}; nothing is written\n"));
            return Ok(text);
        }
        let mut created = match std::fs::File::options().write(true).create_new(true).open(config) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(format!(
                    "{} is there already, and is left as it is; name another file with `--config FILE`, or see what \
                     would be written with `--dry-run`",
                    config.display()
                ));
            }
            Err(error) => return Err(format!("{} cannot be written: {error}", config.display())),
        };
        created
            .write_all(text.as_bytes())
            .map_err(|error| format!("{} cannot be written: {error}", config.display()))?;
        Ok(format!(
            "{said}{} is written: {models}, {warnings}. Next: `llm-manager --config {} check`",
            config.display(),
            config.display()
        ))
    }

    /// A database of the original: its configuration, where it has one, and its ledger.
    fn database(&self, config: &Path) -> Result<String, String> {
        let wrong = |error: StoreError| format!("{}: {error}", self.file.display());
        let mut source = Original::open(&self.file).map_err(wrong)?;
        note(&format!(
            "{}: a database of the original LLM-Manager, {}\n",
            self.file.display(),
            source.version()
        ));
        let mut said = String::new();
        let mut planned = None;
        if let Some(configuration) = source.configuration().map_err(wrong)? {
            if config.exists() {
                said.push_str(&format!(
                    "{} is there already: the configuration in the database is left out, the ledger is imported\n",
                    config.display()
                ));
            } else {
                let mut report = ImportReport::of(&self.file);
                let output = original::of_v3(&configuration, &mut report);
                planned = config::any_of(&output.text(), config).ok();
                said.push_str(&self.configuration(config, &output, &report)?);
                said.push('\n');
            }
        }
        let spec = match config::load_any(config) {
            Ok(spec) => spec,
            Err(_) if self.dry_run => planned.unwrap_or_else(|| config::defaults(config)),
            Err(report) => {
                return Err(format!("the ledger needs a configuration (`program.database`)\n{report}"));
            }
        };
        let target = |name: &str| target(&spec, name);
        let imported = if self.dry_run {
            source.look(&target).map_err(wrong)?
        } else {
            let location = Location::parse(&spec.program.database);
            let mut shown = 0;
            let mut progress = |rows: u64| {
                if rows >= shown + 1_000_000 {
                    shown = rows;
                    note(&format!("{rows} requests\n"));
                }
            };
            source
                .import(&location, &target, &mut progress)
                .map_err(|error| format!("{location}: {error}"))?
        };
        said.push_str(&summary(&imported, self.dry_run));
        Ok(said)
    }
}

/// What the original calls `name`: it is an alias here, or the name itself.
fn target(spec: &Spec, name: &str) -> Target {
    let mut models = spec.models.iter();
    let model = models.find(|model| model.name == name || model.aliases.iter().any(|alias| alias == name));
    match model {
        Some(model) => Target { name: model.name.as_str().into(), mode: model.mode.name.as_str().into() },
        None => Target { name: name.into(), mode: "Chat".into() },
    }
}

fn summary(imported: &[Imported], dry_run: bool) -> String {
    let mut lines = Vec::new();
    for one in imported {
        let name = if one.name == one.original { String::new() } else { format!(" (here {})", one.name) };
        let fresh = if dry_run {
            String::new()
        } else {
            format!("; {} new, {} here already", one.new_requests, one.requests - one.new_requests)
        };
        let (requests, runs) = (counted(one.requests, "request"), counted(one.runs, "run"));
        lines.push(format!("{}{name}: {requests}, {runs}; prices: {}{fresh}", one.original, one.prices));
        lines.extend(one.notes.iter().map(|note| format!("  warning: {note}")));
    }
    let requests: u64 = imported.iter().map(|one| one.requests).sum();
    let fresh: u64 = imported.iter().map(|one| one.new_requests).sum();
    lines.push(
        "The times in which the program itself ran (program_runtime) have no counterpart here.".to_owned(),
    );
    lines.push(match dry_run {
        true => format!("dry run: {}; nothing is written", counted(requests, "request")),
        false => format!("{fresh} of {} new in the ledger", counted(requests, "request")),
    });
    lines.join("\n")
}

/// What isn't the result goes to standard error.
fn note(text: &str) {
    // Where it is gone, the result must do.
    let _ = io::stderr().write_all(text.as_bytes());
}
