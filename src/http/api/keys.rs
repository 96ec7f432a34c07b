//! `/api/keys`: who may come in, and keys that are made, rotated and revoked while the manager runs. For admins only.

use super::config::ConfigFile;
#[cfg(test)]
use super::openapi::operation::{Operation, delete, get, object, or_null, post};
use super::query::{WholeBody, from_json};
use crate::http::access::keys::ApiKey;
use crate::http::api::management::ManagementState;
use crate::http::error::{Answered, ApiError, ApiErrorKind};
use crate::http::route::{at, read};
use crate::key_store::{self, NewKey, Unchanged};
use crate::reload::Undone;
use actix_web::web::{PayloadConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use llm_manager_actors::quotas::Remains;
use llm_manager_policy::quota::RemainingQuota;
use llm_manager_policy::spec::{Cap, Period};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            at("/keys", read().to(list))
                .app_data(PayloadConfig::new(LARGEST_BODY))
                .route(web::post().to(add)),
        )
        .service(at("/keys/{name}/rotate", web::post().to(rotate)))
        .service(at("/keys/{name}", web::delete().to(revoke)));
}

#[cfg(test)]
pub(super) fn operations() -> Vec<Operation> {
    let made = object(&[("name", "string"), ("secret", "string")]);
    vec![
        get("/api/keys", "Keys without their secrets", object(&[("keys", "objects")]))
            .words(
                "all keys without their secrets: `{keys: [{name, source, scopes, models, expires, \
                 expired, requests_per_minute, tokens_per_minute, budget: {period, amount, unit, left}, \
                 priority, max_priority, loading_comments}]}`, `source` being `made`, or `keys` or \
                 `api_keys` of the configuration; admins only, as the next three \
                 ([more](../operations/keys.md))",
            ),
        post("/api/keys", "Makes a key; its secret is told once", made.clone())
            .refused("conflict")
            .body(key_body())
            .status("201")
            .words(
                "`{\"name\",\"scopes\",\"models\",\"expires\",\"requests_per_minute\",\"tokens_per_minute\",\"budget\",\"priority\",\"max_priority\",\"loading_comments\"}`, \
                 all but the name optional; `budget` as in `\"20 CNY/month\"` or `\"1000000/day\"`; \
                 `{name, secret}`: the secret is shown once",
            ),
        post("/api/keys/{name}/rotate", "Another secret for a key that was made", made)
            .refused("key_not_found,conflict")
            .words("another secret for a key that was made so; `{name, secret}`"),
        delete(
            "/api/keys/{name}",
            "Takes a key away that was made",
            object(&[("name", "string"), ("revoked", "boolean")]),
        )
            .refused("key_not_found,conflict")
            .words("revokes it"),
    ]
}

/// A key that is to be made.
#[cfg(test)]
fn key_body() -> Value {
    /// The letters of any script, as Unicode has them.
    const NAME: &str = r"^(?!key-)[\w.@-]{1,64}$";
    const BUDGET: &str = r"^([0-9]{1,13}(\.[0-9]{1,6})? [A-Z]{3}|[1-9][0-9]{0,18})/(day|month)$";
    let limit = json!({"type": ["integer", "null"], "minimum": 1, "maximum": u64::MAX});
    let classes = |most: Value, own: Value| json!({"properties": {"max_priority": {"enum": most}, "priority": {"enum": own}}});
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": NAME},
            "scopes": {"type": "array", "minItems": 1, "items": {"enum": ["infer", "read", "operate", "admin"]}},
            "models": {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": r"\S"}},
            "expires": or_null(&json!({"type": "string", "format": "date-time"})),
            "requests_per_minute": limit,
            "tokens_per_minute": limit,
            "budget": {"type": ["string", "null"], "pattern": BUDGET},
            "priority": {"enum": ["interactive", "normal", "batch", null]},
            "max_priority": {"enum": ["interactive", "normal", "batch", null]},
            "loading_comments": {"type": ["boolean", "null"]},
        },
        "required": ["name"],
        "additionalProperties": false,
        "anyOf": [
            classes(json!(["interactive", null]), json!(["interactive", "normal", "batch", null])),
            classes(json!(["normal"]), json!(["normal", "batch", null])),
            classes(json!(["batch"]), json!(["batch", null])),
        ],
    })
}

/// Largest body of a new key.
const LARGEST_BODY: usize = 64 * 1024;

/// `GET /api/keys`: all keys, without their secrets.
async fn list(shared: ManagementState) -> Answered {
    let keys = shared.access.keys.all();
    let quotas = keys.iter().filter_map(|key| key.quota.clone()).collect();
    let left: HashMap<Arc<str>, RemainingQuota> = match shared.quotas.addr() {
        Some(addr) => {
            let remaining = addr.send(Remains(quotas)).await.unwrap_or_default();
            remaining.into_iter().map(|one| (Arc::clone(&one.quota.key), one.left)).collect()
        }
        None => HashMap::new(),
    };
    let keys: Vec<Value> = keys.iter().map(|key| view(key, left.get(&key.label))).collect();
    Ok(HttpResponse::Ok().json(json!({"keys": keys})))
}

fn view(key: &ApiKey, left: Option<&RemainingQuota>) -> Value {
    let quota = key.quota.as_deref();
    let expires = key.expires().and_then(|at| Timestamp::from_second(at).ok());
    let budget = quota.and_then(|quota| quota.budget).map(|budget| {
        let period = match budget.period {
            Period::Day => "day",
            Period::Month => "month",
        };
        let (amount, unit, scale) = match budget.cap {
            Cap::Tokens(tokens) => (tokens.to_string(), "tokens", 0),
            Cap::Money { units, ref currency } => (decimal(u128::from(units), 6), currency.as_str(), 12),
        };
        let left = left.and_then(|left| left.budget).map(|left| decimal(u128::from(left), scale));
        json!({"period": period, "amount": amount, "unit": unit, "left": left})
    });
    json!({
        "name": &*key.label,
        "source": key.source.text(),
        "scopes": key.scopes().iter().map(|scope| scope.text()).collect::<Vec<_>>(),
        "models": key.models(),
        "expires": expires,
        "expired": expires.is_some_and(|at| at <= Timestamp::now()),
        "requests_per_minute": quota.and_then(|quota| quota.requests_per_minute),
        "tokens_per_minute": quota.and_then(|quota| quota.tokens_per_minute),
        "budget": budget,
        "priority": key.class.map(|class| class.text()),
        "max_priority": key.most.map(|class| class.text()),
        "loading_comments": key.loading_comments,
    })
}

/// An amount of which this many digits stand behind the point.
fn decimal(units: u128, digits: usize) -> String {
    let text = format!("{units:0>width$}", width = digits + 1);
    let (whole, part) = text.split_at(text.len() - digits);
    let part = part.trim_end_matches('0');
    if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
}

/// `POST /api/keys` `{"name", ...}`: the answer is the only place where the secret stands.
async fn add(
    shared: ManagementState,
    config: web::Data<ConfigFile>,
    request: HttpRequest,
    WholeBody(body): WholeBody,
) -> Answered {
    super::config::trusted(&shared, &request)?;
    let wanted: NewKey = from_json(&body).map_err(|error| {
        ApiError::new(ApiErrorKind::InvalidRequest, format!("a key is {{\"name\": \"...\"}}: {error}"))
    })?;
    let taken: Vec<String> = shared.access.keys.all().iter().map(|key| key.label.to_string()).collect();
    let name = wanted.name.clone();
    drop(shared);
    let secret = made(&config, move |dir| key_store::add(dir, &wanted, &taken)).await?;
    log::info!("keys: `{name}` was added");
    Ok(HttpResponse::Created().json(json!({"name": name, "secret": secret})))
}

/// `POST /api/keys/{name}/rotate`: the old secret opens nothing any more.
async fn rotate(
    shared: ManagementState,
    config: web::Data<ConfigFile>,
    request: HttpRequest,
    name: web::Path<String>,
) -> Answered {
    super::config::trusted(&shared, &request)?;
    drop(shared);
    let old = name.clone();
    let secret = made(&config, move |dir| key_store::rotate(dir, &old)).await?;
    log::info!("keys: `{name}` has another secret");
    Ok(HttpResponse::Ok().json(json!({"name": *name, "secret": secret})))
}

/// `DELETE /api/keys/{name}`
async fn revoke(
    shared: ManagementState,
    config: web::Data<ConfigFile>,
    request: HttpRequest,
    name: web::Path<String>,
) -> Answered {
    super::config::trusted(&shared, &request)?;
    drop(shared);
    let old = name.clone();
    made(&config, move |dir| key_store::revoke(dir, &old)).await?;
    log::info!("keys: `{name}` was revoked");
    Ok(HttpResponse::Ok().json(json!({"name": *name, "revoked": true})))
}

fn kind_of(unchanged: &Unchanged) -> ApiErrorKind {
    match unchanged {
        Unchanged::Wrong(_) => ApiErrorKind::InvalidRequest,
        Unchanged::Taken(_) => ApiErrorKind::Conflict,
        Unchanged::Unknown(_) => ApiErrorKind::KeyNotFound,
        Unchanged::Failed(_) => ApiErrorKind::Internal,
    }
}

/// Changes the stored keys, and puts them in force.
async fn made<T: Send + 'static>(
    config: &ConfigFile,
    change: impl FnOnce(&std::path::Path) -> Result<T, Unchanged> + Send + 'static,
) -> Result<T, ApiError> {
    let dir = config.state_dir.clone();
    let changed = actix_web::rt::task::spawn_blocking(move || change(&dir)).await;
    let changed = changed.map_err(|error| ApiError::new(ApiErrorKind::Internal, error.to_string()))?;
    let changed = changed.map_err(|why| ApiError::new(kind_of(&why), why.to_string()))?;
    let applied = config.reloads.apply("a key was changed", false).await;
    applied.map_err(|undone| {
        let why = match undone {
            Undone::Invalid(report) => {
                format!("the configuration has errors, so it is not in force yet: {report}")
            }
            Undone::Failed(why) => why,
        };
        ApiError::new(
            ApiErrorKind::Internal,
            format!("the key was changed in its file, and not yet here: {why}"),
        )
    })?;
    Ok(changed)
}
