//! One job, from its submission until nothing of it is left.
//!
//! Whatever the controller does meanwhile: a submission that isn't answered may have happened, so the job is looked for by its
//! name; an order to end that isn't answered is given again; only Slurm's word that the job is over is an end.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_manager_policy::cluster::{
    JobEnd, JobFacts, JobFate, JobStage, JobState, SlurmRequest, Wait, YOUNG, next_glance, waits_for,
};
use tokio::sync::{Notify, watch};

use crate::commands;
use crate::parse::{self, JobRow};
use crate::poller::{JobObservation, JobRegistration, PAUSE, Poller};
use crate::records::{ENVIRONMENT, JobRecord, LISTENS, OUTPUT, SCRIPT};
use crate::tools::{ToolError, Tools};
use crate::wrapper;
use llm_manager_process::far::{Folder, Wish, aside};

/// Between two orders to end that weren't obeyed.
const AGAIN: Duration = Duration::from_secs(5);
/// Between two looks for a submission whose answer was lost.
const LOOK_FOR: Duration = Duration::from_secs(2);
/// Between two looks at a closed fence.
const FENCED: Duration = Duration::from_millis(100);
/// So often in a row a job must be missing until it is taken for gone.
const MISSES: u32 = 2;
/// Two ends of a time limit that are no further apart are one.
const SAME_END: Duration = Duration::from_secs(3);

/// Where a job serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobAddress {
    /// The node's name.
    pub node: String,
    /// Its address, or a name that means it.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobView {
    /// `sbatch` has not answered yet; the words say why, if something is wrong.
    Submitting(Option<String>),
    /// It waits for its turn.
    Queued {
        /// For what.
        wait: Wait,
        /// When Slurm means to start it.
        start: Option<String>,
    },
    /// It has a node, and hasn't said where it will serve.
    Placing {
        /// The node.
        node: String,
    },
    /// It runs, and has said where it will serve.
    Placed(JobAddress),
    /// Nothing of it is left.
    Ended(JobEnd),
}

/// What makes Slurm be asked soon whether a job still serves.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    raised: Notify,
    told: Cell<bool>,
    /// When somebody who uses it had reason to.
    suspected: Cell<Option<Instant>>,
}

impl Doubts {
    /// Somebody has reason to.
    pub(crate) fn raise(&self) {
        self.raised.notify_one();
    }

    /// Whoever uses it has reason to.
    fn suspect(&self) {
        self.suspected.set(Some(Instant::now()));
        self.raise();
    }

    /// Somebody had a short time ago.
    pub(crate) fn is_suspected(&self) -> bool {
        self.suspected.get().is_some_and(|since| since.elapsed() < YOUNG)
    }

    /// Slurm has written that the job is being ended.
    pub(crate) fn tell(&self) {
        self.told.set(true);
        self.raise();
    }
}

/// The handle of a job. Dropping it ends the job.
#[derive(Debug)]
pub struct Job {
    pub(crate) name: String,
    pub(crate) id: watch::Receiver<Option<u64>>,
    pub(crate) view: watch::Receiver<JobView>,
    pub(crate) ends: watch::Receiver<Option<Instant>>,
    pub(crate) wish: watch::Sender<Wish>,
    pub(crate) doubts: Rc<Doubts>,
    pub(crate) released: Rc<Notify>,
    pub(crate) output: PathBuf,
    /// The folder of its files on its node, if the node shares none with us: its output is there.
    pub(crate) nook: Option<String>,
    pub(crate) leaves: watch::Receiver<Option<Arc<str>>>,
    pub(crate) key: String,
}

impl Job {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Slurm's number for it, once it has one.
    pub fn id(&self) -> Option<u64> {
        *self.id.borrow()
    }

    /// How it stands, and what becomes of it.
    pub fn view(&self) -> watch::Receiver<JobView> {
        self.view.clone()
    }

    /// When its time limit is over, once it runs and as far as it has one. Whoever may change the limit changes this.
    pub fn ends(&self) -> watch::Receiver<Option<Instant>> {
        self.ends.clone()
    }

    /// Whether it is being ended, and not by us: from then on it may finish what it has begun.
    pub fn leaves(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.leaves.clone()
    }

    /// The file that its output goes to, where the nodes share the state folder.
    pub fn output(&self) -> PathBuf {
        self.output.clone()
    }

    /// What its server wants to hear from those who ask it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Says that it may not serve any more: Slurm is asked soon.
    pub fn doubt(&self) {
        self.doubts.suspect();
    }

    /// Leaves it to another manager: nothing of it is touched any more, and its view is closed without an end.
    pub fn release(&self) {
        self.released.notify_one();
    }

    /// Wants more of it than before; less is not heard.
    pub fn wish(&self, wish: Wish) {
        wish.tell(&self.wish);
    }
}

/// Owns one job.
pub(crate) struct JobOwner {
    pub tools: Tools,
    pub poller: Poller,
    pub folder: Folder,
    pub record: JobRecord,
    pub ask: SlurmRequest,
    /// It was an earlier manager's. If its number isn't known, it may never have been submitted.
    pub adopted: bool,
    pub id: watch::Sender<Option<u64>>,
    pub view: watch::Sender<JobView>,
    pub ends: watch::Sender<Option<Instant>>,
    pub leaves: watch::Sender<Option<Arc<str>>>,
    pub doubts: Rc<Doubts>,
    pub released: Rc<Notify>,
    pub wish: watch::Receiver<Wish>,
}

impl JobOwner {
    pub(crate) async fn run(self) {
        let released = Rc::clone(&self.released);
        tokio::select! {
            // A release comes before the end of whoever held the job.
            biased;
            () = released.notified() => {}
            () = self.live() => {}
        }
    }

    async fn live(mut self) {
        let end = match self.number().await {
            Ok(id) => self.watch(id).await,
            Err(end) => end,
        };
        self.view.send_replace(JobView::Ended(end));
        // Its holder may still read what the job printed.
        while self.wish.changed().await.is_ok() {}
        let folder = self.folder.clone();
        // What can't be removed is found again by the next manager.
        let _ = aside(move || folder.remove()).await;
    }

    fn unsubmitted(fate: JobFate, sentence: String) -> JobEnd {
        JobEnd { fate, sentence }
    }

    /// The job's number: the record's, or that of a new submission.
    async fn number(&mut self) -> Result<u64, JobEnd> {
        if let Some(id) = self.record.id {
            return Ok(id);
        }
        let mut unsure = self.adopted;
        loop {
            if unsure {
                match self.look_for().await {
                    Some(Some(id)) => return self.numbered(id).await,
                    Some(None) => {}
                    None => continue,
                }
            }
            if self.adopted || Wish::heard(&self.wish) > Wish::Run {
                let words = "the job was not submitted: nobody wants it any more".to_owned();
                return Err(Self::unsubmitted(JobFate::Asked, words));
            }
            let (output, environment, script) =
                (self.folder.file(OUTPUT), self.folder.file(ENVIRONMENT), self.folder.file(SCRIPT));
            // Where the node shares nothing, the script itself opens a file for what it prints.
            let apart = self.record.nook.as_deref().and_then(|nook| Path::new(nook).parent());
            let (folder, output) = match apart {
                Some(folder) => (folder, Path::new("/dev/null")),
                None => (self.folder.path(), output.as_path()),
            };
            let files = commands::JobFiles { folder, output, environment: &environment, script: &script };
            match self.tools.run(&commands::submit(&self.record.name, &self.ask, &files)).await {
                Ok(text) => match parse::submitted(&text) {
                    Some(id) => return self.numbered(id).await,
                    None => self.doubt(format!("sbatch said: {}", text.trim())),
                },
                Err(error @ ToolError::Fenced { .. }) => {
                    // Nothing was submitted.
                    self.view.send_replace(JobView::Submitting(Some(error.to_string())));
                    tokio::time::sleep(FENCED).await;
                    continue;
                }
                Err(error @ ToolError::Unanswered { .. }) => self.doubt(error.to_string()),
                Err(error) => {
                    let fate = match error {
                        ToolError::Refused { .. } => JobFate::Refused,
                        _ => JobFate::NotLaunched,
                    };
                    return Err(Self::unsubmitted(fate, error.to_string()));
                }
            }
            unsure = true;
        }
    }

    fn doubt(&self, words: String) {
        log::warn!(
            "slurm/{}: it isn't known whether the job was submitted ({words}); looking for it",
            self.record.name
        );
        self.view.send_replace(JobView::Submitting(Some(words)));
    }

    async fn numbered(&mut self, id: u64) -> Result<u64, JobEnd> {
        self.record.id = Some(id);
        self.id.send_replace(Some(id));
        let (folder, record) = (self.folder.clone(), self.record.clone());
        // Without it the next manager finds the job by its name.
        let _ = aside(move || folder.write_record(&record)).await;
        Ok(id)
    }

    /// Whether a job of this name is there: `None` while the controller doesn't say.
    async fn look_for(&self) -> Option<Option<u64>> {
        // What is on its way to a controller that was busy may still be done.
        tokio::time::sleep(LOOK_FOR).await;
        let text = self.tools.run(&commands::own_jobs(Some(&self.record.name))).await.ok()?;
        let rows = parse::own_rows(&text);
        // Slurm keeps a job that it has refused, too.
        let found = rows.iter().find(|row| row.name == self.record.name && row.state != JobState::Failed);
        Some(found.map(|row| row.id))
    }

    /// From the queue to the end.
    async fn watch(&mut self, id: u64) -> JobEnd {
        let mut registration = self.poller.register(id);
        let mut round =
            Round { ran: false, told: None, misses: 0, looks: 0, last: None, since: Instant::now() };
        loop {
            let seen = registration.seen.borrow_and_update().clone();
            if let Some(end) = self.take(id, &mut round, seen, &registration).await {
                return end;
            }
            self.order(id, &mut round).await;
            if round.told.is_some() {
                registration.stage(JobStage::Leaving);
            }
            // The file tells where it is before the controller is asked again, and costs the controller nothing.
            let tick = match &*self.view.borrow() {
                JobView::Submitting(_) | JobView::Queued { .. } | JobView::Placing { .. }
                    if round.since.elapsed() < YOUNG =>
                {
                    next_glance(self.poller.placeless())
                }
                // Whatever happens to one that serves is told; only an order that wasn't obeyed is due again.
                JobView::Placed(_) => AGAIN,
                _ => Duration::from_secs(1),
            };
            tokio::select! {
                _ = registration.seen.changed() => {}
                changed = self.wish.changed() => if changed.is_err() {
                    // Nobody can wish any more, and it would be ready at once for ever.
                    tokio::time::sleep(PAUSE).await;
                },
                () = self.doubts.raised.notified() => if matches!(&*self.view.borrow(), JobView::Placed(_)) {
                    registration.stage(JobStage::Doubted);
                },
                () = tokio::time::sleep(tick) => {}
            }
            self.read_place(id, &mut round, &registration).await;
        }
    }

    /// Takes in what a look has shown.
    async fn take(
        &mut self,
        id: u64,
        round: &mut Round,
        seen: JobObservation,
        registration: &JobRegistration,
    ) -> Option<JobEnd> {
        if seen.looks == round.looks {
            return None;
        }
        round.looks = seen.looks;
        let Some(row) = seen.row else {
            round.misses += 1;
            let gone = round.misses >= MISSES;
            return if gone { Some(self.end(id, round).await) } else { None };
        };
        round.misses = 0;
        let state = row.state;
        if round.last.as_ref().is_none_or(|last| (last.state, &last.reason) != (state, &row.reason)) {
            round.since = Instant::now();
        }
        if state.is_over() || (round.ran && state.is_waiting()) {
            round.last = Some(row);
            if !state.is_over() {
                // It went back into the queue, which it was told not to. Its server is gone.
                let _ = self.tools.run(&commands::cancel(id)).await;
                round.told.get_or_insert((Wish::Run, Instant::now()));
                return None;
            }
            return Some(self.end(id, round).await);
        }
        if state.is_running() {
            round.ran = true;
            self.note_end(row.left);
            match wrapper::report(&row.comment, id) {
                Some(report) => {
                    round.last = Some(row);
                    self.placed(report, round, registration);
                    return None;
                }
                None if matches!(&*self.view.borrow(), JobView::Placed(_)) => {
                    registration.stage(JobStage::Serving);
                }
                None => self.placing(&row, registration),
            }
        } else if state == JobState::Completing && self.doubts.told.get() && round.told.is_none() {
            // One whose server has ended by itself looks the same, but for Slurm's word. How it ends comes when nothing of it is left.
            let why = format!("job {id} is being ended by Slurm, and not by this manager");
            self.leaves.send_if_modified(|old| old.replace(why.into()).is_none());
        } else if state.is_waiting() {
            let wait = match state {
                JobState::Configuring => Wait {
                    reason: "Configuring".to_owned(),
                    sentence: "its node is being prepared".to_owned(),
                    hopeless: false,
                },
                _ => waits_for(&row.reason),
            };
            self.show(JobView::Queued { wait, start: row.start.clone() });
        }
        round.last = Some(row);
        None
    }

    /// Slurm tells whole seconds, and an answer takes its time: a small difference is none.
    fn note_end(&self, left: Option<Duration>) {
        let new = left.map(|left| Instant::now() + left);
        self.ends.send_if_modified(|old| {
            let differs = match (*old, new) {
                (Some(old), Some(new)) => {
                    new.saturating_duration_since(old).max(old.saturating_duration_since(new)) > SAME_END
                }
                (old, new) => old.is_some() != new.is_some(),
            };
            if differs {
                *old = new;
            }
            differs
        });
    }

    fn show(&self, view: JobView) {
        self.view.send_if_modified(|old| {
            let changed = *old != view;
            *old = view;
            changed
        });
    }

    fn placing(&self, row: &JobRow, registration: &JobRegistration) {
        if !matches!(&*self.view.borrow(), JobView::Placed(_)) {
            registration.stage(JobStage::Placeless);
            self.show(JobView::Placing { node: row.node.clone() });
        }
    }

    fn placed(&self, report: wrapper::JobReport, round: &Round, registration: &JobRegistration) {
        // Until the controller has shown that it runs, it hasn't said either for how long.
        let shown = round.last.as_ref().is_some_and(|row| row.state.is_running());
        registration.stage(if shown { JobStage::Serving } else { JobStage::Placeless });
        self.show(JobView::Placed(JobAddress { node: report.node, host: report.host, port: report.port }));
    }

    /// The job may have written where it is before the controller shows that it runs.
    async fn read_place(&self, id: u64, round: &mut Round, registration: &JobRegistration) {
        if !matches!(
            &*self.view.borrow(),
            JobView::Queued { .. } | JobView::Placing { .. } | JobView::Submitting(_)
        ) {
            return;
        }
        let file = self.folder.file(LISTENS);
        let Ok(text) = aside(move || std::fs::read_to_string(file)).await else { return };
        if let Some(report) = wrapper::report(&text, id) {
            round.ran = true;
            self.placed(report, round, registration);
        }
    }

    /// Carries out what is wanted; again, while it isn't done.
    async fn order(&self, id: u64, round: &mut Round) {
        let wish = Wish::heard(&self.wish);
        let due = match round.told {
            None => wish > Wish::Run,
            Some((told, at)) => wish > told || at.elapsed() >= AGAIN && wish > Wish::Run,
        };
        if !due {
            return;
        }
        round.told = Some((wish, Instant::now()));
        if wish == Wish::Kill {
            // It is refused for a job that hasn't begun.
            let _ = self.tools.run(&commands::kill(id)).await;
        }
        if let Err(error) = self.tools.run(&commands::cancel(id)).await {
            log::warn!(
                "slurm/{}: job {id} could not be told to end: {error}; it is told again",
                self.record.name
            );
        }
    }

    /// How it ended.
    async fn end(&self, id: u64, round: &Round) -> JobEnd {
        // Somebody else was first: that we told it, too, doesn't count.
        let asked =
            matches!(round.told, Some((wish, _)) if wish > Wish::Run) && self.leaves.borrow().is_none();
        let node = round.last.as_ref().map(|row| row.node.clone()).unwrap_or_default();
        let shown = self.tools.run(&commands::show(id)).await.unwrap_or_default();
        let last = round.last.as_ref();
        let state =
            parse::field(&shown, "JobState").map(JobState::parse).or_else(|| last.map(|row| row.state));
        let state = state.filter(|state| state.is_over());
        let reason = parse::field(&shown, "Reason").or_else(|| last.map(|row| row.reason.as_str()));
        let facts = JobFacts {
            id,
            state,
            reason: reason.unwrap_or_default().to_owned(),
            exit: parse::exit_code(&shown),
            node,
            asked,
        };
        facts.end()
    }
}

/// What is remembered of a job between two looks.
struct Round {
    /// It has run.
    ran: bool,
    /// What it was told last, and when.
    told: Option<(Wish, Instant)>,
    misses: u32,
    looks: u64,
    last: Option<JobRow>,
    /// When its state or its reason to wait was last another one.
    since: Instant,
}
