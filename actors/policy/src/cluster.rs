//! Cluster: what a job of a cluster's queue means for the model whose backend it runs. Slurm's words, one table.

mod ending;
mod job_steps;
mod nodes;
mod pod;
mod pod_request;
mod pod_wait_reasons;
mod polling;
mod slurm_request;
mod time;
mod wait_reasons;

pub use ending::{JobEnd, JobFacts, JobFate};
pub use job_steps::{StepPriority, Steps, is_behind, next_step};
pub use nodes::{ClusterNode, Gres, NodeHealth, NodeJob, gres, node_names, outlook, parse_gres};
pub use pod::{Container, ContainerEnd, ContainerRole, ContainerState, PodFacts, PodPhase, PodStage};
pub use pod_request::PodRequest;
pub use pod_wait_reasons::{PodMessage, PodWait, container_waits_for, unscheduled};
pub use polling::{
    BACK_OFF, JobStage, LONG, LastPoll, NODES, QUICK, WatchedJob, YOUNG, next_glance, next_look, next_read,
};
pub use slurm_request::{SlurmRequest, refused_extra, said_twice};
pub use time::time_limit;
pub use wait_reasons::{Wait, waits_for};

/// Where a job of Slurm stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It waits for its turn.
    Pending,
    /// Its nodes are being prepared.
    Configuring,
    /// Its script runs, or will in a moment.
    Running,
    /// It is stopped, and holds what it has.
    Suspended,
    /// It has ended or was told to, and something of it may be left.
    Completing,
    /// It ended with exit code 0.
    Completed,
    /// It was cancelled.
    Cancelled,
    /// It ended with another code, by a signal, or couldn't be launched.
    Failed,
    /// Its time was over.
    Timeout,
    /// A job with a higher claim took its place.
    Preempted,
    /// Its node is away.
    NodeFail,
    /// It wanted more memory than it had asked for.
    OutOfMemory,
    /// Its deadline was over before it could begin.
    Deadline,
    /// Its node didn't boot.
    BootFail,
    /// It goes back into the queue.
    Requeued,
    /// A word that isn't known here.
    Other,
}

impl JobState {
    /// By Slurm's word, as `squeue -o %T` and `scontrol show job` print it.
    pub fn parse(word: &str) -> Self {
        match word {
            "PENDING" | "RESV_DEL_HOLD" => Self::Pending,
            "CONFIGURING" => Self::Configuring,
            "RUNNING" | "STAGE_OUT" | "SIGNALING" | "RESIZING" => Self::Running,
            "SUSPENDED" | "STOPPED" => Self::Suspended,
            "COMPLETING" => Self::Completing,
            "COMPLETED" => Self::Completed,
            "CANCELLED" | "REVOKED" => Self::Cancelled,
            "FAILED" | "LAUNCH_FAILED" | "RECONFIG_FAIL" => Self::Failed,
            "TIMEOUT" => Self::Timeout,
            "PREEMPTED" => Self::Preempted,
            "NODE_FAIL" => Self::NodeFail,
            "OUT_OF_MEMORY" => Self::OutOfMemory,
            "DEADLINE" => Self::Deadline,
            "BOOT_FAIL" => Self::BootFail,
            "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "SPECIAL_EXIT" => Self::Requeued,
            _ => Self::Other,
        }
    }

    /// Whether nothing of the job is left. A word that isn't known is no end: nobody is taken for gone by a guess.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::Completed
                | Self::Cancelled
                | Self::Failed
                | Self::Timeout
                | Self::Preempted
                | Self::NodeFail
                | Self::OutOfMemory
                | Self::Deadline
                | Self::BootFail
        )
    }

    /// Whether its script may run, so that what it reports is to be believed.
    pub fn is_running(self) -> bool {
        self == Self::Running
    }

    /// Whether it has no node yet.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::Pending | Self::Configuring | Self::Requeued)
    }
}

#[cfg(test)]
mod tests {
    use super::JobState;

    #[test]
    fn each_word_of_slurm_is_a_state() {
        use JobState::*;
        // Each with whether it is over and whether it waits.
        let words = [
            ("PENDING", Pending, false, true),
            ("RESV_DEL_HOLD", Pending, false, true),
            ("CONFIGURING", Configuring, false, true),
            ("RUNNING", Running, false, false),
            ("STAGE_OUT", Running, false, false),
            ("SIGNALING", Running, false, false),
            ("RESIZING", Running, false, false),
            ("SUSPENDED", Suspended, false, false),
            ("STOPPED", Suspended, false, false),
            ("COMPLETING", Completing, false, false),
            ("COMPLETED", Completed, true, false),
            ("CANCELLED", Cancelled, true, false),
            ("REVOKED", Cancelled, true, false),
            ("FAILED", Failed, true, false),
            ("LAUNCH_FAILED", Failed, true, false),
            ("RECONFIG_FAIL", Failed, true, false),
            ("TIMEOUT", Timeout, true, false),
            ("PREEMPTED", Preempted, true, false),
            ("NODE_FAIL", NodeFail, true, false),
            ("OUT_OF_MEMORY", OutOfMemory, true, false),
            ("DEADLINE", Deadline, true, false),
            ("BOOT_FAIL", BootFail, true, false),
            ("REQUEUED", Requeued, false, true),
            ("REQUEUE_HOLD", Requeued, false, true),
            ("REQUEUE_FED", Requeued, false, true),
            ("SPECIAL_EXIT", Requeued, false, true),
            ("A_WORD_OF_TOMORROW", Other, false, false),
        ];
        for (word, state, over, waiting) in words {
            assert_eq!(JobState::parse(word), state, "{word}");
            assert_eq!((state.is_over(), state.is_waiting()), (over, waiting), "{word}");
            assert_eq!(state.is_running(), state == Running, "{word}");
        }
    }
}
