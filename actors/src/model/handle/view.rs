//! What a handle shows of its model: as its actor last said, and as its gate has it now; and what those who look after it
//! have it show. Nobody is asked for it.

use super::super::parked_memory::ParkedUse;
use super::super::published::Published;
use super::super::status::{ModelStatus, RunRecord};
use super::ModelHandle;
use jiff::Timestamp;
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::parking::expected_wake;
use llm_manager_policy::placement::UserClasses;
use llm_manager_policy::spec::{Class, VariantSpec};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl ModelHandle {
    /// What the actor last said of itself; of several replicas, what the one says that is nearest to serving.
    pub fn status(&self) -> Arc<ModelStatus> {
        self.shown().status()
    }

    /// What the first replica's actor last said of itself.
    pub fn own_status(&self) -> Arc<ModelStatus> {
        self.face.status()
    }

    /// The replica that stands for all of them.
    fn shown(&self) -> &Published {
        let rank = |face: &Published| match face.status().state {
            ModelState::Ready => 0,
            ModelState::Waking => 1,
            ModelState::Starting => 2,
            ModelState::Queued => 3,
            ModelState::Draining | ModelState::Stopping | ModelState::Parking => 4,
            ModelState::Parked => 5,
            ModelState::Failed => 6,
            ModelState::Stopped => 7,
        };
        if self.crew.is_empty() {
            return &self.face;
        }
        let faces = std::iter::once(&*self.face).chain(self.crew.iter().map(|replica| &*replica.face));
        faces.min_by_key(|face| rank(face)).unwrap_or(&self.face)
    }

    /// Runs of all its replicas that have ended, newest first.
    pub fn runs(&self) -> Vec<RunRecord> {
        let mut runs = self.face.status().runs.to_vec();
        for replica in &self.crew {
            runs.extend(replica.face.status().runs.iter().cloned());
        }
        if !self.crew.is_empty() {
            runs.sort_by_key(|run| std::cmp::Reverse(run.ended_at));
        }
        runs
    }

    /// Leases held now, of all its replicas.
    pub fn leases(&self) -> u32 {
        self.crew.iter().map(|replica| replica.own_leases()).fold(self.own_leases(), u32::saturating_add)
    }

    /// Those of the first replica.
    pub fn own_leases(&self) -> u32 {
        self.face.door.load().as_ref().map_or(0, |door| door.gate.look().leases())
    }

    /// Requests that wait now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The same by their class.
    pub fn waiting_by_class(&self) -> impl Iterator<Item = (Class, usize)> {
        Class::ALL.into_iter().zip(self.waiting_of_class.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Where its backend listens on this machine, while it is ready. Whoever asks it past its gate is not seen: the backend
    /// may end meanwhile.
    pub fn local_address(&self) -> Option<SocketAddr> {
        let door = self.face.door.load();
        door.as_ref().filter(|door| door.gate.look().is_open())?.endpoint().local_address()
    }

    /// Of which class those are whom its backend answers, and those who wait.
    pub fn users(&self) -> UserClasses {
        let door = self.face.door.load();
        let users = door.as_ref().map(|door| door.users.look()).unwrap_or_default();
        let waits = self.waiting_by_class().filter(|(_, count)| *count > 0).map(|(class, _)| class).last();
        UserClasses { now: users.now.max(waits), ..users }
    }

    /// True while an operator, or `auto_start`, wants it to become ready.
    pub fn is_ordered(&self) -> bool {
        self.ordered.load(Ordering::Relaxed) > 0 || self.face.standing_order.load(Ordering::Relaxed)
    }

    /// When the last lease came back, on the clock that never jumps.
    pub fn unused_since(&self) -> Option<Duration> {
        self.face.door.load().as_ref().map(|door| door.unused_since())
    }

    /// Process ids of the present run.
    pub fn members(&self) -> Vec<u32> {
        let own = self.face.members.load();
        let mut members = own.as_ref().map_or_else(Vec::new, |members| members.borrow().clone());
        members.extend(self.crew.iter().flat_map(|replica| replica.members()));
        members
    }

    /// How long that life took from launch to ready, if it was the last to be ready. Of this replica alone.
    pub fn took_off(&self, epoch: u64) -> Option<Duration> {
        self.face.last_start.load().as_ref().filter(|start| start.0 == epoch).map(|start| start.1)
    }

    /// How long the last wake took.
    pub fn last_wake(&self) -> Option<Duration> {
        self.face.last_wake.load().as_ref().map(|wake| wake.1)
    }

    /// The variant that runs, if it sleeps or could; `None`: it can't, or is on its way out.
    pub(crate) fn sleepable(&self) -> Option<&VariantSpec> {
        let status = self.status();
        let lives = matches!(
            status.state,
            ModelState::Ready
                | ModelState::Draining
                | ModelState::Parking
                | ModelState::Parked
                | ModelState::Waking
        );
        let variant = status.variant.as_ref().filter(|_| lives)?;
        let spec = self.spec.variants.iter().find(|one| *one.name == **variant)?;
        spec.park.is_some().then_some(spec)
    }

    /// What it holds asleep, or would; `None`: it has no backend that could sleep.
    pub fn asleep(&self) -> Option<ParkedUse> {
        self.sleepable()?;
        if let Some(told) = self.face().asleep.load_full() {
            return Some((*told).clone());
        }
        // Nobody looks after memory.
        let last = self.last_wake();
        let wake = expected_wake(last, self.last_start()?);
        Some(ParkedUse { holds: Vec::new(), wake, measured: last.is_some() })
    }

    /// How long the last start that succeeded took from launch to ready.
    pub fn last_start(&self) -> Option<Duration> {
        self.face.last_start.load().as_ref().map(|start| start.1)
    }

    /// Time until it is stopped for being idle; `None` while it is busy, not ready, or never stopped.
    pub fn idle_left(&self) -> Option<Duration> {
        let face = self.shown();
        let alive_time = face.alive_time()?;
        let door = face.door.load();
        let door = door.as_ref()?;
        let word = door.gate.look();
        let unused = self.face.origin.elapsed().saturating_sub(door.unused_since());
        (word.is_open() && word.leases() == 0).then(|| alive_time.saturating_sub(unused))
    }

    /// After how much time without a lease it is stopped; `None`: never.
    pub fn alive_time(&self) -> Option<Duration> {
        self.shown().alive_time()
    }

    /// Its hours of `keep_warm` last, or are about to begin: it is not stopped for being idle, and for
    /// a higher class than its own only.
    pub fn is_warm(&self) -> bool {
        self.face.is_warm()
    }

    /// The end of its quiet hours, in which no request of the class `batch` starts it; `None`: there are none now.
    pub fn quiet_until(&self) -> Option<Timestamp> {
        let second = self.face.quiet_until();
        Timestamp::from_second(second).ok().filter(|until| second > 0 && *until > Timestamp::now())
    }

    /// Tokens of context: as the configuration has it, or as the backend that was last ready says.
    pub fn context_length(&self) -> Option<u64> {
        self.spec.context_length.or_else(|| self.face.context())
    }
    /// Says whether there would be room for what it holds asleep. For the Scheduler.
    pub fn set_may_park(&self, may: bool) {
        self.face.may_park.store(may, Ordering::Relaxed);
    }

    /// Says what it holds asleep. For the Scheduler.
    pub fn set_asleep(&self, asleep: ParkedUse) {
        let face = self.face();
        if face.asleep.load().as_deref() != Some(&asleep) {
            face.asleep.store(Some(Arc::new(asleep)));
        }
    }

    /// Only whoever looks at the clock does.
    pub fn set_quiet_until(&self, until: Option<Timestamp>) {
        self.face.set_quiet_until(until.map_or(0, Timestamp::as_second));
    }
}
