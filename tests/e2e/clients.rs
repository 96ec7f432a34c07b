//! What each kind of client sees: errors in its own form, a sign of life while a model loads, the list of models, and
//! pages of other sites that stay out.

use serde_json::{Value, json};

use crate::support::{Config, Manager, Model, PATIENCE, Reply, wait_until};

/// The data of a stream's events.
fn events(reply: &Reply) -> Vec<Value> {
    let text = reply.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[test]
fn errors_have_the_form_of_the_endpoint() {
    let manager = Manager::start(&Config::with(Model::chat("chat").flags(&["--die-at-start", "3"])));
    let asked = json!({"model": "nobody", "messages": []});
    let reply = manager.post("/v1/messages").json(&asked).send();
    let error = reply.json();
    assert_eq!((reply.status, &error["type"]), (404, &json!("error")), "{error}");
    assert_eq!(error["error"]["type"], "not_found_error");
    let reply = manager.get("/v1/models/nobody/").header("anthropic-version", "2023-06-01").send();
    assert_eq!(reply.json()["type"], "error");
    manager.post("/v1/responses").json(&asked).send().error(404, "model_not_found");
    // A start that fails again and again is not worth another try.
    wait_until("clients are told not to try again", PATIENCE, || {
        let reply = manager.chat("chat").send();
        assert!(reply.retry_after() <= 60);
        let told = reply.header("x-should-retry").map(str::to_owned);
        reply.error(503, "model_start_failed");
        told.as_deref() == Some("false")
    });
}

#[test]
fn a_broken_stream_ends_with_an_event_of_its_endpoint() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    let broken = |path: &str| {
        let call = manager.post(path).chat("chat", true).fake("cut=mid-stream,tokens=6");
        events(&call.send())
            .into_iter()
            .filter(|event| event.to_string().contains("backend_error"))
            .collect::<Vec<_>>()
    };
    assert_eq!(broken("/v1/messages")[0]["type"], "error");
    assert_eq!(broken("/v1/chat/completions")[0]["error"]["code"], "backend_error");
    let responses = broken("/v1/responses");
    assert_eq!((&responses[0]["type"], &responses[1]["type"]), (&json!("error"), &json!("response.failed")));
}

#[test]
fn a_stream_says_that_its_model_is_loading() {
    let model = Model::chat("chat").flags(&["--load-until-file", "{dir}/loaded"]);
    let manager = Manager::start(&Config::with(model).program("loading_comments: true"));
    let mut openai = manager.chat_stream("chat").fake("tokens=2").open();
    let mut anthropic = manager.post("/v1/messages").chat("chat", true).fake("tokens=2").open();
    openai.until(": loading\n\n");
    anthropic.until("event: ping\ndata: {\"type\": \"ping\"}\n\n");
    let gone = manager.chat_stream("chat").open();
    manager.wait_waiting("chat", 3);
    gone.leave();
    manager.wait_waiting("chat", 2);
    manager.touch("loaded");
    let reply = openai.finish().ok();
    assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert!(
        reply.text().ends_with("data: [DONE]\n\n") && !reply.text().contains("\"usage\""),
        "{}",
        reply.text()
    );
    assert!(anthropic.finish().ok().text().contains("message_stop"));
    let plain = manager.chat_stream("chat").fake("tokens=2").send().ok();
    assert!(!plain.text().contains("loading"), "there was nothing to wait for");
    wait_until("all rows are written", PATIENCE, || {
        let rows = manager.api("/api/requests");
        rows["rows"].as_array().unwrap().iter().filter(|row| row["outcome"] == "ok").count() == 3
    });
}

#[test]
fn a_key_says_for_itself_whether_its_streams_tell_of_loading() {
    const SECRETS: [&str; 2] = ["sk-patient-0123456789", "sk-hasty-0123456789"];
    let model = Model::chat("chat").flags(&["--load-until-file", "{dir}/loaded"]);
    let keys = format!(
        "keys:\n  - {{name: patient, secret: {}}}\n  - {{name: hasty, secret: {}, loading_comments: true}}",
        SECRETS[0], SECRETS[1]
    );
    let manager = Manager::start(&Config::with(model).api_key("sk-of-the-test-0123").top(&keys));
    let open = |secret: &str| {
        let call = manager.bare("POST", "/v1/chat/completions").chat("chat", true).fake("tokens=2");
        call.header("Authorization", &format!("Bearer {secret}")).open()
    };
    let (patient, mut hasty) = (open(SECRETS[0]), open(SECRETS[1]));
    hasty.until(": loading\n\n");
    manager.touch("loaded");
    assert!(hasty.finish().ok().text().ends_with("data: [DONE]\n\n"));
    assert!(!patient.finish().ok().text().contains("loading"));
}

#[test]
fn a_failure_behind_a_comment_is_an_event() {
    let model = Model::chat("chat").flags(&["--load-until-file", "{dir}/never"]).start_timeout(4);
    let manager = Manager::start(&Config::with(model).program("loading_comments: true"));
    let reply = manager.chat_stream("chat").send().ok();
    assert!(reply.text().starts_with(": loading\n\n"), "{}", reply.text());
    assert_eq!(events(&reply)[0]["error"]["code"], "model_start_timeout");
}

#[test]
fn the_list_of_models_says_what_clients_want_to_know() {
    let manager = Manager::start(
        &Config::new()
            .model(
                Model::chat("chat")
                    .line("aliases: [gpt]")
                    .line("context_length: 4096")
                    .flags(&["--context", "1024"]),
            )
            .model(
                Model::chat("half")
                    .flags(&["--context", "2048"])
                    .line("aliases: [other]")
                    .line("listed: {aliases: false}"),
            )
            .model(Model::new("hidden", "Embedding").line("listed: false")),
    );
    let list = manager.get("/v1/models").send().ok().json();
    let ids: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|card| card["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["chat", "gpt", "half"]);
    let card = &list["data"][1];
    assert_eq!(
        (&card["mode"], &card["state"], &card["root"]),
        (&json!("Chat"), &json!("stopped"), &json!("chat"))
    );
    assert_eq!((&card["max_model_len"], &card["context_length"]), (&json!(4096), &json!(4096)));
    assert_eq!(card["meta"]["n_ctx"], 4096);
    assert!(card["capabilities"].as_array().unwrap().contains(&json!("chat")));
    assert!(list["data"][2]["context_length"].is_null(), "nobody knows it yet");
    // A backend that is ready has told it; what the configuration says stands above that.
    let told = manager.get("/v1/models/half").send().ok().json();
    assert!(told["context_length"].is_null());
    manager.chat("half").send().ok();
    manager.chat("chat").send().ok();
    let told = manager.get("/v1/models/other").send().ok().json();
    assert_eq!((&told["max_model_len"], &told["meta"]["n_ctx"]), (&json!(2048), &json!(2048)));
    assert_eq!(manager.get("/v1/models/chat").send().ok().json()["context_length"], 4096);
    let hidden = manager.get("/v1/models/hidden").send().ok().json();
    assert_eq!(hidden["capabilities"], json!(["embedding"]));
}

#[test]
fn the_model_in_an_answer_is_the_one_that_was_asked_for() {
    let model =
        Model::chat("mine").line("aliases: [gpt]").line("rewrite_model: true").line("served_name: org/M");
    let manager = Manager::start(&Config::with(model));
    assert_eq!(manager.chat("gpt").send().ok().json()["model"], "gpt");
    for event in events(&manager.chat_stream("gpt").fake("tokens=3,split=1").send().ok()) {
        assert_eq!(event["model"], "gpt", "{event}");
    }
}

#[test]
fn pages_of_other_sites_can_not_use_the_gateway() {
    let manager = Manager::start(
        &Config::with(Model::chat("chat")).program("allowed_origins: [\"https://app.example\"]"),
    );
    let page =
        |origin: &str| manager.chat("chat").header("Origin", origin).header("Sec-Fetch-Site", "cross-site");
    page("https://evil.example").send().error(403, "foreign_origin");
    manager.chat("chat").header("Sec-Fetch-Site", "cross-site").send().error(403, "foreign_origin");
    assert!(manager.starts("chat").is_empty(), "it starts nothing");
    let reply = page("https://app.example").send().ok();
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
    let preflight = |origin: &str, path: &str| {
        let call = manager.bare("OPTIONS", path).header("Origin", origin);
        call.header("Access-Control-Request-Headers", "authorization, x-stainless-os").send()
    };
    for path in ["/v1/chat/completions", "/v1/models"] {
        let reply = preflight("https://app.example", path);
        assert_eq!(
            (reply.status, reply.header("access-control-allow-origin")),
            (204, Some("https://app.example"))
        );
        assert_eq!(reply.header("access-control-allow-headers"), Some("authorization, x-stainless-os"));
        let reply = preflight("https://evil.example", path);
        assert!(reply.status >= 400 && reply.header("access-control-allow-origin").is_none(), "{path}");
    }
    let keyed = Manager::start(&Config::with(Model::chat("chat")).api_key("secret"));
    keyed.chat("chat").header("Origin", "https://evil.example").send().ok();
}
