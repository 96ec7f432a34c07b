//! Keys with rights, limits and budgets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{Call, Config, Manager, Model, PATIENCE, wait_until};

const ADMIN: &str = "the-key-of-the-admin";

fn keys(entries: &str) -> Config {
    Config::with(Model::chat("chat").line("aliases: [also]")).api_key(ADMIN).top(&format!("keys:\n{entries}"))
}

fn key(name: &str, more: &str) -> String {
    format!("  - name: {name}\n    secret: secret-of-{name}\n{more}")
}

fn of(call: Call, name: &str) -> Call {
    call.header("Authorization", &format!("Bearer secret-of-{name}"))
}

#[test]
fn a_key_may_do_what_its_scopes_say() {
    let config = keys(
        &[
            key("user", ""),
            key("watcher", "    scopes: [read]\n"),
            key("operator", "    scopes: [operate]\n"),
            key("boss", "    scopes: [admin]\n"),
        ]
        .concat(),
    );
    let manager = Manager::start(&config);
    let chat = || manager.bare("POST", "/v1/chat/completions").chat("chat", false);
    let may = |name: &str, call: Call| of(call, name).send().status;
    for (name, allowed) in [("user", 200), ("watcher", 403), ("operator", 403), ("boss", 200)] {
        assert_eq!(may(name, chat()), allowed, "{name} asks a model");
    }
    for (name, read, operate, admin) in [
        ("user", 403, 403, 403),
        ("watcher", 200, 403, 403),
        ("operator", 200, 200, 403),
        ("boss", 200, 200, 200),
    ] {
        assert_eq!(may(name, manager.bare("GET", "/api/models")), read, "{name} reads");
        assert_eq!(may(name, manager.bare("GET", "/metrics")), read, "{name} reads metrics");
        assert_eq!(may(name, manager.bare("POST", "/api/models/chat/stop")), operate, "{name} stops");
        assert_eq!(may(name, manager.bare("GET", "/api/config")), admin, "{name} sees the file");
        assert_eq!(may(name, manager.bare("GET", "/api/keys")), admin, "{name} sees the keys");
    }
    let refused = of(manager.bare("GET", "/api/models"), "user").send().error(403, "forbidden");
    assert!(
        refused.message().contains("`read`") && refused.message().contains("`user`"),
        "{}",
        refused.message()
    );
    manager.bare("GET", "/health").send().ok();
    manager.bare("GET", "/v1/models").send().error(401, "invalid_api_key");
    for header in ["x-api-key", "api-key"] {
        chat().header(header, "secret-of-user").send().ok();
    }
    wait_until("the row has the key's name", PATIENCE, || {
        manager.api("/api/requests?api_key=user")["rows"].as_array().is_some_and(|rows| rows.len() == 3)
    });
}

#[test]
fn a_key_sees_and_uses_its_models_until_it_expires() {
    let config = keys(
        &[
            key("narrow", "    models: [\"al*\"]\n"),
            key("other", "    models: [nothing]\n"),
            key("old", "    expires: 2020-01-01T00:00:00Z\n"),
        ]
        .concat(),
    );
    let manager = Manager::start(&config);
    let chat = |name: &str| of(manager.bare("POST", "/v1/chat/completions").chat("chat", false), name).send();
    chat("narrow").ok();
    chat("other").error(403, "forbidden");
    let old = chat("old").error(401, "invalid_api_key");
    assert!(old.message().contains("expired"), "{}", old.message());
    let listed = |name: &str| {
        of(manager.bare("GET", "/v1/models"), name).send().json()["data"].as_array().unwrap().len()
    };
    assert_eq!((listed("narrow"), listed("other")), (2, 0));
    // Ollama's lists are no way round that.
    for path in ["/api/tags", "/api/ps"] {
        let listed = |name: &str| {
            of(manager.bare("GET", path), name).send().ok().json()["models"].as_array().unwrap().len()
        };
        assert_eq!((listed("narrow"), listed("other")), (1, 0), "{path}");
    }
    let show =
        |name: &str| of(manager.bare("POST", "/api/show").json(&json!({"model": "chat"})), name).send();
    show("narrow").ok();
    assert_eq!(show("other").status, 403);
}

#[test]
fn a_list_that_names_nothing_does_not_name_everything() {
    let manager = Manager::start(&keys(&key("one", "")));
    let (code, said) = manager.check(&format!(
        "program: {{api_keys: [secret-of-two]}}\nkeys:\n{}{}{}{}Local-Models: {{}}\n",
        key("none", "    models: []\n"),
        key("two", ""),
        key("three", "    models: [gone]\n    expires: 2020-01-01T00:00:00Z\n"),
        key("four", "    budget: {tokens: 5, currency: CNY}\n"),
    ));
    assert_eq!(code, Some(2), "{said}");
    for part in [
        "keys[0].models: lets the key use no model",
        "keys[1]: has a secret that is also in `program.api_keys`",
        "warning: keys[2].models[0]: \"gone\" means no model",
        "warning: keys[2].expires: has passed",
        "keys[3].budget.currency: belongs to an `amount`",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for wrong in [
        json!({"name": "a", "models": []}),
        json!({"name": "a", "scopes": []}),
        json!({"name": "a", "models": [" "]}),
        json!({"name": "a", "expires": "2020-01-01T00:00:00Z"}),
    ] {
        manager.post("/api/keys").json(&wrong).send().error(400, "invalid_request");
    }
}

#[test]
fn the_command_line_takes_a_key_of_the_file_or_of_its_environment() {
    let with = |entries: &str| Config::with(Model::chat("chat")).top(&format!("keys:\n{entries}"));
    let mut manager = Manager::prepare(&with(&key("user", "")));
    manager.launch();
    let refused = manager.cli(&["status"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("LLM_MANAGER_API_KEY"), "{said}");
    assert!(manager.cli_ok(&["connect"]).contains("llm-manager key add NAME"));
    assert!(manager.cli_ok(&["connect", "curl"]).contains("Bearer YOUR_KEY"));
    let admin = manager.cli_ok(&["key", "add", "admin", "--scope", "admin"]);
    manager.set_env("LLM_MANAGER_API_KEY", admin.trim());
    wait_until("the manager knows of it", PATIENCE, || manager.cli(&["status"]).status.success());
    // Of those of the file the one that may do the most, whoever else may look.
    manager.set_env("LLM_MANAGER_API_KEY", "");
    manager.write(&with(
        &[key("eye", "    scopes: [read]\n"), key("boss", "    scopes: [admin, infer]\n")].concat(),
    ));
    assert!(!manager.cli(&["start", "chat"]).status.success(), "the key isn't in force yet");
    manager.stop();
    manager.launch();
    manager.cli_ok(&["start", "chat"]);
    let (pid, _) = manager.starts("chat")[0];
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("LLM_MANAGER_API_KEY"), "the backend has it");
    // What is looked at behind a test has no key.
    manager.stop();
}

#[test]
fn a_minute_s_requests_may_come_at_once_and_no_more() {
    let manager = Manager::start(&keys(&key("few", "    requests_per_minute: 3\n")));
    let chat = || of(manager.bare("POST", "/v1/chat/completions").chat("chat", false), "few").send();
    for left in ["2", "1", "0"] {
        let reply = chat().ok();
        assert_eq!(reply.header("x-ratelimit-limit-requests"), Some("3"));
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), Some(left));
    }
    let refused = chat().error(429, "rate_limited");
    assert!((1..=20).contains(&refused.retry_after()), "{}", refused.retry_after());
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), Some("0"));
    // Looking is not counted.
    of(manager.bare("GET", "/v1/models"), "few").send().ok();
}

#[test]
fn a_thousand_at_once_stay_within_the_budget() {
    let config = keys(&key("poor", "    budget: {period: day, tokens: 100}\n"));
    let manager = Arc::new(Manager::start(&config));
    manager.chat("chat").send().ok();
    let (asked, served) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let body = json!({"model": "chat", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]});
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let (asked, served) = (Arc::clone(&asked), Arc::clone(&served));
            let call = of(manager.bare("POST", "/v1/chat/completions").json(&body), "poor")
                .fake("tokens=8,prompt=1");
            std::thread::spawn(move || {
                while asked.fetch_add(1, Ordering::Relaxed) < 1000 {
                    let reply = call.send();
                    match reply.status {
                        200 => drop(served.fetch_add(1, Ordering::Relaxed)),
                        _ => drop(reply.error(429, "budget_exhausted")),
                    }
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert!(served.load(Ordering::Relaxed) > 1, "some fit");
    let mut used = 0;
    wait_until("every served request is counted", PATIENCE, || {
        let groups = manager.api("/api/usage/summary?api_key=poor");
        let total = &groups["total"];
        used = total["input_tokens"].as_u64().unwrap_or(0) + total["output_tokens"].as_u64().unwrap_or(0);
        used > 0
    });
    // Its input is estimated as more than the one token that the server counts: so nothing is above.
    assert!(used <= 100, "{used} of 100, by {} requests", served.load(Ordering::Relaxed));
}

/// A length for which the plan has no price, or one that only the engine knows by its name, is no way round a budget.
#[test]
fn what_has_no_price_is_reserved_as_what_it_may_become() {
    let plan = "billing: {method: tiered, currency: CNY, tiers: [{max_output: 1000, input: \"1000\", output: \"10000\"}]}";
    let config = Config::with(Model::chat("chat").line(plan)).api_key(ADMIN).top(&format!(
        "keys:\n{}{}",
        key("money", "    budget: {period: month, amount: \"5\", currency: CNY}\n"),
        key("tokens", "    budget: {period: month, tokens: 500}\n")
    ));
    let manager = Manager::start(&config);
    let ask = |name: &str, more: Value| {
        let mut body = json!({"model": "chat", "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        of(manager.bare("POST", "/v1/chat/completions").json(&body), name).fake("tokens=2").send()
    };
    ask("money", json!({"max_tokens": 400})).ok();
    for most in [1000, 1001, 9_000_000_000_000_000_000_u64] {
        ask("money", json!({"max_tokens": most})).error(429, "budget_exhausted");
    }
    ask("tokens", json!({"max_tokens": 2})).ok();
    ask("tokens", json!({"max_tokens": 2, "n_predict": 1000})).error(429, "budget_exhausted");
    ask("tokens", json!({"max_tokens": "200", "n": 4})).error(429, "budget_exhausted");
}

#[test]
fn a_higher_class_passes_those_that_wait() {
    let config = Config::with(Model::chat("chat").line("max_concurrency: 1")).api_key(ADMIN).top(&format!(
        "keys:\n{}{}",
        key("person", "    priority: interactive\n"),
        key("agent", "    priority: batch\n")
    ));
    let manager = Manager::start(&config);
    let chat = |name: &str| of(manager.bare("POST", "/v1/chat/completions").chat("chat", false), name);
    let first = manager.chat("chat").fake(&format!("wait_file={}", manager.word("one"))).spawn();
    manager.wait_leases("chat", 1);
    let agent = chat("agent").fake(&format!("wait_file={}", manager.word("two"))).spawn();
    manager.wait_waiting("chat", 1);
    let person = chat("person").spawn();
    manager.wait_waiting("chat", 2);
    manager.touch("one");
    first.join().unwrap().ok();
    // The agent's own answer needs the other file: had it gone first, nobody would be answered now.
    person.join().unwrap().ok();
    manager.touch("two");
    agent.join().unwrap().ok();
}

#[test]
fn secrets_come_from_elsewhere_and_show_nowhere() {
    let secret = "from-the-environment-0123";
    let config = Config::with(Model::chat("chat"))
        .api_key(ADMIN)
        .top("keys:\n  - {name: env, secret: \"${WORKSHOP_KEY}\", scopes: [infer]}\n");
    let manager = Manager::start_with(&config, &[("WORKSHOP_KEY", secret)]);
    let call = manager.bare("POST", "/v1/chat/completions").chat("chat", false);
    call.header("Authorization", &format!("Bearer {secret}")).send().ok();
    let (pid, _) = manager.starts("chat")[0];
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains(secret), "the backend has it");
    assert!(!manager.log().contains(secret));
    assert!(!manager.api("/api/keys").to_string().contains(secret));
    assert!(!manager.api("/api/config").to_string().contains(secret));
}

#[test]
fn keys_are_made_rotated_and_revoked_while_it_runs() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).api_key(ADMIN));
    let works = |secret: &str| {
        let call = manager.bare("POST", "/v1/chat/completions").chat("chat", false);
        call.header("Authorization", &format!("Bearer {secret}")).send().status
    };
    let made = manager.post("/api/keys").json(&json!({"name": "laptop", "budget": "100000/day"})).send();
    assert_eq!(made.status, 201, "{}", made.text());
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    assert_eq!(works(&secret), 200);
    let shown = manager.api("/api/keys");
    let laptop =
        shown["keys"].as_array().unwrap().iter().find(|key| key["name"] == "laptop").unwrap().clone();
    assert_eq!((&laptop["budget"]["amount"], &laptop["scopes"]), (&json!("100000"), &json!(["infer"])));
    // Whether a key can be rotated and revoked here.
    assert_eq!(laptop["source"], "made");
    assert_eq!(shown["keys"][0]["source"], "api_keys");
    assert!(!shown.to_string().contains(&secret));
    manager.post("/api/keys").json(&json!({"name": "laptop"})).send().error(409, "conflict");
    let rotated = manager.act("/api/keys/laptop/rotate").json()["secret"].as_str().unwrap().to_owned();
    assert_eq!((works(&secret), works(&rotated)), (401, 200));
    // What it has used stays its own.
    wait_until("both rows are there", PATIENCE, || {
        manager.api("/api/requests?api_key=laptop")["rows"].as_array().is_some_and(|rows| rows.len() == 2)
    });
    manager.delete("/api/keys/laptop").send().ok();
    assert_eq!(works(&rotated), 401);
    manager.delete("/api/keys/laptop").send().error(404, "key_not_found");

    let printed = manager.cli_ok(&["key", "add", "script", "--requests-per-minute", "5"]);
    let printed = printed.trim();
    wait_until("the manager knows of it", PATIENCE, || works(printed) == 200);
    assert!(manager.cli_ok(&["key", "list"]).contains("script: infer"));
    manager.cli_ok(&["key", "revoke", "script"]);
    wait_until("it opens nothing any more", PATIENCE, || works(printed) == 401);
}

#[test]
fn a_session_ends_with_its_key() {
    let manager = Manager::start(&keys(&key("boss", "    scopes: [admin]\n")));
    let reply = manager.bare("POST", "/api/session").json(&json!({"key": "secret-of-boss"})).send().ok();
    let cookie = reply.header("set-cookie").unwrap().split_once(';').unwrap().0.to_owned();
    let look = || manager.bare("GET", "/api/models").header("Cookie", &cookie).send().status;
    assert_eq!(look(), 200);
    manager.reload(&keys(&[key("new", ""), key("boss", "    scopes: [admin]\n")].concat()));
    assert_eq!(look(), 200, "it stands elsewhere, and is the same");
    manager.reload(&keys(&key("new", "")));
    assert_eq!(look(), 401);
}

#[test]
fn contradictions_are_refused_whole() {
    let manager = Manager::start(&keys(&key("one", "")));
    let wrong = [
        key("one", "    scopes: [infer, rule]\n"),
        key("one", "    budget: {tokens: 5, amount: \"1\"}\n"),
        "  - name: \"key-12345678\"\n    secret: \"short\"\n  - name: none\n".to_owned(),
    ]
    .concat();
    manager.write(&keys(&wrong));
    let refused = manager.post("/api/config/reload").send().error(400, "invalid_config");
    let problems = refused.json()["error"]["problems"].as_array().unwrap().clone();
    let told = problems.iter().map(Value::to_string).collect::<String>();
    for part in ["rule", "another key", "tokens` and `amount", "key-", "8 characters", "no secret"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    of(manager.bare("POST", "/v1/chat/completions").chat("chat", false), "one").send().ok();
}
