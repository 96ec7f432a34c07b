//! The audit: who did what. Every order that was carried out is noted where it comes in; what the manager does by a rule of
//! its own, the models note.

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get};
use super::query::{from_store, invalid, rfc3339, time};
use crate::http::api::management::{Management, ManagementState};
use crate::http::error::ApiError;
use crate::http::requester::Requester;
use crate::http::route::{at, read};
use crate::http::state::Current;
use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use llm_manager_ledger::{AuditQuery, AuditRow, AuditView};
use serde::{Deserialize, Serialize};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/audit", read().to(list)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get("/api/audit", "Who did what, newest first", schemas.of::<AuditPageView>())
            .refused("ledger_unavailable")
            .query("from,to,model,who,before,limit")
            .words(
                "who did what, newest first: see [who did it](../operations/security.md#who-did-it); \
                 `from`, `to`, `model`, `who`, `limit` (100, at most 1000), `before`",
            ),
    ]
}

const DEFAULT_LIMIT: i64 = 100;
const MOST: i64 = 1000;

/// Orders by method and path, and what they are called.
const ACTIONS: &[(&str, &str, &str)] = &[
    ("POST", "models/{}/start", "start"),
    ("POST", "models/{}/stop", "stop"),
    ("POST", "models/{}/restart", "restart"),
    ("POST", "models/{}/park", "park"),
    ("POST", "models/{}/wake", "wake"),
    ("POST", "models/stop-all", "stop_all"),
    ("POST", "models/restart-autostart", "restart_autostart"),
    ("PUT", "config", "edit_config"),
    ("POST", "config/reload", "reload"),
    ("PUT", "billing/{}", "set_price"),
    ("DELETE", "storage/{}", "delete_data"),
    ("POST", "storage/{}/rename", "rename_data"),
    ("POST", "keys", "add_key"),
    ("DELETE", "keys/{}", "revoke_key"),
    ("POST", "keys/{}/rotate", "rotate_key"),
    ("POST", "requests/{}/cancel", "cancel_request"),
    ("GET", "requests/{}/capture", "view_capture"),
    ("DELETE", "requests/{}/capture", "delete_capture"),
    ("POST", "devices/{}/pause", "pause_device"),
    ("POST", "devices/{}/resume", "resume_device"),
    ("POST", "notify/{}/test", "test_notification"),
    ("POST", "pause", "pause"),
    ("POST", "resume", "resume"),
    ("POST", "shutdown", "shutdown"),
    ("POST", "restart", "restart_manager"),
];

/// What only looks, although it is sent with a body.
const LOOKS: &[&str] = &["config/check"];

/// The path with `{}` for each name in it, below `/api`.
fn shape(pattern: &str) -> Option<String> {
    let parts = pattern.strip_prefix("/api/")?.split('/');
    Some(parts.map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/"))
}

fn action(method: &Method, shape: &str) -> String {
    let known = ACTIONS.iter().find(|(of, path, _)| *of == method.as_str() && *path == shape);
    known.map_or_else(|| format!("{method} {shape}"), |(.., action)| (*action).to_owned())
}

/// Notes an order that was carried out.
pub(in crate::http) fn note(request: &HttpRequest) {
    let Ok(in_force) = Current::<Management>::of(request) else { return };
    let shared = in_force.now();
    let Some(shape) = request.match_pattern().as_deref().and_then(shape) else { return };
    if LOOKS.contains(&shape.as_str()) {
        return;
    }
    let names = request.match_info();
    let subject = ["name", "model", "id", "device"].iter().find_map(|name| names.get(name));
    // A model goes by its name, whichever of its aliases was used.
    let model = subject.and_then(|name| shared.directory.find(name)).map(|model| model.spec.name.clone());
    let who = Requester::of(request);
    let row = AuditRow {
        kind: who.kind.to_owned(),
        who: who.name.clone(),
        address: who.address.clone(),
        action: action(request.method(), &shape),
        subject: model.or_else(|| subject.map(str::to_owned)),
        detail: detail(request.query_string()),
        ..AuditRow::default()
    };
    let subject = row.subject.as_ref().map_or_else(String::new, |subject| format!(" {subject}"));
    log::info!("audit: {} by {}", format_args!("{}{subject}", row.action), who.words());
    shared.ledger.audit(row);
}

/// What an order said besides: not how long its sender waits for the answer.
fn detail(query: &str) -> Option<String> {
    let parts = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("wait="));
    Some(parts.collect::<Vec<_>>().join("&")).filter(|detail| !detail.is_empty())
}

/// Query of the audit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditOptions {
    from: Option<String>,
    to: Option<String>,
    model: Option<String>,
    who: Option<String>,
    before: Option<i64>,
    limit: Option<i64>,
}

/// `GET /api/audit`
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "AuditPage"), schemars(rename = "AuditPage"))]
pub(crate) struct AuditPageView {
    /// Newest first.
    rows: Vec<AuditEntryView>,
    /// `before` of the next page; null: this is the last one.
    next: Option<i64>,
}

/// Who did what.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "AuditEntry"), schemars(rename = "AuditEntry"))]
struct AuditEntryView {
    id: i64,
    #[cfg_attr(test, ts(type = "string"))]
    time: Option<Timestamp>,
    /// `key`, `session`, `local` (the command line), `anyone` (no key is wanted) or `rule`.
    #[cfg_attr(test, ts(type = "'key' | 'session' | 'local' | 'anyone' | 'rule'"))]
    kind: String,
    /// The key's name, the user, or the rule, such as `idle timer`.
    who: String,
    address: Option<String>,
    action: String,
    /// What it was done to, such as a model.
    subject: Option<String>,
    detail: Option<String>,
}

impl AuditEntryView {
    fn of(view: AuditView) -> Self {
        let AuditView { id, at_us, kind, who, address, action, subject, detail } = view;
        Self { id, time: rfc3339(at_us), kind, who, address, action, subject, detail }
    }
}

/// `GET /api/audit`
async fn list(shared: ManagementState, query: web::Query<AuditOptions>) -> Result<HttpResponse, ApiError> {
    let query = query.into_inner();
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MOST).contains(&limit) {
        return Err(invalid(format!("`limit` is from 1 to {MOST}")));
    }
    let model = query.model.map(|name| {
        shared.directory.find(&name).map_or_else(|| name.clone(), |model| model.spec.name.clone())
    });
    let wanted = AuditQuery {
        from: time("from", query.from.as_ref())?,
        to: time("to", query.to.as_ref())?,
        subject: model,
        who: query.who,
        before: query.before,
        limit,
    };
    let found = shared.ledger.reader().audit(wanted).await.map_err(from_store)?;
    let full = i64::try_from(found.len()).is_ok_and(|count| count == limit);
    let next = found.last().filter(|_| full).map(|row| row.id);
    Ok(HttpResponse::Ok()
        .json(AuditPageView { rows: found.into_iter().map(AuditEntryView::of).collect(), next }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_have_names_and_new_ones_their_path() {
        let named = |method: Method, pattern: &str| action(&method, &shape(pattern).unwrap());
        assert_eq!(named(Method::POST, "/api/models/{name:.+}/stop"), "stop");
        assert_eq!(named(Method::PUT, "/api/billing/{model:.+}"), "set_price");
        assert_eq!(named(Method::POST, "/api/models/{name}/park"), "park");
        assert_eq!(named(Method::POST, "/api/models/{name}/rest"), "POST models/{}/rest");
        assert_eq!(shape("/v1/models"), None);
    }

    #[test]
    fn how_long_its_sender_waits_is_no_part_of_an_order() {
        for (query, kept) in [
            ("", None),
            ("wait=false", None),
            ("now=true&wait=false", Some("now=true")),
            ("waits=1", Some("waits=1")),
        ] {
            assert_eq!(detail(query).as_deref(), kept, "{query}");
        }
    }
}
