//! What a model or one of its variants says of its backend: how it is asked, by which name, and how it is stopped.

use std::collections::BTreeMap;

use llm_manager_policy::parking::ParkSpec;
use llm_manager_policy::spec::{ProbeSpec, Routes};
use serde_yaml::Value;

use super::fields::{Fields, Walk};
use super::keys::Section;
use super::line_index::KeyPath;
use super::park;
use super::validate::command;
use super::values;

/// The keys that may stand in a model, for all of its variants, or in a variant.
#[derive(Clone, Default)]
pub(super) struct BackendKeys {
    pub(super) served_name: Option<String>,
    pub(super) routes: Routes,
    pub(super) probe: Option<ProbeSpec>,
    pub(super) stop_command: Option<Vec<String>>,
    pub(super) park: Option<ParkSpec>,
    /// `None`: it says nothing about it.
    pub(super) parked_mb: Option<BTreeMap<String, u64>>,
}

impl BackendKeys {
    pub(super) fn read(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Self {
        Self {
            served_name: fields.text("served_name").map(str::to_owned),
            routes: routes(walk, fields),
            probe: fields
                .value("probe")
                .map(|value| probe(walk, Section::OwnProbe, &fields.at("probe"), value)),
            stop_command: fields.value("stop_command").map(|_| command(walk, fields, "stop_command")),
            park: park::read(walk, fields),
            parked_mb: parked_mb(fields),
        }
    }

    /// What is not said here is as the model has it.
    pub(super) fn or(self, model: &Self) -> Self {
        Self {
            served_name: self.served_name.or_else(|| model.served_name.clone()),
            routes: self.routes.or(&model.routes),
            probe: self.probe.or_else(|| model.probe.clone()),
            stop_command: self.stop_command.or_else(|| model.stop_command.clone()),
            park: self.park.or_else(|| model.park.clone()),
            parked_mb: self.parked_mb.or_else(|| model.parked_mb.clone()),
        }
    }
}

/// `auto` is an empty one.
fn parked_mb(fields: &Fields<'_>) -> Option<BTreeMap<String, u64>> {
    let entries = fields.value("parked_mb")?.as_mapping().into_iter().flatten();
    Some(entries.filter_map(|(device, mib)| Some((device.as_str()?.to_owned(), mib.as_u64()?))).collect())
}

/// `api_prefix` and `paths` of a mode, a model or a variant.
pub(super) fn routes(walk: &Walk<'_>, fields: &Fields<'_>) -> Routes {
    Routes {
        prefix: fields.text("api_prefix").map(|prefix| prefix.trim_end_matches('/').to_owned()),
        base: None,
        paths: walk.written(fields, "paths").into_iter().collect(),
    }
}

/// A probe of a mode (`Section::Probe`), which names its path, or of a model, which may only add headers.
pub(super) fn probe(walk: &mut Walk<'_>, section: Section, path: &KeyPath, value: &Value) -> ProbeSpec {
    let fields = walk.fields(section, path, value);
    walk.refuse_unknown(&fields);
    let method = fields.text("method").unwrap_or_default().to_ascii_uppercase();
    let headers = headers(walk, &fields);
    let adds_headers = section == Section::OwnProbe && !headers.is_empty();
    let mut paths: Vec<String> = Vec::new();
    match (fields.is_given("path"), fields.is_given("paths")) {
        (true, true) => walk.error(
            &fields.at("paths"),
            "`path` and `paths` are both there",
            Some("keep one of them".to_owned()),
        ),
        (false, false) if adds_headers => {
            for key in ["method", "body"].into_iter().filter(|key| fields.is_given(key)) {
                let hint = Some(format!("add a path, or remove `{key}`"));
                walk.error(
                    &fields.at(key),
                    "says how to ask, and nothing says what: `path` is missing",
                    hint,
                );
            }
        }
        (false, false) => walk.error(
            &fields.path,
            "`path` is missing",
            Some("write path: /health, for example; or remove the whole probe".to_owned()),
        ),
        (true, false) => {
            paths.extend(fields.text("path").map(str::to_owned));
            if let Some(path) = paths.first() {
                check_path(walk, &fields.at("path"), path);
            }
        }
        (false, true) => {
            paths.extend(fields.texts("paths").into_iter().map(str::to_owned));
            for (index, path) in paths.iter().enumerate() {
                check_path(walk, &fields.at("paths").item(index), path);
            }
            if paths.is_empty() && fields.value("paths").is_some() {
                walk.error(&fields.at("paths"), "is empty", Some("name at least one path".to_owned()));
            }
        }
    }
    if fields.is_given("body") && method == "GET" && !paths.is_empty() {
        let hint = Some("write method: POST, or remove the body".to_owned());
        walk.error(&fields.at("body"), "a GET request has no body", hint);
    }
    ProbeSpec { method, paths, body: fields.value("body").and_then(values::body_json), headers }
}

/// A path as it stands in a request, alone.
pub(super) fn check_path(walk: &mut Walk<'_>, at: &KeyPath, path: &str) {
    if !path.starts_with('/') {
        let hint = Some(format!("write \"/{}\"", path.trim_start_matches("http://")));
        walk.error(at, format!("expected a path that starts with \"/\", got {path:?}"), hint);
    } else if path.contains(['?', '#']) || path.contains(char::is_whitespace) {
        let hint = Some("write the path alone".to_owned());
        walk.error(at, format!("expected a path without query or spaces, got {path:?}"), hint);
    }
}

pub(super) fn headers(walk: &Walk<'_>, fields: &Fields<'_>) -> Vec<(String, String)> {
    walk.written(fields, "headers")
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect()
}
