//! What a model's memory is made of: declared, measured, or reckoned from its files and its command line.

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get};
use crate::http::api::management::ManagementState;
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use llm_manager_actors::scheduler::{ExplainMemory, VariantMemory};
use llm_manager_actors::supervisor::ask;
use llm_manager_policy::memory::{EstimateLine, MemoryLocation, cards_of};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/models/{name:.+}/memory", read().to(memory)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get(
            "/api/models/{name}/memory",
            "What its memory is made of, by variant",
            schemas.of::<MemoryView>(),
        )
        .refused("model_not_found,conflict")
        .words(
            "[what its memory is made of](../concepts/memory.md), by variant: declared, measured, estimated",
        ),
    ]
}

/// `GET /api/models/{name}/memory`
async fn memory(shared: ManagementState, name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let model = shared.find(&name)?;
    let Some(scheduler) = &shared.scheduler else {
        let message = "memory is not checked (Disable_GPU_monitoring)";
        return Err(ApiError::new(ApiErrorKind::Conflict, message));
    };
    let down =
        || ApiError::new(ApiErrorKind::Internal, "the scheduler does not answer; see the manager's log");
    let addr = scheduler.addr().ok_or_else(down)?;
    let told = ask(&addr, ExplainMemory { model: Arc::clone(model) }).await.ok_or_else(down)?;
    let variants = told.iter().map(VariantMemoryView::of).collect();
    Ok(HttpResponse::Ok().json(MemoryView { model: model.spec.name.clone(), variants }))
}

/// `GET /api/models/{name}/memory`. Memory is MiB.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "ModelMemory"), schemars(rename = "ModelMemory"))]
pub(crate) struct MemoryView {
    model: String,
    variants: Vec<VariantMemoryView>,
}

/// One variant.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "VariantMemory"), schemars(rename = "VariantMemory"))]
struct VariantMemoryView {
    variant: String,
    /// Which of the following counts when it is placed.
    #[cfg_attr(test, ts(type = "'declared' | 'measured' | 'estimated' | 'unchecked'"))]
    basis: &'static str,
    /// What counts, by entry of `required_devices`.
    #[cfg_attr(test, ts(type = "Record<string, number>"))]
    memory_mb: BTreeMap<String, u64>,
    /// The largest use that was measured.
    #[cfg_attr(test, ts(type = "Record<string, number>"))]
    measured_mb: BTreeMap<String, u64>,
    /// What its files and its command line say.
    #[cfg_attr(test, ts(type = "Record<string, number>"))]
    estimated_mb: BTreeMap<String, u64>,
    /// What was found: architecture, context, slots.
    found: Option<String>,
    /// What the estimate is made of.
    parts: Vec<PartView>,
    /// What the estimate leaves out.
    notes: Vec<String>,
    /// Why there is no estimate.
    unknown: Option<String>,
}

/// One part of an estimate.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "MemoryPart"), schemars(rename = "MemoryPart"))]
struct PartView {
    /// The entry of `required_devices`, with its number if there are several; else `cpu`.
    device: String,
    part: String,
    memory_mb: f64,
}

impl VariantMemoryView {
    fn of(memory: &VariantMemory) -> Self {
        let estimated = memory.estimated();
        // As the Scheduler has it: each entry by its measured peak, else by the estimate.
        let counted = memory.required.iter().filter_map(|requirement| {
            let text = requirement.text().to_string();
            let mib = memory.measured.get(&text).or_else(|| estimated.get(&text)).copied()?;
            Some((text, mib))
        });
        let counted: BTreeMap<String, u64> = counted.collect();
        let is_measured = memory.required.iter().all(|one| memory.measured.contains_key(&**one.text()));
        let (basis, memory_mb) = match &memory.declared {
            Some(declared) => ("declared", declared.clone()),
            None if !memory.is_auto || counted.is_empty() => ("unchecked", BTreeMap::new()),
            None if is_measured => ("measured", counted),
            None => ("estimated", counted),
        };
        let estimate = memory.estimate.as_ref();
        Self {
            variant: memory.variant.clone(),
            basis,
            memory_mb,
            measured_mb: memory.measured.clone(),
            estimated_mb: estimated,
            found: estimate.ok().map(|estimate| estimate.model.clone()),
            parts: estimate.map(|estimate| parts(memory, &estimate.parts)).unwrap_or_default(),
            notes: estimate.map(|estimate| estimate.notes.clone()).unwrap_or_default(),
            unknown: estimate.err().cloned(),
        }
    }
}

fn parts(memory: &VariantMemory, parts: &[EstimateLine]) -> Vec<PartView> {
    let cards = memory.required.iter().filter(|one| !one.text().eq_ignore_ascii_case("cpu"));
    let names = cards.flat_map(|one| {
        let count = cards_of(one);
        let name = move |at: usize| match count {
            1 => one.text().to_string(),
            _ => format!("{}, {} of {count}", one.text(), at + 1),
        };
        (0..count).map(name)
    });
    let names: Vec<String> = names.collect();
    let device = |place: MemoryLocation| match place {
        MemoryLocation::Host => "cpu".to_owned(),
        MemoryLocation::Card(at) => names.get(at).cloned().unwrap_or_else(|| format!("card {}", at + 1)),
    };
    let view = |part: &EstimateLine| PartView {
        device: device(part.place),
        part: part.kind.to_string(),
        memory_mb: (part.bytes as f64 / f64::from(1 << 20) * 10.0).round() / 10.0,
    };
    parts.iter().map(view).collect()
}
