use super::*;
use crate::cluster::{JobStage, LastPoll, WatchedJob, next_look};
use proptest::prelude::*;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_first_step_of_a_new_job_is_at_once_and_those_that_fail_become_rare() {
    let busy = [seconds(1); 9];
    assert_eq!(next_step(Steps { first: true, ..Steps::default() }, busy, 240), Duration::ZERO);
    assert_eq!(next_step(Steps::default(), [], 8), Duration::ZERO);
    let after = |failures| next_step(Steps { failures, ..Steps::default() }, [], 8).as_secs();
    assert_eq!([1, 2, 3, 7, 8, u32::MAX].map(after), [1, 60, 120, 1920, 3600, 3600]);
    assert_eq!(next_step(Steps { failures: 3, idle: seconds(100), ..Steps::default() }, [], 8), seconds(20));
}

#[test]
fn the_rarer_the_looks_the_more_steps_and_one_place_is_for_those_who_look() {
    let ages = [61, 50, 40, 30, 20, 10, 5].map(seconds);
    let wait = |rank, looks| next_step(Steps { rank, ..Steps::default() }, ages, looks).as_secs();
    // Until less than 1, 2, 3, 4, 5 are younger than a minute.
    assert_eq!(
        [240, 8, 7, 6, 5, 4, 0].map(|looks| wait(StepPriority::Plain, looks)),
        [55, 55, 50, 40, 30, 20, 20]
    );
    assert_eq!(
        [240, 8, 7, 6, 5, 4, 0].map(|looks| wait(StepPriority::Watched, looks)),
        [50, 50, 40, 30, 20, 10, 10]
    );
    assert_eq!(wait(StepPriority::Failing, 240), 0);
    let many = [seconds(3); 12];
    assert_eq!(next_step(Steps { rank: StepPriority::Failing, ..Steps::default() }, many, 240), seconds(57));
    assert!(is_behind(1, []) && is_behind(0, [1, 2, 3].map(seconds)));
    assert!(!is_behind(0, [1, 2, 60, 70].map(seconds)));
}

/// A manager that has taken over many jobs, second by second.
struct World {
    now: Duration,
    begun: Vec<Duration>,
    looks: Vec<Duration>,
    states: Vec<(Steps, Option<Duration>, bool)>,
}

impl World {
    fn ages(&self, of: &[Duration]) -> Vec<Duration> {
        of.iter().map(|at| self.now - *at).filter(|age| *age <= MINUTE).collect()
    }

    /// One job after the other asks whether its step may begin; `broken` of them can't be read.
    fn step(&mut self, broken: usize) {
        let waiting =
            self.states.iter().filter(|(steps, _, reads)| !reads && steps.pause().is_zero()).count();
        let is_behind = is_behind(waiting, self.ages(&self.begun));
        let serving = WatchedJob { stage: JobStage::Serving, unchanged: MINUTE };
        let pause = next_look([serving], LastPoll::default(), is_behind).unwrap();
        if self.looks.last().is_none_or(|last| self.now - *last >= pause) {
            self.looks.push(self.now);
        }
        let looks = self.ages(&self.looks).len();
        for number in 0..self.states.len() {
            let ages = self.ages(&self.begun);
            let (now, (steps, ended, reads)) = (self.now, &mut self.states[number]);
            steps.idle = ended.map_or(Duration::ZERO, |at| now - at);
            if *reads || next_step(*steps, ages, looks) > Duration::ZERO {
                continue;
            }
            self.begun.push(now);
            if number < broken {
                (steps.failures, *ended) = (steps.failures + 1, Some(now));
            } else {
                *reads = true;
            }
        }
        self.now += Duration::from_millis(500);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// It takes over many jobs, some of which can't be read, after an hour of ordinary looks: each has its turn, and looks and steps are never
    /// more than ten in a minute, with the two at the nodes twelve. What somebody looks at is read within a minute.
    #[test]
    fn steps_are_bounded(jobs in 1usize..200, broken in 0usize..4, watched in 0usize..200) {
        let mut world = World {
            now: seconds(3600),
            begun: Vec::new(),
            looks: (0..8).map(|look| seconds(3540) + look * Duration::from_millis(7500)).collect(),
            states: vec![(Steps::default(), None, false); jobs],
        };
        let watched = (broken + watched).min(jobs - 1);
        let mut looked = None;
        while world.now < seconds(3 * 3600) {
            if world.now >= seconds(3700) && looked.is_none() && watched >= broken {
                looked = Some(world.now);
                world.states[watched].0.rank = StepPriority::Watched;
            }
            world.step(broken);
            if let Some(since) = looked {
                prop_assert!(world.states[watched].2 || world.now - since <= MINUTE);
            }
            if world.now == seconds(3600 + 45 * 60) {
                prop_assert!(world.states.iter().skip(broken).all(|(.., reads)| *reads));
            }
        }
        let mut calls: Vec<Duration> = world.looks.iter().chain(&world.begun).copied().collect();
        calls.sort_unstable();
        for window in calls.windows(CALLS + 1) {
            prop_assert!(window[CALLS] - window[0] >= MINUTE, "{window:?}");
        }
    }
}
