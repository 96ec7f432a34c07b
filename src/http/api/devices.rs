//! Devices: what they are, who holds what, and what they showed in the last hour.

use super::cluster::{self, ClusterView, NodeDevice};
#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get};
use crate::http::api::management::{Management, ManagementState};
use crate::http::route::{at, read};
use actix_web::HttpResponse;
use actix_web::web::ServiceConfig;
use jiff::Timestamp;
use llm_manager_actors::ActorRef;
use llm_manager_actors::device_monitor::{DeviceSample, GetHistory, HistoryPoint, SampleNow};
use llm_manager_actors::scheduler::{self, Reservations};
use llm_manager_actors::supervisor::ask;
use llm_manager_devices::Sample;
use llm_manager_policy::devices::Device;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/devices", read().to(devices))).service(at("/devices/history", read().to(history)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
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
    fn of_cluster(part: NodeDevice) -> Self {
        let NodeDevice { id, name, online, view } = part;
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
async fn devices(shared: ManagementState) -> HttpResponse {
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
    fn of(point: &HistoryPoint) -> Self {
        let reading = |reading: &DeviceSample| ReadingView {
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
async fn history(shared: ManagementState) -> HttpResponse {
    let past = match shared.devices.live().addr() {
        Some(addr) => ask(&addr, GetHistory).await.unwrap_or_default(),
        // Devices are not looked at, or their monitor is being restarted.
        None => Vec::new(),
    };
    HttpResponse::Ok().json(HistoryView { points: past.iter().map(|point| PointView::of(point)).collect() })
}

/// The devices of this machine, as the API and the event feed show them.
pub(crate) async fn device_views(shared: &Management) -> Vec<DeviceView> {
    let snapshot = shared.devices.latest();
    let held = match shared.scheduler.as_ref().and_then(ActorRef::addr) {
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
    shared: &Management,
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

fn used_by(shared: &Management, device: &Sample, model: &str) -> Option<u64> {
    let pids = shared.directory.replica(model)?.members();
    let ours = device.processes.iter().filter(|process| pids.contains(&process.pid));
    ours.map(|process| process.mib).try_fold(None, |sum, mib| Some(Some(sum.unwrap_or(0) + mib?)))?
}
