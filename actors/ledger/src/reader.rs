//! Reports' way into the ledger: a few read-only connections, each used on a thread of its own.

use super::db::{ConnectionRole, Db, Location, connect};
use super::error::StoreError;
use super::file_watch::pause;
use super::journal_index;
use crossbeam_channel::{Receiver, Sender, bounded};
use llm_manager_policy::system::no_thread;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

/// Reports at once; others wait for their turn.
const CONNECTIONS: usize = 4;

/// A ledger that says nothing at all for so long is not waited for.
const SILENCE: Duration = Duration::from_millis(1700);
/// Longest time of a report.
const LONGEST: Duration = Duration::from_secs(60);
/// How often it is looked whether another thread has made the journal's index anew.
const LOOKS: u32 = 20;

/// Answers reports. Cheap to clone.
#[derive(Clone)]
pub struct LedgerReader(Arc<Inner>);

struct Inner {
    location: Location,
    put: Sender<(u64, Db)>,
    take: Receiver<(u64, Db)>,
    /// Connections of a former generation are to a file that isn't the ledger any more.
    generation: AtomicU64,
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
        Self(Arc::new(Inner {
            location: location.clone(),
            put,
            take,
            generation: AtomicU64::new(0),
            permits,
        }))
    }

    /// Where it reads.
    pub fn location(&self) -> &Location {
        &self.0.location
    }

    /// The file was replaced: connections to the old one are closed.
    pub fn renew(&self) {
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        while self.0.take.try_recv().is_ok() {}
    }

    /// The same, and waits until nobody reads in the old one any more, for a second at most: of the journal of one file
    /// SQLite has one index for a whole process, and another content would be read by it. Blocks.
    pub fn renew_and_wait(&self) {
        for _ in 0..20 {
            self.renew();
            if self.0.permits.available_permits() == CONNECTIONS {
                return;
            }
            pause();
        }
    }

    /// Does some reading on a consistent state of the ledger, on a thread of its own: it may never come back, and must
    /// hold up neither the answer nor the end of the program.
    pub(super) async fn with<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        let silent = || StoreError::Silent(format!("for {} ms", SILENCE.as_millis()));
        let deadline = Instant::now() + SILENCE;
        let permit =
            timeout_at(deadline, Arc::clone(&self.0.permits).acquire_owned()).await.map_err(|_| silent())?;
        let permit = permit.map_err(|_| StoreError::Other("the ledger's readers have ended".into()))?;
        let inner = Arc::clone(&self.0);
        let (answers, answered) = oneshot::channel();
        let (reply, done) = oneshot::channel();
        let thread = std::thread::Builder::new().name("ledger-report".into());
        let started = thread.spawn(move || {
            let _permit = permit;
            // Nobody waits for it any more: that changes nothing.
            let _ = reply.send(inner.read(answers, &work));
        });
        started.map_err(|error| StoreError::Other(no_thread(&error)))?;
        let broken = |_| StoreError::Other("a report broke off; see the log".into());
        // A ledger that answers at all gets the time that the report takes.
        if timeout_at(deadline, answered).await.is_err() {
            return Err(silent());
        }
        match timeout(LONGEST, done).await {
            Ok(done) => done.map_err(broken)?,
            Err(_) => Err(StoreError::Silent(format!("to this question for {} s", LONGEST.as_secs()))),
        }
    }
}

impl Inner {
    fn read<T>(
        &self,
        answers: oneshot::Sender<()>,
        work: &dyn Fn(&mut Db) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let generation = self.generation.load(Ordering::Acquire);
        let mut answers = Some(answers);
        if let Location::File(path) = &self.location {
            // Another thread may be making it anew: a moment later it is there.
            let mut looks = 0..LOOKS;
            while let Err(error) = journal_index::mend(path, 0) {
                looks.next().ok_or(error)?;
                pause();
            }
        }
        if let Ok((born, mut db)) = self.take.try_recv()
            && born == generation
        {
            match self.once(&mut db, &mut answers, work) {
                // The server was restarted since: once more with a new connection.
                Err(StoreError::Gone(_)) => (),
                done => return self.keep(generation, db, done),
            }
        }
        let mut db = connect(&self.location, ConnectionRole::Read)?;
        let done = self.once(&mut db, &mut answers, work);
        self.keep(generation, db, done)
    }

    fn once<T>(
        &self,
        db: &mut Db,
        answers: &mut Option<oneshot::Sender<()>>,
        work: &dyn Fn(&mut Db) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // One state for all of its queries.
        db.run(if db.is_sqlite() { "BEGIN" } else { "BEGIN ISOLATION LEVEL REPEATABLE READ" })?;
        // It answers, and its table can be read.
        db.number("SELECT COUNT(*) AS number FROM meta")?;
        if let Some(answers) = answers.take() {
            let _ = answers.send(());
        }
        let done = work(db);
        let ended = db.run("COMMIT");
        done.and_then(|value| ended.map(|()| value))
    }

    /// A connection that has failed is not used again.
    fn keep<T>(&self, generation: u64, db: Db, done: Result<T, StoreError>) -> Result<T, StoreError> {
        let is_current = generation == self.generation.load(Ordering::Acquire);
        if is_current && matches!(done, Ok(_) | Err(StoreError::Refused(_))) {
            // No room: there are as many idle ones as can ever be used.
            let _ = self.put.try_send((generation, db));
        }
        done
    }
}
