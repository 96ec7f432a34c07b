//! Devices made of a script and a text file.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::rc::Rc;

use serde_json::Value;

pub(super) use crate::support::assert_says;
use crate::support::{Config, Manager, Model, PATIENCE, Reply, Variant, wait_until};

/// Answers what its file says: `TOTAL USED ONLINE` and, in the lines below, `MODEL MIB` for each model that
/// uses that much while its newest backend lives, and the file `asleep-MODEL` is not there. Runs in the manager's folder, with the file as its argument.
const SCRIPT: &str = r#"#!/bin/sh
if [ -e "$1.raw" ]; then . "$1.raw"; exit; fi
{
  read -r total used online
  while read -r model mib; do
    pid=
    if [ -e "starts-$model" ]; then
      while read -r one port; do pid=$one; done < "starts-$model"
    fi
    if [ -e "asleep-$model" ]; then mib=0; fi
    if [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null; then used=$((used + mib)); fi
  done
} < "$1"
echo "{\"online\":$online,\"memory_total_mb\":$total,\"memory_used_mb\":$used,\"utilization\":7,\"temperature_c\":40}"
"#;

/// A device as its file has it.
#[derive(Clone)]
struct Gpu {
    name: String,
    total: u64,
    used: u64,
    online: bool,
    models: Vec<(String, u64)>,
    /// Further lines of its entry.
    lines: Vec<String>,
}

/// `exec` devices.
pub(super) struct Gpus {
    dir: Rc<tempfile::TempDir>,
    gpus: Vec<Gpu>,
}

impl Gpus {
    pub(super) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("gpus-").tempdir().unwrap();
        let script = dir.path().join("gpu.sh");
        std::fs::write(&script, SCRIPT).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir: Rc::new(dir), gpus: vec![] }
    }

    /// One device, `gpu a`.
    pub(super) fn one(total: u64) -> Self {
        Self::new().gpu("gpu a", total)
    }

    pub(super) fn gpu(mut self, name: &str, total: u64) -> Self {
        self.gpus.push(Gpu {
            name: name.to_owned(),
            total,
            used: 0,
            online: true,
            models: vec![],
            lines: vec![],
        });
        self.write(name);
        self
    }

    /// While the model's newest backend lives, the device shows that much more.
    pub(super) fn shows(mut self, name: &str, model: &str, mib: u64) -> Self {
        self.change(name, |gpu| gpu.models.push((model.to_owned(), mib)));
        self
    }

    /// The same devices in the same files, without further lines.
    pub(super) fn again(&self) -> Self {
        let gpus = self.gpus.iter().map(|gpu| Gpu { lines: vec![], ..gpu.clone() }).collect();
        Self { dir: Rc::clone(&self.dir), gpus }
    }

    /// A line of the device's entry, such as `give_way: true`.
    pub(super) fn line(mut self, name: &str, line: &str) -> Self {
        self.change(name, |gpu| gpu.lines.push(line.to_owned()));
        self
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut Gpu)) {
        change(self.gpus.iter_mut().find(|gpu| gpu.name == name).unwrap());
        self.write(name);
    }

    /// Memory that something other than the models uses.
    pub(super) fn used(&mut self, name: &str, mib: u64) {
        self.change(name, |gpu| gpu.used = mib);
    }

    pub(super) fn online(&mut self, name: &str, online: bool) {
        self.change(name, |gpu| gpu.online = online);
    }

    /// From now on the device is this piece of shell.
    pub(super) fn raw(&self, name: &str, shell: &str) {
        let path = self.file(name).with_extension("raw");
        std::fs::write(path.with_extension("new"), shell).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    }

    pub(super) fn not_raw(&self, name: &str) {
        std::fs::remove_file(self.file(name).with_extension("raw")).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name.replace(' ', "-"))
    }

    fn write(&self, name: &str) {
        let gpu = self.gpus.iter().find(|gpu| gpu.name == name).unwrap();
        let mut text = format!("{} {} {}\n", gpu.total, gpu.used, gpu.online);
        for (model, mib) in &gpu.models {
            text.push_str(&format!("{model} {mib}\n"));
        }
        let file = self.file(name);
        std::fs::write(file.with_extension("new"), text).unwrap();
        std::fs::rename(file.with_extension("new"), file).unwrap();
    }

    /// A configuration with these devices: no `min_hold`, a `max_hold` that no test reaches.
    pub(super) fn config(&self) -> Config {
        let mut text = "devices:".to_owned();
        for gpu in &self.gpus {
            let script = self.dir.path().join("gpu.sh");
            text.push_str(&format!(
                "\n  - name: {:?}\n    command: [{script:?}, {:?}]",
                gpu.name,
                self.file(&gpu.name)
            ));
            gpu.lines.iter().for_each(|line| text.push_str(&format!("\n    {line}")));
        }
        monitored().top(&text)
    }
}

/// A configuration that looks after memory.
pub(super) fn monitored() -> Config {
    Config::new().program("Disable_GPU_monitoring: false").program("min_hold: 0")
}

/// A model that wants so much of `gpu a`.
pub(super) fn model(name: &str, mib: u64) -> Model {
    Model::chat(name).variant(Variant::new("only").on("gpu a", mib))
}

/// The same, and it loads until the test makes the file `loaded-NAME`.
pub(super) fn loading(name: &str, mib: u64) -> Model {
    model(name, mib).flags(&["--load-until-file", &format!("{{dir}}/loaded-{name}")])
}

/// What the manager says would happen now.
#[track_caller]
pub(super) fn placement(manager: &Manager, model: &str) -> Value {
    manager.api(&format!("/api/models/{model}/placement"))
}

#[track_caller]
pub(super) fn placement_text(manager: &Manager, model: &str) -> String {
    placement(manager, model)["text"].as_str().unwrap().to_owned()
}

#[track_caller]
pub(super) fn variant(manager: &Manager, model: &str) -> String {
    manager.model(model)["variant"].as_str().unwrap_or_default().to_owned()
}

/// The device as the API shows it.
#[track_caller]
pub(super) fn device(manager: &Manager, name: &str) -> Value {
    let devices = manager.api("/api/devices");
    let found = devices.as_array().unwrap().iter().find(|device| device["name"] == name);
    found.cloned().unwrap_or(Value::Null)
}

/// Waits until `gpu a` is seen to use that much: a look at it a moment ago would do for the next decision.
#[track_caller]
pub(super) fn wait_used(manager: &Manager, mib: u64) {
    wait_until(&format!("{mib} MiB are used"), PATIENCE, || {
        device(manager, "gpu a")["memory_used_mb"] == mib
    });
}

/// Waits until the device is seen on or off.
#[track_caller]
pub(super) fn wait_online(manager: &Manager, name: &str, online: bool) {
    wait_until(&format!("{name} is online: {online}"), PATIENCE, || {
        device(manager, name)["online"] == online
    });
}

/// (model, MiB) of those that hold memory of a device.
#[track_caller]
pub(super) fn holders(manager: &Manager, name: &str) -> Vec<(String, u64)> {
    let device = device(manager, name);
    let holders = device["holders"].as_array().unwrap_or_else(|| panic!("{device}"));
    let one = |one: &Value| (one["model"].as_str().unwrap().to_owned(), one["reserved_mb"].as_u64().unwrap());
    holders.iter().map(one).collect()
}

/// A streaming request that is in the middle of its answer, until the test makes the file `go-MODEL`.
#[track_caller]
pub(super) fn busy(manager: &Manager, model: &str) -> crate::support::Live {
    let script = format!("tokens=4,stream_file={}", manager.word(&format!("go-{model}")));
    let mut stream = manager.chat_stream(model).fake(&script).open();
    stream.until("word1 ");
    stream
}

/// Waits until an answer of the management side says `part`.
#[track_caller]
pub(super) fn wait_text(manager: &Manager, model: &str, part: &str) {
    let mut last = String::new();
    wait_until(&format!("the placement of {model} says {part:?}"), PATIENCE, || {
        last = placement_text(manager, model);
        last.contains(part)
    });
}

/// A refusal for lack of memory: its sentence.
#[track_caller]
pub(super) fn no_memory(reply: Reply) -> String {
    let reply = reply.error(503, "insufficient_resources");
    assert!((1..=300).contains(&reply.retry_after()), "{}", reply.retry_after());
    reply.message()
}
