//! What a Pod of the API shows, as the policy wants to know it. Pure.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};
use llm_manager_policy::cluster::{
    Container, ContainerEnd, ContainerRole, ContainerState, PodFacts, PodMessage, PodPhase,
};

/// The facts of a Pod whose server is the container of this name.
pub(crate) fn facts(pod: &Pod, server: &str) -> PodFacts {
    let status = pod.status.clone().unwrap_or_default();
    let condition = |kind: &str, wanted: &str| {
        let of = |one: &&PodCondition| one.type_ == kind && one.status == wanted;
        status.conditions.iter().flatten().find(of).map(|one| said(&one.reason, &one.message))
    };
    let init = status.init_container_statuses.iter().flatten().map(|one| container(one, ContainerRole::Init));
    let main = status.container_statuses.iter().flatten().map(|one| {
        container(one, if one.name == server { ContainerRole::Server } else { ContainerRole::Beside })
    });
    let began = status.start_time.as_ref().map(|began| began.0.as_second());
    PodFacts {
        name: pod.metadata.name.clone().unwrap_or_default(),
        phase: match status.phase.as_deref() {
            Some("Running") => PodPhase::Running,
            Some("Succeeded") => PodPhase::Succeeded,
            Some("Failed") => PodPhase::Failed,
            Some("Unknown") => PodPhase::Unknown,
            _ => PodPhase::Pending,
        },
        said: said(&status.reason, &status.message),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).filter(|node| !node.is_empty()),
        address: status.pod_ip.clone().filter(|address| !address.is_empty()),
        term: began.zip(pod.spec.as_ref().and_then(|spec| spec.active_deadline_seconds)),
        is_going: pod.metadata.deletion_timestamp.is_some(),
        unscheduled: condition("PodScheduled", "False"),
        disruption: condition("DisruptionTarget", "True"),
        containers: init.chain(main).collect(),
    }
}

fn said(reason: &Option<String>, message: &Option<String>) -> PodMessage {
    PodMessage { reason: reason.clone().unwrap_or_default(), message: message.clone().unwrap_or_default() }
}

fn container(status: &ContainerStatus, role: ContainerRole) -> Container {
    let state = status.state.clone().unwrap_or_default();
    let end = |one: &k8s_openapi::api::core::v1::ContainerStateTerminated| ContainerEnd {
        said: said(&one.reason, &one.message),
        exit: one.exit_code,
    };
    let shown = match (&state.terminated, &state.running, &state.waiting) {
        (Some(ended), ..) => ContainerState::Ended(end(ended)),
        (_, Some(_), _) => ContainerState::Running,
        (.., waiting) => ContainerState::Waiting(
            waiting.as_ref().map(|waiting| said(&waiting.reason, &waiting.message)).unwrap_or_default(),
        ),
    };
    let before = status.last_state.as_ref().and_then(|last| last.terminated.as_ref()).map(end);
    let is_made =
        status.started == Some(true) || status.container_id.as_ref().is_some_and(|id| !id.is_empty());
    Container { name: status.name.clone(), role, state: shown, before, is_made }
}

#[cfg(test)]
#[path = "facts/tests.rs"]
mod tests;
