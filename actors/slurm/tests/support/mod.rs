//! A cluster for a test.

#[path = "../../../../tests/support/slurm.rs"]
mod slurm;

pub(crate) use slurm::Cluster;

/// Runs a test beside a cluster of its own.
pub(crate) fn on_a_cluster(test: impl AsyncFnOnce(&Cluster)) {
    let Some(cluster) = Cluster::start() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test(&cluster));
}
