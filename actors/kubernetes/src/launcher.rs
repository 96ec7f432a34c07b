//! The place of Pods: a launcher whose runs are Pods of a cluster.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use llm_manager_policy::cluster::{JobEnd, JobFate, PodAsk};
use llm_manager_policy::spec::{Launch, Place};
use llm_manager_process::{
    Endpoint, ExitReport, FarOutput, LaunchError, LaunchOrder, Launcher, OutputSink, Run, Standing, Tail,
};
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::api::{Cluster, Line};
use crate::pod::{Owner, PodView, Things, Wish};
use crate::records::{self, PLACE, Record};
use crate::template::{self, MANAGED, Merged, STATE};
use crate::watcher::Watcher;
use llm_manager_process::far::{self, Files, Folder, aside};

/// The output of a Pod on its way to its lines.
const PIPE: usize = 64 * 1024;
const PIECES: usize = 4;

const MAKING: &str = "the Pod is being made";

/// Ports for servers in the network of their nodes, where others listen, too.
const NODE_PORTS: std::ops::Range<u16> = 20000..30000;

/// Starts backends as Pods. Nothing of Kubernetes is touched before the first of them.
#[derive(Clone)]
pub struct KubernetesLauncher(Rc<Shared>);

struct Shared {
    state_dir: PathBuf,
    host: String,
    output: Rc<dyn OutputSink>,
    opened: OnceCell<Opened>,
    /// Names of Pods that somebody here holds.
    held: Rc<RefCell<BTreeSet<String>>>,
}

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
}

impl Pod {
    /// Wants more of it than before; less is not heard.
    fn wish(&self, wish: Wish) {
        self.wish.send_if_modified(|old| {
            let more = *old < wish;
            *old = wish.max(*old);
            more
        });
    }
}

/// A Pod with what it prints and the key that its server wants to hear.
struct Owned {
    pod: Pod,
    key: String,
    pieces: mpsc::Receiver<Vec<u8>>,
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
    /// `state_dir` is where what the next manager has to know is kept; `host` is this machine's name.
    pub fn new(state_dir: PathBuf, host: String, output: Rc<dyn OutputSink>) -> Self {
        Self(Rc::new(Shared { state_dir, host, output, opened: OnceCell::new(), held: Rc::default() }))
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
        let opened = Opened { files, line: Line::open()?, watchers: Rc::default() };
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
        for (context, namespace) in places {
            let Ok(cluster) = opened.line.cluster(context, namespace).await else { continue };
            self.end_strangers(&opened, &cluster, &names).await;
        }
        models.dedup();
        models
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
            owned.pod.wish(Wish::Terminate);
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
        let pod = Pod { record: record.clone(), view: of_view, leaves: of_leaves, ends: of_ends, wish };
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
            output: Some(output),
        };
        tokio::task::spawn_local(owner.run(held));
        Ok(Owned { pod, key, pieces })
    }

    /// A Pod for this order: that of an earlier manager, if it was launched in the same way, or a new one.
    async fn pod(&self, order: &LaunchOrder, ask: &PodAsk) -> Result<(Owned, bool), String> {
        let opened = self.open().await.map_err(|error| error.to_string())?;
        let fingerprint = fingerprint(order, ask);
        let begun = u64::from(order.stop_timeout.subsec_nanos() > 0);
        let grace = u32::try_from(order.stop_timeout.as_secs() + begun).unwrap_or(u32::MAX).max(1);
        let files = opened.files.clone();
        let mut adopted = None;
        for record in aside(move || files.records::<Record>()).await.map_err(|error| error.to_string())? {
            if record.model != order.model || self.0.held.borrow().contains(&record.name) {
                continue;
            }
            let fits = record.launch == fingerprint && record.variant == order.variant;
            if adopted.is_none() && fits && self.is_there(&opened, &record).await {
                adopted = Some(record);
            } else {
                self.end(&opened, record).await;
            }
        }
        if let Some(record) = adopted
            && let Some(held) = self.hold(&record.name)
        {
            log::info!("models/{}: takes over the Pod {} of an earlier manager", order.model, record.name);
            let folder = opened.files.folder(&record.name);
            return Ok((self.own(&opened, record, folder, None, grace, held).await?, true));
        }
        let (record, folder, things) = self.prepare(&opened, order, ask, fingerprint, grace).await?;
        let held = self.hold(&record.name).ok_or("two Pods have the same name")?;
        Ok((self.own(&opened, record, folder, Some(things), grace, held).await?, false))
    }

    /// Whether a Pod is worth taking over. If nobody says so, it is.
    async fn is_there(&self, opened: &Opened, record: &Record) -> bool {
        let cluster = opened.line.cluster(record.context.clone(), record.namespace.clone()).await;
        match cluster {
            Ok(cluster) => cluster.has_pod(&record.name).await.unwrap_or(true),
            Err(_) => true,
        }
    }

    async fn prepare(
        &self,
        opened: &Opened,
        order: &LaunchOrder,
        ask: &PodAsk,
        fingerprint: String,
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
                launch: fingerprint,
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
        let Owned { pod, key, pieces } = owned;
        let output = FarOutput::new(&order, &self.0.output);
        let standing = watch::Sender::new(Standing::Queued(MAKING.into()));
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
            standing,
            report,
        };
        let view = pod.view.clone();
        log::debug!("models/{}: Pod {} (taken over: {adopted})", order.model, pod.record.name);
        tokio::task::spawn_local(attendant.run(Rc::downgrade(&pod), view, pieces, output, slot));
        Ok(Box::new(run))
    }
}

/// By what a Pod was launched: one of another fingerprint isn't taken over.
fn fingerprint(order: &LaunchOrder, ask: &PodAsk) -> String {
    let mut hasher = DefaultHasher::new();
    format!("{ask:?} {:?} {:?} {:?}", order.launch, order.env, order.port).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
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

/// Hands on what becomes of a Pod, and holds the slot until nothing is left of it.
struct Attendant {
    model: String,
    name: String,
    port: u16,
    key: String,
    standing: watch::Sender<Standing>,
    report: watch::Sender<Option<ExitReport>>,
}

/// What a Pod's view means for whoever waits for its run.
enum Means {
    Waits(String),
    Placed(Arc<Endpoint>),
    Hopeless(String),
}

impl Attendant {
    fn meaning(&self, view: &PodView) -> Means {
        let pod = &self.name;
        match view {
            PodView::Making(None) | PodView::Ended(_) => Means::Waits(MAKING.to_owned()),
            PodView::Making(Some(why)) => Means::Waits(format!("Pod {pod} isn't made yet: {why}")),
            PodView::Waits { wait, hopeless: true } => {
                Means::Hopeless(format!("Pod {pod} would wait for ever: {} ({})", wait.sentence, wait.reason))
            }
            PodView::Waits { wait, .. } if wait.reason.is_empty() => {
                Means::Waits(format!("Pod {pod} waits: {}", wait.sentence))
            }
            PodView::Waits { wait, .. } => {
                Means::Waits(format!("Pod {pod} waits: {} ({})", wait.sentence, wait.reason))
            }
            PodView::Runs { address, .. } => match Endpoint::node(address, self.port, &self.key) {
                Ok(endpoint) => Means::Placed(Arc::new(endpoint)),
                Err(why) => Means::Hopeless(format!("Pod {pod}: {why}")),
            },
        }
    }

    async fn run(
        self,
        pod: std::rc::Weak<Pod>,
        mut view: watch::Receiver<PodView>,
        mut pieces: mpsc::Receiver<Vec<u8>>,
        output: FarOutput,
        slot: OwnedSemaphorePermit,
    ) {
        let (mut writer, reader) = tokio::io::duplex(PIPE);
        let pump = tokio::task::spawn_local(async move {
            while let Some(piece) = pieces.recv().await {
                if writer.write_all(&piece).await.is_err() {
                    return;
                }
            }
        });
        let reading = tokio::task::spawn_local(output.drain(reader));
        let mut hopeless = None;
        let end = loop {
            let now = view.borrow_and_update().clone();
            if let PodView::Ended(end) = now {
                break end;
            }
            match self.meaning(&now) {
                Means::Waits(why) => far::tell_wait(&self.standing, why),
                Means::Placed(endpoint) => {
                    if !matches!(&*self.standing.borrow(), Standing::Placed(_)) {
                        let node = if let PodView::Runs { node, .. } = &now { node } else { "" };
                        log::info!(
                            "models/{}: Pod {} serves at {endpoint} (node {node})",
                            self.model,
                            self.name
                        );
                        self.standing.send_replace(Standing::Placed(endpoint));
                    }
                }
                Means::Hopeless(why) => {
                    if let Some(pod) = pod.upgrade() {
                        pod.wish(Wish::Terminate);
                    }
                    far::tell_wait(&self.standing, why.clone());
                    hopeless.get_or_insert(why);
                }
            }
            if view.changed().await.is_err() {
                let sentence = "lost: the task that watched the Pod ended first".to_owned();
                break JobEnd { fate: JobFate::Unknown, sentence };
            }
        };
        // All that it printed is read before its end is told; its owner goes on to clean up.
        let _ = pump.await;
        let _ = reading.await;
        drop(slot);
        self.report.send_replace(Some(far::report(end, hopeless, output.last_lines())));
    }
}

/// The handle of a Pod's run: when it is dropped, the Pod is ended.
struct PodRun {
    pod: Rc<Pod>,
    standing: watch::Receiver<Standing>,
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

    fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    fn terminate(&self) {
        self.pod.wish(Wish::Terminate);
    }

    fn kill(&self) {
        self.pod.wish(Wish::Kill);
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

    fn remainder(&self) -> Option<String> {
        Some(format!("Pod {} has not ended", self.pod.record.name))
    }

    fn exited(&self) -> LocalBoxFuture<'static, ExitReport> {
        ExitReport::told(self.report.clone())
    }
}
