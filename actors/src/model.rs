//! Model: the actor that owns one model's backend: its process, its gate, those who wait, its idle timer.
//!
//! `llm_manager_policy::lifecycle` decides; `effects` carries out. Requests meet the model through its
//! `ModelHandle`, which takes a lease without a message while the gate is open.

mod actor;
mod effects;
mod handle;
mod lease;
mod messages;
mod scheduled;
mod status;
pub mod traffic;
mod waiters;

pub use actor::{Environment, Model};
pub use handle::{Directory, ModelHandle};
pub use lease::{BreakReason, Lease};
pub(crate) use messages::{Announce, Denied, Drew, Evict, Granted, Yield};
pub use messages::{Operate, Panic, Refused, RefusedReason, Verb};
pub use status::{RunRecord, Status};
