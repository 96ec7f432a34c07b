//! Model: the actor that owns one model's backend: its process, its gate, those who wait, its idle timer.
//!
//! `llm_manager_policy::lifecycle` decides; `effects` carries out. Requests meet the model through its
//! `ModelHandle`, which takes a lease without a message while the gate is open.

mod actor;
mod asleep;
mod crew;
mod directory;
mod effects;
mod end;
mod face;
mod front;
mod handle;
mod launch;
pub mod learnt;
mod lease;
mod life;
mod messages;
mod past;
mod place;
mod present;
mod probing;
mod read_ahead;
mod reconfigured;
mod rules;
mod scheduled;
mod sleep;
mod status;
mod term;
mod there;
mod trace;
mod tracing;
pub mod traffic;
mod users;
mod waiters;
mod warmth;
mod watching;
mod wording;

pub use actor::{Environment, Model};
pub use asleep::Asleep;
pub use directory::Directory;
pub use face::Face;
pub use handle::ModelHandle;
pub use lease::{Backend, BreakReason, Lease, MemoryWanted};
pub use messages::{
    By, Cancel, Client, Line, Operate, Reconfigure, Refused, RefusedReason, Timeouts, Verb, Waiting, WhoWaits,
};
pub use status::{RunRecord, Status};
pub use trace::Trace;
pub use warmth::Warmth;
