//! Variants that are somewhere else: a server that somebody else runs, another manager among them.

use serde_json::json;

use crate::support::{Config, Manager, Model, PATIENCE, Reply, Variant, free_port, wait_until};

const FAR_KEY: &str = "far-key-0123456789";
const NEAR_KEY: &str = "near-key-0123456789";

/// Another manager, with a model of its own name.
fn other() -> Manager {
    Manager::start(&Config::with(Model::chat("theirs")).api_key(FAR_KEY))
}

fn there(url: &str) -> Variant {
    Variant::new("There").line("served_name: theirs").elsewhere(&format!("{url}/v1"), Some(FAR_KEY))
}

fn nowhere() -> Variant {
    Variant::new("There").elsewhere(&format!("http://127.0.0.1:{}/v1", free_port()), None)
}

fn variant_of(reply: &Reply) -> String {
    reply.header("x-llm-manager-variant").unwrap_or_default().to_owned()
}

fn with_memory_checked(checked: bool, model: Model) -> Config {
    Config::with(model).program(&format!("Disable_GPU_monitoring: {}", !checked))
}

/// There is no process that could print something.
#[test]
fn a_server_elsewhere_that_is_silent_for_longer_than_start_timeout_is_named() {
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/v1", silent.local_addr().unwrap());
    let model = Model::chat("ours").start_timeout(1);
    let manager = Manager::start(&Config::with(model.variant(Variant::new("There").elsewhere(&url, None))));
    let refused = manager.chat("ours").send().error(504, "model_start_timeout");
    let words = refused.message();
    assert!(words.ends_with(&format!("start_timeout (1 s); it waited for an answer of {url}")), "{words}");
}

#[test]
fn a_server_elsewhere_is_used_like_one_of_this_machine() {
    let far = other();
    let near =
        Manager::start(&Config::with(Model::chat("ours").variant(there(&far.url()))).api_key(NEAR_KEY));
    let reply = near.chat("ours").fake("echo=1").header("Cookie", "a=b").send().ok();
    assert_eq!(variant_of(&reply), "There");
    let seen = reply.json();
    assert_eq!(seen["path"], "/v1/chat/completions");
    assert!(seen["body"].as_str().unwrap().contains(r#""model":"theirs""#), "{seen}");
    let headers = seen["headers"].to_string().to_ascii_lowercase();
    for private in [NEAR_KEY, FAR_KEY, "cookie", "authorization"] {
        assert!(!headers.contains(private), "{private}: {headers}");
    }

    let stream = near.chat_stream("ours").fake("tokens=5").send().ok();
    assert!(stream.text().contains("[DONE]"), "{}", stream.text());
    wait_until("both requests are recorded here", PATIENCE, || {
        let total = near.api("/api/usage/summary")["total"].clone();
        total["requests"] == 2 && total["output_tokens"].as_u64() >= Some(5)
    });
    assert_eq!(far.starts("theirs").len(), 1, "nobody else was started");

    let model = near.model("ours");
    let place = format!("{}/v1", far.url());
    assert_eq!(
        (&model["state"], &model["place"], &model["variants"][0]["place"]),
        (&json!("ready"), &json!(place), &json!(place))
    );
    assert!(model["pid"].is_null() && model["port"].is_null(), "{model}");
    assert!(near.cli_ok(&["status"]).contains(&format!("There ({place})")));
    assert!(near.cli_ok(&["explain", "ours"]).contains(&place));

    let theirs = near.get("/upstream/ours/api/models").send().ok();
    assert_eq!(theirs.json()[0]["name"], "theirs", "the rest of the server is there, too");

    let told =
        [near.log(), near.api("/api/models").to_string(), near.api("/api/models/ours").to_string()].concat();
    assert!(!told.contains(FAR_KEY), "the key of the other server is nobody's business");
    near.act("/api/models/ours/stop");
    assert_eq!((near.state("ours"), far.state("theirs")), ("stopped".to_owned(), "ready".to_owned()));
}

#[test]
fn the_next_variant_is_taken_while_an_address_is_silent() {
    for checked in [true, false] {
        let near = Manager::start(&with_memory_checked(
            checked,
            Model::chat("m").variant(nowhere()).variant(Variant::new("Here")),
        ));
        let reply = near.chat("m").send().ok();
        assert_eq!(variant_of(&reply), "Here", "memory checked: {checked}");
        let model = near.model("m");
        assert_eq!(
            (&model["runs"][0]["cause"], &model["runs"][0]["variant"]),
            (&json!("unreachable"), &json!("There"))
        );
        assert_eq!(model["failures"], 0, "that was no failure of the model");
    }
}

#[test]
fn an_address_that_is_silent_is_told_and_tried_again() {
    for checked in [true, false] {
        let far = Manager::prepare(&Config::with(Model::chat("theirs")).api_key(FAR_KEY));
        let near = Manager::start(&with_memory_checked(checked, Model::chat("m").variant(there(&far.url()))));
        let refused = near.chat("m").send();
        assert!(refused.header("retry-after").is_some());
        let message = refused.error(503, "insufficient_resources").text();
        assert!(message.contains(&far.url()) && message.contains("refused"), "{message}");
        if checked {
            let explained = near.cli_ok(&["explain", "m"]);
            assert!(
                explained.contains("no variant's address answers") && explained.contains("refused"),
                "{explained}"
            );
        }
        let mut far = far;
        far.launch();
        wait_until("it is used once it answers", PATIENCE, || near.chat("m").send().status == 200);
    }
}

#[test]
fn a_request_moves_on_when_its_server_has_gone() {
    for checked in [true, false] {
        let far = other();
        let near = Manager::start(&with_memory_checked(
            checked,
            Model::chat("m").variant(there(&far.url())).variant(Variant::new("Here")),
        ));
        assert_eq!(variant_of(&near.chat("m").send().ok()), "There");
        drop(far);
        assert_eq!(variant_of(&near.chat("m").send().ok()), "Here", "memory checked: {checked}");
    }
}

#[test]
fn a_server_that_sends_a_request_away_counts_as_down() {
    for checked in [true, false] {
        let far = other();
        let model = Model::chat("m").variant(there(&far.url())).variant(Variant::new("Here"));
        let near = Manager::start(&with_memory_checked(checked, model));
        assert_eq!(variant_of(&near.chat("m").send().ok()), "There");
        // It answers questions, and serves nobody: a manager without room, for example.
        let reply = near.chat("m").fake("status=503").send();
        assert_eq!((reply.status, variant_of(&reply)), (503, "Here".to_owned()), "memory checked: {checked}");
        assert_eq!(variant_of(&near.chat("m").send().ok()), "Here");
        let shown = near.model("m");
        assert_eq!(
            (&shown["runs"][0]["cause"], &shown["failures"]),
            (&json!("unreachable"), &json!(0)),
            "{shown}"
        );
    }
}

#[test]
fn a_server_that_is_full_but_serves_others_is_used_on() {
    let far = other();
    let near = Manager::start(&Config::with(
        Model::chat("m").variant(there(&far.url())).variant(Variant::new("Here")),
    ));
    let script = format!("tokens=4,stream_file={}", near.word("word"));
    let mut stream = near.chat_stream("m").fake(&script).open();
    stream.until("word1 ");
    let reply = near.chat("m").fake("status=503").send();
    assert_eq!((reply.status, variant_of(&reply)), (503, "There".to_owned()));
    near.touch("word");
    assert!(stream.finish().text().contains("[DONE]"), "nobody was cut off");
    // The only variant that there is: its own word is the client's.
    let alone = Manager::start(&Config::with(Model::chat("m").variant(there(&far.url()))));
    let reply = alone.chat("m").fake("status=503").send();
    assert_eq!((reply.status, variant_of(&reply)), (503, "There".to_owned()));
    assert_eq!(alone.state("m"), "ready");
}

#[test]
fn a_variant_elsewhere_is_taken_when_this_machine_has_no_room() {
    let far = other();
    let here = Variant::new("Here").on("no such card", 1);
    let near =
        Manager::start(&with_memory_checked(true, Model::chat("m").variant(here).variant(there(&far.url()))));
    assert_eq!(variant_of(&near.chat("m").send().ok()), "There");
    assert!(near.starts("m").is_empty());
}

#[test]
fn a_wrong_key_is_told() {
    let far = other();
    let wrong = Variant::new("There").elsewhere(&format!("{}/v1", far.url()), Some("not-the-key-1"));
    let near = Manager::start(&Config::with(Model::chat("m").variant(wrong)));
    let message = near.chat("m").send().error(503, "insufficient_resources").text();
    assert!(message.contains("on.key") && !message.contains("not-the-key-1"), "{message}");
}

#[test]
fn what_a_model_of_another_manager_waits_for_is_shown_here() {
    let far = Manager::start(
        &Config::with(Model::chat("theirs").flags(&["--load-until-file", "{dir}/go"])).api_key(FAR_KEY),
    );
    let near = Manager::start(&Config::with(Model::chat("m").variant(there(&far.url()))));
    let reply = near.chat("m").spawn();
    near.wait_state("m", "starting");
    wait_until("it says what the other one waits for", PATIENCE, || {
        let waits_for = near.model("m")["waits_for"].as_str().unwrap_or_default().to_owned();
        waits_for.starts_with(&format!("{}/v1: ", far.url()))
    });
    far.touch("go");
    reply.join().unwrap().ok();
    near.wait_state("m", "ready");
    assert!(near.model("m")["waits_for"].is_null());
}

#[test]
fn two_managers_that_name_each_other_do_not_go_round_in_circles() {
    let one = Manager::start(&Config::with(Model::chat("theirs")));
    let open = |url: &str| Variant::new("There").elsewhere(&format!("{url}/v1"), None);
    let two = Manager::start(&Config::with(Model::chat("theirs").variant(open(&one.url()))));
    one.reload(&Config::with(Model::chat("theirs").variant(open(&two.url()))));
    let reply = one.chat("theirs").send();
    let message = reply.error(508, "loop_detected").text();
    assert!(message.contains("circle"), "{message}");
}
