//! Users: of which class those are whom a backend answers, and when it last had one of each. What the Scheduler goes by when
//! another class wants the memory.
//!
//! The gate knows how many there are, and its word is full. These are counters beside it: they may lag behind it by the
//! instructions between the two, and nothing is granted by them.

use llm_manager_policy::placement::UserClasses as Seen;
use llm_manager_policy::spec::Class;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const CLASSES: usize = Class::ALL.len();

#[derive(Default)]
pub(super) struct Users {
    now: [AtomicU32; CLASSES],
    /// When the last one left, in microseconds; 0: never.
    left_us: [AtomicU64; CLASSES],
}

impl Users {
    pub(super) fn enter(&self, class: Class) {
        if let Some(now) = self.now.get(class as usize) {
            now.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn leave(&self, class: Class, now_us: u64) {
        if let (Some(now), Some(left)) = (self.now.get(class as usize), self.left_us.get(class as usize)) {
            // The time first: whoever sees nobody left must see when that was.
            left.store(now_us.max(1), Relaxed);
            now.fetch_sub(1, Relaxed);
        }
    }

    pub(super) fn look(&self) -> Seen {
        let all = Class::ALL.into_iter().zip(&self.now);
        let now = all.filter(|(_, count)| count.load(Relaxed) > 0).map(|(class, _)| class).next_back();
        let left = self.left_us.each_ref().map(|left| Some(left.load(Relaxed)).filter(|us| *us > 0));
        Seen { now, left: left.map(|left| left.map(Duration::from_micros)) }
    }
}
