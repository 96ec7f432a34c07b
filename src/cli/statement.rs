//! `statement`: what a month cost whom, as the running manager's ledger has it.

use super::client::{ManagerClient, segment};
use awc::http::Method;
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Which statement.
#[derive(Args)]
pub(super) struct StatementOrder {
    /// A month such as 2026-11; this month if not given.
    #[arg(long, value_name = "MONTH", value_parser = month)]
    month: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// `2026-11`.
fn month(text: &str) -> Result<String, String> {
    let (year, month) = text.split_once('-').unwrap_or_default();
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_one = digits(year, 4) && digits(month, 2) && matches!(month.parse::<u8>(), Ok(1..=12));
    if is_one { Ok(text.to_owned()) } else { Err("write it like 2026-11".to_owned()) }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

#[derive(Deserialize)]
struct OfModel {
    #[serde(default)]
    model: String,
    requests: i64,
    input_tokens: i64,
    output_tokens: i64,
    energy_wh: f64,
    cost: BTreeMap<String, String>,
    run_cost: BTreeMap<String, String>,
    energy_cost: BTreeMap<String, String>,
    sum: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct OfKey {
    api_key: Option<String>,
    models: Vec<OfModel>,
}

#[derive(Deserialize)]
struct Statement {
    month: String,
    tz: String,
    by_sums_until: Option<jiff::Timestamp>,
    keys: Vec<OfKey>,
    idle: Vec<OfModel>,
    total: OfModel,
}

impl StatementOrder {
    /// Asks the manager; the text to print. Months are those of the local calendar.
    pub(super) async fn run(&self, manager: &ManagerClient) -> Result<String, String> {
        let zone = TimeZone::system();
        let mut path = format!("/api/statement?tz={}", segment(zone.iana_name().unwrap_or("UTC")));
        if let Some(month) = &self.month {
            path.push_str(&format!("&month={}", segment(month)));
        }
        if self.format == Format::Csv {
            let mut answer = manager.ask(Method::GET, &format!("{path}&format=csv")).await?;
            let body =
                answer.body().limit(256 << 20).await.map_err(|error| format!("the answer: {error}"))?;
            return Ok(String::from_utf8_lossy(&body).trim_end().to_owned());
        }
        let answer: Value = manager.ask_json(Method::GET, &path).await?;
        if self.format == Format::Json {
            return Ok(format!("{answer:#}"));
        }
        let statement: Statement = serde_json::from_value(answer)
            .map_err(|error| format!("an answer that this version can't read: {error}"))?;
        Ok(table(&statement))
    }
}

fn table(statement: &Statement) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "KEY",
        "MODEL",
        "REQUESTS",
        "INPUT",
        "OUTPUT",
        "COST",
        "RUN COST",
        "ENERGY WH",
        "ENERGY COST",
        "SUM",
    ]);
    let mut add = |key: &str, model: &str, one: &OfModel| {
        let money = |sums: &BTreeMap<String, String>| {
            let sums: Vec<String> = sums.iter().map(|(currency, sum)| format!("{sum} {currency}")).collect();
            sums.join(" + ")
        };
        let energy = if one.energy_wh > 0.0 { format!("{:.3}", one.energy_wh) } else { String::new() };
        table.add_row([
            key.to_owned(),
            model.to_owned(),
            one.requests.to_string(),
            one.input_tokens.to_string(),
            one.output_tokens.to_string(),
            money(&one.cost),
            money(&one.run_cost),
            energy,
            money(&one.energy_cost),
            money(&one.sum),
        ]);
    };
    for key in &statement.keys {
        key.models.iter().for_each(|model| add(key.api_key.as_deref().unwrap_or("-"), &model.model, model));
    }
    statement.idle.iter().for_each(|model| add("(idle)", &model.model, model));
    add("all", "", &statement.total);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let note = statement.by_sums_until.map_or_else(String::new, |until| {
        format!("\nUntil {until} hours and electricity are shared by the sums of durations: the requests are no longer kept.")
    });
    format!("{} ({})\n{table}{note}", statement.month, statement.tz)
}
