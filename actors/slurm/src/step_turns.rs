//! Whose step begins next, and what it leaves of the calls that all jobs together may cost.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use llm_manager_policy::cluster::{StepPriority, Steps, is_behind, next_step};

/// What is older is of no account.
const MINUTE: Duration = Duration::from_secs(60);
/// More in a minute make no difference.
const KEPT: usize = 16;

/// Moments of the last minute.
#[derive(Debug, Default)]
struct Moments(RefCell<VecDeque<Instant>>);

impl Moments {
    fn note(&self) {
        let mut moments = self.0.borrow_mut();
        moments.push_back(Instant::now());
        if moments.len() > KEPT {
            moments.pop_front();
        }
    }

    fn ages(&self) -> Vec<Duration> {
        self.0.borrow().iter().map(Instant::elapsed).filter(|age| *age <= MINUTE).collect()
    }
}

/// The calls of all jobs, and who waits for one.
#[derive(Debug, Default)]
pub(crate) struct StepTurns {
    looks: Moments,
    /// Steps that weren't the first of their job.
    begun: Moments,
    waiting: Cell<usize>,
}

/// One that waits for its turn.
#[derive(Debug)]
pub(crate) struct Waits(Rc<StepTurns>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get().saturating_sub(1));
    }
}

impl StepTurns {
    /// The jobs are looked at.
    pub(crate) fn looked(&self) {
        self.looks.note();
    }

    /// Whether looks at the jobs leave more room.
    pub(crate) fn is_behind(&self) -> bool {
        is_behind(self.waiting.get(), self.begun.ages())
    }

    /// A step waits as long as this is held.
    pub(crate) fn wait(self: &Rc<Self>) -> Waits {
        self.waiting.set(self.waiting.get() + 1);
        Waits(Rc::clone(self))
    }

    /// After how long a step may begin; nothing: it has begun.
    pub(crate) fn begin(&self, steps: &mut Steps) -> Duration {
        let pause = next_step(*steps, self.begun.ages(), self.looks.ages().len());
        if pause.is_zero() {
            if !steps.first {
                self.begun.note();
            }
            (steps.first, steps.rank) = (false, StepPriority::Plain);
        }
        pause
    }
}
