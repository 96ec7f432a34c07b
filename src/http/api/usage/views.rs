//! The JSON of the reports.

use crate::http::api::query::{rfc3339, seconds};
use jiff::Timestamp;
use llm_manager_ledger::{Dimension, Latency, Micros, Quantiles, ReportGroup, Summary, Totals};
use llm_manager_policy::pricing::Money;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Sums of requests.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "UsageTotals"), schemars(rename = "UsageTotals"))]
struct TotalsView<'a> {
    requests: i64,
    /// The backend (`backend_error`) or the manager itself (`failed`) failed.
    failed: i64,
    /// The backend answered 4xx.
    rejected: i64,
    client_left: i64,
    /// The manager answered instead.
    refused: i64,
    /// An operator ended it.
    cancelled: i64,
    /// Sent to the backend twice.
    replayed: i64,
    estimated: i64,
    unrecorded: i64,
    unpriced: i64,
    /// Cached ones included.
    input_tokens: i64,
    cached_tokens: i64,
    cache_write_tokens: i64,
    /// Reasoning included.
    output_tokens: i64,
    reasoning_tokens: i64,
    /// By currency, as decimal text.
    #[cfg_attr(test, ts(type = "Record<string, string>"), schemars(with = "BTreeMap<String, String>"))]
    cost: Amounts<'a>,
    /// Ready time by the hour; only by model or variant.
    #[cfg_attr(test, ts(type = "Record<string, string>"), schemars(with = "BTreeMap<String, String>"))]
    run_cost: Amounts<'a>,
    /// What runs drew, as far as it was measured; where there is `run_cost`.
    energy_wh: f64,
    /// What that cost.
    #[cfg_attr(test, ts(type = "Record<string, string>"), schemars(with = "BTreeMap<String, String>"))]
    energy_cost: Amounts<'a>,
    duration_seconds: f64,
    queue_seconds: f64,
    first_byte_seconds: f64,
    first_bytes: i64,
}

/// Those that have something in common.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "UsageGroup"), schemars(rename = "UsageGroup"))]
struct GroupView<'a> {
    /// One value for each dimension asked for, with commas; a name may have some of its own, see `keys`.
    key: Cow<'a, str>,
    /// The same by dimension.
    #[cfg_attr(test, ts(type = "Record<string, string>"), schemars(with = "BTreeMap<String, String>"))]
    keys: Keys<'a>,
    #[serde(flatten)]
    totals: TotalsView<'a>,
}

/// One stretch of time.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "UsageSummary"), schemars(rename = "UsageSummary"))]
pub(in crate::http) struct SummaryView<'a> {
    #[cfg_attr(test, ts(type = "string"))]
    from: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "string"))]
    to: Option<Timestamp>,
    total: TotalsView<'a>,
    groups: Vec<GroupView<'a>>,
}

/// `GET /api/usage/summary`
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "UsageReport"), schemars(rename = "UsageReport"))]
pub(in crate::http) struct ReportView<'a> {
    #[serde(flatten)]
    summary: SummaryView<'a>,
    latency: LatencyView,
    throughput: ThroughputView,
}

/// `GET /api/usage/series`: a summary for each bucket, also where nothing was.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "UsageSeries"), schemars(rename = "UsageSeries"))]
pub(in crate::http) struct SeriesView<'a> {
    #[cfg_attr(test, ts(type = "'minute' | 'quarter' | 'hour' | 'day' | 'week' | 'month'"))]
    pub(super) bucket: &'static str,
    pub(super) points: Vec<SummaryView<'a>>,
}

/// How long the answers took, of requests that had one.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "UsageLatency"), schemars(rename = "UsageLatency"))]
struct LatencyView {
    requests: i64,
    /// False: from histograms, within a tenth.
    exact: bool,
    duration_seconds: QuantilesView,
    first_byte_seconds: QuantilesView,
}

/// Half of them took less than `p50`, and so on. Seconds.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "Quantiles"), schemars(rename = "Quantiles"))]
struct QuantilesView {
    p50: f64,
    p95: f64,
    p99: f64,
}

/// Per second of the whole stretch.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "UsageThroughput"), schemars(rename = "UsageThroughput"))]
struct ThroughputView {
    requests_per_second: f64,
    input_tokens_per_second: f64,
    output_tokens_per_second: f64,
}

/// Money by currency, written as it is: a series has thousands of them.
struct Amounts<'a>(&'a BTreeMap<String, Money>);

impl Serialize for Amounts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(currency, sum)| (currency, Decimal(*sum))))
    }
}

struct Decimal(Money);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == Money::ZERO { serializer.serialize_str("0") } else { serializer.collect_str(&self.0) }
    }
}

/// What reports are split by, in the order of the names, and where each one's value is in a group's key.
pub(in crate::http) struct Split(Vec<(&'static str, usize)>);

impl Split {
    pub(super) fn by(dimensions: &[Dimension]) -> Self {
        let mut names: Vec<_> = dimensions.iter().map(|one| dimension_name(*one)).zip(0..).collect();
        names.sort_unstable();
        names.dedup_by_key(|(name, _)| *name);
        Self(names)
    }
}

struct Keys<'a> {
    split: &'a Split,
    key: &'a [String],
}

impl Serialize for Keys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.split.0.iter().filter_map(|(name, at)| Some((name, self.key.get(*at)?))))
    }
}

fn dimension_name(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Model => "model",
        Dimension::Variant => "variant",
        Dimension::Mode => "mode",
        Dimension::Endpoint => "endpoint",
        Dimension::ApiKey => "api_key",
    }
}

/// Millijoules as watt-hours.
pub(in crate::http) fn watt_hours(millijoules: i64) -> f64 {
    millijoules as f64 / 3.6e6
}

pub(in crate::http) fn money(sums: &BTreeMap<String, Money>) -> BTreeMap<String, String> {
    sums.iter().map(|(currency, sum)| (currency.clone(), sum.to_string())).collect()
}

impl<'a> TotalsView<'a> {
    fn of(totals: &'a Totals) -> Self {
        Self {
            requests: totals.requests,
            failed: totals.failed,
            rejected: totals.rejected,
            client_left: totals.client_left,
            refused: totals.refused,
            cancelled: totals.cancelled,
            replayed: totals.replayed,
            estimated: totals.estimated,
            unrecorded: totals.unrecorded,
            unpriced: totals.unpriced,
            input_tokens: totals.input,
            cached_tokens: totals.cached,
            cache_write_tokens: totals.cache_write,
            output_tokens: totals.output,
            reasoning_tokens: totals.reasoning,
            cost: Amounts(&totals.cost),
            run_cost: Amounts(&totals.run_cost),
            energy_wh: watt_hours(totals.energy_mj),
            energy_cost: Amounts(&totals.energy_cost),
            duration_seconds: seconds(totals.duration_us),
            queue_seconds: seconds(totals.queue_us),
            first_byte_seconds: seconds(totals.first_byte_us),
            first_bytes: totals.first_bytes,
        }
    }
}

impl<'a> SummaryView<'a> {
    /// The summary as the API shows it.
    pub(super) fn of(summary: &'a Summary, split: &'a Split) -> Self {
        let group = |group: &'a ReportGroup| GroupView {
            key: match &*group.key {
                [one] => one.into(),
                all => all.join(",").into(),
            },
            keys: Keys { split, key: &group.key },
            totals: TotalsView::of(&group.totals),
        };
        Self {
            from: rfc3339(summary.from),
            to: rfc3339(summary.to),
            total: TotalsView::of(&summary.total),
            groups: summary.groups.iter().map(group).collect(),
        }
    }
}

impl<'a> ReportView<'a> {
    /// The summary of a stretch of time, and how fast it all went.
    pub(super) fn of(summary: &'a Summary, split: &'a Split, latency: &Latency, stretch: Micros) -> Self {
        let rate = |count: i64| count as f64 / seconds(stretch.max(1));
        let total = &summary.total;
        Self {
            summary: SummaryView::of(summary, split),
            latency: LatencyView {
                requests: latency.requests,
                exact: latency.exact,
                duration_seconds: QuantilesView::of(&latency.duration),
                first_byte_seconds: QuantilesView::of(&latency.first_byte),
            },
            throughput: ThroughputView {
                requests_per_second: rate(total.requests),
                input_tokens_per_second: rate(total.input),
                output_tokens_per_second: rate(total.output),
            },
        }
    }
}

impl QuantilesView {
    fn of(quantiles: &Quantiles) -> Self {
        let Quantiles { p50, p95, p99 } = *quantiles;
        Self { p50: seconds(p50), p95: seconds(p95), p99: seconds(p99) }
    }
}
