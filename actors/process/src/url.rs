//! A place that is an address: nothing is started there, and nothing is ended.

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use llm_manager_policy::spec::Place;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{BackendAddress, ExitReport, LaunchError, LaunchOrder, Launcher, PlacementState, Run, Tail};

/// Asks servers that somebody else runs, in the name of this manager.
#[derive(Clone, Debug)]
pub struct UrlLauncher {
    manager: Arc<str>,
}

impl UrlLauncher {
    /// `manager` differs from that of every other manager: by it a request that comes back is known.
    pub fn new(manager: &str) -> Self {
        Self { manager: manager.into() }
    }
}

impl Launcher for UrlLauncher {
    fn launch(&self, order: LaunchOrder) -> LocalBoxFuture<'static, Result<Box<dyn Run>, LaunchError>> {
        let manager = Arc::clone(&self.manager);
        async move {
            // What ran before, perhaps on this machine, has ended.
            let Ok(slot) = order.slot.acquire_owned().await else {
                return Err(LaunchError::SlotClosed { model: order.model });
            };
            let shown = order.place.to_string();
            let there = actix_rt::task::spawn_blocking(move || match &order.place {
                Place::Url(place) => BackendAddress::there(place, &manager),
                _ => Err("it is no address".to_owned()),
            });
            let cannot = |why: String| LaunchError::NoWay { place: shown.clone(), why };
            let endpoint = there.await.map_err(|error| cannot(error.to_string()))?.map_err(&cannot)?;
            log::info!("models/{}: uses {shown} (variant {})", order.model, order.variant);
            Ok(Box::new(UrlRun::new(endpoint, slot)) as Box<dyn Run>)
        }
        .boxed_local()
    }
}

/// The use of a server that somebody else runs. It has ended as soon as it is told to.
struct UrlRun {
    shown: String,
    standing: watch::Sender<PlacementState>,
    ended: watch::Sender<bool>,
    tail: watch::Sender<Tail>,
    members: watch::Sender<Vec<u32>>,
    _slot: OwnedSemaphorePermit,
}

impl UrlRun {
    fn new(endpoint: BackendAddress, slot: OwnedSemaphorePermit) -> Self {
        Self {
            shown: endpoint.to_string(),
            standing: watch::Sender::new(PlacementState::Placed(Arc::new(endpoint))),
            ended: watch::Sender::new(false),
            tail: watch::Sender::default(),
            members: watch::Sender::default(),
            _slot: slot,
        }
    }
}

impl Run for UrlRun {
    fn label(&self) -> String {
        self.shown.clone()
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    fn standing(&self) -> watch::Receiver<PlacementState> {
        self.standing.subscribe()
    }

    fn terminate(&self) {
        self.ended.send_replace(true);
    }

    fn kill(&self) {
        self.ended.send_replace(true);
    }

    fn members(&self) -> watch::Receiver<Vec<u32>> {
        self.members.subscribe()
    }

    fn tail(&self) -> watch::Receiver<Tail> {
        self.tail.subscribe()
    }

    fn remainder(&self) -> Option<String> {
        None
    }

    fn exited(&self) -> LocalBoxFuture<'static, ExitReport> {
        let mut ended = self.ended.subscribe();
        let status = format!("{} is not used any more", self.shown);
        async move {
            // An error: the run was dropped, which ends it, too.
            let _ = ended.wait_for(|ended| *ended).await;
            ExitReport { status, success: true, last_lines: Vec::new(), survivors: Vec::new(), away: None }
        }
        .boxed_local()
    }
}
