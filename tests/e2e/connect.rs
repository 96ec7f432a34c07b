//! What `connect` prints works as it is written.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Config, Manager, Model};

/// A name and a key that every kind of quotes has to carry.
const MODEL: &str = "it's \"mine\"";
const ALIASES: &str = r#"aliases: ["it's \"mine\""]"#;
const KEY: &str = "k'1\"$HOME";

fn manager() -> Manager {
    Manager::start(
        &Config::new()
            .api_key(KEY)
            .model(Model::chat("chat").line(ALIASES))
            .model(Model::new("base", "Base"))
            .model(Model::new("embed", "Embedding"))
            .model(Model::new("rerank", "Reranker")),
    )
}

const MODELS: [&str; 4] = [MODEL, "base", "embed", "rerank"];

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}\n{errors}", output.status);
    text
}

/// The packages of `make engine`; without them the test is skipped, unless they are required.
fn clients() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".engine/clients");
    if folder.join("venv/bin/python").exists() && folder.join("node_modules/openai").exists() {
        return Some(folder);
    }
    assert!(std::env::var("CI_REQUIRE_ENGINE").as_deref() != Ok("1"), "no {}", folder.display());
    eprintln!("skipped: no {} (make engine)", folder.display());
    None
}

#[test]
fn curl_works_as_it_is_printed() {
    let manager = manager();
    for model in MODELS {
        let text = manager.cli_ok(&["connect", "curl", "--model", model]);
        let answer = run(Command::new("sh").args(["-c", &text]));
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert!(answer.get("error").is_none() && answer.is_object(), "{model}: {answer}");
    }
    let overview = manager.cli_ok(&["connect"]);
    assert!(overview.contains(&format!("{}/v1", manager.url())) && overview.contains(KEY), "{overview}");
}

#[test]
fn python_works_as_it_is_printed() {
    let Some(clients) = clients() else { return };
    let manager = manager();
    for model in MODELS {
        let text = manager.cli_ok(&["connect", "python", "--model", model]);
        let file = manager.path("hello.py");
        std::fs::write(&file, text).unwrap();
        let answer = run(Command::new(clients.join("venv/bin/python")).arg(&file));
        assert!(!answer.trim().is_empty(), "{model}");
    }
}

#[test]
fn node_works_as_it_is_printed() {
    let Some(clients) = clients() else { return };
    let manager = manager();
    std::os::unix::fs::symlink(clients.join("node_modules"), manager.path("node_modules")).unwrap();
    for model in MODELS {
        let text = manager.cli_ok(&["connect", "node", "--model", model]);
        let file = manager.path("hello.mjs");
        std::fs::write(&file, text).unwrap();
        let answer = run(Command::new("node").arg(&file).current_dir(manager.path("")));
        assert!(!answer.trim().is_empty(), "{model}");
    }
}
