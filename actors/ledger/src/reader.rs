//! Reports' way into the ledger: a few read-only connections, used off the async threads.

use super::db::{Db, Location, Role, connect};
use super::error::StoreError;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Reports at once; others wait for their turn.
const CONNECTIONS: usize = 4;

/// Answers reports. Cheap to clone.
#[derive(Clone)]
pub struct LedgerReader(Arc<Inner>);

struct Inner {
    location: Location,
    put: Sender<Db>,
    take: Receiver<Db>,
    permits: Arc<Semaphore>,
}

impl fmt::Debug for LedgerReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LedgerReader").field(&self.0.location).finish()
    }
}

impl LedgerReader {
    pub(super) fn new(location: &Location) -> Self {
        let (put, take) = bounded(CONNECTIONS);
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        Self(Arc::new(Inner { location: location.clone(), put, take, permits }))
    }

    /// Where it reads.
    pub fn location(&self) -> &Location {
        &self.0.location
    }

    /// Does some reading on a consistent state of the ledger, off the async threads.
    pub(super) async fn with<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        let closed = |_| StoreError::Other("the ledger's readers have ended".into());
        let permit = Arc::clone(&self.0.permits).acquire_owned().await.map_err(closed)?;
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            inner.read(&work)
        });
        done.await.unwrap_or_else(|error| Err(StoreError::Other(format!("a report broke off: {error}"))))
    }
}

impl Inner {
    fn read<T>(&self, work: &dyn Fn(&mut Db) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let Ok(mut db) = self.take.try_recv() {
            match self.once(&mut db, work) {
                // The server was restarted since: once more with a new connection.
                Err(StoreError::Gone(_)) => (),
                done => return self.keep(db, done),
            }
        }
        let mut db = connect(&self.location, Role::Read)?;
        let done = self.once(&mut db, work);
        self.keep(db, done)
    }

    fn once<T>(&self, db: &mut Db, work: &dyn Fn(&mut Db) -> Result<T, StoreError>) -> Result<T, StoreError> {
        // One state for all of its queries.
        db.run(if db.is_sqlite() { "BEGIN" } else { "BEGIN ISOLATION LEVEL REPEATABLE READ" })?;
        let done = work(db);
        let ended = db.run("COMMIT");
        done.and_then(|value| ended.map(|()| value))
    }

    /// A connection that has failed is not used again.
    fn keep<T>(&self, db: Db, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if matches!(done, Ok(_) | Err(StoreError::Refused(_))) {
            // No room: there are as many idle ones as can ever be used.
            let _ = self.put.try_send(db);
        }
        done
    }
}
