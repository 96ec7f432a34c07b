//! The output of backends: which of it is hidden, and where it is kept.

use llm_manager_actors::ActorRef;
use llm_manager_actors::captures::Captures;
use llm_manager_actors::logs::files::LogFiles;
use llm_manager_actors::logs::mask::Mask;
use llm_manager_actors::logs::{HubSink, LogHub};
use llm_manager_policy::log_files::LogBounds;
use llm_manager_policy::spec::{Launch, ModelSpec, Place, Spec, UrlPlace};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long the end of the program waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Words that tell a variable or an argument whose value is nobody's business.
const SECRET: [&str; 6] = ["key", "token", "secret", "password", "passwd", "credential"];

/// Folder of what is this manager's alone: the records of running backends, measurements, the overflow of the ledger.
pub(crate) fn state_dir(spec: &Spec) -> PathBuf {
    let common = common_dir(spec);
    if spec.program.shared { common.join("managers").join(super::peers::own_name(spec)) } else { common }
}

/// Folder of what managers have in common that share their ledger: jobs with their keys, and the keys of clients. Where the
/// ledger is, for it can be written to.
pub(crate) fn common_dir(spec: &Spec) -> PathBuf {
    let database = Path::new(&spec.program.database);
    let folder = database.parent().filter(|_| !spec.program.database.contains("://"));
    folder.map_or_else(|| spec.base_dir.join("data"), Path::to_owned)
}

/// Folder of the logs of runs; `None`: none are kept.
pub(crate) fn log_folder(spec: &Spec) -> Option<PathBuf> {
    let folder = || spec.logs.folder.clone().unwrap_or_else(|| state_dir(spec).join("logs"));
    (spec.logs.bytes > 0).then(folder)
}

/// What hides the secrets of the configuration.
pub(super) fn mask(spec: &Spec) -> Arc<Mask> {
    let mask = Mask::default();
    learn(&mask, spec);
    Arc::new(mask)
}

/// Has those of a changed configuration hidden, too.
pub(super) fn learn(mask: &Mask, spec: &Spec) {
    if let Err(error) = mask.learn(secrets(spec)) {
        log::error!("logs: the secrets of the configuration can't be hidden in them: {error}");
    }
}

/// Starts what keeps requests, where a model says so.
pub(super) fn captures(spec: &Spec, mask: &Arc<Mask>) -> Result<Captures, String> {
    let folder = state_dir(spec).join("captures");
    let started = Captures::start(folder, spec.program.captures, Arc::clone(mask));
    started.map_err(|error| format!("requests can't be kept: {error}"))
}

/// Starts what keeps the logs. Without them everything else goes on. Blocks for a moment.
pub(super) fn sink(spec: &Spec, hub: &ActorRef<LogHub>, mask: &Arc<Mask>) -> HubSink {
    let bounds = LogBounds { bytes: spec.logs.bytes, age: u64::from(spec.logs.days) * 24 * 60 * 60 };
    let files = log_folder(spec).and_then(|folder| {
        let started = LogFiles::start(&folder, bounds, Arc::clone(mask));
        let lost = |error| {
            log::warn!(
                "logs: {}: {error}: what backends print stays in memory only (`logs.folder`)",
                folder.display()
            );
        };
        started.map_err(lost).ok()
    });
    let has_own_files = spec.program.shared && spec.logs.folder.is_none();
    HubSink { hub: hub.clone(), files, has_own_files, mask: Arc::clone(mask) }
}

/// Waits for the last requests to be written.
pub(super) async fn finish_captures(captures: &Captures) {
    // What isn't written by then is lost, and nobody waits for it.
    let _ = actix_web::rt::time::timeout(LAST_LINES, captures.drain()).await;
}

/// Waits for the last lines.
pub(super) async fn finish(files: Option<LogFiles>) {
    let Some(files) = files else { return };
    // At the end of the program there is nobody left to be told.
    let _ = actix_web::rt::task::spawn_blocking(move || files.drain(LAST_LINES)).await;
}

/// What may stand in no log.
fn secrets(spec: &Spec) -> Vec<String> {
    let program = &spec.program;
    let mut found = program.api_keys.clone();
    let authority = program.database.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
    let password = authority.and_then(|(user, _)| user.split_once(':'));
    found.extend(password.map(|(_, password)| password.to_owned()));
    found.extend(spec.notify.iter().flat_map(|outlet| outlet.way.secrets()));
    for model in &spec.models {
        found.extend(of_model(model));
    }
    found
}

fn of_model(model: &ModelSpec) -> Vec<String> {
    let mut found = Vec::new();
    for variant in &model.variants {
        let secret = variant.env.iter().filter(|(name, _)| is_secret(name));
        found.extend(secret.map(|(_, value)| value.clone()));
        if let Place::Url(UrlPlace { key: Some(key), .. }) = &variant.place {
            found.push(key.reveal().to_owned());
        }
        let headers = variant.probe.iter().chain(&model.mode.probes).flat_map(|probe| &probe.headers);
        for (name, value) in headers.filter(|(name, _)| is_secret(name) || name == "authorization") {
            // `Bearer KEY` is printed without its first word, too.
            let word = value.split_whitespace().next_back().filter(|_| name == "authorization");
            found.extend(word.map(str::to_owned));
            found.push(value.clone());
        }
        if let Launch::Command(words) = &variant.launch {
            found.extend(arguments(words));
        }
    }
    found
}

/// `--api-key KEY` and `--api-key=KEY`.
fn arguments(words: &[String]) -> Vec<String> {
    let option = |word: &str| word.starts_with('-') && is_secret(word);
    let pairs = words.windows(2).filter_map(|pair| match pair {
        [name, value] if option(name) && !name.contains('=') && !value.starts_with('-') => {
            Some(value.clone())
        }
        _ => None,
    });
    let joined = words.iter().filter_map(|word| {
        let (name, value) = word.split_once('=')?;
        option(name).then(|| value.to_owned())
    });
    // `--max-tokens 4096` is no secret.
    pairs.chain(joined).filter(|value| value.parse::<f64>().is_err()).collect()
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.into_iter().any(|word| SECRET.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn secrets_are_found_and_ordinary_words_are_not() {
        let yaml = "program:\n  api_keys: [sk-program]\n  database: postgres://llm:pg-pass@db/llm\n\
                    Local-Models:\n  m:\n    probe: {headers: {Authorization: Bearer probe-key}}\n    V:\n      \
                    env: {HF_TOKEN: hf_abc, OMP_NUM_THREADS: 8, TOKENIZERS_PARALLELISM: \"false\"}\n      \
                    command: [srv, --api-key, arg-key, --max-tokens, \"4096\", --hf-token=hf_def, --key-value, -x]\n    W:\n      \
                    on: {url: \"http://box/v1\", key: far-key-1}\n";
        let spec = crate::config::parse(yaml.as_bytes(), Path::new("/c.yaml")).unwrap().spec;
        let mut found = secrets(&spec);
        found.sort();
        found.dedup();
        assert_eq!(
            found,
            [
                "Bearer probe-key",
                "arg-key",
                "far-key-1",
                "hf_abc",
                "hf_def",
                "pg-pass",
                "probe-key",
                "sk-program"
            ]
        );
    }
}
