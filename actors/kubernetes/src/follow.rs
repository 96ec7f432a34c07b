//! What a Pod's server prints, read while it is printed.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{AsyncBufRead, AsyncBufReadExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::api::LIMIT;
use crate::lines::Lines;

/// Between two tries to open a log.
const PAUSE: Duration = Duration::from_secs(1);
/// Silence after the end: nothing more comes.
const SILENCE_AFTER_END: Duration = Duration::from_secs(2);
/// Of a Pod that is taken over, so many lines are shown again.
const SHOWN_AGAIN: i64 = 200;

/// Reads on the thread of the API until all is read after `over` has become true.
pub(crate) async fn follow(
    pods: Api<Pod>,
    name: String,
    container: String,
    adopted: bool,
    mut over: watch::Receiver<bool>,
    pieces: mpsc::Sender<Vec<u8>>,
) {
    let mut lines = Lines::default();
    let mut first = true;
    loop {
        let last = *over.borrow_and_update() || over.has_changed().is_err();
        let params = LogParams {
            container: Some(container.clone()),
            follow: !last,
            timestamps: true,
            since_time: lines.since(),
            tail_lines: (adopted && first).then_some(SHOWN_AGAIN),
            ..LogParams::default()
        };
        if let Ok(Ok(stream)) = timeout(LIMIT, pods.log_stream(&name, &params)).await {
            lines.reopened();
            first = false;
            if read(Box::pin(stream), &mut lines, &mut over, &pieces).await.is_err() {
                return;
            }
        }
        if last || pieces.is_closed() {
            return;
        }
        // The end of its log is mostly the end of the Pod, which is told by another way.
        let _ = timeout(PAUSE, over.wait_for(|over| *over)).await;
    }
}

struct NobodyReads;

async fn read(
    mut stream: Pin<Box<dyn AsyncBufRead + Send>>,
    lines: &mut Lines,
    over: &mut watch::Receiver<bool>,
    pieces: &mpsc::Sender<Vec<u8>>,
) -> Result<(), NobodyReads> {
    loop {
        let is_over = *over.borrow();
        let bytes = tokio::select! {
            bytes = stream.fill_buf() => bytes,
            () = silence(over, is_over) => return Ok(()),
            () = pieces.closed() => return Err(NobodyReads),
        };
        // What is wrong with it shows when it is opened again.
        let Ok(bytes) = bytes else { return Ok(()) };
        let (count, new) = (bytes.len(), lines.feed(bytes));
        if count == 0 {
            return Ok(());
        }
        stream.as_mut().consume(count);
        if !new.is_empty() && pieces.send(new).await.is_err() {
            return Err(NobodyReads);
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
