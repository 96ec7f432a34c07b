//! Who has to go for whom, and who never.

use std::time::Duration;

use serde_json::json;

use crate::support::{Manager, Model, PATIENCE, Variant, wait_until};

use super::world::{
    Gpus, assert_says, busy, holders, loading, model, no_memory, placement, variant, wait_text, wait_used,
};

fn names(manager: &Manager) -> Vec<String> {
    holders(manager, "gpu a").into_iter().map(|(model, _)| model).collect()
}

#[test]
fn an_idle_model_makes_room() {
    let gpus = Gpus::one(24000).shows("gpu a", "a", 15000).shows("gpu a", "b", 15000);
    let manager = Manager::start(&gpus.config().model(model("a", 15000)).model(model("b", 15000)));
    manager.chat("a").send().ok();
    wait_text(&manager, "b", "b: only fits without a");
    let explained = placement(&manager, "b");
    assert_eq!((&explained["decision"], &explained["detail"]["victims"]), (&json!("evict"), &json!(["a"])));
    manager.chat("b").send().ok();
    assert_eq!((manager.state("a"), names(&manager)), ("stopped".to_owned(), vec!["b".to_owned()]));
    assert_says(&manager.log(), &["a is idle and makes room for b", "b gets 15000 MiB on gpu a"]);
    manager.chat("a").send().ok();
    assert_eq!(manager.state("b"), "stopped");
    let run = &manager.api("/api/models/b")["runs"][0];
    assert_eq!((&run["cause"], &run["evicted_for"]), (&json!("evicted"), &json!("a")));
    wait_until("the ledger says so, too", PATIENCE, || {
        let run = &manager.api("/api/runs?model=b")["runs"][0];
        run["cause"] == "evicted" && run["evicted_for"] == "a"
    });
}

#[test]
fn strangers_are_counted() {
    let mut gpus = Gpus::one(24000);
    gpus.used("gpu a", 20000);
    let manager = Manager::start(&gpus.config().model(model("a", 8000)));
    let said = no_memory(manager.chat("a").send());
    assert_says(&said, &["gpu a: needs 8000 MiB, 4000 free", "20000 used by other programs"]);
    gpus.used("gpu a", 16000);
    wait_used(&manager, 16000);
    manager.chat("a").send().ok();
}

#[test]
fn a_model_that_loads_is_counted_and_not_disturbed() {
    // What the backends use is not shown: only the reservation tells of it.
    let gpus = Gpus::one(24000);
    let manager = Manager::start(&gpus.config().model(loading("a", 15000)).model(model("b", 15000)));
    let first = manager.chat("a").spawn();
    manager.wait_state("a", "starting");
    let second = manager.chat("b").spawn();
    manager.wait_state("b", "queued");
    wait_text(&manager, "b", "which is being started");
    assert_eq!(names(&manager), ["a"]);
    manager.touch("loaded-a");
    first.join().unwrap().ok();
    second.join().unwrap().ok();
    assert_eq!((manager.state("a"), manager.state("b")), ("stopped".to_owned(), "ready".to_owned()));
    assert_eq!((manager.starts("a").len(), manager.starts("b").len()), (1, 1));
}

#[test]
fn two_at_once_that_do_not_fit_together() {
    let gpus = Gpus::one(24000).shows("gpu a", "a", 15000).shows("gpu a", "b", 15000);
    let manager = Manager::start(&gpus.config().model(model("a", 15000)).model(model("b", 15000)));
    for _ in 0..3 {
        let calls: Vec<_> = ["a", "b", "a", "b"].iter().map(|name| manager.chat(name).spawn()).collect();
        for call in calls {
            call.join().unwrap().ok();
        }
        let running: Vec<_> = ["a", "b"].iter().filter(|name| manager.state(name) == "ready").collect();
        assert_eq!(running.len(), 1, "{running:?}");
    }
}

#[test]
fn the_busy_stay_and_the_idle_go() {
    let mut gpus = Gpus::one(24000);
    for name in ["a", "b", "c"] {
        gpus = gpus.shows("gpu a", name, 10000);
    }
    let models = ["a", "b", "c"].map(|name| model(name, 10000));
    let config = models.into_iter().fold(gpus.config(), |config, model| config.model(model));
    let manager = Manager::start(&config);
    let stream = busy(&manager, "a");
    manager.chat("b").send().ok();
    manager.chat("c").send().ok();
    assert_eq!((manager.state("a"), manager.state("b")), ("ready".to_owned(), "stopped".to_owned()));
    manager.touch("go-a");
    stream.finish().ok();
    assert_eq!(manager.starts("a").len(), 1);
}

/// Room for two; the last one is asked for when the others are idle.
fn who_goes(models: [Model; 3], measured: Option<serde_json::Value>) -> Vec<String> {
    let mut gpus = Gpus::one(24000);
    for name in ["a", "b", "c"] {
        gpus = gpus.shows("gpu a", name, 10000);
    }
    let config = models.into_iter().fold(gpus.config(), |config, model| config.model(model));
    let mut manager = Manager::start(&config);
    if let Some(measured) = measured {
        manager.stop();
        std::fs::write(manager.path("data/measured.json"), measured.to_string()).unwrap();
        manager.launch();
    }
    for name in ["a", "b", "a", "c"] {
        manager.chat(name).send().ok();
    }
    let states = ["a", "b"].into_iter().filter(|name| manager.state(name) == "stopped");
    states.map(str::to_owned).collect()
}

#[test]
fn of_equals_the_one_that_is_idle_for_longest() {
    let same = json!({"reload_ms": 60000});
    let measured = json!({"models": {"a": same, "b": same}});
    // The measured reloads of this test's own starts come in only when a run ends.
    let went = who_goes(["a", "b", "c"].map(|name| model(name, 10000)), Some(measured));
    assert_eq!(went, ["b"]);
}

#[test]
fn of_unequals_the_one_that_is_back_sooner() {
    let measured = json!({"models": {"a": {"reload_ms": 1000}, "b": {"reload_ms": 60000}}});
    let went = who_goes(["a", "b", "c"].map(|name| model(name, 10000)), Some(measured));
    assert_eq!(went, ["a"]);
}

#[test]
fn no_more_go_than_have_to() {
    let mut gpus = Gpus::one(24000);
    for (name, mib) in [("small", 4000), ("large", 12000), ("new", 14000)] {
        gpus = gpus.shows("gpu a", name, mib);
    }
    let config = gpus.config().model(model("small", 4000)).model(model("large", 12000));
    let manager = Manager::start(&config.model(model("new", 14000)));
    manager.chat("large").send().ok();
    manager.chat("small").send().ok();
    manager.chat("new").send().ok();
    assert_eq!((manager.state("large"), manager.state("small")), ("stopped".to_owned(), "ready".to_owned()));
}

#[test]
fn the_pinned_stay() {
    let gpus = Gpus::one(24000).shows("gpu a", "a", 15000).shows("gpu a", "b", 15000);
    let config = gpus.config().model(model("a", 15000).line("pinned: true")).model(model("b", 15000));
    let manager = Manager::start(&config);
    manager.chat("a").send().ok();
    let said = no_memory(manager.chat("b").send());
    assert_says(&said, &["gpu a: needs 15000 MiB, 9000 free", "15000 held by a which is pinned"]);
    assert_eq!(manager.state("a"), "ready");
}

/// `better` lives on `gpu a`, which `idle` occupies, `worse` on `gpu b`.
fn preferring(prefer: &str) -> (Manager, Gpus) {
    let gpus = Gpus::one(24000).gpu("gpu b", 24000).shows("gpu a", "idle", 15000);
    let gpus = gpus.shows("gpu a", "chat", 15000);
    let chat = Model::chat("chat")
        .variant(Variant::new("Better").on("gpu a", 15000))
        .variant(Variant::new("Worse").on("gpu b", 15000));
    let config = gpus.config().program(&format!("prefer: {prefer}"));
    let manager = Manager::start(&config.model(model("idle", 15000)).model(chat));
    manager.chat("idle").send().ok();
    manager.chat("chat").send().ok();
    (manager, gpus)
}

#[test]
fn a_better_variant_is_worth_an_eviction() {
    let (manager, _gpus) = preferring("best");
    assert_eq!(
        (variant(&manager, "chat"), manager.state("idle")),
        ("Better".to_owned(), "stopped".to_owned())
    );
}

#[test]
fn unless_the_user_prefers_residents() {
    let (manager, _gpus) = preferring("resident");
    assert_eq!((variant(&manager, "chat"), manager.state("idle")), ("Worse".to_owned(), "ready".to_owned()));
}

#[test]
fn a_model_that_has_just_started_keeps_its_room_for_min_hold() {
    let gpus = Gpus::one(24000).shows("gpu a", "a", 15000).shows("gpu a", "b", 15000);
    let config = gpus.config().program("min_hold: 2").model(model("a", 15000)).model(model("b", 15000));
    let manager = Manager::start(&config);
    manager.chat("a").send().ok();
    let call = manager.chat("b").spawn();
    manager.wait_state("b", "queued");
    wait_text(&manager, "b", "keeps its memory for another");
    call.join().unwrap().ok();
    let runs = manager.model("a")["runs"][0].clone();
    let time = |key: &str| runs[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let kept = time("ended_at").duration_since(time("ready_at"));
    assert!(kept.as_secs_f64() >= 1.99, "it was stopped after {kept:?}");
}

#[test]
fn a_variant_that_needs_no_device_waits_for_nobody() {
    let gpus = Gpus::one(24000);
    let config = gpus.config().model(loading("a", 20000)).model(model("b", 20000)).model(Model::chat("free"));
    let manager = Manager::start(&config);
    let first = manager.chat("a").spawn();
    manager.wait_state("a", "starting");
    let second = manager.chat("b").spawn();
    manager.wait_state("b", "queued");
    manager.chat("free").send().ok();
    assert_eq!(manager.state("b"), "queued");
    manager.touch("loaded-a");
    first.join().unwrap().ok();
    second.join().unwrap().ok();
    wait_until("only b and free are left", PATIENCE + Duration::from_secs(1), || names(&manager) == ["b"]);
}
