//! One Pod, from its creation until nothing of it is left.
//!
//! Whatever the API server does meanwhile: a Pod is made under a name of its own, so that asking for it once more makes no second
//! one; an order to end it is given again until it is obeyed; only Kubernetes' word that it is over is an end, but for a Pod
//! whose node doesn't answer any more, and for one of which nothing has begun. A node may take a minute to remove such a one, for which it
//! holds nothing: whoever waits is told at once, and the removal goes on behind that. It has a grace period all the same: without any,
//! Kubernetes would forget a Pod that its node begins at that very moment; as it is, its place is taken until the node says that it is gone.
//! The Secret goes with it, without which no container of it can begin, and the record stays until the API server has heard of the deletion.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_manager_policy::cluster::{
    ContainerRole, ContainerState, JobEnd, JobFate, PodFacts, PodStage, PodWait,
};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use crate::api::{CallError, Cluster};
use crate::facts::facts;
use crate::follow::Follower;
use crate::records::Record;
use crate::watcher::{Registration, Seen, Watcher};
use llm_manager_process::AlreadyKept;
use llm_manager_process::far::{Folder, ReadPosition, Wish, aside};

/// Between two orders that weren't obeyed.
const AGAIN: Duration = Duration::from_secs(5);
/// Between two looks at a closed fence.
const FENCED: Duration = Duration::from_millis(100);
/// Between two tries to make it.
const PAUSE: Duration = Duration::from_secs(2);
/// A Pod that should be gone for so long, and isn't: its node doesn't say anything any more.
const LOST: Duration = Duration::from_secs(60);
/// Time to end in, of a Pod that is to end now: without any, Kubernetes would forget it while it runs.
const AT_ONCE: u32 = 1;
/// An API server that could not even be reached for so long makes no Pod: another variant may be tried.
const UNREACHED: Duration = Duration::from_secs(30);
/// For so long an API server that was away may refuse what it allows: it answers before it has read who has which rights.
const WAKING: Duration = Duration::from_secs(30);
/// So often the removal of what is left is tried; after that it is the next manager's.
const TRIES: u32 = 60;
/// And so often, if the Secret may not be removed: an API server that has just begun refuses what it allows later.
const REFUSALS: u32 = 6;
/// How long the rest of a log is waited for.
const REST: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_secs(1);

/// How a Pod stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PodView {
    /// It isn't made yet; the words say why, if something is wrong.
    Making(Option<String>),
    /// It doesn't serve yet.
    Waits {
        /// Why.
        wait: PodWait,
        /// It was waited for long enough.
        hopeless: bool,
    },
    /// Its server runs here.
    Runs {
        /// The node's name.
        node: String,
        /// The Pod's address.
        address: String,
    },
    /// Nothing of it is left.
    Ended(JobEnd),
}

/// What is made: the Secret, then the Pod.
pub(crate) struct Things {
    pub secret: Value,
    pub pod: Value,
}

/// Owns one Pod.
pub(crate) struct Owner {
    pub cluster: Cluster,
    pub watcher: Watcher,
    pub folder: Folder,
    pub record: Record,
    /// `None`: an earlier manager has made it, or was about to.
    pub things: Option<Things>,
    /// Seconds to end in.
    pub grace: u32,
    pub view: watch::Sender<PodView>,
    /// Somebody else takes it away, and how.
    pub leaves: watch::Sender<Option<Arc<str>>>,
    /// When its node ends it, if it has a limit.
    pub ends: watch::Sender<Option<Instant>>,
    pub wish: watch::Receiver<Wish>,
    /// It is left to another manager.
    pub released: Rc<Notify>,
    /// Takes what its server prints.
    pub output: Option<mpsc::Sender<Vec<u8>>>,
    /// How much of that was kept before.
    pub again: AlreadyKept,
}

/// What is remembered of a Pod between two looks.
struct Round {
    /// As it was last.
    facts: PodFacts,
    /// What it was told last, and when.
    told: Option<(Wish, Instant)>,
    /// It isn't known whether that was heard.
    unheard: bool,
    /// The reason for which it waits, and since when.
    waits: Option<(String, Instant)>,
    /// Since when it is going.
    going: Option<Instant>,
    /// The reader of its log, once it has one.
    log: Option<Log>,
}

/// The reader of a log, which ends with this.
struct Log {
    over: watch::Sender<bool>,
    reading: JoinHandle<()>,
}

impl Drop for Log {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Owner {
    /// Drops `held` when nothing of the Pod is left, in the cluster or here, or when it is released: then nothing of it is touched any more,
    /// and its view is closed without an end.
    pub(crate) async fn run<H>(self, held: H) {
        let released = Rc::clone(&self.released);
        tokio::select! {
            // A release comes before the end of whoever held the Pod.
            biased;
            () = released.notified() => {}
            () = self.live() => {}
        }
        drop(held);
    }

    async fn live(mut self) {
        let adopted = self.things.is_none();
        let mut registration = self.watcher.register(&self.record.name, adopted);
        let mut round = Round {
            facts: PodFacts::default(),
            told: None,
            unheard: false,
            waits: None,
            going: None,
            log: None,
        };
        round.facts.name.clone_from(&self.record.name);
        let (end, is_there) = match self.make().await {
            Ok(()) => {
                registration.is_made();
                self.watch(&mut registration, &mut round, adopted).await
            }
            Err(end) => end,
        };
        if let Some(mut log) = round.log.take() {
            log.over.send_replace(true);
            // A node that doesn't answer keeps its log to itself.
            let _ = tokio::time::timeout(REST, &mut log.reading).await;
        }
        drop((registration, self.output.take()));
        self.view.send_replace(PodView::Ended(end));
        self.clean(is_there).await;
    }

    /// Makes the Secret and the Pod. Neither is made twice, however often it is asked for. An error comes with whether the Pod may be
    /// there all the same.
    async fn make(&mut self) -> Result<(), (JobEnd, bool)> {
        let Some(things) = self.things.take() else { return Ok(()) };
        let (mut unsure, began) = (false, Instant::now());
        let mut away: Option<Instant> = None;
        for (kind, thing) in [("secrets", &things.secret), ("pods", &things.pod)] {
            loop {
                if Wish::heard(&self.wish) > Wish::Run {
                    let sentence = format!("Pod {} was not made: nobody wants it any more", self.record.name);
                    return Err((JobEnd { fate: JobFate::Asked, sentence }, unsure));
                }
                match self.cluster.create(kind, thing).await {
                    // Names are ours alone: what is there is what we asked for before.
                    Ok(()) | Err(CallError::Exists) => break,
                    Err(error @ CallError::Unreached { .. }) if !unsure && began.elapsed() >= UNREACHED => {
                        let end = JobEnd { fate: JobFate::Refused, sentence: error.to_string() };
                        return Err((end, false));
                    }
                    Err(error @ CallError::Fenced) => {
                        self.view.send_replace(PodView::Making(Some(error.to_string())));
                        tokio::time::sleep(FENCED).await;
                    }
                    Err(error @ (CallError::Unreached { .. } | CallError::Unanswered { .. })) => {
                        unsure |= matches!(error, CallError::Unanswered { .. });
                        away = Some(Instant::now());
                        self.not_yet(&error).await;
                    }
                    Err(error @ CallError::Refused { status: 401 | 403, .. })
                        if away.is_some_and(|away| away.elapsed() < WAKING) =>
                    {
                        self.not_yet(&error).await;
                    }
                    Err(CallError::Gone) => {
                        let namespace = self.cluster.namespace();
                        let sentence = format!(
                            "the cluster has no namespace {namespace}; make it, or name another as `on.kubernetes.namespace`"
                        );
                        return Err((JobEnd { fate: JobFate::Refused, sentence }, false));
                    }
                    Err(error) => {
                        let end = JobEnd { fate: JobFate::Refused, sentence: error.to_string() };
                        return Err((end, unsure));
                    }
                }
            }
        }
        Ok(())
    }

    async fn not_yet(&self, error: &CallError) {
        let words = error.to_string();
        log::warn!("kubernetes/{}: it isn't made yet: {words}; asking again", self.record.name);
        self.view.send_replace(PodView::Making(Some(words)));
        tokio::time::sleep(PAUSE).await;
    }

    /// From the scheduler to the end. Answers whether something of it is left in the cluster.
    async fn watch(
        &mut self,
        registration: &mut Registration,
        round: &mut Round,
        adopted: bool,
    ) -> (JobEnd, bool) {
        loop {
            let seen = registration.seen.borrow_and_update().clone();
            if let Some(end) = self.take(round, seen, adopted) {
                return end;
            }
            self.order(round).await;
            tokio::select! {
                _ = registration.seen.changed() => {}
                changed = self.wish.changed() => if changed.is_err() {
                    // Nobody can wish any more, and it would be ready at once for ever.
                    tokio::time::sleep(TICK).await;
                },
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Takes in what the watch has shown.
    fn take(&self, round: &mut Round, seen: Seen, adopted: bool) -> Option<(JobEnd, bool)> {
        if let Some(pod) = &seen.pod {
            let now = facts(pod, &self.record.container);
            if now.term != round.facts.term {
                let left = now.ends_in(jiff::Timestamp::now().as_second());
                self.ends.send_replace(left.and_then(|left| Instant::now().checked_add(left)));
            }
            round.facts = now;
        }
        // It was somebody else who was first, if we are told of it before we have told it to end.
        if round.told.is_none()
            && let Some(why) = round.facts.leaves()
        {
            self.leaves.send_if_modified(|old| old.replace(why.into()).is_none());
        }
        let asked =
            matches!(round.told, Some((wish, _)) if wish > Wish::Run) && self.leaves.borrow().is_none();
        if seen.gone {
            return Some((round.facts.end(asked, true), false));
        }
        seen.pod.as_ref()?;
        self.read_log(round, adopted);
        let stage = round.facts.stage();
        if stage == PodStage::Over {
            return Some((round.facts.end(asked, false), true));
        }
        if round.facts.is_going {
            let going = *round.going.get_or_insert_with(Instant::now);
            if round.facts.is_over_unbegun(going.elapsed()) {
                return Some((round.facts.end(asked, true), true));
            }
            if going.elapsed() > LOST + Duration::from_secs(self.grace.into()) {
                let node = round.facts.node.clone().unwrap_or_default();
                let sentence = format!(
                    "Pod {} on {node} should be gone, and its node doesn't say that it is: the node is taken for lost",
                    self.record.name
                );
                return Some((JobEnd { fate: JobFate::NodeFailed, sentence }, false));
            }
        }
        match stage {
            PodStage::Runs { node, address } => self.show(PodView::Runs { node, address }),
            PodStage::Waits(wait) => {
                let since = match &round.waits {
                    Some((reason, since)) if *reason == wait.reason => *since,
                    _ => round.waits.insert((wait.reason.clone(), Instant::now())).1,
                };
                let hopeless = wait
                    .patience
                    .is_some_and(|patience| since.elapsed() >= Duration::from_secs(patience.into()));
                if hopeless && round.told.is_none() && round.facts.never_began() {
                    let sentence = wait.for_ever(&self.record.name);
                    return Some((JobEnd { fate: JobFate::Refused, sentence }, true));
                }
                self.show(PodView::Waits { wait, hopeless });
            }
            PodStage::Over => {}
        }
        None
    }

    fn show(&self, view: PodView) {
        self.view.send_if_modified(|old| {
            let changed = *old != view;
            *old = view;
            changed
        });
    }

    /// Its log can be read once its server has begun.
    fn read_log(&self, round: &mut Round, adopted: bool) {
        let server = round.facts.containers.iter().find(|container| container.role == ContainerRole::Server);
        let has_begun = server.is_some_and(|server| !matches!(server.state, ContainerState::Waiting(_)));
        let Some(output) = self.output.clone().filter(|_| has_begun && round.log.is_none()) else { return };
        let (over, of_over) = watch::channel(false);
        let follower = Follower {
            pods: self.cluster.pods(),
            name: self.record.name.clone(),
            container: self.record.container.clone(),
            adopted,
            mark: ReadPosition::of(&self.folder),
            again: self.again.clone(),
            over: of_over,
            pieces: output,
        };
        round.log = Some(Log { over, reading: self.cluster.handle.spawn(follower.run()) });
    }

    /// Carries out what is wanted; again, while it isn't done.
    async fn order(&self, round: &mut Round) {
        let wish = Wish::heard(&self.wish);
        let due = match round.told {
            None => wish > Wish::Run,
            // Told and not going: the order was lost.
            Some((told, at)) => {
                wish > told || round.unheard || at.elapsed() >= AGAIN && !round.facts.is_going
            }
        };
        if !due {
            return;
        }
        round.told = Some((wish, Instant::now()));
        let grace = if wish == Wish::Kill { AT_ONCE } else { self.grace };
        let told = self.cluster.delete_pod(&self.record.name, grace).await;
        if let Err(error) = &told
            && !round.unheard
        {
            log::warn!(
                "kubernetes/{}: it could not be told to end: {error}; it is told again",
                self.record.name
            );
        }
        round.unheard = told.is_err();
    }

    /// Removes what is left.
    async fn clean(&self, mut is_there: bool) {
        for attempt in 0..TRIES {
            let pod =
                if is_there { self.cluster.delete_pod(&self.record.name, AT_ONCE).await } else { Ok(()) };
            is_there = pod.is_err();
            let secret = self.cluster.delete_secret(&self.record.name).await;
            let is_final = attempt >= REFUSALS && matches!(secret, Err(CallError::Refused { .. }));
            if pod.is_ok() && (secret.is_ok() || is_final) {
                if let Err(error) = secret {
                    log::warn!("kubernetes/{}: its Secret is left: {error}", self.record.name);
                }
                let folder = self.folder.clone();
                // What can't be removed is found again by the next manager.
                let _ = aside(move || folder.remove()).await;
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
        log::warn!(
            "kubernetes/{}: it could not be removed; the next manager of this folder tries again",
            self.record.name
        );
    }
}
