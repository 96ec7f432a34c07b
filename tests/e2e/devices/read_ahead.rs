//! Weights are read into the page cache as soon as a model is wanted.

use std::path::Path;

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

use super::estimate::lookalike;
use super::world::{Gpus, busy, model};

/// A file of 8 MiB.
fn weights(folder: &Path) -> String {
    let path = folder.join("m.gguf");
    std::fs::write(&path, vec![1; 8 << 20]).unwrap();
    path.display().to_string()
}

const READ: &str = "read 8 MiB of weights ahead";

#[test]
fn they_are_read_while_the_model_waits_for_memory() {
    let gpus = Gpus::one(24000);
    let folder = tempfile::tempdir().unwrap();
    let file = weights(folder.path());
    let waiting = model("b", 20000).line(&format!("weights: [{file:?}]"));
    let manager = Manager::start(&gpus.config().model(model("a", 20000)).model(waiting));
    manager.chat("a").send().ok();
    let stream = busy(&manager, "a");
    let call = manager.chat("b").spawn();
    wait_until("the weights are read", PATIENCE, || manager.log().contains(&format!("models/b: {READ}")));
    assert_eq!(manager.state("b"), "queued");
    manager.touch("go-a");
    stream.finish().ok();
    call.join().unwrap().ok();
    assert!(!manager.log().contains(&format!("models/a: {READ}")), "nothing says what a's weights are");
}

#[test]
fn the_command_line_names_them_unless_it_is_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let (server, file) = (lookalike(folder.path()), weights(folder.path()));
    let model = |name: &str, line: &str| {
        let words = [
            server.as_str(),
            "-m",
            file.as_str(),
            "-c",
            "1",
            "-ctk",
            "f16",
            "-fit",
            "off",
            "--port",
            "{port}",
            "--name",
            name,
        ];
        let words: Vec<&str> = words.into_iter().chain(["--marker", "{dir}"]).collect();
        Model::chat(name).line(line).command(&words)
    };
    let config =
        Config::new().model(model("on", "read_ahead: true")).model(model("off", "read_ahead: false"));
    let manager = Manager::start(&config);
    manager.chat("off").send().ok();
    manager.chat("on").send().ok();
    // It may still read when its model is ready already: a small file is read in the first piece.
    wait_until("the weights are read", PATIENCE, || manager.log().contains(&format!("models/on: {READ}")));
    assert!(!manager.log().contains(&format!("models/off: {READ}")));
}
