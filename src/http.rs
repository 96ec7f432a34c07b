//! The HTTP side: the server, and what stands behind it.
//!
//! Three wings: `access` (who may come in), `gateway` (requests for models), `api` (the management, a file per
//! resource), each with its `routes`. `error` is the one place that knows status codes.

mod access;
mod api;
mod base_path;
mod connection;
mod error;
mod find_model;
mod front;
mod gateway;
mod peer;
mod pipeline;
mod read_buffer;
mod requester;
mod route;
mod standby;
mod state;
mod wings;

pub use access::Access;
pub use access::cors::Origins;
pub use access::entrance::Entrance;
pub use access::hosts::Hosts;
pub use access::keys::Keys;
pub use access::sessions::Sessions;
pub use api::broadcast::EventBroadcast;
pub use api::config::ConfigFile;
pub use api::management::Management;
pub use error::{ApiError, ApiErrorKind};
pub use gateway::forwarding::Forwarding;
pub use gateway::worker::Gateways;
pub use standby::Standby;
pub use state::{Current, RequestState};
pub use wings::{InForce, Wings};

use access::wrong_keys::WrongKeys;
use actix_http::error::DispatchError;
use actix_http::{Extensions, HttpService, Protocol, Request, Response};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_factory, fn_service, map_config,
};
use actix_web::body::BoxBody;
use actix_web::dev::AppConfig;
use actix_web::{App, web};
use front::{ClientPatience, ServerEnding, Shared};
use gateway::serve;
use gateway::unrouted::Strays;
use llm_manager_policy::spec::ProgramSpec;
use pipeline::{Pipeline, PipelinedConnection};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4096;
/// `drain_timeout` is at most a week.
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(8 * 24 * 3600);
/// How long clients may take.
const PATIENCE: ClientPatience = ClientPatience {
    first: Duration::from_secs(30),
    quiet: Duration::from_secs(75),
    linger: Duration::from_secs(1),
};

/// What the handlers are given; each takes only what it needs.
pub struct HttpInputs {
    /// What the wings are given.
    pub in_force: InForce,
    /// The configuration's file.
    pub config: ConfigFile,
    /// What happens, for those who watch.
    pub pulse: EventBroadcast,
    /// The actors that forward requests, one for each worker.
    pub gateways: Gateways,
}

/// actix's own dispatcher, as its HttpServer makes it, for requests that aren't plain.
fn dispatcher<S>(
    service: Rc<S>,
    ending: GracefulShutdownSignal,
    base: Arc<str>,
) -> impl ServiceFactory<
    (PipelinedConnection, Protocol, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
>
where
    S: Service<Request> + 'static,
    S::Response: Into<Response<BoxBody>>,
    S::Error: Into<Response<BoxBody>>,
{
    HttpService::build()
        .graceful_shutdown_signal(move || {
            let ending = ending.clone();
            async move { ending.notified().await }
        })
        .keep_alive(PATIENCE.quiet)
        .client_request_timeout(PATIENCE.first)
        .client_disconnect_timeout(PATIENCE.linger)
        // Otherwise a client that has gone is not noticed before the backend answers.
        .h1_allow_half_closed(false)
        .on_connect_ext(|connection: &PipelinedConnection, data: &mut Extensions| {
            data.insert(connection.pace());
            data.insert(connection.pipeline());
        })
        .finish(fn_service(move |mut request: Request| {
            Pipeline::begin(&mut request);
            base_path::take_off(&mut request, &base);
            service.call(request)
        }))
}

/// Opens the port; the answer makes the server, which serves once it is polled. An error is ready to be
/// printed.
pub fn bind(
    parts: HttpInputs,
    program: &ProgramSpec,
    tls: Option<TlsAcceptor>,
) -> Result<impl FnOnce() -> Server, String> {
    let HttpInputs { in_force, config, pulse, gateways } = parts;
    let (host, port, write_timeout) = (program.host.as_str(), program.port, program.client_write_timeout);
    let base: Arc<str> = program.base_path.as_str().into();
    let config = web::Data::new(config);
    let (pulse, strays) = (web::Data::new(pulse), web::Data::new(Strays::default()));
    let (watched, feeding) = (in_force.management.clone(), EventBroadcast::clone(&pulse));
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
            .app_data(in_force.entrance.clone())
            .app_data(in_force.forwarding.clone())
            .app_data(in_force.management.clone())
            .app_data(config.clone())
            .app_data(pulse.clone())
            .app_data(strays.clone())
            .app_data(gateways.clone())
            .app_data(web::Data::new(gateways.join()))
            .app_data(web::Data::new(WrongKeys::default()))
            .app_data(web::QueryConfig::default().error_handler(|error, request| {
                api::query::unreadable(request.query_string(), &error).into()
            }))
            .configure(|config| gateway::routes(config, &in_force.forwarding.now().endpoints))
            .configure(api::routes)
            // What has braces in its path, and what the modes of a reload bring.
            .default_service(web::to(serve::serve))
            .into_factory()
            .map_err(|error: actix_web::Error| error.error_response());
        let app = Rc::new(map_config(app, |()| AppConfig::default()));
        let (ending, base, tls) = (ending.clone(), Arc::clone(&base), tls.clone());
        fn_factory(move || {
            let (app, ending, base, tls) = (Rc::clone(&app), ending.clone(), Arc::clone(&base), tls.clone());
            async move {
                let service = Rc::new(app.new_service(()).await?);
                let dispatcher = dispatcher(Rc::clone(&service), ending.clone(), Arc::clone(&base));
                let dispatcher = dispatcher.new_service(()).await?;
                let news = Rc::new(ServerEnding::default());
                actix_web::rt::spawn(Rc::clone(&news).follow(async move { ending.notified().await }));
                let shared = Rc::new(Shared { service, dispatcher, base, patience: PATIENCE, ending: news });
                Ok::<_, ()>(fn_service(move |stream: TcpStream| {
                    front::serve(Rc::clone(&shared), stream, write_timeout, tls.clone())
                }))
            }
        })
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
