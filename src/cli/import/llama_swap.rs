//! A configuration of llama-swap, by the rules of its loader.

mod entry;
mod groups;
mod model;

use super::emit::{GeneratedConfig, list};
use super::macros::{self, EnvLookup};
use super::report::ImportReport;
use super::yaml11::YamlNode;
use entry::entry;
use groups::{groups, preload};
use model::{models, unknown_keys};

/// Seconds of its health check: the default, and the least.
const HEALTH_CHECK: (i64, i64) = (120, 15);

/// Keys at the top that become something else, or that only hold anchors.
const TOP: &[&str] = &[
    "models",
    "macros",
    "groups",
    "matrix",
    "routing",
    "hooks",
    "apiKeys",
    "startPort",
    "globalTTL",
    "healthCheckTimeout",
];
/// Keys at the top that mean nothing here, and why.
const TOP_LOST: &[(&str, &str)] = &[
    ("peers", "write a model with `on.url` for each of theirs"),
    ("selectors", "a name stands for one model; give it the alias instead"),
    ("profiles", "a name stands for one model; use aliases"),
    ("logRequests", "every request is in the ledger"),
    ("logLevel", "write program.log_level"),
    ("logTimeFormat", "times are RFC 3339"),
    ("logToStdout", "logs are written to standard error, and shown by `llm-manager logs`"),
    ("metricsMaxInMemory", "requests are kept in the ledger"),
    ("captureBuffer", "bodies of requests aren't kept unless a model says so"),
    ("store", "the ledger is program.database"),
    ("ui", "the dashboard has its own settings"),
    ("performance", "devices are polled by themselves"),
    ("unloadTimeout", "write program.stop_timeout"),
    ("sendLoadingState", "clients are not sent text of the manager's own"),
    ("includeAliasesInList", "aliases are in /v1/models"),
    ("upstream", "a backend's answer is passed on as it is"),
];

/// What becomes of `file`.
pub(super) fn convert(
    file: &YamlNode,
    environment: EnvLookup<'_>,
    report: &mut ImportReport,
) -> Result<GeneratedConfig, String> {
    let mut output = GeneratedConfig {
        head: vec![
            "Imported from llama-swap by `llm-manager import`. llama-swap knows nothing of memory: add"
                .to_owned(),
            "required_devices and memory_mb to the variants, so that models may be loaded together."
                .to_owned(),
        ],
        ..GeneratedConfig::default()
    };
    unknown_keys(file, TOP, TOP_LOST, "", report);
    program(file, environment, &mut output, report)?;
    let models = models(file, environment, report)?;
    let ids: Vec<_> = models.iter().map(|model| model.id.clone()).collect();
    let global_ttl = file.get("globalTTL").and_then(YamlNode::whole).unwrap_or(0);
    for model in &models {
        output.models.push(entry(model, &ids, global_ttl, environment, report)?);
    }
    groups(file, &ids, &mut output, report);
    preload(file, &mut output, report);
    Ok(output)
}

fn program(
    file: &YamlNode,
    environment: EnvLookup<'_>,
    output: &mut GeneratedConfig,
    report: &mut ImportReport,
) -> Result<(), String> {
    output.program.push(("port", "8080".to_owned()));
    if let Some(keys) = file.get("apiKeys") {
        let text = |key: &YamlNode| macros::environment(&key.text().unwrap_or_default(), environment);
        let all: Result<Vec<_>, _> = keys.items().iter().map(text).collect();
        let all = all.map_err(|error| format!("line {}: apiKeys: {error}", keys.line))?;
        report.taken(keys.line, "apiKeys", "program.api_keys");
        output.program.push(("api_keys", list(&all)));
    }
    let (default, least) = HEALTH_CHECK;
    let given = file.get("healthCheckTimeout");
    let seconds =
        given.and_then(YamlNode::whole).filter(|seconds| *seconds != 0).unwrap_or(default).max(least);
    if let Some(given) = given {
        report.taken(given.line, "healthCheckTimeout", format!("program.start_timeout: {seconds}"));
    }
    output.program.push(("start_timeout", seconds.to_string()));
    Ok(())
}
