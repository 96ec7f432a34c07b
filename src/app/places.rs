//! Each place has its launcher.

use futures_util::future::LocalBoxFuture;
use llm_manager_policy::spec::Place;
use llm_manager_process::{LaunchError, LaunchOrder, Launcher, LocalLauncher, Run, UrlLauncher};

/// The launchers of all places.
pub(super) struct Places {
    pub(super) local: LocalLauncher,
    pub(super) url: UrlLauncher,
}

impl Launcher for Places {
    fn launch(&self, order: LaunchOrder) -> LocalBoxFuture<'static, Result<Box<dyn Run>, LaunchError>> {
        match order.place {
            Place::Local => self.local.launch(order),
            Place::Url(_) => self.url.launch(order),
        }
    }
}
