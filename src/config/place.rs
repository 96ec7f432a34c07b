//! `on:` of a variant: where it runs.

use llm_manager_policy::cluster::{SlurmRequest, refused_extra, said_twice};
use llm_manager_policy::spec::{BadUrl, Place, Secret, UrlPlace};

use super::fields::{Fields, Walk};
use super::key_specs;
use super::keys::Section;
use super::pods;

/// What a variant can be on.
const PLACES: [&str; 3] = ["url", "slurm", "kubernetes"];

/// What Slurm knows itself, by other names.
const OF_LOCAL_DEVICES: [(&str, &str); 3] = [
    ("required_devices", "say it as `on.slurm.gres`"),
    ("memory_mb", "say it as `on.slurm.gres`, and the node's own memory as `on.slurm.mem`"),
    ("stop_command", "remove it: Slurm ends all of a job"),
];

/// What belongs to a server that is started on this machine.
const OF_THIS_MACHINE: [&str; 8] = [
    "script_path",
    "bat_path",
    "command",
    "required_devices",
    "memory_mb",
    "env",
    "stop_command",
    "api_prefix",
];

/// The place of a variant; `None`: what is said of it is wrong, and told.
pub(super) fn read(walk: &mut Walk<'_>, variant: &Fields<'_>) -> Option<Place> {
    if !variant.is_given("on") {
        return Some(Place::Local);
    }
    let on = walk.fields(Section::On, &variant.at("on"), variant.value("on")?);
    walk.refuse_unknown(&on);
    let given: Vec<&str> = PLACES.into_iter().filter(|name| on.is_given(name)).collect();
    match given[..] {
        [first, second, ..] => {
            let hint = Some("keep one of them, and put the other into a variant of its own".to_owned());
            walk.error(&on.at(second), format!("`{first}` and `{second}` are both there"), hint);
            return None;
        }
        ["slurm"] => return slurm(walk, variant, &on).map(Place::Slurm),
        ["kubernetes"] => return pods::read(walk, variant, &on).map(Box::new).map(Place::Kubernetes),
        _ => {}
    }
    if !on.is_given("url") {
        if on.is_mapping && on.unknown.is_empty() {
            let hint = Some(
                "write on: {url: \"http://box:8080/v1\"}, on: {slurm: {partition: gpu}}, or on: {kubernetes: {image: ...}}"
                    .to_owned(),
            );
            walk.error(&on.path, "says no place", hint);
        }
        return None;
    }
    for name in OF_THIS_MACHINE.into_iter().filter(|name| variant.is_given(name)) {
        let hint = match name {
            "api_prefix" => "the path of `on.url` says where the API begins: remove this",
            _ => "remove it, or put it into another variant, which runs on this machine",
        };
        let message = format!("`{name}` has no meaning beside `on.url`: nothing is started there");
        walk.error(&variant.at(name), message, Some(hint.to_owned()));
    }
    url(walk, &on).map(Place::Url)
}

fn slurm(walk: &mut Walk<'_>, variant: &Fields<'_>, on: &Fields<'_>) -> Option<SlurmRequest> {
    if on.is_given("key") {
        let hint = Some("remove it: each job gets a key of its own".to_owned());
        walk.error(&on.at("key"), "belongs to `url`", hint);
    }
    for (name, hint) in OF_LOCAL_DEVICES.into_iter().filter(|(name, _)| variant.is_given(name)) {
        let message =
            format!("`{name}` has no meaning beside `on.slurm`: the cluster looks after its nodes itself");
        walk.error(&variant.at(name), message, Some(hint.to_owned()));
    }
    let fields = walk.fields(Section::Slurm, &on.at("slurm"), on.value("slurm")?);
    walk.refuse_unknown(&fields);
    let text = |name: &str| fields.text(name).map(str::to_owned);
    let whole = |name: &str| fields.whole(name).and_then(|number| u32::try_from(number).ok());
    let extra: Vec<String> = fields.texts("extra").into_iter().map(str::to_owned).collect();
    if let Some((word, why)) = refused_extra(&extra) {
        walk.error(&fields.at("extra"), format!("{word:?} is not possible: {why}"), None);
    }
    if let Some((word, key)) = said_twice(&extra, |key| fields.is_given(key)) {
        let message =
            format!("{word:?} says again what `{key}` says; Slurm takes one of the two, or waits for ever");
        walk.error(&fields.at("extra"), message, Some(format!("leave `{key}` or this option out")));
    }
    let node_folder = text("node_folder").map(|folder| folder.trim_end_matches('/').to_owned());
    if let Some(folder) = node_folder.as_deref().filter(|folder| !folder.starts_with('/')) {
        let hint = Some("write the path of a folder that every node has, such as /tmp".to_owned());
        walk.error(&fields.at("node_folder"), format!("expected an absolute path, got {folder:?}"), hint);
    }
    Some(SlurmRequest {
        partition: text("partition"),
        gres: text("gres"),
        time: text("time"),
        account: text("account"),
        qos: text("qos"),
        constraint: text("constraint"),
        mem: text("mem"),
        cpus: whole("cpus"),
        nodes: whole("nodes"),
        node_folder,
        extra,
    })
}

fn url(walk: &mut Walk<'_>, on: &Fields<'_>) -> Option<UrlPlace> {
    let text = on.text("url")?.trim();
    let at = on.at("url");
    let place = match UrlPlace::parse(text) {
        Ok(place) => place,
        Err(wrong) => {
            let (message, hint) = words(wrong, text);
            walk.error(&at, message, Some(hint));
            return None;
        }
    };
    if !place.is_usual() {
        let message = format!("its API is asked at {}/chat/completions and the like", place.path);
        walk.warn(&at, message, Some("most APIs begin at /v1: correct the path if this one does".to_owned()));
    }
    let key = key(walk, on)?;
    if key.is_some() && !place.tls && !place.is_near() {
        let hint = Some("write https://, if it speaks it".to_owned());
        walk.warn(&on.at("key"), format!("goes to {} unencrypted", place.host), hint);
    }
    Some(UrlPlace { key, ..place })
}

/// `Some(None)`: there is none. `None`: it can't be had.
fn key(walk: &mut Walk<'_>, on: &Fields<'_>) -> Option<Option<Secret>> {
    if !on.is_given("key") {
        return Some(None);
    }
    match key_specs::resolve(walk.base_dir, on.text("key")?) {
        Ok(key) if key.chars().all(|letter| letter.is_ascii_graphic()) => Some(Some(Secret::new(key))),
        Ok(_) => {
            let hint = Some("write the key alone, without `Bearer` and without spaces".to_owned());
            walk.error(&on.at("key"), "expected printable ASCII characters without spaces", hint);
            None
        }
        Err(why) => {
            walk.error(&on.at("key"), why, None);
            None
        }
    }
}

/// What is wrong with an address, and the way out. What may hold a secret is not quoted.
fn words(wrong: BadUrl, text: &str) -> (String, String) {
    const LIKE: &str = "http://box:8080/v1";
    let write = || format!("write it like {LIKE}");
    match wrong {
        BadUrl::Scheme if !text.contains("://") => (
            format!("expected an address with http:// or https:// before it, got {text:?}"),
            format!("write http://{text}"),
        ),
        BadUrl::Scheme => ("begins with neither http:// nor https://".to_owned(), write()),
        BadUrl::Host => ("names no host".to_owned(), write()),
        BadUrl::Port => ("has a port that is none".to_owned(), write()),
        BadUrl::User => {
            ("has a name or a password in it".to_owned(), "write the key as `key:` beside it".to_owned())
        }
        BadUrl::Tail => (
            "has a query, a fragment or a space in it".to_owned(),
            "write the address alone; a key stands as `key:` beside it".to_owned(),
        ),
        BadUrl::NoPath => (
            "doesn't say where the API begins".to_owned(),
            format!("write {}/v1", text.trim_end_matches('/')),
        ),
        BadUrl::Endpoint => (
            "is the address of one endpoint".to_owned(),
            "write what stands before it, such as http://box:8080/v1".to_owned(),
        ),
    }
}
