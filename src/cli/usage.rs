//! `usage`: what the running manager's ledger says about a stretch of time, as a table, JSON or CSV.

use super::client::{ManagerClient, segment};
use crate::csv_export::CsvSheet;
use awc::http::Method;
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Which report.
#[derive(Args)]
pub(super) struct UsageOrder {
    /// What each row stands for.
    #[arg(long, value_enum, default_value_t = By::Model)]
    by: By,
    /// A day such as 2026-01-31, or a time such as 2026-01-31T08:00:00Z; default: 30 days before the end.
    #[arg(long, value_name = "TIME", value_parser = start_time)]
    from: Option<Timestamp>,
    /// The same; a day counts to its end. Default: now.
    #[arg(long, value_name = "TIME", value_parser = end_time)]
    to: Option<Timestamp>,
    /// Print the manager's response as JSON.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV.
    #[arg(long)]
    csv: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Model,
    Day,
    Key,
    Mode,
    Variant,
    Endpoint,
}

/// The first moment of a local day, or a time.
fn start_time(text: &str) -> Result<Timestamp, String> {
    local_time(text, 0)
}

/// The first moment after a local day, or a time.
fn end_time(text: &str) -> Result<Timestamp, String> {
    local_time(text, 1)
}

fn local_time(text: &str, days: i64) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let midnight = |date: Date| date.checked_add(days.days())?.to_zoned(TimeZone::system());
    let parsed: Result<Date, _> = text.parse();
    let zoned = parsed.and_then(midnight).and_then(|zoned| zoned.start_of_day());
    zoned
        .map(|zoned| zoned.timestamp())
        .map_err(|_| "this is neither a day like 2026-01-31 nor a time like 2026-01-31T08:00:00Z".to_owned())
}

const COLUMNS: usize = 16;

#[derive(Deserialize)]
struct Totals {
    #[serde(default)]
    key: String,
    requests: i64,
    failed: i64,
    rejected: i64,
    refused: i64,
    client_left: i64,
    cancelled: i64,
    input_tokens: i64,
    cached_tokens: i64,
    output_tokens: i64,
    unrecorded: i64,
    unpriced: i64,
    cost: BTreeMap<String, String>,
    run_cost: BTreeMap<String, String>,
    #[serde(default)]
    energy_wh: f64,
    #[serde(default)]
    energy_cost: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Summary {
    from: Timestamp,
    total: Totals,
    groups: Vec<Totals>,
}

#[derive(Deserialize)]
struct Series {
    points: Vec<Summary>,
}

impl UsageOrder {
    /// Without a name for the local time zone, days are those of UTC.
    fn path(&self) -> String {
        let to = self.to.unwrap_or_else(Timestamp::now);
        let from = self.from.or_else(|| to.checked_sub(720.hours()).ok()).unwrap_or(to);
        let times = format!("from={}&to={}", segment(&from.to_string()), segment(&to.to_string()));
        let by = match self.by {
            By::Day => {
                let zone = self.zone();
                let name = segment(zone.iana_name().unwrap_or("UTC"));
                return format!("/api/usage/series?{times}&bucket=day&tz={name}");
            }
            By::Model => "model",
            By::Key => "api_key",
            By::Mode => "mode",
            By::Variant => "variant",
            By::Endpoint => "endpoint",
        };
        format!("/api/usage/summary?{times}&by={by}")
    }

    fn zone(&self) -> TimeZone {
        let zone = TimeZone::system();
        if zone.iana_name().is_some() { zone } else { TimeZone::UTC }
    }

    /// Asks the manager; the text to print.
    pub(super) async fn run(&self, manager: &ManagerClient) -> Result<String, String> {
        let answer: Value = manager.ask_json(Method::GET, &self.path()).await?;
        if self.json {
            return Ok(format!("{answer:#}"));
        }
        let strange = |error: serde_json::Error| format!("an answer that this version can't read: {error}");
        let rows = if matches!(self.by, By::Day) {
            let series: Series = serde_json::from_value(answer).map_err(strange)?;
            let day = |point: Summary| Totals {
                key: point.from.to_zoned(self.zone()).date().to_string(),
                ..point.total
            };
            let with_use = |row: &Totals| row.requests > 0 || !row.run_cost.is_empty() || row.energy_wh > 0.0;
            series.points.into_iter().map(day).filter(with_use).collect()
        } else {
            let summary: Summary = serde_json::from_value(answer).map_err(strange)?;
            let mut rows = summary.groups;
            if !self.csv {
                rows.push(Totals { key: "all".to_owned(), ..summary.total });
            }
            rows
        };
        let rows: Vec<[String; COLUMNS]> = rows.iter().map(cells).collect();
        Ok(if self.csv { self.csv_of(&rows) } else { self.table(&rows) })
    }

    fn head(&self) -> [&'static str; COLUMNS] {
        let first = match self.by {
            By::Model => "model",
            By::Day => "day",
            By::Key => "key",
            By::Mode => "mode",
            By::Variant => "variant",
            By::Endpoint => "endpoint",
        };
        [
            first,
            "requests",
            "failed",
            "rejected",
            "refused",
            "client_left",
            "cancelled",
            "input",
            "cached",
            "output",
            "unrecorded",
            "unpriced",
            "cost",
            "run_cost",
            "energy_wh",
            "energy_cost",
        ]
    }

    fn table(&self, rows: &[[String; COLUMNS]]) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        // What nobody pays for needs no column.
        let told = |column: &usize| rows.iter().any(|row| !row[*column].is_empty());
        let columns: Vec<usize> = (0..COLUMNS).filter(told).collect();
        let head = self.head();
        table.set_header(columns.iter().map(|column| head[*column].replace('_', " ").to_uppercase()));
        for row in rows {
            table.add_row(columns.iter().map(|column| &row[*column]));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }

    fn csv_of(&self, rows: &[[String; COLUMNS]]) -> String {
        let mut sheet = CsvSheet::printed();
        sheet.line(self.head());
        // What is a dash on paper, for rows without a key or a model, is nothing in a table for programs.
        let cell = |cell: &String| if cell == NOBODY { String::new() } else { cell.clone() };
        rows.iter().for_each(|row| sheet.line(row.iter().map(cell)));
        // Whoever prints it ends the last line.
        sheet.text().trim_end_matches('\n').to_owned()
    }
}

/// Stands for an empty key of a group.
const NOBODY: &str = "-";

fn cells(row: &Totals) -> [String; COLUMNS] {
    let money = |sums: &BTreeMap<String, String>| {
        let sums: Vec<String> = sums.iter().map(|(currency, sum)| format!("{sum} {currency}")).collect();
        sums.join(" + ")
    };
    let key = if row.key.is_empty() { NOBODY.to_owned() } else { row.key.clone() };
    [
        key,
        row.requests.to_string(),
        row.failed.to_string(),
        row.rejected.to_string(),
        row.refused.to_string(),
        row.client_left.to_string(),
        row.cancelled.to_string(),
        row.input_tokens.to_string(),
        row.cached_tokens.to_string(),
        row.output_tokens.to_string(),
        row.unrecorded.to_string(),
        row.unpriced.to_string(),
        money(&row.cost),
        money(&row.run_cost),
        if row.energy_wh > 0.0 { format!("{:.3}", row.energy_wh) } else { String::new() },
        money(&row.energy_cost),
    ]
}

#[cfg(test)]
mod tests {
    use super::{end_time, start_time};

    #[test]
    fn a_day_is_taken_whole() {
        let from = start_time("2026-01-31").unwrap();
        let to = end_time("2026-01-31").unwrap();
        assert_eq!(to.duration_since(from).as_hours(), 24);
        assert_eq!(start_time("2026-01-31T00:00:00Z").unwrap(), end_time("2026-01-31T00:00:00Z").unwrap());
        assert!(start_time("yesterday").is_err());
    }
}
