//! `logs --run`, `--since`, `--grep`: what was kept of the output of runs. Asks the manager; where none runs, it reads the
//! files itself, for the crash of last night may have been the manager's own.

use super::client::{ManagerClient, segment};
use super::{complain, failed, say};
use crate::{app, config};
use awc::http::Method;
use jiff::{Span, Timestamp, Zoned};
use llm_manager_actors::logs::read::{self, LineFilter};
use llm_manager_policy::spec::Spec;
use regex::Regex;
use serde::Deserialize;
use std::path::Path;
use std::process::ExitCode;

/// Lines that are printed if nobody says how many: of a run, and where lines are searched for.
const OF_RUN: usize = 200;
const FOUND: usize = 100_000;

/// Which lines.
pub(super) struct LogsOrder {
    pub(super) model: String,
    pub(super) run: Option<i64>,
    pub(super) since: Option<Timestamp>,
    pub(super) grep: Option<Regex>,
    pub(super) tail: Option<usize>,
}

#[derive(Deserialize)]
struct Line {
    line: String,
}

/// `8h`, `30m`, `2 days`, or a time.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let span: Result<Span, _> = text.parse();
    let before = span.and_then(|span| Zoned::now().checked_sub(span.abs()));
    before.map(|zoned| zoned.timestamp()).map_err(|_| {
        "this is neither a stretch of time like 8h or 2d, nor a time like 2026-01-31T08:00:00Z".to_owned()
    })
}

pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string())
}

pub(super) fn run(path: &Path, order: &LogsOrder) -> ExitCode {
    let spec = match config::load_any(path) {
        Ok(spec) => spec,
        Err(report) => return complain(&report.to_string(), 2),
    };
    match actix_web::rt::System::new().block_on(lines(path, &spec, order)) {
        Ok(lines) if lines.is_empty() => ExitCode::SUCCESS,
        Ok(lines) => say(&lines.join("\n")),
        Err(error) => failed(&error),
    }
}

async fn lines(path: &Path, spec: &Spec, order: &LogsOrder) -> Result<Vec<String>, String> {
    // A certificate that can't be read keeps nobody from what the files have.
    if let Ok(manager) = ManagerClient::of(path, &spec.program)
        && manager.answers().await
    {
        let lines: Vec<Line> = manager.ask_json(Method::GET, &order.path()).await?;
        return Ok(lines.into_iter().map(|line| line.line).collect());
    }
    let folder = app::backend_output::log_folder(spec)
        .ok_or("no manager answers, and `logs.size_mb` is 0: nothing is kept")?;
    let grep = |line: &str| order.grep.as_ref().is_none_or(|grep| grep.is_match(line));
    let wanted = LineFilter { tail: order.tail(), since: order.since, grep: &grep };
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    let found = match order.run {
        Some(run) => read::run(&folder, run, &wanted)
            .map_err(wrong)?
            .ok_or_else(|| format!("no log of run {run} is kept in {}", folder.display()))?,
        None => {
            let name = name_of(spec, &order.model);
            let found = read::model(&folder, name, &wanted).map_err(wrong)?;
            if found.is_empty() && spec.models.iter().all(|model| model.name != name) {
                let folder = folder.display();
                return Err(format!(
                    "there is no model {name:?} in the configuration, and no log of one in {folder}"
                ));
            }
            found
        }
    };
    Ok(found.into_iter().map(|entry| entry.line.text).collect())
}

/// The model that has this name or alias; another name may be that of a model which is not there any more.
fn name_of<'a>(spec: &'a Spec, name: &'a str) -> &'a str {
    let named = |alias: &String| alias == name;
    spec.models.iter().find(|model| model.aliases.iter().any(named)).map_or(name, |model| &model.name)
}

impl LogsOrder {
    fn tail(&self) -> usize {
        let searched = self.since.is_some() || self.grep.is_some();
        self.tail.unwrap_or(if searched { FOUND } else { OF_RUN })
    }

    fn path(&self) -> String {
        let mut path = match self.run {
            Some(run) => format!("/api/runs/{run}/logs?tail={}", self.tail()),
            None => format!("/api/models/{}/logs?tail={}", segment(&self.model), self.tail()),
        };
        if let Some(since) = self.since {
            path.push_str(&format!("&since={}", segment(&since.to_string())));
        }
        if let Some(grep) = &self.grep {
            path.push_str(&format!("&grep={}", segment(grep.as_str())));
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::moment;
    use jiff::Timestamp;

    #[test]
    fn a_moment_is_a_stretch_before_now_or_a_time() {
        let hours = |text| moment(text).map(|at| Timestamp::now().duration_since(at).as_hours());
        assert_eq!(hours("8h"), Ok(8));
        assert_eq!(hours("90m"), Ok(1));
        assert!(matches!(hours("2d"), Ok(47..=49)));
        assert_eq!(moment("2026-01-31T08:00:00Z"), Ok("2026-01-31T08:00:00Z".parse().unwrap()));
        assert!(moment("yesterday").is_err_and(|error| error.contains("8h")));
    }
}
