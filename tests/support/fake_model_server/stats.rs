//! What the server has seen, for `GET /fake/stats`.
#![expect(clippy::disallowed_types, reason = "a list that is written once per lost client")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub(crate) static STATS: Stats = Stats {
    requests: AtomicU64::new(0),
    scripted: AtomicU64::new(0),
    active: AtomicU64::new(0),
    max_active: AtomicU64::new(0),
    connections: AtomicU64::new(0),
    open_connections: AtomicU64::new(0),
    prompt_tokens: AtomicU64::new(0),
    completion_tokens: AtomicU64::new(0),
    disconnects: Mutex::new(Vec::new()),
};

/// Counters since the process began.
#[derive(Debug)]
pub(crate) struct Stats {
    /// Requests, probes included, `/fake/` excluded.
    pub(crate) requests: AtomicU64,
    /// Requests that carried a script.
    pub(crate) scripted: AtomicU64,
    /// Requests that aren't answered yet.
    pub(crate) active: AtomicU64,
    pub(crate) max_active: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) open_connections: AtomicU64,
    pub(crate) prompt_tokens: AtomicU64,
    pub(crate) completion_tokens: AtomicU64,
    /// (when, path) of each client that left before its answer was complete.
    disconnects: Mutex<Vec<(u64, String)>>,
}

impl Stats {
    pub(crate) fn count(&self, counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn begin(&self, scripted: bool) -> Active {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if scripted {
            self.scripted.fetch_add(1, Ordering::Relaxed);
        }
        let active = self.active.fetch_add(1, Ordering::Relaxed) + 1;
        self.max_active.fetch_max(active, Ordering::Relaxed);
        Active
    }

    pub(crate) fn client_left(&self, path: &str) {
        self.disconnects.lock().unwrap().push((now_us(), path.to_owned()));
    }

    pub(crate) fn json(&self) -> Value {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let left = self.disconnects.lock().unwrap();
        json!({
            "pid": std::process::id(),
            "requests": get(&self.requests),
            "scripted": get(&self.scripted),
            "active": get(&self.active),
            "max_active": get(&self.max_active),
            "connections": get(&self.connections),
            "open_connections": get(&self.open_connections),
            "prompt_tokens": get(&self.prompt_tokens),
            "completion_tokens": get(&self.completion_tokens),
            "aborted": left.len(),
            "disconnects":
                left.iter().map(|(at, path)| json!({"at_us": at, "path": path})).collect::<Vec<_>>(),
        })
    }
}

/// Unix time in microseconds.
pub(crate) fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_micros()).unwrap()
}

/// One request in work.
#[derive(Debug)]
pub(crate) struct Active;

impl Drop for Active {
    fn drop(&mut self) {
        STATS.active.fetch_sub(1, Ordering::Relaxed);
    }
}
