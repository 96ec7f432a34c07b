//! What happens in the world of the model: the moves of its actor, its process, its clients and the Scheduler.

use super::*;

impl World {
    pub(super) fn new() -> Self {
        World {
            life: State { epoch: THIS, ..State::new() },
            ops: Vec::new(),
            seen: None,
            gentle: false,
            gate: Word::CLOSED,
            timer: None,
            unused_since: NOW,
            memory: Memory::Free,
            process: Process::None,
            sleep: Sleep::Awake,
            probing: false,
            asked_to_end: false,
            killed: false,
            news: News::default(),
            waiting: 0,
            operator_waits: false,
            leased: 0,
            stalled: 0,
            broken: 0,
            violation: None,
        }
    }

    pub(super) fn waiters(&self) -> usize {
        usize::from(self.waiting) + usize::from(self.operator_waits)
    }

    pub(super) fn demand(&mut self, promise: bool, name: &'static str) {
        if !promise && self.violation.is_none() {
            self.violation = Some(name);
        }
    }

    /// The actor reads an event: it looks, and decides.
    pub(super) fn handle(&mut self, event: Event, setup: &Setup) {
        let limits = &setup.limits();
        let view = View {
            now: NOW,
            waiting: self.waiters(),
            leases: self.gate.leases(),
            unused_since: self.unused_since,
            may_park: setup.parks.is_some(),
        };
        self.gentle = matches!(self.life.phase, Phase::Ready { .. })
            && matches!(event, Event::Stop(StopUrgency::Drain) | Event::Restart);
        let step = step(&self.life, event, &view, limits);
        if step.state.epoch != self.life.epoch {
            self.news = News { lease_freed: self.news.lease_freed, ..News::default() };
            self.demand(
                self.process == Process::None,
                "a life begins while a process of a former one is alive",
            );
        }
        let sleeps = matches!(self.life.phase, Phase::Waking { granted: false, .. });
        if event == Event::Evict && self.waiters() > 0 && !sleeps {
            self.demand(step.state.phase == self.life.phase, "evicted although someone waits for it");
        }
        if is_about_sleep(&self.life.phase) {
            let refuses = |effect: &Effect| {
                matches!(effect, Effect::RefuseWaiters(Refusal::Failed { .. } | Refusal::StartTimeout))
            };
            self.demand(!step.effects.iter().any(refuses), "refused for a sleep that failed");
            self.demand(step.state.failures == self.life.failures, "a sleep that failed counts as a failure");
        }
        let looks = step.effects.iter().any(|effect| matches!(effect, Effect::CloseIfUnused(_)));
        self.seen = looks.then_some(self.gate);
        self.life = step.state;
        self.ops = step.effects.into_iter().map(Op::Do).collect();
    }

    pub(super) fn carry(&mut self, setup: &Setup) {
        match self.ops.remove(0) {
            Op::Do(effect) => self.carry_out(effect, setup),
            Op::GrantNext => self.grant_next(setup),
        }
    }

    pub(super) fn carry_out(&mut self, effect: Effect, setup: &Setup) {
        let alive = self.process != Process::None;
        match effect {
            Effect::Reserve => {
                self.demand(self.memory == Memory::Free, "memory is asked for twice");
                self.memory = Memory::Wanted;
                // What was granted until now is for a former life.
                (self.news.reserved, self.news.denied) = (false, false);
            }
            Effect::ReturnReservation => {
                self.demand(!alive, "memory is given back while the process is alive");
                self.memory = Memory::Free;
            }
            Effect::Launch => {
                self.demand(!alive && !self.news.gone, "two processes at once");
                self.demand(self.memory == Memory::Held, "a launch without memory");
                self.process = Process::Launching;
            }
            Effect::ReserveAwake => {
                self.demand(self.memory == Memory::Little, "memory to wake is asked for twice");
                self.memory = Memory::RestWanted;
                // The actor counts its demands, and knows answers to former ones.
                (self.news.reserved, self.news.denied) = (false, false);
            }
            Effect::ReturnAwake => {
                self.demand(
                    self.sleep == Sleep::Down || !alive || self.asked_to_end,
                    "memory of one that is awake is given back",
                );
                self.memory = Memory::Little;
            }
            Effect::Park => {
                self.demand(self.leased == 0, "parked with an answer that runs");
                self.demand(self.sleep == Sleep::Awake, "sent to sleep twice");
                if alive {
                    self.sleep = Sleep::GoingDown;
                }
            }
            Effect::Wake => {
                self.demand(self.memory == Memory::Held, "woken without memory");
                self.demand(self.sleep == Sleep::Down || !alive, "woken twice");
                if alive {
                    self.sleep = Sleep::GoingUp;
                }
            }
            Effect::Probe => self.probing = alive,
            Effect::Check => self.demand(alive || self.news.gone, "a check of nothing"),
            Effect::ReportStuck => self.demand(self.killed || self.news.gone, "stuck before it was killed"),
            Effect::OpenGate => {
                self.demand(
                    self.process == Process::Serving || self.news.gone,
                    "the gate opens before it serves",
                );
                self.gate = self.gate.opened();
                self.unused_since = NOW;
            }
            Effect::ReopenGate => {
                self.demand(
                    self.process != Process::None || self.news.gone,
                    "the gate opens without a process",
                );
                self.demand(self.sleep == Sleep::Awake, "the gate opens while it sleeps");
                self.gate = self.gate.opened();
            }
            Effect::CloseGate => {
                self.gate = self.gate.closed();
                self.news.lease_freed |= self.gate.leases() == 0;
            }
            Effect::CloseIfUnused(cause) => {
                self.demand(self.ops.is_empty(), "CloseIfUnused is the last effect");
                let seen = self.seen.take().unwrap();
                let event = match self.gate.closed_if_unused_since(seen) {
                    Some(closed) => {
                        self.demand(self.gate == seen, "closed as unused after someone came and went");
                        self.gate = closed;
                        self.demand(self.leased == 0, "closed as unused with a lease");
                        Event::Closed(cause)
                    }
                    None => Event::InUse(cause),
                };
                self.handle(event, setup);
            }
            Effect::BreakLeases => {
                self.demand(!self.gentle || self.leased == 0, "a drain breaks an answer off at once");
                self.demand(!self.gate.is_open(), "answers are broken off while the gate is open");
                self.broken += self.leased;
                (self.leased, self.stalled) = (0, 0);
            }
            Effect::GrantWaiters => {
                self.operator_waits = false;
                self.gate = self.gate.watched(self.waiting > 0);
                if self.waiting > 0 {
                    self.ops.insert(0, Op::GrantNext);
                }
            }
            Effect::RefuseWaiters(_) => {
                self.waiting = 0;
                self.operator_waits = false;
            }
            Effect::RefuseEviction => {}
            Effect::Terminate => self.asked_to_end = alive,
            Effect::Kill => self.killed = alive,
            Effect::ArmTimer(at) => self.timer = Some(at),
            Effect::DisarmTimer => self.timer = None,
        }
    }

    /// The gate is watched before the last try, so that no release in between goes unheard.
    pub(super) fn grant_next(&mut self, setup: &Setup) {
        if self.waiting == 0 {
            self.gate = self.gate.watched(false);
        } else if let Some(gate) = self.gate.acquire(LeaseAsker::Queue, setup.max_concurrency) {
            self.gate = gate;
            self.waiting -= 1;
            self.leased += 1;
            self.ops.insert(0, Op::GrantNext);
        }
    }

    pub(super) fn release(&mut self) {
        self.gate = self.gate.release();
        self.unused_since = NOW;
        self.news.lease_freed |= self.gate.is_watched();
    }

    pub(super) fn exits(&mut self) {
        self.process = Process::None;
        self.sleep = Sleep::Awake;
        self.probing = false;
        self.asked_to_end = false;
        self.killed = false;
        self.news.gone = true;
    }

    /// What is to come by itself and can't be told from this state by any future is made equal.
    pub(super) fn normalised(mut self, passed: Duration, setup: &Setup) -> Self {
        let past = |moment: Moment, floor: Moment| moment.saturating_sub(passed).max(floor);
        self.life.epoch = THIS;
        self.life.failures = self.life.failures.min(MANY_FAILURES);
        self.life.phase = match self.life.phase {
            Phase::Queued { deadline } => Phase::Queued { deadline: past(deadline, NOW) },
            Phase::Starting { deadline } => Phase::Starting { deadline: past(deadline, NOW) },
            Phase::Draining { deadline, cause } => {
                Phase::Draining { deadline: deadline.map(|at| past(at, NOW)), cause }
            }
            Phase::Stopping { ending, cause } => {
                let ending = match ending {
                    Ending::Asked(at) => Ending::Asked(past(at.min(NOW + TICK), NOW)),
                    Ending::Killed(at) => Ending::Killed(past(at.min(NOW + TICK), NOW)),
                    Ending::Stuck => Ending::Stuck,
                };
                Phase::Stopping { ending, cause }
            }
            Phase::Failed { retry_at } => Phase::Failed { retry_at: past(retry_at.min(NOW + 4 * TICK), NOW) },
            // Only a stable run matters, and `StableTimePasses` makes one of any.
            Phase::Ready { since } if since + STABLE_RUN <= NOW + passed => {
                Phase::Ready { since: NOW - STABLE_RUN }
            }
            Phase::Ready { .. } => Phase::Ready { since: NOW },
            Phase::Stopped => Phase::Stopped,
            Phase::Parking { deadline, cause } => Phase::Parking { deadline: past(deadline, NOW), cause },
            Phase::Parked { until } => Phase::Parked { until: until.map(|at| past(at, NOW)) },
            Phase::Waking { deadline, granted } => Phase::Waking { deadline: past(deadline, NOW), granted },
        };
        let timer = match self.life.phase {
            // Some ticks or one make no difference.
            Phase::Stopping { .. } => self.timer.map(|at| at.min(NOW + TICK)),
            _ => self.timer,
        };
        self.timer = timer.map(|at| past(at, NOW));
        self.unused_since = match self.life.phase {
            Phase::Ready { .. } => past(self.unused_since, NOW - TICK),
            _ => NOW,
        };
        // The word counts the leases ever taken; all that matters is whether it still is the one seen.
        let canonical = |word: Word| {
            let entered = (0..word.leases())
                .fold(Word::CLOSED.opened(), |word, _| word.acquire(LeaseAsker::Queue, u32::MAX).unwrap());
            let gate = if word.is_open() { entered } else { entered.closed() };
            gate.watched(word.is_watched())
        };
        let other = (0..50).fold(Word::CLOSED.opened(), |word, _| {
            word.acquire(LeaseAsker::Queue, u32::MAX).unwrap().release()
        });
        self.seen = self.seen.map(|seen| if seen == self.gate { canonical(seen) } else { other });
        self.gate = canonical(self.gate);
        if self.ops.is_empty() {
            self.gentle = false;
            let broken = self.broken_promise(setup);
            self.violation = self.violation.or(broken);
        }
        self
    }

    /// What must hold whenever the actor has carried everything out.
    pub(super) fn broken_promise(&self, setup: &Setup) -> Option<&'static str> {
        let gone = self.news.gone;
        let alive = self.process != Process::None || gone;
        let has_life = |held: Memory| held == self.memory && alive;
        let no_life = |memory: bool| memory && !alive && self.leased == 0;
        let armed_for = |at: Moment| self.timer == Some(at);
        let waits = self.waiters() > 0;
        let ready = matches!(self.life.phase, Phase::Ready { .. });
        let (promise, name) = match &self.life.phase {
            Phase::Stopped => {
                (no_life(self.memory == Memory::Free) && !waits, "stopped: all given back, nobody waits")
            }
            Phase::Queued { deadline } => {
                let answer = match self.memory {
                    Memory::Free => self.news.denied,
                    Memory::Wanted => true,
                    Memory::Held => self.news.reserved,
                    Memory::Little | Memory::RestWanted => false,
                };
                (no_life(answer) && armed_for(*deadline), "queued: a demand, no process, a deadline")
            }
            Phase::Starting { deadline } => {
                (has_life(Memory::Held) && armed_for(*deadline), "starting: a process, memory, a deadline")
            }
            Phase::Ready { .. } => {
                let told = self.waiting == 0 || (self.gate.is_watched() && self.gate.leases() > 0);
                let told = (told || self.news.lease_freed) && !self.operator_waits;
                let timer = self.timer.is_some() == setup.alive_time.is_some();
                (
                    has_life(Memory::Held) && told && timer,
                    "ready: a process, memory, nobody forgotten, a timer",
                )
            }
            Phase::Draining { deadline, .. } => {
                let told = self.gate.leases() > 0 && self.gate.is_watched();
                let told = told || self.news.lease_freed;
                (
                    has_life(Memory::Held) && told && deadline.is_none_or(armed_for),
                    "draining: someone inside, a deadline",
                )
            }
            Phase::Stopping { ending, cause } => {
                let ends = match ending {
                    Ending::Asked(at) => armed_for(*at) && (self.asked_to_end || gone),
                    Ending::Killed(at) => armed_for(*at) && (self.killed || gone),
                    Ending::Stuck => self.killed || gone,
                };
                let unused = self.leased == 0 || !matches!(cause, StopCause::Idle | StopCause::Evicted);
                (
                    (has_life(Memory::Held) || has_life(Memory::Little)) && ends && unused,
                    "stopping: asked to end, and killed if it does not",
                )
            }
            Phase::Failed { retry_at } => {
                let retried = !waits || (self.timer.is_some() && armed_for(*retry_at));
                (
                    no_life(self.memory == Memory::Free) && retried,
                    "failed: all given back, a retry for who waits",
                )
            }
            Phase::Parking { deadline, .. } => (
                has_life(Memory::Held) && armed_for(*deadline) && self.leased == 0,
                "parking: a process, all of its memory, a deadline, nobody inside",
            ),
            Phase::Parked { until } => (
                has_life(Memory::Little) && !waits && self.timer == *until,
                "parked: a process, little memory, nobody waits",
            ),
            Phase::Waking { deadline, granted: true } => {
                (has_life(Memory::Held) && armed_for(*deadline), "waking: a process, memory, a deadline")
            }
            Phase::Waking { deadline, granted: false } => {
                let answer = match self.memory {
                    Memory::Little => self.news.denied,
                    Memory::RestWanted => true,
                    Memory::Held => self.news.reserved,
                    Memory::Free | Memory::Wanted => false,
                };
                (alive && answer && armed_for(*deadline), "waits to wake: a process, a demand, a deadline")
            }
        };
        let leases = ready || matches!(self.life.phase, Phase::Draining { .. }) || self.leased == 0;
        (!promise)
            .then_some(name)
            .or((self.gate.is_open() != ready).then_some("the gate is open exactly while it is ready"))
            .or((!leases).then_some("answers run on without a backend"))
    }

    pub(super) fn hear(&mut self, event: Event) {
        match event {
            Event::Reserved { epoch: THIS } => self.news.reserved = false,
            Event::Denied { epoch: THIS } => self.news.denied = false,
            Event::Launched { epoch: THIS } => self.news.launched = false,
            Event::ProbeSucceeded { epoch: THIS } => self.news.probe_succeeded = false,
            Event::ProbeRefused { epoch: THIS } => self.news.probe_refused = false,
            Event::Broken { epoch: THIS } => self.news.broken = false,
            event if event.ends(THIS) => self.news.gone = false,
            Event::LeaseFreed => self.news.lease_freed = false,
            Event::Parked { epoch: THIS } => self.news.parked = false,
            Event::ParkRefused { epoch: THIS } => self.news.park_refused = false,
            Event::ParkFailed { epoch: THIS } => self.news.park_failed = false,
            Event::Woken { epoch: THIS } => self.news.woken = false,
            Event::WakeFailed { epoch: THIS } => self.news.wake_failed = false,
            _ => {}
        }
    }

    /// At rest, and nobody waits but for a lease that someone else holds.
    pub(super) fn rests(&self) -> bool {
        // A client that reads ends its answer in its own time; one that doesn't must not be waited for.
        let settled = self.ops.is_empty() && self.news == News::default() && self.stalled == 0;
        settled
            && match self.life.phase {
                Phase::Stopped | Phase::Failed { .. } => self.waiters() == 0,
                Phase::Ready { .. } => !self.operator_waits && (self.waiting == 0 || self.gate.leases() > 0),
                // Who yields waits for answers that others are still reading.
                Phase::Draining { deadline: None, .. } => self.gate.leases() > 0,
                Phase::Parked { until: None } => self.waiters() == 0,
                _ => false,
            }
    }
}
