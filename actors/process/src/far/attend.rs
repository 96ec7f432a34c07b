//! Between the owner of a job and the Model: hands on how the job stands and what it prints, until nothing of it is left.

use std::sync::Arc;

use llm_manager_policy::cluster::{JobEnd, JobFate};
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};

use super::{report, tell_wait};
use crate::{BackendAddress, ExitReport, FarOutput, PlacementState};

/// The output of a job on its way to its lines.
const PIPE: usize = 64 * 1024;

/// What the view of a job means for whoever waits for its run.
pub enum Means {
    /// It has no place yet, and why.
    Waits(String),
    /// It serves here.
    Placed(Arc<BackendAddress>),
    /// It would never serve, and why.
    Hopeless(String),
    /// Nothing of it is left.
    Over(JobEnd),
}

/// A job as its kind of place knows it.
pub trait Attended {
    /// How it stands.
    type View: Clone;

    /// What that means.
    fn meaning(&self, view: &Self::View) -> Means;
    /// It serves from now on: a line for the log.
    fn placed(&self, view: &Self::View, endpoint: &BackendAddress);
    /// It would never serve, and is to end.
    fn give_up(&self);
    /// It has ended: what it printed is read to its end.
    fn ended(&self) {}
}

/// Attends to one job to its end. `hear` listens to what it prints.
pub async fn attend<A: Attended>(
    job: &A,
    mut view: watch::Receiver<A::View>,
    mut pieces: mpsc::Receiver<Vec<u8>>,
    mut hear: impl FnMut(&[u8]) + 'static,
    output: FarOutput,
    standing: watch::Sender<PlacementState>,
) -> ExitReport {
    let (mut writer, reader) = tokio::io::duplex(PIPE);
    let pump = tokio::task::spawn_local(async move {
        while let Some(piece) = pieces.recv().await {
            hear(&piece);
            if writer.write_all(&piece).await.is_err() {
                return;
            }
        }
    });
    let reading = tokio::task::spawn_local(output.drain(reader));
    let mut hopeless = None;
    let end = loop {
        let now = view.borrow_and_update().clone();
        match job.meaning(&now) {
            Means::Over(end) => break end,
            Means::Waits(why) => tell_wait(&standing, why),
            Means::Placed(endpoint) => {
                if !matches!(&*standing.borrow(), PlacementState::Placed(_)) {
                    job.placed(&now, &endpoint);
                    standing.send_replace(PlacementState::Placed(endpoint));
                }
            }
            Means::Hopeless(why) => {
                job.give_up();
                tell_wait(&standing, why.clone());
                hopeless.get_or_insert(why);
            }
        }
        if view.changed().await.is_err() {
            let sentence = "lost: the task that watched it ended first".to_owned();
            break JobEnd { fate: JobFate::Unknown, sentence };
        }
    };
    // All that it printed is read before its end is told.
    job.ended();
    let _ = pump.await;
    let _ = reading.await;
    report(end, hopeless, output.last_lines())
}
