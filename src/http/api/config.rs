//! The configuration from afar: read it, check a text, save it, and start the manager again with it.
//!
//! Whoever may write this file may run commands as the manager's user. So without `api_keys` only this computer
//! may use it.

#[cfg(test)]
use super::openapi::operation::{Operation, get, object, post, put};
use super::query::{WholeBody, from_json};
use crate::config::{self, ConfigProblem, ConfigReport, SaveError, Severity};
use crate::http::api::management::{Management, ManagementState};
use crate::http::error::{Answered, ApiError, ApiErrorKind};
use crate::http::route::{at, read};
use crate::reload::{Reloads, Undone};
use actix_web::http::StatusCode;
use actix_web::http::header::FORWARDED;
use actix_web::web::{PayloadConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use llm_manager_policy::reload::{Change, ReloadPlan};
use llm_manager_process as process;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(super) fn routes(config: &mut ServiceConfig) {
    let body = || PayloadConfig::new(LARGEST_BODY);
    config
        .service(at("/config/schema", read().to(schema)))
        .service(at("/config/reload", web::post().to(reload)))
        .service(at("/config/check", web::post().to(check)).app_data(body()))
        .service(at("/config", read().to(show)).app_data(body()).route(web::put().to(save)))
        .service(at("/restart", web::post().to(restart)));
}

#[cfg(test)]
pub(super) fn operations() -> Vec<Operation> {
    let shown = object(&[
        ("path", "string"),
        ("program", "string"),
        ("text", "string"),
        ("version", "string"),
        ("writable", "boolean"),
        ("live_reload", "boolean"),
        ("restart_needed", "boolean"),
        ("needs_restart", "strings"),
        ("reload_needed", "boolean"),
        ("refused", "object?"),
    ]);
    let plan = object(&[
        ("changed", "strings"),
        ("restarted", "strings"),
        ("needs_restart", "strings"),
        ("added", "strings"),
        ("removed", "strings"),
        ("lines", "strings"),
    ]);
    let saved = object(&[
        ("restart_needed", "boolean"),
        ("backup", "string"),
        ("version", "string"),
        ("plan", "object?"),
        ("error", "string?"),
    ]);
    let checked = object(&[("problems", "objects"), ("warnings", "objects"), ("plan", "object?")]);
    let draft = object(&[("text", "string"), ("version", "string")]);
    vec![
        get("/api/config", "The configuration", shown).words(
            "the configuration: `{path, text, version, writable, live_reload, restart_needed, \
                 needs_restart, reload_needed, refused}`; `refused` has the problems of the last file \
                 that was not applied",
        ),
        put("/api/config", "Replaces it, if `version` is that of the file", saved)
            .refused("config_changed")
            .body(draft)
            .words(
                "`{\"text\",\"version\"}`: replaces it, if it has no errors and `version` is still that \
                 of the file, and applies it; `{restart_needed, backup, version, plan, error}`; `error`: \
                 saved, but not applied",
            ),
        post("/api/config/check", "What `llm-manager check` would say", checked)
            .body(object(&[("text", "string")]))
            .words(
                "`{\"text\"}`: what `llm-manager check` would report, as `{problems, warnings}` of \
                 `{path, line, message, hint}`, and the `plan` of a reload with it",
            ),
        post("/api/config/reload", "Applies the file as it is now", plan).words(
            "applies the file as it is now: `{changed, restarted, needs_restart, added, removed, \
                 lines, warnings}`; `?dry_run=true` only reports it; 400 `invalid_config` with the \
                 problems ([more](../operations/reload.md))",
        ),
        get("/api/config/schema", "Its JSON Schema", json!({"type": "object"}))
            .words("what `llm-manager schema` prints"),
        post("/api/restart", "Shuts down and starts again", object(&[("restarting", "boolean")]))
            .refused("conflict,not_supported,shutting_down")
            .status("202")
            .words(
                "returns 202, shuts down as on SIGTERM, then starts again with the current file; 409 if \
                 the file has errors; Linux only (501 elsewhere)",
            ),
    ]
}

/// Largest body: the text as JSON.
const LARGEST_BODY: usize = 8 * 1024 * 1024;

/// The file that this manager was started with.
pub struct ConfigFile {
    path: PathBuf,
    /// Where keys that are made are kept.
    pub(super) state_dir: PathBuf,
    /// Puts it in force.
    pub(super) reloads: Reloads,
    /// One save at a time: between the look at the version and the rename nobody else may write.
    saving: Arc<Semaphore>,
    /// Cancelled when the manager shall start again.
    pub(crate) restart: CancellationToken,
}

impl ConfigFile {
    /// The file at `path`, and who puts it in force.
    pub(crate) fn new(path: PathBuf, state_dir: PathBuf, reloads: Reloads) -> Self {
        let restart = CancellationToken::new();
        Self { path, state_dir, reloads, saving: Arc::new(Semaphore::new(1)), restart }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[derive(Deserialize)]
struct Draft {
    text: String,
    #[serde(default)]
    version: String,
}

/// `GET /api/config/schema`: what `llm-manager schema` prints. Holds nothing of the file.
async fn schema() -> HttpResponse {
    HttpResponse::Ok().json(config::schema())
}

/// `GET /api/config`
async fn show(shared: ManagementState, config: web::Data<ConfigFile>, request: HttpRequest) -> Answered {
    trusted(&shared, &request)?;
    let path = config.path.clone();
    let (present, program) = blocking(move || (config::read(&path), std::env::current_exe())).await?;
    let present = present.map_err(|error| ApiError::new(ApiErrorKind::Internal, error))?;
    let standing = config.reloads.standing();
    let refused = standing
        .refused
        .as_ref()
        .map(|(at, report)| json!({"at": at, "problems": problems(report, Severity::Error)}));
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(json!({
        "path": config.path.display().to_string(),
        "program": program.map_or_else(|_| "llm-manager".to_owned(), |path| path.display().to_string()),
        "restart_needed": !standing.needs_restart.is_empty(),
        "needs_restart": standing.needs_restart,
        "reload_needed": present.version != standing.version,
        "refused": refused,
        "text": present.text,
        "version": present.version,
        "writable": present.writable,
        "live_reload": true,
    })))
}

/// `POST /api/config/check` `{"text"}`: what `llm-manager check` would say of the text, and what it would change.
async fn check(
    shared: ManagementState,
    config: web::Data<ConfigFile>,
    request: HttpRequest,
    WholeBody(body): WholeBody,
) -> Answered {
    trusted(&shared, &request)?;
    let draft = draft(&body)?;
    let (report, plan) = match config.reloads.plan_of(draft.text).await {
        Ok(done) => (done.warnings, Some(plan_view(&done.plan))),
        Err(Undone::Invalid(report)) => (report, None),
        Err(Undone::Failed(error)) => return Err(ApiError::new(ApiErrorKind::Internal, error)),
    };
    let told = |severity| problems(&report, severity);
    Ok(HttpResponse::Ok().json(json!({
        "problems": told(Severity::Error),
        "warnings": told(Severity::Warning),
        "plan": plan,
    })))
}

/// `PUT /api/config` `{"text","version"}`
async fn save(
    shared: ManagementState,
    config: web::Data<ConfigFile>,
    request: HttpRequest,
    WholeBody(body): WholeBody,
) -> Answered {
    trusted(&shared, &request)?;
    let draft = draft(&body)?;
    let Ok(turn) = Arc::clone(&config.saving).try_acquire_owned() else {
        return Err(ApiError::new(
            ApiErrorKind::ConfigChanged,
            "another change is being saved right now; read it first",
        ));
    };
    let path = config.path.clone();
    let new = config::version(&draft.text);
    let saved = blocking(move || {
        let saved = config::save(&path, &draft.text, &draft.version);
        drop(turn);
        saved
    });
    match saved.await? {
        Ok(backup) => {
            log::info!(
                "the configuration was changed through the API; the previous one is {}",
                backup.display()
            );
            // The file is right, so only the world can be in the way.
            let (plan, error) = match config.reloads.apply("saved through the API", false).await {
                Ok(done) => (Some(plan_view(&done.plan)), None),
                Err(Undone::Invalid(report)) => (None, Some(report.to_string())),
                Err(Undone::Failed(error)) => (None, Some(error)),
            };
            Ok(HttpResponse::Ok().json(json!({
                "restart_needed": !config.reloads.standing().needs_restart.is_empty(),
                "backup": backup.display().to_string(),
                "version": new,
                "plan": plan,
                "error": error,
            })))
        }
        Err(SaveError::Changed) => Err(ApiError::new(
            ApiErrorKind::ConfigChanged,
            "the file was changed in the meantime, and `version` is that of an older one: read it with GET /api/config, then save again",
        )),
        Err(SaveError::Invalid(report)) => Ok(refusal(StatusCode::BAD_REQUEST, "nothing was saved", &report)),
        Err(SaveError::Failed(error)) => Err(ApiError::new(ApiErrorKind::ConfigNotWritable, error)),
    }
}

/// Query of a reload.
#[derive(Deserialize)]
pub(crate) struct Reload {
    /// Only say what would change.
    #[serde(default)]
    dry_run: bool,
}

/// `POST /api/config/reload`: puts the file in force as it is now; answers when that is so, but for restarts of models.
async fn reload(
    shared: ManagementState,
    config: web::Data<ConfigFile>,
    request: HttpRequest,
    query: web::Query<Reload>,
) -> Answered {
    trusted(&shared, &request)?;
    // A model that leaves the configuration must not wait for this request.
    drop(shared);
    match config.reloads.apply("asked for through the API", query.dry_run).await {
        Ok(done) => {
            let mut view = plan_view(&done.plan);
            if let Some(view) = view.as_object_mut() {
                view.insert("warnings".to_owned(), problems(&done.warnings, Severity::Warning).into());
            }
            Ok(HttpResponse::Ok().json(view))
        }
        Err(Undone::Invalid(report)) => {
            Ok(refusal(StatusCode::BAD_REQUEST, "the configuration stays as it was", &report))
        }
        Err(Undone::Failed(error)) => Err(ApiError::new(ApiErrorKind::Internal, error)),
    }
}

/// A plan as it is shown.
fn plan_view(plan: &ReloadPlan) -> Value {
    let of = |wanted: fn(&Change) -> bool| -> Vec<&str> {
        let models = plan.models.iter().filter(|one| wanted(&one.change));
        models.map(|one| one.model.as_str()).collect()
    };
    json!({
        "changed": plan.changed().collect::<Vec<_>>(),
        "restarted": plan.restarted().collect::<Vec<_>>(),
        "needs_restart": plan.needs_restart,
        "added": of(|change| matches!(change, Change::Added | Change::Renamed { .. })),
        "removed": of(|change| matches!(change, Change::Removed { .. })),
        "lines": plan.lines(),
    })
}

/// `POST /api/restart`: as on SIGTERM, and then the same program again with the file as it then is.
async fn restart(shared: ManagementState, config: web::Data<ConfigFile>, request: HttpRequest) -> Answered {
    trusted(&shared, &request)?;
    if !process::STARTS_AGAIN {
        let message = "the manager can't start itself again on this system; stop it and start it";
        return Err(ApiError::new(ApiErrorKind::NotSupported, message));
    }
    let path = config.path.clone();
    if let Err(report) = blocking(move || config::check(&path)).await? {
        return Ok(refusal(StatusCode::CONFLICT, "the manager would not come back", &report));
    }
    if shared.stopping.is_cancelled() {
        return Err(ApiError::shutting_down());
    }
    config.restart.cancel();
    Ok(HttpResponse::Accepted().json(json!({"restarting": true})))
}

/// A proxy on this computer speaks for others, and says so.
pub(super) fn is_trusted(shared: &Management, request: &HttpRequest) -> bool {
    let headers = request.headers();
    let for_others = headers.contains_key("x-forwarded-for") || headers.contains_key(FORWARDED);
    let here = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    shared.access.keys.wanted() || (here && !for_others)
}

/// Refuses whoever is not.
pub(super) fn trusted(shared: &Management, request: &HttpRequest) -> Result<(), ApiError> {
    if is_trusted(shared, request) {
        return Ok(());
    }
    let message = "who writes the configuration can run commands as the manager's user, so without \
                   `program.api_keys` only this computer itself may read, change or reload it: set `program.api_keys`";
    Err(ApiError::new(ApiErrorKind::ApiKeysNeeded, message))
}

fn draft(body: &[u8]) -> Result<Draft, ApiError> {
    from_json(body).map_err(|error| {
        ApiError::new(
            ApiErrorKind::InvalidRequest,
            format!("wants {{\"text\": \"...\", \"version\": \"...\"}}: {error}"),
        )
    })
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    actix_web::rt::task::spawn_blocking(work)
        .await
        .map_err(|error| ApiError::new(ApiErrorKind::Internal, format!("the configuration: {error}")))
}

fn problems(report: &ConfigReport, severity: Severity) -> Vec<Value> {
    let told = report.problems.iter().filter(|problem| problem.severity == severity);
    told.map(|ConfigProblem { path, line, message, hint, .. }| {
        json!({"path": path, "line": line, "message": message, "hint": hint})
    })
    .collect()
}

/// The form of all errors, with the problems in it.
fn refusal(status: StatusCode, outcome: &str, report: &ConfigReport) -> HttpResponse {
    let errors = problems(report, Severity::Error);
    let first = report.problems.iter().find(|problem| problem.severity == Severity::Error);
    let first = first.map_or_else(String::new, |problem| {
        let line = problem.line.map_or_else(String::new, |line| format!("line {line}: "));
        let path = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
        format!(": {line}{path}{}", problem.message)
    });
    let count = errors.len();
    let plural = if count == 1 { "" } else { "s" };
    let message = format!("{outcome}: the configuration has {count} error{plural}{first}");
    let body = ApiError::new(ApiErrorKind::InvalidConfig, message).body();
    let mut body: Value = serde_json::from_str(&body).unwrap_or_default();
    if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
        error.insert("problems".to_owned(), errors.into());
    }
    HttpResponse::build(status).json(body)
}
