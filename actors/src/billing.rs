//! Billing: serialises all writing to the ledger, so that no request ever waits for it.
//!
//! `Ledger` is the handle of those who have something to record: it prices a request from a snapshot of the
//! plans and puts it into a bounded queue that outlives the actor. The actor takes batches from the queue and
//! has one at a time written by a thread of its own. When the database is slow, locked, frozen or full, rows go
//! to the overflow file instead, which is played back later; every row has a key, so nothing counts twice.

mod actor;
mod borrowed_run;
mod config_plans;
mod database_thread;
mod handle;
mod job_messages;
mod jobs;
mod lost_events;
mod maintenance;
mod overflow;
mod prices;
mod rejected;
mod replay;
mod run;
mod start;
#[cfg(test)]
mod tests;
mod work;

pub use actor::{Billing, CloseLedger, Flush};
pub use handle::{Ledger, LedgerStatus};
pub use jobs::{DeleteModel, ReadPrices, RenameModel, SetPlan};
pub use maintenance::{Replayed, replay_rejected, retain_now};
pub use prices::Prices;
pub use run::{OpenRun, RunEnd, RunStart};
pub use start::{BillingSettings, start};
