//! `/api/session`: a browser signs in, asks whether it has, and signs out.

use super::authenticate::own_page;
#[cfg(test)]
use super::openapi::operation::{Operation, delete, get, object, post};
use super::query::WholeBody;
use crate::http::access::entrance::Entrance;
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::peer;
use crate::http::route::{at, read};
use crate::http::state::RequestState;
use actix_web::http::header::{CACHE_CONTROL, SET_COOKIE};
use actix_web::middleware::from_fn;
use actix_web::web::{PayloadConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Open: who signs in has no key yet.
pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(
        at("/api/session", read().to(show))
            .app_data(PayloadConfig::new(LARGEST_BODY))
            .route(web::post().to(sign_in))
            .route(web::delete().to(sign_out))
            .wrap(from_fn(own_page)),
    );
}

#[cfg(test)]
pub(super) fn operations() -> Vec<Operation> {
    let session = object(&[("key_wanted", "boolean"), ("signed_in", "boolean"), ("key", "string?")]);
    vec![
        get("/api/session", "Whether a key is needed, and whose session this is", session.clone())
            .open()
            .words("`{key_wanted, signed_in, key}`; open"),
        post("/api/session", "Signs a browser in", session.clone())
            .refused("invalid_api_key,too_many_attempts")
            .open()
            .body(object(&[("key", "string")]))
            .words("sign-in of a browser: `{\"key\":K}` gives a cookie that opens what the key opens; open"),
        delete("/api/session", "Removes the cookie from the browser", session)
            .open()
            .words("removes the cookie from the browser"),
    ]
}

/// Largest body of a sign-in.
const LARGEST_BODY: usize = 16 * 1024;
/// A wrong key holds one of the places for this long, whether or not its sender waits.
const AFTER_A_WRONG_KEY: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Given {
    key: String,
}

/// `GET /api/session`: whether a key is wanted, and whether this browser has given one.
async fn show(shared: RequestState<Entrance>, request: HttpRequest) -> HttpResponse {
    answer(&shared, shared.access.keys.in_session(request.headers()), None)
}

/// `POST /api/session` `{"key":K}`
async fn sign_in(
    shared: RequestState<Entrance>,
    request: HttpRequest,
    WholeBody(body): WholeBody,
) -> Result<HttpResponse, ApiError> {
    let Given { key } = serde_json::from_slice(&body).map_err(|error| {
        ApiError::new(ApiErrorKind::InvalidRequest, format!("a sign-in is {{\"key\": \"...\"}}: {error}"))
    })?;
    let sessions = &shared.access.keys.sessions;
    if !shared.access.keys.wanted() {
        return Ok(answer(&shared, None, None));
    }
    // Before the look at the key: otherwise a refusal would tell that this one was wrong.
    let Ok(turn) = Arc::clone(&sessions.guesses).try_acquire_owned() else {
        let message = "too many sign-ins were tried within a second; try again";
        let error = ApiError::new(ApiErrorKind::TooManyAttempts, message);
        return Err(ApiError { retry_after: Some(AFTER_A_WRONG_KEY), ..error });
    };
    let Some(place) = shared.access.keys.place(key.as_bytes()) else {
        let client = peer::address(&request, &shared.trusted_proxies);
        let from = client.map_or_else(String::new, |client| format!(" from {client}"));
        log::warn!("a sign-in{from} with a wrong key");
        // A task of its own: whoever leaves early must not give the place back early.
        let pause = actix_web::rt::spawn(async move {
            tokio::time::sleep(AFTER_A_WRONG_KEY).await;
            drop(turn);
        });
        let _ = pause.await;
        return Err(ApiError::new(ApiErrorKind::InvalidApiKey, "this key is not known here"));
    };
    shared.access.keys.check(place)?;
    let mark = shared.access.keys.mark_of(place).cloned().unwrap_or_default();
    let token = sessions
        .issue(&mark, Timestamp::now().as_second())
        .map_err(|error| ApiError::new(ApiErrorKind::Internal, error))?;
    // Whoever lies here only harms themselves: their browser then keeps the cookie for https.
    let proto = request.headers().get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    let tls = proto.is_some_and(|proto| {
        proto.split(',').next().unwrap_or_default().trim().eq_ignore_ascii_case("https")
    });
    let secure = if tls || shared.tls { "; Secure" } else { "" };
    let path = cookie_path(&shared);
    let cookie = format!("{}={token}; HttpOnly; SameSite=Strict; Path={path}{secure}", sessions.cookie);
    Ok(answer(&shared, Some(place), Some(cookie)))
}

/// `DELETE /api/session`: takes the cookie from the browser.
async fn sign_out(shared: RequestState<Entrance>) -> HttpResponse {
    let name = &shared.access.keys.sessions.cookie;
    let path = cookie_path(&shared);
    answer(&shared, None, Some(format!("{name}=; Max-Age=0; HttpOnly; SameSite=Strict; Path={path}")))
}

/// What else the proxy shows at its address doesn't get the cookie.
fn cookie_path(shared: &Entrance) -> &str {
    if shared.base_path.is_empty() { "/" } else { &shared.base_path }
}

fn answer(shared: &Entrance, place: Option<usize>, cookie: Option<String>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    if let Some(cookie) = cookie {
        response.insert_header((SET_COOKIE, cookie));
    }
    response.json(json!({
        "key_wanted": shared.access.keys.wanted(),
        "signed_in": place.is_some(),
        "key": place.and_then(|place| shared.access.keys.label_of(place)),
    }))
}
