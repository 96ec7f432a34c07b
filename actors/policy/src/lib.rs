//! The decisions of LLM-Manager, as pure functions.
//!
//! This crate depends on `std` alone: no clock, no process, no socket, no randomness. Whoever calls a
//! function passes in the time; whoever reads its answer carries it out.
//!
//! Read `spec` for the words, `lifecycle` for the life of a model, `placement` for what fits where, `queue` for
//! who gets it and when, then the rest.

pub mod arrivals;
mod byte_search;
pub mod capture;
pub mod checkpoint;
pub mod clock;
pub mod cluster;
pub mod devices;
pub mod duration_text;
pub mod ending;
pub mod endpoints;
pub mod energy;
pub mod exposition;
pub mod fair_queue;
pub mod gate;
pub mod hours;
pub mod leadership;
pub mod ledger_file;
pub mod lifecycle;
pub mod liveness;
pub mod log_files;
pub mod memory;
pub mod memory_release;
pub mod misses;
pub mod model_state;
pub mod modes;
pub mod notify;
pub mod oom;
pub mod panic_message;
pub mod parking;
pub mod placement;
pub mod pricing;
pub mod proxies;
pub mod queue;
pub mod quota;
pub mod readiness;
pub mod recording;
pub mod reload;
pub mod replicas;
pub mod restart;
pub mod retry;
pub mod rights;
pub mod spec;
pub mod sse;
pub mod steering;
pub mod system;
pub mod trace_context;
pub mod usage;
pub mod visible_devices;
