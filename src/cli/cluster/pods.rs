//! Pods whose state folder is gone.

use super::{Asked, Cleaned, Found};
use llm_manager_kubernetes::{CallError, end_orphan, orphans};

/// Ends them, or only names them.
pub(super) async fn pods(
    dry_run: bool,
    host: &str,
    namespace: Option<String>,
    context: Option<String>,
) -> Asked {
    let found = match orphans(context, namespace, host).await {
        Ok(found) => found,
        Err(error @ CallError::NoWay { .. }) => return Asked::Absent(format!("Kubernetes: {error}")),
        Err(error) => return Asked::Away(error.to_string()),
    };
    let listed = found.iter().map(|pod| {
        let folder = pod.folder.display().to_string();
        let found = match &pod.elsewhere {
            Some(host) => {
                Found::Elsewhere(format!("{folder} isn't here, but it was made from {host}: look there"))
            }
            None => Found::Gone { folder, dry_run },
        };
        (format!("Pod {}", pod.name), found)
    });
    let listed = listed.collect();
    let end = async |at: usize| match found.get(at) {
        Some(pod) => end_orphan(pod).await,
        None => Ok(()),
    };
    let is_away =
        |error: &CallError| matches!(error, CallError::Unreached { .. } | CallError::Unanswered { .. });
    Asked::Done(Cleaned::of(listed, end, is_away).await)
}
