//! `llm-manager key ...`: keys beside those of the configuration. It writes them where the manager looks for them, so whoever
//! may write there needs no key, and no manager has to run.

use super::{complain, say};
use crate::config;
use crate::key_store::{self, NewKey, Unchanged};
use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;
use llm_manager_policy::pricing::Price;
use llm_manager_policy::spec::{Cap, Class, KeySpec, Period};
use std::path::Path;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum KeyOrder {
    /// Create a key, and print its secret, once.
    Add(NewKey),
    /// List the keys of the configuration and those that were created.
    List,
    /// Revoke a key: it is refused from now on.
    Revoke {
        /// Its name.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
    /// Replace a key's secret, and print the new one, once; what the key has used stays its own.
    Rotate {
        /// Its name.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
}

pub(super) fn run(path: &Path, order: &KeyOrder) -> ExitCode {
    let loaded = match config::load_any(path) {
        Ok(spec) => spec,
        Err(report) => return complain(&report.to_string(), 2),
    };
    let dir = crate::app::backend_output::common_dir(&loaded);
    let soon = "a manager that runs knows of it within 2 s";
    let done = match order {
        KeyOrder::Add(wanted) => {
            let taken: Vec<String> = loaded.keys.iter().map(|key| key.name.clone()).collect();
            key_store::add(&dir, wanted, &taken).inspect(|_| say_aside(soon))
        }
        KeyOrder::Rotate { name } => key_store::rotate(&dir, name).inspect(|_| say_aside(soon)),
        KeyOrder::Revoke { name } => {
            key_store::revoke(&dir, name).map(|()| format!("`{name}` opens nothing any more; {soon}"))
        }
        KeyOrder::List => key_store::load(&dir).map_err(Unchanged::Failed).map(|made| {
            let line = |key: &KeySpec, from: &str| {
                let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.text()).collect();
                let models =
                    if key.models.is_empty() { "all models".to_owned() } else { key.models.join(", ") };
                let limits: String = limits(key).into_iter().map(|limit| format!(", {limit}")).collect();
                format!("{}: {} ({models}{limits}; {from})", key.name, scopes.join(", "))
            };
            let all = loaded.keys.iter().map(|key| line(key, "configuration"));
            let all: Vec<_> = all.chain(made.iter().map(|key| line(key, "made here"))).collect();
            let plain = loaded.program.api_keys.len();
            let plain = (plain > 0).then(|| format!("{plain} of `program.api_keys`: admin (all models)"));
            let lines: Vec<_> = plain.into_iter().chain(all).collect();
            if lines.is_empty() {
                "there are no keys: everybody may come in".to_owned()
            } else {
                lines.join("\n")
            }
        }),
    };
    match done {
        Ok(text) => say(&text),
        Err(error) => complain(&format!("llm-manager: {error}"), 1),
    }
}

/// What a key may use, and until when, as far as it is bounded.
fn limits(key: &KeySpec) -> Vec<String> {
    let per_minute = |limit: Option<u64>, what: &str| limit.map(|limit| format!("{limit} {what} per minute"));
    let budget = key.budget.map(|budget| {
        let period = match budget.period {
            Period::Day => "day",
            Period::Month => "month",
        };
        match budget.cap {
            Cap::Tokens(tokens) => format!("{tokens} tokens/{period}"),
            Cap::Money { units, currency } => format!("{} {currency}/{period}", Price::from_units(units)),
        }
    });
    let class = |class: Option<Class>, what: &str| class.map(|class| format!("{what} {}", class.text()));
    let expires = key.expires.and_then(|at| Timestamp::from_second(at).ok());
    let expires = expires
        .map(|at| if at <= Timestamp::now() { format!("expired {at}") } else { format!("expires {at}") });
    let all = [
        per_minute(key.requests_per_minute, "requests"),
        per_minute(key.tokens_per_minute, "tokens"),
        budget,
        class(key.priority, "priority"),
        class(key.max_priority, "at most"),
        expires,
    ];
    all.into_iter().flatten().collect()
}

/// Beside the secret, which alone goes to standard output.
fn say_aside(text: &str) {
    crate::logging::say_past_the_log(text);
}
