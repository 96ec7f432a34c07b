//! The ledger from outside: what clients did is what the reports say, to the token and to the cent.

use serde_json::{Value, json};

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

/// The summary, once so many requests are in it.
#[track_caller]
fn summary(manager: &Manager, query: &str, requests: i64) -> Value {
    let mut last = Value::Null;
    wait_until(&format!("{requests} requests are in the ledger"), PATIENCE, || {
        last = manager.api(&format!("/api/usage/summary?{query}"));
        last["total"]["requests"].as_i64().unwrap() >= requests
    });
    assert_eq!(last["total"]["requests"], requests, "{last}");
    last
}

fn rows(manager: &Manager, query: &str) -> Vec<Value> {
    manager.api(&format!("/api/requests?{query}"))["rows"].as_array().unwrap().clone()
}

#[test]
fn sums_are_those_of_the_backend() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).model(Model::new("embed", "Embedding")));
    // The probes of a start are counted by the backend, and by nobody else.
    let ready = |model: &str| {
        manager.act(&format!("/api/models/{model}/start"));
        manager.stats(model)
    };
    let (chat_before, embed_before) = (ready("chat"), ready("embed"));
    let since = |before: &Value, model: &str, counter: &str| {
        manager.stats(model)[counter].as_i64().unwrap() - before[counter].as_i64().unwrap()
    };
    manager.chat("chat").fake("tokens=5,prompt=100,cached=40").send().ok();
    let seen = manager.chat_stream("chat").fake("tokens=7,prompt=30,cached=0").send().ok().text();
    assert!(!seen.contains("\"usage\":{"), "nobody asked for it: {seen}");
    let embed = manager.post("/v1/embeddings").json(&json!({"model": "embed", "input": "x"}));
    embed.send().ok();
    manager.chat("chat").fake("status=500").send();
    let answer = summary(&manager, "by=model", 4);
    let chat = &answer["groups"][0];
    assert_eq!((&chat["key"], &chat["requests"]), (&json!("chat"), &json!(3)));
    assert_eq!(chat["input_tokens"], since(&chat_before, "chat", "prompt_tokens"), "{answer}");
    assert_eq!(chat["output_tokens"], since(&chat_before, "chat", "completion_tokens"), "{answer}");
    assert_eq!(chat["cached_tokens"], 40);
    assert_eq!(answer["groups"][1]["input_tokens"], since(&embed_before, "embed", "prompt_tokens"));
    assert_eq!(answer["latency"]["requests"], 4);
    assert_eq!(rows(&manager, "model=chat").len(), 3);
    assert_eq!(rows(&manager, "status=500").len(), 1);
    assert_eq!((&answer["total"]["failed"], &answer["total"]["unrecorded"]), (&json!(1), &json!(0)));
    let series = manager.api("/api/usage/series?bucket=day&tz=Asia/Shanghai&by=model");
    let sum: i64 =
        series["points"].as_array().unwrap().iter().map(|p| p["total"]["requests"].as_i64().unwrap()).sum();
    assert_eq!(sum, 4, "{series}");
    assert_eq!(manager.api("/api/usage/session")["total"]["requests"], 4);
    let text = manager.cli_ok(&["usage", "--by", "day", "--csv"]);
    assert!(text.lines().count() == 2 && text.contains(",4,"), "{text}");
    assert!(manager.cli_ok(&["usage"]).contains("embed"));
    for wrong in ["by=moon", "from=today", "bucket=day", "nonsense=1"] {
        manager.get(&format!("/api/usage/summary?{wrong}")).send().error(400, "invalid_request");
    }
}

#[test]
fn a_client_that_left_is_estimated() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let script = format!("tokens=4,stream_file={}", manager.word("never"));
    let mut client = manager.chat_stream("chat").fake(&script).open();
    client.until("word1 ");
    client.leave();
    assert_eq!(summary(&manager, "", 1)["total"]["estimated"], 1);
    let row = &rows(&manager, "outcome=client_left")[0];
    assert_eq!(row["usage_source"], "estimated");
    assert!(row["output_tokens"].as_i64().unwrap() > 0, "{row}");
}

#[test]
fn prices_are_exact_and_the_past_stays() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").fake("tokens=5,prompt=100,cached=40").send().ok();
    let plan = |input: &str| {
        json!({"method": "tiered", "currency": "CNY", "cache_pricing": true, "tiers": [
            {"max_input": 32768, "max_output": null, "input": input, "output": "2", "cache_read": "0.2", "cache_write": "0"}
        ]})
    };
    let wrong = json!({"method": "tiered", "currency": "yuan", "tiers": [{"input": 0.8}], "moon": 1});
    let reply = manager.put("/api/billing/chat").json(&wrong).send().error(400, "invalid_request");
    for word in ["moon", "currency", "tiers[0].input", "tiers[0].output"] {
        assert!(reply.message().contains(word), "{word}: {}", reply.message());
    }
    let set = manager.put("/api/billing/chat").json(&plan("0.8")).send().ok().json();
    assert_eq!((&set["plan"], &set["source"]), (&plan("0.8"), &json!("api")));
    manager.chat("chat").fake("tokens=5,prompt=100,cached=40").send().ok();
    manager.put("/api/billing/chat").json(&plan("1")).send().ok();
    let answer = summary(&manager, "", 2);
    // 60 x 0.8 + 40 x 0.2 + 5 x 2, by the million.
    assert_eq!(answer["total"]["cost"], json!({"CNY": "0.000066"}));
    let pricings: Vec<_> = rows(&manager, "").iter().map(|row| row["pricing"].clone()).collect();
    assert_eq!(pricings, ["priced", "no_plan"]);
    assert_eq!(manager.api("/api/billing/chat")["history"].as_array().unwrap().len(), 2);
    let past =
        json!({"method": "hourly", "currency": "CNY", "per_hour": "1", "valid_from": "2020-01-01T00:00:00Z"});
    manager.put("/api/billing/chat").json(&past).send().error(400, "invalid_request");
    manager.get("/api/billing/nobody").send().error(404, "model_not_found");
}

#[test]
fn rows_survive_and_can_be_deleted() {
    let mut manager = Manager::start(&Config::with(Model::chat("chat")).api_key("a-long-secret-of-mine"));
    for _ in 0..3 {
        manager.chat("chat").send().ok();
    }
    summary(&manager, "", 3);
    let page = manager.api("/api/requests?limit=2");
    assert_eq!(page["rows"].as_array().unwrap().len(), 2);
    let after = page["next"].as_str().unwrap();
    assert_eq!(rows(&manager, &format!("limit=2&after={after}")).len(), 1);
    let csv = manager.get("/api/requests?limit=2").header("Accept", "text/csv").send().ok().text();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.starts_with("request_id,") && csv.contains(",key-") && !csv.contains("secret"), "{csv}");
    manager.cli_ok(&["backup", &manager.word("copy.db")]);
    assert!(!manager.cli(&["backup", &manager.word("copy.db")]).status.success(), "it is there already");
    manager.kill();
    manager.launch();
    summary(&manager, "", 3);
    // What was recorded a moment ago is written before the end.
    manager.chat("chat").send().ok();
    manager.stop();
    manager.launch();
    summary(&manager, "by=api_key", 4);
    let storage = manager.api("/api/storage");
    assert_eq!((&storage["models"][0]["rows"], &storage["models"][0]["orphan"]), (&json!(4), &json!(false)));
    manager.delete("/api/storage/chat").send().ok();
    summary(&manager, "", 0);
    manager.delete("/api/storage/nobody").send().error(404, "model_not_found");
    let kept = std::fs::read(manager.path("copy.db")).unwrap();
    assert!(memchr::memmem::find(&kept, b"a-long-secret").is_none(), "the key is in the ledger");
}

#[test]
fn data_of_a_model_that_left_can_be_renamed_or_deleted() {
    let mut manager = Manager::start(&Config::with(Model::chat("old")).model(Model::chat("stays")));
    manager.chat("old").fake("tokens=5,prompt=100,cached=0").send().ok();
    manager.chat("stays").fake("tokens=5,prompt=10,cached=0").send().ok();
    summary(&manager, "", 2);
    let to = |name: &str, merge: bool| json!({"to": name, "merge": merge});
    let rename = |manager: &Manager, old: &str, body: &Value| {
        manager.post(&format!("/api/storage/{old}/rename")).json(body).send()
    };
    rename(&manager, "old", &to("new", false)).error(409, "conflict");
    rename(&manager, "nobody", &to("new", false)).error(404, "model_not_found");
    manager.stop();
    let config = std::fs::read_to_string(manager.path("config.yaml")).unwrap();
    std::fs::write(manager.path("config.yaml"), config.replacen("  old:", "  new:", 1)).unwrap();
    manager.launch();
    let orphan = |name: &str| {
        let storage = manager.api("/api/storage");
        assert_eq!(storage["retention_days"], 30);
        storage["models"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["model"] == name)
            .map(|one| one["orphan"].clone())
    };
    assert_eq!((orphan("old"), orphan("stays")), (Some(json!(true)), Some(json!(false))));
    rename(&manager, "old", &json!({"name": "new"})).error(400, "invalid_request");
    rename(&manager, "old", &to(" ", false)).error(400, "invalid_request");
    rename(&manager, "old", &to("stays", false)).error(409, "conflict");
    assert!(manager.cli_ok(&["rename", "old", "new"]).contains("new"));
    assert_eq!(orphan("old"), None);
    manager.chat("new").fake("tokens=5,prompt=7,cached=0").send().ok();
    let answer = summary(&manager, "model=new&by=model,mode", 2);
    assert_eq!(answer["total"]["input_tokens"], 107);
    assert_eq!(answer["groups"][0]["keys"], json!({"model": "new", "mode": "Chat"}));
    let storage = manager.api("/api/storage");
    let renamed = storage["models"].as_array().unwrap().iter().find(|one| one["model"] == "new").unwrap();
    assert_eq!(renamed["former_names"], json!(["old"]));
    // Another one leaves for good, and one is merged into what is there.
    manager.stop();
    let config = std::fs::read_to_string(manager.path("config.yaml")).unwrap();
    std::fs::write(manager.path("config.yaml"), config.replacen("  stays:", "  last:", 1)).unwrap();
    manager.launch();
    assert!(!manager.cli(&["rename", "stays", "new"]).status.success(), "it has data");
    manager.cli_ok(&["rename", "stays", "new", "--merge"]);
    summary(&manager, "model=new", 3);
    manager.delete("/api/storage/new").send().ok();
    summary(&manager, "", 0);
}

#[test]
fn a_plan_that_is_too_large_is_refused_in_the_usual_form() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let huge = json!({"method": "x".repeat(70_000)});
    manager.put("/api/billing/chat").json(&huge).send().error(413, "request_too_large");
}

#[test]
fn a_plan_in_the_configuration_holds_until_somebody_sets_another() {
    let plan = |price: &str| format!("billing: {{method: hourly, currency: CNY, per_hour: \"{price}\"}}");
    let mut manager = Manager::start(&Config::with(Model::chat("chat").line(&plan("1"))));
    let in_force = |manager: &Manager| {
        let billing = manager.api("/api/billing/chat");
        let history = billing["history"].as_array().unwrap().len();
        (billing["plan"]["per_hour"].clone(), billing["source"].clone(), history)
    };
    assert_eq!(in_force(&manager), (json!("1"), json!("config"), 1));
    let rewrite = |manager: &mut Manager, from: &str, to: &str| {
        manager.stop();
        let config = std::fs::read_to_string(manager.path("config.yaml")).unwrap();
        assert!(config.contains(from), "{config}");
        std::fs::write(manager.path("config.yaml"), config.replacen(from, to, 1)).unwrap();
        manager.launch();
    };
    rewrite(&mut manager, "chat:", "chat:");
    assert_eq!(in_force(&manager), (json!("1"), json!("config"), 1), "nothing has changed");
    let other = json!({"method": "hourly", "currency": "CNY", "per_hour": "5"});
    manager.put("/api/billing/chat").json(&other).send().ok();
    rewrite(&mut manager, "chat:", "chat:");
    assert_eq!(in_force(&manager), (json!("5"), json!("api"), 2), "the operator's stays");
    rewrite(&mut manager, &plan("1"), &plan("2"));
    assert_eq!(in_force(&manager), (json!("2"), json!("config"), 3));
    rewrite(&mut manager, &plan("2"), "pinned: false");
    assert_eq!(in_force(&manager), (Value::Null, json!("config"), 4), "it has left the configuration");
}

#[test]
fn one_request_is_found_by_its_id_and_those_of_a_run_by_its_number() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).model(Model::chat("other")));
    let id = |reply: crate::support::Reply| reply.ok().header("x-request-id").unwrap().to_owned();
    let made = id(manager.chat("chat").send());
    // As long as ours and with our digits, but from a time in which nothing was.
    let given = "00000000001abcdef012";
    id(manager.chat("chat").header("X-Request-Id", given).send());
    id(manager.chat("other").send());
    summary(&manager, "", 3);
    let found = rows(&manager, &format!("request_id={made}"));
    assert_eq!((found.len(), &found[0]["request_id"]), (1, &json!(made)));
    assert_eq!(rows(&manager, &format!("request_id={given}")).len(), 1);
    assert_eq!(rows(&manager, &format!("request_id={made}&model=other")).len(), 0);
    assert_eq!(rows(&manager, &format!("request_id={made}&to=2020-01-01T00:00:00Z")).len(), 0);
    let run = found[0]["run_id"].as_i64().unwrap();
    assert_eq!(rows(&manager, &format!("run_id={run}")).len(), 2);
    assert_eq!(rows(&manager, &format!("run_id={run}&model=chat,other")).len(), 2);
    assert_eq!(rows(&manager, &format!("run_id={run}&model=other")).len(), 0);
    assert_eq!(rows(&manager, "run_id=1").len(), 0);
    assert_eq!(rows(&manager, "outcome=refused").len(), 0);
}
