//! Steps: when what a job prints is fetched through a step of the job. Each one is a long-lived connection that costs the controller a call at
//! its beginning and one at its end, and nothing between.

use std::time::Duration;

/// In so much time ...
const MINUTE: Duration = Duration::from_secs(60);
/// ... so many steps begin again, of all jobs together: what eight looks at the jobs and two at the nodes leave of twelve calls.
const AGAIN: usize = 2;
/// The pause after one that was lost.
const SOON: Duration = Duration::from_secs(1);
/// The longest pause between two steps of a job.
const LONGEST: Duration = Duration::from_secs(3600);

/// What is known of a job's steps so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// The job is new, and this would be its first: a call in the life of a job, as its submission is.
    pub first: bool,
    /// So many in a row were lost, those before the last one without a word.
    pub failures: u32,
    /// How long ago the last one ended.
    pub idle: Duration,
}

/// After how long a job's next step may begin; `recent`: how long ago steps of all jobs began that weren't the first.
pub fn next_step(of: Steps, recent: impl IntoIterator<Item = Duration>) -> Duration {
    if of.first {
        return Duration::ZERO;
    }
    let pause = match of.failures {
        0 => Duration::ZERO,
        1 => SOON,
        failures => MINUTE.saturating_mul(1 << (failures - 2).min(6)).min(LONGEST),
    };
    let pause = pause.saturating_sub(of.idle);
    let mut young: Vec<Duration> = recent.into_iter().filter(|age| *age < MINUTE).collect();
    young.sort_unstable();
    // When this one is over a minute old, less than so many are.
    let room = young.get(AGAIN - 1).map_or(Duration::ZERO, |age| MINUTE.saturating_sub(*age));
    pause.max(room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_step_of_a_new_job_is_at_once_and_those_that_fail_become_rare() {
        let busy = [seconds(1); 9];
        assert_eq!(next_step(Steps { first: true, ..Steps::default() }, busy), Duration::ZERO);
        assert_eq!(next_step(Steps::default(), []), Duration::ZERO);
        assert_eq!(next_step(Steps::default(), [seconds(61), seconds(7), seconds(20)]), seconds(40));
        let after = |failures| next_step(Steps { failures, ..Steps::default() }, []).as_secs();
        assert_eq!([1, 2, 3, 7, 8, u32::MAX].map(after), [1, 60, 120, 1920, 3600, 3600]);
        assert_eq!(next_step(Steps { failures: 3, idle: seconds(100), first: false }, []), seconds(20));
    }

    proptest! {
        /// A manager takes over many jobs, some of which can't be read: each has its turn, and there are never more than two in a minute.
        #[test]
        fn steps_are_bounded(jobs in 1usize..60, broken in 0usize..5) {
            let mut states: Vec<(u32, Option<Duration>, bool)> = vec![(0, None, false); jobs];
            let (mut begun, mut now): (Vec<Duration>, Duration) = (Vec::new(), Duration::ZERO);
            while now < seconds(3600) {
                for (number, (failures, ended, reads)) in states.iter_mut().enumerate() {
                    let idle = ended.map_or(Duration::ZERO, |at| now - at);
                    let steps = Steps { first: false, failures: *failures, idle };
                    let ages: Vec<Duration> = begun.iter().map(|at| now - *at).collect();
                    if *reads || next_step(steps, ages) > Duration::ZERO {
                        continue;
                    }
                    begun.push(now);
                    if number < broken {
                        (*failures, *ended) = (*failures + 1, Some(now));
                    } else {
                        *reads = true;
                    }
                }
                now += seconds(1);
            }
            prop_assert!(states.iter().skip(broken).all(|(_, _, reads)| *reads));
            for window in begun.windows(AGAIN + 1) {
                prop_assert!(window[AGAIN] - window[0] >= MINUTE, "{window:?}");
            }
        }
    }
}
