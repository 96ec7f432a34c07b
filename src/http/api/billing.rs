//! Price plans: which one is in force, which ones there were, and a new one.

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get, optional_time, or_null, put};
use super::query::{from_json, from_store, invalid, rfc3339, time};
use crate::http::api::management::{Management, ManagementState};
use crate::http::error::{Answered, ApiError, ApiErrorKind, quoted};
use crate::http::route::{at, read};
use actix_web::web::{PayloadConfig, ServiceConfig};
use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use llm_manager_actors::billing::SetPlan;
use llm_manager_ledger::{PlanRecord, PlanSource, now_us};
use llm_manager_policy::pricing::{Plan, PlanDraft, Tier, TierDraft};
use serde::Serialize;
#[cfg(test)]
use serde_json::json;
use serde_json::{Map, Value};
use std::sync::Arc;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(
        at("/billing/{model:.+}", read().to(show))
            .app_data(PayloadConfig::new(LARGEST_PLAN))
            .route(web::put().to(set)),
    );
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    let plans = schemas.of::<PlansView<'static>>();
    vec![
        get("/api/billing/{model}", "The price plan in force, and the history", plans.clone())
            .refused("model_not_found")
            .words("the price plan in force, and the history, newest first"),
        put("/api/billing/{model}", "A new plan", plans)
            .refused("model_not_found,conflict,request_too_large,ledger_unavailable")
            .body(plan_body())
            .words(
                "sets a new plan from now on, or from `valid_from`; past prices don't change. It stays \
                 until `billing:` in the configuration changes",
            ),
    ]
}

/// A plan as `plan` of `GET /api/billing/{model}` has it, with `valid_from`.
#[cfg(test)]
fn plan_body() -> Value {
    /// A decimal of at most six digits behind the point.
    const PRICE: &str = r"^0*[0-9]{1,13}(\.[0-9]{1,6}0*)?$";
    let price = json!({"type": "string", "pattern": PRICE});
    let currency = json!({"type": "string", "pattern": "^[A-Z]{3}$"});
    let valid_from = or_null(&optional_time());
    let object = |properties: Value, required: &[&str]| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let tier = |required: &[&str]| {
        let limit = json!({"type": ["integer", "null"], "minimum": 0, "maximum": u64::MAX});
        let cache_read = if required.contains(&"cache_read") { price.clone() } else { or_null(&price) };
        let properties = json!({
            "max_input": limit, "max_output": limit, "input": price, "output": price,
            "cache_read": cache_read, "cache_write": or_null(&price),
        });
        json!({"type": "array", "items": object(properties, required), "minItems": 1, "maxItems": 64})
    };
    let tiered = |cache_pricing: Value, required: &[&str], tiers: Value| {
        let properties = json!({
            "method": {"const": "tiered"}, "currency": currency, "cache_pricing": cache_pricing, "tiers": tiers,
            "per_hour": {"type": "null"}, "parked_per_hour": {"type": "null"}, "valid_from": valid_from,
        });
        object(properties, required)
    };
    let hourly = json!({
        "method": {"const": "hourly"}, "currency": currency, "per_hour": price, "parked_per_hour": or_null(&price),
        "cache_pricing": {"enum": [false, null]}, "tiers": {"type": ["array", "null"], "maxItems": 0}, "valid_from": valid_from,
    });
    json!({
        "description": "A plan as `plan` of the answer. A tier that nothing can reach, and a `valid_from` that is past, are refused",
        "oneOf": [
            tiered(json!({"enum": [false, null]}), &["method", "currency", "tiers"], tier(&["input", "output"])),
            tiered(
                json!({"const": true}),
                &["method", "currency", "tiers", "cache_pricing"],
                tier(&["input", "output", "cache_read"]),
            ),
            object(hourly, &["method", "currency", "per_hour"]),
            object(json!({"method": {"type": "null", "description": "Ends all pricing"}, "valid_from": valid_from}), &["method"]),
        ],
    })
}

/// A plan of the most tiers is far smaller.
const LARGEST_PLAN: usize = 64 << 10;

/// `GET /api/billing/{model}`
async fn show(shared: ManagementState, name: web::Path<String>) -> Answered {
    let model = match shared.directory.find(&name) {
        Some(model) => model.spec.name.clone(),
        // A model that has left the configuration still has its history.
        None if !shared.ledger.prices().history(&name).is_empty() => name.into_inner(),
        None => shared.find(&name)?.spec.name.clone(),
    };
    Ok(HttpResponse::Ok().json(PlansView::of(&shared, &model)))
}

/// `PUT /api/billing/{model}`
async fn set(
    shared: ManagementState,
    name: web::Path<String>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answered {
    let too_large = |error| {
        ApiError::new(
            ApiErrorKind::RequestTooLarge,
            format!("the body: {error}; a plan has at most {LARGEST_PLAN} bytes"),
        )
    };
    let body = body.map_err(too_large)?;
    let model: Arc<str> = shared.find(&name)?.spec.name.as_str().into();
    let (plan, valid_from) = wanted(&body)?;
    let down = || ApiError::new(ApiErrorKind::Internal, "billing does not answer; see the manager's log");
    let billing = shared.billing.addr().ok_or_else(down)?;
    let order = SetPlan { model: Arc::clone(&model), plan, valid_from, source: PlanSource::Api };
    billing.send(order).await.map_err(|_| down())?.map_err(from_store)?;
    Ok(HttpResponse::Ok().json(PlansView::of(&shared, &model)))
}

/// `GET /api/billing/{model}`: what is in force.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "Billing"), schemars(rename = "Billing"))]
pub(crate) struct PlansView<'a> {
    model: &'a str,
    plan: Option<PlanView>,
    #[cfg_attr(test, ts(type = "'config' | 'api' | null"))]
    source: Option<&'static str>,
    #[cfg_attr(test, ts(type = "string | null"))]
    valid_from: Option<Timestamp>,
    /// Newest first, those to come too.
    history: Vec<RecordView>,
}

/// An entry of the history.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "PlanVersion"), schemars(rename = "PlanVersion"))]
struct RecordView {
    id: i64,
    #[cfg_attr(test, ts(type = "string"))]
    valid_from: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "string"))]
    created_at: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "'config' | 'api'"))]
    source: &'static str,
    /// Null: from then on there is no price.
    plan: Option<PlanView>,
}

/// A price plan. Prices are decimal texts.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "PricePlan"), schemars(rename = "PricePlan"))]
#[serde(tag = "method", rename_all = "lowercase")]
enum PlanView {
    Tiered { currency: String, cache_pricing: bool, tiers: Vec<TierView> },
    Hourly { currency: String, per_hour: String, parked_per_hour: String },
}

#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "Tier"), schemars(rename = "Tier"))]
struct TierView {
    max_input: Option<u64>,
    max_output: Option<u64>,
    input: String,
    output: String,
    cache_read: String,
    cache_write: String,
}

impl<'a> PlansView<'a> {
    fn of(shared: &Management, model: &'a str) -> Self {
        let prices = shared.ledger.prices();
        let current = prices.at(model, now_us());
        Self {
            model,
            plan: current.and_then(|record| record.plan.as_ref()).map(PlanView::of),
            source: current.map(|record| record.source.text()),
            valid_from: current.and_then(|record| rfc3339(record.valid_from)),
            history: prices.history(model).iter().rev().map(RecordView::of).collect(),
        }
    }
}

impl RecordView {
    fn of(record: &PlanRecord) -> Self {
        Self {
            id: record.id,
            valid_from: rfc3339(record.valid_from),
            created_at: rfc3339(record.created),
            source: record.source.text(),
            plan: record.plan.as_ref().map(PlanView::of),
        }
    }
}

impl PlanView {
    fn of(plan: &Plan) -> Self {
        match plan {
            Plan::Tiered { currency, cache_pricing, tiers } => Self::Tiered {
                currency: currency.as_str().to_owned(),
                cache_pricing: *cache_pricing,
                tiers: tiers.iter().map(TierView::of).collect(),
            },
            Plan::Hourly { currency, per_hour, parked_per_hour } => Self::Hourly {
                currency: currency.as_str().to_owned(),
                per_hour: per_hour.to_string(),
                parked_per_hour: parked_per_hour.to_string(),
            },
        }
    }
}

impl TierView {
    fn of(tier: &Tier) -> Self {
        Self {
            max_input: tier.max_input,
            max_output: tier.max_output,
            input: tier.input.to_string(),
            output: tier.output.to_string(),
            cache_read: tier.cache_read.to_string(),
            cache_write: tier.cache_write.to_string(),
        }
    }
}

/// Reads a body; all that is wrong with it is said at once. The plan `null` ends all pricing.
fn wanted(body: &[u8]) -> Result<(Option<Plan>, Option<i64>), ApiError> {
    let value: Value = from_json(body).map_err(|error| invalid(format!("the body: {error}")))?;
    let mut problems = Vec::new();
    let fields = Fields::of(&value, String::new(), &mut problems);
    let draft = fields.plan(&mut problems);
    let valid_from = fields.text("valid_from", &mut problems);
    let valid_from = match time("valid_from", valid_from.as_ref()) {
        Ok(valid_from) => valid_from,
        Err(error) => {
            problems.push(error.message.to_string());
            None
        }
    };
    if fields.map.is_some_and(|map| map.get("method").is_some_and(Value::is_null)) && problems.is_empty() {
        return Ok((None, valid_from));
    }
    match draft.build() {
        Ok(plan) if problems.is_empty() => Ok((Some(plan), valid_from)),
        built => {
            let wrong = built.err().unwrap_or_default();
            // What is of the wrong type is missing for the plan, too: it is said once.
            let said = |at: &str| problems.iter().any(|problem| problem.starts_with(&format!("{at}:")));
            let more: Vec<String> =
                wrong.iter().filter(|problem| !said(&problem.at)).map(ToString::to_string).collect();
            problems.extend(more);
            Err(invalid(problems.join("\n")))
        }
    }
}

/// The keys of a JSON object at a place.
struct Fields<'a> {
    map: Option<&'a Map<String, Value>>,
    at: String,
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value, at: String, problems: &mut Vec<String>) -> Self {
        let map = value.as_object();
        if map.is_none() {
            let place = if at.is_empty() { "the body" } else { at.trim_end_matches('.') };
            problems.push(format!("{place}: is not an object"));
        }
        Self { map, at }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.map?.get(key).filter(|value| !value.is_null())
    }

    fn wrong(&self, key: &str, what: &str, problems: &mut Vec<String>) {
        problems.push(format!("{}{key}: {what}", self.at));
    }

    fn text(&self, key: &str, problems: &mut Vec<String>) -> Option<String> {
        let value = self.get(key)?;
        if value.as_str().is_none() {
            self.wrong(key, "is not a text in quotes (numbers with a point are not exact in JSON)", problems);
        }
        value.as_str().map(str::to_owned)
    }

    fn limit(&self, key: &str, problems: &mut Vec<String>) -> Option<u64> {
        let value = self.get(key)?;
        if value.as_u64().is_none() {
            self.wrong(key, "is neither a whole number nor null", problems);
        }
        value.as_u64()
    }

    fn only(&self, known: &[&str], problems: &mut Vec<String>) {
        let unknown = self.map.into_iter().flat_map(Map::keys).filter(|key| !known.contains(&key.as_str()));
        problems.extend(unknown.map(|key| format!("{}{}: is not known", self.at, quoted(key))));
    }

    fn plan(&self, problems: &mut Vec<String>) -> PlanDraft {
        const KNOWN: [&str; 7] =
            ["method", "currency", "cache_pricing", "tiers", "per_hour", "parked_per_hour", "valid_from"];
        self.only(&KNOWN, problems);
        let cache_pricing = self.get("cache_pricing");
        if cache_pricing.is_some_and(|value| !value.is_boolean()) {
            self.wrong("cache_pricing", "is neither true nor false", problems);
        }
        let tiers = self.get("tiers");
        if tiers.is_some_and(|value| !value.is_array()) {
            self.wrong("tiers", "is not a list", problems);
        }
        let tiers = tiers.and_then(Value::as_array).into_iter().flatten().enumerate();
        PlanDraft {
            method: self.text("method", problems).unwrap_or_default(),
            currency: self.text("currency", problems).unwrap_or_default(),
            cache_pricing: cache_pricing.and_then(Value::as_bool).unwrap_or_default(),
            per_hour: self.text("per_hour", problems),
            parked_per_hour: self.text("parked_per_hour", problems),
            tiers: tiers
                .map(|(nth, tier)| Fields::of(tier, format!("tiers[{nth}]."), problems).tier(problems))
                .collect(),
        }
    }

    fn tier(&self, problems: &mut Vec<String>) -> TierDraft {
        self.only(&["max_input", "max_output", "input", "output", "cache_read", "cache_write"], problems);
        TierDraft {
            max_input: self.limit("max_input", problems),
            max_output: self.limit("max_output", problems),
            input: self.text("input", problems),
            output: self.text("output", problems),
            cache_read: self.text("cache_read", problems),
            cache_write: self.text("cache_write", problems),
        }
    }
}
