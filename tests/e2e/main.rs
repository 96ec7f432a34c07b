//! The real manager, driven over real sockets, with scriptable and with real model servers behind it.
//!
//! One binary for all of it, so that linking is paid once. `cargo test --test e2e lifecycle::` runs one file.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and may block its own thread"
)]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod backends;
mod captures;
mod chaos;
mod classes;
mod client_gone;
mod clients;
mod cluster_nodes;
mod config_file;
mod connect;
mod container;
mod devices;
mod fake;
mod ground;
mod hourly;
mod hours;
mod keys;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod ledger;
mod ledger_faults;
mod lifecycle;
mod management;
mod metrics;
mod monitoring;
mod notify;
mod ollama;
mod openai;
mod opening;

mod orphans;
mod outcomes;
mod own_log;
mod peers;
mod pipelined;
mod place;
mod proxied;
mod queue;
mod real_engine;
mod real_memory;
mod reconcile;
mod recorded;
mod reload;
mod renewal;
mod replicas;
mod run_logs;
mod runs;
mod service;
mod sessions;
mod several;
mod slurm;
mod slurm_apart;
mod soak;
mod standby;
mod supervision;
mod through;
mod tls;
#[cfg(feature = "otel")]
mod traces;
mod way_back;
