//! `notify`: whom word goes out to, and whether it gets there.

use super::client::{ManagerClient, segment};
use awc::http::Method;
use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use comfy_table::{Table, presets};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// What to do.
#[derive(Subcommand)]
pub(super) enum NotifyOrder {
    /// List the entries of `notify`, and whether the last notification arrived.
    List,
    /// Send a test; fails if it doesn't arrive.
    Test {
        /// As `notify` names it.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
}

#[derive(Deserialize)]
struct Outlet {
    name: String,
    format: String,
    to: String,
    waiting: usize,
    sent: u64,
    last_sent: Option<Timestamp>,
    last_error: Option<String>,
}

#[derive(Deserialize)]
struct Tested {
    error: Option<String>,
}

/// Carries it out; what is to be printed.
pub(super) async fn run(manager: &ManagerClient, order: NotifyOrder) -> Result<String, String> {
    match order {
        NotifyOrder::List => list(manager).await,
        NotifyOrder::Test { name } => {
            let path = format!("/api/notify/{}/test", segment(&name));
            let tested: Tested = manager.ask_json(Method::POST, &path).await?;
            match tested.error {
                None => Ok(format!("{name}: the test has arrived")),
                Some(error) => Err(format!("{name}: the test has not arrived: {error}")),
            }
        }
    }
}

async fn list(manager: &ManagerClient) -> Result<String, String> {
    let outlets: Vec<Outlet> = manager.ask_json(Method::GET, "/api/notify").await?;
    if outlets.is_empty() {
        return Ok("nobody is told of anything: `notify` of the configuration has no entry".to_owned());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["NAME", "FORMAT", "TO", "SENT", "WAITING", "LAST SENT", "LAST ERROR"]);
    for one in outlets {
        let last =
            one.last_sent.map(|at| at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string());
        table.add_row([
            one.name,
            one.format,
            one.to,
            one.sent.to_string(),
            one.waiting.to_string(),
            last.unwrap_or_else(|| "-".to_owned()),
            one.last_error.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    Ok(table.to_string())
}
