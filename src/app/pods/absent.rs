//! What stands for Pods in a program that was built without them.

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use llm_manager_process::far::Fence;
use llm_manager_process::{LaunchError, LaunchOrder, Launcher, OutputSink, Run};
use std::path::PathBuf;
use std::rc::Rc;

#[derive(Clone)]
pub(in crate::app) struct KubernetesLauncher;

impl KubernetesLauncher {
    pub(in crate::app) fn new(
        _state_dir: PathBuf,
        _host: String,
        _output: Rc<dyn OutputSink>,
        _fence: Fence,
    ) -> Self {
        Self
    }

    #[expect(clippy::unused_async, reason = "the other one waits")]
    pub(in crate::app) async fn take_stock(&self, _known: impl Fn(&str) -> bool) -> Vec<String> {
        Vec::new()
    }
}

/// `check` refuses `on.kubernetes` in this program.
impl Launcher for KubernetesLauncher {
    fn launch(&self, order: LaunchOrder) -> LocalBoxFuture<'static, Result<Box<dyn Run>, LaunchError>> {
        let why = "this program was built without the feature `kubernetes`".to_owned();
        async move { Err(LaunchError::NoWay { place: order.place.to_string(), why }) }.boxed_local()
    }
}
