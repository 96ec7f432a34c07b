//! Orphans: what a backend left without a parent becomes a child of this process, which must wait for it then; the same
//! if this process is the first of a container.

use std::time::Duration;

use super::platform;

/// Whoever started a child waits for it at once. One that has been dead for longer has nobody.
const WAKE: Duration = Duration::from_secs(5);

/// Becomes the parent of orphans, and waits for those that have ended, for as long as the program runs.
pub async fn adopt_orphans() {
    if let Err(error) = platform::adopt_orphans() {
        log::warn!("can't adopt orphans of backends ({error}): daemons may be missed");
    }
    let mut seen = None;
    loop {
        tokio::time::sleep(WAKE).await;
        while let Some(pid) = platform::ended_child() {
            if seen != Some(pid) {
                seen = Some(pid);
                break;
            }
            platform::bury(pid);
            seen = None;
        }
    }
}
