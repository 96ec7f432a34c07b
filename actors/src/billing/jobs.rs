//! What is done to the ledger besides adding rows: price plans, deletion, renaming, retention, heartbeats.
//! Long ones go in steps, between batches.

use super::handle::Core;
use actix::Message;
use llm_manager_ledger::{
    Deleted, JobProgress, Micros, PlanSource, RenameResult, StoreError, Writer, now_us,
};
use llm_manager_policy::clock;
use llm_manager_policy::pricing::Plan;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Sets a model's plan; answers its number when it is in force (or will be, from `valid_from` on).
#[derive(Message)]
#[rtype(result = "Result<i64, StoreError>")]
pub struct SetPlan {
    /// The model's name.
    pub model: Arc<str>,
    /// `None`: from then on there is no price.
    pub plan: Option<Plan>,
    /// `None`: from now on.
    pub valid_from: Option<Micros>,
    /// Who sets it.
    pub source: PlanSource,
}

/// Deletes a model's requests, runs and rollups; answers when they are out of all reports.
#[derive(Message)]
#[rtype(result = "Result<Deleted, StoreError>")]
pub struct DeleteModel {
    /// The model's name.
    pub model: String,
    /// It is in the configuration: its plans and its open run stay.
    pub configured: bool,
}

/// Gives a model another name in all of its history.
#[derive(Message)]
#[rtype(result = "Result<RenameResult, StoreError>")]
pub struct RenameModel {
    /// The name in the ledger.
    pub old: String,
    /// The name from now on.
    pub new: String,
    /// If the new name has data already, both become one; without this, that is refused.
    pub merge: bool,
}

/// Reads the prices once more: another manager of the same ledger has changed them.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ReadPrices;

/// Where the answer goes.
pub(super) type JobReply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A job in the actor's queue.
pub(super) enum LedgerJob {
    SetPlan(SetPlan, JobReply<i64>),
    Delete(DeleteModel, JobReply<Deleted>),
    Rename(RenameModel, JobReply<RenameResult>),
    Sweep,
    /// Rows that are this many days old.
    RetainDays(u32),
    Retain(Micros),
    Vacuum,
    Heartbeat,
    Prices,
}

/// The job to go on with, if there is one; after a failure, to be tried again later.
pub(super) type JobStep = Result<Option<LedgerJob>, (StoreError, Option<LedgerJob>)>;

/// Nobody waits for the answer any more: that changes nothing.
fn answer<T>(reply: JobReply<T>, result: Result<T, StoreError>) -> Result<(), StoreError> {
    let trouble = match &result {
        Ok(_) | Err(StoreError::Refused(_) | StoreError::Conflict(_)) => Ok(()),
        Err(error) => Err(error.clone()),
    };
    let _ = reply.send(result);
    trouble
}

/// What is old enough to go. A clock that has jumped ahead deletes nothing: only time that was seen passing counts.
fn cutoff(writer: &mut Writer, days: u32, now: Micros) -> Result<Micros, StoreError> {
    let seen = writer.time_seen(now)?;
    let (wanted, allowed) = (clock::cutoff(now, now, days), clock::cutoff(seen, now, days));
    if allowed < wanted && writer.has_rows(Micros::MIN, wanted)? {
        log::warn!(
            "billing: some rows are older than {days} days by the system's clock, but the manager has not seen that much \
             time pass; they are kept. If the clock is right, `llm-manager ledger retain --now` deletes them"
        );
    }
    Ok(allowed)
}

impl LedgerJob {
    /// The same once more, if it was given up: those that nobody waits for.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::Sweep => Some(Self::Sweep),
            Self::RetainDays(days) => Some(Self::RetainDays(*days)),
            Self::Retain(cutoff) => Some(Self::Retain(*cutoff)),
            Self::Vacuum => Some(Self::Vacuum),
            Self::Prices => Some(Self::Prices),
            Self::SetPlan(..) | Self::Delete(..) | Self::Rename(..) | Self::Heartbeat => None,
        }
    }

    /// Does a step of it. Who waits for an answer gets it now; the rest is tried again.
    pub(super) fn step(self, writer: &mut Writer, core: &Core) -> JobStep {
        let now = now_us();
        let none = |error| (error, None);
        match self {
            Self::SetPlan(set, reply) => {
                let from = set.valid_from.unwrap_or(now);
                let done = writer.set_plan(&set.model, set.plan.as_ref(), from, now, set.source);
                let done = in_force(core, writer, done);
                answer(reply, done).map(|()| None).map_err(none)
            }
            Self::Delete(delete, reply) => {
                let done = writer.delete_model(&delete.model, delete.configured, now);
                let done = in_force(core, writer, done);
                let next = done.is_ok().then_some(Self::Sweep);
                answer(reply, done).map(|()| next).map_err(none)
            }
            Self::Rename(rename, reply) => {
                let done = writer.rename_model(&rename.old, &rename.new, rename.merge, now);
                let done = in_force(core, writer, done);
                answer(reply, done).map(|()| None).map_err(none)
            }
            Self::Sweep => repeat(writer.sweep(), Self::Sweep, Some(Self::Vacuum)),
            Self::RetainDays(days) => match cutoff(writer, days, now) {
                Ok(cutoff) => Self::Retain(cutoff).step(writer, core),
                Err(error) => Err((error, Some(Self::RetainDays(days)))),
            },
            Self::Retain(cutoff) => repeat(writer.retain(cutoff), Self::Retain(cutoff), Some(Self::Vacuum)),
            Self::Vacuum => repeat(writer.vacuum(), Self::Vacuum, None),
            Self::Prices => {
                core.load_prices(writer).map(|()| None).map_err(|error| (error, Some(Self::Prices)))
            }
            // The next one is not far.
            Self::Heartbeat => core.beat(writer).map(|()| None).map_err(none),
        }
    }

    /// The ledger could not even be opened.
    pub(super) fn failed(self, error: StoreError) -> JobStep {
        match self {
            Self::SetPlan(_, reply) => {
                answer(reply, Err(error)).map(|()| None).map_err(|error| (error, None))
            }
            Self::Delete(_, reply) => answer(reply, Err(error)).map(|()| None).map_err(|error| (error, None)),
            Self::Rename(_, reply) => answer(reply, Err(error)).map(|()| None).map_err(|error| (error, None)),
            Self::Heartbeat => Err((error, None)),
            other => Err((error, Some(other))),
        }
    }
}

/// Before anybody hears that plans have changed, requests are priced by them.
fn in_force<T>(core: &Core, writer: &mut Writer, done: Result<T, StoreError>) -> Result<T, StoreError> {
    done.and_then(|value| core.load_prices(writer).map(|()| value))
}

fn repeat(step: Result<JobProgress, StoreError>, again: LedgerJob, then: Option<LedgerJob>) -> JobStep {
    match step {
        Ok(JobProgress::More) => Ok(Some(again)),
        Ok(JobProgress::Done) => Ok(then),
        Err(error) => Err((error, Some(again))),
    }
}
