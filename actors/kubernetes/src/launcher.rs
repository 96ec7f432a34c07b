//! The place of Pods: a launcher whose runs are Pods of a cluster.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use llm_manager_policy::cluster::PodRequest;
use llm_manager_policy::spec::{Launch, Place};
use llm_manager_process::far::{
    self, Attended, Fence, Files, Fingerprint, Folder, Likeness, Means, Wish, aside,
};
use llm_manager_process::{
    AlreadyKept, BackendAddress, ExitReport, FarOutput, LaunchError, LaunchOrder, Launcher, OutputSink,
    PlacementState, Run, Tail,
};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, watch};

use crate::api::{Cluster, LIMIT, Line};
use crate::asked::fingerprint;
use crate::facts::facts;
use crate::pod::{Owner, PodView, Things};
use crate::records::{self, PLACE, Record};
use crate::template::{self, MANAGED, Merged, STATE};
use crate::watcher::Watcher;

const PIECES: usize = 4;

const MAKING: &str = "the Pod is being made";

/// So much later than a request may take, nothing more comes of what an earlier manager has asked for.
const LATE: Duration = Duration::from_secs(5);

/// Ports for servers in the network of their nodes, where others listen, too.
const NODE_PORTS: std::ops::Range<u16> = 20000..30000;

/// Starts backends as Pods. Nothing of Kubernetes is touched before the first of them.
#[derive(Clone)]
pub struct KubernetesLauncher(Rc<Shared>);

struct Shared {
    state_dir: PathBuf,
    host: String,
    output: Rc<dyn OutputSink>,
    fence: Fence,
    opened: OnceCell<Opened>,
    /// Names of Pods that somebody here holds.
    held: Rc<RefCell<BTreeSet<String>>>,
}

/// A context and a namespace, as far as they are said.
type Said = (Option<String>, Option<String>);

/// A context, if one is said, and a namespace.
type Where = (Option<String>, String);

#[derive(Clone)]
struct Opened {
    files: Files,
    line: Line,
    watchers: Rc<RefCell<BTreeMap<Where, Watcher>>>,
}

/// A name that nobody else takes meanwhile.
struct Held(Rc<RefCell<BTreeSet<String>>>, String);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.borrow_mut().remove(&self.1);
    }
}

/// The handle of a Pod. Dropping it ends the Pod.
struct Pod {
    record: Record,
    view: watch::Receiver<PodView>,
    leaves: watch::Receiver<Option<Arc<str>>>,
    ends: watch::Receiver<Option<Instant>>,
    wish: watch::Sender<Wish>,
    released: Rc<Notify>,
}

/// A Pod with what it prints and the key that its server wants to hear.
struct Owned {
    pod: Pod,
    key: String,
    pieces: mpsc::Receiver<Vec<u8>>,
    again: AlreadyKept,
}

impl Opened {
    async fn watcher(&self, record: &Record) -> Result<(Cluster, Watcher), String> {
        let cluster = self.line.cluster(record.context.clone(), record.namespace.clone()).await;
        let cluster = cluster.map_err(|error| error.to_string())?;
        let id = (record.context.clone(), cluster.namespace().to_owned());
        let made = || Watcher::new(cluster.clone(), format!("{STATE}={}", self.files.id()));
        let watcher = self.watchers.borrow_mut().entry(id).or_insert_with(made).clone();
        Ok((cluster, watcher))
    }
}

impl KubernetesLauncher {
    /// `state_dir` is where what the next manager has to know is kept; `host` is this machine's name; nothing is made or deleted while the
    /// `fence` is closed.
    pub fn new(state_dir: PathBuf, host: String, output: Rc<dyn OutputSink>, fence: Fence) -> Self {
        let opened = OnceCell::new();
        Self(Rc::new(Shared { state_dir, host, output, fence, opened, held: Rc::default() }))
    }

    async fn open(&self) -> io::Result<Opened> {
        if let Some(opened) = self.0.opened.get() {
            return Ok(opened.clone());
        }
        let folder = self.0.state_dir.clone();
        let files = aside(move || Files::open(&folder, PLACE)).await?;
        // Two may have come at once.
        if let Some(opened) = self.0.opened.get() {
            return Ok(opened.clone());
        }
        let opened = Opened { files, line: Line::open(self.0.fence.clone())?, watchers: Rc::default() };
        Ok(self.0.opened.get_or_init(|| opened).clone())
    }

    /// What Pods an earlier manager of this state folder left: the models that have one. Those of models that aren't `known` are
    /// told to end, as are Pods without files.
    pub async fn take_stock(&self, known: impl Fn(&str) -> bool) -> Vec<String> {
        if !self.0.state_dir.join("kubernetes").is_dir() {
            return Vec::new();
        }
        let Ok(opened) = self.open().await else { return Vec::new() };
        let files = opened.files.clone();
        let records = aside(move || files.records::<Record>()).await.unwrap_or_default();
        let names: BTreeSet<String> = records.iter().map(|record| record.name.clone()).collect();
        let mut places = BTreeSet::new();
        let mut models = Vec::new();
        for record in records {
            places.insert((record.context.clone(), record.namespace.clone()));
            if known(&record.model) {
                models.push(record.model);
            } else {
                self.end(&opened, record).await;
            }
        }
        self.sweep(&opened, &places, &names).await;
        // What an earlier manager had asked for when it ended may be done only now.
        let launcher = self.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(LIMIT + LATE).await;
            let files = opened.files.clone();
            let Ok(records) = aside(move || files.records::<Record>()).await else { return };
            let names = records.into_iter().map(|record| record.name).collect();
            launcher.sweep(&opened, &places, &names).await;
        });
        models.dedup();
        models
    }

    async fn sweep(&self, opened: &Opened, places: &BTreeSet<Said>, names: &BTreeSet<String>) {
        for (context, namespace) in places {
            if let Ok(cluster) = opened.line.cluster(context.clone(), namespace.clone()).await
                && self.0.fence.is_open()
            {
                self.end_strangers(opened, &cluster, names).await;
            }
        }
    }

    /// Ends Pods with our label of which nothing is known here.
    async fn end_strangers(&self, opened: &Opened, cluster: &Cluster, names: &BTreeSet<String>) {
        let labels = format!("{}={},{STATE}={}", MANAGED.0, MANAGED.1, opened.files.id());
        for pod in cluster.list_pods(&labels).await.unwrap_or_default() {
            let Some(name) = pod.metadata.name.filter(|name| !names.contains(name)) else { continue };
            if self.0.held.borrow().contains(&name) {
                continue;
            }
            log::warn!("kubernetes: Pod {name} is of this manager, and nothing is known of it: it is ended");
            let _ = cluster.delete_pod(&name, template::ORPHAN_GRACE).await;
            let _ = cluster.delete_secret(&name).await;
        }
    }

    fn hold(&self, name: &str) -> Option<Held> {
        let is_new = self.0.held.borrow_mut().insert(name.to_owned());
        is_new.then(|| Held(Rc::clone(&self.0.held), name.to_owned()))
    }

    /// Ends a Pod that nobody wants any more.
    async fn end(&self, opened: &Opened, record: Record) {
        let Some(held) = self.hold(&record.name) else { return };
        log::info!(
            "models/{}: the Pod {} of an earlier manager is ended: nothing here wants it as it is",
            record.model,
            record.name
        );
        let folder = opened.files.folder(&record.name);
        // Dropped, it is killed.
        if let Ok(owned) = self.own(opened, record, folder, None, template::ORPHAN_GRACE, held).await {
            Wish::Terminate.tell(&owned.pod.wish);
            let mut view = owned.pod.view.clone();
            tokio::task::spawn_local(async move {
                let _pieces = owned.pieces;
                let _ = view.wait_for(|view| matches!(view, PodView::Ended(_))).await;
                drop(owned.pod);
            });
        }
    }

    async fn own(
        &self,
        opened: &Opened,
        record: Record,
        folder: Folder,
        things: Option<Things>,
        grace: u32,
        held: Held,
    ) -> Result<Owned, String> {
        let of = folder.clone();
        let key = aside(move || of.read_key()).await.map_err(|error| error.to_string())?;
        let (cluster, watcher) = opened.watcher(&record).await?;
        let (view, of_view) = watch::channel(PodView::Making(None));
        let (leaves, of_leaves) = watch::channel(None);
        let (ends, of_ends) = watch::channel(None);
        let (wish, of_wish) = watch::channel(Wish::Run);
        let (output, pieces) = mpsc::channel(PIECES);
        let (released, again) = (Rc::new(Notify::new()), AlreadyKept::default());
        let pod = Pod {
            record: record.clone(),
            view: of_view,
            leaves: of_leaves,
            ends: of_ends,
            wish,
            released: Rc::clone(&released),
        };
        let owner = Owner {
            cluster,
            watcher,
            folder,
            record,
            things,
            grace,
            view,
            leaves,
            ends,
            wish: of_wish,
            released,
            output: Some(output),
            again: again.clone(),
        };
        tokio::task::spawn_local(owner.run(held));
        Ok(Owned { pod, key, pieces, again })
    }

    /// A Pod for this order: that of an earlier manager, if it was launched in the same way, or a new one.
    async fn pod(&self, order: &LaunchOrder, ask: &PodRequest) -> Result<(Owned, bool), String> {
        let opened = self.open().await.map_err(|error| error.to_string())?;
        let fingerprint = fingerprint(order, ask)?;
        let begun = u64::from(order.stop_timeout.subsec_nanos() > 0);
        let grace = u32::try_from(order.stop_timeout.as_secs() + begun).unwrap_or(u32::MAX).max(1);
        let files = opened.files.clone();
        let mut adopted = None;
        for record in aside(move || files.records::<Record>()).await.map_err(|error| error.to_string())? {
            if record.model != order.model || self.0.held.borrow().contains(&record.name) {
                continue;
            }
            let likeness = fingerprint.likeness(&record.launch);
            let fits = likeness != Likeness::Other
                && (&record.variant, &record.context, &record.namespace)
                    == (&order.variant, &ask.context, &ask.namespace);
            if adopted.is_none() && fits && self.is_there(&opened, &record).await {
                adopted = Some((record, likeness));
            } else {
                self.end(&opened, record).await;
            }
        }
        if let Some((mut record, likeness)) = adopted
            && let Some(held) = self.hold(&record.name)
        {
            log::info!("models/{}: takes over the Pod {} of an earlier manager", order.model, record.name);
            let folder = opened.files.folder(&record.name);
            if likeness == Likeness::Unknown {
                far::tell_unknown(&record.model, &format!("Pod {}", record.name));
                record.launch = fingerprint.as_str().to_owned();
                let (of, noted) = (folder.clone(), record.clone());
                // What can't be noted is told once more by the next manager.
                let _ = aside(move || of.write_record(&noted)).await;
            }
            return Ok((self.own(&opened, record, folder, None, grace, held).await?, true));
        }
        let (record, folder, things) = self.prepare(&opened, order, ask, fingerprint, grace).await?;
        let held = self.hold(&record.name).ok_or("two Pods have the same name")?;
        Ok((self.own(&opened, record, folder, Some(things), grace, held).await?, false))
    }

    /// Whether a Pod is worth taking over: there, and not about to go before it has begun. If nobody says so, it is.
    async fn is_there(&self, opened: &Opened, record: &Record) -> bool {
        let cluster = opened.line.cluster(record.context.clone(), record.namespace.clone()).await;
        match cluster {
            Ok(cluster) => cluster.pod(&record.name).await.map_or(true, |pod| {
                let facts = pod.map(|pod| facts(&pod, &record.container));
                facts.is_some_and(|facts| !(facts.is_going && facts.never_began()))
            }),
            Err(_) => true,
        }
    }

    async fn prepare(
        &self,
        opened: &Opened,
        order: &LaunchOrder,
        ask: &PodRequest,
        fingerprint: Fingerprint,
        grace: u32,
    ) -> Result<(Record, Folder, Things), String> {
        let (container, of_node) = template::server(ask)?;
        let files = opened.files.clone();
        let (model, context, namespace) = (order.model.clone(), ask.context.clone(), ask.namespace.clone());
        let (variant, run, wanted) = (order.variant.clone(), order.run, order.port);
        let port = move || -> io::Result<u16> {
            Ok(match wanted {
                Some(port) => port,
                None if of_node => node_port()?,
                None => template::PORT,
            })
        };
        let prepared = aside(move || {
            let name = records::new_name(&files, &model)?;
            let port = port()?;
            let record = Record {
                name,
                context,
                namespace,
                model,
                variant,
                run,
                launch: fingerprint.as_str().to_owned(),
                container,
                port,
            };
            let folder = files.make_folder(&record.name)?;
            folder.write_record(&record)?;
            let key = folder.read_key()?;
            Ok((record, folder, key))
        });
        let (record, folder, key) = prepared.await.map_err(|error| error.to_string())?;
        let root = opened.files.root().to_string_lossy().into_owned();
        let command = match &order.launch {
            Launch::Command(words) => Some(words.as_slice()),
            Launch::Script(_) | Launch::Nothing => None,
        };
        let merged = Merged {
            name: &record.name,
            state: opened.files.id(),
            folder: &root,
            host: &self.0.host,
            model: &order.model,
            known_as: &order.known_as,
            variant: &order.variant,
            run: order.run,
            command,
            env: &order.env,
            port: record.port,
            grace: grace.into(),
        };
        let things = Things { secret: template::secret(&merged, &key), pod: template::pod(ask, &merged)? };
        Ok((record, folder, things))
    }

    async fn start(
        self,
        order: LaunchOrder,
        slot: OwnedSemaphorePermit,
    ) -> Result<Box<dyn Run>, LaunchError> {
        let shown = order.place.to_string();
        let cannot = |why: String| LaunchError::NoWay { place: shown.clone(), why };
        let Place::Kubernetes(ask) = &order.place else { return Err(cannot("it is no cluster".to_owned())) };
        let (owned, adopted) = self.pod(&order, ask).await.map_err(cannot)?;
        let Owned { pod, key, pieces, again } = owned;
        let output = FarOutput::new(&order, &self.0.output, again);
        let standing = watch::Sender::new(PlacementState::Queued(MAKING.into()));
        let report = watch::Sender::new(None);
        let pod = Rc::new(pod);
        let run = PodRun {
            pod: Rc::clone(&pod),
            standing: standing.subscribe(),
            report: report.subscribe(),
            tail: output.tail(),
            members: watch::Sender::default(),
        };
        let attendant = Attendant {
            model: order.model.clone(),
            name: pod.record.name.clone(),
            port: pod.record.port,
            key,
            pod: Rc::downgrade(&pod),
        };
        let view = pod.view.clone();
        log::debug!("models/{}: Pod {} (taken over: {adopted})", order.model, pod.record.name);
        tokio::task::spawn_local(async move {
            // Its owner goes on to clean up.
            let ended = far::attend(&attendant, view, pieces, |_| {}, output, standing).await;
            drop(slot);
            report.send_replace(Some(ended));
        });
        Ok(Box::new(run))
    }
}

/// A port that nobody else on the node is likely to have; the scheduler sees to it that no two Pods have the same.
fn node_port() -> io::Result<u16> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let width = u32::from(NODE_PORTS.end - NODE_PORTS.start);
    let offset = u16::try_from(u32::from_le_bytes(bytes) % width).unwrap_or_default();
    Ok(NODE_PORTS.start + offset)
}

impl Launcher for KubernetesLauncher {
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

/// A Pod towards whoever waits for it.
struct Attendant {
    model: String,
    name: String,
    port: u16,
    key: String,
    pod: Weak<Pod>,
}

impl Attended for Attendant {
    type View = PodView;

    fn meaning(&self, view: &PodView) -> Means {
        let pod = &self.name;
        match view {
            PodView::Making(None) => Means::Waits(MAKING.to_owned()),
            PodView::Making(Some(why)) => Means::Waits(format!("Pod {pod} isn't made yet: {why}")),
            PodView::Waits { wait, hopeless: true } => Means::Hopeless(wait.for_ever(pod)),
            PodView::Waits { wait, .. } if wait.reason.is_empty() => {
                Means::Waits(format!("Pod {pod} waits: {}", wait.sentence))
            }
            PodView::Waits { wait, .. } => {
                Means::Waits(format!("Pod {pod} waits: {} ({})", wait.sentence, wait.reason))
            }
            PodView::Runs { address, .. } => match BackendAddress::node(address, self.port, &self.key) {
                Ok(endpoint) => Means::Placed(Arc::new(endpoint)),
                Err(why) => Means::Hopeless(format!("Pod {pod}: {why}")),
            },
            PodView::Ended(end) => Means::Over(end.clone()),
        }
    }

    fn placed(&self, view: &PodView, endpoint: &BackendAddress) {
        let node = if let PodView::Runs { node, .. } = view { node } else { "" };
        log::info!("models/{}: Pod {} serves at {endpoint} (node {node})", self.model, self.name);
    }

    fn give_up(&self) {
        if let Some(pod) = self.pod.upgrade() {
            Wish::Terminate.tell(&pod.wish);
        }
    }
}

/// The handle of a Pod's run: when it is dropped, the Pod is ended.
struct PodRun {
    pod: Rc<Pod>,
    standing: watch::Receiver<PlacementState>,
    report: watch::Receiver<Option<ExitReport>>,
    tail: watch::Receiver<Tail>,
    members: watch::Sender<Vec<u32>>,
}

impl Run for PodRun {
    fn label(&self) -> String {
        format!("Pod {}", self.pod.record.name)
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    fn standing(&self) -> watch::Receiver<PlacementState> {
        self.standing.clone()
    }

    fn terminate(&self) {
        Wish::Terminate.tell(&self.pod.wish);
    }

    fn kill(&self) {
        Wish::Kill.tell(&self.pod.wish);
    }

    fn members(&self) -> watch::Receiver<Vec<u32>> {
        self.members.subscribe()
    }

    fn tail(&self) -> watch::Receiver<Tail> {
        self.tail.clone()
    }

    fn leaves(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.pod.leaves.clone()
    }

    fn ends(&self) -> watch::Receiver<Option<Instant>> {
        self.pod.ends.clone()
    }

    fn reference(&self) -> Option<String> {
        Some(self.pod.record.name.clone())
    }

    fn release(&self) {
        self.pod.released.notify_one();
    }

    fn remainder(&self) -> Option<String> {
        Some(format!("Pod {} has not ended", self.pod.record.name))
    }

    fn exited(&self) -> LocalBoxFuture<'static, ExitReport> {
        ExitReport::told(self.report.clone())
    }
}
