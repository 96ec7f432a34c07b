//! The idle connections to one run of a backend: the newest is used first, old ones are closed.

use super::connection::BackendConnection;
use crate::http::gateway::in_flight::InFlight;
use actix_rt::task::JoinHandle;
use llm_manager_actors::model::Backend;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Backends close a connection that idles: llama-server after 5 s. Older ones are not used any more.
const MAX_AGE: Duration = Duration::from_secs(4);
/// The same elsewhere, where opening one takes longer: perhaps a handshake over TLS, half around the world.
const MAX_AGE_FAR: Duration = Duration::from_secs(30);
/// Idle connections that are kept, and those that are on their way back; others are closed.
pub(crate) const MAX_IDLE: usize = 1024;

/// Where a connection goes once its answer has ended. It stands for a request in flight.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) backend: Backend,
    pub(crate) returns: mpsc::Sender<Returned>,
    pub(crate) _request: (Arc<()>, Arc<InFlight>),
}

/// A connection that is free again.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) backend: Backend,
    since: Instant,
    connection: Box<BackendConnection>,
}

impl Home {
    /// Takes a connection back if it can be used again. Without a message: the Gateway looks when it needs one.
    pub(super) fn take_back(self, connection: Box<BackendConnection>) {
        // To a backend that ends, none is kept.
        if !self.backend.ending().is_cancelled() && connection.is_reusable() {
            // Too many have come back at once, or the Gateway is gone: the connection is closed.
            let _ =
                self.returns.try_send(Returned { backend: self.backend, since: Instant::now(), connection });
        }
    }
}

/// The idle connections to one run of a backend.
#[derive(Debug)]
pub(crate) struct Pool {
    /// In the order in which they came, so the oldest is first.
    idle: Vec<(Instant, Box<BackendConnection>)>,
    max_age: Duration,
    /// Its key is no other's as long as it is here.
    _backend: Backend,
    _watch: AbortOnDropHandle<()>,
}

impl Pool {
    /// `watch` tells the Gateway when the backend ends.
    pub(crate) fn new(backend: Backend, watch: JoinHandle<()>) -> Self {
        let max_age = if backend.endpoint().local_address().is_some() { MAX_AGE } else { MAX_AGE_FAR };
        Self { idle: Vec::new(), max_age, _backend: backend, _watch: AbortOnDropHandle::new(watch) }
    }

    pub(super) fn take(&mut self) -> Option<Box<BackendConnection>> {
        while let Some((since, mut connection)) = self.idle.pop() {
            if since.elapsed() >= self.max_age {
                // All others are older still.
                self.idle.clear();
            } else if connection.is_alive() {
                return Some(connection);
            }
        }
        None
    }

    pub(crate) fn put(&mut self, returned: Returned) {
        if self.idle.len() < MAX_IDLE {
            self.idle.push((returned.since, returned.connection));
        }
    }

    /// Closes what is too old or closed by the backend; says whether any is left.
    pub(crate) fn sweep(&mut self) -> bool {
        let max_age = self.max_age;
        self.idle.retain_mut(|(since, connection)| since.elapsed() < max_age && connection.is_alive());
        !self.idle.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn age(&mut self) {
        for (since, _) in &mut self.idle {
            *since = since.checked_sub(MAX_AGE).unwrap();
        }
    }
}
