//! What the actor has done off the async threads: one piece of work at a time, with the writer in its hands.

use super::handle::{Batch, Core};
use super::jobs::Job;
use super::replay::Replay;
use llm_manager_ledger::{Step, StoreError, Writer, Written, now_us};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// One piece of work.
pub(super) enum Work {
    /// Writes the next batch into the ledger, or else into the overflow file.
    Flush,
    /// Writes the next batch into the overflow file at once.
    Spill,
    /// Plays back some of the overflow file.
    Replay(Replay),
    /// A step of a job.
    Job(Job),
    /// The last piece of all.
    Close,
}

/// What comes back from it.
pub(super) struct Done {
    /// The connection, unless it has to be opened anew.
    pub(super) writer: Option<Writer>,
    /// The job or the replay, if it is not finished.
    pub(super) again: Option<Work>,
    /// Why the ledger could not be written.
    pub(super) trouble: Option<StoreError>,
    /// The ledger was written, so it can be.
    pub(super) proved: bool,
    /// Nothing could be written anywhere: the batch is still in memory.
    pub(super) stuck: bool,
}

/// Does it. Blocks.
pub(super) fn perform(core: &Core, writer: Option<Writer>, work: Work) -> Done {
    let proved = !matches!(work, Work::Spill);
    let mut done = Done { writer, again: None, trouble: None, proved, stuck: false };
    let result = match work {
        Work::Flush => flush(core, &mut done),
        Work::Spill => {
            if let Some(batch) = core.next_batch() {
                spill(core, &mut done, &batch);
            }
            Ok(())
        }
        Work::Replay(replay) => step_replay(core, &mut done, replay),
        Work::Job(job) => step_job(core, &mut done, job),
        Work::Close => close(core, &mut done),
    };
    if let Err(error) = result {
        // Locked is no fault of the connection.
        if !matches!(error, StoreError::Locked(_) | StoreError::Refused(_)) {
            done.writer = None;
        }
        core.counters.failures.fetch_add(1, Ordering::Relaxed);
        done.proved = false;
        done.trouble = Some(error);
    }
    done
}

fn writer<'a>(core: &Core, done: &'a mut Done) -> Result<&'a mut Writer, StoreError> {
    let writer = match done.writer.take() {
        Some(writer) => writer,
        None => Writer::open(&core.location)?,
    };
    Ok(done.writer.insert(writer))
}

fn count(core: &Core, written: Written) {
    core.counters.written.fetch_add(written.requests as u64, Ordering::Relaxed);
    core.counters.duplicates.fetch_add(written.duplicates as u64, Ordering::Relaxed);
}

fn flush(core: &Core, done: &mut Done) -> Result<(), StoreError> {
    let Some(batch) = core.next_batch() else { return Ok(()) };
    // Set before the try: if this breaks off, the next one has to look whether it was written.
    let tried = batch.tried.swap(true, Ordering::AcqRel);
    let written = writer(core, done).and_then(|writer| writer.write(&batch.events, tried));
    match written {
        Ok(written) => {
            count(core, written);
            core.batch_done(&batch);
            Ok(())
        }
        Err(error) => {
            spill(core, done, &batch);
            Err(error)
        }
    }
}

/// Writes the batch to the overflow file.
fn spill(core: &Core, done: &mut Done, batch: &Arc<Batch>) {
    match core.overflow.many(&batch.events) {
        Ok(()) => core.batch_done(batch),
        Err(error) => {
            done.stuck = true;
            core.last_error.store(Some(Arc::new(format!("the overflow file: {error}"))));
        }
    }
}

fn step_replay(core: &Core, done: &mut Done, mut replay: Replay) -> Result<(), StoreError> {
    let stepped = writer(core, done).and_then(|writer| replay.step(core, writer));
    let (written, step) = match stepped {
        Ok(stepped) => stepped,
        Err(error) => {
            done.again = Some(Work::Replay(replay));
            return Err(error);
        }
    };
    count(core, written);
    core.counters.replayed.fetch_add(written.requests as u64, Ordering::Relaxed);
    if step == Step::More {
        done.again = Some(Work::Replay(replay));
    }
    Ok(())
}

fn step_job(core: &Core, done: &mut Done, job: Job) -> Result<(), StoreError> {
    let stepped = match writer(core, done) {
        Ok(writer) => job.step(writer, core),
        Err(error) => job.failed(error),
    };
    match stepped {
        Ok(next) => {
            done.again = next.map(Work::Job);
            Ok(())
        }
        Err((error, next)) => {
            done.again = next.map(Work::Job);
            Err(error)
        }
    }
}

/// Everything that is still there goes somewhere safe.
fn close(core: &Core, done: &mut Done) -> Result<(), StoreError> {
    let mut trouble = None;
    while core.in_flight.load().is_some() || !core.take.is_empty() {
        match (&trouble, core.next_batch()) {
            (Some(_), Some(batch)) => spill(core, done, &batch),
            _ => trouble = flush(core, done).err(),
        }
        if done.stuck {
            break;
        }
    }
    if let Some(error) = trouble {
        return Err(error);
    }
    let writer = writer(core, done)?;
    writer.end_program(core.program_run, now_us())?;
    writer.checkpoint()
}
