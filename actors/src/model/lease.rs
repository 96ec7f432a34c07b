//! Lease: the right to send one request to a ready backend, given back when it is dropped.

use super::start_trace::StartTrace;
use super::users::Users;
use llm_manager_policy::arrivals::Arrivals;
use llm_manager_policy::gate::{Gate, LeaseAsker};
use llm_manager_policy::liveness::{Liveness, LivenessCounter, LivenessSignal};
use llm_manager_policy::replicas::least_busy;
use llm_manager_policy::spec::{Class, Routes};
use llm_manager_process::BackendAddress;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Why running answers are broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakReason {
    /// The manager stops the backend.
    Stopped,
    /// The backend's process has ended.
    BackendGone,
    /// An operator has cancelled this one request; whoever has it in hand knows, not the lease.
    Cancelled,
}

/// The gate of one run of a backend, with all that a request must know to go through it.
pub(super) struct RunGate {
    pub(super) gate: Gate,
    /// Fires when a lease comes back while the gate is watched; several at once count as one.
    pub(super) freed: Notify,
    way: BackendRoute,
    /// Connections that are opened to it.
    arrivals: Arrivals,
    origin: Instant,
    unused_since_us: AtomicU64,
    pub(super) users: Users,
    /// When the head of its first answer came; 0: not yet.
    first_byte_us: AtomicU64,
    /// Fires at that.
    pub(super) answered: Notify,
    health: LivenessCounter,
    /// No doubt is left: it hangs.
    pub(super) hung: AtomicBool,
    /// The server elsewhere says that it serves nobody now.
    pub(super) away: AtomicBool,
    /// Fires when its requests show that something is wrong.
    pub(super) unwell: Notify,
    /// Another model waits for the memory of this run.
    wanted: AtomicBool,
    /// Fires when the backend is told to end.
    ending: CancellationToken,
    /// Why all leases are broken, if they are.
    break_reason: OnceLock<BreakReason>,
    /// Fires when that is known.
    news: Notify,
}

/// Where a request finds the backend of one run, and how it is asked.
#[derive(Debug)]
pub(super) struct BackendRoute {
    pub(super) endpoint: Arc<BackendAddress>,
    pub(super) epoch: u64,
    pub(super) variant: Arc<str>,
    pub(super) run_id: Option<i64>,
    /// See `Lease::took_off`.
    pub(super) took_off: Option<Duration>,
    /// See `Lease::start`.
    pub(super) start: Option<StartTrace>,
    /// See `Lease::served_name`.
    pub(super) served_name: Option<Arc<str>>,
    /// See `Lease::routes`.
    pub(super) routes: Option<Arc<Routes>>,
}

impl RunGate {
    pub(super) fn endpoint(&self) -> &Arc<BackendAddress> {
        &self.way.endpoint
    }

    pub(super) fn new(way: BackendRoute, limit: Option<u32>, origin: Instant) -> Self {
        let door = Self {
            gate: Gate::new(limit.unwrap_or(u32::MAX)),
            freed: Notify::new(),
            way,
            arrivals: Arrivals::default(),
            origin,
            unused_since_us: AtomicU64::new(0),
            users: Users::default(),
            first_byte_us: AtomicU64::new(0),
            answered: Notify::new(),
            health: LivenessCounter::default(),
            hung: AtomicBool::new(false),
            away: AtomicBool::new(false),
            unwell: Notify::new(),
            wanted: AtomicBool::new(false),
            ending: CancellationToken::new(),
            break_reason: OnceLock::new(),
            news: Notify::new(),
        };
        door.touch();
        door
    }

    /// When the last lease came back, or the door was made.
    pub(super) fn unused_since(&self) -> Duration {
        Duration::from_micros(self.unused_since_us.load(Ordering::Acquire))
    }

    pub(super) fn set_wanted(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::Relaxed);
    }

    /// The backend is about to be told to end: nobody keeps a connection to it for later.
    pub(super) fn end(&self) {
        self.ending.cancel();
    }

    pub(super) fn break_leases(&self, reason: BreakReason) {
        // The first reason is the true one.
        let _ = self.break_reason.set(reason);
        self.news.notify_waiters();
    }

    pub(super) fn served_name(&self) -> Option<Arc<str>> {
        self.way.served_name.clone()
    }

    /// When the head of the first answer came.
    pub(super) fn first_byte(&self) -> Option<Duration> {
        Some(self.first_byte_us.load(Ordering::Acquire)).filter(|us| *us > 0).map(Duration::from_micros)
    }

    pub(super) fn touch(&self) -> u64 {
        let now = self.now_us();
        self.unused_since_us.store(now, Ordering::Release);
        now
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// One run of a backend. It holds nothing: connections to it may be kept without a lease.
#[derive(Clone)]
pub struct Backend(Arc<RunGate>);

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Backend").field(&self.0.way).finish()
    }
}

impl Backend {
    /// Resolves when an answer of it must be broken off, and says why. `cancelled`: whether it is this request alone; whoever has it
    /// say so calls [`Backend::wake`] afterwards.
    pub async fn broken(&self, cancelled: impl Fn() -> bool) -> BreakReason {
        loop {
            // Before the look: what comes after it is not missed.
            let news = self.0.news.notified();
            if let Some(reason) = self.0.break_reason.get() {
                return *reason;
            }
            if cancelled() {
                return BreakReason::Cancelled;
            }
            news.await;
        }
    }

    /// Has all its requests look whether they are cancelled.
    pub fn wake(&self) {
        self.0.news.notify_waiters();
    }

    /// Whether another model waits for the memory of this run: true from the moment at which it was asked to yield.
    pub fn is_wanted(&self) -> bool {
        self.0.wanted.load(Ordering::Relaxed)
    }

    /// A backend that is always there, for tests.
    #[doc(hidden)]
    pub fn at(endpoint: BackendAddress) -> Self {
        let endpoint = Arc::new(endpoint);
        let way = BackendRoute {
            endpoint,
            epoch: 0,
            variant: Arc::from(""),
            run_id: None,
            took_off: None,
            start: None,
            served_name: None,
            routes: None,
        };
        Self(Arc::new(RunGate::new(way, None, Instant::now())))
    }

    /// Where it is reached.
    pub fn endpoint(&self) -> &Arc<BackendAddress> {
        &self.0.way.endpoint
    }

    /// Tells it from all others that are known at the same time.
    pub fn key(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Takes the next place among those that open a connection to it, and says how long to wait for it.
    pub fn arrive(&self) -> Duration {
        self.0.arrivals.place(self.0.origin.elapsed())
    }

    /// Fires when the backend is told to end. A server such as llama-server doesn't end at once while somebody keeps an
    /// idle connection to it.
    pub fn ending(&self) -> &CancellationToken {
        &self.0.ending
    }
}

/// The right to send one request.
pub struct Lease {
    door: Arc<RunGate>,
    class: Class,
}

impl Lease {
    pub(super) fn take(door: &Arc<RunGate>, asker: LeaseAsker, class: Class) -> Option<Self> {
        door.gate.acquire(asker).then(|| {
            door.users.enter(class);
            Self { door: Arc::clone(door), class }
        })
    }

    /// One of the least busy of these, and of the next if that is full meanwhile.
    pub(super) fn take_least_busy(doors: &[Arc<RunGate>], asker: LeaseAsker, class: Class) -> Option<Self> {
        if let [door] = doors {
            return Self::take(door, asker, class);
        }
        let mut refused = 0;
        loop {
            let next = least_busy(doors.iter().map(|door| door.gate.look()), refused)?;
            if let Some(lease) = doors.get(next).and_then(|door| Self::take(door, asker, class)) {
                return Some(lease);
            }
            refused |= 1 << next;
        }
    }

    /// Where the backend is reached.
    pub fn endpoint(&self) -> &Arc<BackendAddress> {
        &self.door.way.endpoint
    }

    /// How long the run took from launch to ready.
    pub fn took_off(&self) -> Option<Duration> {
        self.door.way.took_off
    }

    /// When its start got how far.
    pub fn start(&self) -> Option<StartTrace> {
        self.door.way.start
    }

    /// Tells one run of the backend from the next.
    pub fn epoch(&self) -> u64 {
        self.door.way.epoch
    }

    /// The launch variant of the backend.
    pub fn variant(&self) -> &Arc<str> {
        &self.door.way.variant
    }

    /// The number of this run in the ledger.
    pub fn run_id(&self) -> Option<i64> {
        self.door.way.run_id
    }

    /// The name under which a request is sent on, whatever it was asked for by: that of the configuration, or the
    /// one that the probe found. `None`: the backend takes the asked name.
    pub fn served_name(&self) -> Option<&Arc<str>> {
        self.door.way.served_name.as_ref()
    }

    /// Where this backend serves what it is asked for; `None`: where clients ask for it.
    pub fn routes(&self) -> Option<&Arc<Routes>> {
        self.door.way.routes.as_ref()
    }

    /// The head of an answer with this status has come. The time of the first of a run is noted.
    pub fn answered(&self, status: u16) {
        self.note(LivenessSignal::of_status(status));
        let first = &self.door.first_byte_us;
        if first.load(Ordering::Relaxed) == 0 {
            let now = self.door.now_us().max(1);
            if first.compare_exchange(0, now, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                self.door.answered.notify_one();
            }
        }
    }

    /// What became of the request, where it was no answer.
    pub fn note(&self, sign: LivenessSignal) {
        let door = &self.door;
        let verdict = door.health.note(sign);
        if verdict > Liveness::Well {
            door.hung.fetch_or(verdict == Liveness::Hung, Ordering::AcqRel);
            door.unwell.notify_one();
        }
    }

    /// The server elsewhere has sent this request away (503): it counts as down, and the run ends. False: it serves others, so it stays.
    pub fn sent_away(&self) -> bool {
        let alone = self.door.gate.look().leases() <= 1;
        if alone {
            self.door.away.store(true, Ordering::Release);
            self.door.unwell.notify_one();
        }
        alone
    }

    /// The run that it holds, for those who keep connections to it.
    pub fn backend(&self) -> Backend {
        Backend(Arc::clone(&self.door))
    }

    /// Why all of its backend's answers were broken off, if they were.
    pub fn break_reason(&self) -> Option<BreakReason> {
        self.door.break_reason.get().copied()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The time first: whoever sees no lease left must see the time at which it ended.
        let now = self.door.touch();
        self.door.users.leave(self.class, now);
        if self.door.gate.release() {
            self.door.freed.notify_one();
        }
    }
}
