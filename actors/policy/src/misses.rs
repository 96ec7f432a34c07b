//! Misses: how much what a plugin last said of its devices is worth, and when its trouble is worth a line in the log.
//!
//! A plugin is asked again and again, one question at a time. It answers, says that it can't, or hangs.

use crate::lifecycle::Moment;
use std::time::Duration;

/// Misses in a row until its devices are taken for offline.
pub const MISSES: u32 = 3;
/// What was ordered this long ago and isn't there makes a snapshot stale.
const LATE: Duration = Duration::from_secs(1);
/// A plugin that fails and works by turns, or fails differently each time, is told of this often.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// How a plugin stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginHealth {
    /// It has answered at all.
    heard: bool,
    busy_since: Option<Moment>,
    /// When its last good sample was ordered.
    sampled_at: Option<Moment>,
    /// It was at work too long once; not waited for until it answers.
    overdue: bool,
    misses: u32,
    /// What the log last said of it, and when.
    told: Option<(String, Moment)>,
    /// The trouble in the log is not over yet.
    in_the_log: bool,
}

/// What a miss means for the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissReport {
    /// Why it was missed is worth one.
    pub trouble: bool,
    /// That was the miss by which its devices have gone offline.
    pub offline: bool,
}

impl PluginHealth {
    /// It was asked for a sample.
    pub const fn ordered(&mut self, now: Moment) {
        self.busy_since = Some(now);
    }

    /// It has answered with a good sample. True: that ends a trouble that is in the log.
    pub fn good(&mut self) -> bool {
        self.heard = true;
        self.sampled_at = self.busy_since.take();
        self.overdue = false;
        self.misses = 0;
        std::mem::take(&mut self.in_the_log)
    }

    /// It has answered that it can't.
    pub fn failed(&mut self, why: &str, now: Moment) -> MissReport {
        self.busy_since = None;
        self.heard = true;
        self.miss(why, now)
    }

    /// No good sample this time.
    pub fn miss(&mut self, why: &str, now: Moment) -> MissReport {
        self.overdue = self.is_busy();
        self.misses = self.misses.saturating_add(1);
        let trouble = match &self.told {
            None => true,
            Some((text, at)) => {
                let old = now.saturating_sub(*at) >= TELL_AGAIN;
                // The same trouble goes on: once is enough. Another one, or the same after a pause: not too often.
                old && !(self.in_the_log && text == why)
            }
        };
        if trouble {
            self.told = Some((why.to_owned(), now));
            self.in_the_log = true;
        }
        MissReport { trouble, offline: self.misses == MISSES }
    }

    /// The log says that its devices are offline: it will say when they are back.
    pub const fn offline_is_told(&mut self) {
        self.in_the_log = true;
    }

    /// It is at work.
    pub const fn is_busy(&self) -> bool {
        self.busy_since.is_some()
    }

    /// An answer may come soon.
    pub const fn is_awaited(&self) -> bool {
        self.is_busy() && !self.overdue
    }

    /// It has been at work for longer than that.
    pub fn hangs(&self, now: Moment, patience: Duration) -> bool {
        self.busy_since.is_some_and(|since| now.saturating_sub(since) > patience)
    }

    /// What is shown is older than it should be. That a device is gone is never stale.
    pub fn is_stale(&self, now: Moment) -> bool {
        (!self.heard || self.hangs(now, LATE) || self.has_missed()) && !self.is_offline()
    }

    /// Its last sample was not a good one.
    pub const fn has_missed(&self) -> bool {
        self.misses > 0
    }

    /// It has missed so often that its devices are taken for offline.
    pub const fn is_offline(&self) -> bool {
        self.misses >= MISSES
    }

    /// Misses in a row.
    pub const fn misses(&self) -> u32 {
        self.misses
    }

    /// When its last good sample was ordered.
    pub const fn sampled_at(&self) -> Option<Moment> {
        self.sampled_at
    }

    /// Its last good sample is no older than that, or there is none to be had.
    pub fn is_younger_than(&self, age: Duration, now: Moment) -> bool {
        self.is_offline() || self.sampled_at.is_some_and(|at| now.saturating_sub(at) <= age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    #[test]
    fn three_misses_in_a_row_take_its_devices_offline_and_one_good_sample_brings_them_back() {
        let mut attendance = PluginHealth::default();
        for (miss, offline) in [(1, false), (2, false), (3, true), (4, false)] {
            attendance.ordered(at(miss));
            assert_eq!(attendance.failed("no driver", at(miss)).offline, offline, "told once");
            assert_eq!((attendance.is_offline(), u64::from(attendance.misses())), (miss >= 3, miss));
            assert_eq!(attendance.is_stale(at(miss)), miss < 3, "what is gone is not stale");
        }
        attendance.ordered(at(5));
        assert!(attendance.good());
        assert!(!attendance.is_offline() && !attendance.has_missed() && !attendance.is_stale(at(5)));
        assert_eq!(attendance.sampled_at(), Some(at(5)), "as old as its question");
        assert!(attendance.is_younger_than(at(1), at(6)) && !attendance.is_younger_than(at(1), at(7)));
    }

    #[test]
    fn one_that_hangs_is_not_waited_for_until_it_answers() {
        let mut attendance = PluginHealth::default();
        attendance.ordered(at(1));
        assert!(attendance.is_awaited() && !attendance.hangs(at(6), at(5)) && attendance.hangs(at(7), at(5)));
        attendance.miss("silent", at(7));
        assert!(attendance.is_busy() && !attendance.is_awaited());
        attendance.good();
        assert!(!attendance.is_busy());
        attendance.ordered(at(8));
        assert!(attendance.is_awaited(), "it is trusted again");
        assert!(!attendance.is_stale(at(9)) && attendance.is_stale(at(10)), "late by more than a second");
    }

    #[test]
    fn nothing_was_heard_of_a_new_one_yet() {
        let attendance = PluginHealth::default();
        assert!(
            attendance.is_stale(at(0))
                && !attendance.is_younger_than(at(9), at(0))
                && !attendance.has_missed()
        );
    }

    #[test]
    fn the_log_hears_of_a_trouble_once_and_of_changing_ones_once_a_minute() {
        let mut attendance = PluginHealth::default();
        let trouble = |attendance: &mut PluginHealth, why, second| attendance.failed(why, at(second)).trouble;
        assert!(trouble(&mut attendance, "no driver", 0));
        assert!(!trouble(&mut attendance, "no driver", 100), "it goes on");
        assert!(!trouble(&mut attendance, "no device", 30), "too soon after the last line");
        assert!(trouble(&mut attendance, "no device", 60));
        assert!(attendance.good(), "worth a line, too");
        assert!(!attendance.good());
        assert!(!trouble(&mut attendance, "no device", 100), "fails and works by turns");
        assert!(!attendance.good(), "nothing was said, so nothing is over");
        assert!(trouble(&mut attendance, "no device", 120));
    }

    #[test]
    fn who_was_said_to_be_offline_is_said_to_be_back() {
        let mut attendance = PluginHealth::default();
        attendance.failed("no driver", at(0));
        attendance.good();
        for second in [1, 2, 3] {
            assert!(!attendance.failed("no driver", at(second)).trouble);
        }
        attendance.offline_is_told();
        assert!(attendance.good());
    }
}
