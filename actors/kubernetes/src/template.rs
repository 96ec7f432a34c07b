//! The Pod of a run, as JSON: the user's own template with ours merged in, and the Secret with its key. Pure.

use llm_manager_policy::cluster::PodRequest;
use llm_manager_process::far::KEY_VARIABLES;
use serde_json::{Map, Value, json};

/// So begin labels and annotations of the manager's own.
pub(crate) const OWN: &str = "llm-manager/";
/// Whose Pod it is: the id of the state folder.
pub(crate) const STATE: &str = "llm-manager/state";
/// So that all of ours are found.
pub(crate) const MANAGED: (&str, &str) = ("app.kubernetes.io/managed-by", "llm-manager");
/// Where the files of the Pod are, and on which machine.
pub(crate) const FOLDER: &str = "llm-manager/folder";
pub(crate) const HOST: &str = "llm-manager/host";
/// In the Secret.
const KEY: &str = "key";
/// The container of a template that has none.
const SERVER: &str = "server";
/// Where a server in a Pod's own network listens, if nothing else is said.
pub(crate) const PORT: u16 = 8000;

/// Seconds to end in, of a Pod that nobody knows any more.
pub(crate) const ORPHAN_GRACE: u32 = 10;

/// What the manager adds to a template.
pub(crate) struct Merged<'a> {
    pub name: &'a str,
    /// The id of the state folder.
    pub state: &'a str,
    pub folder: &'a str,
    pub host: &'a str,
    pub model: &'a str,
    /// As the backend hears it.
    pub known_as: &'a str,
    pub variant: &'a str,
    pub run: i64,
    /// `None`: the image's own.
    pub command: Option<&'a [String]>,
    pub env: &'a [(String, String)],
    pub port: u16,
    /// Seconds to end in.
    pub grace: u64,
}

/// What can't be a template, and why.
pub fn check(ask: &PodRequest) -> Result<(), String> {
    let template = parsed(ask)?;
    let spec = &template["spec"];
    let bad = |what: &str| Err(what.to_owned());
    if template.get("kind").is_some_and(|kind| kind != "Pod") {
        return bad("its `kind` isn't Pod: write the Pod itself, not a Deployment or a Job around it");
    }
    if template.get("apiVersion").is_some_and(|version| version != "v1") {
        return bad("its `apiVersion` isn't v1");
    }
    for (at, why) in [
        ("/metadata/name", "each Pod gets a name of its own"),
        ("/metadata/generateName", "each Pod gets a name of its own"),
        ("/metadata/namespace", "say it as `on.kubernetes.namespace`"),
        ("/spec/restartPolicy", "the manager starts a new Pod itself, when somebody wants the model"),
    ] {
        if template.pointer(at).is_some() {
            return Err(format!(
                "{} has no place in it: {why}",
                at.trim_start_matches('/').replace('/', ".")
            ));
        }
    }
    for at in ["/metadata/labels", "/metadata/annotations"] {
        let own = template.pointer(at).and_then(Value::as_object).into_iter().flatten();
        if let Some((name, _)) = own.into_iter().find(|(name, _)| name.starts_with(OWN)) {
            return Err(format!("{name} is a label of the manager's own"));
        }
    }
    if !spec.is_null() && !spec.is_object() {
        return bad("its `spec` is no mapping");
    }
    let containers = match &spec["containers"] {
        Value::Null => &[],
        Value::Array(containers) => containers.as_slice(),
        _ => return bad("spec.containers is no list"),
    };
    if let Some(name) = &ask.container
        && !containers.is_empty()
        && !containers.iter().any(|container| container["name"] == **name)
    {
        return Err(format!("it has no container {name:?}"));
    }
    let server = containers.get(position(ask, containers));
    let has_image = server.is_some_and(|server| server.get("image").is_some());
    if !has_image && ask.image.is_none() {
        return bad("nothing says which image runs");
    }
    Ok(())
}

fn parsed(ask: &PodRequest) -> Result<Value, String> {
    match &ask.template {
        None => Ok(json!({})),
        Some(text) => match serde_json::from_str(text) {
            Ok(template @ Value::Object(_)) => Ok(template),
            Ok(_) => Err("it is no mapping".to_owned()),
            Err(error) => Err(error.to_string()),
        },
    }
}

fn position(ask: &PodRequest, containers: &[Value]) -> usize {
    let named = |name: &String| containers.iter().position(|container| container["name"] == **name);
    ask.container.as_ref().and_then(named).unwrap_or_default()
}

/// The name of the server's container, and whether the Pod uses its node's network.
pub(crate) fn server(ask: &PodRequest) -> Result<(String, bool), String> {
    let template = parsed(ask)?;
    let containers = template["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = containers.get(position(ask, containers)).and_then(|container| container["name"].as_str());
    let name =
        named.map(str::to_owned).or_else(|| ask.container.clone()).unwrap_or_else(|| SERVER.to_owned());
    Ok((name, template["spec"]["hostNetwork"] == true))
}

/// The member of this name as a mapping; what is something else (`labels: null`) is none.
fn with_object(map: &mut Map<String, Value>, name: &str, work: impl FnOnce(&mut Map<String, Value>)) {
    let mut inner = match map.remove(name) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    work(&mut inner);
    map.insert(name.to_owned(), Value::Object(inner));
}

/// Takes the list of this name out; what is something else is none.
fn taken_list(map: &mut Map<String, Value>, name: &str) -> Vec<Value> {
    match map.remove(name) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}

/// A label may hold few letters, and not many.
pub(crate) fn label(text: &str) -> String {
    let fits = |letter: char| {
        if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-') { letter } else { '-' }
    };
    let text: String = text.chars().map(fits).take(63).collect();
    text.trim_matches(|letter: char| !letter.is_ascii_alphanumeric()).to_owned()
}

fn labels(ours: &Merged<'_>) -> Map<String, Value> {
    let mut labels = Map::new();
    labels.insert(MANAGED.0.to_owned(), json!(MANAGED.1));
    labels.insert(STATE.to_owned(), json!(ours.state));
    labels.insert("llm-manager/model".to_owned(), json!(label(ours.model)));
    labels.insert("llm-manager/variant".to_owned(), json!(label(ours.variant)));
    labels.insert("llm-manager/run".to_owned(), json!(ours.run.to_string()));
    labels
}

/// The Secret by which the Pod's server learns its key. It has the Pod's name.
pub(crate) fn secret(ours: &Merged<'_>, key: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true,
        "metadata": {"name": ours.name, "labels": labels(ours)},
        "stringData": {KEY: key},
    })
}

/// The Pod.
///
/// # Errors
/// See [`check`].
pub(crate) fn pod(ask: &PodRequest, ours: &Merged<'_>) -> Result<Value, String> {
    check(ask)?;
    let Value::Object(mut pod) = parsed(ask)? else { return Err("it is no mapping".to_owned()) };
    pod.insert("apiVersion".to_owned(), json!("v1"));
    pod.insert("kind".to_owned(), json!("Pod"));
    with_object(&mut pod, "metadata", |metadata| {
        metadata.insert("name".to_owned(), json!(ours.name));
        with_object(metadata, "labels", |all| all.extend(labels(ours)));
        with_object(metadata, "annotations", |all| {
            for (name, value) in [("llm-manager/model", ours.model), (FOLDER, ours.folder), (HOST, ours.host)]
            {
                all.insert(name.to_owned(), json!(value));
            }
        });
    });
    with_object(&mut pod, "spec", |spec| fill_spec(spec, ask, ours));
    Ok(Value::Object(pod))
}

fn fill_spec(spec: &mut Map<String, Value>, ask: &PodRequest, ours: &Merged<'_>) {
    spec.insert("restartPolicy".to_owned(), json!("Never"));
    // A model's server has no business with the API, and variables of other services only confuse it (VLLM_PORT).
    for (name, value) in [
        ("automountServiceAccountToken", json!(false)),
        ("enableServiceLinks", json!(false)),
        ("terminationGracePeriodSeconds", json!(ours.grace)),
    ] {
        spec.entry(name).or_insert(value);
    }
    let mut containers = taken_list(spec, "containers");
    if containers.is_empty() {
        containers.push(json!({"name": ask.container.as_deref().unwrap_or(SERVER)}));
    }
    let at = position(ask, &containers);
    if let Some(Value::Object(server)) = containers.get_mut(at) {
        fill(server, ask, ours);
    }
    spec.insert("containers".to_owned(), Value::Array(containers));
}

fn fill(server: &mut Map<String, Value>, ask: &PodRequest, ours: &Merged<'_>) {
    server.entry("name").or_insert_with(|| json!(SERVER));
    if let Some(image) = &ask.image {
        server.insert("image".to_owned(), json!(image));
    }
    if let Some(words) = ours.command {
        let fill = |word: &String| {
            word.replace("{port}", &ours.port.to_string())
                .replace("{model}", ours.known_as)
                // The kubelet puts the Pod's own address there.
                .replace("{host}", "$(HOST)")
        };
        server.insert("command".to_owned(), words.iter().map(fill).collect());
        server.remove("args");
    }
    let mut ports = taken_list(server, "ports");
    if !ports.iter().any(|port| port["containerPort"] == ours.port) {
        ports.push(json!({"containerPort": ours.port}));
    }
    server.insert("ports".to_owned(), Value::Array(ports));
    let mut first = vec![
        json!({"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}),
        json!({"name": "PORT", "value": ours.port.to_string()}),
        json!({"name": "MODEL_NAME", "value": ours.known_as}),
    ];
    first.extend(
        KEY_VARIABLES.map(
            |name| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": ours.name, "key": KEY}}}),
        ),
    );
    let last: Vec<Value> =
        ours.env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    // A variable may only name those that stand before it. What the user says is said last.
    let of_template = taken_list(server, "env");
    let mut env: Vec<Value> = Vec::new();
    for variable in first.into_iter().chain(of_template).chain(last) {
        env.retain(|earlier| earlier["name"] != variable["name"]);
        env.push(variable);
    }
    server.insert("env".to_owned(), Value::Array(env));
}

#[cfg(test)]
#[path = "template/tests.rs"]
mod tests;
