//! What stands before the management: who comes in is asked first, and what they have done is noted.

use super::audit;
use super::query::invalid;
use crate::http::access::AccessArea;
use crate::http::access::entrance::Entrance;
use crate::http::access::wrong_keys::slow_down;
use crate::http::gateway::respond::unchunked;
use crate::http::state::Current;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Next;
use llm_manager_policy::rights;

pub(super) async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if let Some(in_force) = request.app_data::<Current<Entrance>>() {
        let now = in_force.now();
        let door = if request.method().is_safe() { AccessArea::Management } else { AccessArea::Orders };
        let caller = match now.access.enter(request.headers(), door) {
            Ok(caller) => caller,
            Err(error) => {
                return Err(slow_down(request.request(), &now.trusted_proxies, error).await.into());
            }
        };
        // As the routes see it: `/api/%63onfig` is the configuration, too.
        let below = request.match_info().as_str().strip_prefix("/api").unwrap_or_default();
        now.access.allow(caller, rights::wanted(request.method().as_str(), below))?;
    }
    // No name has it, and PostgreSQL takes none.
    if request.query_string().contains("%00") {
        return Err(invalid("the query has a NUL (`%00`) in it, which is in no name").into());
    }
    let mut response = next.call(request).await?;
    if !response.request().method().is_safe() && response.status().is_success() {
        audit::note(response.request());
    }
    let asked = response.request().clone();
    unchunked(&asked, response.response_mut());
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// For what is open without a key: a program, or a page of ours.
pub(super) async fn own_page(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if let Some(in_force) = request.app_data::<Current<Entrance>>() {
        in_force.now().access.enter(request.headers(), AccessArea::SignIn)?;
    }
    next.call(request).await
}
