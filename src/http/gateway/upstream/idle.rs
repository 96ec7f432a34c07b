//! The idle connections of a pool: the newest is used first, old ones are closed.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::connection::Connection;

/// Backends close a connection that idles: llama-server after 5 s. Older ones are not used any more.
pub(super) const MAX_AGE: Duration = Duration::from_secs(4);
const MAX_IDLE: usize = 1024;
/// How long a connection that the backend has closed, or that is too old, may keep its file open.
const SWEEP: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Idle {
    /// In the order in which they came, so the oldest is first.
    connections: RefCell<Vec<(Instant, Box<Connection>)>>,
    sweeping: Cell<bool>,
    pub(super) ending: CancellationToken,
}

impl Idle {
    pub(super) fn new(ending: CancellationToken) -> Self {
        Self { connections: RefCell::default(), sweeping: Cell::new(false), ending }
    }

    pub(super) fn take(&self) -> Option<Box<Connection>> {
        let mut connections = self.connections.borrow_mut();
        while let Some((since, mut connection)) = connections.pop() {
            if since.elapsed() >= MAX_AGE {
                // All others are older still.
                connections.clear();
            } else if connection.is_reusable() {
                return Some(connection);
            }
        }
        None
    }

    pub(super) fn put(idle: &Rc<Self>, mut connection: Box<Connection>) {
        let mut connections = idle.connections.borrow_mut();
        if connections.len() < MAX_IDLE && !idle.ending.is_cancelled() && connection.is_reusable() {
            connections.push((Instant::now(), connection));
            if !idle.sweeping.replace(true) {
                actix_rt::spawn(sweep(Rc::downgrade(idle), idle.ending.clone()));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.connections.borrow().len()
    }

    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        for (since, _) in self.connections.borrow_mut().iter_mut() {
            *since = since.checked_sub(by).unwrap();
        }
    }

    /// Closes what is too old or closed by the backend, and all if the backend ends; says whether any is left.
    fn sweep(&self) -> bool {
        let mut connections = self.connections.borrow_mut();
        if self.ending.is_cancelled() {
            connections.clear();
        }
        connections.retain_mut(|(since, connection)| since.elapsed() < MAX_AGE && connection.is_reusable());
        !connections.is_empty()
    }
}

/// Runs while there is something to look after, and holds the pool only while it looks.
async fn sweep(idle: Weak<Idle>, ending: CancellationToken) {
    loop {
        let pause = tokio::time::sleep(SWEEP);
        tokio::select! { () = pause => {}, () = ending.cancelled() => {} }
        let Some(idle) = idle.upgrade() else { return };
        if !idle.sweep() {
            idle.sweeping.set(false);
            return;
        }
    }
}
