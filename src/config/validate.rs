//! From a YAML value to a [`Spec`]: each section by the table, then what holds between sections.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use llm_manager_ledger::Location;
use llm_manager_policy::devices::Requirement;
use llm_manager_policy::placement::HoldTime;
use llm_manager_policy::pricing::Currency;
use llm_manager_policy::spec::{Electricity, LogsSpec, ModelSpec, ProgramSpec, Spec};
use llm_manager_policy::system::{self, OsFamily};
use serde_yaml::Value;

use super::fields::{Fields, Walk};
use super::keys::Section;
use super::line_index::KeyPath;
use super::{devices, edge, key_specs, models, modes, notify, replicas, several_managers};

/// What models take from `program` when they don't say it themselves.
pub(super) struct Defaults {
    pub(super) alive_time: Option<Duration>,
    pub(super) start_timeout: Duration,
    pub(super) stop_timeout: Duration,
}

/// A spec of everything that is right in `value`; it counts only when `walk` has found no error.
pub(super) fn spec(walk: &mut Walk<'_>, value: &Value) -> Spec {
    let empty = Value::Mapping(serde_yaml::Mapping::new());
    let or_empty = |value: Option<&'_ Value>| value.cloned().unwrap_or_else(|| empty.clone());

    let root_value = if value.is_null() { &empty } else { value };
    let mut root = walk.fields(Section::Root, &KeyPath::default(), root_value);
    // As in files of docker compose: a place for anchors.
    root.unknown.retain(|(name, _)| !name.starts_with("x-"));
    walk.refuse_unknown(&root);

    let program_value = or_empty(root.value("program"));
    let program_fields = walk.fields(Section::Program, &root.at("program"), &program_value);
    walk.refuse_unknown(&program_fields);
    let has_keys = root.is_given("keys");
    let program = program(walk, &program_fields, has_keys);
    let defaults = Defaults {
        alive_time: alive_time(&program_fields),
        start_timeout: program_fields.time("start_timeout", 1.0).unwrap_or_default(),
        stop_timeout: program_fields.time("stop_timeout", 1.0).unwrap_or_default(),
    };

    let logs_value = or_empty(root.value("logs"));
    let logs = logs(walk, &root, &logs_value);
    let keys = key_specs::read(walk, &root, &program.api_keys);
    let secret_variables = secret_variables(&program_fields, &root);
    let notify = notify::read(walk, &root);
    let (devices, shared_devices) = devices::read(walk, &root);
    let modes = modes::read(walk, &root);
    let mut models = models::read(walk, &root, &modes, &defaults);
    key_specs::models_are_known(walk, &root, &models);
    names_are_unique(walk, &models);
    former_names_are_free(walk, &models);
    replicas::names_are_free(walk, &models);
    for model in &mut models {
        model.aliases.retain(|alias| *alias != model.name);
    }
    ports_are_unique(walk, &models, program.port);
    if program.shared {
        several_managers::check(walk, &program_fields, &program, &models);
    }

    let models = models.into_iter().map(Arc::new).collect();
    Spec {
        base_dir: walk.base_dir.to_owned(),
        program,
        modes,
        logs,
        devices,
        shared_devices,
        keys,
        notify,
        secret_variables,
        models,
    }
}

/// `alive_time` in minutes; 0 is never.
pub(super) fn alive_time(fields: &Fields<'_>) -> Option<Duration> {
    fields.time("alive_time", 60.0).filter(|time| !time.is_zero())
}

/// Seconds, or `auto`, which is the default.
fn hold_time(fields: &Fields<'_>, name: &str) -> HoldTime {
    fields.time(name, 1.0).map_or(HoldTime::Auto, HoldTime::Fixed)
}

fn program(walk: &mut Walk<'_>, fields: &Fields<'_>, has_keys: bool) -> ProgramSpec {
    let host = host(walk, fields);
    let mut api_keys = Vec::new();
    for (index, text) in fields.texts("api_keys").into_iter().enumerate() {
        match key_specs::resolve(walk.base_dir, text) {
            Ok(key) => api_keys.push(key),
            Err(why) => {
                walk.error(&fields.at("api_keys").item(index), why, None);
                // It is a key all the same: the door isn't open.
                api_keys.push(text.to_owned());
            }
        }
    }
    if !is_loopback(&host)
        && api_keys.is_empty()
        && !has_keys
        && (!fields.is_given("api_keys") || fields.value("api_keys").is_some())
    {
        walk.warn(
            &fields.at("host"),
            "anyone who reaches this address can use and stop models",
            Some("set `api_keys`, or listen on 127.0.0.1".to_owned()),
        );
    }
    let level = fields.text("log_level").unwrap_or_default().to_ascii_lowercase();
    let whole = |name| fields.whole(name).unwrap_or_default();
    ProgramSpec {
        host,
        port: u16::try_from(whole("port")).unwrap_or_default(),
        log_level: if level == "warning" { "warn".to_owned() } else { level },
        disable_gpu_monitoring: fields.flag("Disable_GPU_monitoring"),
        database: database(walk, fields),
        shared: fields.flag("shared"),
        api_keys,
        allowed_hosts: allowed_hosts(walk, fields),
        watch_config: fields.flag("watch_config"),
        drain_timeout: fields.time("drain_timeout", 1.0).unwrap_or_default(),
        client_write_timeout: fields.time("client_write_timeout", 1.0).unwrap_or_default(),
        queue_timeout: fields.time("queue_timeout", 1.0).unwrap_or_default(),
        min_hold: hold_time(fields, "min_hold"),
        max_hold: hold_time(fields, "max_hold"),
        prefer_resident: fields.text("prefer").is_some_and(|word| word.eq_ignore_ascii_case("resident")),
        max_waiting: usize::try_from(whole("max_waiting")).unwrap_or(usize::MAX),
        max_body_bytes: usize::try_from(whole("max_body_mb") * 1024 * 1024).unwrap_or(usize::MAX),
        log_retention_days: u32::try_from(whole("log_retention_days")).unwrap_or(u32::MAX),
        allowed_origins: allowed_origins(walk, fields),
        loading_comments: fields.flag("loading_comments"),
        log_json: fields.text("log_format").is_some_and(|word| word.eq_ignore_ascii_case("json")),
        log_file: edge::log_file(walk, fields),
        log_requests: fields.flag("log_requests"),
        captures: edge::captures(walk, fields),
        trusted_proxies: edge::trusted_proxies(walk, fields),
        base_path: edge::base_path(walk, fields),
        tls: edge::tls(walk, fields),
        traces: edge::traces(walk, fields),
        electricity: electricity(walk, fields),
        watts: watts(walk, fields),
    }
}

/// `electricity.watts`; what is no name of a device is an error.
fn watts(walk: &mut Walk<'_>, program: &Fields<'_>) -> Vec<(Requirement, u32)> {
    let Some(value) = program.value("electricity") else { return Vec::new() };
    let given = value.get("watts").and_then(Value::as_mapping);
    let mut watts = Vec::new();
    for (device, figure) in given.into_iter().flatten() {
        let (Some(device), Some(figure)) = (device.as_str(), figure.as_u64()) else { continue };
        match Requirement::parse(device) {
            Ok(device) => watts.push((device, u32::try_from(figure).unwrap_or(u32::MAX))),
            Err(why) => {
                let at = program.at("electricity").key("watts").key(device);
                walk.error(&at, format!("{device:?} names no device: {why}"), None);
            }
        }
    }
    watts
}

fn electricity(walk: &mut Walk<'_>, program: &Fields<'_>) -> Option<Electricity> {
    let fields = walk.fields(Section::Electricity, &program.at("electricity"), program.value("electricity")?);
    walk.refuse_unknown(&fields);
    let code = fields.text("currency");
    let currency = code.and_then(Currency::new);
    if let (Some(code), None) = (code, currency) {
        let hint = Some("write CNY or EUR, for example".to_owned());
        walk.error(&fields.at("currency"), format!("expected three capital letters, got {code:?}"), hint);
    }
    // The table has told of a price that is none.
    let per_kwh = fields.text("price_per_kwh")?.parse().ok()?;
    Some(Electricity { per_kwh, currency: currency? })
}

fn host(walk: &mut Walk<'_>, fields: &Fields<'_>) -> String {
    let text = fields.text("host").unwrap_or_default();
    // IPv6 addresses are often written with brackets, which only an address with a port needs.
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let is_host_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if bare.parse::<IpAddr>().is_err() && !bare.chars().all(is_host_name) {
        walk.error(
            &fields.at("host"),
            format!("expected an IP address or a host name, got the text {text:?}"),
            Some("write the address alone: no http://, and the port under `port`".to_owned()),
        );
        // Whatever it was meant to be, it is told once.
        return "127.0.0.1".to_owned();
    }
    bare.to_owned()
}

/// Variables of the environment in which keys stand.
fn secret_variables(program: &Fields<'_>, root: &Fields<'_>) -> Vec<String> {
    let entries = root.value("keys").and_then(Value::as_sequence).into_iter().flatten();
    let secrets = entries.filter_map(|entry| entry.get("secret")?.as_str());
    fn mappings(value: Option<&Value>) -> impl Iterator<Item = (&Value, &Value)> {
        value.and_then(Value::as_mapping).into_iter().flatten()
    }
    let variants = mappings(root.value("Local-Models")).flat_map(|(_, model)| mappings(Some(model)));
    let places = variants.filter_map(|(_, variant)| variant.get("on")?.get("key")?.as_str());
    let outlets = root.value("notify").and_then(Value::as_sequence).into_iter().flatten();
    let outlets = outlets.flat_map(|entry| [entry.get("webhook"), entry.get("secret")].into_iter().flatten());
    let outlets = outlets.filter_map(Value::as_str);
    let headers = mappings(program.value("traces").and_then(|traces| traces.get("headers")));
    let headers = headers.filter_map(|(_, value)| value.as_str());
    let given =
        program.texts("api_keys").into_iter().chain(secrets).chain(places).chain(outlets).chain(headers);
    let mut names: Vec<String> = given.flat_map(key_specs::variables).collect();
    names.push(super::CLIENT_KEY.to_owned());
    names.sort();
    names.dedup();
    names
}

/// Origins as browsers write them.
fn allowed_origins(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Vec<String> {
    let origins: Vec<_> = fields.texts("allowed_origins").into_iter().map(str::to_owned).collect();
    for (index, origin) in origins.iter().enumerate() {
        let site = origin.split_once("://").map(|(_, site)| site.trim_end_matches('/'));
        let fits = site.is_some_and(|site| !site.is_empty() && !site.contains(['/', '?', '#', ' ']));
        if origin != "*" && !fits {
            let hint = "write it as a browser does: https://app.example.com, with the port if it isn't the usual one";
            let message = format!("expected an origin, got the text {origin:?}");
            walk.error(&fields.at("allowed_origins").item(index), message, Some(hint.to_owned()));
        }
    }
    origins
}

/// Names as `Host` has them, but without a port.
fn allowed_hosts(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Vec<String> {
    let names: Vec<_> = fields.texts("allowed_hosts").into_iter().map(str::to_owned).collect();
    for (index, name) in names.iter().enumerate() {
        let rest = name.strip_prefix("*.").unwrap_or(name);
        let is_host_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name != "*" && rest.parse::<IpAddr>().is_err() && !rest.chars().all(is_host_name) {
            let hint =
                "write the name alone, such as llm.example.com, *.example.com or *: no http://, no port";
            let message = format!("expected a host name, got the text {name:?}");
            walk.error(&fields.at("allowed_hosts").item(index), message, Some(hint.to_owned()));
        }
    }
    names
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn database(walk: &mut Walk<'_>, fields: &Fields<'_>) -> String {
    let (text, at) = (fields.text("database").unwrap_or_default(), fields.at("database"));
    if let Some((message, hint)) = Location::misread(text) {
        walk.error(&at, message, Some(hint.to_owned()));
        return String::new();
    }
    if matches!(Location::parse(text), Location::Postgres(_)) {
        return text.to_owned();
    }
    let path = written(walk, &at, text);
    if path.is_dir() || text.ends_with('/') {
        let hint = "write the path of a file in it".to_owned();
        walk.error(&at, format!("{} is a folder", path.display()), Some(hint));
    }
    path.to_string_lossy().into_owned()
}

/// The path of something that is made if it isn't there: nobody would miss what lies in a folder called `~`.
pub(super) fn written(walk: &mut Walk<'_>, at: &KeyPath, text: &str) -> PathBuf {
    if is_for_a_shell(Path::new(text)) {
        walk.error(at, "has `~` or a variable in it".to_owned(), Some(NO_SHELL.to_owned()));
    }
    absolute(walk.base_dir, text)
}

const NO_SHELL: &str = "no shell reads a path, so ~ and variables stay as they are: write the whole path";

/// Whether a shell would put something else in its place.
fn is_for_a_shell(path: &Path) -> bool {
    let is_home =
        path.components().next().is_some_and(|first| first.as_os_str().to_string_lossy().starts_with('~'));
    let is_variable = |part: Component<'_>| {
        let part = part.as_os_str().to_string_lossy();
        part.starts_with('$') || (part.len() > 2 && part.starts_with('%') && part.ends_with('%'))
    };
    is_home || path.components().any(is_variable)
}

fn logs(walk: &mut Walk<'_>, root: &Fields<'_>, value: &Value) -> LogsSpec {
    let fields = walk.fields(Section::Logs, &root.at("logs"), value);
    walk.refuse_unknown(&fields);
    let folder = fields.text("folder").map(|text| written(walk, &fields.at("folder"), text));
    if let Some(path) = folder.as_deref().filter(|path| path.exists() && !path.is_dir()) {
        let hint = Some("name a folder; it is made if it isn't there".to_owned());
        walk.error(&fields.at("folder"), format!("{} is not a folder", path.display()), hint);
    }
    LogsSpec {
        folder,
        bytes: fields.whole("size_mb").unwrap_or_default() * 1024 * 1024,
        days: fields.whole("days").and_then(|days| u32::try_from(days).ok()).unwrap_or(u32::MAX),
    }
}

/// `command` with its program made absolute if it is a path; a bare name is left to PATH.
pub(super) fn command(walk: &mut Walk<'_>, fields: &Fields<'_>, key: &str) -> Vec<String> {
    let mut command: Vec<_> = fields.texts(key).into_iter().map(str::to_owned).collect();
    if let Some(program) = command.first_mut()
        && program.contains(['/', std::path::MAIN_SEPARATOR])
        && !program.contains('{')
    {
        let path = absolute(walk.base_dir, program);
        let at = fields.at(key).item(0);
        if path.is_file() {
            runs_here(walk, &at, &path);
        } else if !(cfg!(windows) && path.with_extension("exe").is_file()) {
            missing(walk, &at, &path);
        }
        *program = path.to_string_lossy().into_owned();
    }
    if let Err((index, unrunnable)) = system::check_arguments(OsFamily::HERE, &command) {
        walk.error(&fields.at(key).item(index), unrunnable.cause, Some(unrunnable.hint));
    }
    command
}

/// Says if the file at `path` is of a kind that this system can't run.
pub(super) fn runs_here(walk: &mut Walk<'_>, at: &KeyPath, path: &Path) {
    let mut head = Vec::new();
    // A file that can't be read is told at its start, with the system's own reason.
    let _ = File::open(path).and_then(|file| file.take(256).read_to_end(&mut head));
    if let Err(unrunnable) = system::runner(OsFamily::HERE, &path.to_string_lossy(), &head) {
        let message = format!("{} {}", path.display(), unrunnable.cause);
        walk.error(at, message, Some(unrunnable.hint));
    }
}

/// Says that there is no file at `path`.
pub(super) fn missing(walk: &mut Walk<'_>, at: &KeyPath, path: &Path) {
    let base = walk.base_dir.display();
    let (message, hint) = match path.metadata() {
        Ok(_) => (format!("{} is not a file", path.display()), "name a file".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let is_for_a_shell =
                |part: Component<'_>| part.as_os_str().to_string_lossy().starts_with(['~', '$', '%']);
            let hint = if path.components().any(is_for_a_shell) {
                NO_SHELL.to_owned()
            } else {
                format!("relative paths start from the folder of the configuration, {base}")
            };
            (format!("there is no file {}", path.display()), hint)
        }
        Err(error) => (
            format!("{} cannot be looked at: {error}", path.display()),
            "check the permissions of the file and of the folders above it".to_owned(),
        ),
    };
    walk.error(at, message, Some(hint));
}

/// `path` from `base`, without `.` in it.
pub(super) fn absolute(base: &Path, path: &str) -> PathBuf {
    base.join(path).components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

/// Names and aliases share one namespace.
fn names_are_unique(walk: &mut Walk<'_>, models: &[ModelSpec]) {
    let path = |model: &ModelSpec| KeyPath::default().key("Local-Models").key(&model.name);
    let mut owners: HashMap<&str, String> = HashMap::new();
    for model in models {
        owners.insert(&model.name, format!("the name of the model `{}`", model.name));
    }
    for model in models {
        for (index, alias) in model.aliases.iter().enumerate() {
            if *alias == model.name {
                // In files of the original program it is the rule: there the first alias is the name.
                let message = format!("`{alias}` is also the name of the model `{alias}`, and has no effect");
                walk.warn(&path(model).key("aliases").item(index), message, Some("remove it".to_owned()));
            } else if let Some(owner) = owners.get(alias.as_str()) {
                let message = format!("`{alias}` is also {owner}");
                let hint = "a name or alias must belong to one model only: remove or rename it".to_owned();
                walk.error(&path(model).key("aliases").item(index), message, Some(hint));
            } else {
                owners.insert(alias, format!("an alias of the model `{}`", model.name));
            }
        }
    }
}

/// Data can't have two owners.
fn former_names_are_free(walk: &mut Walk<'_>, models: &[ModelSpec]) {
    let mut owners: HashMap<&str, &str> = HashMap::new();
    for model in models {
        let path = KeyPath::default().key("Local-Models").key(&model.name).key("formerly");
        for (index, former) in model.formerly.iter().enumerate() {
            let owner = models.iter().find(|other| other.name == *former);
            let (message, hint) = match (owner, owners.insert(former, &model.name)) {
                (Some(owner), _) if owner.name == model.name => {
                    (format!("`{former}` is the model's name now"), "remove it here")
                }
                (Some(_), _) => (
                    format!("`{former}` is still a model of this file, and keeps its data"),
                    "remove it here, or remove the model",
                ),
                (None, Some(first)) => (
                    format!("`{former}` is also a former name of the model `{first}`"),
                    "its data can go to one model only: remove it from one of them",
                ),
                (None, None) => continue,
            };
            walk.error(&path.item(index), message, Some(hint.to_owned()));
        }
    }
}

fn ports_are_unique(walk: &mut Walk<'_>, models: &[ModelSpec], program: u16) {
    let mut owners = HashMap::from([(program, "the manager itself (program.port)".to_owned())]);
    for model in models {
        let Some(port) = model.port else { continue };
        if let Some(owner) = owners.get(&port) {
            let path = KeyPath::default().key("Local-Models").key(&model.name).key("port");
            let hint = "give each its own port, or leave the model's out".to_owned();
            walk.error(&path, format!("port {port} is also that of {owner}"), Some(hint));
        } else {
            owners.insert(port, format!("the model `{}`", model.name));
        }
    }
}
