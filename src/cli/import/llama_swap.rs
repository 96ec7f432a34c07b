//! A configuration of llama-swap, by the rules of its loader.

use super::emit::{Entry, Output, list, map, minutes, quoted};
use super::exclusion;
use super::macros::{self, Environment, Macros};
use super::report::Report;
use super::words;
use super::yaml11::Node;
use crate::config;

/// Where ports begin when the file doesn't say it.
const START_PORT: i64 = 5800;
/// How many requests at a time when the file doesn't say it.
const CONCURRENCY: i64 = 10;
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

/// What becomes of `file`.
pub(super) fn convert(
    file: &Node,
    environment: Environment<'_>,
    report: &mut Report,
) -> Result<Output, String> {
    let mut output = Output {
        head: vec![
            "Imported from llama-swap by `llm-manager import`. llama-swap knows nothing of memory: add"
                .to_owned(),
            "required_devices and memory_mb to the variants, so that models may be loaded together."
                .to_owned(),
        ],
        ..Output::default()
    };
    unknown_keys(file, TOP, TOP_LOST, "", report);
    program(file, environment, &mut output, report)?;
    let models = models(file, environment, report)?;
    let ids: Vec<_> = models.iter().map(|model| model.id.clone()).collect();
    let global_ttl = file.get("globalTTL").and_then(Node::whole).unwrap_or(0);
    for model in &models {
        output.models.push(entry(model, &ids, global_ttl, environment, report)?);
    }
    groups(file, &ids, &mut output, report);
    preload(file, &mut output, report);
    Ok(output)
}

/// A model with its macros in place.
struct Model {
    id: String,
    line: usize,
    /// All but `cmd`.
    body: Node,
    cmd: String,
    port: Option<i64>,
    macros: Macros,
}

impl Model {
    fn at(&self, key: &str) -> String {
        format!("models.{}.{key}", self.id)
    }

    fn text(&self, key: &str) -> Option<(usize, String)> {
        let node = self.body.get(key)?;
        Some((node.line, node.text()?)).filter(|(_, text)| !text.is_empty())
    }
}

fn unknown_keys(node: &Node, known: &[&str], lost: &[(&str, &str)], path: &str, report: &mut Report) {
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

fn program(
    file: &Node,
    environment: Environment<'_>,
    output: &mut Output,
    report: &mut Report,
) -> Result<(), String> {
    output.program.push(("port", "8080".to_owned()));
    if let Some(keys) = file.get("apiKeys") {
        let text = |key: &Node| macros::environment(&key.text().unwrap_or_default(), environment);
        let all: Result<Vec<_>, _> = keys.items().iter().map(text).collect();
        let all = all.map_err(|error| format!("line {}: apiKeys: {error}", keys.line))?;
        report.taken(keys.line, "apiKeys", "program.api_keys");
        output.program.push(("api_keys", list(&all)));
    }
    let (default, least) = HEALTH_CHECK;
    let given = file.get("healthCheckTimeout");
    let seconds = given.and_then(Node::whole).filter(|seconds| *seconds != 0).unwrap_or(default).max(least);
    if let Some(given) = given {
        report.taken(given.line, "healthCheckTimeout", format!("program.start_timeout: {seconds}"));
    }
    output.program.push(("start_timeout", seconds.to_string()));
    Ok(())
}

/// The models in file order; ports are given in the order of their names.
fn models(file: &Node, environment: Environment<'_>, report: &mut Report) -> Result<Vec<Model>, String> {
    let global = Macros::default().with(file.get("macros"));
    let mut models = Vec::new();
    for (key, value) in file.get("models").into_iter().flat_map(Node::entries) {
        let Some(id) = key.text() else { continue };
        if !key.is_text() {
            let why = format!(
                "llama-swap reads this name as {id:?}, and then serves no model at all; taken as that name"
            );
            report.warn(key.line, &format!("models.{id}"), why);
        }
        unknown_keys(value, MODEL, MODEL_LOST, &format!("models.{id}."), report);
        let macros = global.with(value.get("macros")).with_text("MODEL_ID", &id);
        let cmd = value.get("cmd").and_then(Node::text).filter(|cmd| !cmd.trim().is_empty());
        let Some(cmd) = cmd else {
            report.lost(key.line, &format!("models.{id}"), "it has no cmd, so nothing says how to start it");
            continue;
        };
        let expanded = macros.expand(value);
        let cmd = expanded.get("cmd").and_then(Node::text).unwrap_or(cmd);
        models.push(Model { id, line: key.line, body: expanded, cmd, port: None, macros });
    }
    let mut next = file.get("startPort").and_then(Node::whole).unwrap_or(START_PORT);
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
            model.cmd = model.body.get("cmd").and_then(Node::text).unwrap_or_default();
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

fn entry(
    model: &Model,
    ids: &[String],
    global_ttl: i64,
    environment: Environment<'_>,
    report: &mut Report,
) -> Result<Entry, String> {
    let wrong = |line: usize, key: &str, error: String| format!("line {line}: {}: {error}", model.at(key));
    let words = words::split(&model.cmd).map_err(|error| wrong(model.line, "cmd", error))?;
    let mut keys = Vec::new();
    let mut variant = Vec::new();

    let aliases = aliases(model, ids, report);
    if !aliases.is_empty() {
        keys.push(("aliases", list(&aliases)));
    }
    let mode = mode(model, &words);
    report.warn(
        model.line,
        &format!("models.{}", model.id),
        format!("llama-swap doesn't say what it is for; taken for {mode}"),
    );
    keys.push(("mode", mode.to_owned()));
    let context = model.body.get("capabilities").and_then(|known| known.get("context"));
    if let Some((given, tokens)) = context.and_then(|given| Some((given, given.whole().filter(|n| *n > 0)?)))
    {
        report.taken(given.line, &model.at("capabilities.context"), format!("context_length: {tokens}"));
        keys.push(("context_length", tokens.to_string()));
    }
    if let Some(port) = port(model, report) {
        keys.push(("port", port.to_string()));
    }
    let ttl =
        model.body.get("ttl").and_then(Node::whole).filter(|ttl| *ttl >= 0).unwrap_or(global_ttl).max(0);
    let line = model.body.get("ttl").map_or(model.line, |ttl| ttl.line);
    report.taken(
        line,
        &model.at("ttl"),
        format!("alive_time: {} minutes ({ttl} s; 0 = never)", minutes(ttl)),
    );
    keys.push(("alive_time", minutes(ttl)));
    let limit = model
        .body
        .get("concurrencyLimit")
        .and_then(Node::whole)
        .filter(|limit| *limit > 0)
        .unwrap_or(CONCURRENCY);
    if let Some(given) = model.body.get("concurrencyLimit") {
        report.taken(
            given.line,
            &model.at("concurrencyLimit"),
            format!("max_concurrency: {limit}; requests beyond wait instead of getting 429"),
        );
    }
    keys.push(("max_concurrency", limit.to_string()));
    if is_container(&words) {
        // The container's port is held by the container engine, not by what was started.
        keys.push(("foreign_listener", "true".to_owned()));
    }
    if let Some(given) = model.body.get("unlisted").filter(|given| given.flag() == Some(true)) {
        if config::is_model_key("listed") {
            keys.push(("listed", "false".to_owned()));
        } else {
            report.lost(given.line, &model.at("unlisted"), "all models are in /v1/models");
        }
    }
    if let Some((line, name)) = model.text("useModelName") {
        report.taken(line, &model.at("useModelName"), format!("served_name: {name}"));
        variant.push(("served_name", quoted(&name)));
    }
    if let Some((line, endpoint)) = model.text("checkEndpoint") {
        if endpoint == "none" {
            report.lost(
                line,
                &model.at("checkEndpoint"),
                "a model is ready when it answers the request of its mode",
            );
        } else if endpoint.starts_with('/') && !endpoint.contains(['?', '#', ' ']) {
            report.taken(line, &model.at("checkEndpoint"), format!("probe: GET {endpoint}"));
            variant.push(("probe", format!("{{method: GET, path: {}}}", quoted(&endpoint))));
        } else {
            report.lost(line, &model.at("checkEndpoint"), "it is no plain path");
        }
    }
    if let Some((line, stop)) = model.text("cmdStop") {
        let stop = macros::environment(&stop, environment).map_err(|error| wrong(line, "cmdStop", error))?;
        if stop.contains("${PID}") {
            report.lost(
                line,
                &model.at("cmdStop"),
                "the whole process tree gets SIGTERM, then SIGKILL after stop_timeout",
            );
        } else {
            let stop = words::split(&stop).map_err(|error| wrong(line, "cmdStop", error))?;
            report.taken(line, &model.at("cmdStop"), format!("stop_command: {}", list(&stop)));
            variant.push(("stop_command", list(&stop)));
        }
    }
    if let Some(filters) = model.body.get("filters") {
        for (key, _) in filters.entries() {
            let name = key.text().unwrap_or_default();
            report.lost(
                key.line,
                &model.at(&format!("filters.{name}")),
                "requests are passed on as they are",
            );
        }
    }
    env(model, environment, &mut variant, report).map_err(|error| wrong(model.line, "env", error))?;
    report.taken(model.line, &model.at("cmd"), format!("Default.command: {}", list(&words)));
    if !cfg!(windows) && words::is_of_windows(&model.cmd) {
        report.warn(
            model.line,
            &model.at("cmd"),
            "its paths are those of Windows, and there are none such here",
        );
    }
    // A placeholder of ours in the command would be filled in.
    variant.push(("command", list(&words)));
    Ok(Entry { name: model.id.clone(), keys, variants: vec![("Default".to_owned(), variant)] })
}

fn aliases(model: &Model, ids: &[String], report: &mut Report) -> Vec<String> {
    let mut aliases: Vec<(usize, String)> = Vec::new();
    let given = model.body.get("aliases");
    let one = given.filter(|given| given.is_text()).into_iter();
    let given = given.map(Node::items).unwrap_or_default().iter().chain(one);
    for given in given {
        // A mapping has a name of its own in the list of models, and says whether it is there.
        match given.text().or_else(|| given.get("id")?.text()) {
            Some(alias) => aliases.push((given.line, alias)),
            None => report.warn(
                given.line,
                &model.at("aliases"),
                "a name is neither text nor has an id: left out",
            ),
        }
        for (key, _) in given.entries().filter(|(key, _)| key.text().as_deref() != Some("id")) {
            let name = key.text().unwrap_or_default();
            report.lost(
                key.line,
                &model.at(&format!("aliases.{name}")),
                "an alias is listed by its id, as long as its model is (`listed`)",
            );
        }
    }
    let by_id = model.body.get("filters").and_then(|filters| filters.get("setParamsByID"));
    aliases.extend(
        // The only keys in which macros are replaced.
        by_id
            .into_iter()
            .flat_map(Node::entries)
            .filter_map(|(key, _)| Some((key.line, model.macros.expand(key).text()?))),
    );
    let mut kept: Vec<String> = Vec::new();
    for (line, alias) in aliases {
        if alias.trim().is_empty() || ids.contains(&alias) || kept.contains(&alias) {
            if alias != model.id {
                report.warn(
                    line,
                    &model.at("aliases"),
                    format!("{alias:?} is empty, a model's name, or there twice: left out"),
                );
            }
            continue;
        }
        kept.push(alias);
    }
    kept
}

/// What a model is for, guessed from what starts it and how it is called.
fn mode(model: &Model, words: &[String]) -> &'static str {
    let has = |flags: &[&str]| words.iter().any(|word| flags.contains(&word.as_str()));
    let name = model.id.to_ascii_lowercase();
    let program =
        words.first().map(|word| word.rsplit(['/', '\\']).next().unwrap_or(word)).unwrap_or_default();
    let told = model.body.get("capabilities");
    let ranks = told.and_then(|known| known.get("reranker")).and_then(Node::flag);
    let kinds = |key: &str| {
        let kinds = told.and_then(|known| known.get(key)).map(Node::items).unwrap_or_default();
        kinds.iter().filter_map(Node::text).collect::<Vec<_>>()
    };
    let only = |key: &str, kind: &str| kinds(key) == [kind];
    if only("out", "image") || program == "sd-server" {
        "Image"
    } else if only("out", "audio") && !kinds("in").iter().any(|kind| kind == "audio") {
        "Speech"
    } else if only("in", "audio") || program.starts_with("whisper") || has(&["/v1/audio/transcriptions"]) {
        "Transcription"
    } else if ranks == Some(true) || has(&["--reranking", "--rerank"]) || name.contains("rerank") {
        "Reranker"
    } else if has(&["--embedding", "--embeddings"])
        || name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "emb" || word == "embed")
        || name.contains("embedd")
        || name.starts_with("bge")
        || matches!(program, "tei" | "text-embeddings-router" | "infinity_emb")
    {
        "Embedding"
    } else {
        "Chat"
    }
}

fn is_container(words: &[String]) -> bool {
    let program = words.first().map(|word| word.rsplit('/').next().unwrap_or(word));
    matches!(program, Some("docker" | "podman" | "nerdctl")) && words.iter().any(|word| word == "run")
}

/// The port from `${PORT}`, or else of `proxy`.
fn port(model: &Model, report: &mut Report) -> Option<i64> {
    let proxy = model.text("proxy");
    let Some((line, proxy)) = proxy else {
        if model.port.is_none() {
            report.warn(
                model.line,
                &model.at("cmd"),
                "neither ${PORT} nor a proxy says its port; add `port`",
            );
        }
        return model.port;
    };
    let rest = proxy.split_once("://").map_or(proxy.as_str(), |(_, rest)| rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    if !matches!(host, "127.0.0.1" | "localhost" | "[::1]" | "0.0.0.0") {
        report.lost(
            line,
            &model.at("proxy"),
            format!(
                "{proxy} is another machine, and a backend that a command starts is on this one; if the server runs there \
                 anyway, write `on: {{url: \"{}/v1\"}}` in place of `command`",
                proxy.trim_end_matches('/')
            ),
        );
        return model.port;
    }
    if !path.is_empty() {
        report.lost(line, &model.at("proxy"), format!("the path /{path}; write api_prefix"));
    }
    let port = port.parse::<u16>().ok().map(i64::from);
    if let Some(port) = port {
        report.taken(line, &model.at("proxy"), format!("port: {port}"));
    }
    port.or(model.port)
}

fn env(
    model: &Model,
    environment: Environment<'_>,
    variant: &mut Vec<(&'static str, String)>,
    report: &mut Report,
) -> Result<(), String> {
    let Some(given) = model.body.get("env") else { return Ok(()) };
    let mut entries = Vec::new();
    for item in given.items() {
        let text = macros::environment(&item.text().unwrap_or_default(), environment)?;
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                entries.retain(|(known, _)| known != name);
                entries.push((name.to_owned(), quoted(value)));
            }
            _ => report.warn(item.line, &model.at("env"), format!("{text:?} is no NAME=value: left out")),
        }
    }
    if !entries.is_empty() {
        report.taken(given.line, &model.at("env"), "Default.env");
        variant.push(("env", map(&entries)));
    }
    Ok(())
}

fn groups(file: &Node, ids: &[String], output: &mut Output, report: &mut Report) {
    let settings = file.get("routing").and_then(|routing| routing.get("router")?.get("settings"));
    let find = |key: &str| file.get(key).or_else(|| settings?.get(key));
    if let Some(matrix) = find("matrix") {
        let groups = exclusion::of_matrix(matrix, ids, report);
        for group in groups {
            slot(output, &group, matrix.line, report);
        }
        if let Some(costs) = matrix.get("evict_costs") {
            report.lost(
                costs.line,
                "matrix.evict_costs",
                "the models that are cheapest to load again are stopped first",
            );
        }
        return;
    }
    let mut grouped: Vec<String> = Vec::new();
    for (name, group) in find("groups").into_iter().flat_map(Node::entries) {
        let at = format!("groups.{}", name.text().unwrap_or_default());
        let mut members = Vec::new();
        for member in group.get("members").map(Node::items).unwrap_or_default() {
            match member.text().filter(|member| ids.contains(member)) {
                Some(member) => members.push(member),
                None => report.warn(
                    member.line,
                    &at,
                    format!("there is no model {:?}", member.text().unwrap_or_default()),
                ),
            }
        }
        let flag = |key: &str, default: bool| group.get(key).and_then(Node::flag).unwrap_or(default);
        if flag("persistent", false) {
            report.taken(name.line, &at, "pinned: true of its members");
            for model in output.models.iter_mut().filter(|model| members.contains(&model.name)) {
                model.keys.push(("pinned", "true".to_owned()));
            }
        }
        if flag("swap", true) && members.len() > 1 {
            slot(output, &members, name.line, report);
        }
        report.lost(
            name.line,
            &format!("{at}.exclusive"),
            "models are stopped when their memory is needed, not by groups",
        );
        grouped.extend(members);
    }
    let rest = ids.iter().filter(|id| !grouped.contains(id)).count();
    if rest > 1 {
        let why = format!(
            "llama-swap runs one at a time of the {rest} models that are in no group; here memory decides"
        );
        report.lost(0, "groups", why);
    }
}

/// The models of a group never run together: each needs all of one small device.
fn slot(output: &mut Output, members: &[String], line: usize, report: &mut Report) {
    let name = match output.slots.len() {
        0 => "swap slot".to_owned(),
        // No name may be a part of another one.
        count => format!("exchange slot {:03}", count + 1),
    };
    report.taken(line, "one at a time", format!("the device {name:?} for {}", members.join(", ")));
    for model in output.models.iter_mut().filter(|model| members.contains(&model.name)) {
        for (_, keys) in &mut model.variants {
            let mut slots: Vec<String> = vec![name.clone()];
            if let Some((_, known)) = keys.iter().find(|(key, _)| *key == "required_devices") {
                let known: Vec<String> = serde_json::from_str(known).unwrap_or_default();
                slots.splice(0..0, known);
            }
            keys.retain(|(key, _)| !matches!(*key, "required_devices" | "memory_mb"));
            let memory: Vec<_> = slots.iter().map(|slot| (slot.clone(), "1".to_owned())).collect();
            keys.insert(0, ("memory_mb", map(&memory)));
            keys.insert(0, ("required_devices", list(&slots)));
        }
    }
    output.slots.push(name);
}

fn preload(file: &Node, output: &mut Output, report: &mut Report) {
    let preload = file.get("hooks").and_then(|hooks| hooks.get("on_startup")?.get("preload"));
    for item in preload.map(Node::items).unwrap_or_default() {
        let name = item.text().unwrap_or_default();
        let has_alias = |entry: &Entry| {
            entry.keys.iter().any(|(key, value)| {
                *key == "aliases"
                    && serde_json::from_str::<Vec<String>>(value).is_ok_and(|aliases| aliases.contains(&name))
            })
        };
        match output.models.iter_mut().find(|entry| entry.name == name || has_alias(entry)) {
            Some(entry) => {
                report.taken(
                    item.line,
                    "hooks.on_startup.preload",
                    format!("Local-Models.{}.auto_start: true", entry.name),
                );
                if !entry.keys.iter().any(|(key, _)| *key == "auto_start") {
                    entry.keys.push(("auto_start", "true".to_owned()));
                }
            }
            None => report.warn(item.line, "hooks.on_startup.preload", format!("there is no model {name:?}")),
        }
    }
}
