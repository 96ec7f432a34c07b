//! The manager's own log: to standard error, to a file if one is wanted, and to the LogHub for `/api/logs`.
//!
//! `RUST_LOG` goes before `log_level`. Each way is a bounded queue that nobody waits for: when one is full, lines are
//! lost there, and a later line says how many. So a log that nobody reads, or a full disk, never stops the manager.

mod file;
mod line;
mod outlet;

use arc_swap::ArcSwap;
use env_logger::{Builder, Env, Target, WriteStyle};
use file::Rotating;
pub(crate) use line::Finished;
use line::LogFormat;
use llm_manager_actors::ActorRef;
use llm_manager_actors::logs::{Append, LogHub, LogLine, MANAGER, manager_line};
use llm_manager_policy::spec::{LogFileSpec, ProgramSpec};
use log::{Level, Log, Metadata, Record};
use outlet::LogWriter;
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

const QUEUE_LINES: usize = 4096;
/// How long the end of the program waits for the last lines to be taken.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The one way to standard error, for the end of the program.
static OUTLET: OnceLock<LogWriter> = OnceLock::new();

/// The logger.
static TEE: OnceLock<Tee> = OnceLock::new();

/// Where lines go, and which.
struct Sinks {
    /// Decides what is logged, and writes it to standard error as text.
    text: env_logger::Logger,
    format: LogFormat,
    file: Option<FileSink>,
}

/// The way to the log's file.
struct FileSink {
    spec: LogFileSpec,
    outlet: LogWriter,
    text: env_logger::Logger,
}

struct Tee {
    sinks: ArcSwap<Sinks>,
    queue: mpsc::Sender<LogLine>,
    missed: AtomicU64,
}

impl Tee {
    fn write(&self, record: &Record<'_>, request: Option<&Finished<'_>>) {
        let sinks = self.sinks.load();
        if !sinks.text.matches(record) {
            return;
        }
        // Backends and clients put words into our lines; a terminal must not obey them.
        let text = record.args().to_string();
        let words: Cow<'_, str> =
            if text.chars().any(is_obeyed) { printable(&text).into() } else { text.as_str().into() };
        let (level, target) = (record.level(), record.target());
        match sinks.format {
            LogFormat::Text => {
                let mut safe = Record::builder();
                let args = format_args!("{words}");
                let safe = safe.level(level).target(target).args(args).build();
                sinks.text.log(&safe);
                if let Some(file) = &sinks.file {
                    file.text.log(&safe);
                }
            }
            LogFormat::Json => {
                let line = line::json(level, target, &words, request);
                if let Some(file) = &sinks.file {
                    file.outlet.hand_over(line.clone().into_bytes());
                }
                match OUTLET.get() {
                    Some(outlet) => outlet.hand_over(line.into_bytes()),
                    // Where standard error is gone, the exit code and `/api/logs` must do.
                    None => drop(io::stderr().write_all(line.as_bytes())),
                }
            }
        }
        let missed = self.missed.swap(0, Ordering::Relaxed);
        let note = if missed > 0 {
            format!(" ({missed} lines before this one are missing here)")
        } else {
            String::new()
        };
        let line = manager_line(printable(&format!("{level:<5} {text}{note}")));
        if self.queue.try_send(line).is_err() {
            self.missed.fetch_add(missed + 1, Ordering::Relaxed);
        }
    }
}

impl Log for Tee {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.sinks.load().text.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.write(record, None);
    }

    fn flush(&self) {
        self.sinks.load().text.flush();
    }
}

/// The line of a request that has ended, at INFO.
pub(crate) fn request(finished: &Finished<'_>) {
    if let Some(tee) = TEE.get()
        && log::max_level() >= Level::Info
    {
        let mut record = Record::builder();
        let args = format_args!("{finished}");
        tee.write(&record.level(Level::Info).target(module_path!()).args(args).build(), Some(finished));
    }
}

/// Longest line that goes to the hub, in bytes; standard error has it whole.
const LONGEST: usize = 8 << 10;

/// What a terminal or a browser would obey rather than show: controls, and marks that turn the order of letters round.
pub(crate) fn is_obeyed(letter: char) -> bool {
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
pub(crate) struct LogQueue(mpsc::Receiver<LogLine>);

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

/// The logger of this level to `target`, and what is wrong with `RUST_LOG`, which goes before it.
fn logger(level: &str, target: Target, colours: bool) -> (env_logger::Logger, Vec<String>) {
    // The libraries below us report what we report better, in our own words.
    let quiet = format!("{level},actix_server=warn,actix_http=warn,hyper=warn,mio=warn,rustls=warn");
    let mut builder = Builder::new();
    if colours {
        builder.write_style(WriteStyle::Always);
    }
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let (filters, problems) = directives(&wanted, &quiet);
    builder.parse_env(Env::new().filter(NO_VARIABLE)).parse_filters(&filters);
    if !colours && matches!(target, Target::Pipe(_)) {
        builder.write_style(WriteStyle::Never);
    }
    builder.format_target(false).format_timestamp_millis().target(target);
    (builder.build(), problems)
}

/// Where lines go by this configuration; what was there before goes on if it is the same.
fn sinks(program: &ProgramSpec, before: Option<&Sinks>) -> (Sinks, Vec<String>) {
    let format = if program.log_json { LogFormat::Json } else { LogFormat::Text };
    // A pipe has no colours of its own accord; the terminal at its end may.
    let colours =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let target = match OUTLET.get() {
        Some(outlet) => Target::Pipe(Box::new(outlet.clone())),
        // Without a thread for it, a reader that doesn't read stops those who write.
        None => Target::Stderr,
    };
    let (text, problems) = logger(&program.log_level, target, colours);
    let mut problems: Vec<String> =
        problems.into_iter().map(|problem| format!("RUST_LOG: {problem}")).collect();
    let file = program.log_file.as_ref().and_then(|spec| {
        let same = before.filter(|before| before.format == format).and_then(|before| before.file.as_ref());
        let outlet = match same.filter(|same| same.spec == *spec) {
            Some(same) => Ok(same.outlet.clone()),
            None => LogWriter::start(Rotating::new(spec.clone(), format), move |lost| {
                format.note(&format!("({lost} log lines are missing here: the disk was too slow for them)"))
            }),
        };
        let started = outlet.map(|outlet| {
            let (text, _) = logger(&program.log_level, Target::Pipe(Box::new(outlet.clone())), false);
            FileSink { spec: spec.clone(), outlet, text }
        });
        started
            .map_err(|error| {
                problems.push(format!("log_file: {}: {error}: it is not written", spec.path.display()))
            })
            .ok()
    });
    (Sinks { text, format, file }, problems)
}

/// Installs the logger; from here on `log::info!` and the others work. An error is ready to be printed.
pub(crate) fn install(program: &ProgramSpec) -> Result<LogQueue, String> {
    // Later it would only be told; now somebody sits before it.
    if let Some(LogFileSpec { path, .. }) = &program.log_file {
        file::open(path).map_err(|error| {
            format!("can't write the log to {} (`program.log_file`): {error}", path.display())
        })?;
    }
    let format = if program.log_json { LogFormat::Json } else { LogFormat::Text };
    let unread = move |lost| {
        format.note(&format!("({lost} log lines are missing here: standard error was not being read)"))
    };
    if let Ok(outlet) = LogWriter::start(io::stderr(), unread) {
        // Set once, as the logger is.
        let _ = OUTLET.set(outlet);
    }
    let (sinks, problems) = sinks(program, None);
    for problem in problems {
        // Not through the log: it may be what hides this line.
        say_past_the_log(&format!("llm-manager: {problem}"));
    }
    let (queue, lines) = mpsc::channel(QUEUE_LINES);
    log::set_max_level(sinks.text.filter());
    let tee =
        TEE.get_or_init(|| Tee { sinks: ArcSwap::from_pointee(sinks), queue, missed: AtomicU64::new(0) });
    log::set_logger(tee).map_err(|error| format!("the log: {error}"))?;
    // The usual hook writes to standard error itself, and would stand still there.
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        log::error!("thread {}: {panic}", thread.name().unwrap_or("without a name"));
    }));
    Ok(LogQueue(lines))
}

/// Another `log_level`, `log_format` or `log_file` from now on.
pub(crate) fn reconfigure(program: &ProgramSpec) {
    if let Some(tee) = TEE.get() {
        let (sinks, _) = sinks(program, Some(&tee.sinks.load()));
        log::set_max_level(sinks.text.filter());
        tee.sinks.store(Arc::new(sinks));
    }
}

/// Waits for the last lines to be written, for at most a second each.
pub(crate) fn finish() {
    if let Some(outlet) = OUTLET.get() {
        outlet.drain(LAST_WORDS);
    }
    if let Some(file) =
        TEE.get().and_then(|tee| tee.sinks.load().file.as_ref().map(|file| file.outlet.clone()))
    {
        file.drain(LAST_WORDS);
    }
}

/// Writes to standard error past the log, and gives up on a reader that takes nothing for a second.
pub(crate) fn say_past_the_log(text: &str) {
    // The lines before it first.
    finish();
    if let Ok(mut outlet) =
        LogWriter::start(io::stderr(), |lost| format!("({lost} lines are missing here)\n"))
    {
        // An outlet never fails to take a line.
        let _ = outlet.write_all(format!("{text}\n").as_bytes());
        outlet.drain(LAST_WORDS);
    } else {
        let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
    }
}

/// Carries the lines to the hub, for as long as the program runs.
pub(crate) async fn feed(mut lines: LogQueue, hub: ActorRef<LogHub>) {
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
