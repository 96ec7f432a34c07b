//! One question for all jobs: `squeue`, as often as `policy::cluster` allows, and not at all while there is no job.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use llm_manager_policy::cluster::{JobStage, LastPoll, QUICK, WatchedJob, YOUNG, next_look};
use tokio::sync::{Notify, watch};

use crate::commands;
use crate::parse::{self, JobRow};
use crate::step_turns::StepTurns;
use crate::tools::{ToolError, Tools};

/// What the last look showed of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JobObservation {
    /// How many looks have shown something, be it that the job isn't there.
    pub looks: u64,
    /// `None`: it isn't among the jobs that Slurm knows.
    pub row: Option<JobRow>,
}

struct Entry {
    stage: JobStage,
    since: Instant,
    seen: watch::Sender<JobObservation>,
}

struct Shared {
    tools: Tools,
    turns: Rc<StepTurns>,
    jobs: RefCell<BTreeMap<u64, Entry>>,
    wake: Notify,
    away: watch::Sender<Option<String>>,
}

/// Asks the controller about all jobs. Dropping the last handle ends it.
#[derive(Clone)]
pub(crate) struct Poller(Rc<Shared>);

/// A job is asked about as long as this is held.
pub(crate) struct JobRegistration {
    id: u64,
    shared: Rc<Shared>,
    pub seen: watch::Receiver<JobObservation>,
}

impl JobRegistration {
    /// What the job waits for now; it may be about to change.
    pub(crate) fn stage(&self, stage: JobStage) {
        if let Some(entry) = self.shared.jobs.borrow_mut().get_mut(&self.id)
            && entry.stage != stage
        {
            // A doubt isn't over with the first look: a node may be away that Slurm still believes in.
            if (entry.stage, stage) == (JobStage::Doubted, JobStage::Serving) && entry.since.elapsed() < YOUNG
            {
                return;
            }
            (entry.stage, entry.since) = (stage, Instant::now());
            self.shared.wake.notify_one();
        }
    }
}

impl Drop for JobRegistration {
    fn drop(&mut self) {
        self.shared.jobs.borrow_mut().remove(&self.id);
    }
}

impl Poller {
    /// How many jobs are waited for, and haven't told where they serve.
    pub(crate) fn placeless(&self) -> usize {
        let waits = |entry: &&Entry| matches!(entry.stage, JobStage::Waiting | JobStage::Placeless);
        self.0.jobs.borrow().values().filter(waits).count()
    }

    /// Must be called where tasks of this thread can be spawned.
    pub(crate) fn new(tools: Tools, turns: Rc<StepTurns>) -> Self {
        let shared = Rc::new(Shared {
            tools,
            turns,
            jobs: RefCell::default(),
            wake: Notify::new(),
            away: watch::Sender::new(None),
        });
        tokio::task::spawn_local(run(Rc::downgrade(&shared)));
        Self(shared)
    }

    /// Asks about this job from now on.
    pub(crate) fn register(&self, id: u64) -> JobRegistration {
        let (sender, seen) = watch::channel(JobObservation::default());
        let entry = Entry { stage: JobStage::Waiting, since: Instant::now(), seen: sender };
        self.0.jobs.borrow_mut().insert(id, entry);
        self.0.wake.notify_one();
        JobRegistration { id, shared: Rc::clone(&self.0), seen }
    }

    /// Why the controller doesn't answer, while it doesn't.
    pub(crate) fn away(&self) -> watch::Receiver<Option<String>> {
        self.0.away.subscribe()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

/// How long a look is put off when nobody asks: the task has to see that it isn't needed any more.
const IDLE: Duration = Duration::from_secs(1);

async fn run(shared: Weak<Shared>) {
    let mut last = LastPoll::default();
    let mut ended = Instant::now();
    loop {
        let Some(here) = shared.upgrade() else { return };
        let stages: Vec<WatchedJob> = here
            .jobs
            .borrow()
            .values()
            .map(|entry| WatchedJob { stage: entry.stage, unchanged: entry.since.elapsed() })
            .collect();
        let pause = next_look(stages, last, here.turns.is_behind())
            .map(|pause| pause.saturating_sub(ended.elapsed()));
        match pause {
            Some(Duration::ZERO) => {}
            pause => {
                // A change may make the next look due earlier; without handles the task ends.
                let pause = pause.unwrap_or(IDLE).min(IDLE);
                let _ = tokio::time::timeout(pause, here.wake.notified()).await;
                continue;
            }
        }
        let began = Instant::now();
        here.turns.looked();
        let ids: Vec<u64> = here.jobs.borrow().keys().copied().collect();
        let looked = look(&here.tools, &ids).await;
        ended = Instant::now();
        let took = ended.duration_since(began);
        match looked {
            Ok(rows) => {
                last = LastPoll { took, failures: 0 };
                here.away.send_if_modified(|away| away.take().is_some());
                here.tell(&ids, rows);
            }
            Err(error) => {
                last = LastPoll { took, failures: last.failures.saturating_add(1) };
                let words = error.to_string();
                here.away.send_if_modified(|away| away.replace(words.clone()).as_ref() != Some(&words));
            }
        }
    }
}

async fn look(tools: &Tools, ids: &[u64]) -> Result<Vec<JobRow>, ToolError> {
    match tools.run(&commands::look(ids)).await {
        Ok(text) => Ok(parse::rows(&text)),
        // So it says if it knows none of them.
        Err(ToolError::Refused { words, .. }) if parse::is_unknown_job(&words) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

impl Shared {
    fn tell(&self, asked: &[u64], rows: Vec<JobRow>) {
        let mut rows: BTreeMap<u64, JobRow> = rows.into_iter().map(|row| (row.id, row)).collect();
        let mut jobs = self.jobs.borrow_mut();
        for id in asked {
            let Some(entry) = jobs.get_mut(id) else { continue };
            let row = rows.remove(id);
            let before = entry.seen.borrow().row.as_ref().map(|row| (row.state, row.reason.clone()));
            let now = row.as_ref().map(|row| (row.state, row.reason.clone()));
            if before != now && entry.stage == JobStage::Waiting {
                entry.since = Instant::now();
            }
            entry.seen.send_modify(|seen| *seen = JobObservation { looks: seen.looks + 1, row });
        }
    }
}

/// For those who ask the controller something by themselves, one after the other.
pub(crate) const PAUSE: Duration = QUICK;
