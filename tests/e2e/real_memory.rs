//! What is reckoned of a model's memory, against what the real llama-server says of its buffers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use llm_manager_policy::memory::{Cards, Estimate, MemoryPurpose};
use llm_manager_weights::look_at;

use crate::real_engine::{missing, program, root};
use crate::support::{free_port, wait_until};

/// Buffers by the name that the log gives them, and ours.
const BUFFERS: [(&str, MemoryPurpose); 4] = [
    ("model", MemoryPurpose::Weights),
    ("KV", MemoryPurpose::Cache),
    ("RS", MemoryPurpose::State),
    ("compute", MemoryPurpose::Compute),
];

/// What one start costs: the command's words, without the server's own.
fn words(engine: &Path, file: &Path, flags: &[&str]) -> Vec<String> {
    let mut words = vec![engine.join("llama-server").display().to_string(), "-m".to_owned()];
    words.push(file.display().to_string());
    words.extend(flags.iter().map(|flag| (*flag).to_owned()));
    words
}

/// MiB that the server says it takes, by buffer.
fn said(words: &[String], log: &Path) -> BTreeMap<&'static str, f64> {
    let out = std::fs::File::create(log).unwrap();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(["--host", "127.0.0.1", "--port", &free_port().to_string()]);
    // Weights that are repacked for the processor are in the log twice.
    command.args(["-t", "1", "--no-warmup", "--no-repack", "-fit", "off", "-v"]);
    let mut server =
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
    let text = || std::fs::read_to_string(log).unwrap_or_default();
    wait_until("the server has its buffers", Duration::from_secs(60), || {
        let over = server.try_wait().unwrap().is_some();
        over || text().contains("server is listening") || text().contains("model loaded")
    });
    let _ = server.kill();
    server.wait().unwrap();
    let mut said = BTreeMap::new();
    for line in text().lines() {
        let Some((before, amount)) = line.split_once(" buffer size =") else { continue };
        let mib = amount.trim().split(' ').next().and_then(|mib| mib.parse::<f64>().ok());
        let buffer = BUFFERS.iter().find(|(name, _)| before.ends_with(name));
        if let (Some((name, _)), Some(mib)) = (buffer, mib) {
            *said.entry(*name).or_default() += mib;
        }
    }
    said
}

fn reckoned(estimate: &Estimate, kind: MemoryPurpose) -> f64 {
    let parts = estimate.parts.iter().filter(|part| part.kind == kind);
    parts.map(|part| part.bytes as f64 / f64::from(1 << 20)).sum()
}

fn compare(engine: &Path, file: &Path, flags: &[&str], log: &Path) {
    let words = words(engine, file, flags);
    let said = said(&words, log);
    let what = format!("{} {}", file.file_name().unwrap().display(), flags.join(" "));
    assert!(said.contains_key("model"), "{what}: the log says nothing of buffers; see {}", log.display());
    let estimate = look_at(&words, Path::new("/"), &Cards::default()).unwrap();
    let mut sums = (0.0, 0.0);
    for (name, kind) in BUFFERS {
        let (ours, theirs) = (reckoned(&estimate, kind), said.get(name).copied().unwrap_or_default());
        eprintln!("{what}: {name}: {ours:.2} MiB reckoned, {theirs:.2} said");
        if kind != MemoryPurpose::Compute {
            let near = (ours - theirs).abs() <= theirs * 0.01 + 0.1;
            assert!(near, "{what}: {name}: {ours} MiB reckoned, {theirs} said");
        }
        sums = (sums.0 + ours, sums.1 + theirs);
    }
    assert!((sums.0 - sums.1).abs() <= sums.1 * 0.1, "{what}: {} MiB reckoned, {} said", sums.0, sums.1);
}

#[test]
fn fifteen_architectures_take_what_was_reckoned() {
    let Some(engine) = program() else { return };
    let python = [engine.join("venv/bin/python"), root().join(".engine/venv/bin/python")];
    let Some(python) = python.iter().find(|python| python.exists()) else {
        missing::<()>("no Python with gguf beside the engine (make engine)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let made =
        Command::new(python).arg(root().join("demo/make_architectures.py")).arg(folder.path()).status();
    assert!(made.unwrap().success());
    let log = folder.path().join("log");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "gguf"));
    files.sort();
    assert_eq!(files.len(), 15);
    for file in &files {
        compare(&engine, file, &["-c", "8192"], &log);
    }
    let file = |name: &str| folder.path().join(format!("{name}.gguf"));
    for (name, flags) in [
        ("llama", &["-c", "8192", "-np", "3"][..]),
        ("llama", &["-c", "8192", "-ctk", "q8_0", "-ctv", "q4_0"][..]),
        ("llama", &["-c", "8192", "-fa", "off"][..]),
        ("llama", &[][..]),
        ("gemma3", &["-c", "32768", "-np", "4"][..]),
        ("gemma3", &["-c", "16384", "--swa-full"][..]),
        ("jamba", &["-c", "4096", "-np", "2"][..]),
        ("deepseek2", &["-c", "16384", "-np", "2", "-kvu", "-ub", "256"][..]),
    ] {
        compare(&engine, &file(name), flags, &log);
    }
}
