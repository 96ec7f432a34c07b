//! Usage: sums of requests, tokens and money over a stretch of time, as a whole and point by point.

pub(crate) mod views;

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get};
use super::query::{from_store, invalid, list, models, time};
use crate::http::api::management::{Management, ManagementState};
use crate::http::error::{Answered, ApiError, quoted};
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use jiff::tz::TimeZone;
use llm_manager_ledger::{Bucket, Dimension, Filter, Micros, now_us};
use serde::Deserialize;
use views::{ReportView, SeriesView, Split, SummaryView};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/usage/summary", read().to(summarize)))
        .service(at("/usage/series", read().to(series)))
        .service(at("/usage/session", read().to(session)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    let report = schemas.of::<views::ReportView<'static>>();
    vec![
        get("/api/usage/summary", "Totals of a period", report.clone())
            .refused("ledger_unavailable")
            .query("from,to,model,variant,mode,endpoint,api_key,by")
            .words(
                "requests, tokens, cost and latency (of requests with a response) from `?from` to `to` \
                 (default: the last 30 days); filters `model`, `variant`, `mode`, `endpoint`, `api_key` \
                 (comma-separated lists); `by=` one or more of these for groups, each with its `keys`",
            ),
        get("/api/usage/series", "The same as a series", schemas.of::<views::SeriesView<'static>>())
            .refused("ledger_unavailable")
            .query("from,to,model,variant,mode,endpoint,api_key,by,bucket,tz")
            .words(
                "the same without latency as a series (default: the last 24 hours): `bucket=minute`, \
                 `quarter` (of an hour), `hour`, `day`, `week` or `month` in the time zone \
                 `tz=Europe/Berlin`",
            ),
        get("/api/usage/session", "Totals since the manager's start", report)
            .refused("ledger_unavailable")
            .query("model,variant,mode,endpoint,api_key,by")
            .words("the summary since the manager's start"),
    ]
}

const HOUR: Micros = 3_600_000_000;

/// Query of the reports. Lists have commas; what is missing is left open.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsageQuery {
    from: Option<String>,
    to: Option<String>,
    model: Option<String>,
    variant: Option<String>,
    mode: Option<String>,
    endpoint: Option<String>,
    #[serde(alias = "key")]
    api_key: Option<String>,
    by: Option<String>,
    bucket: Option<String>,
    tz: Option<String>,
}

impl UsageQuery {
    fn filter(&self, shared: &Management) -> Filter {
        Filter {
            models: models(shared, self.model.as_ref()),
            variants: list(self.variant.as_ref()),
            modes: list(self.mode.as_ref()),
            endpoints: list(self.endpoint.as_ref()),
            api_keys: list(self.api_key.as_ref()),
        }
    }

    /// The stretch of time, which ends now and is this long unless the query says otherwise.
    fn stretch(&self, default: Micros) -> Result<(Micros, Micros), ApiError> {
        let to = time("to", self.to.as_ref())?.unwrap_or_else(now_us);
        let from = time("from", self.from.as_ref())?.unwrap_or(to.saturating_sub(default));
        if from >= to {
            return Err(invalid("`from` is not before `to`"));
        }
        Ok((from, to))
    }

    fn by(&self) -> Result<Vec<Dimension>, ApiError> {
        let named = |name: String| match name.as_str() {
            "model" => Ok(Dimension::Model),
            "variant" => Ok(Dimension::Variant),
            "mode" => Ok(Dimension::Mode),
            "endpoint" => Ok(Dimension::Endpoint),
            "api_key" | "key" => Ok(Dimension::ApiKey),
            _ => {
                let name = quoted(&name);
                let known = "model, variant, mode, endpoint and api_key";
                Err(invalid(format!("`by`: \"{name}\" is not known; there are {known}")))
            }
        };
        list(self.by.as_ref()).into_iter().map(named).collect()
    }

    fn bucket(&self, (from, to): (Micros, Micros)) -> Result<Bucket, ApiError> {
        Ok(match self.bucket.as_deref() {
            None if to - from <= 3 * HOUR => Bucket::Minute,
            None if to - from <= 72 * HOUR => Bucket::Hour,
            None => Bucket::Day,
            Some("minute") => Bucket::Minute,
            Some("quarter") => Bucket::Quarter,
            Some("hour") => Bucket::Hour,
            Some("day") => Bucket::Day,
            Some("week") => Bucket::Week,
            Some("month") => Bucket::Month,
            Some(other) => {
                let known = "minute, quarter (of an hour), hour, day, week and month";
                let other = quoted(other);
                return Err(invalid(format!("`bucket`: \"{other}\" is not known; there are {known}")));
            }
        })
    }
}

/// The time zone of a query.
pub(super) fn zone(name: Option<&str>) -> Result<TimeZone, ApiError> {
    let Some(name) = name else { return Ok(TimeZone::UTC) };
    TimeZone::get(name).map_err(|_| {
        let name = quoted(name);
        invalid(format!("`tz`: \"{name}\" is no time zone of the IANA database, like Europe/Berlin"))
    })
}

fn bucket_name(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Minute => "minute",
        Bucket::Quarter => "quarter",
        Bucket::Hour => "hour",
        Bucket::Day => "day",
        Bucket::Week => "week",
        Bucket::Month => "month",
    }
}

async fn sums(shared: &Management, query: &UsageQuery, (from, to): (Micros, Micros)) -> Answered {
    let by = query.by()?;
    let filter = query.filter(shared);
    let reader = shared.ledger.reader();
    let (sums, times) = futures_util::join!(
        reader.summary(filter.clone(), from, to, by.clone()),
        reader.latency(filter, from, to)
    );
    let sums = sums.map_err(from_store)?;
    Ok(HttpResponse::Ok().json(ReportView::of(
        &sums,
        &Split::by(&by),
        &times.map_err(from_store)?,
        to - from,
    )))
}

/// `GET /api/usage/summary`; the last 30 days unless the query says otherwise.
async fn summarize(shared: ManagementState, query: web::Query<UsageQuery>) -> Answered {
    for (name, given) in [("bucket", &query.bucket), ("tz", &query.tz)] {
        if given.is_some() {
            return Err(invalid(format!("`{name}` belongs to /api/usage/series")));
        }
    }
    let stretch = query.stretch(30 * 24 * HOUR)?;
    sums(&shared, &query, stretch).await
}

/// `GET /api/usage/session`: since this run of the manager began.
async fn session(shared: ManagementState, query: web::Query<UsageQuery>) -> Answered {
    let given = [&query.from, &query.to, &query.bucket, &query.tz];
    if given.iter().any(|given| given.is_some()) {
        return Err(invalid("the session is from the manager's start to now: it takes no times"));
    }
    let from = shared.ledger.session_start();
    sums(&shared, &query, (from, now_us().max(from + 1))).await
}

/// `GET /api/usage/series`; the last 24 hours unless the query says otherwise.
async fn series(shared: ManagementState, query: web::Query<UsageQuery>) -> Answered {
    let (from, to) = query.stretch(24 * HOUR)?;
    let by = query.by()?;
    let bucket = query.bucket((from, to))?;
    let zone = zone(query.tz.as_deref())?;
    let series =
        shared.ledger.reader().series(query.filter(&shared), from, to, bucket, zone, by.clone()).await;
    let (series, split) = (series.map_err(from_store)?, Split::by(&by));
    let points = series.points.iter().map(|point| SummaryView::of(point, &split)).collect();
    Ok(HttpResponse::Ok().json(SeriesView { bucket: bucket_name(bucket), points }))
}
