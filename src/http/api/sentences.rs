//! What a model says of its failures and its waiting, for the dashboard, which says it in Chinese (`webui/src/shared/model/reason`): its test
//! wants Chinese for each sentence of this list.

use super::typescript::assert_fresh;
use llm_manager_actors::probe::ProbeFailure;
use llm_manager_policy::cluster::{
    JobFacts, JobState, PodMessage, container_waits_for, unscheduled, waits_for,
};
use llm_manager_policy::devices::{Missing, Program};
use llm_manager_policy::placement::{
    BlockReason, Blocker, Decision, Explanation, MemoryHolder, MissingMemory, Never, Paused,
    VariantExplanation,
};
use llm_manager_policy::readiness::{ReadinessError, RefusedThing};
use llm_manager_process::{LaunchError, Stranger};
use std::time::Duration;

const FILE: &str = "webui/src/shared/model/reason/sentences.json";

/// Slurm's reasons, each with another sentence.
const REASONS: [&str; 37] = [
    "",
    "Priority",
    "Resources",
    "BeginTime",
    "Licenses",
    "Reservation",
    "Prolog",
    "Cleaning",
    "FrontEndDown",
    "Dependency",
    "DependencyNeverSatisfied",
    "JobHeldUser",
    "JobHeldAdmin",
    "JobHoldMaxRequeue",
    "BadConstraints",
    "PartitionDown",
    "PartitionInactive",
    "PartitionTimeLimit",
    "PartitionNodeLimit",
    "PartitionConfig",
    "AccountNotAllowed",
    "QOSNotAllowed",
    "InvalidAccount",
    "InvalidQOS",
    "AssociationJobLimit",
    "AssociationResourceLimit",
    "AssociationTimeLimit",
    "QOSJobLimit",
    "QOSResourceLimit",
    "QOSTimeLimit",
    "QOSUsageThreshold",
    "NodeDown",
    "ReqNodeNotAvail",
    "JobLaunchFailure",
    "SystemFailure",
    "QOSMaxCpuPerJobLimit",
    "AssocGrpGRES",
];

fn of_slurm() -> Vec<String> {
    let waits = REASONS.map(|reason| {
        let wait = waits_for(reason);
        format!("job 7 is in Slurm's queue: {} (Word)", wait.sentence)
    });
    let facts = |state, reason: &str, exit| JobFacts {
        id: 7,
        state,
        reason: reason.to_owned(),
        exit: Some(exit),
        node: "n1".to_owned(),
        asked: false,
    };
    let ends = [
        facts(Some(JobState::Completed), "None", (0, 0)),
        facts(Some(JobState::Failed), "NonZeroExitCode", (3, 0)),
        facts(Some(JobState::Failed), "NonZeroExitCode", (95, 0)),
        facts(Some(JobState::Failed), "NonZeroExitCode", (126, 0)),
        facts(Some(JobState::Failed), "NonZeroExitCode", (127, 0)),
        facts(Some(JobState::Failed), "NonZeroExitCode", (137, 0)),
        facts(Some(JobState::Failed), "JobLaunchFailure", (0, 9)),
        facts(Some(JobState::Failed), "None", (0, 11)),
        facts(Some(JobState::Failed), "JobLaunchFailure", (0, 53)),
        facts(Some(JobState::Failed), "BadConstraints", (0, 0)),
        facts(Some(JobState::Cancelled), "None", (0, 15)),
        facts(Some(JobState::Timeout), "TimeLimit", (0, 9)),
        facts(Some(JobState::Preempted), "None", (0, 0)),
        facts(Some(JobState::NodeFail), "NodeDown", (0, 0)),
        facts(Some(JobState::OutOfMemory), "OutOfMemory", (0, 125)),
        facts(Some(JobState::Deadline), "DeadLine", (0, 0)),
        facts(None, "", (0, 0)),
        facts(Some(JobState::Other), "", (0, 0)),
    ];
    waits.into_iter().chain(ends.map(|facts| facts.end().sentence)).collect()
}

fn of_kubernetes() -> Vec<String> {
    let said = |reason: &str, message: &str| PodMessage { reason: reason.into(), message: message.into() };
    let containers = [
        said("", ""),
        said("PodInitializing", ""),
        said("ErrImagePull", "\"nobody there\""),
        said("InvalidImageName", ""),
        said("ErrImageNeverPull", ""),
        said("ImageInspectError", ""),
        said("CreateContainerConfigError", ""),
        said("RunContainerError", ""),
        said("CrashLoopBackOff", ""),
    ];
    let containers = containers.iter().map(|said| container_waits_for("`server`", said));
    let nodes = [None, Some(said("Unschedulable", "")), Some(said("SchedulingGated", ""))];
    let nodes = nodes.iter().map(|said| unscheduled(said.as_ref()));
    containers.chain(nodes).map(|wait| format!("Pod p waits: {} (Word)", wait.sentence)).collect()
}

fn of_memory() -> Vec<String> {
    let (second, minutes) = (Duration::from_millis(1500), Duration::from_secs(754));
    let whys = [
        BlockReason::Busy,
        BlockReason::Starting,
        BlockReason::Young { until: second, left: second },
        BlockReason::Guarded { until: second, left: second },
        BlockReason::Leaving,
        BlockReason::Settling,
        BlockReason::First,
        BlockReason::Pinned,
        BlockReason::Warm,
        BlockReason::Itself,
    ];
    let variant = |lacks: Vec<MissingMemory>| VariantExplanation {
        variant: "Dual".into(),
        verdict: Decision::Never { reason: Never::NoMemory },
        assignment: Vec::new(),
        missing: Vec::new(),
        offline: None,
        paused: Vec::new(),
        lacks,
    };
    let lack = |holder: MemoryHolder| MissingMemory {
        requirement: "rtx 3090 #1".into(),
        device: "GPU-1".into(),
        wanted: 24_000,
        free: 100,
        total: Some(16_000),
        holders: vec![holder.clone(), MemoryHolder { model: "last".into(), ..holder }],
        strangers: 300,
        others: vec![Program { name: "Xorg".into(), mib: Some(200) }; 5],
        kept_free: 500,
    };
    let holder =
        |why, parked, patience| MemoryHolder { model: "a".into(), mib: 5_000, why, parked, patience };
    let explanation = |decision, variants| Explanation { model: "m".into(), decision, variants };
    let refused = |variants| explanation(Decision::Never { reason: Never::NoMemory }, variants).to_string();
    let held = whys
        .map(|why| holder(Some(why), false, None))
        .into_iter()
        .chain([
            holder(Some(BlockReason::Busy), false, Some(second)),
            holder(None, true, None),
            holder(None, false, None),
        ])
        .map(|holder| refused(vec![variant(vec![lack(holder)])]));
    let blockers = || whys.map(|why| Blocker { model: "a".into(), why }).to_vec();
    let waits = Decision::Wait { variant: 0, assignment: Vec::new(), blockers: blockers() };
    let nevers = [
        Never::Unreachable,
        Never::NoDevice,
        Never::NoMemory,
        Never::NotForBoot,
        Never::OutOfMemory,
        Never::Paused,
    ];
    let nevers = nevers.map(|reason| {
        let tried = VariantExplanation { verdict: Decision::Never { reason }, ..variant(Vec::new()) };
        explanation(Decision::Never { reason }, vec![tried]).to_string()
    });
    let missing = |online, offline: &[&str], near: &[&str]| Missing {
        requirement: "2x v100".into(),
        wanted: 2,
        online,
        offline: offline.iter().map(|name| (*name).to_owned()).collect(),
        near: near.iter().map(|name| (*name).to_owned()).collect(),
    };
    let missing = [missing(0, &[], &["V100S"]), missing(1, &["v100-2", "v100-3"], &[]), missing(2, &[], &[])]
        .map(|missing| refused(vec![VariantExplanation { missing: vec![missing], ..variant(Vec::new()) }]));
    let paused = Paused { device: "npu".into(), left: minutes };
    let paused = VariantExplanation { paused: vec![paused], ..variant(Vec::new()) };
    let whole = explanation(waits, vec![variant(Vec::new())]).to_string();
    held.chain(nevers)
        .chain(missing)
        .chain([refused(vec![paused]), format!("queue_timeout (60 s) is over; {whole}"), whole])
        .collect()
}

fn of_probes() -> Vec<String> {
    let refused = |what, listed: &[&str]| {
        ProbeFailure::Refuses(ReadinessError {
            what,
            question: "POST /v1/embeddings".into(),
            status: 404,
            text: "\"not here\"".into(),
            listed: listed.iter().map(|name| (*name).to_owned()).collect(),
        })
    };
    let name = || RefusedThing::Name(vec!["a".into(), "b".into()]);
    let many = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    [
        refused(name(), &[]),
        refused(name(), &many),
        refused(RefusedThing::Path, &[]),
        refused(RefusedThing::Key, &[]),
        refused(RefusedThing::Request, &[]),
        ProbeFailure::Broke("`x`".into()),
    ]
    .iter()
    .map(|failure| format!("{failure} (after 3.0 s)"))
    .collect()
}

fn of_launches() -> Vec<String> {
    let by = || Some("pid 77 (llama-server)".to_owned());
    let errors = [
        LaunchError::PortTaken { port: 8001, by: by() },
        LaunchError::PortTaken { port: 8001, by: None },
        LaunchError::PortReserved { port: 8001, range: Some(8000..=8100) },
        LaunchError::PortReserved { port: 8001, range: None },
        LaunchError::NoFreePort { cause: "`x`".into() },
        LaunchError::SlotClosed { model: "m".into() },
    ];
    let strangers = [Stranger { port: 8001, by: by() }, Stranger { port: 8001, by: None }];
    errors
        .iter()
        .map(ToString::to_string)
        .chain(strangers.iter().map(|one| format!("{one} (after 200 ms)")))
        .collect()
}

#[test]
fn the_dashboard_has_chinese_for_what_is_said() {
    let all = [of_launches(), of_probes(), of_memory(), of_slurm(), of_kubernetes()].concat();
    let list = serde_json::to_string_pretty(&all).unwrap();
    assert_fresh(FILE, &format!("{list}\n"));
}
