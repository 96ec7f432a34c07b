//! The nodes of a cluster among the devices: what there is, who uses it, and what is drained. Read only: Slurm gives them.

use crate::http::api::management::Management;
use jiff::Timestamp;
use llm_manager_actors::model::ModelStatus;
use llm_manager_policy::cluster::{ClusterNode, Gres, NodeHealth, outlook, parse_gres};
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::spec::{ModelSpec, Place};
use llm_manager_slurm::NodesSnapshot;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The first look may take as long as the controller does; an answer isn't held up for longer.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// What stands behind a device that is a part of a node.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "ClusterDevice"), schemars(rename = "ClusterDevice"))]
pub(crate) struct ClusterView {
    node: String,
    partitions: Vec<String>,
    /// Slurm's words for the state of the node.
    state: String,
    /// No job begins there: an administrator, or the node's own check, wants it so.
    drained: bool,
    /// Why, if somebody said so.
    reason: Option<String>,
    /// Such as `gpu:v100`; null: the node has nothing but CPUs and memory.
    gres: Option<String>,
    /// How many of them there are, or CPUs.
    #[cfg_attr(test, ts(type = "number"))]
    count: u64,
    /// How many of them jobs have.
    #[cfg_attr(test, ts(type = "number"))]
    used: u64,
    jobs: Vec<ClusterJob>,
    /// When Slurm was asked.
    #[cfg_attr(test, ts(type = "string | null"))]
    seen_at: Option<Timestamp>,
}

/// A job that has some of a node's devices, or runs there without any.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
struct ClusterJob {
    #[cfg_attr(test, ts(type = "number"))]
    id: u64,
    user: String,
    name: String,
    /// The model, or its replica, that it serves; null: it is none of this manager's.
    model: Option<String>,
    /// How many of the devices it has; of a node without any, 0.
    #[cfg_attr(test, ts(type = "number"))]
    count: u64,
    /// When its time limit is over; null: it has none.
    #[cfg_attr(test, ts(type = "string | null"))]
    ends_at: Option<Timestamp>,
}

/// Whether any model may run on the cluster: otherwise nobody asks it.
fn is_used(shared: &Management) -> bool {
    let on = |spec: &ModelSpec| spec.variants.iter().any(|variant| matches!(variant.place, Place::Slurm(_)));
    shared.directory.models().iter().any(|model| on(&model.spec))
}

/// The nodes as they were last seen, if models may run there.
pub(super) async fn sight(shared: &Management) -> Option<Arc<NodesSnapshot>> {
    if is_used(shared) { Some(shared.cluster.look(FIRST_LOOK).await) } else { None }
}

/// A part of a node as a device.
pub(super) struct NodeDevice {
    pub(super) id: String,
    pub(super) name: String,
    /// The node is there.
    pub(super) online: bool,
    pub(super) view: ClusterView,
}

/// A device for each kind of thing on each node.
pub(super) fn parts(sight: &NodesSnapshot) -> Vec<NodeDevice> {
    let seen_at = sight.at.and_then(|at| Timestamp::try_from(at).ok());
    let mut parts = Vec::new();
    for node in &sight.nodes {
        if node.gres.is_empty() {
            parts.push(part(node, None, seen_at));
        }
        parts.extend(node.gres.iter().map(|gres| part(node, Some(gres), seen_at)));
    }
    parts
}

fn part(node: &ClusterNode, gres: Option<&Gres>, seen_at: Option<Timestamp>) -> NodeDevice {
    let thing = gres.map(ToString::to_string);
    let (id, name) = match &thing {
        Some(thing) => (format!("slurm:{}/{thing}", node.name), format!("{} {thing}", node.name)),
        None => (format!("slurm:{}", node.name), node.name.clone()),
    };
    let has = |text: &str| -> u64 {
        let of = |(name, kind, count): (String, Option<String>, u64)| {
            gres.filter(|gres| gres.name == name && (kind.is_none() || gres.kind == kind)).map(|_| count)
        };
        parse_gres(text).into_iter().filter_map(of).sum()
    };
    let jobs = node.jobs.iter().map(|job| ClusterJob {
        id: job.id,
        user: job.user.clone(),
        name: job.name.clone(),
        model: job.model.clone(),
        count: has(&job.gres),
        ends_at: job.ends.and_then(|seconds| Timestamp::from_second(seconds).ok()),
    });
    let view = ClusterView {
        node: node.name.clone(),
        partitions: node.partitions.clone(),
        state: node.state_text(),
        drained: node.health() == NodeHealth::Drained,
        reason: node.reason.clone(),
        count: gres.map_or(node.cpus, |gres| gres.count),
        used: gres.map_or(node.cpus_used, |gres| gres.used),
        jobs: jobs.filter(|job| gres.is_none() || job.count > 0).collect(),
        gres: thing,
        seen_at,
    };
    NodeDevice { id, name, online: node.health() != NodeHealth::Down, view }
}

/// What Slurm has for a variant of this place, and what it says of the job that waits there; `None`: the place is no cluster's.
pub(super) fn words(
    place: &Place,
    sight: Option<&NodesSnapshot>,
    waits: Option<&ModelStatus>,
) -> Option<String> {
    let (Place::Slurm(ask), Some(sight)) = (place, sight) else { return None };
    let has = match &sight.trouble {
        Some(trouble) if sight.nodes.is_empty() => trouble.clone(),
        _ => outlook(ask, &sight.nodes),
    };
    let waits = waits.filter(|status| status.state == ModelState::Queued);
    let waits = waits.and_then(|status| status.waits_for.as_deref());
    Some(waits.map_or_else(|| has.clone(), |waits| format!("{has}; {waits}")))
}
