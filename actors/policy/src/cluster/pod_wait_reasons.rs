//! Why a Pod doesn't serve yet: Kubernetes' reasons in sentences, and how long waiting can help.

/// A reason and a message, as Kubernetes gives them in many places. Both may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodMessage {
    /// One word for programs.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// Why a Pod waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodWait {
    /// Kubernetes' own word; may be empty.
    pub reason: String,
    /// In words, without a full stop.
    pub sentence: String,
    /// So many seconds of the same reason are taken for its last word; `None`: it may pass at any time.
    pub patience: Option<u32>,
}

impl PodWait {
    /// The same of a Pod that was waited for long enough.
    pub fn for_ever(&self, pod: &str) -> String {
        format!("Pod {pod} would wait for ever: {} ({})", self.sentence, self.reason)
    }
}

/// The image may be pushed, the registry come back; nobody waits for that with a request in hand.
const PULLING: u32 = 120;
/// The kubelet tries again by itself; a volume or a map may be a moment late.
const RETRIED: u32 = 60;

/// What a registry says that will say the same again.
const FINAL: [&str; 8] = [
    "not found",
    "manifest unknown",
    "does not exist",
    "access denied",
    "denied:",
    "unauthorized",
    "authentication required",
    "invalid reference format",
];

/// Why a container hasn't begun. What isn't in the table is quoted as it is.
pub fn container_waits_for(container: &str, said: &PodMessage) -> PodWait {
    let PodMessage { reason, message } = said;
    let because = if message.is_empty() { String::new() } else { format!(": {}", message.trim()) };
    let (patience, sentence) = match reason.as_str() {
        "" | "ContainerCreating" => {
            (None, "its container is being made (image, volumes, network)".to_owned())
        }
        "PodInitializing" => (None, "its init containers run".to_owned()),
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" | "SignatureValidationFailed" => {
            let lower = message.to_ascii_lowercase();
            let is_final = FINAL.iter().any(|sign| lower.contains(sign));
            let patience = if is_final { 0 } else { PULLING };
            (Some(patience), format!("the image of {container} can't be pulled{because}"))
        }
        "InvalidImageName" => (Some(0), format!("the name of the image of {container} is none{because}")),
        "ErrImageNeverPull" => (
            Some(0),
            format!(
                "the image of {container} isn't on the node, and may not be pulled (imagePullPolicy: Never)"
            ),
        ),
        "ImageInspectError" => {
            (Some(RETRIED), format!("the image of {container} can't be looked at{because}"))
        }
        "CreateContainerConfigError" => (
            Some(RETRIED),
            format!("{container} needs a Secret, a ConfigMap or a key of one that isn't there{because}"),
        ),
        "CreateContainerError" | "RunContainerError" | "CreatePodSandboxError" | "RunPodSandboxError" => {
            (Some(RETRIED), format!("the node can't make {container}{because}"))
        }
        "CrashLoopBackOff" => (Some(0), format!("{container} ends again and again{because}")),
        _ => (None, format!("Kubernetes says of {container}: {reason}{because}")),
    };
    PodWait { reason: reason.clone(), sentence, patience }
}

/// Why it has no node. An autoscaler may add one, another Pod may end: that is never the last word.
pub fn unscheduled(said: Option<&PodMessage>) -> PodWait {
    let Some(PodMessage { reason, message }) = said else {
        return PodWait {
            reason: String::new(),
            sentence: "the scheduler hasn't looked at it yet".to_owned(),
            patience: None,
        };
    };
    // What preempting others would bring repeats the sentence for those who schedule.
    let message = message.split(" preemption:").next().unwrap_or_default().trim().trim_end_matches('.');
    let sentence = match reason.as_str() {
        "Unschedulable" if message.is_empty() => "no node has room for it".to_owned(),
        "Unschedulable" => format!("no node has room for it: {message}"),
        "SchedulingGated" => "it has a scheduling gate, which somebody has to open".to_owned(),
        "SchedulerError" => format!("the scheduler failed: {message}"),
        _ => format!("Kubernetes says: {reason}: {message}"),
    };
    PodWait { reason: reason.clone(), sentence, patience: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(reason: &str, message: &str) -> PodMessage {
        PodMessage { reason: reason.to_owned(), message: message.to_owned() }
    }

    #[test]
    fn each_reason_of_a_container_has_its_sentence_and_its_patience() {
        let cases = [
            ("ContainerCreating", "", None, "its container is being made"),
            ("PodInitializing", "", None, "init containers run"),
            (
                "ErrImagePull",
                "failed to resolve reference \"x\": not found",
                Some(0),
                "server can't be pulled: failed",
            ),
            ("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout", Some(120), "can't be pulled: dial tcp"),
            ("ImagePullBackOff", "Back-off pulling image \"x\"", Some(120), "Back-off pulling"),
            ("InvalidImageName", "couldn't parse image reference", Some(0), "is none: couldn't parse"),
            ("ErrImageNeverPull", "", Some(0), "may not be pulled"),
            ("ImageInspectError", "broken", Some(60), "server can't be looked at: broken"),
            ("CreateContainerConfigError", "secret \"hf\" not found", Some(60), "isn't there: secret \"hf\""),
            ("RunContainerError", "context deadline exceeded", Some(60), "the node can't make server"),
            ("CrashLoopBackOff", "back-off 10s restarting", Some(0), "ends again and again: back-off"),
            ("SomethingNew", "x", None, "Kubernetes says of server: SomethingNew: x"),
        ];
        for (reason, message, patience, words) in cases {
            let wait = container_waits_for("server", &said(reason, message));
            assert_eq!((wait.patience, wait.reason.as_str()), (patience, reason));
            assert!(wait.sentence.contains(words), "{}", wait.sentence);
        }
    }

    #[test]
    fn without_a_node_waiting_may_always_help() {
        let message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available: 3 \
                       No preemption victims found for incoming pod.";
        let wait = unscheduled(Some(&said("Unschedulable", message)));
        assert_eq!(
            (wait.sentence.as_str(), wait.patience),
            ("no node has room for it: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu", None)
        );
        assert!(unscheduled(Some(&said("SchedulingGated", ""))).sentence.contains("gate"));
        assert!(unscheduled(None).sentence.contains("hasn't looked"));
        let bare = unscheduled(Some(&said("Unschedulable", "")));
        assert_eq!(bare.sentence, "no node has room for it");
        let failed = unscheduled(Some(&said("SchedulerError", "no binding.")));
        assert_eq!(failed.sentence, "the scheduler failed: no binding");
        let new = unscheduled(Some(&said("SomethingNew", "x")));
        assert_eq!(new.sentence, "Kubernetes says: SomethingNew: x");
    }
}
