//! Each place has its launcher.

use super::pods::KubernetesLauncher;
use super::tree::ModelRoster;
use futures_util::future::LocalBoxFuture;
use llm_manager_actors::model::Verb;
use llm_manager_policy::spec::Place;
use llm_manager_process::{
    LaunchError, LaunchOrder, Launcher, LocalLauncher, Run, SharedLauncher, UrlLauncher,
};
use llm_manager_slurm::SlurmLauncher;

/// The launchers of all places.
pub(super) struct Launchers {
    pub(super) local: LocalLauncher,
    pub(super) url: UrlLauncher,
    pub(super) clusters: Clusters,
    /// Where several managers share a cluster: in the stead of those of jobs and Pods.
    pub(super) shared: Option<SharedLauncher>,
}

/// The launchers of what outlives a manager.
#[derive(Clone)]
pub(super) struct Clusters {
    pub(super) slurm: SlurmLauncher,
    pub(super) pods: KubernetesLauncher,
}

impl Launcher for Clusters {
    fn launch(&self, order: LaunchOrder) -> LocalBoxFuture<'static, Result<Box<dyn Run>, LaunchError>> {
        if let Place::Kubernetes(_) = order.place {
            self.pods.launch(order)
        } else {
            self.slurm.launch(order)
        }
    }
}

/// The jobs and Pods of an earlier manager that was killed go on: their models are started, which takes them over.
pub(super) async fn take_over(clusters: Clusters, roster: ModelRoster) {
    let Clusters { slurm, pods } = clusters;
    let is_known = |name: &str| roster.find_replica(name).is_some();
    let (jobs, pods) = futures_util::join!(slurm.take_stock(is_known), pods.take_stock(is_known));
    for model in jobs.iter().chain(&pods).filter_map(|name| roster.find_replica(name)) {
        if let Err(refused) = model.order(Verb::Start, None) {
            log::warn!("models/{}: its job or Pod is not taken over: {refused:?}", model.spec.name);
        }
    }
}

impl Launcher for Launchers {
    fn launch(&self, order: LaunchOrder) -> LocalBoxFuture<'static, Result<Box<dyn Run>, LaunchError>> {
        match order.place {
            Place::Local => self.local.launch(order),
            Place::Url(_) => self.url.launch(order),
            Place::Slurm(_) | Place::Kubernetes(_) => match &self.shared {
                Some(shared) => shared.launch(order),
                None => self.clusters.launch(order),
            },
        }
    }

    fn expect(&self) {
        self.local.expect();
    }
}
