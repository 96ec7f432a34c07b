//! The management API: a file per resource, with its views, queries and handlers.

pub(super) mod audit;
pub(super) mod billing;
pub(super) mod captures;
mod cluster;
pub(super) mod config;
pub(super) mod devices;
pub(super) mod events;
pub(super) mod files;
pub(super) mod keys;
pub(super) mod manager;
pub(super) mod memory;
pub(super) mod metrics;
pub(super) mod models;
pub(super) mod notify;
pub(super) mod openapi;
pub(super) mod pauses;
pub(super) mod pulse;
pub(super) mod query;
pub(super) mod queue;
pub(super) mod requests;
pub(super) mod run_logs;
pub(super) mod running;
pub(super) mod runs;
pub(super) mod session;
pub(super) mod statement;
pub(super) mod storage;
mod told;
#[cfg(test)]
mod typescript;
pub(super) mod usage;
pub(super) mod views;
pub(super) mod webui;
