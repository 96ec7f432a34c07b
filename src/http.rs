//! The HTTP side: one table of routes, and what stands behind them.
//!
//! Three wings: `access` (who may come in), `gateway` (requests for models), `api` (the management, a file per
//! resource). `error` is the one place that knows status codes.

mod access;
mod api;
mod base;
mod connection;
mod error;
mod gateway;
mod peer;
mod standby;
mod state;
mod who;

pub use access::Access;
pub use access::cors::Origins;
pub use access::hosts::Hosts;
pub use access::keys::Keys;
pub use access::sessions::Sessions;
pub use api::config::ConfigFile;
pub use api::pulse::Pulse;
pub use error::{ApiError, Kind};
pub use gateway::worker::Gateways;
pub use standby::Standby;
pub use state::{InForce, Now, Shared};

use access::Door;
use access::wrong::{WrongKeys, slow_down};
use actix_http::error::DispatchError;
use actix_http::{Extensions, HttpService, Protocol, Request};
use actix_server::Server;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactoryExt, apply_fn_factory, fn_service, map_config,
};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Next;
use actix_web::{App, guard, web};
use api::{
    audit, billing, captures, config, devices, events, files, keys, manager, memory, metrics, models, notify,
    openapi, pauses, queue, requests, run_logs, running, runs, session, statement, storage, usage, webui,
};
use connection::Connection;
use gateway::stray::Strays;
use gateway::{catalog, ollama, passthrough, serve};
use llm_manager_policy::rights;
use llm_manager_policy::spec::ProgramSpec;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4096;
/// A client's quiet connection is kept for this long.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// From the first byte of a request to the end of its head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// `drain_timeout` is at most a week.
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(8 * 24 * 3600);
/// How long a connection that is being closed may take to hear of it.
const LINGER: Duration = Duration::from_secs(1);

/// What the handlers are given; each takes only what it needs.
pub struct Parts {
    /// Addresses of actors, and settings.
    pub in_force: InForce,
    /// The configuration's file.
    pub config: ConfigFile,
    /// What happens, for those who watch.
    pub pulse: Pulse,
    /// The actors that forward requests, one for each worker.
    pub gateways: Gateways,
}

/// Opens the port; the answer makes the server, which serves once it is polled. An error is ready to be
/// printed.
pub fn bind(
    parts: Parts,
    program: &ProgramSpec,
    tls: Option<TlsAcceptor>,
) -> Result<impl FnOnce() -> Server, String> {
    let Parts { in_force, config, pulse, gateways } = parts;
    let (host, port, write_timeout) = (program.host.as_str(), program.port, program.client_write_timeout);
    let base: Arc<str> = program.base_path.as_str().into();
    let config = web::Data::new(config);
    let (pulse, strays) = (web::Data::new(pulse), web::Data::new(Strays::default()));
    let (watched, feeding) = (in_force.clone(), Pulse::clone(&pulse));
    let gateways = web::Data::new(gateways);
    let builder = Server::build()
        .workers(gateways.workers())
        .backlog(BACKLOG)
        .max_concurrent_connections(crate::limits::clients_per_worker())
        .disable_signals()
        // A limit that is never reached: the phases of `app` end sooner, and a reload may change how long they take.
        .shutdown_timeout(LONGEST_SHUTDOWN.as_secs());
    let ending = builder.graceful_shutdown_signal();
    let factory = move || {
        let app = App::new()
            .app_data(in_force.clone())
            .app_data(config.clone())
            .app_data(pulse.clone())
            .app_data(strays.clone())
            .app_data(gateways.clone())
            .app_data(web::Data::new(gateways.join()))
            .app_data(web::Data::new(WrongKeys::default()))
            .app_data(web::QueryConfig::default().error_handler(|error, request| {
                api::query::unreadable(request.query_string(), &error).into()
            }))
            // Before `/v1/models/{id}`, whose pattern would be tried on every request for a model.
            .configure(|config| {
                // One with braces would be a pattern; the default route serves it all the same.
                // So does it those of modes that a reload brings.
                let now = in_force.now();
                for endpoint in now.endpoints.paths().filter(|endpoint| !endpoint.contains('{')) {
                    config.service(web::resource(endpoint).default_service(web::to(serve::serve)));
                }
            })
            .configure(routes)
            .into_factory()
            .map_err(|error: actix_web::Error| error.error_response());
        let (ending, base) = (ending.clone(), Arc::clone(&base));
        // As actix's own HttpServer does it, but for the socket.
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let ending = ending.clone();
                async move { ending.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(LINGER)
            // Otherwise a client that has gone is not noticed before the backend answers.
            .h1_allow_half_closed(false)
            .on_connect_ext(|connection: &Connection, data: &mut Extensions| {
                data.insert(connection.pace());
            })
            .finish(apply_fn_factory(
                map_config(app, |()| AppConfig::default()),
                move |mut request: Request, service| {
                    base::take_off(&mut request, &base);
                    service.call(request)
                },
            ));
        let tls = tls.clone();
        fn_service(move |stream: TcpStream| {
            let tls = tls.clone();
            async move {
                let peer = stream.peer_addr().ok();
                let connection = Connection::accept(stream, write_timeout, tls).await.map_err(|error| {
                    let from = peer.map_or_else(String::new, |peer| format!(" from {}", peer.ip()));
                    log::debug!("tls: a connection{from} failed: {error}");
                    DispatchError::Io(error)
                })?;
                Ok::<_, DispatchError>((connection, Protocol::Http1, peer))
            }
        })
        .and_then(http)
    };
    builder
        .bind("http", (host.trim_start_matches('[').trim_end_matches(']'), port), factory)
        .map(|server| {
            || {
                actix_web::rt::spawn(feeding.run(watched));
                server.run()
            }
        })
        .map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::AddrNotAvailable => {
                    "this computer has no such address: name one of its own, or 0.0.0.0 for all"
                }
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need root on most systems: choose a higher one"
                }
                _ => "is another manager running there?",
            };
            format!("can't listen on {host}:{port} (`program.host`, `program.port`): {error}\nhint: {hint}")
        })
}

/// Every route there is. The first that fits serves; names of models may contain slashes.
fn routes(config: &mut web::ServiceConfig) {
    let post = web::post;
    config
        .service(at("/health", read().to(models::health)))
        .service(at("/metrics", read().to(metrics::metrics)))
        .service(at("/metrics/backends", read().to(metrics::backends::backends)))
        .service(at("/v1/models", read().to(catalog::list)))
        .service(at("/v1/models/{id:.+}", read().to(catalog::one)))
        .service(web::resource("/upstream/{model:.+}").to(passthrough::serve))
        .service(at("/api/version", read().to(ollama::version)))
        .service(at("/api/tags", read().to(ollama::tags)))
        .service(at("/api/ps", read().to(ollama::ps)))
        .service(at("/api/show", post().to(ollama::show)))
        .service(at("/api/chat", post().to(ollama::chat)))
        .service(at("/api/generate", post().to(ollama::generate)))
        .service(at("/api/embed", post().to(ollama::embed)))
        .service(at("/api/embeddings", post().to(ollama::embeddings)))
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
                .service(at("/models", read().to(models::models)))
                .service(at("/models/stop-all", post().to(models::stop_all)))
                .service(at("/models/restart-autostart", post().to(models::restart_autostart)))
                .service(at("/models/{name:.+}/start", post().to(models::start)))
                .service(at("/models/{name:.+}/stop", post().to(models::stop)))
                .service(at("/models/{name:.+}/restart", post().to(models::restart)))
                .service(at("/models/{name:.+}/park", post().to(models::park)))
                .service(at("/models/{name:.+}/wake", post().to(models::start)))
                .service(at("/models/{name:.+}/placement", read().to(devices::explain)))
                .service(at("/models/{name:.+}/memory", read().to(memory::memory)))
                .service(at("/models/{name:.+}/logs", read().to(events::model_logs)))
                .service(at("/models/{name:.+}", read().to(models::model)))
                .service(at("/devices", read().to(devices::devices)))
                .service(at("/devices/history", read().to(devices::history)))
                .service(at("/devices/{device:.+}/pause", post().to(pauses::pause)))
                .service(at("/devices/{device:.+}/resume", post().to(pauses::resume)))
                .service(at("/logs", read().to(events::manager_logs)))
                .service(at("/openapi.json", read().to(openapi::openapi)))
                .service(at("/events", read().to(events::events)))
                .service(at("/supervision", read().to(models::supervision)))
                .service(at("/usage/summary", read().to(usage::summarize)))
                .service(at("/usage/series", read().to(usage::series)))
                .service(at("/usage/session", read().to(usage::session)))
                .service(at("/runs", read().to(runs::runs)))
                .service(at("/runs/{id}", read().to(runs::one)))
                .service(at("/runs/{id}/shares", read().to(runs::shares)))
                .service(at("/runs/{id}/logs", read().to(run_logs::of_run)))
                .service(at("/statement", read().to(statement::show)))
                .service(at("/audit", read().to(audit::list)))
                .service(at("/requests", read().to(requests::requests)))
                .service(at("/requests/running", read().to(running::running)))
                .service(at("/requests/{id:.+}/cancel", post().to(queue::cancel)))
                .service(
                    at("/requests/{id:.+}/capture", read().to(captures::show))
                        .route(web::delete().to(captures::delete)),
                )
                .service(at("/queue", read().to(queue::queue)))
                .service(
                    at("/billing/{model:.+}", read().to(billing::show))
                        .app_data(web::PayloadConfig::new(billing::LARGEST_PLAN))
                        .route(web::put().to(billing::set)),
                )
                .service(at("/config/schema", read().to(config::schema)))
                .service(at("/config/reload", post().to(config::reload)))
                .service(at("/config/files", read().to(files::list)))
                .service(at("/config/check", post().to(config::check)).app_data(config_body()))
                .service(
                    at("/config", read().to(config::show))
                        .app_data(config_body())
                        .route(web::put().to(config::save)),
                )
                .service(
                    at("/keys", read().to(keys::list))
                        .app_data(web::PayloadConfig::new(keys::LARGEST_BODY))
                        .route(post().to(keys::add)),
                )
                .service(at("/keys/{name}/rotate", post().to(keys::rotate)))
                .service(at("/keys/{name}", web::delete().to(keys::revoke)))
                .service(at("/notify", read().to(notify::list)))
                .service(at("/notify/{name}/test", post().to(notify::test)))
                .service(at("/pause", read().to(manager::show)).route(post().to(manager::pause)))
                .service(at("/resume", post().to(manager::resume)))
                .service(at("/leadership", read().to(manager::leadership)))
                .service(at("/shutdown", post().to(manager::shutdown)))
                .service(at("/restart", post().to(config::restart)))
                .service(at("/storage", read().to(storage::storage)))
                .service(at("/storage/{model:.+}/rename", post().to(storage::rename)))
                .service(at("/storage/{model:.+}", web::delete().to(storage::delete)))
                .service(at("/debug/panic/{name:.+}", post().to(models::panic)))
                .default_service(web::to(models::unknown)),
        )
        .service(webui::pages())
        .default_service(web::to(serve::serve));
}

/// A path with one method; any other is refused in the form of all errors.
fn at(path: &str, route: actix_web::Route) -> actix_web::Resource {
    web::resource(path).route(route).default_service(web::to(models::wrong_method))
}

/// GET, and HEAD as whoever monitors a service sends it.
fn read() -> actix_web::Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if let Some(in_force) = request.app_data::<InForce>() {
        let now = in_force.now();
        let door = if request.method().is_safe() { Door::Management } else { Door::Orders };
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
    let mut response = next.call(request).await?;
    if !response.request().method().is_safe() && response.status().is_success() {
        audit::note(response.request());
    }
    let asked = response.request().clone();
    gateway::respond::unchunked(&asked, response.response_mut());
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// For what is open without a key: a program, or a page of ours.
async fn own_page(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if let Some(in_force) = request.app_data::<InForce>() {
        in_force.now().access.enter(request.headers(), Door::SignIn)?;
    }
    next.call(request).await
}

fn config_body() -> web::PayloadConfig {
    web::PayloadConfig::new(config::LARGEST_BODY)
}
