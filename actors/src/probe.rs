//! Readiness: asks a backend, again and again, whether it serves.
//!
//! The steps are those of the mode: first a cheap question, then one tiny real request. Each question has a
//! deadline of its own; how long a start may take in total is the business of the Model.

use awc::http::{Method, StatusCode};
use awc::{Client, Connector};
use llm_manager_policy::spec::{ModeSpec, ProbeSpec};
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// A question that takes longer is worth a remark.
const SLOW_ANSWER: Duration = Duration::from_secs(1);
const LARGEST_ANSWER: usize = 1 << 20;
/// A backend that goes on refusing for so long will not change its mind.
const HOPELESS_AFTER: Duration = Duration::from_secs(10);
/// A path that is unknown may still be added: some servers open their port first.
const UNKNOWN_AFTER: Duration = Duration::from_secs(30);
/// A start that takes long says in the log what it waits for, at this interval.
const REMARK_EVERY: Duration = Duration::from_secs(10);

/// Why a backend will never be ready.
#[derive(Debug)]
pub enum ProbeFailure {
    /// Somebody else answers on its port.
    Stranger(String),
    /// It refuses the tiny request for good.
    Refuses {
        /// Such as `POST /v1/embeddings`.
        question: String,
        /// Its status.
        status: u16,
        /// The beginning of its answer.
        answer: String,
    },
}

impl fmt::Display for ProbeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stranger(text) => f.write_str(text),
            Self::Refuses { question, status: status @ (401 | 403), answer } => write!(
                f,
                "the backend answers the probe {question} with status {status}: {answer} (it wants a key of its \
                 own: start it without one, for only this machine reaches it)"
            ),
            Self::Refuses { question, status, answer } => write!(
                f,
                "the backend answers the probe {question} with status {status}: {answer} \
                 (does the model's `mode` fit what the script starts?)"
            ),
        }
    }
}

/// What one question brought.
enum Answer {
    /// A 2xx with this body.
    Yes(Vec<u8>),
    /// Not yet; why.
    NotYet(String),
    /// A status that is no question of time.
    No { status: u16, body: Vec<u8> },
    /// This path is unknown to the backend.
    UnknownPath { status: u16, body: Vec<u8> },
}

/// Returns when the backend serves its mode, or never will. `check_listener` is asked once, as soon as
/// somebody answers; `remark` hears what is being waited for whenever that changes.
pub async fn until_ready(
    address: SocketAddr,
    mode: &ModeSpec,
    model: &str,
    check_listener: impl Future<Output = Result<(), llm_manager_process::Stranger>>,
    remark: impl Fn(String),
) -> Result<(), ProbeFailure> {
    let client = client();
    let mut watch = Watch::new(model, remark);
    let mut check_listener = Some(check_listener);
    let mut served_name = model.to_owned();
    for probe in &mode.probes {
        let mut pause = FIRST_PAUSE;
        let mut refused_since: Option<Instant> = None;
        loop {
            let (question, answer) = ask_patiently(&client, address, probe, &served_name, &mut watch).await;
            if !matches!(answer, Answer::NotYet(ref why) if why.starts_with(NO_CONNECTION))
                && let Some(check) = check_listener.take()
            {
                check.await.map_err(|stranger| ProbeFailure::Stranger(stranger.to_string()))?;
            }
            match answer {
                Answer::Yes(body) => {
                    if let Some(name) = first_model(&body) {
                        served_name = name;
                    }
                    break;
                }
                Answer::NotYet(why) => {
                    refused_since = None;
                    watch.waits_for(&question, &why);
                }
                Answer::No { status, ref body } | Answer::UnknownPath { status, ref body } => {
                    let known = matches!(answer, Answer::No { .. });
                    let patience = if known { HOPELESS_AFTER } else { UNKNOWN_AFTER };
                    let answer = excerpt(body);
                    if refused_since.get_or_insert_with(Instant::now).elapsed() >= patience {
                        return Err(ProbeFailure::Refuses { question, status, answer });
                    }
                    watch.waits_for(&question, &format!("status {status}: {answer}"));
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }
    Ok(())
}

const NO_CONNECTION: &str = "no connection";

fn client() -> Client {
    let connector = Connector::new().timeout(CONNECT_TIMEOUT);
    Client::builder().disable_redirects().no_default_headers().connector(connector).finish()
}

/// Asks, and remarks on it when the answer takes its time.
async fn ask_patiently<R: Fn(String)>(
    client: &Client,
    address: SocketAddr,
    probe: &ProbeSpec,
    model: &str,
    watch: &mut Watch<'_, R>,
) -> (String, Answer) {
    let mut asking = std::pin::pin!(ask(client, address, probe, model));
    if let Ok(answered) = tokio::time::timeout(SLOW_ANSWER, &mut asking).await {
        return answered;
    }
    let path = probe.paths.first().map_or("", String::as_str);
    watch.waits_for(&format!("{} {path}", probe.method), &format!("{address} does not answer"));
    asking.await
}

/// Asks the probe's paths in turn, until one is known to the backend.
async fn ask(client: &Client, address: SocketAddr, probe: &ProbeSpec, model: &str) -> (String, Answer) {
    let mut last = (String::new(), Answer::NotYet("no path to ask".to_owned()));
    for path in &probe.paths {
        last = (format!("{} {path}", probe.method), ask_path(client, address, probe, path, model).await);
        if !matches!(last.1, Answer::UnknownPath { .. }) {
            break;
        }
    }
    last
}

async fn ask_path(
    client: &Client,
    address: SocketAddr,
    probe: &ProbeSpec,
    path: &str,
    model: &str,
) -> Answer {
    let method = if probe.method == "POST" { Method::POST } else { Method::GET };
    let timeout = if probe.body.is_some() { REQUEST_TIMEOUT } else { QUESTION_TIMEOUT };
    let request = client
        .request(method, format!("http://{address}{path}"))
        .no_decompress()
        .force_close()
        .timeout(timeout)
        .insert_header(("host", address.to_string()))
        .insert_header(("user-agent", "llm-manager"));
    let sent = match &probe.body {
        Some(body) => {
            let name = serde_json::Value::from(model).to_string();
            request.content_type("application/json").send_body(body.replace("{model}", &name)).await
        }
        None => request.send().await,
    };
    let response = match sent {
        Ok(response) => response,
        Err(awc::error::SendRequestError::Connect(error)) => {
            return Answer::NotYet(format!("{NO_CONNECTION} to {address}: {error}"));
        }
        Err(error) => return Answer::NotYet(format!("no answer: {error}")),
    };
    let mut response = response.timeout(timeout);
    let body = match response.body().limit(LARGEST_ANSWER).await {
        Ok(body) => body.to_vec(),
        Err(error) => return Answer::NotYet(format!("an answer that breaks off: {error}")),
    };
    match response.status() {
        status if status.is_success() => Answer::Yes(body),
        // Loading, or busy.
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            Answer::NotYet(format!("status {}: {}", response.status().as_u16(), excerpt(&body)))
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            Answer::UnknownPath { status: response.status().as_u16(), body }
        }
        // Not every server says 503 while it loads. 501 is for good: it lacks the function.
        status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
            Answer::NotYet(format!("status {}: {}", status.as_u16(), excerpt(&body)))
        }
        status => Answer::No { status: status.as_u16(), body },
    }
}

/// The name by which the backend itself knows its model: servers such as vLLM refuse any other.
fn first_model(body: &[u8]) -> Option<String> {
    let list: serde_json::Value = serde_json::from_slice(body).ok()?;
    list.get("data")?.get(0)?.get("id")?.as_str().map(str::to_owned)
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Says what is being waited for: when it changes, and in the log every few seconds.
struct Watch<'a, R: Fn(String)> {
    model: &'a str,
    remark: R,
    last: String,
    since: Instant,
    logged: Instant,
}

impl<'a, R: Fn(String)> Watch<'a, R> {
    fn new(model: &'a str, remark: R) -> Self {
        let now = Instant::now();
        Self { model, remark, last: String::new(), since: now, logged: now }
    }

    fn waits_for(&mut self, question: &str, why: &str) {
        let text = format!("{question} ({why})");
        if self.logged.elapsed() >= REMARK_EVERY {
            self.logged = Instant::now();
            let seconds = self.since.elapsed().as_secs();
            log::info!("models/{}: still starting after {seconds} s, waits for {text}", self.model);
        }
        if text != self.last {
            (self.remark)(text.clone());
            self.last = text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backends_own_name_is_taken_from_its_list() {
        assert_eq!(first_model(br#"{"data":[{"id":"a/b"},{"id":"c"}]}"#).as_deref(), Some("a/b"));
        assert_eq!(first_model(br#"{"status":"ok"}"#), None);
        assert_eq!(first_model(b"\xff"), None);
    }

    #[test]
    fn an_excerpt_is_cut_between_characters() {
        assert_eq!(excerpt("é".repeat(400).as_bytes()), format!("{}...", "é".repeat(300)));
    }
}
