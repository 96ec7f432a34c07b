//! Models that take turns, with the default holding times; and those that only `auto_start` wants.

use std::time::Duration;

use jiff::Timestamp;

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

use super::world::{Gpus, assert_says, loading, model, placement_text, wait_text};

/// One card of 24,000 MiB.
fn card(models: &[&str]) -> Gpus {
    models.iter().fold(Gpus::one(24000), |gpus, name| gpus.shows("gpu a", name, 15000))
}

/// The same configuration without the `min_hold: 0` of the other tests.
fn default_holds(gpus: &Gpus, models: impl IntoIterator<Item = Model>) -> Config {
    let config = gpus.config().program("min_hold: auto");
    models.into_iter().fold(config, |config, model| config.model(model))
}

/// From ready to its end, of the model's newest run that has ended.
#[track_caller]
fn stayed(manager: &Manager, name: &str) -> Duration {
    let run = manager.model(name)["runs"][0].clone();
    let time = |key: &str| run[key].as_str().unwrap().parse::<Timestamp>().unwrap();
    time("ended_at").duration_since(time("ready_at")).unsigned_abs()
}

#[test]
fn to_and_fro_between_two_models_costs_their_loads_and_no_hold() {
    let gpus = card(&["a", "b"]);
    let manager = Manager::start(&default_holds(&gpus, ["a", "b"].map(|name| model(name, 15000))));
    for name in ["a", "b", "a", "b", "a"] {
        manager.chat(name).send().ok();
    }
    assert_eq!((manager.starts("a").len(), manager.starts("b").len()), (3, 2));
    // The old hold was ten seconds, the wait for a device that shows nothing five.
    assert!(stayed(&manager, "b") < Duration::from_secs(4), "{:?}", stayed(&manager, "b"));
}

#[test]
fn a_card_that_tells_only_its_total_is_waited_for_by_nobody() {
    let gpus = Gpus::one(24000);
    gpus.raw("gpu a", "echo '{\"online\":true,\"memory_total_mb\":24000}'");
    let manager = Manager::start(&default_holds(&gpus, ["a", "b"].map(|name| model(name, 15000))));
    for name in ["a", "b", "a"] {
        manager.chat(name).send().ok();
    }
    let run = manager.model("b")["runs"][0].clone();
    let ended = run["ended_at"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let began = manager.model("a")["started_at"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(began.duration_since(ended).as_secs_f64() < 4.0, "{began} {ended}");
}

#[test]
fn of_auto_start_models_that_do_not_fit_together_the_first_stays_and_the_others_say_why() {
    let gpus = card(&["first", "second"]);
    let models =
        [loading("first", 15000).line("auto_start: true"), model("second", 15000).line("auto_start: true")];
    let manager = Manager::start(&default_holds(&gpus, models));
    manager.wait_state("first", "starting");
    wait_until("second has been denied", PATIENCE, || !manager.model("second")["last_error"].is_null());
    let error = manager.model("second")["last_error"].as_str().unwrap().to_owned();
    assert_says(&error, &["only auto_start asked for it", "first which is being started"]);
    // A request that comes meanwhile waits: the start isn't broken off for it.
    wait_text(&manager, "second", "second: only waits for first which is being started");
    let call = manager.chat("second").spawn();
    manager.wait_state("second", "queued");
    manager.touch("loaded-first");
    call.join().unwrap().ok();
    assert!(!manager.model("first")["runs"][0]["ready_at"].is_null(), "its start was not broken off");
    assert_eq!((manager.starts("first").len(), manager.starts("second").len()), (1, 1));
    let evicted = manager.log().matches("first is idle and makes room for second").count();
    assert_eq!(evicted, 1, "it was told once, when it was true");
}

#[test]
fn a_restart_of_those_with_auto_start_lets_none_go_for_another() {
    let gpus = card(&["first", "second", "other"]);
    let boots = |name| model(name, 15000).line("auto_start: true");
    let models = [boots("first"), boots("second"), model("other", 15000)];
    let manager = Manager::start(&default_holds(&gpus, models));
    manager.wait_state("first", "ready");
    manager.act("/api/models/restart-autostart");
    assert_eq!((manager.state("first"), manager.state("second")), ("ready".to_owned(), "stopped".to_owned()));
    assert_eq!((manager.starts("first").len(), manager.starts("second").len()), (2, 0));
    // Nor does a model that somebody uses.
    manager.chat("other").send().ok();
    let reply = manager.post("/api/models/restart-autostart?wait=false").send();
    assert_eq!(reply.status, 202);
    let denied = || manager.model("first")["last_error"].to_string().contains("only auto_start asked for it");
    wait_until("first is denied", PATIENCE, denied);
    assert_eq!(manager.state("other"), "ready");
    assert_eq!(manager.starts("other").len(), 1);
}

#[test]
fn explain_says_how_long_a_busy_model_may_keep_another_waiting() {
    let gpus = card(&["a", "b"]);
    let manager = Manager::start(&default_holds(&gpus, ["a", "b"].map(|name| model(name, 15000))));
    let _stream = super::world::busy(&manager, "a");
    let text = placement_text(&manager, "b");
    assert_says(&text, &["a which is busy", "has to finish after", "max_hold"]);
}

/// The moments of the newest run of a model, in the order in which they come.
fn moments(manager: &Manager, name: &str) -> Vec<Option<Timestamp>> {
    let newest = || manager.api(&format!("/api/runs?model={name}&limit=1"))["runs"][0]["id"].as_i64();
    wait_until("the run is in the ledger", PATIENCE, || newest().is_some());
    let id = newest().unwrap();
    let run = manager.api(&format!("/api/runs/{id}"));
    ["asked", "victims_gone", "memory_free", "placed", "launched", "port_open", "ready", "first_byte"]
        .iter()
        .map(|moment| run[format!("{moment}_at")].as_str().map(|text| text.parse().unwrap()))
        .collect()
}

#[test]
fn a_run_that_had_victims_tells_when_they_were_gone_and_their_memory_was_free() {
    let gpus = card(&["a", "b"]);
    let manager = Manager::start(&default_holds(&gpus, ["a", "b"].map(|name| model(name, 15000))));
    manager.chat("a").send().ok();
    manager.chat("b").send().ok();
    wait_until("its first byte is noted", PATIENCE, || moments(&manager, "b").iter().all(Option::is_some));
    let told = moments(&manager, "b");
    assert!(told.is_sorted(), "{told:?}");
    let ended = manager.model("a")["runs"][0]["ended_at"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let gone = told[1].unwrap().duration_since(ended).unsigned_abs();
    assert!(gone < Duration::from_secs(2), "the victim ended {ended}, and was gone {:?}", told[1]);
    // Nobody had to go for the first one.
    let first = moments(&manager, "a");
    assert!(first[0].is_some() && first[1].is_none() && first[2].is_none(), "{first:?}");
}
