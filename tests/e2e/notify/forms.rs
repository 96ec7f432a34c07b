//! Each form against a server, or a program, that speaks it.

use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{broken, entry, fail, notify, outlet};
use crate::support::inbox::{Answer, Inbox, Letter};
use crate::support::{Config, Manager, PATIENCE, wait_until};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn mac(key: &[u8], text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

fn says(status: u16, body: &str) -> Answer {
    Some((status, body.to_owned()))
}

/// Whoever checks signatures as Standard Webhooks has it.
fn signed(letter: &Letter) -> Answer {
    let key = BASE64_STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let (Some(id), Some(stamp)) = (letter.header("webhook-id"), letter.header("webhook-timestamp")) else {
        return says(400, "no id or timestamp");
    };
    let fresh = stamp.parse::<i64>().is_ok_and(|at| (jiff::Timestamp::now().as_second() - at).abs() < 300);
    let wanted = format!("v1,{}", mac(&key, &format!("{id}.{stamp}.{}", letter.body)));
    match letter.header("webhook-signature") {
        Some(signature) if signature == wanted && fresh => says(204, ""),
        _ => says(401, "wrong signature"),
    }
}

/// ntfy, as it takes messages in JSON at its root.
fn ntfy(letter: &Letter) -> Answer {
    if letter.header("authorization") != Some("Bearer tk_topic") {
        return says(403, r#"{"code":40301,"http":403,"error":"forbidden"}"#);
    }
    let known = ["topic", "title", "message", "priority", "tags"];
    match serde_json::from_str::<Value>(&letter.body) {
        Ok(Value::Object(body)) if letter.path == "/" && letter.method == "POST" => {
            let right = body.keys().all(|key| known.contains(&key.as_str()))
                && body["topic"] == "llm"
                && body["priority"].as_u64().is_some_and(|priority| (1..=5).contains(&priority))
                && body["tags"].is_array();
            if right {
                says(200, r#"{"id":"sPs71M8A2T","event":"message"}"#)
            } else {
                says(400, r#"{"code":40024}"#)
            }
        }
        _ => says(404, r#"{"code":40401,"http":404,"error":"page not found"}"#),
    }
}

/// An incoming webhook of Slack.
fn slack(letter: &Letter) -> Answer {
    if letter.path != "/services/T00/B00/XXXXXXXXXXXXXXXXXXXXXXXX" {
        return says(404, "no_service");
    }
    match serde_json::from_str::<Value>(&letter.body) {
        Ok(body) if body["text"].as_str().is_some_and(|text| !text.is_empty()) => says(200, "ok"),
        _ => says(400, "invalid_payload"),
    }
}

/// A custom bot of Feishu: it answers 200 whatever it thinks.
fn feishu(letter: &Letter) -> Answer {
    let body = letter.json();
    let stamp = body["timestamp"].as_str().unwrap_or_default();
    if body["sign"] != mac(format!("{stamp}\nfeishu-secret").as_bytes(), "") {
        return says(
            200,
            r#"{"code":19021,"data":{},"msg":"sign match fail or timestamp is not within one hour"}"#,
        );
    }
    let post = &body["content"]["post"]["zh_cn"];
    let right =
        body["msg_type"] == "post" && post["title"].is_string() && post["content"][0][0]["tag"] == "text";
    if right {
        says(200, r#"{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}"#)
    } else {
        says(200, r#"{"code":9499,"msg":"Bad Request"}"#)
    }
}

/// Keeps its arguments and the mail, as `sendmail` with -t does it: it wants a recipient among the headers.
const SENDMAIL: &str = r#"#!/bin/sh
echo "$@" > "$0.arguments"
cat > "$0.mail"
grep -q '^To: ' "$0.mail" || { echo 'sendmail: no recipient addresses found in message header' >&2; exit 64; }
"#;

fn script(manager: &Manager, name: &str, text: &str) {
    std::fs::write(manager.path(name), text).unwrap();
    std::fs::set_permissions(manager.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn each_form_is_what_its_server_takes() {
    let (json, ntfy, slack, feishu) = (
        Inbox::start(|_, letter| signed(letter)),
        Inbox::start(|_, letter| ntfy(letter)),
        Inbox::start(|_, letter| slack(letter)),
        Inbox::start(|_, letter| feishu(letter)),
    );
    let url = |inbox: &Inbox, path: &str| format!("webhook: {}", inbox.url(path));
    let config = Config::with(broken("通义")).top(&notify(&[
        entry("json", &[&url(&json, "/hook?to=ops"), &format!("secret: {SECRET}")]),
        entry("ntfy", &[&url(&ntfy, "/llm"), "format: ntfy", "secret: tk_topic"]),
        entry("slack", &[&url(&slack, "/services/T00/B00/XXXXXXXXXXXXXXXXXXXXXXXX"), "format: slack"]),
        entry(
            "feishu",
            &[&url(&feishu, "/open-apis/bot/v2/hook/x"), "format: feishu", "secret: feishu-secret"],
        ),
        entry("command", &["command: [\"{dir}/command.sh\", \"{event}\", \"{subject}\", \"{title}\"]"]),
        entry(
            "mail",
            &[
                "format: mail",
                "to: [ops@example.com, b@example.com]",
                "from: llm@example.com",
                "command: [\"{dir}/sendmail\", -i, -t]",
            ],
        ),
    ]));
    let mut manager = Manager::prepare(&config);
    script(&manager, "sendmail", SENDMAIL);
    script(
        &manager,
        "command.sh",
        "#!/bin/sh\necho \"$1|$2|$3\" > arguments\ncat > given\nmv given command.json\n",
    );
    manager.launch();
    fail(&manager, "%E9%80%9A%E4%B9%89");
    for name in ["json", "ntfy", "slack", "feishu", "command", "mail"] {
        wait_until(name, PATIENCE, || outlet(&manager, name)["sent"] == 1);
    }
    let told = json.letters()[0].json();
    assert_eq!(
        (&told["event"], &told["subject"], &told["title"]),
        (&json!("model_failed"), &json!("通义"), &json!("Model 通义 failed"))
    );
    let text = told["text"].as_str().unwrap();
    assert!(
        text.starts_with("It failed 3 times in a row.") && text.contains("no such file: weights.gguf"),
        "{text}"
    );
    assert!(
        told["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok() && told["host"].is_string(),
        "{told}"
    );
    assert_eq!(json.letters()[0].path, "/hook?to=ops");
    let published = ntfy.letters()[0].json();
    assert_eq!((&published["title"], &published["priority"]), (&json!("Model 通义 failed"), &json!(4)));
    assert!(
        slack.letters()[0].json()["text"].as_str().unwrap().starts_with("*Model 通义 failed*\nIt failed")
    );
    assert_eq!(feishu.letters()[0].json()["content"]["post"]["zh_cn"]["title"], "Model 通义 failed");
    let read = |name: &str| std::fs::read_to_string(manager.path(name)).unwrap();
    assert_eq!(read("arguments").trim(), "model_failed|通义|Model 通义 failed");
    assert_eq!(serde_json::from_str::<Value>(&read("command.json")).unwrap()["event"], "model_failed");
    assert_eq!(read("sendmail.arguments").trim(), "-i -t");
    let mail = read("sendmail.mail");
    let (head, body) = mail.split_once("\n\n").unwrap();
    for line in
        ["From: llm@example.com", "To: ops@example.com, b@example.com", "Auto-Submitted: auto-generated"]
    {
        assert!(head.lines().any(|one| one == line), "{line}: {mail}");
    }
    let body = String::from_utf8(BASE64_STANDARD.decode(body.replace('\n', "")).unwrap()).unwrap();
    assert!(body.contains("no such file: weights.gguf") && body.contains("LLM-Manager on "), "{body}");
}

#[test]
fn a_refusal_in_a_server_s_own_words_is_shown_and_not_tried_again() {
    let (feishu, slack) = (Inbox::start(|_, letter| feishu(letter)), Inbox::start(|_, letter| slack(letter)));
    let config = Config::with(broken("m")).top(&notify(&[
        entry("feishu", &[&format!("webhook: {}", feishu.url("/hook")), "format: feishu", "secret: another"]),
        entry("slack", &[&format!("webhook: {}", slack.url("/services/gone")), "format: slack"]),
        entry(
            "mail",
            &["format: mail", "to: ops@example.com", "command: [sh, -c, \"echo no relay >&2; exit 75\"]"],
        ),
    ]));
    let manager = Manager::start(&config);
    fail(&manager, "m");
    for (name, words) in [("feishu", "it answered code 19021"), ("slack", "it answered 404: no_service")] {
        wait_until(name, PATIENCE, || outlet(&manager, name)["left_out"] == 1);
        let error = outlet(&manager, name)["last_error"].as_str().unwrap().to_owned();
        assert!(error.starts_with(words), "{error}");
        assert_eq!(outlet(&manager, name)["waiting"], 0);
    }
    // A mail program may succeed later.
    wait_until("mail", PATIENCE, || {
        outlet(&manager, "mail")["last_error"] == "`sh` failed (exit code 75): no relay"
    });
    assert_eq!(outlet(&manager, "mail")["waiting"], 1);
    assert!(manager.log().contains("notify/slack: left out: Model m failed: the server doesn't take it"));
}

#[test]
fn the_machine_s_own_mail_program_is_found() {
    let config =
        Config::with(broken("m")).top(&notify(&[entry("mail", &["format: mail", "to: ops@example.com"])]));
    let mut manager = Manager::prepare(&config);
    script(&manager, "sendmail", SENDMAIL);
    let path = format!("{}:{}", manager.path(".").display(), std::env::var("PATH").unwrap());
    manager.set_env("PATH", &path);
    manager.launch();
    manager.act("/api/notify/mail/test");
    let mail = std::fs::read_to_string(manager.path("sendmail.mail")).unwrap();
    assert!(mail.contains("\nSubject: [LLM-Manager] A test of LLM-Manager\n"), "{mail}");
    assert!(!mail.contains("From: "), "the mail program knows whose it is");
    // A command that hangs is killed with all that it has started when the manager ends: the harness looks for it.
    drop(manager);
}
