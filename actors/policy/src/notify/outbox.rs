//! What waits for whom, and what becomes of it: `step`.

use super::notice::{Notice, NoticeKind};
use crate::lifecycle::Moment;
use crate::restart::backoff;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A cause is told at most once in this time.
pub const HOUR: Duration = Duration::from_secs(60 * 60);
/// What could not be sent for this long is left out.
pub const OLDEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Notices that wait for one outlet; when one more comes, the oldest that isn't under way is left out.
pub const WAITING: usize = 100;
/// Causes that are remembered; when one more comes within the hour, it is left out.
pub const CAUSES: usize = 4096;
/// The longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Why word goes out: what happened, and to what.
type Cause = (NoticeKind, String);

/// Now, by both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// By the steady one, by which pauses are counted.
    pub steady: Moment,
    /// Microseconds since 1970, for people.
    pub wall_us: i64,
}

/// An outlet as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutletConfig {
    /// Its name; no two have the same.
    pub name: String,
    /// What it is told.
    pub kinds: Vec<NoticeKind>,
    /// It is written otherwise than before: what it was last refused for may be mended.
    pub changed: bool,
}

/// A notice on its way to one outlet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Tells it from all others; the same at every try.
    pub serial: u64,
    /// What is told.
    pub notice: Arc<Notice>,
    /// When it happened.
    pub at: At,
}

/// One outlet, and what waits for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlet {
    pub name: String,
    kinds: Vec<NoticeKind>,
    /// The oldest first.
    waiting: VecDeque<Delivery>,
    /// The first of them is under way.
    sending: bool,
    /// A test is under way.
    testing: bool,
    /// Failures in a row.
    failures: u32,
    /// When the next try may be.
    due: Moment,
    /// When the last one arrived, in microseconds since 1970.
    pub last_sent_us: Option<i64>,
    /// What went wrong last, until something arrives.
    pub last_error: Option<String>,
    /// How many arrived.
    pub sent: u64,
    /// How many were left out.
    pub left_out: u64,
}

impl Outlet {
    /// How many wait, the one under way included.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// In what time the next try may be; `None`: nothing waits, or it is under way.
    pub fn next_try_in(&self, now: Moment) -> Option<Duration> {
        (!self.waiting.is_empty() && !self.sending).then(|| self.due.saturating_sub(now))
    }
}

/// All that is known from one event to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// When each cause was told, as far as that is less than an hour ago.
    told: BTreeMap<Cause, Moment>,
    /// Told at the end of their hour, unless the opposite comes first.
    held: BTreeMap<Cause, Notice>,
    outlets: Vec<Outlet>,
    last_serial: u64,
    /// Counts what was told.
    last_told: u64,
}

impl State {
    /// Grows when a cause is told.
    pub fn last_told(&self) -> u64 {
        self.last_told
    }

    /// Those of the configuration, in its order.
    pub fn outlets(&self) -> &[Outlet] {
        &self.outlets
    }

    /// What was told and how long ago, for a successor.
    pub fn told(&self, now: Moment) -> impl Iterator<Item = (NoticeKind, &str, Duration)> {
        self.told.iter().map(move |((kind, subject), at)| (*kind, subject.as_str(), now.saturating_sub(*at)))
    }

    /// A predecessor has told this so long ago. `now` is at least an [`HOUR`].
    pub fn remember(&mut self, kind: NoticeKind, subject: String, ago: Duration, now: Moment) {
        if ago < HOUR && self.told.len() < CAUSES {
            self.told.insert((kind, subject), now.saturating_sub(ago));
        }
    }
}

/// What the state follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The outlets of the configuration. Those that keep their name keep what waits for them.
    Configured(Vec<OutletConfig>),
    /// Something happened.
    Happened(Notice),
    /// A delivery has arrived.
    Sent {
        /// Where.
        outlet: String,
        /// Which.
        serial: u64,
    },
    /// It has not.
    Failed {
        /// Where.
        outlet: String,
        /// Which.
        serial: u64,
        /// In words, without secrets.
        why: String,
        /// Whether the same may be tried again.
        again: Retry,
    },
    /// Somebody wants to know whether word gets there.
    Test {
        /// Where.
        outlet: String,
    },
    /// The test has ended.
    Tested {
        /// Where.
        outlet: String,
        /// What went wrong.
        error: Option<String>,
    },
    /// The timer fired.
    Due,
}

/// Whether what has failed may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After a pause, which the server may have named.
    Later(Option<Duration>),
    /// The same would fail again: a form that the server doesn't take.
    Never,
}

/// What to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send it; `Sent` or `Failed` follows.
    Send {
        /// Where.
        outlet: String,
        delivery: Delivery,
    },
    /// Send a test at once; `Tested` follows.
    SendTest {
        /// Where.
        outlet: String,
        /// Of this number.
        serial: u64,
    },
    /// There is no such outlet, or a test of it is under way (`true`).
    RefuseTest {
        /// A test is under way.
        busy: bool,
    },
    /// Say that this one isn't told, and why.
    LeaveOut {
        /// Where; `None`: nowhere.
        outlet: Option<String>,
        notice: Arc<Notice>,
        why: DropReason,
    },
    /// Send `Due` then, instead of any earlier order.
    ArmTimer(Moment),
    /// Send no `Due`.
    DisarmTimer,
}

/// Why a notice is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// [`WAITING`] wait already.
    Full,
    /// It could not be sent in [`OLDEST`].
    TooOld,
    /// The server doesn't take it.
    Refused,
    /// More than [`CAUSES`] causes within an hour.
    TooMany,
    /// Its outlet has left the configuration.
    Gone,
}

/// What follows from an event.
pub fn step(mut state: State, event: Event, now: At) -> (State, Vec<Effect>) {
    let mut effects = Vec::new();
    let at = now.steady;
    match event {
        Event::Configured(wanted) => state.configure(wanted, &mut effects),
        Event::Happened(notice) => state.happened(notice, now, &mut effects),
        Event::Sent { outlet, serial } => {
            if let Some(outlet) = state.under_way(&outlet, serial) {
                outlet.waiting.pop_front();
                outlet.arrived(now);
            }
        }
        Event::Failed { outlet: name, serial, why, again } => {
            if let Some(outlet) = state.under_way(&name, serial) {
                outlet.sending = false;
                outlet.last_error = Some(why);
                match again {
                    Retry::Later(asked) => {
                        outlet.failures = outlet.failures.saturating_add(1);
                        let asked = asked.unwrap_or_default().min(LONGEST_PAUSE);
                        outlet.due = at.saturating_add(backoff(outlet.failures).max(asked));
                    }
                    Retry::Never => outlet.leave_out_first(DropReason::Refused, &mut effects),
                }
            }
        }
        Event::Test { outlet: name } => {
            let serial = state.last_serial + 1;
            match state.outlets.iter_mut().find(|outlet| outlet.name == name) {
                Some(outlet) if !outlet.testing => {
                    outlet.testing = true;
                    state.last_serial = serial;
                    effects.push(Effect::SendTest { outlet: name, serial });
                }
                found => effects.push(Effect::RefuseTest { busy: found.is_some() }),
            }
        }
        Event::Tested { outlet, error } => {
            if let Some(outlet) = state.outlets.iter_mut().find(|one| one.name == outlet) {
                outlet.testing = false;
                match error {
                    Some(error) => outlet.last_error = Some(error),
                    None => {
                        // What waits need not wait for the end of its pause.
                        let sending = outlet.sending;
                        outlet.arrived(now);
                        outlet.sending = sending;
                    }
                }
            }
        }
        Event::Due => {}
    }
    state.release(now, &mut effects);
    state.pump(at, &mut effects);
    effects.push(state.timer(at));
    (state, effects)
}

impl State {
    fn configure(&mut self, wanted: Vec<OutletConfig>, effects: &mut Vec<Effect>) {
        let mut before = std::mem::take(&mut self.outlets);
        for one in wanted {
            let known = before.iter().position(|outlet| outlet.name == one.name);
            let mut outlet = known.map(|at| before.swap_remove(at)).unwrap_or_default();
            if one.changed {
                outlet.failures = 0;
                outlet.due = Duration::ZERO;
                outlet.last_error = None;
            }
            self.outlets.push(Outlet { name: one.name, kinds: one.kinds, ..outlet });
        }
        for mut outlet in before {
            while !outlet.waiting.is_empty() {
                outlet.leave_out_first(DropReason::Gone, effects);
            }
        }
    }

    fn happened(&mut self, notice: Notice, now: At, effects: &mut Vec<Effect>) {
        let cause = (notice.kind, notice.subject.clone());
        let opposite = notice.kind.opposite().map(|kind| (kind, notice.subject.clone()));
        // It is again as was told last.
        if opposite.is_some_and(|opposite| self.held.remove(&opposite).is_some()) {
            return;
        }
        self.told.retain(|_, at| now.steady.saturating_sub(*at) < HOUR);
        if self.told.contains_key(&cause) {
            if notice.kind.opposite().is_some() {
                self.held.insert(cause, notice);
            }
            return;
        }
        self.tell(cause, notice, now, effects);
    }

    fn tell(&mut self, cause: Cause, notice: Notice, now: At, effects: &mut Vec<Effect>) {
        let notice = Arc::new(notice);
        if self.told.len() >= CAUSES {
            effects.push(Effect::LeaveOut { outlet: None, notice, why: DropReason::TooMany });
            return;
        }
        self.told.insert(cause, now.steady);
        self.last_told += 1;
        for outlet in self.outlets.iter_mut().filter(|outlet| outlet.kinds.contains(&notice.kind)) {
            if outlet.waiting.len() >= WAITING {
                let oldest = usize::from(outlet.sending);
                if let Some(old) = outlet.waiting.remove(oldest) {
                    outlet.left_out += 1;
                    let (outlet, notice) = (Some(outlet.name.clone()), old.notice);
                    effects.push(Effect::LeaveOut { outlet, notice, why: DropReason::Full });
                }
            }
            self.last_serial += 1;
            let delivery = Delivery { serial: self.last_serial, notice: Arc::clone(&notice), at: now };
            outlet.waiting.push_back(delivery);
        }
    }

    /// Tells what was held until the end of its hour.
    fn release(&mut self, now: At, effects: &mut Vec<Effect>) {
        let told = &self.told;
        let over = |cause: &Cause| told.get(cause).is_none_or(|at| now.steady.saturating_sub(*at) >= HOUR);
        let due: Vec<Cause> = self.held.keys().filter(|cause| over(cause)).cloned().collect();
        for cause in due {
            if let Some(notice) = self.held.remove(&cause) {
                self.told.remove(&cause);
                self.tell(cause, notice, now, effects);
            }
        }
    }

    fn pump(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        for outlet in self.outlets.iter_mut().filter(|outlet| !outlet.sending) {
            while outlet.waiting.front().is_some_and(|first| now.saturating_sub(first.at.steady) >= OLDEST) {
                outlet.leave_out_first(DropReason::TooOld, effects);
            }
            if let Some(first) = outlet.waiting.front().filter(|_| outlet.due <= now) {
                outlet.sending = true;
                effects.push(Effect::Send { outlet: outlet.name.clone(), delivery: first.clone() });
            }
        }
    }

    fn timer(&self, now: Moment) -> Effect {
        let outlets = self.outlets.iter().filter(|outlet| !outlet.sending);
        let tries = outlets.filter(|outlet| !outlet.waiting.is_empty()).map(|outlet| outlet.due);
        let held =
            self.held.keys().filter_map(|cause| self.told.get(cause)).map(|at| at.saturating_add(HOUR));
        tries.chain(held).min().map_or(Effect::DisarmTimer, |at| Effect::ArmTimer(at.max(now)))
    }

    fn under_way(&mut self, outlet: &str, serial: u64) -> Option<&mut Outlet> {
        let found = self.outlets.iter_mut().find(|one| one.name == outlet && one.sending)?;
        (found.waiting.front()?.serial == serial).then_some(found)
    }
}

impl Outlet {
    fn arrived(&mut self, now: At) {
        self.sending = false;
        self.failures = 0;
        self.due = now.steady;
        self.sent += 1;
        self.last_sent_us = Some(now.wall_us);
        self.last_error = None;
    }

    fn leave_out_first(&mut self, why: DropReason, effects: &mut Vec<Effect>) {
        if let Some(first) = self.waiting.pop_front() {
            self.sending = false;
            self.left_out += 1;
            let (outlet, notice) = (Some(self.name.clone()), first.notice);
            effects.push(Effect::LeaveOut { outlet, notice, why });
        }
    }
}
