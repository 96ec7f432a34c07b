//! When the cluster's controller is asked next. One question is for all jobs, and it is shared with everybody.

use std::time::Duration;

/// Between two looks while a job is about to change.
pub const QUICK: Duration = Duration::from_millis(250);
/// Between two looks otherwise: eight a minute, which leaves two for the nodes and two for questions about single jobs.
pub const LONG: Duration = Duration::from_millis(7500);
/// The same, while what jobs print waits to be read and needs the calls: four a minute.
const RARE: Duration = Duration::from_secs(15);
/// Between two looks at the nodes, which are two calls each, and only while somebody wants to see them.
pub const NODES: Duration = Duration::from_secs(60);
/// The longest pause while the controller doesn't answer.
pub const BACK_OFF: Duration = Duration::from_secs(60);
/// Between two looks at the file in which a young job tells its place, which costs the controller nothing ...
const GLANCE: Duration = Duration::from_millis(20);
/// ... and between two such looks of all jobs: those of many are told by `squeue` as soon.
const GLANCES: Duration = Duration::from_millis(5);
/// Between two looks at what a job prints, as long as it prints ...
const READ: Duration = Duration::from_millis(200);
/// ... and at the most, once it doesn't: 200 silent jobs are a hundred files a second, not a thousand.
const SILENT: Duration = Duration::from_secs(2);
/// So long after something happened to a job, it is about to change.
pub const YOUNG: Duration = Duration::from_secs(30);
/// A look takes at most this part of the time.
const SHARE: u32 = 4;

/// What a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStage {
    /// It is in the queue.
    Waiting,
    /// It runs, and hasn't said where it serves.
    Placeless,
    /// It serves. Its end shows on its connections first.
    Serving,
    /// It served, and somebody has reason to doubt that it still does.
    Doubted,
    /// It was told to end.
    Leaving,
}

/// A job, as far as the pace is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedJob {
    /// What it waits for.
    pub stage: JobStage,
    /// How long ago it came into this stage, or its reason to wait changed.
    pub unchanged: Duration,
}

/// The last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastPoll {
    /// How long it took.
    pub took: Duration,
    /// Looks in a row that failed, this one included.
    pub failures: u32,
}

/// How long after the last look's end the next one begins; `None`: there is nothing to look at. `is_behind`: steps need the calls, see
/// [`is_behind`](super::is_behind).
pub fn next_look(
    jobs: impl IntoIterator<Item = WatchedJob>,
    last: LastPoll,
    is_behind: bool,
) -> Option<Duration> {
    let mut jobs = jobs.into_iter().peekable();
    jobs.peek()?;
    if last.failures > 0 {
        // A controller that is away, or has too much to do, isn't helped by more questions.
        let pause = Duration::from_secs(1 << last.failures.min(6));
        return Some(pause.min(BACK_OFF).max(last.took));
    }
    let changes = |job: WatchedJob| job.stage != JobStage::Serving && job.unchanged < YOUNG;
    let long = if is_behind { RARE } else { LONG };
    let pause = if jobs.any(changes) { QUICK } else { long };
    Some(pause.max(last.took.saturating_mul(SHARE)))
}

/// How long after the last look for a young job's place the next one is due, while so many jobs have none.
pub fn next_glance(placeless: usize) -> Duration {
    GLANCES.saturating_mul(u32::try_from(placeless).unwrap_or(u32::MAX)).max(GLANCE)
}

/// How long after the last look at a job's output the next one is due: so often in a row nothing new was there.
pub fn next_read(silent: u32) -> Duration {
    READ.saturating_mul(1 << silent.min(8)).min(SILENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn job(stage: JobStage, seconds: u64) -> WatchedJob {
        WatchedJob { stage, unchanged: Duration::from_secs(seconds) }
    }

    #[test]
    fn quick_only_while_a_job_is_about_to_change() {
        let well = LastPoll::default();
        assert_eq!(next_look([], well, true), None);
        let serving = job(JobStage::Serving, 1);
        assert_eq!(next_look([serving; 200], well, false), Some(LONG));
        for stage in [JobStage::Waiting, JobStage::Placeless, JobStage::Doubted, JobStage::Leaving] {
            for is_behind in [false, true] {
                assert_eq!(next_look([serving, job(stage, 29)], well, is_behind), Some(QUICK));
            }
            assert_eq!(next_look([serving, job(stage, 30)], well, false), Some(LONG));
            assert_eq!(next_look([serving, job(stage, 30)], well, true), Some(RARE));
        }
    }

    #[test]
    fn a_controller_that_is_away_or_slow_is_spared() {
        let waits = [job(JobStage::Waiting, 0)];
        let pause =
            |failures| next_look(waits, LastPoll { took: Duration::ZERO, failures }, true).unwrap().as_secs();
        assert_eq!([1, 2, 3, 5, 6, 60].map(pause), [2, 4, 8, 32, 60, 60]);
        let slow = LastPoll { took: Duration::from_secs(2), failures: 0 };
        assert_eq!(next_look(waits, slow, false), Some(Duration::from_secs(8)));
    }

    #[test]
    fn a_few_young_jobs_are_glanced_at_more_often_than_many() {
        assert_eq!([0, 1, 4, 10, 200].map(|jobs| next_glance(jobs).as_millis()), [20, 20, 20, 50, 1000]);
    }

    #[test]
    fn output_is_read_soon_while_there_is_some() {
        assert_eq!(
            [0, 1, 2, 3, 4, 9, u32::MAX].map(|silent| next_read(silent).as_millis()),
            [200, 400, 800, 1600, 2000, 2000, 2000]
        );
    }

    proptest! {
        /// An hour with jobs that come and go: never more than four looks a second, and eight a minute once all serve.
        #[test]
        fn looks_are_bounded(ages in proptest::collection::vec(0u64..4000, 1..50), took in 1u64..3000) {
            let took = Duration::from_millis(took);
            let (mut now, mut looks) = (Duration::ZERO, 0u32);
            let end = Duration::from_secs(3600);
            let mut quiet = (Duration::ZERO, 0u32);
            while now < end {
                // Each job waits for 40 s after it came, and serves for ever.
                let stages = ages.iter().filter_map(|came| now.checked_sub(Duration::from_secs(*came))).map(|age| {
                    let waits = age.as_secs() < 40;
                    let (stage, since) = if waits { (JobStage::Waiting, 0) } else { (JobStage::Serving, 40) };
                    WatchedJob { stage, unchanged: age.saturating_sub(Duration::from_secs(since)) }
                });
                let stages: Vec<WatchedJob> = stages.collect();
                let serve = stages.iter().all(|job| job.stage == JobStage::Serving);
                let Some(pause) = next_look(stages, LastPoll { took, failures: 0 }, false) else {
                    now += Duration::from_secs(1);
                    continue;
                };
                if serve {
                    quiet = (quiet.0 + took + pause, quiet.1 + 1);
                }
                now += took + pause;
                looks += 1;
            }
            prop_assert!(looks <= 4 * 3600);
            prop_assert!(f64::from(quiet.1) <= quiet.0.as_secs_f64() / 7.5 + 1.0, "{quiet:?}");
        }
    }
}
