//! What Kubernetes shows of the Pod of a run: whether it waits or serves, and how it ended.

use std::time::Duration;

use super::ending::{JobEnd, JobFate};
use super::pod_wait_reasons::{PodMessage, PodWait, container_waits_for, unscheduled};

/// `status.phase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodPhase {
    /// Not all of its containers have begun.
    #[default]
    Pending,
    /// One of them runs.
    Running,
    /// All have ended with exit code 0.
    Succeeded,
    /// All have ended, one of them otherwise.
    Failed,
    /// Its node can't be asked.
    Unknown,
}

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerRole {
    /// It runs before the others.
    Init,
    /// The model's server.
    Server,
    /// It runs beside the server.
    Beside,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerEnd {
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, ...
    pub said: PodMessage,
    /// Its exit code; above 128 mostly a signal.
    pub exit: i32,
}

/// Where a container stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// It hasn't begun.
    Waiting(PodMessage),
    /// It runs.
    Running,
    /// It has ended.
    Ended(ContainerEnd),
}

/// One container of a Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name in the Pod.
    pub name: String,
    /// What it is for.
    pub role: ContainerRole,
    /// Where it stands.
    pub state: ContainerState,
    /// How it ended before it was started once more.
    pub before: Option<ContainerEnd>,
    /// Its node has made it, or says that it was started: something of it may be there.
    pub is_made: bool,
}

/// What is known of a Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    pub name: String,
    /// Where it stands.
    pub phase: PodPhase,
    /// Why the whole of it stands there: `Evicted`, for example.
    pub said: PodMessage,
    /// Its node, once it has one.
    pub node: Option<String>,
    /// Its address, once it has one.
    pub address: Option<String>,
    /// It is being deleted.
    pub is_going: bool,
    /// When it has begun, as its node says, and for how long it may run (`activeDeadlineSeconds`): seconds of the Unix time, and seconds.
    pub term: Option<(i64, i64)>,
    /// Why it isn't scheduled, if the scheduler has said so.
    pub unscheduled: Option<PodMessage>,
    /// Why somebody takes it away (the condition `DisruptionTarget`).
    pub disruption: Option<PodMessage>,
    /// Its containers, the init containers first.
    pub containers: Vec<Container>,
}

/// What a Pod's facts mean for whoever waits for its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodStage {
    /// It doesn't serve yet.
    Waits(PodWait),
    /// Its server runs here.
    Runs {
        /// The node's name.
        node: String,
        /// The Pod's address.
        address: String,
    },
    /// Its server has ended, and is not started again.
    Over,
}

impl PodFacts {
    /// Where it stands.
    pub fn stage(&self) -> PodStage {
        if matches!(self.phase, PodPhase::Succeeded | PodPhase::Failed) {
            return PodStage::Over;
        }
        let server = self.of(ContainerRole::Server);
        match server.map(|server| &server.state) {
            Some(ContainerState::Ended(_)) => return PodStage::Over,
            Some(ContainerState::Running) => {
                if let Some(address) = &self.address {
                    let node = self.node.clone().unwrap_or_default();
                    return PodStage::Runs { node, address: address.clone() };
                }
            }
            _ => {}
        }
        PodStage::Waits(self.waits_for())
    }

    /// How long after this second of the Unix time its node ends it; `None`: it has no limit, or hasn't begun.
    pub fn ends_in(&self, now: i64) -> Option<Duration> {
        let (began, may) = self.term?;
        let left = began.saturating_add(may).saturating_sub(now);
        Some(Duration::from_secs(u64::try_from(left).unwrap_or_default()))
    }

    fn of(&self, role: ContainerRole) -> Option<&Container> {
        self.containers.iter().find(|container| container.role == role)
    }

    fn waits_for(&self) -> PodWait {
        if self.node.is_none() {
            return unscheduled(self.unscheduled.as_ref());
        }
        // The one that has something to say: the others wait for it.
        let waits = self.containers.iter().filter_map(|container| match &container.state {
            ContainerState::Waiting(said) => Some((container, said)),
            _ => None,
        });
        let dull =
            |said: &PodMessage| matches!(said.reason.as_str(), "" | "ContainerCreating" | "PodInitializing");
        let (mut first, mut told) = (None, None);
        for (container, said) in waits {
            if !dull(said) {
                told.get_or_insert((container, said));
            }
            first.get_or_insert((container, said));
        }
        let Some((container, said)) = told.or(first) else {
            return container_waits_for("server", &PodMessage::default());
        };
        let mut wait = container_waits_for(&format!("`{}`", container.name), said);
        if let (Some(before), "CrashLoopBackOff") = (&container.before, said.reason.as_str()) {
            wait.sentence = format!("{} ({})", wait.sentence, exit_words(before));
        }
        wait
    }

    /// Whether it is being taken away, by somebody else than us, and in which words. Its server has been asked to end then, or is about to
    /// be: it has the rest of its grace for what it has begun, and nobody new should come.
    pub fn leaves(&self) -> Option<String> {
        // A node that goes down ends its Pods without deleting them; every other disruption is followed by a deletion, or by nothing.
        let by_node = self.disruption.as_ref().is_some_and(|said| said.reason == "TerminationByKubelet");
        (self.is_going || by_node).then(|| self.end(false, true).sentence)
    }

    /// Whether nothing of it runs or has run, but for init containers that have ended: neither memory nor a device is held by it, though its
    /// node may take a minute to say that it is gone. A container that is started once more by its node may be back at any moment.
    pub fn never_began(&self) -> bool {
        let nothing = |container: &Container| match container.state {
            ContainerState::Waiting(_) => !container.is_made && container.before.is_none(),
            ContainerState::Ended(_) => container.role == ContainerRole::Init,
            ContainerState::Running => false,
        };
        matches!(self.phase, PodPhase::Pending) && self.containers.iter().all(nothing)
    }

    /// Whether it is over though it is still there: it is being deleted for so long, and has never begun. A node tells within that time
    /// of what it has started before it heard of the deletion.
    pub fn is_over_unbegun(&self, going: Duration) -> bool {
        self.is_going && going >= TOLD && self.never_began()
    }

    /// How it ended; `gone`: it isn't there any more, and these are its last facts; `asked`: we have told it to end.
    pub fn end(&self, asked: bool, gone: bool) -> JobEnd {
        let (fate, words) = self.fate(gone);
        let by_cluster = matches!(
            fate,
            JobFate::TimeLimit | JobFate::Preempted | JobFate::NodeFailed | JobFate::OutOfMemory
        );
        let on = self.node.as_ref().map_or_else(String::new, |node| format!(" on {node}"));
        if asked && !by_cluster {
            let sentence = format!("Pod {} ended{on} as it was told", self.name);
            return JobEnd { fate: JobFate::Asked, sentence };
        }
        JobEnd { fate, sentence: format!("Pod {}{on} {words}", self.name) }
    }

    fn fate(&self, gone: bool) -> (JobFate, String) {
        let because = |said: &PodMessage| match said.message.trim().trim_end_matches('.') {
            "" => String::new(),
            message => format!(": {message}"),
        };
        if let Some(told) = self.taken_away() {
            return told;
        }
        let reason = self.said.reason.as_str();
        match reason {
            "DeadlineExceeded" => {
                let words = "reached its time limit (activeDeadlineSeconds)";
                return (JobFate::TimeLimit, words.to_owned());
            }
            "UnexpectedAdmissionError"
            | "NodeAffinity"
            | "NodeSelectorMismatching"
            | "NodePorts"
            | "TopologyAffinityError"
            | "AppArmor"
            | "SysctlForbidden" => {
                return (
                    JobFate::NotLaunched,
                    format!("was refused by its node ({reason}{})", because(&self.said)),
                );
            }
            _ if reason.starts_with("OutOf") || reason.starts_with("Insufficient") => {
                return (
                    JobFate::NotLaunched,
                    format!("was refused by its node ({reason}{})", because(&self.said)),
                );
            }
            _ => {}
        }
        let ended = |role: ContainerRole| {
            self.containers.iter().filter(move |container| container.role == role).find_map(|container| {
                match &container.state {
                    ContainerState::Ended(end) => Some((container, end)),
                    _ => None,
                }
            })
        };
        let deleted = || {
            let by = "`kubectl delete`, `kubectl drain`, an administrator";
            (JobFate::CancelledByOthers, format!("was deleted, and not by this manager ({by})"))
        };
        match ended(ContainerRole::Server) {
            // With whatever code it ended: that it was told to end is why.
            Some((_, end)) if self.is_going && end.said.reason != OUT_OF_MEMORY => return deleted(),
            Some((_, end)) => return of_server(end),
            None => {}
        }
        let failed = self.containers.iter().find_map(|container| match &container.state {
            ContainerState::Ended(end) if end.exit != 0 => Some((container, end)),
            _ => None,
        });
        if let Some((container, end)) = failed.filter(|_| self.phase == PodPhase::Failed) {
            let what =
                if container.role == ContainerRole::Init { "its init container" } else { "its container" };
            return (JobFate::Failed, format!("failed: {what} `{}`: {}", container.name, exit_words(end)));
        }
        match self.phase {
            PodPhase::Succeeded => (JobFate::Finished, "ended by itself with exit code 0".to_owned()),
            PodPhase::Failed => {
                (JobFate::Failed, format!("failed: Kubernetes says {reason}{}", because(&self.said)))
            }
            _ if gone || self.is_going => deleted(),
            _ => (JobFate::Unknown, "is over, and Kubernetes doesn't say how".to_owned()),
        }
    }

    /// The cluster's own reasons: they count more than how the server died of them.
    fn taken_away(&self) -> Option<(JobFate, String)> {
        let because = |said: &PodMessage| match said.message.trim().trim_end_matches('.') {
            "" => String::new(),
            message => format!(": {message}"),
        };
        let said = &self.said;
        let lost = || Some((JobFate::NodeFailed, format!("was lost with its node{}", because(said))));
        match said.reason.as_str() {
            // Its own limit: another node would do the same.
            "Evicted" if said.message.contains("exceed") && said.message.contains("limit") => {
                return Some((JobFate::Failed, format!("was evicted{}", because(said))));
            }
            "Evicted" => {
                return Some((JobFate::Preempted, format!("was evicted by its node{}", because(said))));
            }
            "Preempting" | "Preempted" => {
                let words = "was preempted: a Pod of a higher priority has its place";
                return Some((JobFate::Preempted, words.to_owned()));
            }
            "NodeLost" | "NodeShutdown" | "Shutdown" | "Terminated" => return lost(),
            _ => {}
        }
        let disruption = self.disruption.as_ref()?;
        match disruption.reason.as_str() {
            "PreemptionByScheduler" | "PreemptionByKubeScheduler" => Some((
                JobFate::Preempted,
                "was preempted: a Pod of a higher priority has its place".to_owned(),
            )),
            "DeletionByTaintManager" | "DeletionByPodGC" | "TerminationByKubelet" => {
                Some((JobFate::NodeFailed, format!("was taken from its node{}", because(disruption))))
            }
            "EvictionByEvictionAPI" => Some((
                JobFate::CancelledByOthers,
                "was evicted by an order (`kubectl drain`, an autoscaler)".to_owned(),
            )),
            _ => None,
        }
    }
}

/// A node tells of a change within so long, or doesn't answer at all.
const TOLD: Duration = Duration::from_secs(5);

/// What the kubelet says of a container that used more memory than its limit.
const OUT_OF_MEMORY: &str = "OOMKilled";

fn of_server(end: &ContainerEnd) -> (JobFate, String) {
    match end.said.reason.as_str() {
        OUT_OF_MEMORY => (
            JobFate::OutOfMemory,
            "used more memory than its limit; a larger `resources.limits.memory` lets it serve".to_owned(),
        ),
        "StartError" | "ContainerCannotRun" => {
            (JobFate::NotLaunched, format!("could not start its server: {}", end.said.message.trim()))
        }
        "ContainerStatusUnknown" => {
            (JobFate::NodeFailed, "was lost: its node knows nothing of it".to_owned())
        }
        _ if end.exit == 0 => (JobFate::Finished, "ended by itself with exit code 0".to_owned()),
        _ => (JobFate::Failed, format!("failed: {}", exit_words(end))),
    }
}

fn exit_words(end: &ContainerEnd) -> String {
    let code = end.exit;
    match code {
        _ if end.said.reason == OUT_OF_MEMORY => "killed: it used more memory than its limit".to_owned(),
        137 => "killed by SIGKILL; if nobody did it, the node's memory ran out".to_owned(),
        127 => "exit code 127: a command was not found in the image".to_owned(),
        126 => "exit code 126: its command can't be run".to_owned(),
        _ if code > 128 => format!("exit code {code}, so it was killed by signal {}", code - 128),
        _ => format!("exit code {code}"),
    }
}

#[cfg(test)]
#[path = "pod/tests.rs"]
mod tests;
