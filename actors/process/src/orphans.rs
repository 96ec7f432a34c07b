//! Orphans: what a backend left without a parent becomes a child of this process, which must wait for it then; the same
//! if this process is the first of a container.

use std::collections::HashSet;
use std::time::Duration;

use super::platform::{self, ProcessId};

/// Whoever started a child waits for it at once. One that has been dead for longer has nobody.
const WAKE: Duration = Duration::from_secs(5);

/// Becomes the parent of orphans, and waits for those that have ended, for as long as the program runs.
pub async fn adopt_orphans() {
    if let Err(error) = platform::adopt_orphans() {
        log::warn!("can't adopt orphans of backends ({error}): daemons may be missed");
    }
    let mut seen = HashSet::new();
    loop {
        tokio::time::sleep(WAKE).await;
        // The table of processes is looked through only where there is one to be found.
        let dead = if platform::ended_child().is_some() { ended_children() } else { HashSet::new() };
        let (old, new): (Vec<ProcessId>, Vec<ProcessId>) = dead.into_iter().partition(|id| seen.contains(id));
        old.into_iter().for_each(|id| platform::bury(id.pid));
        seen = new.into_iter().collect();
    }
}

/// Children of this process that have ended and that nobody has waited for yet.
fn ended_children() -> HashSet<ProcessId> {
    let own = std::process::id();
    // Without a look now there is one in five seconds.
    let all = platform::processes().unwrap_or_default();
    all.into_iter().filter(|info| info.parent == own && !info.alive).map(|info| info.id).collect()
}
