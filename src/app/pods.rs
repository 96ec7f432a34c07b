//! Pods, if this program can make them.

#[cfg(not(feature = "kubernetes"))]
mod absent;

#[cfg(not(feature = "kubernetes"))]
pub(super) use absent::KubernetesLauncher;
#[cfg(feature = "kubernetes")]
pub(super) use llm_manager_kubernetes::KubernetesLauncher;

use llm_manager_process::OutputSink;
use llm_manager_process::far::Fence;
use std::path::PathBuf;
use std::rc::Rc;

/// The launcher of Pods. Nothing of Kubernetes is touched before the first of them; none is made or deleted while the fence is closed.
pub(super) fn launcher(state_dir: PathBuf, output: Rc<dyn OutputSink>, fence: Fence) -> KubernetesLauncher {
    let host = sysinfo::System::host_name().unwrap_or_default();
    KubernetesLauncher::new(state_dir, host, output, fence)
}
