//! How a job ended: what Slurm's state, reason and exit code mean, and whether a new try helps.

use super::JobState;

/// What is known of a job that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFacts {
    /// Its number.
    pub id: u64,
    /// Its last state; `None`: Slurm doesn't know the job any more.
    pub state: Option<JobState>,
    /// Slurm's reason, such as `JobLaunchFailure`.
    pub reason: String,
    /// `ExitCode`: the code, and the signal.
    pub exit: Option<(u32, u32)>,
    /// Where it ran, if it did.
    pub node: String,
    /// It was told to end by us.
    pub asked: bool,
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobFate {
    /// As it was told.
    Asked,
    /// Its script came to its end with exit code 0.
    Finished,
    /// Its script failed, or was killed.
    Failed,
    /// It could not be launched on its node.
    NotLaunched,
    /// Somebody else cancelled it.
    CancelledByOthers,
    /// Its time limit.
    TimeLimit,
    /// A job with a higher claim took its place.
    Preempted,
    /// Its node failed.
    NodeFailed,
    /// It used more memory than it had asked for.
    OutOfMemory,
    /// It asked for something that nobody can give.
    Refused,
    /// It is over, and nobody knows how.
    Unknown,
}

/// How a job ended, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEnd {
    /// Why.
    pub fate: JobFate,
    /// One sentence, without a full stop.
    pub sentence: String,
}

impl JobFate {
    /// Whether the cluster took the job away, so that the same job may serve at another place or time.
    pub fn helps_to_try_again(self) -> bool {
        matches!(
            self,
            Self::TimeLimit | Self::Preempted | Self::NodeFailed | Self::CancelledByOthers | Self::Unknown
        )
    }
}

const KILLED: u32 = 9;
/// The code of a job that can't make its folder in `node_folder`; it has nowhere to say it.
const NO_FOLDER: u32 = 95;
/// Slurm's code for "the step could not be set up".
const NOT_SET_UP: (u32, u32) = (0, 53);

impl JobFacts {
    /// The end that these facts tell.
    pub fn end(&self) -> JobEnd {
        let fate = self.fate();
        JobEnd { fate, sentence: self.sentence(fate) }
    }

    fn fate(&self) -> JobFate {
        let Some(state) = self.state else {
            return if self.asked { JobFate::Asked } else { JobFate::Unknown };
        };
        match state {
            JobState::Timeout => JobFate::TimeLimit,
            JobState::Preempted => JobFate::Preempted,
            JobState::NodeFail | JobState::BootFail => JobFate::NodeFailed,
            JobState::OutOfMemory => JobFate::OutOfMemory,
            JobState::Deadline => JobFate::Refused,
            // By then it may have been killed, or have ended with any code.
            _ if self.asked => JobFate::Asked,
            JobState::Completed => JobFate::Finished,
            JobState::Cancelled => JobFate::CancelledByOthers,
            JobState::Failed if self.reason == "BadConstraints" => JobFate::Refused,
            JobState::Failed if self.exit == Some(NOT_SET_UP) => JobFate::NotLaunched,
            JobState::Failed => JobFate::Failed,
            _ => JobFate::Unknown,
        }
    }

    fn sentence(&self, fate: JobFate) -> String {
        let id = self.id;
        let node = if self.node.is_empty() { String::new() } else { format!(" on {}", self.node) };
        match fate {
            JobFate::Asked => format!("job {id} ended{node} as it was told"),
            JobFate::Finished => format!("job {id} ended by itself{node} with exit code 0"),
            JobFate::Failed => format!("job {id} failed{node}: {}", self.exit_words()),
            JobFate::NotLaunched => format!(
                "job {id} could not be launched{node} (exit code 0:53): most often the folder of its output isn't \
                 there; is the state folder on a disk that the node shares? If there is none, write `node_folder`"
            ),
            JobFate::CancelledByOthers => {
                format!(
                    "job {id} was cancelled{node}, and not by this manager (`scancel`, or an administrator)"
                )
            }
            JobFate::TimeLimit => {
                format!("job {id} reached its time limit{node}; a longer `time` lets it serve longer")
            }
            JobFate::Preempted => {
                format!("job {id} was preempted{node}: a job with a higher claim has its place")
            }
            JobFate::NodeFailed => format!("job {id} was lost with its node{node}"),
            JobFate::OutOfMemory => {
                format!("job {id} used more memory than it had asked for{node}; a larger `mem` lets it serve")
            }
            // It was over before the job could begin, so no other time limit or memory helps.
            JobFate::Refused if self.state == Some(JobState::Deadline) => {
                format!(
                    "job {id} was ended{node} because its deadline was over; write a later `--deadline` in `extra`, or none"
                )
            }
            JobFate::Refused => {
                format!(
                    "job {id} asks for what no node has; change `gres`, `constraint`, `mem`, `cpus` or `time`"
                )
            }
            JobFate::Unknown => match self.state {
                None => format!("job {id} is over{node}, and Slurm doesn't know it any more"),
                Some(_) => format!("job {id} is over{node}, and Slurm doesn't say how"),
            },
        }
    }

    fn exit_words(&self) -> String {
        match self.exit {
            // What a shell says of a child that a signal killed.
            Some((code, 0)) if code > 128 => {
                format!("exit code {code}, so its server was killed by signal {}", code - 128)
            }
            Some((NO_FOLDER, 0)) => {
                "exit code 95: it can't make its folder in `node_folder` there; name one in which it may write".to_owned()
            }
            Some((127, 0)) => "exit code 127: a command was not found on the node".to_owned(),
            Some((126, 0)) => "exit code 126: its script can't be run on the node".to_owned(),
            Some((code, 0)) => format!("exit code {code}"),
            // Slurm's own reason for this, `JobLaunchFailure` in 22.05, says the opposite of what happened.
            Some((_, KILLED)) => "killed by SIGKILL; if nobody did it, the node's memory ran out".to_owned(),
            Some((_, signal)) => format!("killed by signal {signal}"),
            None => format!("Slurm says {}", self.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(state: JobState, reason: &str, exit: (u32, u32)) -> JobFacts {
        let node = "n1".to_owned();
        JobFacts {
            id: 7,
            state: Some(state),
            reason: reason.to_owned(),
            exit: Some(exit),
            node,
            asked: false,
        }
    }

    #[test]
    fn each_exit_has_its_words() {
        let words = |code, signal| facts(JobState::Failed, "NonZeroExitCode", (code, signal)).end().sentence;
        let cases = [
            (128, 0, "exit code 128"),
            (129, 0, "exit code 129, so its server was killed by signal 1"),
            (127, 0, "exit code 127: a command was not found on the node"),
            (126, 0, "exit code 126: its script can't be run on the node"),
            (1, 0, "exit code 1"),
            (0, 9, "killed by SIGKILL; if nobody did it, the node's memory ran out"),
            (0, 11, "killed by signal 11"),
        ];
        for (code, signal, expected) in cases {
            assert_eq!(words(code, signal), format!("job 7 failed on n1: {expected}"));
        }
        let unsaid = JobFacts { exit: None, ..facts(JobState::Failed, "Odd", (0, 0)) };
        assert_eq!(unsaid.end().sentence, "job 7 failed on n1: Slurm says Odd");
        let late = facts(JobState::Deadline, "DeadLine", (0, 0));
        assert_eq!(late.end().fate, JobFate::Refused);
        let words =
            "was ended on n1 because its deadline was over; write a later `--deadline` in `extra`, or none";
        assert_eq!(late.end().sentence, format!("job 7 {words}"));
        assert_eq!(facts(JobState::BootFail, "None", (0, 0)).end().fate, JobFate::NodeFailed);
        assert_eq!(facts(JobState::Running, "None", (0, 0)).end().fate, JobFate::Unknown);
    }

    #[test]
    fn each_end_has_its_fate_and_sentence() {
        let cases = [
            (
                JobState::Completed,
                "None",
                (0, 0),
                JobFate::Finished,
                "ended by itself on n1 with exit code 0",
            ),
            (JobState::Failed, "NonZeroExitCode", (3, 0), JobFate::Failed, "exit code 3"),
            (JobState::Failed, "NonZeroExitCode", (95, 0), JobFate::Failed, "its folder in `node_folder`"),
            (JobState::Failed, "NonZeroExitCode", (137, 0), JobFate::Failed, "killed by signal 9"),
            (JobState::Failed, "JobLaunchFailure", (0, 9), JobFate::Failed, "killed by SIGKILL"),
            (JobState::Failed, "JobLaunchFailure", (0, 53), JobFate::NotLaunched, "could not be launched"),
            (JobState::Failed, "BadConstraints", (0, 0), JobFate::Refused, "asks for what no node has"),
            (JobState::Cancelled, "None", (0, 15), JobFate::CancelledByOthers, "not by this manager"),
            (JobState::Timeout, "TimeLimit", (0, 9), JobFate::TimeLimit, "reached its time limit on n1"),
            (JobState::Preempted, "None", (0, 0), JobFate::Preempted, "was preempted on n1"),
            (JobState::NodeFail, "NodeDown", (0, 0), JobFate::NodeFailed, "was lost with its node on n1"),
            (JobState::OutOfMemory, "OutOfMemory", (0, 125), JobFate::OutOfMemory, "larger `mem`"),
        ];
        for (state, reason, exit, fate, words) in cases {
            let end = facts(state, reason, exit).end();
            assert_eq!(end.fate, fate, "{state:?}");
            assert!(end.sentence.starts_with("job 7 ") && end.sentence.contains(words), "{}", end.sentence);
            let asked = JobFacts { asked: true, ..facts(state, reason, exit) }.end().fate;
            let by_cluster = matches!(
                fate,
                JobFate::TimeLimit | JobFate::Preempted | JobFate::NodeFailed | JobFate::OutOfMemory
            );
            assert_eq!(asked, if by_cluster { fate } else { JobFate::Asked });
        }
    }

    #[test]
    fn only_what_the_cluster_took_away_is_tried_again() {
        for (fate, helps) in [
            (JobFate::TimeLimit, true),
            (JobFate::Preempted, true),
            (JobFate::NodeFailed, true),
            (JobFate::CancelledByOthers, true),
            (JobFate::Unknown, true),
            (JobFate::Finished, false),
            (JobFate::Failed, false),
            (JobFate::NotLaunched, false),
            (JobFate::Asked, false),
            (JobFate::OutOfMemory, false),
            (JobFate::Refused, false),
        ] {
            assert_eq!(fate.helps_to_try_again(), helps, "{fate:?}");
        }
    }

    #[test]
    fn a_forgotten_job_is_over_and_may_be_tried_again() {
        let gone = JobFacts { state: None, exit: None, ..facts(JobState::Other, "", (0, 0)) };
        let end = gone.end();
        assert!(
            end.fate.helps_to_try_again() && end.sentence.contains("doesn't know it any more"),
            "{end:?}"
        );
    }
}
