//! Hours: models that are kept warm, and hours in which `batch` starts nothing. The clock is the real one, so the
//! hours are written around the time of the test.

use jiff::{SignedDuration, Timestamp};

use crate::support::{Config, Manager, Model, PATIENCE, Reply, Variant, wait_until};

/// `HH:MM` in UTC so many minutes from now.
fn clock(minutes: i64) -> String {
    let time = Timestamp::now() + SignedDuration::from_mins(minutes);
    time.strftime("%H:%M").to_string()
}

/// Hours from so many minutes from now to so many.
fn hours(from: i64, to: i64) -> String {
    format!("{}-{} UTC", clock(from), clock(to))
}

/// A model that is stopped after 60 ms without a request, with this line.
fn brief(name: &str, line: &str) -> Model {
    Model::chat(name).line("alive_time: 0.001").line(line)
}

#[test]
fn a_model_is_started_for_its_hours_and_stays() {
    let now = hours(-30, 60);
    let config = Config::with(brief("warm", &format!("keep_warm: [{now:?}]")))
        .model(brief("cold", "keep_warm: []"))
        .model(brief("later", &format!("keep_warm: [{:?}]", hours(60, 90))));
    let manager = Manager::start(&config);
    manager.wait_state("warm", "ready");
    manager.chat("warm").send().ok();
    manager.chat("cold").send().ok();
    manager.wait_state("cold", "stopped");
    let warm = manager.model("warm");
    assert_eq!(
        (&warm["warm"], &warm["idle_seconds_left"]),
        (&true.into(), &serde_json::Value::Null),
        "{warm}"
    );
    assert!(manager.starts("later").is_empty());
    assert_eq!((manager.state("warm"), manager.starts("warm").len()), ("ready".to_owned(), 1));
    wait_until("the audit names the rule", PATIENCE, || {
        let rows = manager.api("/api/audit?model=warm")["rows"].as_array().unwrap().clone();
        rows.iter().any(|row| row["action"] == "start" && row["who"] == "keep_warm" && row["kind"] == "rule")
    });
    // The hours end with a reload; it has been idle for long enough.
    manager.reload(&Config::with(brief("warm", &format!("keep_warm: [{:?}]", hours(-60, -30)))));
    manager.wait_state("warm", "stopped");
    assert!(manager.log().contains("models/warm: the hours of keep_warm are over"), "{}", manager.log());
}

#[test]
fn it_is_started_before_they_begin() {
    // The next minute but one begins in 60 to 120 s; a start may take 600 s.
    let soon = format!("keep_warm: [{:?}]", hours(2, 60));
    let manager = Manager::start(&Config::with(Model::chat("early").start_timeout(600).line(&soon)));
    manager.wait_state("early", "ready");
}

#[test]
fn what_an_operator_stops_stays_stopped_and_what_crashes_comes_back() {
    let now = format!("keep_warm: [{:?}]", hours(-30, 60));
    let config = Config::with(brief("stopped", &now)).model(brief("killed", &now));
    let manager = Manager::start(&config);
    manager.wait_state("stopped", "ready");
    manager.wait_state("killed", "ready");
    manager.act("/api/models/stopped/stop");
    let pid = i32::try_from(manager.model("killed")["pid"].as_i64().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    wait_until("it has come back", std::time::Duration::from_secs(90), || {
        manager.starts("killed").len() == 2 && manager.state("killed") == "ready"
    });
    assert_eq!((manager.state("stopped"), manager.starts("stopped").len()), ("stopped".to_owned(), 1));
    manager.chat("stopped").send().ok();
}

#[test]
fn it_makes_room_when_they_begin_and_makes_none_for_others() {
    let gpu = "devices:\n  - name: gpu a\n    command: [\"sh\", \"-c\", \"echo '{\\\"memory_total_mb\\\": 1000}'\"]";
    let on = |name: &str| Model::chat(name).variant(Variant::new("only").on("gpu a", 800));
    let config = || Config::new().program("Disable_GPU_monitoring: false").program("min_hold: 0").top(gpu);
    let manager = Manager::start(&config().model(on("idle")).model(on("warm")));
    manager.chat("idle").send().ok();
    let now = format!("keep_warm: [{:?}]", hours(-30, 60));
    manager.reload(&config().model(on("idle")).model(on("warm").line(&now)));
    manager.wait_state("warm", "ready");
    assert_eq!(manager.state("idle"), "stopped");
    let refused = manager.chat("idle").send().error(503, "insufficient_resources").message();
    assert!(
        refused.contains("800 held by warm which is kept warm (keep_warm), and goes for a higher class only"),
        "{refused}"
    );
    assert_eq!(manager.state("warm"), "ready");
}

#[test]
fn in_its_hours_it_goes_for_a_higher_class_only_and_comes_back() {
    let gpu = "devices:\n  - name: gpu a\n    command: [\"sh\", \"-c\", \"echo '{\\\"memory_total_mb\\\": 1000}'\"]";
    let keys = "keys:\n  - {name: peer, secret: secret-of-the-peer, priority: normal}\n  - {name: person, secret: secret-of-the-person, priority: interactive}";
    let on = |name: &str| Model::chat(name).variant(Variant::new("only").on("gpu a", 800));
    let now = format!("keep_warm: [{:?}]", hours(-30, 60));
    let config = Config::new()
        .program("Disable_GPU_monitoring: false")
        .program("min_hold: 0")
        .api_key("sk-admin")
        .top(gpu)
        .top(keys)
        .model(on("warm").line(&now).line("priority: normal"))
        .model(on("other").line("alive_time: 0.01"));
    let manager = Manager::start(&config);
    manager.wait_state("warm", "ready");
    let ask = |key: &str| -> Reply {
        let call = manager.bare("POST", "/v1/chat/completions").chat("other", false);
        call.header("Authorization", &format!("Bearer {key}")).send()
    };
    ask("secret-of-the-peer").error(503, "insufficient_resources");
    assert_eq!((manager.state("warm"), manager.starts("warm").len()), ("ready".to_owned(), 1));
    ask("secret-of-the-person").ok();
    assert_eq!(manager.state("warm"), "stopped");
    assert_eq!(manager.model("warm")["runs"][0]["cause"], "evicted");
    // Once there is room again, its hours bring it back.
    wait_until("it has come back", std::time::Duration::from_secs(90), || manager.state("warm") == "ready");
    assert_eq!(manager.starts("warm").len(), 2);
}

fn quiet_config(line: &str) -> Config {
    let keys = "keys:\n  - {name: night, secret: secret-of-the-night, priority: batch}\n  - {name: day, secret: secret-of-the-day}";
    Config::with(Model::chat("chat").line(line)).top(keys).api_key("sk-admin")
}

#[test]
fn batch_starts_nothing_in_quiet_hours() {
    let quiet = format!("quiet: [{:?}]", hours(-30, 60));
    let manager = Manager::start(&quiet_config(&quiet));
    let ask = |key: &str| -> Reply {
        let call = manager.bare("POST", "/v1/chat/completions").chat("chat", false);
        call.header("Authorization", &format!("Bearer {key}")).send()
    };
    wait_until("the clock has been looked at", PATIENCE, || manager.model("chat")["quiet_until"].is_string());
    let refused = ask("secret-of-the-night").error(503, "model_stopped");
    assert!(
        refused.message().contains("don't start it in its quiet hours, which end at"),
        "{}",
        refused.message()
    );
    assert!((59 * 60..=60 * 60).contains(&refused.retry_after()), "{}", refused.retry_after());
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    assert!(manager.starts("chat").is_empty());
    // Somebody else may start it, and then it serves everybody.
    ask("secret-of-the-day").ok();
    ask("secret-of-the-night").ok();
    manager.act("/api/models/chat/stop");
    manager.reload(&quiet_config(&format!("quiet: [{:?}]", hours(-60, -30))));
    wait_until("they are over", PATIENCE, || manager.model("chat")["quiet_until"].is_null());
    ask("secret-of-the-night").ok();
}

#[test]
fn hours_that_mean_nothing_are_told() {
    let manager = Manager::start(&Config::new());
    let check = |lines: &str| {
        let model =
            format!("Local-Models:\n  m:\n    mode: Chat\n{lines}    V:\n      command: [sleep, '1']\n");
        manager.check(&model)
    };
    let (code, said) = check(
        "    keep_warm: [\"08:00-18:00 Europe/Nowhere\", \"Moon 08:00-18:00\"]\n    quiet: [\"8-18\"]\n",
    );
    assert_eq!(code, Some(2), "{said}");
    for word in [
        "keep_warm[0]: no time zone has the name \"Europe/Nowhere\"",
        "keep_warm[1]: \"Moon 08:00-18:00\": \"Moon\" is no day",
        "quiet[0]: \"8-18\": \"8\" is no time from 00:00 to 24:00",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let (code, said) = check("    keep_warm: [\"Mon-Fri 08:00-18:00 UTC\", \"Fri 17:00-20:00 UTC\"]\n");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("keep_warm[1]: overlaps \"Mon-Fri 08:00-18:00 UTC\""), "{said}");
}
