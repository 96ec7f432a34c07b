//! When what a job prints is fetched through a step of the job. Each one is a long-lived connection that costs the controller a call at
//! its beginning and one at its end, and nothing between.

use std::time::Duration;

/// In so much time ...
const MINUTE: Duration = Duration::from_secs(60);
/// ... the controller is called so often for what runs, but for two looks at the nodes: by looks at the jobs, and by steps that begin again.
const CALLS: usize = 10;
/// So many steps begin again at least, however often the jobs are looked at: what eight looks leave.
const FEWEST: usize = 2;
/// And at the most, once the looks have become rare.
const MOST: usize = 6;
/// So many, if their jobs may be about to fail: what those say at the end isn't there for long. All jobs are looked at four times a second then.
const FAILING: usize = 12;
/// The pause after one that was lost.
const SOON: Duration = Duration::from_secs(1);
/// The longest pause between two steps of a job.
const LONGEST: Duration = Duration::from_secs(3600);

/// How much a job's next step matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepPriority {
    /// As much as those of the others.
    #[default]
    Plain,
    /// Somebody looks at what the job prints.
    Watched,
    /// There is reason to doubt that its server still serves.
    Failing,
}

/// What is known of a job's steps so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// The job is new, and this would be its first: a call in the life of a job, as its submission is.
    pub first: bool,
    /// So many in a row were lost, those before the last one without a word.
    pub failures: u32,
    /// How long ago the last one ended.
    pub idle: Duration,
    /// How much the next one matters.
    pub rank: StepPriority,
}

impl Steps {
    /// How long the job's own past keeps the next one from beginning.
    pub fn pause(&self) -> Duration {
        let pause = match self.failures {
            0 => Duration::ZERO,
            1 => SOON,
            failures => MINUTE.saturating_mul(1 << (failures - 2).min(6)).min(LONGEST),
        };
        pause.saturating_sub(self.idle)
    }
}

/// After how long a job's next step may begin. `recent`: how long ago steps of all jobs began that weren't the first; `looks`: how often the
/// jobs were looked at in the last minute.
pub fn next_step(of: Steps, recent: impl IntoIterator<Item = Duration>, looks: usize) -> Duration {
    if of.first {
        return Duration::ZERO;
    }
    let room = CALLS.saturating_sub(looks).clamp(FEWEST, MOST);
    let room = match of.rank {
        // The last place is for whoever comes to look.
        StepPriority::Plain => room - 1,
        StepPriority::Watched => room,
        StepPriority::Failing => FAILING,
    };
    let mut young: Vec<Duration> = recent.into_iter().filter(|age| *age < MINUTE).collect();
    young.sort_unstable();
    // When this one is over a minute old, less than so many are.
    let wait = young.get(room - 1).map_or(Duration::ZERO, |age| MINUTE.saturating_sub(*age));
    of.pause().max(wait)
}

/// Whether the jobs are looked at more seldom, because steps need the calls: some wait, or more have just begun than ordinary looks leave room for.
pub fn is_behind(waiting: usize, recent: impl IntoIterator<Item = Duration>) -> bool {
    waiting > 0 || recent.into_iter().filter(|age| *age < MINUTE).count() > FEWEST
}

#[cfg(test)]
#[path = "job_steps/tests.rs"]
mod tests;
