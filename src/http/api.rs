//! The management API: a file per resource, with its views, queries and handlers.

pub(super) mod audit;
mod authenticate;
pub(super) mod billing;
pub(super) mod broadcast;
pub(super) mod captures;
mod cluster;
pub(super) mod config;
pub(super) mod devices;
pub(super) mod events;
pub(super) mod files;
mod health;
pub(super) mod keys;
pub(super) mod management;
pub(super) mod manager;
pub(super) mod memory;
pub(super) mod metrics;
pub(super) mod models;
pub(super) mod notify;
pub(super) mod openapi;
pub(super) mod pauses;
mod placement;
pub(super) mod query;
pub(super) mod queue;
pub(super) mod requests;
pub(super) mod run_logs;
pub(super) mod running;
pub(super) mod runs;
#[cfg(test)]
mod sentences;
mod server_event;
pub(super) mod session;
pub(super) mod statement;
pub(super) mod storage;
mod supervision;
#[cfg(test)]
mod typescript;
pub(super) mod usage;
pub(super) mod views;
pub(super) mod webui;

use super::route::{at, read};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
#[cfg(test)]
use openapi::operation::{Operation, Schemas};

/// What operators use, and the dashboard. The first that fits serves.
pub(super) fn routes(config: &mut ServiceConfig) {
    health::routes(config);
    metrics::routes(config);
    session::routes(config);
    let resources = |config: &mut ServiceConfig| {
        // Names of models may contain slashes: what stands behind one comes before `/models/{name}`.
        devices::routes(config);
        events::routes(config);
        memory::routes(config);
        placement::routes(config);
        models::routes(config);
        audit::routes(config);
        billing::routes(config);
        captures::routes(config);
        config::routes(config);
        files::routes(config);
        keys::routes(config);
        manager::routes(config);
        notify::routes(config);
        pauses::routes(config);
        queue::routes(config);
        requests::routes(config);
        run_logs::routes(config);
        running::routes(config);
        runs::routes(config);
        statement::routes(config);
        storage::routes(config);
        supervision::routes(config);
        usage::routes(config);
        config.service(at("/openapi.json", read().to(openapi::openapi)));
    };
    let management = web::scope("/api").wrap(from_fn(authenticate::authenticate)).configure(resources);
    config.service(management.default_service(web::to(super::route::unknown))).service(webui::pages());
}

/// All of it, as the description has it.
#[cfg(test)]
fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    [
        health::operations(),
        metrics::operations(),
        models::operations(schemas),
        memory::operations(schemas),
        placement::operations(schemas),
        devices::operations(schemas),
        pauses::operations(schemas),
        queue::operations(schemas),
        running::operations(schemas),
        requests::operations(schemas),
        captures::operations(schemas),
        usage::operations(schemas),
        statement::operations(schemas),
        runs::operations(schemas),
        run_logs::operations(schemas),
        billing::operations(schemas),
        storage::operations(schemas),
        events::operations(schemas),
        audit::operations(schemas),
        notify::operations(schemas),
        session::operations(),
        keys::operations(),
        config::operations(),
        files::operations(schemas),
        manager::operations(schemas),
        supervision::operations(schemas),
    ]
    .into_iter()
    .flatten()
    .collect()
}
