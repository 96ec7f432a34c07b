//! The NVIDIA path, with a library in place of the driver's.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Manager, Model, PATIENCE, Variant, wait_until};

use super::world::{assert_says, device, holders, monitored, no_memory, placement, variant};

const A: &str = "GPU-11111111-2222-3333-4444-555555555555";
const B: &str = "GPU-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const C: &str = "GPU-99999999-2222-3333-4444-555555555555";

/// The fake library and its file.
struct Cards {
    dir: tempfile::TempDir,
}

impl Cards {
    /// `None` without a C compiler.
    fn new(lines: &[String]) -> Option<Self> {
        let dir = tempfile::Builder::new().prefix("nvml-").tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/fake_nvml.c");
        let library = dir.path().join("libnvidia-ml.so.1");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O2", "-fvisibility=hidden", "-o"]).arg(&library).arg(source);
        match cc.status() {
            Err(error) => {
                eprintln!("skipped: no C compiler ({error})");
                return None;
            }
            Ok(status) => assert!(status.success(), "cc: {status}"),
        }
        let cards = Self { dir };
        cards.write(lines);
        Some(cards)
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("cards")
    }

    fn write(&self, lines: &[String]) {
        let new = self.dir.path().join("cards.new");
        std::fs::write(&new, format!("!live\n{}\n", lines.join("\n"))).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    fn start(&self, models: impl IntoIterator<Item = Model>) -> Manager {
        let config = models.into_iter().fold(monitored(), |config, model| config.model(model));
        let (dir, file) = (self.dir.path().display().to_string(), self.file().display().to_string());
        Manager::start_with(&config, &[("LD_LIBRARY_PATH", &dir), ("FAKE_NVML", &file)])
    }
}

/// A card of 24 GiB; `processes`: `pid:MiB,...`.
fn card(name: &str, uuid: &str, used: u64, processes: &str) -> String {
    format!("{name}|{uuid}|24576|{used}|37|20|54|61250|170000|{processes}|")
}

/// Its backend writes its environment to the file `env-NAME` first.
fn tells_its_environment(name: &str, on: &[(&str, u64)]) -> Model {
    let fake = env!("CARGO_BIN_EXE_fake-model-server");
    let script =
        format!("env > {{dir}}/env-{name}; exec {fake} --marker {{dir}} --start-file {{dir}}/starts-{name}");
    let only = on.iter().fold(Variant::new("only"), |variant, (device, mib)| variant.on(device, *mib));
    Model::chat(name).variant(only.command(&["sh", "-c", &script]))
}

#[track_caller]
fn environment(manager: &Manager, model: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(manager.path(&format!("env-{model}"))).unwrap();
    let prefix = format!("{key}=");
    text.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
}

#[test]
fn backends_see_their_own_cards_and_no_others() {
    let cards = [
        card("NVIDIA GeForce RTX 3090", A, 500, ""),
        card("NVIDIA GeForce RTX 3090", B, 500, ""),
        card("Tesla V100-SXM2-32GB", C, 500, ""),
    ];
    let Some(fake) = Cards::new(&cards) else { return };
    let manager = fake.start([
        tells_its_environment("second", &[("rtx 3090 #2", 1000)]),
        tells_its_environment("mixed", &[("v100", 1000), ("rtx 3090 #1", 1000)]),
        tells_its_environment("pair", &[("2x 3090", 1000)]),
        tells_its_environment("by-uuid", &[(C, 1000)]),
        tells_its_environment("on-cpu", &[("cpu", 1)]),
    ]);
    for (model, expected) in [
        ("second", Some(B.to_owned())),
        ("mixed", Some(format!("{C},{A}"))),
        ("pair", Some(format!("{A},{B}"))),
        ("by-uuid", Some(C.to_owned())),
        ("on-cpu", None),
    ] {
        manager.chat(model).send().ok();
        assert_eq!(environment(&manager, model, "CUDA_VISIBLE_DEVICES"), expected, "{model}");
        assert_eq!(environment(&manager, model, "MODEL_NAME").as_deref(), Some(model));
        let port = manager.starts(model)[0].1.to_string();
        assert_eq!(environment(&manager, model, "PORT"), Some(port));
    }
    let seen = device(&manager, "Tesla V100-SXM2-32GB");
    assert_eq!((&seen["uuid"], &seen["id"], &seen["plugin"]), (&C.into(), &C.into(), &"nvidia".into()));
    assert_eq!(
        (&seen["memory_total_mb"], &seen["utilization"], &seen["temperature_c"], &seen["power_w"]),
        (&24576.into(), &37.0.into(), &54.0.into(), &61.25.into())
    );
    assert_eq!(seen["memory_reserved_mb"], 2000, "{seen}");
}

#[test]
fn a_card_that_falls_off_the_bus_and_comes_back() {
    let both = [card("NVIDIA GeForce RTX 3090", A, 0, ""), card("Tesla V100", B, 0, "")];
    let Some(fake) = Cards::new(&both) else { return };
    let model = Model::chat("chat")
        .variant(Variant::new("First").on("3090", 8000))
        .variant(Variant::new("Second").on("v100", 8000));
    let manager = fake.start([model]);
    manager.chat("chat").send().ok();
    assert_eq!(variant(&manager, "chat"), "First");
    fake.write(&both[1..]);
    wait_until("it is offline", PATIENCE, || device(&manager, "NVIDIA GeForce RTX 3090")["online"] == false);
    assert_eq!(manager.state("chat"), "ready", "what runs is left alone");
    manager.act("/api/models/chat/restart");
    assert_eq!(variant(&manager, "chat"), "Second");
    fake.write(&both);
    wait_until("it is back", PATIENCE, || device(&manager, "NVIDIA GeForce RTX 3090")["online"] == true);
    manager.act("/api/models/chat/restart");
    assert_eq!(variant(&manager, "chat"), "First");
    fake.write(&[]);
    manager.act("/api/models/chat/stop");
    wait_until("both are offline", PATIENCE, || placement(&manager, "chat")["decision"] == "never");
    let said = no_memory(manager.chat("chat").send());
    assert_says(&said, &["no variant's devices are all online", "offline: NVIDIA GeForce RTX 3090"]);
}

#[test]
fn strangers_and_own_processes_are_told_apart() {
    let Some(fake) = Cards::new(&[card("RTX", A, 0, "")]) else { return };
    let declares = |name: &str, mib| Model::chat(name).variant(Variant::new("only").on("rtx", mib));
    let manager = fake.start([declares("a", 6000), declares("b", 12000)]);
    manager.chat("a").send().ok();
    let (pid, _) = manager.starts("a")[0];
    // It uses more than it declared, and another program uses 4000.
    fake.write(&[card("RTX", A, 13000, &format!("{pid}:9000,1:4000"))]);
    wait_until("its use is seen", PATIENCE, || device(&manager, "RTX")["holders"][0]["used_mb"] == 9000);
    let stream = super::world::busy(&manager, "a");
    let call = manager.chat("b").spawn();
    manager.wait_state("b", "queued");
    let text = super::world::placement_text(&manager, "b");
    assert_says(&text, &["9000 held by a which is busy", "4000 used by other programs"]);
    manager.touch("go-a");
    stream.finish().ok();
    manager.wait_state("a", "stopped");
    fake.write(&[card("RTX", A, 4000, "1:4000")]);
    call.join().unwrap().ok();
}

#[test]
fn the_measured_peak_is_remembered() {
    let name = "RTX";
    let Some(fake) = Cards::new(&[card(name, A, 0, "")]) else { return };
    let auto = Model::chat("auto").variant(Variant::new("only").on_any("rtx").line("memory_mb: auto"));
    let other = Model::chat("other").variant(Variant::new("only").on("rtx", 20000));
    let mut manager = fake.start([auto, other]);
    manager.chat("auto").send().ok();
    assert_eq!(holders(&manager, name), [("auto".to_owned(), 0)], "nothing is known of it");
    let (pid, _) = manager.starts("auto")[0];
    fake.write(&[card(name, A, 7000, &format!("{pid}:7000"))]);
    let measured =
        |manager: &Manager| placement(manager, "auto")["variants"][0]["measured_mb"]["rtx"].clone();
    wait_until("its use is measured", PATIENCE, || measured(&manager) == 7000);
    fake.write(&[card(name, A, 6000, &format!("{pid}:6000"))]);
    wait_until("it uses less", PATIENCE, || device(&manager, name)["memory_used_mb"] == 6000);
    assert_eq!(measured(&manager), 7000, "the peak is remembered");
    fake.write(&[card(name, A, 0, "")]);
    manager.stop();
    manager.launch();
    assert_eq!(measured(&manager), 7000);
    manager.chat("auto").send().ok();
    assert_eq!(holders(&manager, name), [("auto".to_owned(), 7000)]);
    wait_until("other has to wait for it", PATIENCE, || placement(&manager, "other")["decision"] == "evict");
}

#[test]
fn a_driver_that_hangs_stops_nobody() {
    let Some(fake) = Cards::new(&[card("RTX", A, 0, "")]) else { return };
    let on = |name: &str, device| Model::chat(name).variant(Variant::new("only").on(device, 10));
    let manager = fake.start([on("on-cpu", "cpu"), on("on-card", "rtx")]);
    manager.chat("on-card").send().ok();
    fake.write(&["!sleep nvmlDeviceGetCount_v2 3000".to_owned(), card("RTX", A, 0, "")]);
    manager.chat("on-cpu").send().ok();
    fake.write(&[card("RTX", A, 0, "")]);
    manager.act("/api/models/on-card/restart");
}

#[test]
fn no_driver_is_no_card() {
    let Some(fake) = Cards::new(&["!init 9".to_owned()]) else { return };
    let manager = fake.start([Model::chat("chat").variant(Variant::new("only").on("rtx", 10))]);
    let said = no_memory(manager.chat("chat").send());
    assert_says(&said, &["rtx: no device online matches"]);
}

#[test]
fn what_a_parked_model_keeps_on_its_card_is_measured() {
    let Some(cards) = Cards::new(&[card("NVIDIA GeForce RTX 3090", A, 500, "")]) else { return };
    let only = Variant::new("only").on("rtx 3090", 9000);
    let model = Model::chat("a").line("park: {with: vllm}").line("parked_mb: {cpu: 100}");
    let model = model.flags(&["--sleep-mode"]).variant(only);
    let manager = cards.start([model]);
    manager.chat("a").send().ok();
    let pid = manager.starts("a")[0].0;
    cards.write(&[card("NVIDIA GeForce RTX 3090", A, 9500, &format!("{pid}:9000"))]);
    manager.post("/api/models/a/park").send().ok();
    cards.write(&[card("NVIDIA GeForce RTX 3090", A, 1200, &format!("{pid}:700"))]);
    let measured = || {
        let text = std::fs::read_to_string(manager.path("data/measured.json")).unwrap_or_default();
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default()["models"]["a"]["parked_mib"]["only"].clone()
    };
    wait_until("it has been measured", PATIENCE, || measured()["rtx 3090"] == 700);
    // From then on it counts: at its next sleep, that is what it holds.
    manager.chat("a").send().ok();
    cards.write(&[card("NVIDIA GeForce RTX 3090", A, 9500, &format!("{pid}:9000"))]);
    manager.post("/api/models/a/park").send().ok();
    assert_eq!(manager.model("a")["asleep"]["holds_mb"]["NVIDIA GeForce RTX 3090"], 700);
    assert!(holders(&manager, "NVIDIA GeForce RTX 3090").contains(&("a".to_owned(), 700)));
}
