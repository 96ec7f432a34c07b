//! Devices and placement: who holds what, and what would happen if a model were asked for now.

use super::api::find;
use super::error::{ApiError, Kind};
use super::state::Shared;
use actix_web::{HttpResponse, web};
use llm_manager_actors::Live;
use llm_manager_actors::device_monitor::SampleNow;
use llm_manager_actors::devices::Sample;
use llm_manager_actors::scheduler::{Explain, Explained, Reservations};
use llm_manager_actors::supervisor::ask;
use llm_manager_policy::placement::{Decision, VariantExplanation};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A plugin that hangs does not hold an answer up for long.
const LOOK: SampleNow = SampleNow { within: Duration::from_secs(1), max_age: Duration::from_secs(1) };

/// One device in `GET /api/devices`. Memory is MiB.
#[derive(Serialize)]
pub(super) struct DeviceView {
    pub(super) id: String,
    pub(super) name: String,
    plugin: &'static str,
    uuid: Option<String>,
    pci: Option<String>,
    pub(super) online: bool,
    pub(super) memory_total_mb: Option<u64>,
    pub(super) memory_used_mb: Option<u64>,
    pub(super) memory_reserved_mb: u64,
    pub(super) utilization: Option<f32>,
    pub(super) temperature_c: Option<f32>,
    pub(super) power_w: Option<f32>,
    holders: Vec<HolderView>,
}

/// A model that holds memory of a device.
#[derive(Serialize)]
struct HolderView {
    model: String,
    reserved_mb: u64,
    /// What its processes use, where the device tells.
    used_mb: Option<u64>,
}

/// `GET /api/devices`
pub(super) async fn devices(shared: web::Data<Shared>) -> HttpResponse {
    // At a slow pace the newest snapshot may be old.
    shared.devices.sample_now(LOOK).await;
    HttpResponse::Ok().json(device_views(&shared).await)
}

/// The devices as the API and the event feed show them.
pub(super) async fn device_views(shared: &Shared) -> Vec<DeviceView> {
    let snapshot = shared.devices.latest();
    let held = match shared.scheduler.as_ref().and_then(Live::addr) {
        Some(addr) => ask(&addr, Reservations).await.unwrap_or_default(),
        None => BTreeMap::new(),
    };
    snapshot.devices.iter().map(|device| view(shared, device, &held)).collect()
}

fn view(shared: &Shared, device: &Sample, held: &BTreeMap<String, Vec<(String, u64)>>) -> DeviceView {
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
        online: device.online,
        memory_total_mb: device.memory_total_mib,
        memory_used_mb: device.memory_used_mib,
        memory_reserved_mb: holders.iter().map(|holder| holder.reserved_mb).sum(),
        utilization: device.utilization,
        temperature_c: device.temperature_c,
        power_w: device.power_w,
        holders,
    }
}

fn used_by(shared: &Shared, device: &Sample, model: &str) -> Option<u64> {
    let pids = shared.directory.find(model)?.members();
    let ours = device.processes.iter().filter(|process| pids.contains(&process.pid));
    ours.map(|process| process.mib).try_fold(None, |sum, mib| Some(Some(sum.unwrap_or(0) + mib?)))?
}

/// `GET /api/models/{name}/placement`
pub(super) async fn explain(
    shared: web::Data<Shared>,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let model = find(&shared, &name)?;
    let Some(scheduler) = &shared.scheduler else {
        let text = format!("{}: memory is not looked after (Disable_GPU_monitoring)", model.spec.name);
        return Ok(
            HttpResponse::Ok().json(json!({"model": model.spec.name, "decision": "fits", "text": text}))
        );
    };
    let down = || ApiError::new(Kind::Internal, "the scheduler does not answer; see the manager's log");
    let addr = scheduler.addr().ok_or_else(down)?;
    let explained = ask(&addr, Explain { model: Arc::clone(model) }).await.ok_or_else(down)?;
    let explained = explained.map_err(|error| ApiError::new(Kind::Internal, error))?;
    Ok(HttpResponse::Ok().json(explanation(&explained)))
}

fn explanation(explained: &Explained) -> Value {
    let explanation = &explained.explanation;
    let (decision, variant, detail) = match &explanation.decision {
        Decision::Fits { variant, .. } => ("fits", Some(*variant), json!({})),
        Decision::Evict { variant, victims, .. } => ("evict", Some(*variant), json!({"victims": victims})),
        Decision::Wait { variant, blockers, .. } => {
            let blockers = blockers.iter().map(|one| format!("{} {}", one.model, one.why));
            ("wait", Some(*variant), json!({"blockers": blockers.collect::<Vec<_>>()}))
        }
        Decision::Never { reason } => ("never", None, json!({"reason": reason.to_string()})),
    };
    let variant = variant.and_then(|at| explanation.variants.get(at)).map(|variant| &variant.variant);
    let variants = explanation.variants.iter().map(|one| variant_view(one, explained));
    json!({
        "model": explanation.model,
        "decision": decision,
        "variant": variant,
        "detail": detail,
        "text": explanation.to_string(),
        "variants": variants.collect::<Vec<_>>(),
    })
}

fn variant_view(variant: &VariantExplanation, explained: &Explained) -> Value {
    let verdict = match variant.verdict {
        Decision::Fits { .. } => "fits",
        Decision::Evict { .. } => "evict",
        Decision::Wait { .. } => "wait",
        Decision::Never { .. } => "never",
    };
    let devices = variant.assignment.iter();
    let devices = devices
        .map(|part| json!({"requirement": part.requirement, "device": part.device, "memory_mb": part.mib}));
    json!({
        "variant": variant.variant,
        "verdict": verdict,
        "devices": devices.collect::<Vec<_>>(),
        "missing": variant.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "lacks": variant.lacks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "measured_mb": explained.measured.get(&*variant.variant),
    })
}
