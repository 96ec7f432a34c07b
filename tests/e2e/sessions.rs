//! Sign-in of browsers, and under which names they may come.

use serde_json::{Value, json};

use crate::support::{Config, Manager, Model, Reply};

const KEY: &str = "a-long-enough-secret-abcd";

fn locked() -> Manager {
    Manager::start(&Config::with(Model::chat("chat")).api_key("first").api_key(KEY))
}

/// The cookie as a browser sends it back, and what was said about it.
#[track_caller]
fn cookie(reply: &Reply) -> (String, String) {
    let set = reply.header("set-cookie").expect("a cookie");
    let (pair, attributes) = set.split_once("; ").unwrap();
    (pair.to_owned(), attributes.to_owned())
}

#[track_caller]
fn sign_in(manager: &Manager) -> String {
    cookie(&manager.bare("POST", "/api/session").json(&json!({"key": KEY})).send().ok()).0
}

#[test]
fn a_cookie_opens_what_a_key_opens_until_it_is_gone() {
    let manager = locked();
    let session = manager.bare("GET", "/api/session").send().ok();
    assert_eq!(session.json(), json!({"key_wanted": true, "signed_in": false, "key": null}));
    manager.bare("GET", "/api/models").send().error(401, "invalid_api_key");

    let reply = manager.bare("POST", "/api/session").json(&json!({"key": KEY})).send().ok();
    let (pair, attributes) = cookie(&reply);
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/");
    assert!(!pair.contains(KEY), "{pair}");
    for path in ["/api/models", "/v1/models", "/metrics", "/api/config"] {
        manager.bare("GET", path).header("Cookie", &format!("other=1; {pair}")).send().ok();
    }
    let session = manager.bare("GET", "/api/session").header("Cookie", &pair).send().ok().json();
    assert_eq!(session["signed_in"], true);
    assert!(is_label(&session["key"]), "{session}");

    let forged = format!("{}0", &pair[..pair.len() - 1]);
    let forged = if forged == pair { format!("{}1", &pair[..pair.len() - 1]) } else { forged };
    manager.bare("GET", "/api/models").header("Cookie", &forged).send().error(401, "invalid_api_key");

    let out = manager.bare("DELETE", "/api/session").header("Cookie", &pair).send().ok();
    let (gone, attributes) = cookie(&out);
    assert!(gone.ends_with('=') && attributes.starts_with("Max-Age=0;"), "{gone}; {attributes}");
}

#[test]
fn a_proxy_with_tls_makes_the_cookie_secure() {
    let manager = locked();
    let call = manager.bare("POST", "/api/session").header("X-Forwarded-Proto", "https");
    let (_, attributes) = cookie(&call.json(&json!({"key": KEY})).send().ok());
    assert!(attributes.ends_with("; Secure"), "{attributes}");
}

#[test]
fn without_keys_there_is_nothing_to_sign_in_to() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let reply = manager.post("/api/session").json(&json!({"key": "any"})).send().ok();
    assert_eq!(reply.json(), json!({"key_wanted": false, "signed_in": false, "key": null}));
    assert_eq!(reply.header("set-cookie"), None);
}

#[test]
fn wrong_keys_are_refused_and_not_many_at_once() {
    let manager = locked();
    let wrong = manager.bare("POST", "/api/session").json(&json!({"key": "wrong"}));
    wrong.send().error(401, "invalid_api_key");
    manager.bare("POST", "/api/session").body("{").send().error(400, "invalid_request");
    let tries: Vec<_> = (0..60).map(|_| wrong.spawn()).collect();
    let replies: Vec<Reply> = tries.into_iter().map(|one| one.join().unwrap()).collect();
    let refused = replies.iter().filter(|reply| reply.status == 429).collect::<Vec<_>>();
    assert!(!refused.is_empty(), "all 60 were looked at");
    assert!(refused.iter().all(|reply| reply.retry_after() == 1));
    assert!(replies.iter().all(|reply| matches!(reply.status, 401 | 429)));
    manager.get("/api/models").send().ok();
}

#[test]
fn a_session_serves_our_own_pages_only() {
    let manager = locked();
    let pair = sign_in(&manager);
    let chat = || manager.bare("POST", "/v1/chat/completions").chat("chat", false).header("Cookie", &pair);
    let list = || manager.bare("GET", "/api/models").header("Cookie", &pair);
    for foreign in ["http://evil.example", "http://127.0.0.1:3000", "null"] {
        chat().header("Origin", foreign).send().error(403, "foreign_origin");
        list().header("Origin", foreign).send().error(403, "foreign_origin");
        let key = manager.bare("POST", "/api/session").json(&json!({"key": KEY}));
        key.header("Origin", foreign).send().error(403, "foreign_origin");
    }
    for sender in ["cross-site", "same-site"] {
        chat().header("Sec-Fetch-Site", sender).send().error(403, "foreign_origin");
        list().header("Sec-Fetch-Site", sender).send().error(403, "foreign_origin");
    }
    assert_eq!(manager.starts("chat").len(), 0);
    chat().header("Origin", "http://127.0.0.1").header("Sec-Fetch-Site", "same-origin").send().ok();
}

/// `key-` and eight hex digits: says which key it was, and not what it is.
fn is_label(value: &Value) -> bool {
    let digits = value.as_str().and_then(|label| label.strip_prefix("key-"));
    digits.is_some_and(|digits| digits.len() == 8 && digits.chars().all(|one| one.is_ascii_hexdigit()))
}

#[test]
fn the_cookie_stays_here_and_the_ledger_names_its_key() {
    let manager = locked();
    let pair = sign_in(&manager);
    let call = manager.bare("POST", "/v1/chat/completions").chat("chat", false).fake("echo=1");
    let echo = call.header("Cookie", &format!("{pair}; theme=dark")).send().ok().json();
    let headers = echo["headers"].as_array().unwrap();
    let sent: Vec<&Value> = headers.iter().filter(|pair| pair[0] == "cookie").map(|pair| &pair[1]).collect();
    assert_eq!(sent, [&json!("theme=dark")]);
    crate::support::wait_until("the request is recorded", crate::support::PATIENCE, || {
        is_label(&manager.api("/api/requests")["rows"][0]["api_key"])
    });
}

#[test]
fn a_turned_name_leads_nowhere() {
    let config = Config::with(Model::chat("chat")).program("allowed_hosts: [\"*.lan\", gate.example]");
    let manager = Manager::start(&config);
    let by = |host: &str, path: &str| manager.bare("GET", path).header("Host", host);
    for path in ["/api/models", "/api/session", "/api/config", "/", "/api/events"] {
        let message = by("evil.example:8080", path).send().error(403, "host_not_allowed").message();
        assert!(message.contains("program.allowed_hosts") && message.contains("evil.example"), "{message}");
    }
    for host in ["localhost:8080", "app.localhost", "[::1]:1", "192.168.0.7", "box.lan", "GATE.example:80"] {
        by(host, "/api/models").send().ok();
        assert_eq!(by(host, "/").header("Accept", "text/html").send().status, 200);
    }
    // Programs reach a model under whatever name; browsers tell that they are browsers.
    by("host.docker.internal:8080", "/v1/models").send().ok();
    by("manager", "/metrics").send().ok();
    by("manager", "/health").send().ok();
    let chat =
        || manager.bare("POST", "/v1/chat/completions").chat("chat", false).header("Host", "evil.example");
    chat().header("Origin", "http://evil.example").send().error(403, "host_not_allowed");
    chat().header("Sec-Fetch-Site", "same-origin").send().error(403, "host_not_allowed");
    assert_eq!(manager.starts("chat").len(), 0);
    chat().send().ok();
}

#[test]
fn a_key_in_a_header_needs_no_name() {
    let manager = locked();
    manager.get("/api/models").header("Host", "evil.example").send().ok();
    let pair = sign_in(&manager);
    let by_cookie = manager.bare("GET", "/api/models").header("Cookie", &pair).header("Host", "evil.example");
    by_cookie.send().error(403, "host_not_allowed");
}
