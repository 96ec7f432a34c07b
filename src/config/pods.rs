//! `on.kubernetes` of a variant.

use llm_manager_policy::cluster::PodRequest;

use super::fields::{Fields, Walk};
use super::keys::Section;
use super::validate::absolute;

/// Whether this program can make Pods.
pub(super) const BUILT_IN: bool = cfg!(feature = "kubernetes");

/// What Kubernetes knows itself, by other names.
const OF_LOCAL_DEVICES: [(&str, &str); 5] = [
    ("required_devices", "say it in the template, as resources.limits: {nvidia.com/gpu: 1}"),
    ("memory_mb", "say it in the template, as resources.limits: {nvidia.com/gpu: 1, memory: 32Gi}"),
    ("stop_command", "remove it: Kubernetes ends all of a Pod"),
    ("script_path", "the Pod doesn't see this machine's files: write `command`, or leave it to the image"),
    ("bat_path", "the Pod doesn't see this machine's files: write `command`, or leave it to the image"),
];

/// `None`: what is said of it is wrong, and told.
pub(super) fn read(walk: &mut Walk<'_>, variant: &Fields<'_>, on: &Fields<'_>) -> Option<PodRequest> {
    if !BUILT_IN {
        let hint = "build it with `cargo build --release --features kubernetes`, or take this variant out";
        let message = "this program was built without the feature `kubernetes`: it can't make Pods";
        walk.error(&on.at("kubernetes"), message, Some(hint.to_owned()));
        return None;
    }
    if on.is_given("key") {
        let hint = Some("remove it: each Pod gets a key of its own".to_owned());
        walk.error(&on.at("key"), "belongs to `url`", hint);
    }
    for (name, hint) in OF_LOCAL_DEVICES.into_iter().filter(|(name, _)| variant.is_given(name)) {
        let message = format!("`{name}` has no meaning beside `on.kubernetes`");
        walk.error(&variant.at(name), message, Some(hint.to_owned()));
    }
    let fields = walk.fields(Section::Kubernetes, &on.at("kubernetes"), on.value("kubernetes")?);
    walk.refuse_unknown(&fields);
    let text = |name: &str| fields.text(name).map(str::to_owned);
    let template = match fields.text("template") {
        None => None,
        Some(file) => Some(template(walk, &fields, file)?),
    };
    let ask = PodRequest {
        context: text("context"),
        namespace: text("namespace"),
        image: text("image"),
        container: text("container"),
        template,
    };
    if let Err(why) = check(&ask) {
        let (at, hint) = if ask.template.is_some() {
            (fields.at("template"), "correct the file; docs/guide/kubernetes.md has an example")
        } else {
            (fields.path.clone(), "write `image`, or `template` with a Pod of your own")
        };
        walk.error(&at, why, Some(hint.to_owned()));
        return None;
    }
    Some(ask)
}

/// The user's own Pod, as JSON.
fn template(walk: &mut Walk<'_>, fields: &Fields<'_>, file: &str) -> Option<String> {
    let path = absolute(walk.base_dir, file);
    let at = fields.at("template");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let hint =
                Some("write the Pod into that file; a relative path begins at the configuration".to_owned());
            walk.error(&at, format!("{}: {error}", path.display()), hint);
            return None;
        }
    };
    let read = serde_yaml::from_str::<serde_json::Value>(&text);
    match read.map_err(|error| error.to_string()).map(|pod| pod.to_string()) {
        Ok(pod) => Some(pod),
        Err(error) => {
            walk.error(&at, format!("{}: {error}", path.display()), None);
            None
        }
    }
}

#[cfg(feature = "kubernetes")]
fn check(ask: &PodRequest) -> Result<(), String> {
    llm_manager_kubernetes::check(ask)
}

#[cfg(not(feature = "kubernetes"))]
fn check(_: &PodRequest) -> Result<(), String> {
    Ok(())
}
