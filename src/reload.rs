//! Reload: how another part of the program has the configuration read again, and what it is told. `app` carries it out.

use crate::config::ConfigReport;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use llm_manager_policy::reload::ReloadPlan;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// Orders that may wait. Each reads the file as it then is, so more would change nothing.
const QUEUE: usize = 16;

/// What to do.
pub(crate) struct ReloadRequest {
    /// Who wants it, for the log.
    pub(crate) by: &'static str,
    /// A text that is not in the file yet; only with `dry_run`.
    pub(crate) text: Option<String>,
    /// Say what would change, and change nothing.
    pub(crate) dry_run: bool,
    pub(crate) answer: oneshot::Sender<Result<ReloadOutcome, Undone>>,
}

/// What was changed, or would be.
#[derive(Clone, Debug)]
pub(crate) struct ReloadOutcome {
    pub(crate) plan: ReloadPlan,
    pub(crate) warnings: ConfigReport,
}

/// Why nothing was changed.
#[derive(Clone, Debug)]
pub(crate) enum Undone {
    /// The file has errors.
    Invalid(ConfigReport),
    /// Something else, in a sentence.
    Failed(String),
}

/// How the present configuration came into force.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReloadStatus {
    /// Of the text in force.
    pub(crate) version: String,
    /// Keys of it that wait for a restart of the manager.
    pub(crate) needs_restart: Vec<String>,
    /// The last reload that changed nothing for its errors, if none has gone well since.
    pub(crate) refused: Option<(Timestamp, ConfigReport)>,
}

/// The way to the one who reloads. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reloads(Arc<Inner>);

struct Inner {
    orders: mpsc::Sender<ReloadRequest>,
    standing: ArcSwap<ReloadStatus>,
    done: AtomicU64,
    undone: AtomicU64,
}

impl Reloads {
    /// With the orders for the one who reloads; `version` is that of the text in force.
    pub(crate) fn new(version: String) -> (Self, mpsc::Receiver<ReloadRequest>) {
        let (orders, received) = mpsc::channel(QUEUE);
        let standing = ArcSwap::from_pointee(ReloadStatus { version, ..ReloadStatus::default() });
        let inner = Inner { orders, standing, done: AtomicU64::new(0), undone: AtomicU64::new(0) };
        (Self(Arc::new(inner)), received)
    }

    /// Has the file read, and answers when what changes live is in force.
    pub(crate) async fn apply(&self, by: &'static str, dry_run: bool) -> Result<ReloadOutcome, Undone> {
        self.ask(by, None, dry_run).await
    }

    /// What would change if the file had this text.
    pub(crate) async fn plan_of(&self, text: String) -> Result<ReloadOutcome, Undone> {
        self.ask("a draft", Some(text), true).await
    }

    async fn ask(
        &self,
        by: &'static str,
        text: Option<String>,
        dry_run: bool,
    ) -> Result<ReloadOutcome, Undone> {
        let (answer, done) = oneshot::channel();
        let full = || Undone::Failed("other reloads are under way; try again".to_owned());
        self.0.orders.try_send(ReloadRequest { by, text, dry_run, answer }).map_err(|_| full())?;
        let down = "the configuration can't be applied while the manager stops".to_owned();
        done.await.unwrap_or(Err(Undone::Failed(down)))
    }

    /// How the present configuration came into force.
    pub(crate) fn standing(&self) -> Arc<ReloadStatus> {
        self.0.standing.load_full()
    }

    /// Reloads that went well, and those that did not.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.0.done.load(Ordering::Relaxed), self.0.undone.load(Ordering::Relaxed))
    }

    /// Told by the one who reloads.
    pub(crate) fn went_well(&self, version: String, needs_restart: Vec<String>) {
        self.0.done.fetch_add(1, Ordering::Relaxed);
        self.0.standing.store(Arc::new(ReloadStatus { version, needs_restart, refused: None }));
    }

    /// Told by the one who reloads.
    pub(crate) fn went_wrong(&self, undone: &Undone) {
        self.0.undone.fetch_add(1, Ordering::Relaxed);
        if let Undone::Invalid(report) = undone {
            let refused = Some((Timestamp::now(), report.clone()));
            self.0
                .standing
                .store(Arc::new(ReloadStatus { refused, ..ReloadStatus::clone(&self.standing()) }));
        }
    }
}
