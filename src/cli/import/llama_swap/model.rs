//! The models of the file, with their macros in place.

use super::super::macros::{self, EnvLookup, Macros};
use super::super::report::ImportReport;
use super::super::yaml11::YamlNode;

/// Where ports begin when the file doesn't say it.
const START_PORT: i64 = 5800;
const MODEL: &[&str] = &[
    "cmd",
    "cmdStop",
    "proxy",
    "aliases",
    "env",
    "checkEndpoint",
    "ttl",
    "unlisted",
    "useModelName",
    "concurrencyLimit",
    "filters",
    "macros",
    "capabilities",
];
const MODEL_LOST: &[(&str, &str)] = &[
    ("name", "the name is the model's key"),
    ("description", "models have no description"),
    ("metadata", "/v1/models has no fields of one's own"),
    ("unloadTimeout", "write stop_timeout"),
    ("sendLoadingState", "clients are not sent text of the manager's own"),
    ("timeouts", "see first_byte_timeout and idle_timeout"),
    ("compat", "requests are passed on as they are"),
    ("healthCheckTimeout", "llama-swap ignores it here, too; write start_timeout"),
];
/// A model with its macros in place.
pub(super) struct SwapModel {
    pub(super) id: String,
    pub(super) line: usize,
    /// All but `cmd`.
    pub(super) body: YamlNode,
    pub(super) cmd: String,
    pub(super) port: Option<i64>,
    pub(super) macros: Macros,
}

impl SwapModel {
    pub(super) fn at(&self, key: &str) -> String {
        format!("models.{}.{key}", self.id)
    }

    pub(super) fn text(&self, key: &str) -> Option<(usize, String)> {
        let node = self.body.get(key)?;
        Some((node.line, node.text()?)).filter(|(_, text)| !text.is_empty())
    }
}

pub(super) fn unknown_keys(
    node: &YamlNode,
    known: &[&str],
    lost: &[(&str, &str)],
    path: &str,
    report: &mut ImportReport,
) {
    for (key, value) in node.entries() {
        let Some(name) = key.text() else { continue };
        let at = format!("{path}{name}");
        if let Some((_, why)) = lost.iter().find(|(known, _)| *known == name) {
            report.lost(key.line, &at, why);
        } else if !known.contains(&name.as_str()) {
            // Perhaps only a place for an anchor.
            let is_anchor = path.is_empty() && !value.is_text();
            let why = if is_anchor {
                "unknown key, which llama-swap ignores; what its anchor stands for is in place"
            } else {
                "unknown key, which llama-swap ignores in silence"
            };
            report.warn(key.line, &at, why);
        }
    }
}

/// The models in file order; ports are given in the order of their names.
pub(super) fn models(
    file: &YamlNode,
    environment: EnvLookup<'_>,
    report: &mut ImportReport,
) -> Result<Vec<SwapModel>, String> {
    let global = Macros::default().with(file.get("macros"));
    let mut models = Vec::new();
    for (key, value) in file.get("models").into_iter().flat_map(YamlNode::entries) {
        let Some(id) = key.text() else { continue };
        if !key.is_text() {
            let why = format!(
                "llama-swap reads this name as {id:?}, and then serves no model at all; taken as that name"
            );
            report.warn(key.line, &format!("models.{id}"), why);
        }
        unknown_keys(value, MODEL, MODEL_LOST, &format!("models.{id}."), report);
        let macros = global.with(value.get("macros")).with_text("MODEL_ID", &id);
        let cmd = value.get("cmd").and_then(YamlNode::text).filter(|cmd| !cmd.trim().is_empty());
        let Some(cmd) = cmd else {
            report.lost(key.line, &format!("models.{id}"), "it has no cmd, so nothing says how to start it");
            continue;
        };
        let expanded = macros.expand(value);
        let cmd = expanded.get("cmd").and_then(YamlNode::text).unwrap_or(cmd);
        models.push(SwapModel { id, line: key.line, body: expanded, cmd, port: None, macros });
    }
    let mut next = file.get("startPort").and_then(YamlNode::whole).unwrap_or(START_PORT);
    let mut order: Vec<usize> = (0..models.len()).collect();
    order.sort_by(|one, other| {
        models.get(*one).map(|model| &model.id).cmp(&models.get(*other).map(|model| &model.id))
    });
    for index in order {
        let Some(model) = models.get_mut(index) else { continue };
        if macros::left(&model.cmd).iter().any(|name| name == "PORT") {
            model.port = Some(next);
            next += 1;
        }
        if let Some(port) = model.port {
            model.macros = model.macros.clone().with_text("PORT", &port.to_string());
            model.body = model.macros.expand(&model.body);
            model.cmd = model.body.get("cmd").and_then(YamlNode::text).unwrap_or_default();
        }
        model.cmd = macros::environment(&model.cmd, environment)
            .map_err(|error| format!("line {}: models.{}.cmd: {error}", model.line, model.id))?;
        if let Some(name) = macros::left(&model.cmd).first() {
            return Err(format!(
                "line {}: models.{}.cmd: the macro {name} isn't defined",
                model.line, model.id
            ));
        }
    }
    Ok(models)
}
