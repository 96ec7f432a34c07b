//! One watch for all Pods of a namespace that are ours: the API server says what changes, and is asked for nothing in between.
//! Without a Pod nothing is asked at all.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;

use crate::api::{Cluster, LIMIT, chain};

/// After so many seconds the API server ends a watch in good order, and it is opened where it ended.
const ROUND: u32 = 60;
/// Silence beyond that: the connection is lost, and nobody has said so.
const SILENCE: Duration = Duration::from_secs(ROUND as u64 + 15);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Changes that may wait for whoever takes them.
const CHANGES: usize = 64;
/// What an API server says that has forgotten where the watch was.
const EXPIRED: u16 = 410;

/// What the API server has told.
enum Change {
    /// All there are, asked for at this time.
    All(Instant, Vec<Pod>),
    There(Box<Pod>),
    Gone(Box<Pod>),
    Away(String),
}

/// What is known of a Pod.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// As it was last; `None`: it was never seen.
    pub pod: Option<Arc<Pod>>,
    /// It isn't there any more.
    pub gone: bool,
}

struct Entry {
    seen: watch::Sender<Seen>,
    /// Since when it has to be there.
    made: Option<Instant>,
}

struct Shared {
    cluster: Cluster,
    labels: String,
    pods: RefCell<BTreeMap<String, Entry>>,
    /// Somebody wants to know of a Pod that was there before.
    again: Arc<Notify>,
}

/// Watches the Pods with these labels.
#[derive(Clone)]
pub(crate) struct Watcher(Rc<Shared>);

/// A Pod is watched as long as this is held.
pub(crate) struct Registration {
    name: String,
    shared: Rc<Shared>,
    pub seen: watch::Receiver<Seen>,
}

impl Registration {
    /// It is there from now on: if it isn't found, it is gone.
    pub(crate) fn is_made(&self) {
        if let Some(entry) = self.shared.pods.borrow_mut().get_mut(&self.name) {
            entry.made.get_or_insert_with(Instant::now);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.shared.pods.borrow_mut().remove(&self.name);
    }
}

impl Watcher {
    pub(crate) fn new(cluster: Cluster, labels: String) -> Self {
        Self(Rc::new(Shared { cluster, labels, pods: RefCell::default(), again: Arc::default() }))
    }

    /// Watches this Pod from now on. `is_old`: it may have been there for a while, so that nothing more is told of it unless it is asked for.
    /// Must be called where tasks of this thread can be spawned.
    pub(crate) fn register(&self, name: &str, is_old: bool) -> Registration {
        let (sender, seen) = watch::channel(Seen::default());
        let mut pods = self.0.pods.borrow_mut();
        let is_first = pods.is_empty();
        pods.insert(name.to_owned(), Entry { seen: sender, made: None });
        drop(pods);
        if is_first {
            tokio::task::spawn_local(take(Rc::clone(&self.0)));
        } else if is_old {
            self.0.again.notify_one();
        }
        Registration { name: name.to_owned(), shared: Rc::clone(&self.0), seen }
    }
}

/// Hands on what is told, until no Pod is left.
async fn take(shared: Rc<Shared>) {
    // Somebody may come while the last one is being let go.
    while !shared.pods.borrow().is_empty() {
        let (sender, changes) = mpsc::channel(CHANGES);
        let (pods, labels) = (shared.cluster.pods(), shared.labels.clone());
        let asking = shared.cluster.handle.spawn(ask(pods, labels, Arc::clone(&shared.again), sender));
        hand_on(&shared, changes).await;
        asking.abort();
    }
}

async fn hand_on(shared: &Shared, mut changes: mpsc::Receiver<Change>) {
    let mut away = false;
    while !shared.pods.borrow().is_empty() {
        let change = match timeout(FIRST_PAUSE, changes.recv()).await {
            Ok(Some(change)) => change,
            Ok(None) => return,
            Err(_) => continue,
        };
        let was_away = std::mem::replace(&mut away, matches!(change, Change::Away(_)));
        match &change {
            Change::Away(why) if !was_away => log::warn!(
                "kubernetes: the API server doesn't answer ({why}); what runs goes on, and it is asked again"
            ),
            Change::All(..) if was_away => log::info!("kubernetes: the API server answers again"),
            _ => {}
        }
        shared.tell(change);
    }
}

impl Shared {
    fn tell(&self, change: Change) {
        let pods = self.pods.borrow();
        let entry = |pod: &Pod| pod.metadata.name.as_ref().and_then(|name| pods.get(name));
        match change {
            Change::There(pod) => {
                if let Some(entry) = entry(&pod) {
                    entry.seen.send_replace(Seen { pod: Some(Arc::new(*pod)), gone: false });
                }
            }
            Change::Gone(pod) => {
                if let Some(entry) = entry(&pod) {
                    entry.seen.send_replace(Seen { pod: Some(Arc::new(*pod)), gone: true });
                }
            }
            Change::All(asked, all) => {
                let mut found: BTreeMap<String, Pod> =
                    all.into_iter().filter_map(|pod| Some((pod.metadata.name.clone()?, pod))).collect();
                for (name, entry) in pods.iter() {
                    match found.remove(name) {
                        Some(pod) => {
                            entry.seen.send_replace(Seen { pod: Some(Arc::new(pod)), gone: false });
                        }
                        None if entry.made.is_some_and(|made| made <= asked) => {
                            entry.seen.send_modify(|seen| seen.gone = true);
                        }
                        None => {}
                    }
                }
            }
            Change::Away(_) => {}
        }
    }
}

/// On the other thread: lists, then watches, until nobody listens.
async fn ask(pods: Api<Pod>, labels: String, again: Arc<Notify>, changes: mpsc::Sender<Change>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let asked = Instant::now();
        let params = ListParams::default().labels(&labels);
        let why = match timeout(LIMIT, pods.list(&params)).await {
            Ok(Ok(list)) => {
                let version = list.metadata.resource_version.clone().unwrap_or_default();
                if changes.send(Change::All(asked, list.items)).await.is_err() {
                    return;
                }
                pause = FIRST_PAUSE;
                watch_from(&pods, &labels, version, &again, &changes).await
            }
            Ok(Err(error)) => Some(chain(&error)),
            Err(_) => Some(format!("nothing came within {} s", LIMIT.as_secs())),
        };
        if let Some(why) = why
            && changes.send(Change::Away(why)).await.is_err()
        {
            return;
        }
        tokio::select! {
            () = changes.closed() => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

/// Watches for as long as it goes on where it was. `None`: it has to begin anew, and nothing is wrong.
async fn watch_from(
    pods: &Api<Pod>,
    labels: &str,
    mut version: String,
    again: &Notify,
    changes: &mpsc::Sender<Change>,
) -> Option<String> {
    loop {
        let began = Instant::now();
        let params = WatchParams::default().labels(labels).timeout(ROUND);
        let stream = match timeout(LIMIT, pods.watch(&params, &version)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(kube::Error::Api(status))) if status.code == EXPIRED => return None,
            Ok(Err(error)) => return Some(chain(&error)),
            Err(_) => return Some(format!("nothing came within {} s", LIMIT.as_secs())),
        };
        let mut stream = pin!(stream);
        loop {
            let next = tokio::select! {
                next = timeout(SILENCE, stream.next()) => next,
                () = changes.closed() => return None,
                () = again.notified() => return None,
            };
            let change = match next {
                Err(_) => return Some(format!("the watch was silent for {} s", SILENCE.as_secs())),
                // Its round is over.
                Ok(None) => break,
                Ok(Some(Err(error))) => return Some(chain(&error)),
                Ok(Some(Ok(WatchEvent::Error(status)))) if status.code == EXPIRED => return None,
                Ok(Some(Ok(WatchEvent::Error(status)))) => return Some(status.message.clone()),
                Ok(Some(Ok(WatchEvent::Bookmark(mark)))) => {
                    version = mark.metadata.resource_version;
                    continue;
                }
                Ok(Some(Ok(WatchEvent::Added(pod) | WatchEvent::Modified(pod)))) => {
                    Change::There(Box::new(pod))
                }
                Ok(Some(Ok(WatchEvent::Deleted(pod)))) => Change::Gone(Box::new(pod)),
            };
            if let Change::There(pod) | Change::Gone(pod) = &change
                && let Some(newer) = &pod.metadata.resource_version
            {
                version.clone_from(newer);
            }
            if changes.send(change).await.is_err() {
                return None;
            }
        }
        // Whoever ends each watch at once isn't asked in a circle.
        if began.elapsed() < FIRST_PAUSE {
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    }
}
