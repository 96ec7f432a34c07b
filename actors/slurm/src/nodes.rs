//! The cluster's nodes, for those who look: asked for when somebody wants to see them, and seldom.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use llm_manager_policy::cluster::{ClusterNode, NODES};
use tokio::sync::{Notify, watch};

use crate::commands;
use crate::json;
use crate::tools::{ToolError, Tools};

/// The nodes at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodesSnapshot {
    /// When; `None`: nobody has looked yet.
    pub at: Option<SystemTime>,
    /// All of them, by name, with the jobs that run there.
    pub nodes: Vec<ClusterNode>,
    /// Why nothing newer is known.
    pub trouble: Option<String>,
}

/// How the nodes are seen; for any thread.
#[derive(Clone, Debug)]
pub struct Nodes {
    wanted: Arc<Notify>,
    seen: watch::Receiver<Arc<NodesSnapshot>>,
}

/// Knows of a job's name whose backend it runs.
pub(crate) type Owners = dyn Fn(&str) -> Option<String>;

/// The other end: whoever asks the cluster.
#[derive(Debug)]
pub struct Watching {
    wanted: Arc<Notify>,
    seen: watch::Sender<Arc<NodesSnapshot>>,
}

impl Nodes {
    /// Both ends. Nothing is asked before somebody looks.
    pub fn new() -> (Self, Watching) {
        let (sender, seen) = watch::channel(Arc::default());
        let wanted = Arc::new(Notify::new());
        (Self { wanted: Arc::clone(&wanted), seen }, Watching { wanted, seen: sender })
    }

    /// The nodes as they were last seen; they are looked at again if that is long ago. The first look is awaited, but not for longer
    /// than this.
    pub async fn look(&self, within: Duration) -> Arc<NodesSnapshot> {
        let mut seen = self.seen.clone();
        self.wanted.notify_one();
        // Whoever looks may be gone; what is known is known.
        let _ = tokio::time::timeout(within, seen.wait_for(|sight| sight.at.is_some())).await;
        Arc::clone(&self.seen.borrow())
    }
}

/// Looks at the nodes when somebody wants it, for as long as there is somebody who could.
pub(crate) async fn run(tools: Tools, owners: Rc<Owners>, watching: Watching) {
    let Watching { wanted, seen } = watching;
    let mut last: Option<Instant> = None;
    loop {
        tokio::select! {
            () = wanted.notified() => {}
            () = seen.closed() => return,
        }
        if last.is_some_and(|last| last.elapsed() < NODES) {
            continue;
        }
        let looked = look(&tools).await;
        last = Some(Instant::now());
        let before = Arc::clone(&seen.borrow());
        let sight = match looked {
            Ok(mut nodes) => {
                for job in nodes.iter_mut().flat_map(|node| &mut node.jobs) {
                    job.model = owners(&job.name);
                }
                NodesSnapshot { at: Some(SystemTime::now()), nodes, trouble: None }
            }
            Err(trouble) => {
                if before.trouble.as_ref() != Some(&trouble) {
                    log::warn!("slurm: the nodes can't be shown: {trouble}");
                }
                let at = before.at.or_else(|| Some(SystemTime::now()));
                NodesSnapshot { at, nodes: before.nodes.clone(), trouble: Some(trouble) }
            }
        };
        seen.send_replace(Arc::new(sight));
    }
}

/// Two calls.
async fn look(tools: &Tools) -> Result<Vec<ClusterNode>, String> {
    let words = |error: ToolError| error.to_string();
    let sinfo = tools.run(&commands::nodes()).await.map_err(words)?;
    let squeue = tools.run(&commands::running()).await.map_err(words)?;
    // A large cluster's answers are megabytes.
    let read = tokio::task::spawn_blocking(move || {
        let mut nodes = json::nodes(&sinfo)?;
        for (name, job) in json::running(&squeue)? {
            let found = nodes.binary_search_by(|node| node.name.cmp(&name)).ok();
            if let Some(node) = found.and_then(|at| nodes.get_mut(at)) {
                node.jobs.push(job);
            }
        }
        Ok(nodes)
    });
    read.await.unwrap_or_else(|error| Err(error.to_string()))
}
