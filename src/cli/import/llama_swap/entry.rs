//! One model as an entry of ours.

use super::super::emit::{ModelEntry, list, map, minutes, quoted};
use super::super::macros::{self, EnvLookup};
use super::super::report::ImportReport;
use super::super::split_command;
use super::super::yaml11::YamlNode;
use super::model::SwapModel;
use crate::config;

/// How many requests at a time when the file doesn't say it.
const CONCURRENCY: i64 = 10;

pub(super) fn entry(
    model: &SwapModel,
    ids: &[String],
    global_ttl: i64,
    environment: EnvLookup<'_>,
    report: &mut ImportReport,
) -> Result<ModelEntry, String> {
    let wrong = |line: usize, key: &str, error: String| format!("line {line}: {}: {error}", model.at(key));
    let words = split_command::split(&model.cmd).map_err(|error| wrong(model.line, "cmd", error))?;
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
        model.body.get("ttl").and_then(YamlNode::whole).filter(|ttl| *ttl >= 0).unwrap_or(global_ttl).max(0);
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
        .and_then(YamlNode::whole)
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
            let stop = split_command::split(&stop).map_err(|error| wrong(line, "cmdStop", error))?;
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
    if !cfg!(windows) && split_command::is_of_windows(&model.cmd) {
        report.warn(
            model.line,
            &model.at("cmd"),
            "its paths are those of Windows, and there are none such here",
        );
    }
    // A placeholder of ours in the command would be filled in.
    variant.push(("command", list(&words)));
    Ok(ModelEntry { name: model.id.clone(), keys, variants: vec![("Default".to_owned(), variant)] })
}

fn aliases(model: &SwapModel, ids: &[String], report: &mut ImportReport) -> Vec<String> {
    let mut aliases: Vec<(usize, String)> = Vec::new();
    let given = model.body.get("aliases");
    let one = given.filter(|given| given.is_text()).into_iter();
    let given = given.map(YamlNode::items).unwrap_or_default().iter().chain(one);
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
            .flat_map(YamlNode::entries)
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
fn mode(model: &SwapModel, words: &[String]) -> &'static str {
    let has = |flags: &[&str]| words.iter().any(|word| flags.contains(&word.as_str()));
    let name = model.id.to_ascii_lowercase();
    let program =
        words.first().map(|word| word.rsplit(['/', '\\']).next().unwrap_or(word)).unwrap_or_default();
    let told = model.body.get("capabilities");
    let ranks = told.and_then(|known| known.get("reranker")).and_then(YamlNode::flag);
    let kinds = |key: &str| {
        let kinds = told.and_then(|known| known.get(key)).map(YamlNode::items).unwrap_or_default();
        kinds.iter().filter_map(YamlNode::text).collect::<Vec<_>>()
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
fn port(model: &SwapModel, report: &mut ImportReport) -> Option<i64> {
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
    model: &SwapModel,
    environment: EnvLookup<'_>,
    variant: &mut Vec<(&'static str, String)>,
    report: &mut ImportReport,
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
