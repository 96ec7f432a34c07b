//! `Local-Models:` with their variants.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use llm_manager_policy::devices::Requirement;
use llm_manager_policy::spec::{Class, Launch, ListedNames, ModeSpec, ModelSpec, Place, VariantSpec};
use llm_manager_policy::system::OsFamily;
use serde_yaml::Value;

use super::backend::BackendKeys;
use super::billing;
use super::fields::{Fields, Walk};
use super::hours;
use super::keys::{Section, original};
use super::park;
use super::place;
use super::replicas;
use super::suggest;
use super::validate::{Defaults, absolute, alive_time, command, missing, runs_here};

/// The three ways to say how a variant is started.
const LAUNCHES: [&str; 3] = ["script_path", "bat_path", "command"];

/// The models in file order.
pub(super) fn read(
    walk: &mut Walk<'_>,
    root: &Fields<'_>,
    modes: &[Arc<ModeSpec>],
    defaults: &Defaults,
) -> Vec<ModelSpec> {
    let path = root.at("Local-Models");
    let entries = walk.named(&path, root.value("Local-Models"));
    let empty = Value::Mapping(serde_yaml::Mapping::new());
    let mut models = Vec::new();
    for (name, value) in entries {
        let value = if value.is_null() { &empty } else { value };
        let fields = walk.fields(Section::Model, &path.key(&name), value);
        if value.is_mapping() {
            models.extend(model(walk, &name, &fields, modes, defaults));
        }
    }
    models
}

fn model(
    walk: &mut Walk<'_>,
    name: &str,
    fields: &Fields<'_>,
    modes: &[Arc<ModeSpec>],
    defaults: &Defaults,
) -> Option<ModelSpec> {
    let mode = mode(walk, fields, modes);
    let mut backend = BackendKeys::read(walk, fields);
    if let Some(mode) = &mode {
        backend.routes = backend.routes.or(&mode.routes);
    }
    let variants = variants(walk, fields, &backend);
    check_parking(walk, fields, &variants);
    let replicas = replicas::read(walk, fields, &variants);
    let billing = billing::read(walk, fields);
    let port = fields.whole("port").and_then(|port| u16::try_from(port).ok());
    Some(ModelSpec {
        name: name.to_owned(),
        aliases: aliases(walk, fields),
        formerly: formerly(fields),
        mode: mode?,
        port,
        auto_start: fields.flag("auto_start"),
        keep_parked: fields.time("keep_parked", 60.0).filter(|time| !time.is_zero()),
        alive_time: if fields.is_given("alive_time") { alive_time(fields) } else { defaults.alive_time },
        start_timeout: fields.time("start_timeout", 1.0).unwrap_or(defaults.start_timeout),
        stop_timeout: fields.time("stop_timeout", 1.0).unwrap_or(defaults.stop_timeout),
        priority: fields.text("priority").and_then(Class::of),
        max_concurrency: fields.whole("max_concurrency").and_then(|leases| u32::try_from(leases).ok()),
        first_byte_timeout: fields.time("first_byte_timeout", 1.0),
        idle_timeout: fields.time("idle_timeout", 1.0),
        foreign_listener: fields.flag("foreign_listener"),
        stream_usage: fields.flag("stream_usage"),
        end_with_client: fields.is_given("end_with_client").then(|| fields.flag("end_with_client")),
        bill_loading: fields.flag("bill_loading"),
        billing,
        pinned: fields.flag("pinned"),
        keep_warm: hours::read(walk, fields, "keep_warm"),
        quiet: hours::read(walk, fields, "quiet"),
        listed: listed(fields),
        context_length: fields.whole("context_length"),
        rewrite_model: fields.flag("rewrite_model"),
        overlap: fields.flag("overlap"),
        capture: fields.flag("capture"),
        read_ahead: fields.flag("read_ahead"),
        weights: weights(walk, fields),
        replicas,
        replica_of: None,
        variants,
    })
}

/// `weights`, from the folder of the file.
fn weights(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Vec<PathBuf> {
    let paths: Vec<_> =
        fields.texts("weights").into_iter().map(|text| absolute(walk.base_dir, text)).collect();
    for (index, path) in paths.iter().enumerate().filter(|(_, path)| !path.exists()) {
        let message = format!("{} is not there, so it is not read ahead", path.display());
        let hint = Some("correct the path; if it is on a share that comes later, leave it".to_owned());
        walk.warn(&fields.at("weights").item(index), message, hint);
    }
    paths
}

/// The aliases as the file has them.
fn aliases(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Vec<String> {
    let aliases: Vec<_> = fields.texts("aliases").into_iter().map(str::to_owned).collect();
    for (index, _) in aliases.iter().enumerate().filter(|(_, alias)| alias.contains('，')) {
        let hint = Some("if these are several aliases, write an ordinary comma between them".to_owned());
        walk.warn(&fields.at("aliases").item(index), "has a full-width comma in it", hint);
    }
    aliases
}

/// `formerly`: a name, or a list of names.
fn formerly(fields: &Fields<'_>) -> Vec<String> {
    match fields.value("formerly").and_then(Value::as_str) {
        Some(name) => vec![name.to_owned()],
        None => fields.texts("formerly").into_iter().map(str::to_owned).collect(),
    }
}

/// `listed`: a flag, or `{aliases: false}`.
fn listed(fields: &Fields<'_>) -> ListedNames {
    let value = fields.value("listed");
    let name = value.and_then(Value::as_bool).unwrap_or(true);
    let aliases = value.and_then(|value| value.get("aliases")).and_then(Value::as_bool).unwrap_or(true);
    ListedNames { name, aliases }
}

/// The mode that the model names. After an unknown one some other, so that the rest of the model is still checked.
fn mode(walk: &mut Walk<'_>, fields: &Fields<'_>, modes: &[Arc<ModeSpec>]) -> Option<Arc<ModeSpec>> {
    let name = fields.text("mode").unwrap_or_default();
    let mode = modes.iter().find(|mode| mode.name == name);
    // A mode that is no text at all has been told already.
    if mode.is_none() && !name.is_empty() {
        let known: Vec<_> = modes.iter().map(|mode| mode.name.as_str()).collect();
        let hint = suggest::hint(name, known.iter().copied(), || {
            "declare it under `modes`, or choose one of these".to_owned()
        });
        let message = format!("unknown mode {name:?}; the modes are {}", known.join(", "));
        walk.error(&fields.at("mode"), message, Some(hint));
    }
    mode.or(modes.first()).cloned()
}

/// Every mapping under a model whose key the table does not know is a variant; a typo among its keys is then
/// told as an unknown key of that variant.
fn variants(walk: &mut Walk<'_>, fields: &Fields<'_>, backend: &BackendKeys) -> Vec<VariantSpec> {
    let mut variants = Vec::new();
    let mut is_any_meant = false;
    for (name, value) in &fields.unknown {
        if let Some(instead) = original::instead(Section::Model, name) {
            walk.warn(&fields.at(name), original::HAS_NO_EFFECT, Some(instead.to_owned()));
            continue;
        }
        // `env` or `memory_mb` right under a model, a level too high, is no variant of that name.
        if Section::Variant.key(name).is_some() {
            is_any_meant = true;
            let hint = format!("put it one level deeper, in a variant such as `Default: {{{name}: ...}}`");
            walk.error(&fields.at(name), format!("`{name}` belongs in a variant"), Some(hint));
        } else if value.is_mapping() {
            is_any_meant = true;
            if let Err(misfit) = super::values::name(name) {
                walk.misfit(&fields.at(name), misfit);
            }
            variants.extend(variant(walk, fields, name, value, backend));
        } else if let Some(hint) = launched_by(name, value) {
            is_any_meant = true;
            walk.error(&fields.at(name), "a variant is a mapping", Some(hint));
        } else {
            walk.unknown_key(&fields.path, Section::Model, name);
        }
    }
    if !is_any_meant {
        let hint = "add a mapping such as `Default: {script_path: scripts/start.sh}`".to_owned();
        walk.error(&fields.path, "has no variant, so nothing says how to start it", Some(hint));
    }
    variants
}

/// For a variant that is nothing but its command or its script: how to write it.
fn launched_by(name: &str, value: &Value) -> Option<String> {
    if suggest::nearest(name, Section::Model.keys().map(|key| key.name)).is_some() {
        return None;
    }
    let is_script = |text: &str| {
        text.contains(['/', '\\']) || [".sh", ".bat", ".cmd", ".ps1"].iter().any(|end| text.ends_with(end))
    };
    match value {
        Value::Sequence(_) => Some(format!("write `{name}: {{command: [...]}}`")),
        Value::String(text) if is_script(text) => Some(format!("write `{name}: {{script_path: {text}}}`")),
        _ => None,
    }
}

fn variant(
    walk: &mut Walk<'_>,
    model: &Fields<'_>,
    name: &str,
    value: &Value,
    of_model: &BackendKeys,
) -> Option<VariantSpec> {
    let fields = walk.fields(Section::Variant, &model.at(name), value);
    walk.refuse_unknown(&fields);
    let required_devices: Vec<_> = fields.texts("required_devices").into_iter().map(str::to_owned).collect();
    for (index, device) in required_devices.iter().enumerate() {
        if let Err(error) = Requirement::parse(device) {
            walk.error(&fields.at("required_devices").item(index), format!("{device:?} {error}"), None);
        }
    }
    let memory_mb = memory(walk, &fields, &required_devices);
    let place = place::read(walk, &fields);
    // What somebody else runs is not ours to put to sleep.
    let is_elsewhere = matches!(place, Some(Place::Url(_)));
    let launch = match &place {
        Some(Place::Local | Place::Slurm(_)) => launch(walk, &fields),
        // Its program is in the image, which has a command of its own, too; a script was refused.
        Some(Place::Kubernetes(_)) if fields.is_given("command") => {
            Some(Launch::Command(fields.texts("command").into_iter().map(str::to_owned).collect()))
        }
        Some(Place::Url(_) | Place::Kubernetes(_)) => Some(Launch::Nothing),
        None => None,
    };
    let backend = BackendKeys::read(walk, &fields).or(of_model);
    let routes = match &place {
        Some(Place::Url(place)) => place.routes(backend.routes),
        _ => backend.routes,
    };
    check_parked_mb(walk, &fields, &required_devices);
    check_env(walk, model, &fields);
    let spec = VariantSpec {
        name: name.to_owned(),
        required_devices,
        memory_mb,
        memory_auto: fields.value("memory_mb").and_then(Value::as_str) == Some("auto"),
        renew_before: replicas::renew_before(walk, &fields, place.as_ref()),
        place: place?,
        launch: launch?,
        env: walk.written(&fields, "env").into_iter().collect(),
        served_name: backend.served_name,
        routes,
        probe: backend.probe,
        stop_command: backend.stop_command,
        park: backend.park.filter(|_| !is_elsewhere),
        parked_mb: backend.parked_mb.unwrap_or_default(),
    };
    let at = if fields.is_given("park") { fields.at("park") } else { model.at("park") };
    park::check_launch(walk, &at, &spec);
    Some(spec)
}

/// What is said of parked time and memory means something only where something is parked, and on a variant's devices.
fn check_parking(walk: &mut Walk<'_>, fields: &Fields<'_>, variants: &[VariantSpec]) {
    if variants.is_empty() {
        return;
    }
    if variants.iter().all(|variant| variant.park.is_none()) {
        for key in ["keep_parked", "parked_mb"].into_iter().filter(|key| fields.is_given(key)) {
            let hint = Some("add `park`, or remove this".to_owned());
            walk.warn(&fields.at(key), "has no effect without `park`", hint);
        }
    }
    let devices: Vec<_> = variants.iter().flat_map(|variant| variant.required_devices.clone()).collect();
    check_parked_mb(walk, fields, &devices);
}

/// `parked_mb` of a variant, or of a model for all of them: its devices, and RAM.
fn check_parked_mb(walk: &mut Walk<'_>, fields: &Fields<'_>, devices: &[String]) {
    let given = fields.value("parked_mb").and_then(Value::as_mapping).into_iter().flatten();
    let named = given.filter_map(|(device, _)| device.as_str());
    for device in named.filter(|device| *device != "cpu" && !devices.iter().any(|known| known == device)) {
        let known = devices.iter().map(String::as_str).chain(["cpu"]);
        let hint = suggest::hint(device, known, || "name one of them, or cpu for RAM".to_owned());
        let message = format!("{device:?} is not among the required_devices");
        walk.error(&fields.at("parked_mb").key(device), message, Some(hint));
    }
}

/// `PORT` of `env` stands before the manager's own, which is the one that it asks.
fn check_env(walk: &mut Walk<'_>, model: &Fields<'_>, fields: &Fields<'_>) {
    let Some((_, port)) = walk.written(fields, "env").into_iter().find(|(name, _)| name == "PORT") else {
        return;
    };
    if fields.is_given("on") || model.whole("port").is_some_and(|own| own.to_string() == port) {
        return;
    }
    let hint = Some("remove it: the manager sets PORT; `port` of the model chooses it".to_owned());
    let message = "the server is told another port than the one on which the manager asks for it";
    walk.warn(&fields.at("env").key("PORT"), message, hint);
}

fn launch(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<Launch> {
    let given: Vec<_> = LAUNCHES.into_iter().filter(|name| fields.is_given(name)).collect();
    match given[..] {
        [] => {
            let hint = "add one of the two; `bat_path` is an older spelling of `script_path`".to_owned();
            walk.error(&fields.path, "has neither `script_path` nor `command`", Some(hint));
            None
        }
        ["command"] => {
            let words = command(walk, fields, "command");
            told_of_variables(walk, fields, &words);
            Some(Launch::Command(words))
        }
        [name] => script(walk, fields, name),
        [first, second, ..] => {
            let message = format!("has `{first}` and `{second}`, and only one of them can start it");
            walk.error(&fields.at(second), message, Some("remove one of them".to_owned()));
            None
        }
    }
}

/// No shell reads a command, unless it is one.
fn told_of_variables(walk: &mut Walk<'_>, fields: &Fields<'_>, words: &[String]) {
    let program = words.first().map(|word| word.rsplit(['/', '\\']).next().unwrap_or(word));
    let program = program.unwrap_or_default().trim_end_matches(".exe");
    if ["sh", "bash", "dash", "zsh", "cmd", "powershell", "pwsh"].contains(&program) {
        return;
    }
    for (index, word) in words.iter().enumerate() {
        if let Some(name) = ["${PORT}", "$PORT", "%PORT%"].into_iter().find(|name| word.contains(name)) {
            let message = format!("{name} is passed on as it stands: no shell reads a command");
            walk.warn(&fields.at("command").item(index), message, Some("write \"{port}\"".to_owned()));
        }
    }
}

/// The script for this system.
fn script(walk: &mut Walk<'_>, fields: &Fields<'_>, name: &str) -> Option<Launch> {
    let (value, at) = (fields.value(name)?, fields.at(name));
    let (text, at) = match value.as_mapping() {
        None => (value.as_str()?, at),
        Some(scripts) => {
            let here = OsFamily::HERE;
            let Some(text) = scripts.get(here.key()).and_then(Value::as_str) else {
                let hint = format!("add `{}: FILE` to it", here.key());
                walk.error(&at, format!("has no script for {}", here.name()), Some(hint));
                return None;
            };
            (text, at.key(here.key()))
        }
    };
    let path = absolute(walk.base_dir, text);
    if path.is_file() {
        runs_here(walk, &at, &path);
    } else {
        missing(walk, &at, &path);
    }
    Some(Launch::Script(path))
}

fn memory(walk: &mut Walk<'_>, fields: &Fields<'_>, devices: &[String]) -> BTreeMap<String, u64> {
    let mut memory = BTreeMap::new();
    for (device, mib) in fields.value("memory_mb").and_then(Value::as_mapping).into_iter().flatten() {
        let (Some(device), Some(mib)) = (device.as_str(), mib.as_u64()) else { continue };
        // With a wrong list of devices, every key of this mapping would be told too.
        let is_list_right =
            fields.value("required_devices").is_some() || !fields.is_given("required_devices");
        if is_list_right && !devices.iter().any(|known| known == device) {
            let hint = suggest::hint(device, devices.iter().map(String::as_str), || {
                format!("add {device:?} to required_devices, or remove it here")
            });
            let message = format!("{device:?} is not among this variant's required_devices");
            walk.error(&fields.at("memory_mb").key(device), message, Some(hint));
        }
        memory.insert(device.to_owned(), mib);
    }
    memory
}
