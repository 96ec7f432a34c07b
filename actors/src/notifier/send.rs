//! Sends one word: a request, or a program. Each has its limits, and none of them blocks.

use super::payloads::{DeliveryError, NotificationPayload, judge};
use super::settings::{Delivered, NotifierSettings};
use crate::logs::mask::Mask;
use awc::http::Uri;
use awc::{Client, Connector};
use jiff::Timestamp;
use llm_manager_policy::notify::Retry;
use llm_manager_policy::spec::{DeliveryMethod, NotifySpec, Secret, WebhookFormat};
use llm_manager_process::{PipedProgram, feed, trusting};
use std::sync::Arc;
use std::time::Duration;

/// From the connection to the end of the answer.
const WEBHOOK: Duration = Duration::from_secs(10);
/// A mail program may ask other servers before it ends.
const COMMAND: Duration = Duration::from_secs(30);
/// More of an answer isn't read.
const ANSWER: usize = 64 << 10;

/// Sends it, once.
pub(super) async fn send(
    settings: Arc<NotifierSettings>,
    spec: NotifySpec,
    what: Delivered,
) -> Result<(), DeliveryError> {
    let word = NotificationPayload { id: &what.id, notice: &what.notice, at: what.at, host: &settings.host };
    let done = match &spec.way {
        DeliveryMethod::Webhook { url, form, secret } => post(&word, *form, url, secret.as_ref()).await,
        DeliveryMethod::Command(words) => {
            let fill = |one: &String| {
                let notice = &what.notice;
                one.replace("{event}", notice.kind.text())
                    .replace("{subject}", &notice.subject)
                    .replace("{title}", &notice.title)
                    .replace("{text}", &notice.text)
            };
            let words: Vec<String> = words.iter().map(fill).collect();
            run(&settings, &words, &word.json()).await
        }
        DeliveryMethod::Mail { command, to, from } => {
            run(&settings, command, &word.mail(from.as_deref(), to)).await
        }
    };
    // What others say may repeat what they were told.
    done.map_err(|unsent| match Mask::new(spec.way.secrets()) {
        Ok(mask) => {
            let mut why = unsent.why;
            mask.hide_in(&mut why);
            DeliveryError { why, ..unsent }
        }
        Err(_) => DeliveryError {
            why: "it failed; the reason can't be shown without its secrets".to_owned(),
            ..unsent
        },
    })
}

async fn run(settings: &NotifierSettings, words: &[String], input: &str) -> Result<(), DeliveryError> {
    let outlets = settings.outlets.load();
    let order = PipedProgram {
        words,
        called: words.first().map_or("", String::as_str),
        folder: &settings.folder,
        env: &settings.marks,
        hidden: &outlets.hidden,
        input: input.as_bytes(),
        limit: COMMAND,
    };
    feed(order).await.map_err(DeliveryError::later)
}

async fn post(
    word: &NotificationPayload<'_>,
    form: WebhookFormat,
    url: &Secret,
    secret: Option<&Secret>,
) -> Result<(), DeliveryError> {
    let asking = ask(word, form, url, secret);
    match tokio::time::timeout(WEBHOOK, asking).await {
        Ok(done) => done,
        Err(_) => Err(DeliveryError::later(format!("no answer within {} s", WEBHOOK.as_secs()))),
    }
}

async fn ask(
    word: &NotificationPayload<'_>,
    form: WebhookFormat,
    url: &Secret,
    secret: Option<&Secret>,
) -> Result<(), DeliveryError> {
    let post = word.post(form, url.reveal(), secret, Timestamp::now());
    let uri: Uri = post.url.parse().map_err(|error| DeliveryError {
        why: format!("its address is none: {error}"),
        again: Retry::Never,
    })?;
    // The limit of all of it is the caller's.
    let mut connector = Connector::new().timeout(WEBHOOK * 2);
    if uri.scheme_str() == Some("https") {
        // The first time it reads the certificates of this machine.
        let trusted = actix_rt::task::spawn_blocking(trusting).await;
        let trusted = trusted
            .map_err(|error| DeliveryError::later(error.to_string()))?
            .map_err(DeliveryError::later)?;
        connector = connector.rustls_0_23(trusted);
    }
    let client = Client::builder().connector(connector).disable_redirects().disable_timeout().finish();
    let mut request = client.post(uri).force_close().insert_header(("user-agent", "llm-manager"));
    for header in post.headers {
        request = request.insert_header(header);
    }
    let mut answer =
        request.send_body(post.body).await.map_err(|error| DeliveryError::later(error.to_string()))?;
    let retry_after =
        answer.headers().get("retry-after").and_then(|text| text.to_str().ok()?.trim().parse().ok());
    let status = answer.status().as_u16();
    // An answer that breaks off, or is too long, has a status all the same.
    let body = answer.body().limit(ANSWER).await.unwrap_or_default();
    judge(form, status, retry_after, &body)
}
