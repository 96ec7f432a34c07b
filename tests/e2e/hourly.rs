//! Runs that are paid by the hour: to the second, and up to the last sign of life when the manager was killed.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::clock::Clock;
use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

/// One a second, so that a cost is a number of seconds.
const PLAN: &str = "billing: {method: hourly, currency: CNY, per_hour: \"3600\"}";

fn cost(manager: &Manager) -> u64 {
    let answer = manager.api("/api/usage/summary?by=model");
    let cost = &answer["total"]["run_cost"]["CNY"];
    cost.as_str().map_or(0, |cost| cost.parse().unwrap_or_else(|_| panic!("whole seconds: {answer}")))
}

fn runs(manager: &Manager) -> Vec<Value> {
    manager.model("chat")["runs"].as_array().unwrap().clone()
}

/// Seconds of a run from ready to its end, as the model's own book has them.
fn ready_seconds(run: &Value) -> f64 {
    let time = |field: &str| run[field].as_str().unwrap().parse::<Timestamp>().unwrap();
    time("ended_at").duration_since(time("ready_at")).as_secs_f64()
}

#[test]
fn a_run_costs_its_ready_time_to_the_second() {
    // Loading takes a second and costs nothing.
    let model = Model::chat("chat").flags(&["--load-delay-ms", "1000"]).line(PLAN);
    let manager = Manager::start(&Config::with(model));
    let mut expected = 0..=0;
    for lives in 1..=2 {
        manager.act("/api/models/chat/start");
        let ready = std::time::Instant::now();
        wait_until("it has been ready for a while", PATIENCE, || ready.elapsed().as_millis() > 1_250);
        manager.chat("chat").send().ok();
        manager.act("/api/models/chat/stop");
        wait_until("the run is over", PATIENCE, || runs(&manager).len() == lives);
        let seconds: Vec<f64> = runs(&manager).iter().map(ready_seconds).collect();
        // The two books look at two clocks within a few milliseconds.
        let round = |shift: f64| seconds.iter().map(|seconds| (seconds + shift).round() as u64).sum::<u64>();
        expected = round(-0.1)..=round(0.1);
        wait_until(&format!("it costs {expected:?}: {seconds:?}"), PATIENCE, || {
            expected.contains(&cost(&manager))
        });
    }
    assert!(*expected.start() >= 2, "{expected:?}");
    // A request of such a model has no price of its own.
    let total = manager.api("/api/usage/summary")["total"].clone();
    assert_eq!((&total["cost"]["CNY"], &total["unpriced"]), (&json!("0"), &json!(0)), "{total}");
    assert_eq!(manager.api("/api/requests")["rows"][0]["pricing"], "hourly");
}

#[test]
fn a_run_that_a_crash_of_the_manager_ended_is_paid_up_to_the_last_heartbeat() {
    let mut manager = Manager::start(&Config::with(Model::chat("chat").line(PLAN)));
    manager.act("/api/models/chat/start");
    let ready = std::time::Instant::now();
    wait_until("a heartbeat has come", PATIENCE, || cost(&manager) > 0);
    let (before, alive) = (cost(&manager), ready.elapsed().as_secs_f64());
    assert!(before as f64 <= alive + 1.0, "{before} for {alive} s");
    manager.kill();
    let killed = std::time::Instant::now();
    // Whatever time passes until the next start: nobody pays for it.
    wait_until("some time has passed", PATIENCE, || killed.elapsed().as_millis() > 2_500);
    manager.launch();
    let closed = cost(&manager);
    // One more heartbeat may have come between the look and the kill.
    assert!(closed >= before && closed as f64 <= alive + 1.5, "{before}, {closed}, {alive}");
    // The new life is another run; the old one stays as it is.
    manager.act("/api/models/chat/start");
    manager.act("/api/models/chat/stop");
    manager.chat("chat").send().ok();
    manager.act("/api/models/chat/stop");
    let after = cost(&manager);
    assert!((closed..=closed + 2).contains(&after), "{closed}, {after}");
}

#[test]
fn a_clock_that_jumps_makes_no_hours_that_are_paid() {
    let Some(clock) = Clock::jumping() else { return };
    let environment = clock.environment();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let manager = Manager::start_with(&Config::with(Model::chat("chat").line(PLAN)), &environment);
    let cost = || {
        let all = "/api/usage/summary?by=model&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";
        let cost = manager.api(all)["total"]["run_cost"]["CNY"].clone();
        cost.as_str().map_or(0, |cost| cost.parse::<u64>().unwrap())
    };
    let began = std::time::Instant::now();
    manager.act("/api/models/chat/start");
    for offset in ["+6h", "-6h", "+0"] {
        let before = cost();
        clock.set(offset);
        wait_until("a heartbeat has come", PATIENCE, || cost() >= before + 4);
    }
    manager.act("/api/models/chat/stop");
    let (paid, lived) = (cost(), began.elapsed().as_secs_f64());
    assert!((paid as f64) < lived + 2.0, "{paid} s are paid, it lived for {lived} s");
}

#[test]
fn the_time_asleep_costs_nothing_unless_it_has_a_price() {
    let sleeper = |name: &str, plan: &str| {
        let model = Model::chat(name).flags(&["--sleep-mode"]).line("park: {with: vllm}");
        model.line(&format!("billing: {{method: hourly, currency: CNY, per_hour: \"3600000000\"{plan}}}"))
    };
    let config = Config::with(sleeper("free", "")).model(sleeper("paid", ", parked_per_hour: \"3600\""));
    let manager = Manager::start(&config);
    let costs = |name: &str| {
        let runs = manager.api(&format!("/api/runs?model={name}"));
        let run = runs["runs"][0].clone();
        let cost = run["cost"]["CNY"].as_str().map_or(0, |cost| cost.parse::<u64>().unwrap());
        let seconds = |field: &str| run[field].as_f64().unwrap_or_default();
        (cost, seconds("parked_seconds"), seconds("paid_seconds"))
    };
    for name in ["free", "paid"] {
        manager.chat(name).send().ok();
        manager.act(&format!("/api/models/{name}/park"));
    }
    // Awake, a second costs a million; asleep, it costs one.
    wait_until("both have slept for a while", PATIENCE, || {
        ["free", "paid"].iter().all(|name| costs(name).1 >= 2.0)
    });
    for name in ["free", "paid"] {
        manager.chat(name).send().ok();
        manager.act(&format!("/api/models/{name}/stop"));
        wait_until("the run is over", PATIENCE, || {
            manager.api(&format!("/api/runs?model={name}"))["runs"][0]["ended_at"].is_string()
        });
        let (cost, parked, paid) = costs(name);
        assert!(parked >= 2.0 && cost / 1_000_000 <= paid.ceil() as u64, "{name}: {cost}, {parked}, {paid}");
        let asleep = cost % 1_000_000;
        let expected = if name == "paid" { (parked - 1.0) as u64..=(parked + 1.0) as u64 } else { 0..=0 };
        assert!(expected.contains(&asleep), "{name}: {cost}, {parked}");
        // One start, and it is told in the summary, too.
        assert_eq!(manager.starts(name).len(), 1);
    }
    let total: u64 = ["free", "paid"].iter().map(|name| costs(name).0).sum();
    assert_eq!(cost(&manager), total);
}
