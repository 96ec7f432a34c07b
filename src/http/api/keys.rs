//! `/api/keys`: who may come in, and keys that are made, rotated and revoked while the manager runs. For admins only.

use super::config::ConfigFile;
use super::query::{Whole, from_json};
use crate::http::access::keys::Key;
use crate::http::error::{ApiError, Kind};
use crate::http::state::Now;
use crate::key_store::{self, Unchanged, Wanted};
use crate::reload::Undone;
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use llm_manager_actors::quotas::Remains;
use llm_manager_policy::quota::Left;
use llm_manager_policy::spec::{Cap, Period};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

type Answered = Result<HttpResponse, ApiError>;

/// Largest body of a new key.
pub(crate) const LARGEST_BODY: usize = 64 * 1024;

/// `GET /api/keys`: all keys, without their secrets.
pub(crate) async fn list(shared: Now) -> Answered {
    let keys = shared.access.keys.all();
    let quotas = keys.iter().filter_map(|key| key.quota.clone()).collect();
    let left: HashMap<Arc<str>, Left> = match shared.quotas.addr() {
        Some(addr) => {
            let remaining = addr.send(Remains(quotas)).await.unwrap_or_default();
            remaining.into_iter().map(|one| (Arc::clone(&one.quota.key), one.left)).collect()
        }
        None => HashMap::new(),
    };
    let keys: Vec<Value> = keys.iter().map(|key| view(key, left.get(&key.label))).collect();
    Ok(HttpResponse::Ok().json(json!({"keys": keys})))
}

fn view(key: &Key, left: Option<&Left>) -> Value {
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
pub(crate) async fn add(
    shared: Now,
    config: web::Data<ConfigFile>,
    request: HttpRequest,
    Whole(body): Whole,
) -> Answered {
    super::config::trusted(&shared, &request)?;
    let wanted: Wanted = from_json(&body).map_err(|error| {
        ApiError::new(Kind::InvalidRequest, format!("a key is {{\"name\": \"...\"}}: {error}"))
    })?;
    let taken: Vec<String> = shared.access.keys.all().iter().map(|key| key.label.to_string()).collect();
    let name = wanted.name.clone();
    drop(shared);
    let secret = made(&config, move |dir| key_store::add(dir, &wanted, &taken)).await?;
    log::info!("keys: `{name}` was added");
    Ok(HttpResponse::Created().json(json!({"name": name, "secret": secret})))
}

/// `POST /api/keys/{name}/rotate`: the old secret opens nothing any more.
pub(crate) async fn rotate(
    shared: Now,
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
pub(crate) async fn revoke(
    shared: Now,
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

fn kind_of(unchanged: &Unchanged) -> Kind {
    match unchanged {
        Unchanged::Wrong(_) => Kind::InvalidRequest,
        Unchanged::Taken(_) => Kind::Conflict,
        Unchanged::Unknown(_) => Kind::KeyNotFound,
        Unchanged::Failed(_) => Kind::Internal,
    }
}

/// Changes the stored keys, and puts them in force.
async fn made<T: Send + 'static>(
    config: &ConfigFile,
    change: impl FnOnce(&std::path::Path) -> Result<T, Unchanged> + Send + 'static,
) -> Result<T, ApiError> {
    let dir = config.state_dir.clone();
    let changed = actix_web::rt::task::spawn_blocking(move || change(&dir)).await;
    let changed = changed.map_err(|error| ApiError::new(Kind::Internal, error.to_string()))?;
    let changed = changed.map_err(|why| ApiError::new(kind_of(&why), why.to_string()))?;
    let applied = config.reloads.apply("a key was changed", false).await;
    applied.map_err(|undone| {
        let why = match undone {
            Undone::Invalid(report) => {
                format!("the configuration has errors, so it is not in force yet: {report}")
            }
            Undone::Failed(why) => why,
        };
        ApiError::new(Kind::Internal, format!("the key was changed in its file, and not yet here: {why}"))
    })?;
    Ok(changed)
}
