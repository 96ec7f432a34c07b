//! The manager's own log: to standard error, and to the LogHub for `/api/logs`.
//!
//! `RUST_LOG` goes before `log_level`. The way to the hub is a bounded queue that nobody waits for: when it is
//! full, the hub misses lines (standard error has them all) and a later line says how many.

use env_logger::{Builder, Env};
use llm_manager_actors::Live;
use llm_manager_actors::logs::{Append, LogHub, LogLine, MANAGER, manager_line};
use log::{Log, Metadata, Record};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

const QUEUE_LINES: usize = 4096;

struct Tee {
    stderr: env_logger::Logger,
    queue: mpsc::Sender<LogLine>,
    missed: AtomicU64,
}

impl Log for Tee {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.stderr.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.stderr.matches(record) {
            return;
        }
        // Backends and clients put words into our lines; a terminal must not obey them.
        let text = record.args().to_string();
        if text.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t') {
            let (level, target) = (record.level(), record.target());
            let words = printable(&text);
            let mut safe = Record::builder();
            self.stderr.log(&safe.level(level).target(target).args(format_args!("{words}")).build());
        } else {
            self.stderr.log(record);
        }
        let missed = self.missed.swap(0, Ordering::Relaxed);
        let note = if missed > 0 {
            format!(" ({missed} lines before this one are missing here)")
        } else {
            String::new()
        };
        let line = manager_line(printable(&format!("{:<5} {text}{note}", record.level())));
        if self.queue.try_send(line).is_err() {
            self.missed.fetch_add(missed + 1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {
        self.stderr.flush();
    }
}

/// Longest line that goes to the hub, in bytes; standard error has it whole.
const LONGEST: usize = 8 << 10;

/// Without characters that a terminal would obey; line ends stay, for an error shows a backend's last lines.
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LONGEST));
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => line.push(letter),
            _ if letter.is_control() => line.extend(letter.escape_debug()),
            _ => line.push(letter),
        }
        if line.len() > LONGEST {
            line.push_str(" ... (cut)");
            break;
        }
    }
    line
}

/// The lines that wait for the hub.
pub(crate) struct Lines(mpsc::Receiver<LogLine>);

/// Installs the logger; from here on `log::info!` and the others work.
pub(crate) fn install(level: &str) -> Result<Lines, log::SetLoggerError> {
    // The libraries below us report what we report better, in our own words.
    let quiet = format!("{level},actix_server=warn,actix_http=warn,hyper=warn,mio=warn");
    let stderr = Builder::from_env(Env::default().default_filter_or(quiet))
        .format_target(false)
        .format_timestamp_millis()
        .build();
    let (queue, lines) = mpsc::channel(QUEUE_LINES);
    log::set_max_level(stderr.filter());
    log::set_boxed_logger(Box::new(Tee { stderr, queue, missed: AtomicU64::new(0) }))?;
    Ok(Lines(lines))
}

/// Carries the lines to the hub, for as long as the program runs.
pub(crate) async fn feed(mut lines: Lines, hub: Live<LogHub>) {
    let source: Arc<str> = MANAGER.into();
    let mut batch = Vec::new();
    while lines.0.recv_many(&mut batch, 256).await > 0 {
        let append = Append { source: Arc::clone(&source), lines: std::mem::take(&mut batch) };
        if let Some(addr) = hub.addr() {
            // A hub that crashes meanwhile has lost its ring anyway.
            let _ = addr.send(append).await;
        }
    }
}
