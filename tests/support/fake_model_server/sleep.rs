//! vLLM's sleep mode: the server gives its memory up and lives on.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::connection::Request;

/// Whether it sleeps, and how well.
#[derive(Debug)]
pub(crate) struct Bed {
    asleep: AtomicBool,
    falls_asleep: Duration,
    wakes: Duration,
    asleep_file: Option<PathBuf>,
    sleepless_file: Option<PathBuf>,
    wakeless_file: Option<PathBuf>,
    busy_file: Option<PathBuf>,
}

impl Bed {
    /// `times`: to fall asleep, to wake. `files`: there while it sleeps; while it can't; while it can't wake; while busy.
    pub(crate) fn new(times: [Duration; 2], files: [Option<PathBuf>; 4]) -> Self {
        let [falls_asleep, wakes] = times;
        let [asleep_file, sleepless_file, wakeless_file, busy_file] = files;
        let asleep = AtomicBool::new(false);
        let bed = Self { asleep, falls_asleep, wakes, asleep_file, sleepless_file, wakeless_file, busy_file };
        bed.show(false);
        bed
    }

    fn show(&self, asleep: bool) {
        self.asleep.store(asleep, Ordering::SeqCst);
        if let Some(file) = &self.asleep_file {
            // It is missing when it is made anew, and at the first start.
            let _ = if asleep { std::fs::write(file, "") } else { std::fs::remove_file(file) };
        }
    }

    /// The answer to what is about sleep, and to whoever disturbs it; `None`: the usual one.
    pub(crate) async fn answer(&self, request: &Request) -> Option<(u16, Value)> {
        let is_there = |file: &Option<PathBuf>| file.as_ref().is_some_and(|file| file.exists());
        let trouble = (500, json!({"detail": "CUDA error: nightmare"}));
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/sleep") if is_there(&self.sleepless_file) => Some(trouble),
            ("POST", "/sleep") => {
                tokio::time::sleep(self.falls_asleep).await;
                self.show(true);
                Some((200, Value::Null))
            }
            ("POST", "/wake_up") if is_there(&self.wakeless_file) => Some(trouble),
            ("POST", "/wake_up") => {
                tokio::time::sleep(self.wakes).await;
                self.show(false);
                Some((200, Value::Null))
            }
            ("GET", "/is_sleeping") => {
                Some((200, json!({"is_sleeping": self.asleep.load(Ordering::SeqCst)})))
            }
            // As the engine does: it would compute with memory that isn't there.
            (_, path) if path.starts_with("/v1/chat") && self.asleep.load(Ordering::SeqCst) => {
                Some((500, json!({"error": {"message": "it was asked in its sleep", "code": 500}})))
            }
            _ => None,
        }
    }

    /// Whether it tells of a request that runs.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy_file.as_ref().is_some_and(|file| file.exists())
    }
}
