//! The request log: pages in JSON, or all of it as CSV.

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get};
use super::query::{from_store, invalid, list, models, rfc3339, seconds, time};
use super::usage::views::money;
use crate::csv_export::CsvSheet;
use crate::http::api::management::{Management, ManagementState};
use crate::http::error::{ApiError, quoted};
use crate::http::route::{at, read};
use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use jiff::Timestamp;
use llm_manager_actors::model::traffic::OUTCOMES;
use llm_manager_ledger::{
    Cursor, Filter, LedgerReader, Page, PageQuery, RequestShare, RequestView, StoreError,
};
use llm_manager_policy::pricing::Money;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/requests", read().to(requests)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get(
            "/api/requests",
            "The request log; CSV with `Accept: text/csv`",
            schemas.of::<PageView<'static>>(),
        )
        .refused("ledger_unavailable")
        .query(
            "from,to,model,variant,mode,endpoint,api_key,outcome,status,request_id,run_id,limit,after,shares",
        )
        .sheet()
        .words(
            "the request log, newest first, `{rows, next}`; the filters above, `outcome`, `status`, \
                 `request_id`, `run_id`; `limit` (100, at most 1000), `after=` the `next` of the previous \
                 page; `shares=true`; with `Accept: text/csv`, everything as CSV. `asked_model`, \
                 `stream`, `user_agent` and `address` are null in rows of versions that didn't record \
                 them; `captured`: its bodies are [kept](../operations/captures.md)",
        ),
    ]
}

const DEFAULT_PAGE: usize = 100;
/// Rows that one reading of an export takes.
const EXPORT_PAGE: usize = 1000;

/// Query of the log. Lists have commas.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogQuery {
    from: Option<String>,
    to: Option<String>,
    model: Option<String>,
    variant: Option<String>,
    mode: Option<String>,
    endpoint: Option<String>,
    #[serde(alias = "key")]
    api_key: Option<String>,
    outcome: Option<String>,
    status: Option<u16>,
    request_id: Option<String>,
    run_id: Option<i64>,
    limit: Option<usize>,
    after: Option<String>,
    /// Each row with its share of what its run cost.
    #[serde(default)]
    shares: bool,
}

impl LogQuery {
    fn page(&self, shared: &Management) -> Result<PageQuery, ApiError> {
        if let Some(outcome) = &self.outcome {
            let known = OUTCOMES.contains(&outcome.as_str()) || outcome == "not_ok";
            if !known && !outcome.starts_with("refused:") {
                let known = format!(
                    "{}, refused:CODE and not_ok (any but ok); `failed` includes backend_error, as in the sums",
                    OUTCOMES.join(", ")
                );
                let outcome = quoted(outcome);
                return Err(invalid(format!("`outcome`: \"{outcome}\" is not known; there are {known}")));
            }
        }
        if self.limit == Some(0) {
            return Err(invalid("`limit` is at least 1"));
        }
        let after = match self.after.as_deref().filter(|after| !after.is_empty()) {
            Some(after) => {
                let cursor: Result<Cursor, StoreError> = after.parse();
                Some(cursor.map_err(|error| invalid(format!("`after`: {error}")))?)
            }
            None => None,
        };
        Ok(PageQuery {
            filter: Filter {
                models: models(shared, self.model.as_ref()),
                variants: list(self.variant.as_ref()),
                modes: list(self.mode.as_ref()),
                endpoints: list(self.endpoint.as_ref()),
                api_keys: list(self.api_key.as_ref()),
            },
            from: time("from", self.from.as_ref())?,
            to: time("to", self.to.as_ref())?,
            outcome: self.outcome.clone(),
            status: self.status,
            request_id: self.request_id.clone(),
            run_id: self.run_id,
            limit: self.limit.unwrap_or(DEFAULT_PAGE),
            after,
        })
    }
}

/// One request as the API shows it. The fields but `id` are the columns of the CSV.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "RequestRow"), schemars(rename = "RequestRow"))]
struct RowView<'a> {
    id: String,
    request_id: &'a str,
    #[cfg_attr(test, ts(type = "string"))]
    started_at: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "string"))]
    ended_at: Option<Timestamp>,
    model: &'a str,
    variant: Option<&'a str>,
    mode: &'a str,
    endpoint: &'a str,
    api_key: Option<&'a str>,
    status: u16,
    outcome: String,
    input_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
    output_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    #[cfg_attr(test, ts(type = "'backend' | 'estimated' | 'none'"))]
    usage_source: &'static str,
    cost: Option<String>,
    currency: Option<&'a str>,
    #[cfg_attr(test, ts(type = "'no_plan' | 'priced' | 'no_tier' | 'no_counts' | 'too_big' | 'hourly'"))]
    pricing: &'static str,
    plan_id: Option<i64>,
    run_id: Option<i64>,
    duration_seconds: f64,
    queue_seconds: f64,
    first_byte_seconds: Option<f64>,
    replayed: bool,
    error: Option<&'a str>,
    /// The name or alias that the client asked for; `null` in rows of older versions, as the three that follow.
    asked_model: Option<&'a str>,
    /// The client wanted a stream.
    stream: Option<bool>,
    /// What the client called itself.
    user_agent: Option<&'a str>,
    /// The client's address, behind the proxies that are trusted.
    address: Option<String>,
    /// Its bodies are kept: `GET /api/requests/{id}/capture`.
    captured: bool,
    /// With `shares=true`: its part of the hourly price and the electricity of its run, by currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "Record<string, string>"))]
    share: Option<BTreeMap<String, String>>,
}

/// A page of the log, newest first.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "RequestPage"), schemars(rename = "RequestPage"))]
pub(crate) struct PageView<'a> {
    rows: Vec<RowView<'a>>,
    /// Of the next page: `?after=`.
    next: Option<String>,
}

/// Empty is nothing.
fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

impl<'a> RowView<'a> {
    fn of(view: &'a RequestView) -> Self {
        let row = &view.row;
        let sender = row.sender.as_deref();
        let cost = |cost: i64| Money::from_units(u128::from(cost.max(0).cast_unsigned())).to_string();
        Self {
            id: view.cursor.to_string(),
            request_id: &row.request_id,
            started_at: rfc3339(row.started_us),
            ended_at: rfc3339(row.ended_us()),
            model: &row.labels.model,
            variant: given(&row.labels.variant),
            mode: &row.labels.mode,
            endpoint: &row.labels.endpoint,
            api_key: given(&row.labels.api_key),
            status: row.status,
            outcome: row.outcome.text().into_owned(),
            input_tokens: row.tokens.input,
            cached_tokens: row.tokens.cached,
            cache_write_tokens: row.tokens.cache_write,
            output_tokens: row.tokens.output,
            reasoning_tokens: row.tokens.reasoning,
            usage_source: row.usage_source.text(),
            cost: row.cost.map(cost),
            currency: given(&row.labels.currency),
            pricing: row.pricing.text(),
            plan_id: row.plan_id,
            run_id: row.run_id,
            duration_seconds: seconds(row.duration_us),
            queue_seconds: seconds(row.queue_us),
            first_byte_seconds: row.first_byte_us.map(seconds),
            replayed: row.replayed,
            error: row.error.as_deref(),
            asked_model: sender.and_then(|sender| given(&sender.asked_model)),
            stream: sender.map(|sender| sender.stream),
            user_agent: sender.and_then(|sender| given(&sender.user_agent)),
            address: sender.and_then(|sender| sender.address).map(|address| address.to_string()),
            captured: false,
            share: None,
        }
    }
}

/// A column of the CSV, and what a request has in it.
type Column = (&'static str, for<'a> fn(&'a RowView<'a>) -> Cow<'a, str>);

const COLUMNS: [Column; 30] = [
    ("request_id", |row| row.request_id.into()),
    ("started_at", |row| told(row.started_at)),
    ("ended_at", |row| told(row.ended_at)),
    ("model", |row| row.model.into()),
    ("variant", |row| text(row.variant)),
    ("mode", |row| row.mode.into()),
    ("endpoint", |row| row.endpoint.into()),
    ("api_key", |row| text(row.api_key)),
    ("status", |row| told(Some(row.status))),
    ("outcome", |row| row.outcome.as_str().into()),
    ("input_tokens", |row| told(row.input_tokens)),
    ("cached_tokens", |row| told(row.cached_tokens)),
    ("cache_write_tokens", |row| told(row.cache_write_tokens)),
    ("output_tokens", |row| told(row.output_tokens)),
    ("reasoning_tokens", |row| told(row.reasoning_tokens)),
    ("usage_source", |row| row.usage_source.into()),
    ("cost", |row| text(row.cost.as_deref())),
    ("currency", |row| text(row.currency)),
    ("pricing", |row| row.pricing.into()),
    ("plan_id", |row| told(row.plan_id)),
    ("run_id", |row| told(row.run_id)),
    ("duration_seconds", |row| told(Some(row.duration_seconds))),
    ("queue_seconds", |row| told(Some(row.queue_seconds))),
    ("first_byte_seconds", |row| told(row.first_byte_seconds)),
    ("replayed", |row| told(Some(row.replayed))),
    ("error", |row| text(row.error)),
    ("asked_model", |row| text(row.asked_model)),
    ("stream", |row| told(row.stream)),
    ("user_agent", |row| text(row.user_agent)),
    ("address", |row| text(row.address.as_deref())),
];

fn text(text: Option<&str>) -> Cow<'_, str> {
    text.unwrap_or_default().into()
}

fn told<'a>(value: Option<impl ToString>) -> Cow<'a, str> {
    value.map_or_else(String::new, |value| value.to_string()).into()
}

/// A page as lines of CSV; the head stands before the first page only.
fn csv(page: &Page, head: bool) -> Bytes {
    let mut sheet = CsvSheet::new();
    if head {
        sheet.line(COLUMNS.map(|(name, _)| name));
    }
    for view in &page.rows {
        let row = RowView::of(view);
        sheet.line(COLUMNS.iter().map(|(_, cell)| cell(&row)));
    }
    sheet.text().into()
}

/// Whether the client wants CSV rather than JSON.
fn wants_csv(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    prefers_csv(accepted)
}

/// Whether `Accept` names CSV, and JSON no higher (RFC 9110, 12.5.1).
fn prefers_csv(accepted: &str) -> bool {
    let quality = |wanted: &str| {
        accepted.split(',').find_map(|part| {
            let mut words = part.split(';').map(str::trim);
            words.next().filter(|name| name.eq_ignore_ascii_case(wanted))?;
            let given = words.find_map(|word| word.strip_prefix("q=").or_else(|| word.strip_prefix("Q=")));
            Some(given.and_then(|quality| quality.trim().parse::<f32>().ok()).unwrap_or(1.0))
        })
    };
    let csv = quality("text/csv").unwrap_or(0.0);
    csv > 0.0 && csv >= quality("application/json").unwrap_or(0.0)
}

/// `GET /api/requests`
async fn requests(
    shared: ManagementState,
    query: web::Query<LogQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut page = query.page(&shared)?;
    let reader = shared.ledger.reader();
    if !wants_csv(&request) {
        let page = reader.requests(page).await.map_err(from_store)?;
        let mut rows: Vec<RowView<'_>> = page.rows.iter().map(RowView::of).collect();
        if query.shares {
            add_shares(reader, &mut rows).await?;
        }
        add_captured(&shared, &page, &mut rows).await;
        let next = page.next.map(|cursor| cursor.to_string());
        return Ok(HttpResponse::Ok().json(PageView { rows, next }));
    }
    // Without a limit an export is everything.
    let left = query.limit.unwrap_or(usize::MAX);
    page.limit = left.min(EXPORT_PAGE);
    let first = reader.requests(page.clone()).await.map_err(from_store)?;
    let text = csv(&first, true);
    page.after = first.next;
    let rest = Rest { reader: reader.clone(), left: left.saturating_sub(first.rows.len()), page };
    let bytes = stream::once(async { Ok(text) }).chain(pages(rest));
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"requests.csv\""))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(bytes))
}

/// Adds to each row its part of what its run cost; a run that cost nothing or is too long adds nothing.
async fn add_shares(reader: &LedgerReader, rows: &mut [RowView<'_>]) -> Result<(), ApiError> {
    let runs: BTreeSet<i64> = rows.iter().filter_map(|row| row.run_id).collect();
    let mut shares = HashMap::new();
    for run in runs {
        match reader.run_shares(run).await {
            Ok(found) => shares.extend(found.into_iter().flat_map(|found| found.requests).map(|share| {
                let RequestShare { request_id, ended_us, cost } = share;
                ((run, request_id, rfc3339(ended_us)), money(&cost))
            })),
            Err(StoreError::Refused(_)) => (),
            Err(error) => return Err(from_store(error)),
        }
    }
    for row in rows {
        let Some(run) = row.run_id else { continue };
        let key = (run, row.request_id.to_owned(), row.ended_at);
        row.share = shares.get(&key).filter(|share| !share.is_empty()).cloned();
    }
    Ok(())
}

/// Marks those of which more is kept. Those who keep them may be slow: then none is marked.
async fn add_captured(shared: &Management, page: &Page, rows: &mut [RowView<'_>]) {
    let key = |view: &RequestView| (view.row.request_id.clone(), view.row.started_us);
    let Ok(known) = shared.captures.known(page.rows.iter().map(key).collect()).await else { return };
    for (row, view) in rows.iter_mut().zip(&page.rows).filter(|_| !known.is_empty()) {
        row.captured = known.contains(&key(view));
    }
}

/// What an export still has to read.
struct Rest {
    reader: LedgerReader,
    left: usize,
    page: PageQuery,
}

/// Page by page, read when the client has taken the one before. A failure breaks the answer off, so that
/// nobody takes a part for the whole.
fn pages(rest: Rest) -> impl Stream<Item = Result<Bytes, StoreError>> {
    stream::try_unfold(rest, |mut rest| async move {
        if rest.page.after.is_none() || rest.left == 0 {
            return Ok(None);
        }
        rest.page.limit = rest.left.min(EXPORT_PAGE);
        let page = rest.reader.requests(rest.page.clone()).await?;
        let text = csv(&page, false);
        rest.left = rest.left.saturating_sub(page.rows.len());
        rest.page.after = page.next;
        Ok(Some((text, rest)))
    })
}
