//! The payloads of notifications: what each server, and a mail program, wants to read, and what its answer means.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use llm_manager_policy::notify::{Notice, Retry};
use llm_manager_policy::spec::{Secret, WebhookFormat};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::Duration;

/// Longest text of a notice, in characters: a backend's last words may be long.
const LONGEST: usize = 2000;
/// So much of an answer is shown.
const SHOWN: usize = 200;

/// One notice, as it goes out.
pub(super) struct NotificationPayload<'a> {
    /// The same at every try.
    pub(super) id: &'a str,
    /// What happened.
    pub(super) notice: &'a Notice,
    /// When.
    pub(super) at: Timestamp,
    /// This machine's name.
    pub(super) host: &'a str,
}

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WebhookRequest {
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// Why something was not sent, and whether to try again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DeliveryError {
    pub(super) why: String,
    pub(super) again: Retry,
}

impl DeliveryError {
    pub(super) fn later(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: Retry::Later(None) }
    }
}

impl NotificationPayload<'_> {
    fn text(&self) -> String {
        cut(&self.notice.text, LONGEST)
    }

    /// Where and when, for people.
    fn foot(&self) -> String {
        format!("LLM-Manager on {}, {}", self.host, self.at.strftime("%Y-%m-%d %H:%M:%S UTC"))
    }

    /// The manager's own form.
    pub(super) fn json(&self) -> String {
        let Notice { kind, subject, title, .. } = self.notice;
        json!({
            "id": self.id,
            "event": kind.text(),
            "subject": subject,
            "title": title,
            "text": self.text(),
            "time": self.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "host": self.host,
        })
        .to_string()
    }

    /// What a webhook of this form is sent now.
    pub(super) fn post(
        &self,
        form: WebhookFormat,
        url: &str,
        secret: Option<&Secret>,
        now: Timestamp,
    ) -> WebhookRequest {
        let secret = secret.map(Secret::reveal);
        let json = |body: Value| WebhookRequest {
            url: url.to_owned(),
            headers: vec![("content-type", "application/json; charset=utf-8".to_owned())],
            body: body.to_string(),
        };
        match form {
            WebhookFormat::Json => self.signed(url, secret, now.as_second()),
            WebhookFormat::Ntfy => {
                // Published as JSON, to the server itself: a header can't hold every title.
                let (server, topic) = url.trim_end_matches('/').rsplit_once('/').unwrap_or((url, ""));
                let urgent = self.notice.kind.is_urgent();
                let mut post = json(json!({
                    "topic": topic,
                    "title": self.notice.title,
                    "message": format!("{}\n{}", self.text(), self.foot()),
                    "priority": if urgent { 4 } else { 3 },
                    "tags": [if urgent { "warning" } else { "information_source" }],
                }));
                post.url = format!("{server}/");
                post.headers.extend(secret.map(|token| ("authorization", format!("Bearer {token}"))));
                post
            }
            WebhookFormat::Slack => {
                let (title, text) = (for_slack(&self.notice.title), for_slack(&self.text()));
                json(json!({"text": format!("*{title}*\n{text}\n_{}_", for_slack(&self.foot()))}))
            }
            WebhookFormat::Feishu => {
                let text = |text: String| json!([{"tag": "text", "text": text}]);
                let lines = json!([text(self.text()), text(self.foot())]);
                let content = json!({"post": {"zh_cn": {"title": self.notice.title, "content": lines}}});
                let mut body = json!({"msg_type": "post", "content": content});
                if let Some(secret) = secret {
                    let second = now.as_second().to_string();
                    // The key is what others would sign, and nothing is signed with it.
                    body["sign"] =
                        json!(BASE64_STANDARD.encode(mac(format!("{second}\n{secret}").as_bytes(), &[])));
                    body["timestamp"] = json!(second);
                }
                json(body)
            }
        }
    }

    /// As Standard Webhooks has it (standardwebhooks.com), for which there are libraries.
    fn signed(&self, url: &str, secret: Option<&str>, second: i64) -> WebhookRequest {
        let body = self.json();
        let mut headers = vec![
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("webhook-id", self.id.to_owned()),
            ("webhook-timestamp", second.to_string()),
        ];
        if let Some(secret) = secret {
            let signature = sign(secret, self.id, second, &body);
            headers.push(("webhook-signature", format!("v1,{signature}")));
        }
        WebhookRequest { url: url.to_owned(), headers, body }
    }

    /// A mail as `sendmail -i -t` takes it.
    pub(super) fn mail(&self, from: Option<&str>, to: &[String]) -> String {
        let Notice { kind, title, .. } = self.notice;
        let from = from.map_or_else(String::new, |from| format!("From: {from}\n"));
        let text = format!("{}\n\n-- \n{}\n", self.text(), self.foot());
        format!(
            "{from}To: {}\nSubject: {}\nDate: {}\nMessage-ID: <{}@llm-manager.invalid>\nAuto-Submitted: auto-generated\n\
             X-LLM-Manager-Event: {}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
             Content-Transfer-Encoding: base64\n\n{}",
            to.join(", "),
            for_header(&format!("[LLM-Manager] {title}")),
            self.at.strftime("%a, %d %b %Y %H:%M:%S +0000"),
            self.id,
            kind.text(),
            lines_of(&BASE64_STANDARD.encode(text)),
        )
    }
}

/// What is in the base64 behind `whsec_` is the key, as Standard Webhooks has it; otherwise the text is.
fn sign(secret: &str, id: &str, second: i64, body: &str) -> String {
    let encoded = secret.strip_prefix("whsec_").and_then(|text| BASE64_STANDARD.decode(text).ok());
    let key = encoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    BASE64_STANDARD.encode(mac(&key, format!("{id}.{second}.{body}").as_bytes()))
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // A key may have any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// These three have a meaning there: otherwise a backend's words could call the whole channel.
fn for_slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A header of a mail: what isn't ASCII stands in it by RFC 2047, in words of at most 75 characters.
fn for_header(text: &str) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if text.is_ascii() && text.len() <= 900 {
        return text;
    }
    let mut words = vec![String::new()];
    for letter in text.chars() {
        match words.last_mut() {
            Some(word) if word.len() + letter.len_utf8() <= 45 => word.push(letter),
            _ => words.push(letter.to_string()),
        }
    }
    let encoded = words.iter().map(|word| format!("=?utf-8?B?{}?=", BASE64_STANDARD.encode(word)));
    encoded.collect::<Vec<_>>().join("\n ")
}

/// A long line in lines of 76.
fn lines_of(text: &str) -> String {
    let mut lines = String::new();
    for (place, letter) in text.chars().enumerate() {
        if place > 0 && place % 76 == 0 {
            lines.push('\n');
        }
        lines.push(letter);
    }
    lines.push('\n');
    lines
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What an answer means.
pub(super) fn judge(
    form: WebhookFormat,
    status: u16,
    retry_after: Option<u64>,
    body: &[u8],
) -> Result<(), DeliveryError> {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = cut(&words.join(" "), SHOWN);
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    if !(200..300).contains(&status) {
        // A client's mistake stays one; these are about time.
        let later = !(400..500).contains(&status) || matches!(status, 408 | 425 | 429);
        let again = if later { Retry::Later(retry_after.map(Duration::from_secs)) } else { Retry::Never };
        return Err(DeliveryError { why: format!("it answered {status}{said}"), again });
    }
    if form == WebhookFormat::Feishu {
        // It answers 200 to everything, and says what it means in the body.
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let code = answer.get("code").or_else(|| answer.get("StatusCode")).and_then(Value::as_i64);
        return match code {
            Some(0) => Ok(()),
            // Too many at once.
            Some(code @ (9499 | 11232)) => {
                Err(DeliveryError::later(format!("it answered code {code}{said}")))
            }
            Some(code) => {
                Err(DeliveryError { why: format!("it answered code {code}{said}"), again: Retry::Never })
            }
            None => Err(DeliveryError::later(format!("it answered what isn't Feishu's{said}"))),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_manager_policy::notify::NoticeKind;

    fn notice() -> Notice {
        Notice {
            kind: NoticeKind::ModelFailed,
            subject: "通义".to_owned(),
            title: "Model 通义 failed".to_owned(),
            text: "It said <!channel> & went".to_owned(),
        }
    }

    fn with<T>(run: impl FnOnce(&NotificationPayload<'_>) -> T) -> T {
        let notice = notice();
        let at = "2026-11-29T12:00:00Z".parse().unwrap();
        run(&NotificationPayload { id: "id-1", notice: &notice, at, host: "lab" })
    }

    fn body(post: &WebhookRequest) -> Value {
        serde_json::from_str(&post.body).unwrap()
    }

    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        // The example of its specification.
        let signature = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_ne!(sign("whsec_no base64", "a", 1, ""), sign("other", "a", 1, ""));
    }

    #[test]
    fn ntfy_is_published_to_as_json() {
        let token = Secret::new("tk_1".to_owned());
        let post =
            with(|word| word.post(WebhookFormat::Ntfy, "https://ntfy.sh/our-topic/", Some(&token), word.at));
        assert_eq!(post.url, "https://ntfy.sh/");
        let body = body(&post);
        assert_eq!(
            (&body["topic"], &body["title"], &body["priority"]),
            (&json!("our-topic"), &json!("Model 通义 failed"), &json!(4))
        );
        assert!(post.headers.contains(&("authorization", "Bearer tk_1".to_owned())));
    }

    #[test]
    fn nobody_is_called_by_a_backend_s_words() {
        let post = with(|word| word.post(WebhookFormat::Slack, "http://s/", None, word.at));
        let text = body(&post)["text"].as_str().unwrap().to_owned();
        assert!(text.contains("It said &lt;!channel&gt; &amp; went"), "{text}");
        let post = with(|word| word.post(WebhookFormat::Feishu, "http://f/", None, word.at));
        assert_eq!(body(&post)["msg_type"], "post", "in which tags mean nothing");
        assert_eq!(body(&post).get("sign"), None);
    }

    #[test]
    fn a_mail_is_ascii_and_its_lines_are_short() {
        let to = ["ops@example.com".to_owned(), "b@example.com".to_owned()];
        let mail = with(|word| word.mail(Some("llm@example.com"), &to));
        assert!(mail.is_ascii() && mail.lines().all(|line| line.len() <= 78), "{mail}");
        for line in [
            "From: llm@example.com",
            "To: ops@example.com, b@example.com",
            "Date: Sun, 29 Nov 2026 12:00:00 +0000",
            "X-LLM-Manager-Event: model_failed",
        ] {
            assert!(mail.lines().any(|one| one == line), "{line}: {mail}");
        }
        assert!(mail.contains("Subject: =?utf-8?B?"), "{mail}");
        let (_, encoded) = mail.split_once("\n\n").unwrap();
        let text = BASE64_STANDARD.decode(encoded.replace('\n', "")).unwrap();
        assert!(
            String::from_utf8(text)
                .unwrap()
                .starts_with("It said <!channel> & went\n\n-- \nLLM-Manager on lab")
        );
        assert_eq!(for_header("a\r\nBcc: x"), "a  Bcc: x", "no line of its own");
    }

    #[test]
    fn answers() {
        let judge = |form, status, body: &str| judge(form, status, Some(7), body.as_bytes());
        assert_eq!(judge(WebhookFormat::Slack, 200, "ok"), Ok(()));
        assert_eq!(judge(WebhookFormat::Json, 204, ""), Ok(()));
        for (form, status, body, again) in [
            (WebhookFormat::Json, 500, "", Retry::Later(Some(Duration::from_secs(7)))),
            (WebhookFormat::Json, 302, "", Retry::Later(Some(Duration::from_secs(7)))),
            (WebhookFormat::Slack, 429, "", Retry::Later(Some(Duration::from_secs(7)))),
            (WebhookFormat::Slack, 404, "no_service", Retry::Never),
            (WebhookFormat::Feishu, 200, r#"{"code":19021,"msg":"sign match fail"}"#, Retry::Never),
            (WebhookFormat::Feishu, 200, r#"{"code":11232,"msg":"frequency limited"}"#, Retry::Later(None)),
            (WebhookFormat::Feishu, 200, "<html>", Retry::Later(None)),
        ] {
            assert_eq!(judge(form, status, body).unwrap_err().again, again, "{status} {body}");
        }
        for body in
            [r#"{"code":0,"msg":"success","data":{}}"#, r#"{"StatusCode":0,"StatusMessage":"success"}"#]
        {
            assert_eq!(judge(WebhookFormat::Feishu, 200, body), Ok(()), "{body}");
        }
        let long = judge(WebhookFormat::Json, 500, &"word ".repeat(1000)).unwrap_err();
        assert!(long.why.starts_with("it answered 500: word word") && long.why.len() < 250, "{}", long.why);
    }
}
