//! The HTTP side: one table of routes, and what stands behind them.
//!
//! `openai` serves the clients of models, `api`, `live`, `usage`, `requests`, `billing` and `storage` those who
//! operate them. `openai` reads a request
//! with `scan`, sends it through `upstream`, and hands the answer on as `answer`. `error` is the one place
//! that knows status codes.

mod account;
mod answer;
mod api;
mod asked;
mod auth;
mod billing;
mod body;
mod config_file;
mod error;
mod form;
pub mod headers;
mod hosts;
mod live;
mod metrics;
mod openai;
mod openapi;
mod passthrough;
mod paths;
mod placement;
mod pulse;
mod request_id;
mod requests;
mod runs;
pub mod scan;
mod session;
mod state;
mod storage;
mod stray;
#[cfg(test)]
mod typescript;
mod unpack;
pub mod upstream;
mod usage;
mod views;
mod websocket;
mod webui;
mod words;

pub use auth::Keys;
pub use config_file::ConfigFile;
pub use error::{ApiError, Kind};
pub use hosts::Hosts;
pub use pulse::Pulse;
pub use state::{Shared, Worker};
pub use stray::Strays;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{App, HttpServer, guard, web};
use std::time::Duration;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4096;
/// A client's quiet connection is kept for this long.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// From the first byte of a request to the end of its head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens the port; the answer makes the server, which serves once it is polled. An error is ready to be
/// printed.
pub fn bind(
    shared: Shared,
    host: &str,
    port: u16,
    drain: Duration,
) -> Result<impl FnOnce() -> Server, String> {
    let shared = web::Data::new(shared);
    let watched = shared.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .app_data(web::Data::new(Worker::default()))
            .app_data(web::QueryConfig::default().error_handler(|error, _| {
                ApiError::new(Kind::InvalidRequest, format!("the query: {error}")).into()
            }))
            // Before `/v1/models/{id}`, whose pattern would be tried on every request for a model.
            .configure(|config| {
                // One with braces would be a pattern; the default route serves it all the same.
                for endpoint in shared.endpoints.paths().filter(|endpoint| !endpoint.contains('{')) {
                    config.service(web::resource(endpoint).default_service(web::to(openai::serve)));
                }
            })
            .configure(routes)
    });
    server
        .backlog(BACKLOG)
        .tcp_nodelay(true)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        // Otherwise a client that has gone is not noticed before the backend answers.
        .h1_allow_half_closed(false)
        .max_connections(100_000)
        .disable_signals()
        .shutdown_timeout(drain.as_secs().saturating_add(30))
        .bind((host.trim_start_matches('[').trim_end_matches(']'), port))
        .map(|server| {
            || {
                actix_web::rt::spawn(watched.pulse.clone().run(watched));
                server.run()
            }
        })
        .map_err(|error| {
            format!(
                "can't listen on {host}:{port} (`program.host`, `program.port`): {error}\n\
                 hint: is another manager running there?"
            )
        })
}

/// Every route there is. The first that fits serves; names of models may contain slashes.
fn routes(config: &mut web::ServiceConfig) {
    let post = web::post;
    config
        .service(at("/health", read().to(api::health)))
        .service(at("/metrics", read().to(metrics::metrics)))
        .service(at("/v1/models", read().to(openai::list)))
        .service(at("/v1/models/{id:.+}", read().to(openai::one)))
        .service(web::resource("/upstream/{model:.+}").to(passthrough::serve))
        .service(
            // Before the scope: who signs in has no key yet.
            at("/api/session", read().to(session::show))
                .app_data(web::PayloadConfig::new(session::LARGEST_BODY))
                .route(post().to(session::sign_in))
                .route(web::delete().to(session::sign_out))
                .wrap(actix_web::middleware::from_fn(own_page)),
        )
        .service(
            web::scope("/api")
                .wrap(actix_web::middleware::from_fn(authenticate))
                .service(at("/models", read().to(api::models)))
                .service(at("/models/stop-all", post().to(api::stop_all)))
                .service(at("/models/restart-autostart", post().to(api::restart_autostart)))
                .service(at("/models/{name:.+}/start", post().to(api::start)))
                .service(at("/models/{name:.+}/stop", post().to(api::stop)))
                .service(at("/models/{name:.+}/restart", post().to(api::restart)))
                .service(at("/models/{name:.+}/placement", read().to(placement::explain)))
                .service(at("/models/{name:.+}/logs", read().to(live::model_logs)))
                .service(at("/models/{name:.+}", read().to(api::model)))
                .service(at("/devices", read().to(placement::devices)))
                .service(at("/devices/history", read().to(placement::history)))
                .service(at("/logs", read().to(live::manager_logs)))
                .service(at("/openapi.json", read().to(openapi::openapi)))
                .service(at("/events", read().to(live::events)))
                .service(at("/supervision", read().to(api::supervision)))
                .service(at("/usage/summary", read().to(usage::summarize)))
                .service(at("/usage/series", read().to(usage::series)))
                .service(at("/usage/session", read().to(usage::session)))
                .service(at("/runs", read().to(runs::runs)))
                .service(at("/runs/{id}/shares", read().to(runs::shares)))
                .service(at("/requests", read().to(requests::requests)))
                .service(
                    at("/billing/{model:.+}", read().to(billing::show))
                        .app_data(web::PayloadConfig::new(billing::LARGEST_PLAN))
                        .route(web::put().to(billing::set)),
                )
                .service(at("/config/schema", read().to(config_file::schema)))
                .service(at("/config/check", post().to(config_file::check)).app_data(config_body()))
                .service(
                    at("/config", read().to(config_file::show))
                        .app_data(config_body())
                        .route(web::put().to(config_file::save)),
                )
                .service(at("/restart", post().to(config_file::restart)))
                .service(at("/storage", read().to(storage::storage)))
                .service(at("/storage/{model:.+}/rename", post().to(storage::rename)))
                .service(at("/storage/{model:.+}", web::delete().to(storage::delete)))
                .service(at("/debug/panic/{name:.+}", post().to(api::panic)))
                .default_service(web::to(api::unknown)),
        )
        .service(webui::pages())
        .default_service(web::to(openai::serve));
}

/// A path with one method; any other is refused in the form of all errors.
fn at(path: &str, route: actix_web::Route) -> actix_web::Resource {
    web::resource(path).route(route).default_service(web::to(api::wrong_method))
}

/// GET, and HEAD as whoever monitors a service sends it.
fn read() -> actix_web::Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if let Some(shared) = request.app_data::<web::Data<Shared>>() {
        shared.enter_management(request.headers())?;
    }
    auth::check_origin(request.headers())?;
    next.call(request).await
}

/// For what is open without a key: a program, or a page of ours.
async fn own_page(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if let Some(shared) = request.app_data::<web::Data<Shared>>() {
        shared.hosts.check(request.headers())?;
    }
    auth::check_site(request.headers())?;
    next.call(request).await
}

fn config_body() -> web::PayloadConfig {
    web::PayloadConfig::new(config_file::LARGEST_BODY)
}
