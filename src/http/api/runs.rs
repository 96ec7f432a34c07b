//! Runs: the lives of backends as the ledger has them, also those before this start of the manager, and what
//! they cost.

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get};
use super::placement::inherited_by;
use super::query::{from_store, invalid, models, rfc3339, seconds, time};
use super::usage::views::{money, watt_hours};
use super::views::ByView;
use crate::http::api::management::{Management, ManagementState};
use crate::http::error::{ApiError, ApiErrorKind, quoted};
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use llm_manager_actors::model::{ModelHandle, StartTrace};
use llm_manager_ledger::{Micros, RequestShare, RunQuery, StoredRun};
use llm_manager_policy::pricing::Interval;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/runs", read().to(runs)))
        .service(at("/runs/{id}", read().to(one)))
        .service(at("/runs/{id}/shares", read().to(shares)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get("/api/runs", "Runs of backends, newest first", schemas.of::<LedgerRunsView>())
            .refused("ledger_unavailable")
            .query("model,from,to,limit")
            .words(
                "runs of backends from the ledger, newest first: when and why each ended (`cause`, \
                 `evicted_for`), who started and ended it (`started_by`, `ended_by`), paid time, when it \
                 was parked (`parked`, `parked_seconds`), cost, energy; `model`, `from`, `to`, `limit` \
                 (100, at most 10000)",
            ),
        get("/api/runs/{id}", "One run, with the times of its start", schemas.of::<OneRunView>())
            .refused("run_not_found,ledger_unavailable")
            .words(
                "one run with the times of its start: `asked_at`, `placed_at`, `victims_gone_at`, \
                 `memory_free_at`, `launched_at`, `port_open_at`, `ready_at`, `first_byte_at`, and the \
                 variables that it inherited (`inherited`)",
            ),
        get(
            "/api/runs/{id}/shares",
            "The price of a run, divided among its requests",
            schemas.of::<RunSharesView>(),
        )
        .refused("run_not_found,ledger_unavailable")
        .words("the price of a run, divided among its requests"),
    ]
}

const DEFAULT_LIMIT: i64 = 100;
const MOST: i64 = 10_000;
/// How often, and how long apart, a run that has just begun is looked for in the ledger.
const WRITTEN_TRIES: u32 = 20;
const WRITTEN_PAUSE: Duration = Duration::from_millis(50);

/// Query of the runs. Lists have commas.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunsOptions {
    model: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<i64>,
}

/// One life of a backend in the ledger.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "LedgerRun"), schemars(rename = "LedgerRun"))]
pub(crate) struct LedgerRunView {
    id: i64,
    model: String,
    variant: String,
    /// When it was first wanted; until its start it waited for memory.
    #[cfg_attr(test, ts(type = "string | null"))]
    queued_at: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "string"))]
    started_at: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "string | null"))]
    ready_at: Option<Timestamp>,
    /// Null: it still runs.
    #[cfg_attr(test, ts(type = "string | null"))]
    ended_at: Option<Timestamp>,
    /// As in `RunRecord`; also `manager_lost` and `actor_crashed`.
    cause: Option<String>,
    evicted_for: Option<String>,
    started_by: Option<ByView>,
    /// Null: it still runs, ended by itself, or with the manager.
    ended_by: Option<ByView>,
    exit: Option<String>,
    /// Ready time, or the whole with `bill_loading`; without the time in which it was parked.
    paid_seconds: f64,
    /// How long it was parked; that time has its own price.
    parked_seconds: f64,
    /// When, in order.
    parked: Vec<Stretch>,
    /// By the hour.
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    cost: BTreeMap<String, String>,
    /// Null: nothing was measured.
    energy_wh: Option<f64>,
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    energy_cost: BTreeMap<String, String>,
}

/// From when to when.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "Stretch"), schemars(rename = "Stretch"))]
struct Stretch {
    #[cfg_attr(test, ts(type = "string"))]
    from: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "string"))]
    to: Option<Timestamp>,
}

impl Stretch {
    fn of(time: &Interval) -> Self {
        Self { from: rfc3339(time.from), to: rfc3339(time.to) }
    }
}

/// `GET /api/runs`
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "LedgerRuns"), schemars(rename = "LedgerRuns"))]
pub(crate) struct LedgerRunsView {
    /// Newest first.
    runs: Vec<LedgerRunView>,
}

/// `GET /api/runs/{id}/shares`: what a run cost, shared out to the requests that ran in it.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "RunShares"), schemars(rename = "RunShares"))]
pub(crate) struct RunSharesView {
    run: LedgerRunView,
    requests: Vec<RequestShareView>,
    /// Of the time in which nobody asked.
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    idle: BTreeMap<String, String>,
}

/// What one request would pay of its run.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "RequestShare"), schemars(rename = "RequestShare"))]
struct RequestShareView {
    request_id: String,
    #[cfg_attr(test, ts(type = "string"))]
    ended_at: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    cost: BTreeMap<String, String>,
}

/// `GET /api/runs/{id}`: one run, with the moments of its start. Those that the ledger doesn't keep are known of a
/// model's last runs since the manager started, and null otherwise.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "OneRun"), schemars(rename = "OneRun"))]
pub(super) struct OneRunView {
    #[serde(flatten)]
    run: LedgerRunView,
    /// When the model was first wanted.
    #[cfg_attr(test, ts(type = "string | null"))]
    asked_at: Option<Timestamp>,
    /// When a variant was chosen and its memory reserved.
    #[cfg_attr(test, ts(type = "string | null"))]
    placed_at: Option<Timestamp>,
    /// When the last process of those that had to go was gone; null: nobody had to.
    #[cfg_attr(test, ts(type = "string | null"))]
    victims_gone_at: Option<Timestamp>,
    /// When the devices showed the memory as free; null: it was, or they don't tell.
    #[cfg_attr(test, ts(type = "string | null"))]
    memory_free_at: Option<Timestamp>,
    /// When its process was there.
    #[cfg_attr(test, ts(type = "string | null"))]
    launched_at: Option<Timestamp>,
    /// When somebody listened on its port.
    #[cfg_attr(test, ts(type = "string | null"))]
    port_open_at: Option<Timestamp>,
    /// When the head of its first answer came.
    #[cfg_attr(test, ts(type = "string | null"))]
    first_byte_at: Option<Timestamp>,
    /// Variables of the manager's own environment that reach the backend and may steer its engine; null for a run of
    /// a former manager.
    inherited: Option<Vec<String>>,
}

impl OneRunView {
    fn of(mut run: LedgerRunView, trace: Option<StartTrace>, inherited: Option<Vec<String>>) -> Self {
        run.ready_at = trace.and_then(|trace| trace.ready).or(run.ready_at);
        Self {
            asked_at: trace.map(|trace| trace.asked).or(run.queued_at),
            placed_at: trace.and_then(|trace| trace.placed),
            victims_gone_at: trace.and_then(|trace| trace.victims_gone),
            memory_free_at: trace.and_then(|trace| trace.memory_free),
            launched_at: trace.and_then(|trace| trace.launched).or(run.started_at),
            port_open_at: trace.and_then(|trace| trace.port_open),
            first_byte_at: trace.and_then(|trace| trace.first_byte),
            inherited,
            run,
        }
    }
}

/// What is remembered of the start of a run.
fn trace_of(shared: &Management, id: i64) -> Option<StartTrace> {
    let replicas = shared.directory.models().iter().flat_map(ModelHandle::replicas);
    replicas.into_iter().find_map(|model| {
        let status = model.status();
        let current = status.trace.filter(|_| status.run_id == Some(id));
        current.or_else(|| status.runs.iter().find(|run| run.id == Some(id)).map(|run| run.trace))
    })
}

impl LedgerRunView {
    fn of(view: &StoredRun) -> Self {
        let run = &view.run;
        let parked = run.asleep_within(Micros::MIN, Micros::MAX);
        let paid = run.billed_from().map_or(0, |from| {
            run.billed_to().saturating_sub(from).saturating_sub(run.asleep_within(from, Micros::MAX))
        });
        let energy = run.energy.as_ref();
        let energy_cost = energy.and_then(|energy| energy.cost.as_ref()).map(|(cost, currency)| {
            let cost = u128::from((*cost).max(0).cast_unsigned());
            (currency.to_string(), llm_manager_policy::pricing::Money::from_units(cost))
        });
        Self {
            id: run.id,
            model: run.model.to_string(),
            variant: run.variant.to_string(),
            queued_at: run.queued_us.and_then(rfc3339),
            started_at: rfc3339(run.started_us),
            ready_at: run.ready_us.and_then(rfc3339),
            ended_at: run.ended_us.and_then(rfc3339),
            cause: run.cause.clone(),
            evicted_for: run.evicted_for.clone(),
            started_by: run.started_by.as_deref().and_then(ByView::of),
            ended_by: run.ended_by.as_deref().and_then(ByView::of),
            exit: run.end_reason.clone(),
            paid_seconds: seconds(paid.max(0)),
            parked_seconds: seconds(parked),
            parked: run.asleep().iter().map(Stretch::of).collect(),
            cost: money(&view.cost),
            energy_wh: energy.map(|energy| watt_hours(energy.millijoules)),
            energy_cost: money(&energy_cost.into_iter().collect()),
        }
    }
}

impl RequestShareView {
    fn of(share: &RequestShare) -> Self {
        Self {
            request_id: share.request_id.clone(),
            ended_at: rfc3339(share.ended_us),
            cost: money(&share.cost),
        }
    }
}

/// `GET /api/runs`
async fn runs(shared: ManagementState, query: web::Query<RunsOptions>) -> Result<HttpResponse, ApiError> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MOST).contains(&limit) {
        return Err(invalid(format!("`limit` is from 1 to {MOST}")));
    }
    let wanted = RunQuery {
        models: models(&shared, query.model.as_ref()),
        from: time("from", query.from.as_ref())?.unwrap_or(Micros::MIN),
        to: time("to", query.to.as_ref())?.unwrap_or(Micros::MAX),
        limit,
    };
    let found = shared.ledger.reader().runs(wanted).await.map_err(from_store)?;
    Ok(HttpResponse::Ok().json(LedgerRunsView { runs: found.iter().map(LedgerRunView::of).collect() }))
}

/// `GET /api/runs/{id}`
async fn one(shared: ManagementState, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let number = id.parse().map_err(|_| unknown(&id))?;
    let trace = trace_of(&shared, number);
    // The ledger writes a run a moment after it has begun.
    let mut tries = if trace.is_some() { WRITTEN_TRIES } else { 1 };
    loop {
        tries -= 1;
        match shared.ledger.reader().run(number).await.map_err(from_store)? {
            Some(run) => {
                let run = LedgerRunView::of(&run);
                let inherited = trace.and_then(|_| inherited(&shared, &run));
                return Ok(HttpResponse::Ok().json(OneRunView::of(run, trace, inherited)));
            }
            None if tries == 0 => return Err(unknown(&id)),
            None => tokio::time::sleep(WRITTEN_PAUSE).await,
        }
    }
}

fn inherited(shared: &Management, run: &LedgerRunView) -> Option<Vec<String>> {
    let variants = &shared.directory.find(&run.model)?.spec.variants;
    variants.iter().find(|variant| variant.name == run.variant).map(inherited_by)
}

fn unknown(id: &str) -> ApiError {
    ApiError::new(ApiErrorKind::RunNotFound, format!("the ledger has no run `{}`; see /api/runs", quoted(id)))
}

/// `GET /api/runs/{id}/shares`
async fn shares(shared: ManagementState, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let number = id.parse().map_err(|_| unknown(&id))?;
    let found =
        shared.ledger.reader().run_shares(number).await.map_err(from_store)?.ok_or_else(|| unknown(&id))?;
    Ok(HttpResponse::Ok().json(RunSharesView {
        run: LedgerRunView::of(&found.run),
        requests: found.requests.iter().map(RequestShareView::of).collect(),
        idle: money(&found.idle),
    }))
}
