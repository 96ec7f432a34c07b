//! Readiness: asks a backend, at a short and constant pace, whether it serves.
//!
//! `policy::readiness` says what to ask and what the answers mean. How long a start may take in total is the business
//! of the Model; each question has a deadline of its own.

mod connection;
mod failure;
mod listing;
mod manager;
pub mod sleep;

pub use failure::ProbeFailure;
pub use manager::{RemoteModel, StateLine};

use connection::ProbeConnection;
use llm_manager_policy::readiness::{
    self, BackendInfo, ProbeAnswer, ProbeQuestion, ProbeStep, Readiness, RemoteProbe,
    RemoteReadiness as FarTold,
};
use llm_manager_process::{BackendAddress, ListenScan, Stranger, Tail};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A question that takes longer is worth a remark.
const SLOW_ANSWER: Duration = Duration::from_secs(1);
/// A start that takes long says in the log what it waits for, at this interval.
const REMARK_EVERY: Duration = Duration::from_secs(10);
/// A start that has opened no port for so long is looked at for one that it has opened instead.
const LOOK_ELSEWHERE: Duration = Duration::from_secs(2);

/// A backend that served and answers its probe with errors, or not at all, has so long to do better.
const CHECK_PATIENCE: Duration = Duration::from_secs(5);
const CHECK_PAUSE: Duration = Duration::from_millis(250);
/// And so long for one answer: it may have much to do.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// What a start tells while it is probed.
pub trait ProbeListener {
    /// Somebody listens on the port.
    fn port_open(&self);
    /// What is being waited for, whenever that changes.
    fn waits_for(&self, text: String);
}

/// Returns when the backend serves its mode, or never will. `check_listener` is asked once, as soon as somebody
/// listens; `output` wakes the next question.
pub async fn until_ready(
    endpoint: Arc<BackendAddress>,
    model: &str,
    mut readiness: Readiness,
    mut output: watch::Receiver<Tail>,
    check_listener: impl Future<Output = Result<(), Stranger>> + 'static,
    elsewhere: ListenScan,
    told: &impl ProbeListener,
) -> Result<BackendInfo, ProbeFailure> {
    let mut line = ProbeConnection::new(endpoint);
    let mut elsewhere = Elsewhere { look: elsewhere, last: None, found: String::new() };
    let mut watch = Watch::new(model, told);
    let mut listener = Listener::Unknown(check_listener);
    let began = Instant::now();
    let mut seen = output.borrow_and_update().seen;
    while let Some(question) = readiness.next() {
        // What costs something is not asked of a stranger.
        if question.body.is_some() {
            listener.settle().await?;
        }
        let asked = Instant::now();
        let (heard, why) = match line.connect().await {
            Ok(()) => {
                if listener.start() {
                    told.port_open();
                }
                ask(&mut line, &question, readiness.remark(), &mut watch).await
            }
            Err(why) => (ProbeAnswer::Nothing, Some(why + elsewhere.words(began.elapsed()).await)),
        };
        listener.look().await?;
        match readiness.hear(heard, began.elapsed()) {
            ProbeStep::AskOn => {}
            ProbeStep::Ready(found) => {
                listener.settle().await?;
                return Ok(found);
            }
            ProbeStep::Never(refused) => return Err(ProbeFailure::Refuses(refused)),
            ProbeStep::Wait(pause, refused) => {
                let why = refused.or(why).unwrap_or_default();
                watch.waits_for(&format!("{} {}", question.method, question.path), &why);
                let news = async {
                    // No news for ever once the outputs are closed.
                    if output.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                    let least = after_news(&output.borrow_and_update(), &mut seen);
                    tokio::time::sleep(least.saturating_sub(asked.elapsed())).await;
                };
                tokio::select! { () = tokio::time::sleep(pause) => {}, () = news => {} }
            }
        }
    }
    Ok(BackendInfo::default())
}

/// How long after a question the lines since the last look let the next one be asked.
fn after_news(tail: &Tail, seen: &mut u64) -> Duration {
    let new = usize::try_from(tail.seen.saturating_sub(*seen)).unwrap_or(usize::MAX);
    *seen = tail.seen;
    readiness::pause_after(tail.lines.iter().rev().take(new).map(String::as_str))
}

/// Returns when a server that somebody else runs answers, or counts as down, and says why.
pub async fn until_answered<T: ProbeListener>(
    endpoint: Arc<BackendAddress>,
    far: RemoteProbe,
    told: Option<&T>,
) -> Result<BackendInfo, String> {
    let mut line = ProbeConnection::new(Arc::clone(&endpoint));
    let began = Instant::now();
    loop {
        let asked = Instant::now();
        let question = far.question();
        let (heard, why) = match line.ask(question).await {
            Ok((status, body)) => {
                told.into_iter().for_each(ProbeListener::port_open);
                let is_list = question.body.is_none() && (200..300).contains(&status);
                let listing = is_list.then(|| listing::read(&body)).flatten();
                (ProbeAnswer::Answer { status, text: excerpt(&body), listing, took: asked.elapsed() }, None)
            }
            Err(why) => (ProbeAnswer::Nothing, Some(why)),
        };
        match far.hear(heard, why, began.elapsed()) {
            FarTold::Ready(found) => return Ok(found),
            FarTold::Wait(pause) => tokio::time::sleep(pause).await,
            // Some words of it name the server already.
            FarTold::Down(why) if why.contains(&endpoint.to_string()) => return Err(why),
            FarTold::Down(why) => return Err(format!("{endpoint}: {why}")),
        }
    }
}

/// Whether a backend that was ready still serves: its probe must succeed within some seconds. One that says that it is
/// busy serves; one that refuses something else than before answers, too.
pub async fn still_serves(endpoint: Arc<BackendAddress>, mut readiness: Readiness) -> Result<(), String> {
    let mut line = ProbeConnection::new(endpoint);
    let began = Instant::now();
    let mut last;
    while let Some(question) = readiness.next() {
        let left = CHECK_TIMEOUT.saturating_sub(began.elapsed());
        let heard = match tokio::time::timeout(left, line.ask(&question)).await {
            Err(_) => {
                return Err(format!(
                    "{} {} was not answered within {} s",
                    question.method,
                    question.path,
                    began.elapsed().as_secs()
                ));
            }
            Ok(answer) => answer,
        };
        let heard = match heard {
            Ok((429 | 503, _)) if question.body.is_some() => return Ok(()),
            Ok((status, body)) => {
                last = format!("{} {}: status {status}: {}", question.method, question.path, excerpt(&body));
                let listing = listing::read(&body).filter(|_| question.body.is_none());
                ProbeAnswer::Answer { status, text: excerpt(&body), listing, took: Duration::ZERO }
            }
            Err(why) => {
                last = format!("{} {}: {why}", question.method, question.path);
                ProbeAnswer::Nothing
            }
        };
        match readiness.hear(heard, began.elapsed()) {
            ProbeStep::AskOn => {}
            ProbeStep::Ready(_) | ProbeStep::Never(_) => return Ok(()),
            ProbeStep::Wait(..) if began.elapsed() >= CHECK_PATIENCE => return Err(last),
            ProbeStep::Wait(pause, _) => tokio::time::sleep(pause.max(CHECK_PAUSE)).await,
        }
    }
    Ok(())
}

/// Asks, and remarks on it when the answer takes its time. What went wrong comes beside what was heard.
async fn ask<T: ProbeListener>(
    line: &mut ProbeConnection,
    question: &ProbeQuestion,
    remark: Option<String>,
    watch: &mut Watch<'_, T>,
) -> (ProbeAnswer, Option<String>) {
    let endpoint = Arc::clone(line.endpoint());
    let began = Instant::now();
    let mut asking = std::pin::pin!(line.ask(question));
    let answered = match tokio::time::timeout(SLOW_ANSWER, &mut asking).await {
        Ok(answered) => answered,
        Err(_) => {
            let text = format!("{} {}", question.method, question.path);
            watch.waits_for(&text, &format!("{endpoint} does not answer{}", remark.unwrap_or_default()));
            asking.await
        }
    };
    match answered {
        Ok((status, body)) => {
            let listing = (question.body.is_none() && (200..300).contains(&status))
                .then(|| listing::read(&body))
                .flatten();
            let text = excerpt(&body);
            (ProbeAnswer::Answer { status, text, listing, took: began.elapsed() }, None)
        }
        Err(why) => (ProbeAnswer::Nothing, Some(why)),
    }
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() {
        return "an empty answer".to_owned();
    }
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Whether the one who listens is the backend: found out beside the questions.
enum Listener<F> {
    Unknown(F),
    Asked(JoinHandle<Result<(), Stranger>>),
    Ours,
}

impl<F: Future<Output = Result<(), Stranger>> + 'static> Listener<F> {
    /// Begins to look; false: it has begun before.
    fn start(&mut self) -> bool {
        match std::mem::replace(self, Self::Ours) {
            Self::Unknown(check) => {
                *self = Self::Asked(actix_rt::spawn(check));
                true
            }
            other => {
                *self = other;
                false
            }
        }
    }

    /// Its result, if it is there.
    async fn look(&mut self) -> Result<(), ProbeFailure> {
        match self {
            Self::Asked(check) if check.is_finished() => self.settle().await,
            _ => Ok(()),
        }
    }

    /// Its result, once it has begun.
    async fn settle(&mut self) -> Result<(), ProbeFailure> {
        let Self::Asked(check) = self else { return Ok(()) };
        let checked = check.await;
        *self = Self::Ours;
        match checked {
            Ok(Err(stranger)) => Err(ProbeFailure::Stranger(stranger.to_string())),
            // A check that broke proves nothing.
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

/// Where the processes of a start listen instead of on their port, looked at now and then.
struct Elsewhere {
    look: ListenScan,
    last: Option<Duration>,
    found: String,
}

impl Elsewhere {
    /// What is to be said of it beside that there is no connection; `after`: since the first question.
    async fn words(&mut self, after: Duration) -> &str {
        let due = self.last.map_or(LOOK_ELSEWHERE, |last| last + REMARK_EVERY);
        if after >= due {
            self.last = Some(after);
            let sockets: Vec<String> = (self.look)().await.iter().map(ToString::to_string).collect();
            self.found = if sockets.is_empty() {
                String::new()
            } else {
                format!(", while its processes listen on {}: does it use PORT?", sockets.join(", "))
            };
        }
        &self.found
    }
}

/// Says what is being waited for: when it changes, and in the log every few seconds.
struct Watch<'a, T: ProbeListener> {
    model: &'a str,
    told: &'a T,
    last: (String, String),
    since: Instant,
    logged: Instant,
}

impl<'a, T: ProbeListener> Watch<'a, T> {
    fn new(model: &'a str, told: &'a T) -> Self {
        let now = Instant::now();
        Self { model, told, last: (String::new(), String::new()), since: now, logged: now }
    }

    fn waits_for(&mut self, question: &str, why: &str) {
        let is_new = self.last.0 != question || self.last.1 != why;
        if !is_new && self.logged.elapsed() < REMARK_EVERY {
            return;
        }
        if self.logged.elapsed() >= REMARK_EVERY {
            self.logged = Instant::now();
            let seconds = self.since.elapsed().as_secs();
            log::info!(
                "models/{}: still starting after {seconds} s, waiting for {question} ({why})",
                self.model
            );
        }
        if is_new {
            self.told.waits_for(format!("{question} ({why})"));
            self.last = (question.to_owned(), why.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
