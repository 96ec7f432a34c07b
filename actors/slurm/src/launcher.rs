//! The place of jobs: a launcher whose runs are jobs of the cluster.

use crate::end_notice::EndNotice;
use crate::fingerprint::fingerprint;
use crate::job::{Job, JobView};
use crate::nodes::{self, Owners, Watching};
use crate::records::JobRecord;
use crate::slurm::{self, JobOrder, Slurm};
use crate::step::IsFollowed;
use crate::tools::Tools;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use llm_manager_policy::cluster::SlurmRequest;
use llm_manager_policy::spec::Place as SpecPlace;
use llm_manager_process::far::{self, Attended, Fence, Likeness, Means, Wish};
use llm_manager_process::{
    AlreadyKept, BackendAddress, ExitReport, FarOutput, LaunchError, LaunchOrder, Launcher, OutputSink,
    PlacementState, Run, Tail,
};
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, watch};

const SUBMITTING: &str = "the job is being submitted";

/// Starts backends as jobs. Nothing of Slurm is touched before the first of them.
#[derive(Clone)]
pub struct SlurmLauncher(Rc<Shared>);

struct Shared {
    state_dir: PathBuf,
    output: Rc<dyn OutputSink>,
    slurm: OnceCell<Slurm>,
    fence: Fence,
    /// Names of jobs that somebody here holds, with their models.
    held: Rc<RefCell<BTreeMap<String, String>>>,
}

impl SlurmLauncher {
    /// `state_dir` is where the files of jobs are, on a disk that the nodes share; whoever is `watching` sees the cluster's nodes; nothing is
    /// submitted or ended while the `fence` is closed. Must be
    /// called where tasks of this thread can be spawned.
    pub fn new(state_dir: PathBuf, output: Rc<dyn OutputSink>, watching: Watching, fence: Fence) -> Self {
        let held: Rc<RefCell<BTreeMap<String, String>>> = Rc::default();
        let owners: Rc<Owners> = {
            let held = Rc::clone(&held);
            Rc::new(move |job: &str| held.borrow().get(job).cloned())
        };
        tokio::task::spawn_local(nodes::run(Tools::new(None), owners, watching));
        Self(Rc::new(Shared { state_dir, output, slurm: OnceCell::new(), fence, held }))
    }

    async fn slurm(&self) -> std::io::Result<Slurm> {
        if let Some(slurm) = self.0.slurm.get() {
            return Ok(slurm.clone());
        }
        let opened = Slurm::open_beside(self.0.state_dir.clone(), self.0.fence.clone()).await?;
        // Two may have come at once.
        Ok(self.0.slurm.get_or_init(|| opened).clone())
    }

    /// What jobs an earlier manager of this state folder left: the models that have one. Those of models that aren't `known` are
    /// told to end, as are jobs without files.
    pub async fn take_stock(&self, known: impl Fn(&str) -> bool) -> Vec<String> {
        if !self.0.state_dir.join("slurm").is_dir() {
            return Vec::new();
        }
        let Ok(slurm) = self.slurm().await else { return Vec::new() };
        let records = slurm.records().await.unwrap_or_default();
        let names: BTreeSet<String> = records.iter().map(|record| record.name.clone()).collect();
        let mut models = Vec::new();
        for record in records {
            if known(&record.model) {
                models.push(record.model);
            } else {
                self.end(&slurm, record).await;
            }
        }
        let orphans = slurm.jobs().await.unwrap_or_default();
        for job in orphans.into_iter().filter(|job| job.ours && !names.contains(&job.name)) {
            if self.0.held.borrow().contains_key(&job.name) {
                continue;
            }
            log::warn!(
                "slurm: job {} ({}) is of this manager, and nothing is known of it: it is ended",
                job.id,
                job.name
            );
            let _ = slurm.cancel(job.id).await;
        }
        models.dedup();
        models
    }

    /// Ends a job that nobody wants any more.
    async fn end(&self, slurm: &Slurm, record: JobRecord) {
        let (name, model) = (record.name.clone(), record.model.clone());
        if self.0.held.borrow_mut().insert(name.clone(), model.clone()).is_some() {
            return;
        }
        log::info!(
            "models/{model}: the job {name} of an earlier manager is ended: nothing here wants it as it is"
        );
        // Dropped, it is killed.
        if let Ok(job) = slurm.adopt(record).await {
            job.wish(Wish::Terminate);
            tokio::task::spawn_local(async move {
                let _ = job.view().wait_for(|view| matches!(view, JobView::Ended(_))).await;
            });
        }
    }

    /// A job for this order: that of an earlier manager, if it was launched in the same way, or a new one.
    async fn job(&self, order: &LaunchOrder, ask: &SlurmRequest) -> std::io::Result<(Job, bool)> {
        let slurm = self.slurm().await?;
        let sent = slurm::sent(&order.launch, ask).await?;
        let fingerprint = fingerprint(order, ask, sent.as_ref());
        let mut adopted = None;
        for mut record in slurm.records().await? {
            if record.model != order.model || self.0.held.borrow().contains_key(&record.name) {
                continue;
            }
            let likeness = fingerprint.likeness(&record.launch);
            let fits = record.variant == order.variant && record.nook.is_some() == ask.node_folder.is_some();
            if adopted.is_none() && fits && likeness != Likeness::Other {
                self.0.held.borrow_mut().insert(record.name.clone(), record.model.clone());
                if likeness == Likeness::Unknown {
                    far::tell_unknown(&record.model, &format!("job {}", record.name));
                    record.launch = fingerprint.as_str().to_owned();
                    // What can't be noted is told once more by the next manager.
                    let _ = slurm.note(&record).await;
                }
                adopted = slurm.adopt(record).await.ok();
            } else {
                self.end(&slurm, record).await;
            }
        }
        if let Some(job) = adopted {
            log::info!("models/{}: takes over the job {} of an earlier manager", order.model, job.name());
            return Ok((job, true));
        }
        let job = slurm
            .submit(JobOrder {
                model: order.model.clone(),
                known_as: order.known_as.clone(),
                variant: order.variant.clone(),
                run: order.run,
                fingerprint: fingerprint.as_str().to_owned(),
                ask: ask.clone(),
                launch: order.launch.clone(),
                sent,
                working_dir: order.working_dir.clone(),
                env: order.env.clone(),
                port: order.port,
            })
            .await?;
        self.0.held.borrow_mut().insert(job.name().to_owned(), order.model.clone());
        Ok((job, false))
    }

    async fn start(
        self,
        order: LaunchOrder,
        slot: OwnedSemaphorePermit,
    ) -> Result<Box<dyn Run>, LaunchError> {
        let shown = order.place.to_string();
        let cannot = |why: String| LaunchError::NoWay { place: shown.clone(), why };
        let SpecPlace::Slurm(ask) = &order.place else { return Err(cannot("it is no cluster".to_owned())) };
        let (job, adopted) = self.job(&order, ask).await.map_err(|error| cannot(error.to_string()))?;
        let slurm = self.slurm().await.map_err(|error| cannot(error.to_string()))?;
        let over = watch::Sender::new(false);
        let again = AlreadyKept::default();
        let output = FarOutput::new(&order, &self.0.output, again.clone());
        let standing = watch::Sender::new(PlacementState::Queued(SUBMITTING.into()));
        let report = watch::Sender::new(None);
        let job = Rc::new(job);
        let run = SlurmRun {
            job: Rc::clone(&job),
            standing: standing.subscribe(),
            report: report.subscribe(),
            tail: output.tail(),
            members: watch::Sender::default(),
        };
        let (name, view) = (job.name().to_owned(), job.view());
        let (sink, of_model) = (Rc::clone(&self.0.output), Arc::<str>::from(order.model.as_str()));
        let wanted: IsFollowed = Rc::new(move || sink.is_wanted(&of_model));
        let pieces = slurm.output(&job, adopted, again, over.subscribe(), wanted);
        let of = Rc::downgrade(&job);
        let attendant =
            Attendant { model: order.model.clone(), job: Weak::clone(&of), key: job.key().to_owned(), over };
        let mut ear = EndNotice::default();
        let hear = move |piece: &[u8]| {
            if let Some(job) = of.upgrade()
                && job.id().is_some_and(|id| ear.hears_end(piece, id))
            {
                job.doubts.tell();
            }
        };
        tokio::task::spawn_local(async move {
            let ended = far::attend(&attendant, view, pieces, hear, output, standing).await;
            self.0.held.borrow_mut().remove(&name);
            drop(slot);
            report.send_replace(Some(ended));
        });
        Ok(Box::new(run))
    }
}

impl Launcher for SlurmLauncher {
    fn launch(&self, order: LaunchOrder) -> LocalBoxFuture<'static, Result<Box<dyn Run>, LaunchError>> {
        let launcher = self.clone();
        async move {
            let Ok(slot) = Arc::clone(&order.slot).acquire_owned().await else {
                return Err(LaunchError::SlotClosed { model: order.model });
            };
            launcher.start(order, slot).await
        }
        .boxed_local()
    }
}

/// A job towards whoever waits for it.
struct Attendant {
    model: String,
    job: Weak<Job>,
    key: String,
    over: watch::Sender<bool>,
}

impl Attendant {
    fn id(&self) -> Option<u64> {
        self.job.upgrade().and_then(|job| job.id())
    }
}

impl Attended for Attendant {
    type View = JobView;

    fn meaning(&self, view: &JobView) -> Means {
        let job = self.id().map_or_else(|| "the job".to_owned(), |id| format!("job {id}"));
        match view {
            JobView::Submitting(None) => Means::Waits(SUBMITTING.to_owned()),
            JobView::Submitting(Some(why)) => {
                Means::Waits(format!("it isn't known yet whether Slurm has taken the job: {why}"))
            }
            JobView::Queued { wait, .. } if wait.hopeless => {
                Means::Hopeless(format!("{job} would wait for ever: {} ({})", wait.sentence, wait.reason))
            }
            JobView::Queued { wait, start } => {
                let start = start
                    .as_ref()
                    .map_or_else(String::new, |start| format!(", expected to start at {start}"));
                Means::Waits(format!("{job} is in Slurm's queue: {} ({}{start})", wait.sentence, wait.reason))
            }
            JobView::Placing { node } => {
                Means::Waits(format!("{job} has begun on {node}, and hasn't said yet where it serves"))
            }
            JobView::Placed(place) => match BackendAddress::node(&place.host, place.port, &self.key) {
                Ok(endpoint) => Means::Placed(Arc::new(endpoint)),
                Err(why) => Means::Hopeless(format!("{job}: {why}")),
            },
            JobView::Ended(end) => Means::Over(end.clone()),
        }
    }

    fn placed(&self, _: &JobView, endpoint: &BackendAddress) {
        log::info!("models/{}: job {} serves at {endpoint}", self.model, self.id().unwrap_or_default());
    }

    fn give_up(&self) {
        if let Some(job) = self.job.upgrade() {
            job.wish(Wish::Terminate);
        }
    }

    fn ended(&self) {
        self.over.send_replace(true);
    }
}

/// The handle of a job's run: when it is dropped, the job is ended.
struct SlurmRun {
    job: Rc<Job>,
    standing: watch::Receiver<PlacementState>,
    report: watch::Receiver<Option<ExitReport>>,
    tail: watch::Receiver<Tail>,
    members: watch::Sender<Vec<u32>>,
}

impl Run for SlurmRun {
    fn label(&self) -> String {
        self.job.id().map_or_else(|| "a job of Slurm".to_owned(), |id| format!("job {id}"))
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    fn standing(&self) -> watch::Receiver<PlacementState> {
        self.standing.clone()
    }

    fn terminate(&self) {
        self.job.wish(Wish::Terminate);
    }

    fn kill(&self) {
        self.job.wish(Wish::Kill);
    }

    fn members(&self) -> watch::Receiver<Vec<u32>> {
        self.members.subscribe()
    }

    fn tail(&self) -> watch::Receiver<Tail> {
        self.tail.clone()
    }

    fn ends(&self) -> watch::Receiver<Option<Instant>> {
        self.job.ends()
    }

    fn leaves(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.job.leaves()
    }

    fn doubt(&self) {
        self.job.doubt();
    }

    fn reference(&self) -> Option<String> {
        Some(self.job.name().to_owned())
    }

    fn release(&self) {
        self.job.release();
    }

    fn remainder(&self) -> Option<String> {
        self.job.id().map(|id| format!("job {id} has not ended"))
    }

    fn exited(&self) -> LocalBoxFuture<'static, ExitReport> {
        ExitReport::told(self.report.clone())
    }
}
