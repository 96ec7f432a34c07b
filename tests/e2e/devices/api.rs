//! What the operator sees.

use crate::support::{Manager, Model, PATIENCE, Variant, wait_until};

use super::world::{Gpus, assert_says, busy, device, model, placement};

#[test]
fn a_device_with_all_that_is_known_of_it() {
    let mut gpus = Gpus::one(24000).shows("gpu a", "a", 4800);
    let manager = Manager::start(&gpus.config().model(model("a", 5000)));
    manager.chat("a").send().ok();
    gpus.used("gpu a", 200);
    wait_until("its memory is seen", PATIENCE, || device(&manager, "gpu a")["memory_used_mb"] == 5000);
    let mut seen = device(&manager, "gpu a");
    let holders = seen["holders"].take();
    let expected = serde_json::json!({
        "id": "gpu a", "name": "gpu a", "plugin": "exec", "uuid": null, "pci": null, "online": true,
        "memory_total_mb": 24000, "memory_used_mb": 5000, "memory_reserved_mb": 5000,
        "utilization": 7.0, "temperature_c": 40.0, "power_w": null, "holders": null,
        "keep_free_mb": 0, "give_way": false, "paused_until": null, "others": [],
    });
    assert_eq!(seen, expected);
    assert_eq!(holders, serde_json::json!([{"model": "a", "reserved_mb": 5000, "used_mb": null}]));
    manager.act("/api/models/a/stop");
    wait_until("nobody holds it", PATIENCE, || device(&manager, "gpu a")["memory_reserved_mb"] == 0);
}

#[test]
fn the_last_hour_is_remembered() {
    let mut gpus = Gpus::one(24000);
    gpus.used("gpu a", 200);
    let manager = Manager::start(&gpus.config());
    let mut points = serde_json::Value::Null;
    wait_until("there is a point", PATIENCE, || {
        points = manager.api("/api/devices/history")["points"].clone();
        !points.as_array().unwrap().is_empty()
    });
    let reading = points[0]["devices"].as_array().unwrap().iter().find(|one| one["id"] == "gpu a").unwrap();
    let expected = serde_json::json!({
        "id": "gpu a", "memory_used_mb": 200, "utilization": 7.0, "temperature_c": 40.0, "power_w": null,
    });
    assert_eq!(*reading, expected, "{points}");
}

/// As the documentation shows it.
#[test]
fn what_would_happen_now_is_documented() {
    let gpus = Gpus::new().gpu("v100", 32768).gpu("rtx 4060", 8188);
    let mut gpus = gpus.shows("v100", "llama-8b", 18000).shows("v100", "bge-m3", 4700);
    gpus.used("v100", 400);
    let on = |name: &str, mib: u64| Model::chat(name).variant(Variant::new("Default").on("v100", mib));
    let qwen = Model::chat("Qwen-14B-Chat")
        .line("aliases: [qwen-14b]")
        .variant(Variant::new("Dual-GPU-Config").on("rtx 4060", 8000).on("v100", 16000))
        .variant(Variant::new("Single-GPU-Config").on("v100", 24000));
    let config = gpus.config().model(on("llama-8b", 18000)).model(on("bge-m3", 4700)).model(qwen);
    let manager = Manager::start(&config);
    manager.chat("bge-m3").send().ok();
    let said = |wanted: &str| {
        let mut said = String::new();
        wait_until("all of it is seen", PATIENCE, || {
            said = manager.cli_ok(&["explain", "qwen-14b"]);
            [wanted, "4700 held by bge-m3 which is idle", "400 used by other programs"]
                .iter()
                .all(|words| said.contains(words))
        });
        said.trim_end().to_owned()
    };
    let stream = busy(&manager, "llama-8b");
    let busy = said("18000 held by llama-8b which is busy");
    manager.touch("go-llama-8b");
    stream.finish().ok();
    let idle = said("18000 held by llama-8b which is idle");
    let command = "$ llm-manager explain qwen-14b";
    crate::recorded::compare(
        "concepts/placement",
        "explain",
        &format!("{command}\n{idle}\n{command}\n{busy}\n"),
    );
}

#[test]
fn every_decision_is_explained() {
    let gpus = Gpus::one(24000).gpu("gpu b", 8000).shows("gpu a", "a", 15000);
    let two_ways = Model::chat("two-ways")
        .variant(Variant::new("Dual").on("gpu a", 15000).on("gpu b", 4000))
        .variant(Variant::new("None").on("no such card", 1))
        .variant(Variant::new("Large").on("gpu b", 9000));
    let manager = Manager::start(&gpus.config().model(model("a", 15000)).model(two_ways));
    let text = manager.cli_ok(&["explain", "two-ways"]);
    assert_says(
        &text,
        &[
            "two-ways: Dual fits",
            "Dual: fits",
            "None: never: no such card: no device online matches",
            "Large: never: gpu b: needs 9000 MiB, 8000 free, 8000 in all",
        ],
    );
    let stream = busy(&manager, "a");
    let text = manager.cli_ok(&["explain", "two-ways"]);
    assert_says(
        &text,
        &[
            "Dual waits for a which is busy",
            "gpu a: needs 15000 MiB, 9000 free, 15000 held by a which is busy",
        ],
    );
    let explained = placement(&manager, "two-ways");
    let devices = explained["variants"][0]["devices"].clone();
    assert_eq!(devices[1], serde_json::json!({"requirement": "gpu b", "device": "gpu b", "memory_mb": 4000}));
    assert_eq!(explained["variant"], "Dual", "{explained}");
    manager.touch("go-a");
    stream.finish().ok();
    let text = manager.cli_ok(&["explain", "two-ways"]);
    assert_says(&text, &["two-ways: Dual fits without a", "Dual: evict: gpu a: needs"]);
    let failed = manager.cli(&["explain", "nobody"]);
    assert!(!failed.status.success());
    assert_says(&String::from_utf8_lossy(&failed.stderr), &["nobody"]);
    manager.get("/api/models/nobody/placement").send().error(404, "model_not_found");
}

#[test]
fn what_is_explained_is_what_is_now() {
    let mut gpus = Gpus::one(24000);
    let manager = Manager::start(&gpus.config().model(model("a", 15000)));
    assert_eq!(placement(&manager, "a")["decision"], "fits");
    // Nothing runs, so the devices are looked at every 10 s only, unless somebody asks.
    gpus.used("gpu a", 20000);
    let begin = std::time::Instant::now();
    wait_until("the stranger is seen", PATIENCE, || placement(&manager, "a")["decision"] == "never");
    assert!(begin.elapsed().as_secs() < 3, "it took {:?}", begin.elapsed());
    gpus.used("gpu a", 1000);
    let begin = std::time::Instant::now();
    wait_until("its end is seen", PATIENCE, || device(&manager, "gpu a")["memory_used_mb"] == 1000);
    assert!(begin.elapsed().as_secs() < 3, "it took {:?}", begin.elapsed());
}

#[test]
fn the_cli_wants_a_running_manager() {
    let gpus = Gpus::one(24000);
    let mut manager = Manager::start(&gpus.config().model(model("a", 1)));
    manager.stop();
    let output = manager.cli(&["explain", "a"]);
    assert!(!output.status.success());
}
