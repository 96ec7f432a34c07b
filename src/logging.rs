//! The manager's own log: to standard error, and to the LogHub for `/api/logs`.
//!
//! `RUST_LOG` goes before `log_level`. Both ways are bounded queues that nobody waits for: when one is full, lines are
//! lost there, and a later line says how many. So a log that nobody reads never stops the manager.

mod outlet;

use arc_swap::ArcSwap;
use env_logger::{Builder, Env, Target, WriteStyle};
use llm_manager_actors::Live;
use llm_manager_actors::logs::{Append, LogHub, LogLine, MANAGER, manager_line};
use log::{Log, Metadata, Record};
use outlet::Outlet;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

const QUEUE_LINES: usize = 4096;
/// How long the end of the program waits for the last lines to be taken.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The one way to standard error, for the end of the program.
static OUTLET: OnceLock<Outlet> = OnceLock::new();

/// What writes to standard error; another after a change of `log_level`.
static STDERR: OnceLock<ArcSwap<env_logger::Logger>> = OnceLock::new();

struct Tee {
    queue: mpsc::Sender<LogLine>,
    missed: AtomicU64,
}

impl Log for Tee {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        STDERR.get().is_some_and(|stderr| stderr.load().enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        let Some(stderr) = STDERR.get() else { return };
        let stderr = stderr.load();
        if !stderr.matches(record) {
            return;
        }
        // Backends and clients put words into our lines; a terminal must not obey them.
        let text = record.args().to_string();
        if text.chars().any(is_obeyed) {
            let (level, target) = (record.level(), record.target());
            let words = printable(&text);
            let mut safe = Record::builder();
            stderr.log(&safe.level(level).target(target).args(format_args!("{words}")).build());
        } else {
            stderr.log(record);
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
        if let Some(stderr) = STDERR.get() {
            stderr.load().flush();
        }
    }
}

/// Longest line that goes to the hub, in bytes; standard error has it whole.
const LONGEST: usize = 8 << 10;

/// What a terminal or a browser would obey rather than show: controls, and marks that turn the order of letters round.
fn is_obeyed(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => letter.is_control(),
    }
}

/// Without characters that a terminal would obey; line ends stay, for an error shows a backend's last lines.
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LONGEST));
    for letter in text.chars() {
        if is_obeyed(letter) {
            line.extend(letter.escape_debug());
        } else {
            line.push(letter);
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

/// The filter is read by `directives`; env_logger reads the rest (`RUST_LOG_STYLE`).
const NO_VARIABLE: &str = "LLM_MANAGER_NO_SUCH_FILTER";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// What a directive may name: this program, and libraries that log.
const PARTS: [&str; 9] = ["llm_manager", "actix", "awc", "hyper", "mio", "h2", "tokio", "rustls", "diesel"];

/// What `RUST_LOG` asks for, as env_logger understands it, and what is wrong with it. It takes a misspelt level for the
/// name of a module, and would show nothing at all: errors are shown unless `off` says otherwise.
fn directives(wanted: &str, default: &str) -> (String, Vec<String>) {
    let (list, pattern) =
        wanted.split_once('/').map_or((wanted, None), |(list, pattern)| (list, Some(pattern)));
    let is_level = |word: &str| LEVELS.contains(&word.to_ascii_lowercase().as_str());
    let levels = LEVELS.join(", ");
    let (mut taken, mut problems, mut whole) = (Vec::new(), Vec::new(), false);
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, level) = part.split_once('=').map_or((part, None), |(name, level)| (name, Some(level)));
        // A package has a dash where its module has an underscore.
        let module = name.replace('-', "_");
        match level {
            None if is_level(name) => {
                whole = true;
                taken.push(part.to_owned());
            }
            Some(level) if !is_level(level) => {
                problems.push(format!("`{level}` in `{part}` is not a level; levels are {levels}"));
            }
            _ if !PARTS.iter().any(|known| module.starts_with(known)) => {
                problems.push(format!(
                    "`{name}` is neither a level ({levels}) nor a part of this program (`llm_manager`); it matches nothing"
                ));
            }
            level => taken.push(level.map_or(module.clone(), |level| format!("{module}={level}"))),
        }
    }
    let mut filters = match (taken.is_empty(), whole) {
        (true, _) => default.to_owned(),
        (false, true) => taken.join(","),
        (false, false) => format!("error,{}", taken.join(",")),
    };
    if let Some(pattern) = pattern {
        filters = format!("{filters}/{pattern}");
    }
    (filters, problems)
}

/// The logger to standard error of this level, and what is wrong with `RUST_LOG`, which goes before it.
fn logger(level: &str) -> (env_logger::Logger, Vec<String>) {
    // The libraries below us report what we report better, in our own words.
    let quiet = format!("{level},actix_server=warn,actix_http=warn,hyper=warn,mio=warn");
    let mut builder = Builder::new();
    // A pipe has no colours of its own accord; the terminal at its end may.
    if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) {
        builder.write_style(WriteStyle::Always);
    }
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let (filters, problems) = directives(&wanted, &quiet);
    builder.parse_env(Env::new().filter(NO_VARIABLE)).parse_filters(&filters);
    builder.format_target(false).format_timestamp_millis();
    match OUTLET.get() {
        Some(outlet) => builder.target(Target::Pipe(Box::new(outlet.clone()))),
        // Without a thread for it, a reader that doesn't read stops those who write.
        None => builder.target(Target::Stderr),
    };
    (builder.build(), problems)
}

/// Installs the logger; from here on `log::info!` and the others work.
pub(crate) fn install(level: &str) -> Result<Lines, log::SetLoggerError> {
    if let Ok(outlet) = Outlet::start(io::stderr()) {
        // Set once, as the logger is.
        let _ = OUTLET.set(outlet);
    }
    let (stderr, problems) = logger(level);
    for problem in problems {
        // Not through the log: it may be what hides this line.
        say_past_the_log(&format!("llm-manager: RUST_LOG: {problem}"));
    }
    let (queue, lines) = mpsc::channel(QUEUE_LINES);
    log::set_max_level(stderr.filter());
    let _ = STDERR.set(ArcSwap::from_pointee(stderr));
    log::set_boxed_logger(Box::new(Tee { queue, missed: AtomicU64::new(0) }))?;
    // The usual hook writes to standard error itself, and would stand still there.
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        log::error!("thread {}: {panic}", thread.name().unwrap_or("without a name"));
    }));
    Ok(Lines(lines))
}

/// Another `log_level` from now on.
pub(crate) fn set_level(level: &str) {
    if let Some(stderr) = STDERR.get() {
        let (logger, _) = logger(level);
        log::set_max_level(logger.filter());
        stderr.store(Arc::new(logger));
    }
}

/// Waits for the last lines to be written, for at most a second.
pub(crate) fn finish() {
    if let Some(outlet) = OUTLET.get() {
        outlet.drain(LAST_WORDS);
    }
}

/// Writes to standard error past the log, and gives up on a reader that takes nothing for a second.
pub(crate) fn say_past_the_log(text: &str) {
    // The lines before it first.
    finish();
    if let Ok(mut outlet) = Outlet::start(io::stderr()) {
        // An outlet never fails to take a line.
        let _ = io::Write::write_all(&mut outlet, format!("{text}\n").as_bytes());
        outlet.drain(LAST_WORDS);
    } else {
        let _ = io::Write::write_all(&mut io::stderr(), format!("{text}\n").as_bytes());
    }
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

#[cfg(test)]
mod tests {
    use super::directives;

    #[test]
    fn rust_log_never_hides_errors_by_mistake() {
        let ask = |wanted| directives(wanted, "info,hyper=warn");
        for (wanted, filters) in [
            ("", "info,hyper=warn"),
            ("debug", "debug"),
            ("off", "off"),
            ("llm_manager=debug", "error,llm_manager=debug"),
            ("llm-manager=debug", "error,llm_manager=debug"),
            ("llm-manager-actors::billing=trace,warn", "llm_manager_actors::billing=trace,warn"),
            ("hyper=DEBUG/word", "error,hyper=DEBUG/word"),
        ] {
            assert_eq!(ask(wanted), (filters.to_owned(), Vec::new()), "{wanted}");
        }
        for (wanted, filters, named) in [
            ("debgu", "info,hyper=warn", "debgu"),
            ("llm_manager=loud", "info,hyper=warn", "loud"),
            ("warn,elsewhere=debug", "warn", "elsewhere"),
        ] {
            let (taken, problems) = ask(wanted);
            assert_eq!(taken, filters, "{wanted}");
            assert!(problems.len() == 1 && problems[0].contains(named), "{problems:?}");
        }
    }
}
