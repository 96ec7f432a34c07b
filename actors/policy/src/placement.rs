//! Placement: which variant of a model goes on which devices, and who has to go for it.
//!
//! `decide` is the whole of it: variants in order of priority, each judged against what the devices have
//! free now (`room`), what they would have without idle models (`victims`) and without busy ones. `explain`
//! says the same in sentences. Nothing here asks twice or remembers: that is `queue`.
//!
//! - *Fits*: what is free suffices.
//! - *Evict*: it suffices once these idle models are gone: enough, none of them dispensable, at least cost.
//!   One that can sleep gives up less, and is back sooner: it is parked where that frees enough (`asleep`).
//! - *Wait*: it suffices once somebody who may not be stopped now is gone.
//! - *Never*: not even then.
//!
//! A variant that can be had by evicting goes before a lower one that fits, unless `Prefer::Resident`; one
//! that has to wait goes behind any that needn't.

mod assignment;
mod capacity;
mod cost;
mod decide;
mod explain;
mod parking;
mod victims;
mod without_scheduler;
mod world;

pub use crate::spec::HoldTime;
pub use capacity::stop_cost;
pub use cost::{eviction_cost, guessed_reload};
pub use decide::{claims, decide, make_way, room, unexplained};
pub use explain::{Explanation, MemoryHolder, MissingMemory, Paused, VariantExplanation, explain};
pub use without_scheduler::{RETRY_ADDRESS, alone};
pub use world::{
    BlockReason, Blocker, Decision, Demand, DemandPriority, DeviceAllocation, HeldPart, ModelName, Need,
    Never, ParkedMemory, PlacementSettings, Prefer, Resident, ResidentState, Tenure, UserClasses, Variant,
    World,
};
