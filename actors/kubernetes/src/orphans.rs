//! Pods whose state folder is gone: whoever cleans up finds them by their labels.

use std::path::{Path, PathBuf};

use crate::api::{CallError, Cluster, Line};
use crate::template::{FOLDER, HOST, MANAGED, ORPHAN_GRACE};
use llm_manager_process::far::{Fence, aside};

/// A Pod whose state folder is gone, and what became of it.
#[derive(Clone)]
pub struct Orphan {
    /// Its name.
    pub name: String,
    /// Where its files were.
    pub folder: PathBuf,
    /// It was made from another machine, where the folder may be: it is left alone.
    pub elsewhere: Option<String>,
    cluster: Cluster,
}

/// The Pods of a namespace that some manager has made and whose folders are gone. Must be called where tasks of this thread can be
/// spawned.
///
/// # Errors
/// The API server doesn't say.
pub async fn orphans(
    context: Option<String>,
    namespace: Option<String>,
    hostname: &str,
) -> Result<Vec<Orphan>, CallError> {
    let line = Line::open(Fence::new(None)).map_err(|error| CallError::NoWay { words: error.to_string() })?;
    let cluster = line.cluster(context, namespace).await?;
    let mut found = Vec::new();
    for pod in cluster.list_pods(&format!("{}={}", MANAGED.0, MANAGED.1)).await? {
        let note = |name: &str| pod.metadata.annotations.as_ref().and_then(|notes| notes.get(name)).cloned();
        let (Some(name), Some(root)) = (pod.metadata.name.clone(), note(FOLDER)) else { continue };
        let folder = Path::new(&root).join(&name);
        let gone = folder.clone();
        // What can't be looked at isn't gone.
        if aside(move || gone.try_exists()).await.unwrap_or(true) {
            continue;
        }
        let elsewhere = note(HOST).filter(|host| host != hostname);
        found.push(Orphan { name, folder, elsewhere, cluster: cluster.clone() });
    }
    Ok(found)
}

/// Tells an orphan to end.
///
/// # Errors
/// The API server doesn't take the order.
pub async fn end_orphan(orphan: &Orphan) -> Result<(), CallError> {
    orphan.cluster.delete_pod(&orphan.name, ORPHAN_GRACE).await?;
    orphan.cluster.delete_secret(&orphan.name).await
}
