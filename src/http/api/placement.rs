//! What would happen if a model were asked for now: its placement, in words and numbers.

use super::cluster;
#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get};
use crate::http::api::management::ManagementState;
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use llm_manager_actors::model::ModelStatus;
use llm_manager_actors::scheduler::{Explain, Explained};
use llm_manager_actors::supervisor::ask;
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::placement::{Decision, DemandPriority, Never, VariantExplanation};
use llm_manager_policy::queue::Ahead;
use llm_manager_policy::spec::{ModelSpec, VariantSpec};
use llm_manager_slurm::NodesSnapshot;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/models/{name:.+}/placement", read().to(explain)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get(
            "/api/models/{name}/placement",
            "What would happen if it were started now",
            schemas.of::<PlacementView>(),
        )
        .refused("model_not_found")
        .words("what would happen if it were started now"),
    ]
}

/// `GET /api/models/{name}/placement`
async fn explain(shared: ManagementState, name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let model = shared.find(&name)?;
    let sight = cluster::sight(&shared).await;
    let Some(scheduler) = &shared.scheduler else {
        let mut view = PlacementView::unmonitored(&model.spec);
        view.ask_cluster(&model.spec, sight.as_deref(), &model.own_status());
        return Ok(HttpResponse::Ok().json(view));
    };
    let down =
        || ApiError::new(ApiErrorKind::Internal, "the scheduler does not answer; see the manager's log");
    let addr = scheduler.addr().ok_or_else(down)?;
    let explained = ask(&addr, Explain { model: Arc::clone(model) }).await.ok_or_else(down)?;
    let explained = explained.map_err(|error| ApiError::new(ApiErrorKind::Internal, error))?;
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
            DemandPriority::Wanted(class) => Some(class.text()),
            DemandPriority::Boot => None,
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
    fn ask_cluster(&mut self, spec: &ModelSpec, sight: Option<&NodesSnapshot>, status: &ModelStatus) {
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
