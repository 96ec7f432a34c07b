//! Transcripts in the documentation are what the program prints: recorded here, and compared.
//!
//! A block behind the line `<!-- recorded: NAME -->` of a page, in both languages. Numbers may differ, and with them the
//! width of columns; words may not. `UPDATE_DOCS=1 cargo test --test e2e recorded` writes the blocks.

use std::path::Path;
use std::process::Command;

use crate::support::{Config, Manager, Model, PATIENCE, Variant, wait_until};

/// Compares the blocks of this name with what the program has printed.
#[track_caller]
pub(crate) fn compare(page: &str, name: &str, fresh: &str) {
    for ending in ["md", "zh-CN.md"] {
        let file = format!("docs/{page}.{ending}");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        let text = std::fs::read_to_string(&path).unwrap();
        let start = format!("<!-- recorded: {name} -->\n\n```text\n");
        let (head, rest) = text.split_once(&start).unwrap_or_else(|| panic!("{file} has no {start}"));
        let (block, tail) = rest.split_once("\n```\n").unwrap();
        if shape(block) == shape(fresh) {
            continue;
        }
        let update = std::env::var_os("UPDATE_DOCS").is_some();
        assert!(
            update,
            "{file}: `{name}` is not what the program prints; run `UPDATE_DOCS=1 cargo test --test e2e recorded`.\n\
             It says\n{block}\nand the program\n{fresh}"
        );
        std::fs::write(&path, format!("{head}{start}{}\n```\n{tail}", fresh.trim_end())).unwrap();
    }
}

/// What has to be the same: the words. Numbers are one, and so is how long something is up.
fn shape(text: &str) -> Vec<String> {
    let words = |line: &str| {
        let mut shape = String::new();
        for letter in line.split_once(", up ").map_or(line, |(before, _)| before).chars() {
            match letter {
                '0'..='9' if shape.ends_with('#') => {}
                '0'..='9' => shape.push('#'),
                '.' if shape.ends_with('#') => {}
                letter => shape.push(letter),
            }
        }
        shape.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    text.trim_end().lines().map(words).collect()
}

/// Commands with what they print, one after the other.
#[derive(Default)]
struct Transcript(String);

impl Transcript {
    fn add(&mut self, command: &str, printed: &str) {
        let lines: Vec<&str> = printed.trim_end().lines().map(str::trim_end).collect();
        self.0.push_str(&format!("$ {command}\n{}\n", lines.join("\n")));
    }

    fn run(&mut self, manager: &Manager, arguments: &[&str]) {
        self.add(&format!("llm-manager {}", arguments.join(" ")), &manager.cli_ok(arguments));
    }
}

#[test]
fn the_first_commands() {
    let launched = |model: Model| model.variant(Variant::new("Default"));
    let config = Config::with(launched(Model::chat("Qwen-14B-Chat")));
    let config = config.model(launched(Model::new("bge-m3", "Embedding")));
    let manager = Manager::start(&config);
    manager.chat("Qwen-14B-Chat").send().ok();
    manager.chat("Qwen-14B-Chat").send().ok();
    let mut said = Transcript::default();
    said.run(&manager, &["start", "bge-m3"]);
    said.run(&manager, &["status"]);
    let mut tree = String::new();
    wait_until("the rows are written", PATIENCE, || {
        tree = manager.cli_ok(&["tree"]);
        tree.contains("idle, 2 rows written")
    });
    // There is one for each core of the machine.
    let lines: Vec<&str> = tree.lines().filter(|line| !line.contains("gateway-")).collect();
    said.add("llm-manager tree", &lines.join("\n"));
    said.run(&manager, &["restart", "bge-m3"]);
    said.run(&manager, &["stop", "bge-m3"]);
    compare("reference/command-line", "first commands", &said.0);
}

#[test]
fn a_file_with_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    let text = "program:\n  prot: 8080\nLocal-Models:\n  Qwen-14B-Chat:\n    mode: \"Chatt\"\n    port: 10001\n    Default:\n      \
                script_path: scripts/qwen14.sh\n  bge-m3:\n    mode: Embedding\n    port: 10001\n    Default: {}\n";
    std::fs::write(dir.path().join("bad.yaml"), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_llm-manager"))
        .args(["--config", "bad.yaml", "check"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let folder = dir.path().canonicalize().unwrap().display().to_string();
    let mut said = Transcript::default();
    said.add("llm-manager --config bad.yaml check", &printed.replace(&folder, "/srv/llm"));
    said.add("echo $?", &output.status.code().unwrap().to_string());
    compare("guide/models", "check", &said.0);
}

#[test]
fn a_reload_that_is_only_asked_about() {
    let qwen = || Model::chat("Qwen-14B-Chat");
    let reranker =
        |flags: &[&str]| Model::new("Reranker", "Reranker").variant(Variant::new("Default").flags(flags));
    let config = Config::with(qwen()).model(reranker(&[])).model(Model::chat("Old"));
    let manager = Manager::start(&config);
    let changed = Config::with(qwen().line("aliases: [qwen-14b]").line("alive_time: 30"))
        .model(reranker(&["--context", "4096"]))
        .program("log_level: INFO")
        .program("client_write_timeout: 30");
    manager.write(&changed);
    let mut said = Transcript::default();
    said.run(&manager, &["reload", "--dry-run"]);
    compare("operations/reload", "reload", &said.0);
}

#[test]
fn numbers_may_differ_and_words_may_not() {
    assert_eq!(
        shape(" a  10.5s b\n├─ logs  running, up 1m 2s\n"),
        shape("a 9s  b\n├─ logs running, up 5.0s")
    );
    assert_ne!(shape("a 10 b"), shape("a 10 c"));
}
