//! Gives memory back to the system once many requests are gone: the allocator keeps what they have used, for the next ones.

use super::tree::ModelRoster;
use crate::http::Gateways;
use llm_manager_policy::memory_release::MemoryRelease;
use llm_manager_process as process;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks. Connections to backends are kept for four seconds after the last request.
const LOOK: Duration = Duration::from_secs(3);

/// Looks until the program stops.
pub(super) async fn watch(roster: ModelRoster, gateways: Gateways, stopping: CancellationToken) {
    let mut ebb = MemoryRelease::default();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(LOOK) => (),
        }
        let waiting: usize = roster.models().iter().map(|model| model.waiting()).sum();
        if ebb.is_over(gateways.busy() + waiting) {
            // An error: the program ends.
            let _ = actix_web::rt::task::spawn_blocking(process::give_memory_back).await;
        }
    }
}
