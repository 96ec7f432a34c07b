//! The thread of the database: one of its own, for a call into a database may never come back. Then the thread is given up,
//! and another one takes its place; the process may end without it.

use super::handle::Core;
use super::work::{DatabaseWorker, Work, WorkResult};
use crossbeam_channel::{Sender, bounded};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::oneshot;

/// The way to the thread. Dropping it ends the thread after the work that it has.
pub(super) struct DatabaseThread {
    orders: Sender<(Work, oneshot::Sender<WorkResult>)>,
    given_up: Arc<AtomicBool>,
}

impl DatabaseThread {
    pub(super) fn start(core: Arc<Core>) -> io::Result<Self> {
        let (orders, inbox) = bounded::<(Work, oneshot::Sender<WorkResult>)>(1);
        let given_up = Arc::new(AtomicBool::new(false));
        let mut desk = DatabaseWorker::new(core, Arc::clone(&given_up));
        let thread = std::thread::Builder::new().name("ledger-writer".into());
        thread.spawn(move || {
            for (work, reply) in &inbox {
                // Nobody waits for it any more: that changes nothing.
                let _ = reply.send(desk.perform(work));
            }
        })?;
        Ok(Self { orders, given_up })
    }

    /// Begins a piece of work. The answer breaks off when the thread crashes.
    pub(super) fn begin(&self, work: Work) -> oneshot::Receiver<WorkResult> {
        let (reply, answer) = oneshot::channel();
        // It has one piece of work at a time, so there is room; a thread that is gone drops the reply.
        let _ = self.orders.try_send((work, reply));
        answer
    }

    /// Whatever it still does must not count.
    pub(super) fn give_up(self) {
        self.given_up.store(true, Ordering::Release);
    }
}
