//! What runs: the actors of LLM-Manager, and the adapters through which they touch the world.
//!
//! Read `supervisor` for who restarts whom, `model` for the actor that owns a backend, and
//! `process` for how a backend is launched and ended. Decisions stand in `llm_manager_policy`; nothing
//! here knows the manager's own routes or its configuration file.

pub mod billing;
pub mod device_monitor;
pub mod devices;
pub mod feeds;
pub mod ledger;
pub mod live;
pub mod logs;
pub mod model;
pub mod probe;
pub mod process;
pub mod scheduler;
pub mod supervisor;

pub use live::{Live, tell};
