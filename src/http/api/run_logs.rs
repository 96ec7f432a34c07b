//! What was kept of the output of runs, also of those before this start of the manager.

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get};
use super::query::{invalid, time};
use super::views::LineView;
use crate::http::api::management::{Management, ManagementState};
use crate::http::error::{ApiError, ApiErrorKind, quoted};
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use llm_manager_actors::logs::LogEntry;
use llm_manager_actors::logs::read::{self, LineFilter};
use regex::Regex;
use serde::Deserialize;
use std::path::{Path, PathBuf};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/runs/{id}/logs", read().to(of_run)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get(
            "/api/runs/{id}/logs",
            "What the backend of a run printed, as far as it is kept",
            schemas.list::<LineView<'static>>(),
        )
        .refused("run_not_found")
        .query("tail,since,grep")
        .words(
            "what its backend printed, from the [files](../operations/logs.md#output-of-runs): the \
                 last 200 lines, `?tail=N`; `since`, `grep`",
        ),
    ]
}

/// The newest so many lines, if nobody says how many.
const DEFAULT_TAIL: usize = 200;
/// An answer is put together in memory.
const MOST: usize = 100_000;

/// Query of a run's log.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunLogOptions {
    tail: Option<usize>,
    since: Option<String>,
    grep: Option<String>,
}

/// Which lines, ready to be taken to another thread.
struct Lines {
    folder: PathBuf,
    tail: usize,
    since: Option<Timestamp>,
    grep: Option<Regex>,
}

/// `GET /api/runs/{id}/logs`
async fn of_run(
    shared: ManagementState,
    id: web::Path<String>,
    options: web::Query<RunLogOptions>,
) -> Result<HttpResponse, ApiError> {
    let unknown = || {
        let id = quoted(&id);
        let message =
            format!("no log of a run `{id}` is kept (`logs` in the configuration says for how long)");
        ApiError::new(ApiErrorKind::RunNotFound, message)
    };
    let number = id.parse().map_err(|_| unknown())?;
    let lines = Lines::new(&shared, options.tail, options.since.as_ref(), options.grep.as_deref())?;
    let found = lines.read(move |folder, wanted| read::run(folder, number, wanted)).await?;
    Ok(answer(&found.ok_or_else(unknown)?))
}

/// The lines of all runs of a model that are kept.
pub(super) async fn of_model(
    shared: &Management,
    model: &str,
    tail: Option<usize>,
    since: Option<&String>,
    grep: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let lines = Lines::new(shared, tail, since, grep)?;
    let model = model.to_owned();
    let found = lines.read(move |folder, wanted| read::model(folder, &model, wanted)).await?;
    Ok(answer(&found))
}

fn answer(lines: &[LogEntry]) -> HttpResponse {
    HttpResponse::Ok().json(lines.iter().map(LineView::of).collect::<Vec<_>>())
}

impl Lines {
    fn new(
        shared: &Management,
        tail: Option<usize>,
        since: Option<&String>,
        grep: Option<&str>,
    ) -> Result<Self, ApiError> {
        let none = || {
            let message = "no logs of runs are kept: `logs.size_mb` is 0 in the configuration";
            ApiError::new(ApiErrorKind::RunNotFound, message)
        };
        let pattern = |pattern: &str| {
            Regex::new(pattern)
                .map_err(|error| invalid(format!("`grep` is not a regular expression: {error}")))
        };
        Ok(Self {
            folder: shared.log_folder.clone().ok_or_else(none)?,
            tail: tail.unwrap_or(DEFAULT_TAIL).min(MOST),
            since: time("since", since)?
                .map(Timestamp::from_microsecond)
                .transpose()
                .map_err(|error| invalid(format!("`since` is no time: {error}")))?,
            grep: grep.map(pattern).transpose()?,
        })
    }

    async fn read<T: Send + 'static>(
        self,
        read: impl FnOnce(&Path, &LineFilter<'_>) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let folder = self.folder.clone();
        let reading = web::block(move || {
            let grep = |line: &str| self.grep.as_ref().is_none_or(|grep| grep.is_match(line));
            read(&self.folder, &LineFilter { tail: self.tail, since: self.since, grep: &grep })
        });
        let wrong = |error: &dyn std::fmt::Display| {
            ApiError::new(ApiErrorKind::Internal, format!("{}: {error}", folder.display()))
        };
        reading.await.map_err(|error| wrong(&error))?.map_err(|error| wrong(&error))
    }
}
