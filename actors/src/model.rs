//! Model: the actor that owns one model's backend: its process, its gate, those who wait, its idle timer.
//!
//! `llm_manager_policy::lifecycle` decides; `effects` carries out. Requests meet the model through its
//! `ModelHandle`, which takes a lease without a message while the gate is open.

mod actor;
mod current_life;
mod directory;
mod effects;
pub mod engine_behavior;
mod handle;
mod health_watch;
mod history;
mod initiator;
mod launch;
mod lease;
mod life;
mod messages;
mod parked_memory;
mod place;
mod probing;
mod published;
mod read_ahead;
mod reconfigure;
mod remote_server;
mod replica_link;
mod replica_set;
mod run_end;
mod scheduler_exchange;
mod sleep;
mod start_trace;
mod status;
mod time_limit;
mod trace_log;
pub mod traffic;
mod users;
mod waiters;
mod warm_hours;
mod wording;

pub use actor::{Model, ModelContext};
pub use directory::Directory;
pub use handle::ModelHandle;
pub use lease::{Backend, BreakReason, Lease};
pub use messages::{
    By, Cancel, GetWaiting, Operate, Reconfigure, Refused, RefusedReason, Timeouts, Verb, WaitingClient,
    WaitingRequest, WaitingRequests,
};
pub use parked_memory::ParkedUse;
pub use published::Published;
pub use start_trace::StartTrace;
pub use status::{ModelStatus, RunRecord};
pub use warm_hours::WarmHours;
