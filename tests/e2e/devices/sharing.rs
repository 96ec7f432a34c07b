//! A card that is shared with other programs: what is kept free for them, models that make way, and "not now".

use serde_json::{Value, json};

use crate::support::{Config, Manager, Model, PATIENCE, Variant, wait_until};

use super::world::{
    Gpus, assert_says, busy, device, holders, model, monitored, no_memory, placement, variant, wait_text,
    wait_used,
};

/// `gpu a` with 2000 MiB for others, and two models of 8000.
fn shared(give_way: bool) -> (Gpus, Config) {
    let gpus = Gpus::one(24000).shows("gpu a", "a", 8000).shows("gpu a", "b", 8000);
    let gpus = gpus.line("gpu a", "keep_free_mb: 2000").line("gpu a", &format!("give_way: {give_way}"));
    let config = gpus.config().model(model("a", 8000)).model(model("b", 8000));
    (gpus, config)
}

#[test]
fn idle_models_go_before_another_program_fails() {
    let (mut gpus, config) = shared(true);
    let manager = Manager::start(&config);
    manager.chat("a").send().ok();
    manager.chat("b").send().ok();
    let stream = busy(&manager, "b");
    // Something is left of the 2000.
    gpus.used("gpu a", 7000);
    manager.wait_state("a", "stopped");
    assert_eq!(manager.state("b"), "ready");
    assert_says(&manager.log(), &["a is idle and makes room for other programs on gpu a"]);
    wait_until("the run and the audit tell it", PATIENCE, || {
        let run = &manager.api("/api/runs?model=a")["runs"][0];
        let rows = manager.api("/api/audit?model=a");
        let who: Vec<_> = rows["rows"].as_array().unwrap().iter().map(|row| row["who"].clone()).collect();
        run["evicted_for"] == "other programs on gpu a"
            && who.contains(&json!("eviction for other programs on gpu a"))
    });
    // It takes all that there is: who is busy finishes, and goes then.
    gpus.used("gpu a", 15500);
    wait_used(&manager, 23500);
    assert_eq!(manager.state("b"), "ready");
    manager.touch("go-b");
    stream.finish().ok();
    manager.wait_state("b", "stopped");
    let said = no_memory(manager.chat("b").send());
    let words =
        ["gpu a: needs 8000 MiB", "15500 used by other programs", "2000 kept free for other programs"];
    assert_says(&said, &words);
    gpus.used("gpu a", 1000);
    wait_used(&manager, 1000);
    manager.chat("b").send().ok();
}

#[test]
fn without_give_way_what_is_kept_free_is_only_not_given_to_models() {
    let (mut gpus, config) = shared(false);
    let manager = Manager::start(&config.model(model("large", 22500)));
    let said = no_memory(manager.chat("large").send());
    assert_says(&said, &["needs 22500 MiB, 22000 free, 2000 kept free for other programs (keep_free_mb)"]);
    manager.chat("a").send().ok();
    manager.chat("b").send().ok();
    let shown = device(&manager, "gpu a");
    assert_eq!((&shown["keep_free_mb"], &shown["give_way"]), (&json!(2000), &json!(false)));
    gpus.used("gpu a", 8000);
    wait_used(&manager, 24000);
    // A second look comes after the first was acted on.
    gpus.used("gpu a", 7999);
    wait_used(&manager, 23999);
    assert_eq!((manager.state("a"), manager.state("b")), ("ready".to_owned(), "ready".to_owned()));
    // The wish comes with a reload.
    let plan = manager.reload(&shared_with(&gpus));
    assert_says(&plan.to_string(), &["devices"]);
    wait_until("one has made way", PATIENCE, || holders(&manager, "gpu a").len() == 1);
}

/// The same devices, and models make way on them.
fn shared_with(gpus: &Gpus) -> Config {
    let gpus = gpus.again().line("gpu a", "keep_free_mb: 2000").line("gpu a", "give_way: true");
    gpus.config().model(model("a", 8000)).model(model("b", 8000))
}

#[test]
fn not_now_keeps_models_off_a_card_for_a_time() {
    let gpus = Gpus::one(24000).gpu("gpu b", 24000).shows("gpu a", "idle", 4000).shows("gpu a", "busy", 4000);
    let both = Model::chat("both")
        .variant(Variant::new("First").on("gpu a", 4000))
        .variant(Variant::new("Second").on("gpu b", 4000));
    let config = gpus.config().model(model("idle", 4000).line("pinned: true")).model(model("busy", 4000));
    let mut manager = Manager::start(&config.model(both));
    manager.chat("idle").send().ok();
    let stream = busy(&manager, "busy");
    let said = manager.cli_ok(&["pause", "gpu a", "--for", "2h"]);
    assert_says(&said, &["gpu a: paused until", "no model may use it"]);
    // Who is idle goes, pinned or not; who is busy finishes first, and lets nobody in meanwhile.
    manager.wait_state("idle", "stopped");
    manager.wait_state("busy", "draining");
    let late = manager.chat("busy").spawn();
    manager.touch("go-busy");
    assert_says(&stream.finish().ok().text(), &["word3"]);
    for refused in [late.join().unwrap(), manager.chat("idle").send()] {
        let refused = refused.error(503, "insufficient_resources");
        // Clients are told the whole time, and that it is of no use to try again before.
        assert!((7100..=7200).contains(&refused.retry_after()), "{}", refused.retry_after());
        assert_eq!(refused.header("x-should-retry"), Some("false"));
        let words =
            ["an operator has paused a device that it needs", "gpu a is paused by an operator for another"];
        assert_says(&refused.message(), &words);
    }
    manager.wait_state("busy", "stopped");
    // Another variant is taken where there is one.
    manager.chat("both").send().ok();
    assert_eq!(variant(&manager, "both"), "Second");
    let explained = placement(&manager, "idle");
    assert_eq!(explained["decision"], "never");
    assert_says(&explained["variants"][0]["paused"].to_string(), &["gpu a is paused by an operator"]);
    assert_says(&manager.cli_ok(&["explain", "idle"]), &["gpu a is paused by an operator for another 1 h"]);
    // A manager that is started again keeps to it.
    let until = device(&manager, "gpu a")["paused_until"].clone();
    assert!(until.is_string(), "{until}");
    manager.stop();
    manager.launch();
    assert_eq!(device(&manager, "gpu a")["paused_until"], until);
    manager.chat("idle").send().error(503, "insufficient_resources");
    assert_says(&manager.cli_ok(&["resume", "gpu a"]), &["gpu a: models may use it"]);
    manager.chat("idle").send().ok();
    for action in ["pause_device", "resume_device"] {
        manager.audited(action, "gpu a", |_| true);
    }
}

#[test]
fn a_pause_ends_by_itself() {
    let gpus = Gpus::one(24000);
    let manager = Manager::start(&gpus.config().model(model("a", 4000)));
    wait_used(&manager, 0);
    let paused = manager.act("/api/devices/gpu%20a/pause?minutes=0.05").json();
    assert_eq!(paused[0]["name"], "gpu a");
    let refused = manager.chat("a").send().error(503, "insufficient_resources");
    assert!((1..=3).contains(&refused.retry_after()), "{}", refused.retry_after());
    wait_until("the pause is over", PATIENCE, || device(&manager, "gpu a")["paused_until"].is_null());
    manager.chat("a").send().ok();
}

#[test]
fn what_cannot_be_paused_is_told() {
    let gpus = Gpus::one(24000);
    let manager = Manager::start(&gpus.config().model(model("a", 4000)));
    wait_used(&manager, 0);
    let wrong = |path: &str, status, code: &str| manager.post(path).send().error(status, code).message();
    assert_says(
        &wrong("/api/devices/v100/pause?minutes=5", 404, "device_not_found"),
        &["no device matches `v100`"],
    );
    assert_says(&wrong("/api/devices/gpu%20a/pause", 400, "invalid_request"), &["a pause needs an end"]);
    wrong("/api/devices/gpu%20a/pause?minutes=0", 400, "invalid_request");
    wrong("/api/devices/gpu%20a/pause?minutes=999999", 400, "invalid_request");
    wrong("/api/devices/gpu%20a/pause?hours=1", 400, "invalid_request");
    assert_eq!(manager.cli(&["pause", "gpu a", "--for", "soon"]).status.code(), Some(2));
    assert_eq!(manager.cli(&["pause", "v100", "--for", "1h"]).status.code(), Some(1));
    manager.chat("a").send().ok();
    let blind = Manager::start(&Config::with(Model::chat("a")));
    let said = blind.post("/api/devices/cpu/pause?minutes=5").send().error(409, "conflict").message();
    assert_says(&said, &["Disable_GPU_monitoring", "POST /api/pause"]);
}

#[test]
fn programs_of_others_are_shown_by_name() {
    let gpus = Gpus::one(24000);
    let manager = Manager::start(&gpus.config().model(model("a", 4000)));
    // The parent of the command is the manager: a program whose name the test knows.
    let said = "echo '{\"memory_total_mb\": 24000, \"memory_used_mb\": 5000, \"processes\": [{\"pid\": '$PPID', \
                \"memory_mb\": 3000}, {\"pid\": 99999999, \"memory_mb\": 1500.5}, {\"pid\": 1}]}'";
    gpus.raw("gpu a", said);
    let others = |manager: &Manager| device(manager, "gpu a")["others"].clone();
    let mut shown = Value::Null;
    wait_until("the programs are shown", PATIENCE, || {
        shown = others(&manager);
        shown.as_array().is_some_and(|all| all.len() == 3)
    });
    assert_eq!((&shown[0]["program"], &shown[0]["used_mb"]), (&json!("llm-manager"), &json!(3000)));
    assert_eq!(shown[1], json!({"pid": 99_999_999, "program": null, "used_mb": 1501}));
    assert_eq!(shown[2]["used_mb"], Value::Null);
    gpus.not_raw("gpu a");
    wait_until("nobody is shown", PATIENCE, || others(&manager) == json!([]));
}

#[test]
fn the_configuration_of_a_shared_device_is_checked() {
    let manager = Manager::start(&monitored());
    let (code, said) = manager.check(
        "devices:\n  - {name: cpu, keep_free_mb: 100}\n  - {name: v100, give_way: true, keep_free_mb: 2000}\nLocal-Models: {}\n",
    );
    assert_eq!(code, Some(0), "{said}");
    assert_says(&said, &["devices: no device matches \"v100\"; here are:"]);
    let (code, said) = manager.check(
        "devices:\n  - {name: a}\n  - {name: b, keep_free_mb: -1}\n  - {name: c, give_way: perhaps}\n  - {name: \"2x c #1\", give_way: true}\nLocal-Models: {}\n",
    );
    assert_eq!(code, Some(2), "{said}");
    for word in [
        "devices[0]: says nothing about the device",
        "devices[1].keep_free_mb",
        "devices[2].give_way",
        "leave out the count",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let (code, said) = manager.check("devices:\n  - {name: cpu, give_way: true}\nLocal-Models: {}\n");
    assert_eq!(code, Some(0));
    assert_says(&said, &["models make way only when another program has taken their memory already"]);
    wait_text_of_cpu(&manager);
}

/// What is said of a built-in device is in force.
fn wait_text_of_cpu(manager: &Manager) {
    let all = Model::chat("all").variant(Variant::new("only").on("cpu", 1 << 20));
    let config = monitored().top("devices: [{name: cpu, keep_free_mb: 100}]").model(all);
    manager.reload(&config);
    wait_text(manager, "all", "100 kept free for other programs (keep_free_mb)");
}

/// A program of somebody else's, which ends with the test.
struct Stranger(std::process::Child);

impl Stranger {
    fn start() -> Self {
        Self(std::process::Command::new("sleep").arg("1000").spawn().unwrap())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_refusal_names_the_programs_that_hold_the_memory() {
    let stranger = Stranger::start();
    let gpus = Gpus::one(24000);
    gpus.raw(
        "gpu a",
        &format!(
            "echo '{{\"memory_total_mb\":24000,\"memory_used_mb\":20000,\"processes\":[{{\"pid\":{},\"memory_mb\":20000}}]}}'",
            stranger.0.id()
        ),
    );
    let manager = Manager::start(&gpus.config().model(model("a", 8000)));
    wait_used(&manager, 20000);
    let refused = manager.chat("a").send().error(503, "insufficient_resources").message();
    assert_says(&refused, &["needs 8000 MiB, 4000 free", "20000 used by other programs (sleep 20000)"]);
    assert_says(&manager.cli_ok(&["explain", "a"]), &["20000 used by other programs (sleep 20000)"]);
}
