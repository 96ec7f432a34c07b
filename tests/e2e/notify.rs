//! Word goes out: who hears of what, in which form, how often, and what a broken server costs the others.

mod causes;
mod forms;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::inbox::{Inbox, Letter};
use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

/// A model whose backend ends at once.
fn broken(name: &str) -> Model {
    Model::chat(name).command(&["sh", "-c", "echo no such file: weights.gguf; exit 3"])
}

/// Starts it until it has failed three times in a row.
fn fail(manager: &Manager, model: &str) {
    wait_until("it has failed three times", PATIENCE, || {
        manager.post(&format!("/api/models/{model}/start")).send();
        manager.model(model)["failures"].as_u64().is_some_and(|failures| failures >= 3)
    });
}

fn notify(entries: &[String]) -> String {
    format!("notify:\n{}", entries.concat())
}

/// An entry with these lines.
fn entry(name: &str, lines: &[&str]) -> String {
    let lines = lines.iter().map(|line| format!("    {line}\n")).collect::<String>();
    format!("  - name: {name}\n{lines}")
}

fn to(inbox: &Inbox, name: &str, lines: &[&str]) -> String {
    let url = format!("webhook: {}", inbox.url("/hook"));
    entry(name, &[&[url.as_str()], lines].concat())
}

/// How an outlet stands.
fn outlet(manager: &Manager, name: &str) -> Value {
    let all = manager.api("/api/notify");
    all.as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == name)
        .unwrap_or_else(|| panic!("{name}: {all}"))
        .clone()
}

fn events(letters: &[Letter]) -> Vec<String> {
    letters.iter().map(|letter| letter.json()["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_server_that_fails_or_hangs_keeps_nobody_else_waiting() {
    let failing = Inbox::start(|count, _| {
        Some(if count < 2 { (500, "out of order".into()) } else { (200, String::new()) })
    });
    let hanging = Inbox::start(|_, _| None);
    let well = Inbox::open();
    let config = Config::with(broken("m")).model(Model::chat("chat")).top(&notify(&[
        to(&hanging, "hanging", &[]),
        to(&failing, "failing", &["secret: abc"]),
        to(&well, "well", &[]),
    ]));
    let mut manager = Manager::start(&config);
    fail(&manager, "m");
    let first = well.wait(1);
    assert_eq!(events(&first), ["model_failed"]);
    let tries = failing.wait(3);
    let ids: Vec<_> = tries.iter().map(|one| one.header("webhook-id").unwrap().to_owned()).collect();
    assert_eq!(ids, vec![ids[0].clone(); 3], "the same at every try");
    let stamps: Vec<i64> =
        tries.iter().map(|one| one.header("webhook-timestamp").unwrap().parse().unwrap()).collect();
    assert!(stamps[2] > stamps[0], "signed anew: {stamps:?}");
    wait_until("it has arrived", PATIENCE, || outlet(&manager, "failing")["sent"] == 1);
    assert_eq!(outlet(&manager, "failing")["last_error"], Value::Null);
    hanging.wait(1);
    manager.chat("chat").send().ok();
    wait_until("it is given up after 10 s", PATIENCE, || {
        outlet(&manager, "hanging")["last_error"] == "no answer within 10 s"
    });
    let hung = outlet(&manager, "hanging");
    assert_eq!(
        (&hung["waiting"], &hung["sent"], &hung["last_sent"]),
        (&json!(1), &json!(0), &Value::Null),
        "{hung}"
    );
    let log = manager.log();
    assert!(
        log.contains("notify/failing: not sent yet: Model m failed: it answered 500: out of order"),
        "{log}"
    );
    // One that hangs doesn't keep the manager from ending.
    let begun = std::time::Instant::now();
    manager.stop();
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn a_reload_changes_it_in_place_and_a_restart_tells_nothing_twice() {
    let (one, two) = (Inbox::open(), Inbox::open());
    let config =
        |entries: &[String]| Config::with(broken("m")).model(Model::chat("chat")).top(&notify(entries));
    let first = [to(&one, "one", &["events: [model_failed]"])];
    let mut manager = Manager::start_with(&config(&first), &[("LLM_MANAGER_FAULT_INJECTION", "1")]);
    manager.chat("chat").send().ok();
    let pid = manager.model("chat")["pid"].clone();
    let done = manager.reload(&config(&[to(&one, "one", &["events: [device_gone]"]), to(&two, "two", &[])]));
    assert_eq!((&done["changed"], &done["needs_restart"]), (&json!(["notify"]), &json!([])));
    fail(&manager, "m");
    two.wait(1);
    assert_eq!(manager.model("chat")["pid"], pid);
    // Its actor dies and comes back; the hour isn't over.
    manager.act("/api/debug/panic/notify");
    wait_until("it is there again", PATIENCE, || {
        let tree = manager.api("/api/supervision");
        let nodes = tree["children"].as_array().unwrap();
        nodes
            .iter()
            .any(|node| node["name"] == "notify" && node["restarts"] == 1 && node["state"] == "running")
    });
    manager.act("/api/notify/two/test");
    assert_eq!(events(&two.wait(2)), ["model_failed", "test"]);
    manager.stop();
    manager.launch();
    fail(&manager, "m");
    // What comes after it shows that it was left out.
    std::thread::sleep(Duration::from_millis(2500));
    manager.act("/api/notify/two/test");
    assert_eq!(events(&two.wait(3)), ["model_failed", "test", "test"]);
    assert_eq!(one.letters().len(), 0, "it is told of devices only");
}

#[test]
fn a_test_says_whether_it_arrives_and_who_may_ask_for_it() {
    let (well, closed) = (
        Inbox::open(),
        Inbox::start(|_, _| Some((403, "invalid_token SECRET-TOKEN-0123456789 in /hook".into()))),
    );
    let keys = "keys:\n  - {name: op, secret: secret-of-op, scopes: [operate]}\n  - {name: eye, secret: secret-of-eye, scopes: [read]}";
    let config = Config::new().api_key("sk-admin-key").top(keys).top(&notify(&[
        to(&well, "well", &[]),
        to(&closed, "closed", &["secret: \"${HOOK_SECRET}\""]),
        entry("elsewhere", &[&format!("webhook: http://127.0.0.1:{}/x", crate::support::free_port())]),
    ]));
    let manager = Manager::start_with(&config, &[("HOOK_SECRET", "SECRET-TOKEN-0123456789")]);
    let as_key = |method: &str, path: &str, name: &str| {
        manager.bare(method, path).header("Authorization", &format!("Bearer secret-of-{name}")).send()
    };
    assert_eq!(as_key("GET", "/api/notify", "eye").status, 200);
    as_key("POST", "/api/notify/well/test", "eye").error(403, "forbidden");
    let tested = as_key("POST", "/api/notify/well/test", "op").ok().json();
    assert_eq!(tested, json!({"name": "well", "error": null}));
    assert_eq!(well.wait(1)[0].json()["event"], "test");
    let refused = manager.act("/api/notify/closed/test").json();
    assert_eq!(refused["error"], "it answered 403: invalid_token *** in /hook");
    assert_eq!(outlet(&manager, "closed")["last_error"], refused["error"]);
    let nobody = manager.act("/api/notify/elsewhere/test").json();
    assert!(nobody["error"].as_str().unwrap().to_lowercase().contains("refused"), "{nobody}");
    manager.post("/api/notify/nobody/test").send().error(404, "notify_not_found");
    assert_eq!(outlet(&manager, "well")["sent"], 1);
    wait_until("the audit has it", PATIENCE, || {
        let rows = manager.api("/api/audit?who=op")["rows"].clone();
        rows[0]["action"] == "test_notification" && rows[0]["subject"] == "well"
    });
    assert!(manager.cli_ok(&["notify", "test", "well"]).contains("well: the test has arrived"));
    let failed = manager.cli(&["notify", "test", "closed"]);
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("closed: the test has not arrived: it answered 403"), "{said}");
    let listed = manager.cli_ok(&["notify", "list"]);
    assert!(
        listed.contains("well") && listed.contains(&well.url("")) && !listed.contains(&well.url("/hook")),
        "{listed}"
    );
    for text in [manager.log(), manager.api("/api/notify").to_string(), listed] {
        assert!(!text.contains("SECRET-TOKEN"), "{text}");
    }
}

#[test]
fn mistakes_are_named() {
    let manager = Manager::start(&Config::new());
    let check = |entries: &[String]| manager.check(&format!("{}Local-Models: {{}}\n", notify(entries)));
    let (code, said) = check(&[
        entry("ops", &["webhook: ftp://example.com/SECRETPATH"]),
        entry("ops", &["webhook: https://ntfy.sh/", "format: ntfy"]),
        entry("a b", &["webhook: https://h/SECRETPATH", "format: teams"]),
        entry("c", &["webhook: https://h/SECRETPATH", "events: [model_faild, all]"]),
        entry("d", &["command: [no-such-program-here]"]),
        entry("e", &["command: [\"./none.sh\"]"]),
        entry("f", &[]),
        entry("g", &["format: mail", "command: [cat]"]),
        entry("h", &["format: mail", "command: [cat]", "to: [\"ops, all\"]"]),
        entry("i", &["webhook: https://h/SECRETPATH", "command: [cat]"]),
        entry("j", &["webhook: https://h/SECRETPATH", "format: slack", "secret: x"]),
        entry("k", &["webhook: \"${NO_SUCH_VARIABLE}\""]),
        entry("l", &["webhook: https://h/SECRETPATH", "hook: x"]),
        entry("m", &["command: [cat]", "format: slack"]),
        entry("n", &["webhook: https://u:p@h/SECRETPATH", "events: []"]),
    ]);
    assert_eq!(code, Some(2), "{said}");
    for word in [
        "notify[0].webhook: begins with neither http:// nor https://",
        "notify[1].name: is also the name of entry 1",
        "notify[1].webhook: names no topic",
        "notify[2].name: expected letters, digits",
        "notify[2].format: expected one of json, ntfy, slack, feishu, mail, got the text \"teams\"",
        "notify[3].events[0]: unknown event \"model_faild\"",
        "did you mean `model_failed`?",
        "notify[3].events[1]: unknown event \"all\"",
        "the events are model_failed, budget_80, budget_100, device_gone",
        "notify[4].command[0]: there is no program \"no-such-program-here\" in PATH",
        "notify[5].command[0]: there is no file ",
        "notify[6]: says neither `webhook` nor `command`",
        "notify[7]: says not to whom the mail goes",
        "notify[8].to: expected a mail address, got \"ops, all\"",
        "notify[9].command: there is a `webhook`, too",
        "notify[10].secret: has no meaning with `format: slack`",
        "notify[11].webhook: the environment has no variable NO_SUCH_VARIABLE",
        "notify[12].hook: unknown key",
        "notify[13].format: `slack` is what a webhook speaks",
        "notify[14].webhook: has a name or a password in it",
        "notify[14].events: is empty",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("SECRETPATH"), "{said}");
    let (code, said) = check(&[entry("far", &["webhook: http://example.com/x", "format: slack"])]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("notify[0].webhook: what is told goes to example.com unencrypted"), "{said}");
}
