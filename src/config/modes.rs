//! `modes:`: services beside the built-in ones, and what these serve besides.

use std::sync::Arc;

use llm_manager_policy::spec::{ModeSpec, ProbeSpec};
use llm_manager_policy::usage::{BadPointer, Pointers};

use super::backend::check_path;
use super::fields::{Fields, Walk};
use super::keys::Section;

/// Paths that the manager answers itself, with everything below them.
const RESERVED: [&str; 5] = ["/api", "/health", "/metrics", "/v1/models", "/upstream"];

type SetPointer = fn(Pointers, &str) -> Result<Pointers, BadPointer>;

/// What `usage` of a mode may point at.
const POINTERS: [(&str, SetPointer); 4] = [
    ("input", Pointers::input),
    ("cached", Pointers::cached),
    ("output", Pointers::output),
    ("text", Pointers::text),
];

/// The modes in force: the built-in ones, with what the file adds to them, then those of the file.
pub(super) fn read(walk: &mut Walk<'_>, root: &Fields<'_>) -> Vec<Arc<ModeSpec>> {
    let mut modes = llm_manager_policy::modes::built_in();
    let path = root.at("modes");
    for (name, value) in walk.named(&path, root.value("modes")) {
        let fields = walk.fields(Section::Mode, &path.key(&name), value);
        walk.refuse_unknown(&fields);
        let endpoints = endpoints(walk, &fields);
        let probe = fields
            .value("probe")
            .map(|value| super::backend::probe(walk, Section::Probe, &fields.at("probe"), value));
        let usage = usage(walk, &fields);
        let routes = super::backend::routes(walk, &fields);
        match modes.iter_mut().find(|mode| mode.name == name) {
            Some(built_in) => {
                extend(built_in, endpoints, probe, usage);
                built_in.routes = routes;
            }
            None => {
                if fields.is_mapping && !fields.is_given("endpoints") {
                    let hint = Some("write it like [\"/v1/audio/speech\"]".to_owned());
                    walk.error(&fields.path, "`endpoints` is missing", hint);
                }
                let probes = vec![probe.unwrap_or_else(default_probe)];
                modes.push(ModeSpec { name: name.into_owned(), endpoints, probes, usage, routes });
            }
        }
    }
    modes.into_iter().map(Arc::new).collect()
}

/// A built-in mode keeps its endpoints; a probe or pointers of the file stand for its own.
fn extend(
    mode: &mut ModeSpec,
    endpoints: Vec<String>,
    probe: Option<ProbeSpec>,
    usage: Option<Arc<Pointers>>,
) {
    for endpoint in endpoints {
        if !mode.endpoints.contains(&endpoint) {
            mode.endpoints.push(endpoint);
        }
    }
    if let Some(probe) = probe {
        mode.probes = vec![probe];
    }
    mode.usage = usage.or(mode.usage.take());
}

/// Where the counts are, if the mode says so.
fn usage(walk: &mut Walk<'_>, mode: &Fields<'_>) -> Option<Arc<Pointers>> {
    let fields = walk.fields(Section::Usage, &mode.at("usage"), mode.value("usage")?);
    walk.refuse_unknown(&fields);
    let mut pointers = Pointers::default();
    for (key, set) in POINTERS {
        let Some(pointer) = fields.text(key) else { continue };
        match set(pointers.clone(), pointer) {
            Ok(more) => pointers = more,
            Err(wrong) => {
                let hint = Some(format!("write {key}: \"/usage/{key}_tokens\", for example"));
                walk.error(&fields.at(key), format!("{pointer:?}: {wrong}"), hint);
            }
        }
    }
    if POINTERS.iter().all(|(key, _)| !fields.is_given(key)) && fields.is_mapping {
        let hint = Some("name at least one of input, cached and output, or leave usage out".to_owned());
        walk.error(&fields.path, "says nowhere where the counts are", hint);
    }
    Some(Arc::new(pointers))
}

fn default_probe() -> ProbeSpec {
    let paths = ["/v1/models", "/health"].map(str::to_owned).to_vec();
    ProbeSpec { method: "GET".to_owned(), paths, body: None, headers: Vec::new() }
}

fn endpoints(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Vec<String> {
    let endpoints = fields.texts("endpoints");
    if endpoints.is_empty() && fields.value("endpoints").is_some() {
        let hint = Some("write it like [\"/v1/audio/speech\"]".to_owned());
        walk.error(&fields.at("endpoints"), "is empty: the mode would serve nothing", hint);
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        let at = fields.at("endpoints").item(index);
        check_path(walk, &at, endpoint);
        if endpoint.split('/').any(|part| part.contains(['{', '}']) && !is_name(part)) {
            let hint = Some("write it like /v1/voices/{voice}".to_owned());
            walk.error(&at, "a name in braces stands for one whole part of the path", hint);
        }
        let within = |reserved: &&&str| {
            endpoint.strip_prefix(**reserved).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if let Some(reserved) = RESERVED.iter().find(within) {
            let hint = Some("the manager answers this path itself: choose another".to_owned());
            walk.error(&at, format!("`{reserved}` and what is below it are reserved"), hint);
        } else if *endpoint == "/" {
            walk.error(&at, "`/` is reserved", Some("the dashboard is there: choose another".to_owned()));
        }
    }
    endpoints.into_iter().map(str::to_owned).collect()
}

/// `{name}`: it stands for any one part of a path.
fn is_name(part: &str) -> bool {
    let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
    name.is_some_and(|name| !name.is_empty() && !name.contains(['{', '}']))
}
