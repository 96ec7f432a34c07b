//! Life: one value for all that belongs to one life of a backend, from the wish for memory until nothing is left.
//!
//! A life ends by being dropped, and everything in it puts itself away: the door shuts, the process ends, its books are
//! closed, what was spawned for it is cancelled. So a crash of the actor is an end like any other, and the next life begins
//! with nothing of the former one, because it is another value. What outlives a life is in `past`.

use super::lease::{BreakReason, RunGate};
use super::published::Published;
use super::start_trace::StartTrace;
use crate::billing;
use crate::memory::Holding;
use crate::probe::RemoteModel;
use actix::SpawnHandle;
use jiff::Timestamp;
use llm_manager_policy::ending::{EndCause, Signs};
use llm_manager_policy::gate::Word;
use llm_manager_policy::placement::DemandPriority;
use llm_manager_policy::queue::MadeRoom;
use llm_manager_process::Run;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The one timer of a model.
#[derive(Default)]
pub(super) struct Timer(pub(super) Option<SpawnHandle>);

/// One life. The order of the fields is that in which they go: first nobody is let in any more.
pub(super) struct Life {
    pub(super) serving: Option<Serving>,
    pub(super) run: Option<CurrentRun>,
    pub(super) ties: LifeScope,
    pub(super) epoch: u64,
    pub(super) grant: Grant,
    /// For whom memory was last demanded.
    pub(super) urgency: DemandPriority,
    /// When it was first wanted.
    pub(super) queued_at: Timestamp,
    /// It has had a process.
    pub(super) ran: bool,
    /// How its backend ended, in words.
    pub(super) exit: Option<String>,
    /// Its backend lacked memory.
    pub(super) out_of_memory: bool,
    /// The cluster has taken its place away, and why.
    pub(super) taken: Option<EndCause>,
    /// Nothing is heard of it at its address, and why.
    pub(super) unreachable: Option<Arc<str>>,
    /// Who was last said to need its memory.
    pub(super) evicted_for: Option<Arc<str>>,
    /// It was told to go, and whether it is enough that it sleeps.
    pub(super) leaving: Option<bool>,
    /// A client's wish for how long it stays without a lease.
    pub(super) kept_for: Option<Option<Duration>>,
    pub(super) sleep: SleepState,
}

impl Life {
    pub(super) fn new(epoch: u64, urgency: DemandPriority) -> Self {
        Self {
            serving: None,
            run: None,
            ties: LifeScope::default(),
            epoch,
            grant: Grant::default(),
            urgency,
            queued_at: Timestamp::now(),
            ran: false,
            exit: None,
            out_of_memory: false,
            taken: None,
            unreachable: None,
            evicted_for: None,
            leaving: None,
            kept_for: None,
            sleep: SleepState::default(),
        }
    }

    /// What is known of its end.
    pub(super) fn signs(&self) -> Signs {
        Signs {
            out_of_memory: self.out_of_memory,
            unreachable: self.unreachable.is_some(),
            taken: self.taken,
        }
    }
}

/// What ties the work that is spawned for a life to that life. It isn't a list of `SpawnHandle`s, for those can only be
/// cancelled by somebody who has the actor's context, and a drop has none.
#[derive(Default)]
pub(super) struct LifeScope(CancellationToken);

impl LifeScope {
    pub(super) fn token(&self) -> CancellationToken {
        self.0.clone()
    }
}

impl Drop for LifeScope {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The door of a backend that serves, or has, for as long as the world may know it.
pub(super) struct Serving {
    face: Arc<Published>,
    pub(super) door: Arc<RunGate>,
    /// What the gate was when it was last looked at.
    pub(super) seen: Word,
    /// It is being asked whether it still serves.
    pub(super) checking: bool,
}

impl Serving {
    /// Shows the door to the world.
    pub(super) fn new(face: &Arc<Published>, door: RunGate) -> Self {
        let door = Arc::new(door);
        face.door.store(Some(Arc::clone(&door)));
        Self { face: Arc::clone(face), door, seen: Word::CLOSED, checking: false }
    }
}

impl Drop for Serving {
    /// Leases that are still held keep the door alive; nobody must find it open.
    fn drop(&mut self) {
        self.face.door.store(None);
        self.door.gate.close();
        self.door.break_leases(BreakReason::BackendGone);
    }
}

/// A run of a launcher, whose processes the world may count as long as it is here.
pub(super) struct Process {
    face: Arc<Published>,
    run: Box<dyn Run>,
}

impl Process {
    pub(super) fn new(face: &Arc<Published>, run: Box<dyn Run>) -> Self {
        face.members.store(Some(Arc::new(run.members())));
        Self { face: Arc::clone(face), run }
    }
}

impl Deref for Process {
    type Target = dyn Run;

    fn deref(&self) -> &Self::Target {
        &*self.run
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.face.members.store(None);
    }
}

/// What is known of what was launched.
pub(super) struct CurrentRun {
    /// `None`: the launch has not come to one yet.
    pub(super) process: Option<Process>,
    /// `None`: not opened yet, as long as there is no process.
    pub(super) books: Option<billing::OpenRun>,
    /// Its number in the ledger, and in the names of its logs.
    pub(super) id: i64,
    /// Who began it, as the ledger keeps it.
    pub(super) started_by: Arc<str>,
    pub(super) started_at: Timestamp,
    pub(super) launched: Duration,
    pub(super) ready_at: Option<Timestamp>,
    pub(super) ready_moment: Option<Duration>,
    pub(super) variant: Arc<str>,
    pub(super) pid: Option<u32>,
    pub(super) port: Option<u16>,
    /// Where it is, if not on this machine.
    pub(super) place: Option<Arc<str>>,
    /// When that is over, as far as it is known.
    pub(super) ends: Option<Duration>,
    /// What its start or its waking is waiting for.
    pub(super) waits_for: Option<Arc<str>>,
    /// It has no place yet, and why.
    pub(super) queued_there: Option<Arc<str>>,
    /// The name that the probe has found.
    pub(super) served_name: Option<Arc<str>>,
    /// It is another manager, which can say what its model does.
    pub(super) manager_there: bool,
    /// What it says, while requests wait for it.
    pub(super) state_there: Option<RemoteModel>,
    pub(super) trace: StartTrace,
    /// The trace is in the log.
    pub(super) traced: bool,
}

impl CurrentRun {
    /// Its number, once its books are open.
    pub(super) fn booked(&self) -> Option<i64> {
        self.books.as_ref().map(billing::OpenRun::id)
    }
}

/// The Scheduler's answer to the demand of a life.
#[derive(Default)]
pub(super) struct Grant {
    /// Position among the variants.
    pub(super) variant: usize,
    /// What is reserved; `None` without a Scheduler.
    pub(super) holding: Option<Holding>,
    /// Variables that tell the backend which cards it may see.
    pub(super) visible: Vec<(String, String)>,
    /// Why this variant.
    pub(super) why: Option<Arc<str>>,
    /// When those that went for it were gone, and when their memory was free.
    pub(super) made_room: Option<MadeRoom>,
}

/// How a life sleeps.
#[derive(Default)]
pub(super) struct SleepState {
    /// Counts its wakes.
    pub(super) turn: u64,
    /// When it was last begun to be sent to sleep, or woken.
    pub(super) began: Duration,
    /// The processes of which the driver holds the CUDA state; `Some`: they can't end by themselves.
    pub(super) frozen: Option<Vec<u32>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spawned_for_a_life_ends_with_it() {
        let life = Life::new(1, DemandPriority::default());
        let tie = life.ties.token();
        assert!(!tie.is_cancelled());
        drop(life);
        assert!(tie.is_cancelled());
    }
}
