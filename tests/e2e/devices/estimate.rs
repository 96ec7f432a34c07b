//! `memory_mb: auto` before anything was measured: the file's header and the script's flags say what it takes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Manager, Model, Variant};

use super::world::{Gpus, assert_says, model};

/// A model of 4 layers in a sparse file: 3000 MiB of weights, a row of the cache of 2048 bytes for each layer.
fn gguf(path: &Path) {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let numbers = [
        ("block_count", 4_u32),
        ("context_length", 131_072),
        ("embedding_length", 1024),
        ("attention.head_count", 8),
        ("attention.head_count_kv", 4),
        ("attention.key_length", 128),
        ("attention.value_length", 128),
    ];
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(5_u64.to_le_bytes());
    bytes.extend((numbers.len() as u64 + 1).to_le_bytes());
    bytes.extend([text("general.architecture"), 8_u32.to_le_bytes().to_vec(), text("llama")].concat());
    for (key, number) in numbers {
        bytes.extend([text(&format!("llama.{key}")), 4_u32.to_le_bytes().to_vec()].concat());
        bytes.extend(number.to_le_bytes());
    }
    for at in 0..5_u64 {
        let name = if at < 4 { format!("blk.{at}.attn_q.weight") } else { "output.weight".to_owned() };
        bytes.extend([text(&name), 1_u32.to_le_bytes().to_vec(), 1_u64.to_le_bytes().to_vec()].concat());
        bytes.extend([0_u32.to_le_bytes().to_vec(), (at * (600 << 20)).to_le_bytes().to_vec()].concat());
    }
    let begin = bytes.len().div_ceil(32) * 32;
    std::fs::write(path, bytes).unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_len(begin as u64 + (3000 << 20)).unwrap();
}

/// A program called llama-server, which takes eight words off and is the fake server.
pub(super) fn lookalike(folder: &Path) -> String {
    let path = folder.join("llama-server");
    let fake = env!("CARGO_BIN_EXE_fake-model-server");
    std::fs::write(&path, format!("#!/bin/sh\nshift 8\nexec {fake} \"$@\"\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn a_model_that_never_ran_is_placed_by_its_header() {
    let gpus = Gpus::one(24000);
    let folder = tempfile::tempdir().unwrap();
    gguf(&folder.path().join("m.gguf"));
    let (server, file) = (lookalike(folder.path()), folder.path().join("m.gguf").display().to_string());
    let command = [
        server.as_str(),
        "-m",
        file.as_str(),
        "-c",
        "131072",
        "-ctk",
        "f16",
        "-fit",
        "off",
        "--port",
        "{port}",
        "--name",
        "auto",
        "--marker",
        "{dir}",
    ];
    let variant = Variant::new("V").on_any("gpu a").line("memory_mb: auto").command(&command);
    let config = gpus
        .config()
        .model(Model::chat("auto").line("read_ahead: false").variant(variant))
        .model(model("large", 21000));
    let manager = Manager::start(&config);

    // 3000 of weights, 131072 cells of 4 x 2048 bytes, 512 x 131072 x 2 of mask, and guesses.
    let memory = manager.api("/api/models/auto/memory");
    let variant = &memory["variants"][0];
    assert_eq!(variant["basis"], "estimated", "{memory}");
    let mib = variant["memory_mb"]["gpu a"].as_u64().unwrap();
    assert!((4152..4600).contains(&mib), "{memory}");
    let part = |name: &str| {
        let parts = variant["parts"].as_array().unwrap();
        let part = parts.iter().find(|part| part["part"] == name && part["device"] == "gpu a");
        part.map(|part| part["memory_mb"].as_f64().unwrap())
    };
    assert_eq!((part("weights"), part("KV cache")), (Some(3000.0), Some(1024.0)), "{memory}");

    manager.chat("large").send().ok();
    let stream = super::world::busy(&manager, "large");
    let call = manager.chat("auto").spawn();
    manager.wait_state("auto", "queued");
    let explained = manager.cli_ok(&["explain", "auto"]);
    assert_says(&explained, &[&format!("needs {mib} MiB")]);
    manager.touch("go-large");
    stream.finish().ok();
    call.join().unwrap().ok();
    let devices = manager.api("/api/devices");
    let held = devices.as_array().unwrap().iter().find(|one| one["name"] == "gpu a").unwrap();
    assert_eq!(held["holders"][0]["reserved_mb"], mib, "{devices}");
    assert_says(&manager.log(), &[&format!("V was never measured; estimated: {mib} MiB on gpu a")]);

    let said = manager.cli_ok(&["explain", "--memory", "auto"]);
    assert_says(
        &said,
        &["auto: V is given", "an estimate until a run is measured", "KV cache", "1024.0 MiB"],
    );
    let said = manager.cli_ok(&["explain", "--memory", "large"]);
    assert_says(
        &said,
        &["is given 21000 MiB on gpu a (memory_mb)", "no estimate: its command or script starts no"],
    );
}

#[test]
fn a_file_that_is_not_there_leaves_the_memory_unchecked() {
    let gpus = Gpus::one(24000);
    let folder = tempfile::tempdir().unwrap();
    let server = lookalike(folder.path());
    let command = [
        server.as_str(),
        "-m",
        "none.gguf",
        "-c",
        "1",
        "-ctk",
        "f16",
        "-fit",
        "off",
        "--port",
        "{port}",
        "--name",
        "auto",
        "--marker",
        "{dir}",
    ];
    let variant = Variant::new("V").on_any("gpu a").line("memory_mb: auto").command(&command);
    let manager = Manager::start(&gpus.config().model(Model::chat("auto").variant(variant)));
    manager.chat("auto").send().ok();
    assert_says(&manager.log(), &["the memory of V isn't checked: \"none.gguf\" is no file or folder here"]);
    assert_eq!(manager.api("/api/models/auto/memory")["variants"][0]["basis"], "unchecked");
}
