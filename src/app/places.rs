//! Each place has its launcher.

use super::tree::Roster;
use futures_util::future::LocalBoxFuture;
use llm_manager_actors::model::Verb;
use llm_manager_policy::spec::Place;
use llm_manager_process::{LaunchError, LaunchOrder, Launcher, LocalLauncher, Run, UrlLauncher};
use llm_manager_slurm::SlurmLauncher;

/// The launchers of all places.
pub(super) struct Places {
    pub(super) local: LocalLauncher,
    pub(super) url: UrlLauncher,
    pub(super) slurm: SlurmLauncher,
}

/// The jobs of an earlier manager that was killed go on: their models are started, which takes the jobs over.
pub(super) async fn take_over(slurm: SlurmLauncher, roster: Roster) {
    let models = slurm.take_stock(|name| roster.find_replica(name).is_some()).await;
    for model in models.iter().filter_map(|name| roster.find_replica(name)) {
        if let Err(refused) = model.order(Verb::Start, None) {
            log::warn!("models/{}: its job is not taken over: {refused:?}", model.spec.name);
        }
    }
}

impl Launcher for Places {
    fn launch(&self, order: LaunchOrder) -> LocalBoxFuture<'static, Result<Box<dyn Run>, LaunchError>> {
        match order.place {
            Place::Local => self.local.launch(order),
            Place::Url(_) => self.url.launch(order),
            Place::Slurm(_) => self.slurm.launch(order),
        }
    }

    fn expect(&self) {
        self.local.expect();
    }
}
