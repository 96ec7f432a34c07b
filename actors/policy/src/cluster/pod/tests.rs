use super::*;

fn said(reason: &str, message: &str) -> PodMessage {
    PodMessage { reason: reason.to_owned(), message: message.to_owned() }
}

fn container(role: ContainerRole, state: ContainerState) -> Container {
    let name = match role {
        ContainerRole::Init => "init",
        ContainerRole::Server => "server",
        ContainerRole::Beside => "proxy",
    };
    Container { name: name.to_owned(), role, state, before: None, is_made: false }
}

fn ended(reason: &str, exit: i32) -> ContainerState {
    ContainerState::Ended(ContainerEnd { said: said(reason, ""), exit })
}

fn waiting(reason: &str) -> ContainerState {
    ContainerState::Waiting(said(reason, ""))
}

fn pod(phase: PodPhase, containers: Vec<Container>) -> PodFacts {
    PodFacts {
        name: "p".to_owned(),
        phase,
        node: Some("n1".to_owned()),
        address: Some("10.1.0.7".to_owned()),
        containers,
        ..PodFacts::default()
    }
}

fn server(state: ContainerState) -> Vec<Container> {
    vec![container(ContainerRole::Server, state)]
}

fn wait_of(facts: &PodFacts) -> PodWait {
    match facts.stage() {
        PodStage::Waits(wait) => wait,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_runs_and_has_an_address_serves() {
    let runs = pod(PodPhase::Running, server(ContainerState::Running));
    let there = PodStage::Runs { node: "n1".to_owned(), address: "10.1.0.7".to_owned() };
    assert_eq!(runs.stage(), there);
    // Its phase says Running as soon as one container runs.
    let beside = vec![
        container(ContainerRole::Server, waiting("CrashLoopBackOff")),
        container(ContainerRole::Beside, ContainerState::Running),
    ];
    assert!(wait_of(&pod(PodPhase::Running, beside)).sentence.contains("`server` ends again and again"));
    let without = PodFacts { address: None, ..runs };
    assert!(matches!(without.stage(), PodStage::Waits(_)));
}

#[test]
fn the_end_of_the_server_is_the_end_whatever_else_runs() {
    let beside = vec![
        container(ContainerRole::Server, ended("Error", 1)),
        container(ContainerRole::Beside, ContainerState::Running),
    ];
    assert_eq!(pod(PodPhase::Running, beside).stage(), PodStage::Over);
    assert_eq!(pod(PodPhase::Failed, vec![]).stage(), PodStage::Over);
}

#[test]
fn the_container_that_has_something_to_say_is_heard() {
    let nodeless = PodFacts {
        node: None,
        unscheduled: Some(said("Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.")),
        ..pod(PodPhase::Pending, vec![])
    };
    assert!(wait_of(&nodeless).sentence.ends_with("1 Insufficient cpu"));
    let image = vec![
        container(ContainerRole::Init, waiting("ImagePullBackOff")),
        container(ContainerRole::Server, waiting("PodInitializing")),
    ];
    assert!(wait_of(&pod(PodPhase::Pending, image)).sentence.contains("image of `init` can't be pulled"));
    let again = Container {
        before: Some(ContainerEnd { said: said("OOMKilled", ""), exit: 137 }),
        ..container(ContainerRole::Server, waiting("CrashLoopBackOff"))
    };
    let wait = wait_of(&pod(PodPhase::Running, vec![again]));
    assert!(wait.patience == Some(0) && wait.sentence.contains("more memory than its limit"), "{wait:?}");
}

#[test]
fn each_end_has_its_fate_and_sentence() {
    let failed = |reason: &str, message: &str| PodFacts {
        said: said(reason, message),
        ..pod(PodPhase::Failed, server(ended("Error", 137)))
    };
    // A node in need picks those that use more than they asked for; that is no limit of theirs.
    let picked =
        failed("Evicted", "low on memory: x uses 2Gi, which exceeds its request of 0").end(false, false);
    assert_eq!(picked.fate, JobFate::Preempted, "{}", picked.sentence);
    let disrupted = |reason: &str| PodFacts {
        disruption: Some(said(reason, "why")),
        is_going: true,
        ..pod(PodPhase::Failed, server(ended("Error", 143)))
    };
    let going =
        |reason, exit| PodFacts { is_going: true, ..pod(PodPhase::Running, server(ended(reason, exit))) };
    let of = |state: ContainerState| pod(PodPhase::Failed, server(state));
    let cannot = ContainerState::Ended(ContainerEnd {
        said: said("StartError", "exec: \"x\": executable file not found in $PATH"),
        exit: 128,
    });
    let init = vec![
        container(ContainerRole::Init, ended("Error", 2)),
        container(ContainerRole::Server, waiting("PodInitializing")),
    ];
    let second = vec![
        container(ContainerRole::Init, ended("Completed", 0)),
        container(ContainerRole::Init, ended("Error", 2)),
        container(ContainerRole::Server, waiting("PodInitializing")),
    ];
    let cases = [
        (of(ended("Completed", 0)), JobFate::Finished, "ended by itself with exit code 0"),
        (of(ended("Error", 3)), JobFate::Failed, "failed: exit code 3"),
        (of(ended("Error", 139)), JobFate::Failed, "killed by signal 11"),
        (of(ended("Error", 137)), JobFate::Failed, "killed by SIGKILL"),
        (of(ended("Error", 127)), JobFate::Failed, "exit code 127: a command was not found in the image"),
        (of(ended("Error", 126)), JobFate::Failed, "exit code 126: its command can't be run"),
        (of(ended("OOMKilled", 137)), JobFate::OutOfMemory, "larger `resources.limits.memory`"),
        (of(cannot), JobFate::NotLaunched, "could not start its server: exec: \"x\""),
        (pod(PodPhase::Failed, init), JobFate::Failed, "its init container `init`: exit code 2"),
        (pod(PodPhase::Failed, second), JobFate::Failed, "its init container `init`: exit code 2"),
        (
            failed("Evicted", "The node was low on resource: memory."),
            JobFate::Preempted,
            "was evicted by its node: The node was low",
        ),
        (
            failed("Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi."),
            JobFate::Failed,
            "usage exceeds",
        ),
        (failed("DeadlineExceeded", "x"), JobFate::TimeLimit, "reached its time limit"),
        (failed("Preempting", ""), JobFate::Preempted, "a Pod of a higher priority has its place"),
        (
            PodFacts { said: said("Odd", "x"), ..pod(PodPhase::Failed, Vec::new()) },
            JobFate::Failed,
            "failed: Kubernetes says Odd: x",
        ),
        (failed("NodeLost", ""), JobFate::NodeFailed, "was lost with its node"),
        (
            failed("OutOfcpu", "Node didn't have enough resource: cpu"),
            JobFate::NotLaunched,
            "refused by its node (OutOfcpu",
        ),
        (failed("UnexpectedAdmissionError", "no gpu"), JobFate::NotLaunched, "no gpu"),
        (going("Error", 143), JobFate::CancelledByOthers, "kubectl delete"),
        (going("Completed", 0), JobFate::CancelledByOthers, "kubectl delete"),
        (going("OOMKilled", 137), JobFate::OutOfMemory, "larger `resources.limits.memory`"),
        (disrupted("PreemptionByScheduler"), JobFate::Preempted, "higher priority"),
        (disrupted("DeletionByTaintManager"), JobFate::NodeFailed, "taken from its node: why"),
        (disrupted("EvictionByEvictionAPI"), JobFate::CancelledByOthers, "was evicted by an order"),
    ];
    for (facts, fate, words) in cases {
        let end = facts.end(false, false);
        assert_eq!(end.fate, fate, "{facts:?}");
        assert!(end.sentence.starts_with("Pod p on n1 ") && end.sentence.contains(words), "{}", end.sentence);
        let by_cluster = matches!(
            fate,
            JobFate::TimeLimit | JobFate::Preempted | JobFate::NodeFailed | JobFate::OutOfMemory
        );
        assert_eq!(facts.end(true, true).fate, if by_cluster { fate } else { JobFate::Asked });
    }
}

#[test]
fn an_end_of_which_little_is_known_says_so() {
    let init = vec![container(ContainerRole::Init, ended("OOMKilled", 137))];
    let cases = [
        (
            server(ended("ContainerStatusUnknown", 137)),
            PodPhase::Failed,
            JobFate::NodeFailed,
            "was lost: its node knows nothing of it",
        ),
        (server(ended("Error", 128)), PodPhase::Failed, JobFate::Failed, "failed: exit code 128"),
        (
            init,
            PodPhase::Failed,
            JobFate::Failed,
            "failed: its init container `init`: killed: it used more memory than its limit",
        ),
        (Vec::new(), PodPhase::Succeeded, JobFate::Finished, "ended by itself with exit code 0"),
        (Vec::new(), PodPhase::Running, JobFate::Unknown, "is over, and Kubernetes doesn't say how"),
    ];
    for (containers, phase, fate, words) in cases {
        let end = pod(phase, containers).end(false, false);
        assert_eq!((end.fate, end.sentence), (fate, format!("Pod p on n1 {words}")));
    }
}

#[test]
fn a_pod_that_is_gone_was_deleted_by_somebody() {
    let runs = pod(PodPhase::Running, server(ContainerState::Running));
    let end = runs.end(false, true);
    assert!(end.fate == JobFate::CancelledByOthers && end.sentence.contains("kubectl delete"), "{end:?}");
    assert_eq!(runs.end(true, true).fate, JobFate::Asked);
}

#[test]
fn one_that_is_being_taken_away_says_so_before_its_server_ends() {
    let runs = pod(PodPhase::Running, server(ContainerState::Running));
    assert_eq!(runs.leaves(), None);
    let going = PodFacts { is_going: true, ..runs.clone() };
    assert!(going.leaves().is_some_and(|why| why.contains("was deleted, and not by this manager")));
    assert!(matches!(going.stage(), PodStage::Runs { .. }), "what it has begun may end");
    let disrupted = |reason| PodFacts { disruption: Some(said(reason, "why")), ..runs.clone() };
    assert!(
        disrupted("TerminationByKubelet")
            .leaves()
            .is_some_and(|why| why.contains("taken from its node: why"))
    );
    // The scheduler says so before it deletes, and the deletion may fail.
    assert_eq!(disrupted("PreemptionByScheduler").leaves(), None);
    let preempted = PodFacts { is_going: true, ..disrupted("PreemptionByScheduler") };
    assert!(preempted.leaves().is_some_and(|why| why.contains("higher priority")));
}

#[test]
fn a_pod_with_a_limit_ends_so_long_after_its_node_began() {
    let limited = PodFacts { term: Some((1000, 600)), ..PodFacts::default() };
    let left = [900, 1000, 1599, 1600, 9999].map(|now| limited.ends_in(now).unwrap().as_secs());
    assert_eq!(left, [700, 600, 1, 0, 0]);
    assert_eq!(PodFacts::default().ends_in(1000), None);
}

#[test]
fn one_of_which_nothing_has_begun_holds_nothing() {
    let unbegun = |containers| pod(PodPhase::Pending, containers).never_began();
    let pulls = || container(ContainerRole::Server, waiting("ImagePullBackOff"));
    let with = |other: Container| unbegun(vec![other, pulls()]);
    assert!(unbegun(vec![pulls()]) && unbegun(Vec::new()));
    assert!(with(container(ContainerRole::Init, ended("Completed", 0))), "what has ended holds nothing");
    assert!(with(container(ContainerRole::Beside, waiting("ContainerCreating"))));
    for other in [
        container(ContainerRole::Init, ContainerState::Running),
        container(ContainerRole::Beside, ContainerState::Running),
        container(ContainerRole::Beside, ended("Error", 1)),
        Container { is_made: true, ..container(ContainerRole::Beside, waiting("CreateContainerError")) },
        // One that its node starts again and again.
        Container {
            before: Some(ContainerEnd { said: said("Error", ""), exit: 1 }),
            ..container(ContainerRole::Init, waiting("CrashLoopBackOff"))
        },
    ] {
        assert!(!with(other.clone()), "{other:?}");
    }
    for phase in [PodPhase::Running, PodPhase::Unknown, PodPhase::Failed] {
        assert!(!pod(phase, vec![pulls()]).never_began(), "{phase:?}");
    }
}

#[test]
fn one_that_goes_before_it_has_begun_is_over_once_its_node_would_have_said_otherwise() {
    let waits = pod(PodPhase::Pending, server(waiting("ContainerCreating")));
    let going = PodFacts { is_going: true, ..waits.clone() };
    let begun = PodFacts { is_going: true, ..pod(PodPhase::Running, server(ContainerState::Running)) };
    let after = |facts: &PodFacts, seconds| facts.is_over_unbegun(Duration::from_secs(seconds));
    assert!(!after(&waits, 3600) && !after(&begun, 3600));
    assert!(!after(&going, 4) && after(&going, 5));
}
