use super::*;
use llm_manager_policy::cluster::PodStage;
use serde_json::{Value, json};

fn pod(status: Value) -> Pod {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"nodeName": "n1", "containers": []},
        "status": status});
    serde_json::from_value(pod).unwrap()
}

#[test]
fn each_container_has_its_state() {
    let found = facts(
        &pod(json!({
            "phase": "Running", "podIP": "10.1.0.7",
            "initContainerStatuses": [{"name": "i", "image": "x", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}],
            "containerStatuses": [
                {"name": "proxy", "image": "x", "imageID": "", "ready": false, "restartCount": 2,
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}},
                {"name": "srv", "image": "x", "imageID": "", "ready": true, "restartCount": 0,
                    "state": {"running": {"startedAt": "2026-11-29T10:00:00Z"}}},
            ],
        })),
        "srv",
    );
    let roles: Vec<_> = found.containers.iter().map(|one| one.role).collect();
    assert_eq!(roles, [ContainerRole::Init, ContainerRole::Beside, ContainerRole::Server]);
    assert_eq!(found.containers[1].before.as_ref().map(|end| end.exit), Some(137));
    let there = PodStage::Runs { node: "n1".to_owned(), address: "10.1.0.7".to_owned() };
    assert_eq!(found.stage(), there);
}

#[test]
fn what_its_node_has_made_of_a_container_shows() {
    let is_made = |more: Value| {
        let mut status = json!({"name": "srv", "image": "x", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ErrImagePull"}}});
        status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let found = facts(&pod(json!({"phase": "Pending", "containerStatuses": [status]})), "srv");
        assert_ne!(found.never_began(), found.containers[0].is_made);
        found.containers[0].is_made
    };
    // A kubelet says `started: false` and an empty identity of what it hasn't made.
    assert!(!is_made(json!({})) && !is_made(json!({"started": false, "containerID": ""})));
    assert!(is_made(json!({"started": true})) && is_made(json!({"containerID": "containerd://0f"})));
}

#[test]
fn conditions_and_reasons_are_read() {
    let found = facts(
        &pod(json!({
            "phase": "Failed", "reason": "Evicted", "message": "low",
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1"},
                {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": "m"},
                {"type": "Ready", "status": "False"},
            ],
        })),
        "srv",
    );
    assert_eq!((found.phase, found.said.reason.as_str()), (PodPhase::Failed, "Evicted"));
    assert_eq!(found.unscheduled.map(|said| said.reason).as_deref(), Some("Unschedulable"));
    assert_eq!(found.disruption.map(|said| said.reason).as_deref(), Some("TerminationByKubelet"));
}

#[test]
fn a_pod_that_nobody_has_looked_at_has_no_facts() {
    let bare: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}})).unwrap();
    let found = facts(&bare, "srv");
    assert!(found.node.is_none() && found.containers.is_empty() && !found.is_going);
    assert!(matches!(found.stage(), PodStage::Waits(wait) if wait.sentence.contains("hasn't looked")));
}

#[test]
fn a_limit_counts_from_where_its_node_began() {
    let mut pod = pod(json!({"phase": "Running", "startTime": "2026-11-29T10:00:00Z"}));
    assert_eq!(facts(&pod, "srv").term, None);
    pod.spec.as_mut().unwrap().active_deadline_seconds = Some(600);
    assert_eq!(facts(&pod, "srv").term, Some((1_795_946_400, 600)));
    pod.status.as_mut().unwrap().start_time = None;
    assert_eq!(facts(&pod, "srv").term, None);
}
