//! Whose turn it is: classes of requests, and keys that take turns.

use crate::support::{Call, Config, Live, Manager, Model, PATIENCE, Reply, wait_until};

const ADMIN: &str = "the-key-of-the-admin";

fn key(name: &str, more: &str) -> String {
    format!("  - {{name: {name}, secret: secret-of-{name}, scopes: [infer]{more}}}\n")
}

/// One request at a time, and a journal of those that the backend gets.
fn one_at_a_time(keys: &[String]) -> Config {
    let model = Model::chat("chat").line("max_concurrency: 1").flags(&["--journal", "{dir}/journal"]);
    Config::with(model).api_key(ADMIN).top(&format!("keys:\n{}", keys.concat()))
}

fn chat(manager: &Manager, name: &str) -> Call {
    let call = manager.bare("POST", "/v1/chat/completions").chat("chat", false);
    call.header("Authorization", &format!("Bearer secret-of-{name}"))
}

/// The backend has one request, until the file is there.
fn hold(manager: &Manager) -> Live {
    let held = manager.chat("chat").header("x-request-id", "held");
    let held = held.fake(&format!("wait_file={}", manager.word("go"))).open();
    manager.wait_leases("chat", 1);
    held
}

/// These wait, each once the one before it does.
fn queue_up(manager: &Manager, calls: Vec<(&str, Call)>) -> Vec<Live> {
    let before = manager.model("chat")["waiting"].as_u64().unwrap();
    let open = |(nth, (id, call)): (usize, (&str, Call))| {
        let live = call.header("x-request-id", id).open();
        let wanted = before + nth as u64 + 1;
        wait_until("it waits", PATIENCE, || manager.model("chat")["waiting"] == wanted);
        live
    };
    calls.into_iter().enumerate().map(open).collect()
}

fn line(manager: &Manager) -> Vec<String> {
    let queue = manager.api("/api/queue");
    let rows = queue.as_array().unwrap();
    let places: Vec<u64> = rows.iter().map(|row| row["place"].as_u64().unwrap()).collect();
    assert_eq!(places, (1..=rows.len() as u64).collect::<Vec<_>>(), "{queue}");
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// In which order the backend got them.
fn order(manager: &Manager) -> Vec<String> {
    let journal = std::fs::read_to_string(manager.path("journal")).unwrap();
    journal.lines().filter_map(|line| line.strip_suffix(" asked")).map(str::to_owned).collect()
}

#[test]
fn keys_of_one_class_take_turns_however_many_one_of_them_sends() {
    let manager = Manager::start(&one_at_a_time(&[key("flood", ""), key("other", "")]));
    let held = hold(&manager);
    let flood = ["f1", "f2", "f3", "f4"].map(|id| (id, chat(&manager, "flood")));
    let mut all = queue_up(&manager, flood.into());
    // A small answer costs its key less: two of them are one of the others.
    let small = || {
        let body = r#"{"model":"chat","max_tokens":2100,"messages":[{"role":"user","content":"hello"}]}"#;
        chat(&manager, "other").fake("tokens=2").body(body)
    };
    all.extend(queue_up(&manager, vec![("o1", small()), ("o2", small()), ("o3", small())]));
    let wanted = ["f1", "o1", "o2", "f2", "o3", "f3", "f4"];
    assert_eq!(line(&manager), wanted);
    manager.touch("go");
    held.finish().ok();
    all.into_iter().map(Live::finish).for_each(|reply| drop(reply.ok()));
    assert_eq!(order(&manager)[1..], wanted);
}

#[test]
fn an_agents_flood_does_not_keep_a_person_waiting() {
    let keys = [key("person", ", priority: interactive"), key("agent", ", priority: batch")];
    let manager = Manager::start(&one_at_a_time(&keys));
    let held = hold(&manager);
    let agents = ["a1", "a2", "a3"].map(|id| (id, chat(&manager, "agent")));
    let mut all = queue_up(&manager, agents.into());
    let people = ["p1", "p2"].map(|id| (id, chat(&manager, "person")));
    all.extend(queue_up(&manager, people.into()));
    all.extend(queue_up(&manager, vec![("admin", manager.chat("chat"))]));
    let wanted = ["p1", "p2", "admin", "a1", "a2", "a3"];
    assert_eq!(line(&manager), wanted);
    let metrics = manager.get("/metrics").send().text();
    for row in [r#"class="interactive"} 2"#, r#"class="normal"} 1"#, r#"class="batch"} 3"#] {
        assert!(metrics.contains(row), "{row}: {metrics}");
    }
    manager.touch("go");
    held.finish().ok();
    all.into_iter().map(Live::finish).for_each(|reply| drop(reply.ok()));
    assert_eq!(order(&manager)[1..], wanted);
}

fn class(reply: &Reply) -> Option<&str> {
    reply.header("x-llm-manager-class")
}

#[test]
fn a_client_may_ask_for_less_and_for_more_as_far_as_its_key_goes() {
    let keys = [
        key("person", ", priority: interactive"),
        key("agent", ", priority: batch"),
        key("both", ", priority: batch, max_priority: interactive"),
        key("plain", ""),
    ];
    let manager = Manager::start(&one_at_a_time(&keys));
    let asks = |name: &str, class: &str| chat(&manager, name).header("x-llm-manager-priority", class).send();
    for (name, asked, got) in [
        ("person", "batch", "batch"),
        ("agent", "interactive", "batch"),
        ("both", "interactive", "interactive"),
        ("both", "normal", "normal"),
        ("plain", "interactive", "normal"),
        ("plain", "batch", "batch"),
    ] {
        let reply = asks(name, asked).ok();
        assert_eq!(class(&reply), Some(got), "{name} asks for {asked}");
    }
    // Who doesn't ask isn't told. The keys of `api_keys` may do everything.
    assert_eq!(class(&chat(&manager, "agent").send().ok()), None);
    let high = manager.chat("chat").header("x-llm-manager-priority", "interactive").send().ok();
    assert_eq!(class(&high), Some("interactive"));
    let refused = asks("plain", "urgent").error(400, "invalid_request");
    assert!(refused.message().contains("\"urgent\""), "{}", refused.message());
}

#[test]
fn a_model_says_what_its_requests_are_and_a_reload_changes_it() {
    let config = |class: &str| {
        Config::with(Model::chat("chat").line("max_concurrency: 1").line(&format!("priority: {class}")))
    };
    let manager = Manager::start(&config("batch"));
    let held = hold(&manager);
    let mut all = queue_up(&manager, vec![("first", manager.chat("chat"))]);
    manager.reload(&config("interactive"));
    all.extend(queue_up(&manager, vec![("second", manager.chat("chat"))]));
    let queue = manager.api("/api/queue");
    let seen = |nth: usize| (queue[nth]["id"].as_str().unwrap(), queue[nth]["class"].as_str().unwrap());
    assert_eq!((seen(0), seen(1)), (("second", "interactive"), ("first", "batch")), "{queue}");
    manager.touch("go");
    held.finish().ok();
    all.into_iter().map(Live::finish).for_each(|reply| drop(reply.ok()));
}
