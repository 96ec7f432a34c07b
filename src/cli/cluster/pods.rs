//! Pods whose state folder is gone.

use llm_manager_kubernetes::{CallError, Orphan, end_orphan, orphans};

/// `None`: there is no cluster here to ask, and nobody has named one.
pub(super) async fn clean(
    dry_run: bool,
    host: &str,
    namespace: Option<String>,
    context: Option<String>,
    is_wanted: bool,
) -> Result<Option<Vec<String>>, String> {
    let found = match orphans(context, namespace, host).await {
        Err(CallError::NoWay { .. }) if !is_wanted => return Ok(None),
        found => found.map_err(|error| format!("Kubernetes: {error}"))?,
    };
    let mut lines = Vec::new();
    for pod in found {
        let Orphan { name, folder, elsewhere, .. } = &pod;
        let folder = folder.display();
        lines.push(match elsewhere {
            Some(host) => {
                format!("left Pod {name} alone: {folder} isn't here, but it was made from {host}: look there")
            }
            None if dry_run => format!("would end Pod {name}: {folder} is gone"),
            None => {
                end_orphan(&pod).await.map_err(|error| format!("Pod {name}: {error}"))?;
                format!("ended Pod {name}: {folder} is gone")
            }
        });
    }
    Ok(Some(lines))
}
