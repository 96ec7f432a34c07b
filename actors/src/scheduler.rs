//! Scheduler: the only writer of memory reservations.
//!
//! `llm_manager_policy::queue` decides; this actor shows it the models and the devices before each step, and
//! carries the effects out: it tells Models that they may start, that they can't, or that they should go.
//! Models never wait for it, and it never waits for a Model: all of this is told, nothing is asked.

mod actor;
mod estimates;
mod estimating;
mod measured;
mod messages;
mod parked_models;
mod pauses;
mod view;

pub use actor::{Scheduler, SchedulerScope, Setup};
pub use estimates::VariantMemory;
pub use estimating::ExplainMemory;
pub use measured::{Measured, ModelMeasured};
pub use messages::{Explain, Explained, ModelCrashed, PauseDevices, Reservations};
pub use pauses::Pauses;
pub use view::snapshot;
