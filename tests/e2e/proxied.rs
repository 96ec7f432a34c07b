//! Behind a proxy: whose address counts, and a path before all others.

use serde_json::json;

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

const KEY: &str = "a-long-enough-secret-abcd";

fn addresses(manager: &Manager) -> Vec<String> {
    let rows = manager.api("/api/audit")["rows"].as_array().unwrap().clone();
    let orders = rows.iter().filter(|row| row["kind"] == "key");
    orders.map(|row| row["address"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_trusted_proxy_tells_the_client_s_address() {
    let config = Config::with(Model::chat("chat")).api_key(KEY);
    let manager = Manager::start(&config.clone().program("trusted_proxies: [127.0.0.1, 10.0.0.0/8]"));
    let order = |forwarded: &str| {
        manager.post("/api/models/chat/stop").header("X-Forwarded-For", forwarded).send().ok();
    };
    order("198.51.100.66, 203.0.113.7, 10.0.0.2");
    wait_until("the order is in the audit", PATIENCE, || addresses(&manager) == ["203.0.113.7"]);
    // Without trust it is a word of the client's.
    manager.reload(&config);
    order("203.0.113.8");
    wait_until("the order is in the audit", PATIENCE, || {
        addresses(&manager).iter().any(|address| address == "127.0.0.1")
    });
    assert!(!addresses(&manager).iter().any(|address| address == "203.0.113.8"));
}

/// The ledger says who asked, with what, by which name and how; old names of clients in a trusted header alone count.
#[test]
fn the_ledger_says_who_asked_and_how() {
    let config = Config::with(Model::chat("chat").line("aliases: [gpt-x]"));
    let config = config.program("trusted_proxies: [127.0.0.1]");
    let manager = Manager::start(&config);
    let send = |name: &str, stream: bool, agent: &str, forwarded: &str| {
        let call = manager.post("/v1/chat/completions").chat(name, stream);
        call.header("User-Agent", agent).header("X-Forwarded-For", forwarded).send().ok();
    };
    send("chat", false, "curl/8.5", "203.0.113.7");
    send("gpt-x", true, "OpenAI/Python 1.2, \"quoted\"", "203.0.113.8");
    manager.get("/nowhere").header("User-Agent", "lost/1").send().error(404, "unknown_endpoint");
    let asked = json!({"model": "gpt-x", "messages": [{"role": "user", "content": "x"}], "stream": false});
    manager.post("/api/chat").header("User-Agent", "ollama/1").json(&asked).send().ok();
    manager.get("/upstream/gpt-x/health").header("User-Agent", "ops/1").send().ok();
    let mut page = json!({});
    wait_until("all are in the ledger", PATIENCE, || {
        page = manager.api("/api/requests");
        page["rows"].as_array().unwrap().len() == 5
    });
    let told = |agent: &str| {
        let rows = page["rows"].as_array().unwrap();
        let row =
            rows.iter().find(|row| row["user_agent"] == agent).unwrap_or_else(|| panic!("{agent}: {page}"));
        ["asked_model", "stream", "address", "model"].map(|name| row[name].clone())
    };
    let (here, none) = (json!("127.0.0.1"), json!(null));
    let is =
        |name: &str, stream: bool, address: &str| [json!(name), json!(stream), json!(address), json!("chat")];
    assert_eq!(told("curl/8.5"), is("chat", false, "203.0.113.7"));
    assert_eq!(told("OpenAI/Python 1.2, \"quoted\""), is("gpt-x", true, "203.0.113.8"));
    assert_eq!(told("ollama/1"), is("gpt-x", false, "127.0.0.1"));
    assert_eq!(told("ops/1"), is("gpt-x", false, "127.0.0.1"));
    assert_eq!(told("lost/1"), [none, json!(false), here, json!("")]);
    let csv = manager.get("/api/requests").header("Accept", "text/csv").send().ok().text();
    assert!(csv.lines().next().unwrap().ends_with(",error,asked_model,stream,user_agent,address"), "{csv}");
    let line = csv.lines().find(|line| line.contains("OpenAI")).unwrap();
    assert!(line.ends_with(",gpt-x,true,\"OpenAI/Python 1.2, \"\"quoted\"\"\",203.0.113.8"), "{line}");
    // Somebody who isn't trusted says what they like.
    manager.reload(&Config::with(Model::chat("chat").line("aliases: [gpt-x]")));
    send("chat", false, "liar/1", "203.0.113.9");
    wait_until("it is in the ledger", PATIENCE, || {
        page = manager.api("/api/requests");
        page["rows"][0]["user_agent"] == "liar/1"
    });
    assert_eq!(page["rows"][0]["address"], "127.0.0.1");
}

#[test]
fn wrong_keys_are_slowed_down_by_the_client_behind_the_proxy() {
    let config = Config::with(Model::chat("chat")).api_key(KEY).program("trusted_proxies: [127.0.0.1]");
    let manager = Manager::start(&config);
    let sign_in = |address: &str| {
        let call = manager.bare("POST", "/api/session").header("X-Forwarded-For", address);
        call.json(&json!({"key": "wrong"})).send().error(401, "invalid_api_key");
    };
    sign_in("203.0.113.9");
    wait_until("the log says who it was", PATIENCE, || {
        manager.log().contains("a sign-in from 203.0.113.9 with a wrong key")
    });
}

#[test]
fn everything_is_below_the_base_path_and_without_it() {
    let mut manager =
        Manager::start(&Config::with(Model::chat("chat")).api_key(KEY).program("base_path: /llm/x/"));
    manager.post("/llm/x/v1/chat/completions").chat("chat", false).send().ok();
    manager.chat("chat").send().ok();
    for path in [
        "/llm/x/v1/models",
        "/llm/x/v1/models/chat",
        "/llm/x/api/models?x=1",
        "/llm/x/health",
        "/llm/x/metrics",
    ] {
        manager.get(path).send().ok();
    }
    manager.get("/llm/y/health").send().error(404, "unknown_endpoint");
    let rows = manager.api("/llm/x/api/requests?model=chat");
    assert!(rows["rows"].as_array().is_some(), "{rows}");
    // The cookie is for that path alone, and opens it.
    let reply = manager.bare("POST", "/llm/x/api/session").json(&json!({"key": KEY})).send().ok();
    let set = reply.header("set-cookie").unwrap().to_owned();
    assert!(set.contains("; Path=/llm/x") && !set.contains("Secure"), "{set}");
    let pair = set.split(';').next().unwrap();
    manager.bare("GET", "/llm/x/api/models").header("Cookie", pair).send().ok();
    // A redirect stays below it.
    let moved = manager.get("/llm/x/upstream/chat").send();
    assert_eq!((moved.status, moved.header("location")), (308, Some("/llm/x/upstream/chat/")));
    assert!(manager.log().contains("/llm/x\n"), "the address in the log has it");
    let told = manager.cli_ok(&["connect"]);
    assert!(told.contains("/llm/x/v1\n"), "{told}");
    assert!(manager.cli_ok(&["status"]).contains("ready"));
    manager.stop();
}

#[test]
fn the_page_says_where_its_paths_begin() {
    let page = |manager: &Manager, path: &str| {
        let reply =
            manager.get(path).header("Accept", "text/html").header("Accept-Encoding", "gzip").send().ok();
        let csp = reply.header("content-security-policy").unwrap_or_default().to_owned();
        assert!(csp.contains("base-uri 'self'"), "{csp}");
        reply
    };
    let below = Manager::start(&Config::new().program("base_path: /llm"));
    let reply = page(&below, "/llm/models/chat");
    if reply.text().contains("is running, without its dashboard") {
        eprintln!("skipped: the dashboard is not built");
        return;
    }
    assert!(reply.text().contains("<base href=\"/llm/\""), "{}", reply.text());
    let tag = reply.header("etag").unwrap().to_owned();
    let again = below.get("/llm/").header("Accept", "text/html").header("If-None-Match", &tag).send();
    assert_eq!(again.status, 304);
    let plain = Manager::start(&Config::new());
    assert_ne!(page(&plain, "/").header("etag"), Some(tag.as_str()));
}
