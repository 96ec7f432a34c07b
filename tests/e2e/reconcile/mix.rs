//! Requests of every kind, by their number and a seed; and what their clients saw.

use std::time::Instant;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::{Call, End, Manager, PATIENCE, Reply, wait_until};

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// Reads to the end.
    Stays,
    /// Leaves when the backend has the question.
    LeavesBefore,
    /// Leaves when it has half of the answer.
    LeavesWithin,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum What {
    /// The client has left.
    Left,
    /// The connection broke off: the manager was killed.
    Cut,
    /// As the row has to say it; `words` are the tokens of a stream that the client has seen.
    Answered { status: u16, outcome: String, words: u64 },
}

/// A request that has ended, seen by its client.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) model: &'static str,
    /// Of its text: the rest of the body is no prose.
    pub(super) question_bytes: usize,
    /// It names no model that there is.
    pub(super) stray: bool,
    pub(super) ended: Instant,
    pub(super) what: What,
}

/// A request to be made.
pub(super) struct Ask {
    id: String,
    path: &'static str,
    model: &'static str,
    body: String,
    question_bytes: usize,
    script: String,
    /// Tokens of the answer.
    tokens: u64,
    way: Way,
    stray: bool,
    /// The backend does not survive it.
    deadly: bool,
}

const CHAT: &str = "/v1/chat/completions";

impl Ask {
    pub(super) fn new(nth: usize, random: &mut Rng) -> Self {
        use Way::{LeavesBefore, LeavesWithin, Stays};
        let kind = random.u64(..1000);
        // Path, model, whether it streams, what the backend does with it, and what the client does.
        let (path, model, stream, words, way) = match kind {
            0..250 => (CHAT, "chat", false, "", Stays),
            250..450 => (CHAT, "chat", true, "", Stays),
            450..490 => (CHAT, "chat", true, "split=1", Stays),
            490..530 => ("/v1/completions", "chat", true, "", Stays),
            530..550 => ("/v1/completions", "chat", false, "", Stays),
            550..650 => ("/v1/embeddings", "embed", false, "", Stays),
            650..710 => ("/v1/rerank", "rank", false, "", Stays),
            710..730 => ("/v1/messages", "chat", false, "", Stays),
            730..760 => ("/v1/messages", "chat", true, "", Stays),
            760..780 => ("/v1/responses", "chat", false, "", Stays),
            780..800 => ("/v1/responses", "chat", true, "", Stays),
            800..830 => (CHAT, "chat", true, "", LeavesWithin),
            830..850 => (CHAT, "chat", false, "", LeavesBefore),
            850..860 => (CHAT, "chat", false, "status=500", Stays),
            860..870 => (CHAT, "chat", true, "status=429", Stays),
            870..885 => (CHAT, "chat", true, "cut=mid-stream", Stays),
            885..895 => (CHAT, "chat", false, "cut=mid-json", Stays),
            895..898 => (CHAT, "chat", false, "cut=before-answer", Stays),
            898..903 => (CHAT, "chat", false, "wrong=garbage", Stays),
            903..915 => (CHAT, "chat", true, "no_usage=1", Stays),
            915..922 => (CHAT, "chat", false, "no_usage=1", Stays),
            922..930 => (CHAT, "embed", false, "", Stays),
            930..935 => (CHAT, "nobody", false, "", Stays),
            935..938 => (CHAT, "frail", true, "die=mid-stream", Stays),
            938..960 => (CHAT, "frail", false, "head_delay_ms=30", Stays),
            _ => (CHAT, "frail", true, "delay_ms=3", Stays),
        };
        let prompt = 1 + random.u64(..2000);
        // Not all of it: the fake's Anthropic streams begin with a report of one token that is not cached.
        let (cached, tokens) = (random.u64(..prompt), 2 + random.u64(..9));
        let mut script = format!("prompt={prompt},cached={cached},tokens={tokens},{words}");
        match way {
            LeavesWithin => script.push_str("stream_file={dir}/never"),
            LeavesBefore => script.push_str(&format!("wait_file={{dir}}/never,once={{dir}}/here-{nth}")),
            Stays => (),
        }
        let question = "why? ".repeat(1 + random.usize(..20));
        let question_bytes = question.len();
        let mut body =
            json!({"model": model, "messages": [{"role": "user", "content": question}], "stream": stream});
        if stream && kind.is_multiple_of(8) {
            body["stream_options"] = json!({"include_usage": true});
        }
        Self {
            id: format!("r{nth}"),
            path,
            model,
            body: body.to_string(),
            question_bytes,
            script,
            tokens,
            way,
            stray: model == "nobody",
            deadly: words.starts_with("die"),
        }
    }

    fn call(&self, manager: &Manager) -> Call {
        manager
            .post(self.path)
            .header("Content-Type", "application/json")
            .header("X-Request-Id", &self.id)
            .fake(&self.script.replace("{dir}", &manager.word("")))
            .body(self.body.clone())
    }

    /// Sends it and waits for the end. `None`: the manager isn't there.
    pub(super) fn send(self, manager: &Manager) -> Option<Seen> {
        let mut live = self.call(manager).try_open().ok()?;
        let what = match self.way {
            Way::Stays => match live.try_finish() {
                Ok(reply) => answered(&reply),
                Err(_) => What::Cut,
            },
            Way::LeavesWithin => {
                let last = format!("word{} ", self.tokens / 2 - 1);
                live.until_or_end(&last);
                let whole = live.has(&last);
                live.leave();
                if whole { What::Left } else { What::Cut }
            }
            Way::LeavesBefore => {
                let file = manager.path(&format!("here-{}", &self.id[1..]));
                let mut cut = false;
                wait_until("the backend has it", PATIENCE, || {
                    cut = live.has_news();
                    cut || file.exists()
                });
                live.leave();
                if cut { What::Cut } else { What::Left }
            }
        };
        let ended = Instant::now();
        if self.deadly && matches!(&what, What::Answered { outcome, .. } if outcome == "backend_error") {
            revive(manager);
        }
        let Self { id, model, question_bytes, stray, .. } = self;
        Some(Seen { id, model, question_bytes, stray, ended, what })
    }
}

/// What the row has to say, from what the client saw.
fn answered(reply: &Reply) -> What {
    let text = reply.text();
    let (body, words) = if text.contains("data: ") {
        let error = text.split("event: error\ndata: ").nth(1).unwrap_or_default();
        (error.trim_end().to_owned(), text.matches("word").count() as u64)
    } else {
        (text, 0)
    };
    // The backend's own errors have a number there.
    let error: Value = serde_json::from_str(&body).unwrap_or_default();
    let outcome = match error["error"]["code"].as_str() {
        Some("backend_error" | "backend_timeout") => "backend_error".to_owned(),
        Some(code) => format!("refused:{code}"),
        None if reply.end == End::Cut || reply.status >= 500 => "backend_error".to_owned(),
        None if reply.status >= 400 => "rejected".to_owned(),
        None => "ok".to_owned(),
    };
    What::Answered { status: reply.status, outcome, words }
}

/// Has the frail model started again at once, whatever pause its crashes have earned it, when the manager knows of the
/// last one. It may be dead itself.
pub(super) fn revive(manager: &Manager) {
    let before = manager.starts("frail").len();
    wait_until("the frail model is started again", PATIENCE, || {
        let asked = manager.post("/api/models/frail/start?wait=false").try_send();
        asked.is_err() || manager.starts("frail").len() > before
    });
}
