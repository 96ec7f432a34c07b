//! Models that compete for memory, wanted by requests of different classes.

use crate::support::{Call, Manager};

use super::world::{Gpus, busy, model, placement, wait_text};

const LOAD_MS: &str = "1000";

/// A card with room for one of these, with the default holding times.
fn manager(models: &[&str]) -> (Manager, Gpus) {
    let gpus = models.iter().fold(Gpus::one(24000), |gpus, name| gpus.shows("gpu a", name, 15000));
    let one = |name: &&str| model(name, 15000).flags(&["--load-delay-ms", LOAD_MS]);
    let config = gpus.config().program("min_hold: auto");
    let config = models.iter().map(one).fold(config, |config, model| config.model(model));
    (Manager::start(&config), gpus)
}

fn of_class(call: Call, class: &str) -> Call {
    call.header("x-llm-manager-priority", class)
}

fn began(manager: &Manager, name: &str) -> jiff::Timestamp {
    let model = manager.model(name);
    let run = if model["state"] == "ready" { &model } else { &model["runs"][0] };
    run["started_at"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_person_gets_the_memory_before_an_agent_that_came_first() {
    let (manager, _gpus) = manager(&["a", "b", "c"]);
    let stream = busy(&manager, "a");
    let agent = of_class(manager.chat("b"), "batch").spawn();
    manager.wait_state("b", "queued");
    let person = of_class(manager.chat("c"), "interactive").spawn();
    manager.wait_state("c", "queued");
    wait_text(&manager, "b", "which came first");
    let ahead = placement(&manager, "b")["ahead"].clone();
    assert_eq!(
        (ahead[0]["model"].as_str(), ahead[0]["class"].as_str()),
        (Some("c"), Some("interactive")),
        "{ahead}"
    );
    assert_eq!(placement(&manager, "c")["ahead"], serde_json::json!([]));
    assert!(manager.cli_ok(&["explain", "b"]).contains("before it: c (interactive, waits for "));
    manager.touch("go-a");
    stream.finish().ok();
    agent.join().unwrap().ok();
    person.join().unwrap().ok();
    assert!(began(&manager, "c") < began(&manager, "b"));
}

#[test]
fn an_agent_does_not_turn_out_the_model_of_a_person_who_thinks() {
    let (manager, _gpus) = manager(&["a", "b"]);
    of_class(manager.chat("a"), "interactive").send().ok();
    let agent = of_class(manager.chat("b"), "batch").spawn();
    wait_text(&manager, "b", "which a higher class has just used");
    of_class(manager.chat("a"), "interactive").send().ok();
    assert_eq!(
        (manager.starts("a").len(), manager.starts("b").len()),
        (1, 0),
        "it was there, and is asked again"
    );
    // Nobody starves: after the hold it is the agent's turn, and a person need not wait for the agent's.
    agent.join().unwrap().ok();
    of_class(manager.chat("a"), "interactive").send().ok();
    assert_eq!((manager.starts("a").len(), manager.starts("b").len()), (2, 1));
}
