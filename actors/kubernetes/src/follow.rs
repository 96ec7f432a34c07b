//! What a Pod's server prints, read while it is printed.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{AsyncBufRead, AsyncBufReadExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use llm_manager_process::AlreadyKept;
use llm_manager_process::far::ReadPosition;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::api::LIMIT;
use crate::lines::Lines;

/// Between two tries to open a log.
const PAUSE: Duration = Duration::from_secs(1);
/// Silence after the end: nothing more comes.
const SILENCE_AFTER_END: Duration = Duration::from_secs(2);
/// Of what an earlier manager has read, so many lines are shown again.
const SHOWN_AGAIN: i64 = 200;

/// Reads what one Pod's server prints.
pub(crate) struct Follower {
    pub pods: Api<Pod>,
    pub name: String,
    pub container: String,
    /// There may have been an earlier manager.
    pub adopted: bool,
    /// How far that one has read, and what the next one is told.
    pub mark: ReadPosition,
    /// What that one has kept is not kept again.
    pub again: AlreadyKept,
    pub over: watch::Receiver<bool>,
    pub pieces: mpsc::Sender<Vec<u8>>,
}

struct NobodyReads;

impl Follower {
    /// Reads on the thread of the API until all is read after `over` has become true.
    pub(crate) async fn run(mut self) {
        let before = if self.adopted { self.mark.found().await } else { Some(Timestamp::UNIX_EPOCH) };
        let (reach, reached) = watch::channel(before);
        tokio::spawn(self.mark.clone().note(reached));
        let mut lines = before.map_or_else(Lines::default, Lines::after);
        // Nobody knows how far was read.
        let mut tail = before.is_none().then_some(SHOWN_AGAIN);
        if let Some(before) = before.filter(|_| self.adopted)
            && self.show_again(before).await.is_err()
        {
            return;
        }
        loop {
            let last = *self.over.borrow_and_update() || self.over.has_changed().is_err();
            let params =
                LogParams { follow: !last, since_time: lines.since(), tail_lines: tail, ..self.params() };
            if let Ok(Ok(stream)) = timeout(LIMIT, self.pods.log_stream(&self.name, &params)).await {
                lines.reopened();
                tail = None;
                if self.read(Box::pin(stream), &mut lines, Some(&reach)).await.is_err() {
                    return;
                }
            }
            if last || self.pieces.is_closed() {
                return;
            }
            // The end of its log is mostly the end of the Pod, which is told by another way.
            let _ = timeout(PAUSE, self.over.wait_for(|over| *over)).await;
        }
    }

    fn params(&self) -> LogParams {
        LogParams { container: Some(self.container.clone()), timestamps: true, ..LogParams::default() }
    }

    /// The last lines that an earlier manager has read. Without them the log goes on all the same.
    async fn show_again(&mut self, before: Timestamp) -> Result<(), NobodyReads> {
        let params = LogParams { tail_lines: Some(SHOWN_AGAIN), ..self.params() };
        match timeout(LIMIT, self.pods.log_stream(&self.name, &params)).await {
            Ok(Ok(stream)) => self.read(Box::pin(stream), &mut Lines::until(before), None).await,
            _ => Ok(()),
        }
    }

    /// Hands on what a stream brings, up to its end. Without `reach` it was kept before.
    async fn read(
        &mut self,
        mut stream: Pin<Box<dyn AsyncBufRead + Send>>,
        lines: &mut Lines,
        reach: Option<&watch::Sender<Option<Timestamp>>>,
    ) -> Result<(), NobodyReads> {
        loop {
            let is_over = *self.over.borrow();
            let bytes = tokio::select! {
                bytes = stream.fill_buf() => bytes,
                () = silence(&mut self.over, is_over) => return Ok(()),
                () = self.pieces.closed() => return Err(NobodyReads),
            };
            // What is wrong with it shows when it is opened again.
            let Ok(bytes) = bytes else { return Ok(()) };
            let (count, new) = (bytes.len(), lines.feed(bytes));
            if count == 0 {
                return Ok(());
            }
            stream.as_mut().consume(count);
            if new.is_empty() {
                continue;
            }
            if reach.is_none() {
                self.again.add(new.len() as u64);
            }
            if self.pieces.send(new).await.is_err() {
                return Err(NobodyReads);
            }
            if let (Some(reach), whole @ Some(_)) = (reach, lines.whole()) {
                reach.send_replace(whole);
            }
        }
    }
}

async fn silence(over: &mut watch::Receiver<bool>, is_over: bool) {
    if !is_over {
        // An error: whoever knows of the end is gone.
        let _ = over.wait_for(|over| *over).await;
    }
    tokio::time::sleep(SILENCE_AFTER_END).await;
}
