//! What runs: the actors of LLM-Manager, and the few rooms that they share.
//!
//! Read `supervisor` for who restarts whom, `model` for the actor that owns a backend, and `memory` for what Models
//! and the Scheduler tell each other. Decisions stand in `llm_manager_policy`; the ledger, processes and devices are
//! crates below this one. Nothing here knows the manager's own routes or its configuration file.

pub mod actor_ref;
pub mod billing;
pub mod captures;
pub mod device_monitor;
pub mod fault;
pub mod feeds;
pub mod hours;
pub mod leadership;
pub mod logs;
pub mod memory;
pub mod model;
pub mod notifier;
pub mod probe;
pub mod quotas;
pub mod scheduler;
mod state_file;
pub mod supervisor;

pub use actor_ref::{ActorRef, tell};
