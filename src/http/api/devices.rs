//! Devices and placement: who holds what, and what would happen if a model were asked for now.

use super::cluster::{self, ClusterView, Part};
#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get};
use crate::http::error::{ApiError, Kind};
use crate::http::route::{at, read};
use crate::http::state::{MODELS, Now, Shared};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use llm_manager_actors::Live;
use llm_manager_actors::device_monitor::{Past, Point, Reading, SampleNow};
use llm_manager_actors::model::Status;
use llm_manager_actors::scheduler::{self, Explain, Explained, Reservations};
use llm_manager_actors::supervisor::ask;
use llm_manager_devices::Sample;
use llm_manager_policy::devices::Device;
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::placement::{Decision, Never, Urgency, VariantExplanation};
use llm_manager_policy::queue::Ahead;
use llm_manager_policy::spec::{ModelSpec, VariantSpec};
use llm_manager_slurm::Sight;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/models/{name:.+}/placement", read().to(explain)))
        .service(at("/devices", read().to(devices)))
        .service(at("/devices/history", read().to(history)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get(
            "/api/models/{name}/placement",
            "What would happen if it were started now",
            schemas.of::<PlacementView>(),
        )
        .words("what would happen if it were started now"),
        get("/api/devices", "All devices, and who holds what", schemas.list::<DeviceView>()).words(
            "all devices: memory, use, and which models hold what; where a model may run on a \
                 cluster, its nodes with their jobs too (`cluster`)",
        ),
        get("/api/devices/history", "Their readings of the last hour", schemas.of::<HistoryView>())
            .words("their readings of the last hour, one point per ten seconds"),
    ]
}

/// A plugin that hangs does not hold an answer up for long.
const LOOK: SampleNow = SampleNow { within: Duration::from_secs(1), max_age: Duration::from_secs(1) };

/// One device in `GET /api/devices`. Memory is MiB.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
pub(crate) struct DeviceView {
    pub(crate) id: String,
    pub(crate) name: String,
    plugin: &'static str,
    uuid: Option<String>,
    pci: Option<String>,
    /// Its memory is the machine's own; left out where it has some of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    unified: Option<bool>,
    pub(crate) online: bool,
    pub(crate) memory_total_mb: Option<u64>,
    pub(crate) memory_used_mb: Option<u64>,
    pub(crate) memory_reserved_mb: u64,
    pub(crate) utilization: Option<f32>,
    pub(crate) temperature_c: Option<f32>,
    pub(crate) power_w: Option<f32>,
    holders: Vec<HolderView>,
    /// Other programs, as far as the device tells of them; the largest first.
    others: Vec<OtherView>,
    /// Left to other programs.
    keep_free_mb: u64,
    /// Idle models make way for other programs.
    give_way: bool,
    /// No model may use it before then; null: it isn't paused.
    #[cfg_attr(test, ts(type = "string | null"))]
    paused_until: Option<Timestamp>,
    /// It is a part of a node of the cluster, which gives it to jobs itself; left out of what is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    cluster: Option<ClusterView>,
}

impl DeviceView {
    /// A part of a node; nobody here reserves any of it.
    fn of_cluster(part: Part) -> Self {
        let Part { id, name, online, view } = part;
        Self {
            id,
            name,
            plugin: "slurm",
            uuid: None,
            pci: None,
            unified: None,
            online,
            memory_total_mb: None,
            memory_used_mb: None,
            memory_reserved_mb: 0,
            utilization: None,
            temperature_c: None,
            power_w: None,
            holders: Vec::new(),
            others: Vec::new(),
            keep_free_mb: 0,
            give_way: false,
            paused_until: None,
            cluster: Some(view),
        }
    }
}

/// A program of somebody else that uses a device.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "DeviceProgram"), schemars(rename = "DeviceProgram"))]
struct OtherView {
    pid: u32,
    /// Its name, where the system tells it.
    program: Option<String>,
    /// Where the device tells it.
    used_mb: Option<u64>,
}

/// A model that holds memory of a device.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "DeviceHolder"), schemars(rename = "DeviceHolder"))]
struct HolderView {
    model: String,
    reserved_mb: u64,
    /// What its processes use, where the device tells.
    used_mb: Option<u64>,
}

/// `GET /api/devices`
async fn devices(shared: Now) -> HttpResponse {
    // At a slow pace the newest snapshot may be old.
    shared.devices.sample_now(LOOK).await;
    let mut views = device_views(&shared).await;
    views.extend(
        cluster::sight(&shared)
            .await
            .iter()
            .flat_map(|sight| cluster::parts(sight))
            .map(DeviceView::of_cluster),
    );
    HttpResponse::Ok().json(views)
}

/// `GET /api/devices/history`: the last hour, a point in ten seconds.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "DeviceHistory"), schemars(rename = "DeviceHistory"))]
pub(crate) struct HistoryView {
    /// Oldest first.
    points: Vec<PointView>,
}

/// All devices that were online at one moment.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "DevicePoint"), schemars(rename = "DevicePoint"))]
struct PointView {
    #[cfg_attr(test, ts(type = "string"))]
    time: Timestamp,
    devices: Vec<ReadingView>,
}

/// One device then.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "DeviceReading"), schemars(rename = "DeviceReading"))]
struct ReadingView {
    id: String,
    memory_used_mb: Option<u64>,
    utilization: Option<f32>,
    temperature_c: Option<f32>,
    power_w: Option<f32>,
}

impl PointView {
    fn of(point: &Point) -> Self {
        let reading = |reading: &Reading| ReadingView {
            id: reading.id.clone(),
            memory_used_mb: reading.memory_used_mib,
            utilization: reading.utilization,
            temperature_c: reading.temperature_c,
            power_w: reading.power_w,
        };
        Self { time: point.time, devices: point.devices.iter().map(reading).collect() }
    }
}

/// `GET /api/devices/history`
async fn history(shared: Now) -> HttpResponse {
    let past = match shared.devices.live().addr() {
        Some(addr) => ask(&addr, Past).await.unwrap_or_default(),
        // Devices are not looked at, or their monitor is being restarted.
        None => Vec::new(),
    };
    HttpResponse::Ok().json(HistoryView { points: past.iter().map(|point| PointView::of(point)).collect() })
}

/// The devices of this machine, as the API and the event feed show them.
pub(crate) async fn device_views(shared: &Shared) -> Vec<DeviceView> {
    let snapshot = shared.devices.latest();
    let held = match shared.scheduler.as_ref().and_then(Live::addr) {
        Some(addr) => ask(&addr, Reservations).await.unwrap_or_default(),
        None => BTreeMap::new(),
    };
    let mut wishes = scheduler::snapshot(&snapshot, Instant::now());
    wishes.share(&shared.shared_devices, &[]);
    let ours: HashSet<u32> = shared.directory.models().iter().flat_map(|model| model.members()).collect();
    let devices = snapshot.devices.iter().zip(&wishes.devices);
    devices.map(|(device, wish)| view(shared, device, &held, wish, &ours)).collect()
}

/// Processes that are no model's.
fn others(device: &Sample, ours: &HashSet<u32>) -> Vec<OtherView> {
    let foreign = device.processes.iter().filter(|process| !ours.contains(&process.pid));
    let mut others: Vec<OtherView> = foreign
        .map(|process| {
            let program = device.programs.iter().find(|(pid, _)| *pid == process.pid);
            let program = program.map(|(_, name)| name.clone());
            OtherView { pid: process.pid, program, used_mb: process.mib }
        })
        .collect();
    others.sort_by_key(|other| std::cmp::Reverse(other.used_mb));
    others
}

fn view(
    shared: &Shared,
    device: &Sample,
    held: &BTreeMap<String, Vec<(String, u64)>>,
    wish: &Device,
    ours: &HashSet<u32>,
) -> DeviceView {
    let id = device.uuid.as_deref().unwrap_or(&device.name);
    let holders: Vec<HolderView> = held
        .get(id)
        .into_iter()
        .flatten()
        .map(|(model, mib)| HolderView {
            model: model.clone(),
            reserved_mb: *mib,
            used_mb: used_by(shared, device, model),
        })
        .collect();
    DeviceView {
        id: id.to_owned(),
        name: device.name.clone(),
        plugin: device.plugin,
        uuid: device.uuid.clone(),
        pci: device.pci.clone(),
        unified: device.unified.then_some(true),
        online: device.online,
        memory_total_mb: device.memory_total_mib,
        memory_used_mb: device.memory_used_mib,
        memory_reserved_mb: holders.iter().map(|holder| holder.reserved_mb).sum(),
        utilization: device.utilization,
        temperature_c: device.temperature_c,
        power_w: device.power_w,
        others: others(device, ours),
        holders,
        keep_free_mb: wish.shared.keep_free_mib,
        give_way: wish.shared.gives_way,
        paused_until: shared.pauses.of(id),
        cluster: None,
    }
}

fn used_by(shared: &Shared, device: &Sample, model: &str) -> Option<u64> {
    let pids = shared.directory.replica(model)?.members();
    let ours = device.processes.iter().filter(|process| pids.contains(&process.pid));
    ours.map(|process| process.mib).try_fold(None, |sum, mib| Some(Some(sum.unwrap_or(0) + mib?)))?
}

/// `GET /api/models/{name}/placement`
async fn explain(shared: Now, name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let model = shared.find(&name, MODELS)?;
    let sight = cluster::sight(&shared).await;
    let Some(scheduler) = &shared.scheduler else {
        let mut view = PlacementView::unmonitored(&model.spec);
        view.ask_cluster(&model.spec, sight.as_deref(), &model.own_status());
        return Ok(HttpResponse::Ok().json(view));
    };
    let down = || ApiError::new(Kind::Internal, "the scheduler does not answer; see the manager's log");
    let addr = scheduler.addr().ok_or_else(down)?;
    let explained = ask(&addr, Explain { model: Arc::clone(model) }).await.ok_or_else(down)?;
    let explained = explained.map_err(|error| ApiError::new(Kind::Internal, error))?;
    let parked =
        matches!(model.status().state, ModelState::Parking | ModelState::Parked | ModelState::Waking);
    let asleep = model.asleep().filter(|_| parked);
    let mut view = PlacementView::of(&explained, &model.spec);
    view.ask_cluster(&model.spec, sight.as_deref(), &model.own_status());
    view.asleep = asleep.map(|asleep| format!("it is parked, {asleep}"));
    Ok(HttpResponse::Ok().json(view))
}

/// `GET /api/models/{name}/placement`. Without the scheduler there is only the text.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "Placement"), schemars(rename = "Placement"))]
pub(crate) struct PlacementView {
    model: String,
    #[cfg_attr(test, ts(type = "'fits' | 'evict' | 'wait' | 'never'"))]
    decision: &'static str,
    variant: Option<String>,
    detail: DetailView,
    /// The decision in words.
    summary: String,
    /// The same with what each variant lacks.
    text: String,
    /// Of one that is parked: what it holds, and what a wake takes. What follows is about a fresh start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    asleep: Option<String>,
    /// Models that get memory before it, the first one first.
    ahead: Vec<AheadView>,
    variants: Vec<VariantVerdict>,
}

/// A model that waits for memory, and gets it first.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "PlacementAhead"), schemars(rename = "PlacementAhead"))]
struct AheadView {
    model: String,
    /// The highest class of those who wait for it; null: only `auto_start` wants it.
    class: Option<&'static str>,
    /// How long it has waited.
    seconds: f64,
}

impl AheadView {
    fn of(ahead: &Ahead) -> Self {
        let class = match ahead.urgency {
            Urgency::Wanted(class) => Some(class.text()),
            Urgency::Boot => None,
        };
        let seconds = (ahead.waited.as_secs_f64() * 1000.0).round() / 1000.0;
        Self { model: ahead.model.to_string(), class, seconds }
    }
}

/// What stands in the way; at most one of the three.
#[derive(Default, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "PlacementDetail"), schemars(rename = "PlacementDetail"))]
struct DetailView {
    /// Idle models that would be stopped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<String>>"))]
    victims: Vec<String>,
    /// Busy models that would be waited for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<String>>"))]
    blockers: Vec<String>,
    /// Why it can never be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    reason: Option<String>,
}

/// What would become of one variant.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "PlacementVariant"), schemars(rename = "PlacementVariant"))]
struct VariantVerdict {
    variant: String,
    /// Where it runs, if not on this machine.
    place: Option<String>,
    #[cfg_attr(test, ts(type = "'fits' | 'evict' | 'wait' | 'never'"))]
    verdict: &'static str,
    devices: Vec<AssignedView>,
    missing: Vec<String>,
    /// Devices that an operator has paused, and for how long.
    paused: Vec<String>,
    lacks: Vec<String>,
    /// Variables of the manager's own environment that reach the backend and may steer its engine.
    inherited: Vec<String>,
    /// The measured peak by device, in MiB.
    #[cfg_attr(test, ts(type = "Record<string, number> | null"))]
    measured_mb: Option<BTreeMap<String, u64>>,
    /// What the cluster has for it, and what it says of the job that waits; left out where the variant is no job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    cluster: Option<String>,
}

/// A required device, and the one that is it.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "PlacementDevice"), schemars(rename = "PlacementDevice"))]
struct AssignedView {
    requirement: String,
    device: String,
    memory_mb: u64,
}

impl PlacementView {
    fn of(explained: &Explained, spec: &ModelSpec) -> Self {
        let explanation = &explained.explanation;
        let (decision, variant, detail) = match &explanation.decision {
            Decision::Fits { variant, .. } => ("fits", Some(*variant), DetailView::default()),
            Decision::Evict { variant, victims, .. } => {
                let victims = victims.iter().map(ToString::to_string).collect();
                ("evict", Some(*variant), DetailView { victims, ..DetailView::default() })
            }
            Decision::Wait { variant, blockers, .. } => {
                let blockers = blockers.iter().map(|one| format!("{} {}", one.model, one.why)).collect();
                ("wait", Some(*variant), DetailView { blockers, ..DetailView::default() })
            }
            Decision::Never { reason } => {
                let reason = Some(reason.to_string());
                ("never", None, DetailView { reason, ..DetailView::default() })
            }
        };
        let variant = variant.and_then(|at| explanation.variants.get(at));
        Self {
            model: explanation.model.to_string(),
            decision,
            variant: variant.map(|variant| variant.variant.to_string()),
            detail,
            summary: explanation.summary(),
            text: explanation.to_string(),
            asleep: None,
            ahead: explained.ahead.iter().map(AheadView::of).collect(),
            variants: explanation
                .variants
                .iter()
                .map(|one| VariantVerdict::of(one, explained, spec))
                .collect(),
        }
    }

    /// What Slurm says of the variants that are jobs.
    fn ask_cluster(&mut self, spec: &ModelSpec, sight: Option<&Sight>, status: &Status) {
        for verdict in &mut self.variants {
            let variant = spec.variants.iter().find(|variant| variant.name == verdict.variant);
            let Some(variant) = variant else { continue };
            let runs = status.variant.as_deref() == Some(variant.name.as_str());
            verdict.cluster = cluster::words(&variant.place, sight, runs.then_some(status));
        }
    }

    fn unmonitored(spec: &ModelSpec) -> Self {
        let model = &spec.name;
        let variants = spec.variants.iter().map(|variant| VariantVerdict {
            variant: variant.name.clone(),
            place: (!variant.place.is_local()).then(|| variant.place.to_string()),
            verdict: "fits",
            devices: Vec::new(),
            missing: Vec::new(),
            paused: Vec::new(),
            lacks: Vec::new(),
            inherited: inherited_by(variant),
            measured_mb: None,
            cluster: None,
        });
        let summary = format!("{model}: memory is not checked (Disable_GPU_monitoring)");
        Self {
            model: model.clone(),
            decision: "fits",
            variant: None,
            detail: DetailView::default(),
            text: summary.clone(),
            summary,
            asleep: None,
            ahead: Vec::new(),
            variants: variants.collect(),
        }
    }
}

impl VariantVerdict {
    fn of(variant: &VariantExplanation, explained: &Explained, spec: &ModelSpec) -> Self {
        let verdict = match variant.verdict {
            Decision::Fits { .. } => "fits",
            Decision::Evict { .. } => "evict",
            Decision::Wait { .. } => "wait",
            Decision::Never { .. } => "never",
        };
        let devices = variant.assignment.iter().map(|part| AssignedView {
            requirement: part.requirement.to_string(),
            device: part.device.to_string(),
            memory_mb: part.mib,
        });
        let configured = spec.variants.iter().find(|one| *one.name == *variant.variant);
        let set_aside = match variant.verdict {
            Decision::Never { reason: reason @ Never::OutOfMemory } => Some(reason.to_string()),
            _ => None,
        };
        Self {
            variant: variant.variant.to_string(),
            verdict,
            devices: devices.collect(),
            missing: variant
                .missing
                .iter()
                .map(ToString::to_string)
                .chain(variant.offline.iter().map(ToString::to_string))
                .chain(set_aside)
                .collect(),
            place: configured.filter(|one| !one.place.is_local()).map(|one| one.place.to_string()),
            paused: variant.paused.iter().map(ToString::to_string).collect(),
            lacks: variant.lacks.iter().map(ToString::to_string).collect(),
            inherited: configured.map_or_else(Vec::new, inherited_by),
            measured_mb: explained.measured.get(&*variant.variant).cloned(),
            cluster: None,
        }
    }
}

/// What a backend of this variant takes from the manager's environment without being told.
pub(super) fn inherited_by(variant: &VariantSpec) -> Vec<String> {
    // The devices of a variant are named by the manager.
    let named = |name: &str| name == "CUDA_VISIBLE_DEVICES" && !variant.required_devices.is_empty();
    if !variant.place.is_local() {
        return Vec::new();
    }
    llm_manager_process::inherited(|name| variant.env.contains_key(name) || named(name))
}
