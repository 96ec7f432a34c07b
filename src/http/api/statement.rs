//! `GET /api/statement`: what a month cost whom, in JSON or CSV.

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get};
use super::query::{from_store, invalid, rfc3339};
use super::usage::views::{money, watt_hours};
use super::usage::zone;
use crate::csv_export::CsvSheet;
use crate::http::api::management::ManagementState;
use crate::http::error::{ApiError, quoted};
use crate::http::route::{at, read};
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use jiff::civil::Date;
use llm_manager_ledger::{Statement, StatementLine, Totals};
use llm_manager_policy::pricing::Money;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/statement", read().to(show)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get("/api/statement", "What a month cost whom; CSV with `format=csv`", schemas.of::<StatementView>())
            .refused("ledger_unavailable")
            .query("month,tz,format")
            .sheet(),
    ]
}

/// Query of the statement.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatementOptions {
    month: Option<String>,
    tz: Option<String>,
    format: Option<String>,
}

/// What was used, and what it costs.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "StatementSums"), schemars(rename = "StatementSums"))]
struct Sums {
    requests: i64,
    /// Cached ones included.
    input_tokens: i64,
    cached_tokens: i64,
    cache_write_tokens: i64,
    /// Reasoning included.
    output_tokens: i64,
    /// A plan was in force, but gave no price.
    unpriced: i64,
    /// Of requests, by their tiers; by currency, as decimal text.
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    cost: BTreeMap<String, String>,
    /// Its part of the hours.
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    run_cost: BTreeMap<String, String>,
    /// Its part of the electricity, in thousandths of a joule.
    energy_mj: i64,
    energy_wh: f64,
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    energy_cost: BTreeMap<String, String>,
    /// All of the money.
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    sum: BTreeMap<String, String>,
}

/// One model's part.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "StatementModel"), schemars(rename = "StatementModel"))]
struct OfModel {
    model: String,
    #[serde(flatten)]
    sums: Sums,
}

/// One key's part.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "StatementKey"), schemars(rename = "StatementKey"))]
struct OfKey {
    /// Null: requests without a key.
    api_key: Option<String>,
    models: Vec<OfModel>,
    #[serde(flatten)]
    sums: Sums,
}

/// `GET /api/statement`
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "Statement"), schemars(rename = "Statement"))]
pub(crate) struct StatementView {
    /// Such as 2026-11.
    month: String,
    tz: String,
    #[cfg_attr(test, ts(type = "string"))]
    from: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "string"))]
    to: Option<Timestamp>,
    /// Before this time the rows of requests are gone: hours and electricity are shared by the sums of durations.
    #[cfg_attr(test, ts(type = "string | null"))]
    by_sums_until: Option<Timestamp>,
    keys: Vec<OfKey>,
    /// Hours and electricity of the time in which nobody used a model.
    idle: Vec<OfModel>,
    /// Each model with all of its keys and its idle time: what `/api/usage/summary?by=model` says.
    models: Vec<OfModel>,
    total: Sums,
}

impl Sums {
    fn of(totals: &Totals) -> Self {
        let mut sum: BTreeMap<String, Money> = BTreeMap::new();
        for (currency, part) in totals.cost.iter().chain(&totals.run_cost).chain(&totals.energy_cost) {
            let before = sum.entry(currency.clone()).or_default();
            *before = before.plus(*part).unwrap_or(*before);
        }
        Self {
            requests: totals.requests,
            input_tokens: totals.input,
            cached_tokens: totals.cached,
            cache_write_tokens: totals.cache_write,
            output_tokens: totals.output,
            unpriced: totals.unpriced,
            cost: money(&totals.cost),
            run_cost: money(&totals.run_cost),
            energy_mj: totals.energy_mj,
            energy_wh: watt_hours(totals.energy_mj),
            energy_cost: money(&totals.energy_cost),
            sum: money(&sum),
        }
    }
}

fn of_model(line: &StatementLine) -> OfModel {
    OfModel { model: line.model.clone(), sums: Sums::of(&line.totals) }
}

impl StatementView {
    fn of(month: String, tz: String, statement: &Statement) -> Self {
        let lines = &statement.lines;
        let named: BTreeSet<&str> = lines.iter().filter_map(|line| line.api_key.as_deref()).collect();
        let key = |name: &str| {
            let its = || lines.iter().filter(|line| line.api_key.as_deref() == Some(name));
            OfKey {
                api_key: Some(name.to_owned()).filter(|name| !name.is_empty()),
                models: its().map(of_model).collect(),
                sums: Sums::of(&Statement::sum(its())),
            }
        };
        let models: BTreeSet<&str> = lines.iter().map(|line| line.model.as_str()).collect();
        let model = |name: &str| {
            let its = lines.iter().filter(|line| line.model == name);
            OfModel { model: name.to_owned(), sums: Sums::of(&Statement::sum(its)) }
        };
        Self {
            month,
            tz,
            from: rfc3339(statement.from),
            to: rfc3339(statement.to),
            by_sums_until: statement.by_sums_until.and_then(rfc3339),
            keys: named.into_iter().map(key).collect(),
            idle: lines.iter().filter(|line| line.api_key.is_none()).map(of_model).collect(),
            models: models.into_iter().map(model).collect(),
            total: Sums::of(&Statement::sum(lines)),
        }
    }

    /// One line for each key, model and currency; counts stand in the first of them, so that columns can be added up.
    fn csv(&self) -> String {
        let mut sheet = CsvSheet::new();
        sheet.line([
            "month",
            "use",
            "api_key",
            "model",
            "requests",
            "input_tokens",
            "cached_tokens",
            "cache_write_tokens",
            "output_tokens",
            "energy_wh",
            "currency",
            "cost",
            "run_cost",
            "energy_cost",
            "sum",
        ]);
        let used = self.keys.iter().flat_map(|key| {
            let name = key.api_key.as_deref().unwrap_or_default();
            key.models.iter().map(move |model| ("used", name, model))
        });
        for (use_, key, model) in used.chain(self.idle.iter().map(|model| ("idle", "", model))) {
            let sums = &model.sums;
            let currencies: Vec<&str> = match sums.sum.is_empty() {
                true => vec![""],
                false => sums.sum.keys().map(String::as_str).collect(),
            };
            for (nth, currency) in currencies.into_iter().enumerate() {
                let counts = [
                    sums.requests.to_string(),
                    sums.input_tokens.to_string(),
                    sums.cached_tokens.to_string(),
                    sums.cache_write_tokens.to_string(),
                    sums.output_tokens.to_string(),
                    sums.energy_wh.to_string(),
                ];
                let counts = counts.map(|count| if nth == 0 { count } else { "0".to_owned() });
                let amounts = [&sums.cost, &sums.run_cost, &sums.energy_cost, &sums.sum]
                    .map(|all| all.get(currency).map_or("0", String::as_str).to_owned());
                let names = [&self.month, use_, key, &model.model].map(str::to_owned);
                let currency = std::iter::once(currency.to_owned());
                sheet.line(names.into_iter().chain(counts).chain(currency).chain(amounts));
            }
        }
        sheet.text()
    }
}

/// The first day of a month such as 2026-11.
fn first_day(month: &str) -> Option<Date> {
    let (year, number) =
        month.split_once('-').filter(|(year, number)| year.len() == 4 && number.len() == 2)?;
    Date::new(year.parse().ok()?, number.parse().ok()?, 1).ok()
}

/// `GET /api/statement`
async fn show(
    shared: ManagementState,
    query: web::Query<StatementOptions>,
) -> Result<HttpResponse, ApiError> {
    let query = query.into_inner();
    let zone = zone(query.tz.as_deref())?;
    let now = || Timestamp::now().to_zoned(zone.clone()).strftime("%Y-%m").to_string();
    let month = query.month.unwrap_or_else(now);
    let Some(first) = first_day(&month) else {
        return Err(invalid(format!("`month`: \"{}\" is no month like 2026-11", quoted(&month))));
    };
    let csv = match query.format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(other) => {
            return Err(invalid(format!(
                "`format`: \"{}\" is not known; there are json and csv",
                quoted(other)
            )));
        }
    };
    let tz = zone.iana_name().unwrap_or("UTC").to_owned();
    let statement = shared.ledger.reader().statement(first, zone).await.map_err(from_store)?;
    let view = StatementView::of(month, tz, &statement);
    if !csv {
        return Ok(HttpResponse::Ok().json(view));
    }
    let name = format!("attachment; filename=\"statement-{}.csv\"", view.month);
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((CONTENT_DISPOSITION, name))
        .body(view.csv()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_four_digits_and_two() {
        assert_eq!(first_day("2026-11"), Date::new(2026, 11, 1).ok());
        for wrong in ["2026-13", "2026-00", "2026-1", "26-11", "2026-11-01", "november", "-026-11", ""] {
            assert_eq!(first_day(wrong).filter(|date| date.year() > 0), None, "{wrong}");
        }
    }

    #[test]
    fn columns_of_the_csv_add_up_and_cells_run_nothing() {
        let money = |units: u128| Money::from_units(units * 1_000_000_000_000);
        let line = |key: Option<&str>, totals| StatementLine {
            model: "=m,1".into(),
            api_key: key.map(str::to_owned),
            totals,
        };
        let used = Totals {
            requests: 2,
            input: 30,
            output: 4,
            cost: [("CNY".to_owned(), money(3))].into(),
            energy_cost: [("EUR".to_owned(), money(1))].into(),
            energy_mj: 3_600_000,
            ..Totals::default()
        };
        let idle = Totals { run_cost: [("CNY".to_owned(), money(5))].into(), ..Totals::default() };
        let lines = vec![line(None, idle), line(Some("alice"), used)];
        let statement = Statement { from: 0, to: 1, by_sums_until: None, lines };
        let view = StatementView::of("2026-11".into(), "UTC".into(), &statement);
        let csv = view.csv();
        let rows: Vec<&str> = csv.lines().skip(1).collect();
        assert_eq!(
            rows,
            [
                "2026-11,used,alice,\"'=m,1\",2,30,0,0,4,1,CNY,3,0,0,3",
                "2026-11,used,alice,\"'=m,1\",0,0,0,0,0,0,EUR,0,0,1,1",
                "2026-11,idle,,\"'=m,1\",0,0,0,0,0,0,CNY,0,5,0,5",
            ]
        );
        assert_eq!(view.total.sum["CNY"], "8");
        assert_eq!(view.keys[0].sums.sum["CNY"], "3");
    }
}
