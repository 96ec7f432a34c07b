//! A model server that does as it is told: for tests of the manager, and as the upstream of benchmarks.
//!
//! It speaks HTTP/1.1 over plain sockets, without a web framework, because tests want what a framework
//! prevents: answers cut in the middle, bytes that aren't HTTP, headers in the order and spelling in which
//! they came, and the moment at which a client left. What a process does as a whole is set by flags
//! (`--help`); what one request does by its `x-fake` header, its query string or its body's `x_fake`
//! field (`--vocabulary` lists the words).
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool of the tests: it dies when told so, and when something unexpected happens"
)]

#[path = "fake_model_server/answer.rs"]
mod answer;
#[path = "fake_model_server/connection.rs"]
mod connection;
#[path = "fake_model_server/journal.rs"]
mod journal;
#[path = "fake_model_server/script.rs"]
mod script;
#[path = "fake_model_server/sleep.rs"]
mod sleep;
#[path = "fake_model_server/stats.rs"]
mod stats;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;

/// How the process behaves, from its first moment to its last.
#[derive(Debug, Parser)]
#[command(about, long_about = None)]
struct Flags {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on.
    #[arg(long, env = "PORT", default_value_t = 8000)]
    port: u16,
    /// Name of the model in answers.
    #[arg(long, env = "MODEL_NAME", default_value = "fake")]
    name: String,
    /// Threads that serve.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Time before the port opens.
    #[arg(long, default_value_t = 0)]
    bind_delay_ms: u64,
    /// Time for which an open port answers 503 "Loading model", as llama-server does.
    #[arg(long, default_value_t = 0)]
    load_delay_ms: u64,
    /// Answer 503 "Loading model" until this file exists.
    #[arg(long)]
    load_until_file: Option<PathBuf>,
    /// List these models instead of --name, and refuse any other name with 404, as vLLM does.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    knows: Vec<String>,
    /// Tokens of context that the list of models tells, as vLLM does.
    #[arg(long)]
    context: Option<u32>,
    /// Answer 401 to whatever has another Bearer token.
    #[arg(long)]
    key: Option<String>,
    /// Serve no /metrics.
    #[arg(long)]
    no_metrics: bool,
    /// Have vLLM's sleep mode: POST /sleep?level=1, POST /wake_up, GET /is_sleeping.
    #[arg(long)]
    sleep_mode: bool,
    /// How long falling asleep takes.
    #[arg(long, default_value_t = 0)]
    sleep_ms: u64,
    /// How long waking takes.
    #[arg(long, default_value_t = 0)]
    wake_ms: u64,
    /// This file is there while it sleeps.
    #[arg(long, value_name = "FILE")]
    asleep_file: Option<PathBuf>,
    /// While this file is there, /sleep fails.
    #[arg(long, value_name = "FILE")]
    sleepless_file: Option<PathBuf>,
    /// While this file is there, /wake_up fails.
    #[arg(long, value_name = "FILE")]
    wakeless_file: Option<PathBuf>,
    /// While this file is there, /metrics tells of a request that runs.
    #[arg(long, value_name = "FILE")]
    busy_file: Option<PathBuf>,
    /// Don't end on SIGTERM, nor on SIGINT.
    #[arg(long)]
    ignore_term: bool,
    /// Start this many children that sleep.
    #[arg(long, default_value_t = 0)]
    fork_children: u32,
    /// The children leave for sessions of their own.
    #[arg(long)]
    setsid: bool,
    /// Print some lines to stderr and exit with this code.
    #[arg(long, value_name = "CODE")]
    die_at_start: Option<u8>,
    /// With --die-at-start: live if this file exists.
    #[arg(long, value_name = "FILE")]
    die_until_file: Option<PathBuf>,
    /// Accept connections and never answer.
    #[arg(long)]
    hang_probe: bool,
    /// Print this many lines to stdout and to stderr before anything else.
    #[arg(long, default_value_t = 0)]
    flood_log: u64,
    /// Print this text to stdout.
    #[arg(long)]
    print: Option<String>,
    /// Print a line that isn't UTF-8, one of a million bytes, and one without an end.
    #[arg(long)]
    odd_log: bool,
    /// Append "PID PORT" to this file at each start, so that a test can count starts.
    #[arg(long, value_name = "FILE")]
    start_file: Option<PathBuf>,
    /// Append to this file the time of day, in seconds, at which it is ready: the port is open and the load is over.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Append to this file what was delivered to which request.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Ignored: a word in the command line by which a test finds its processes.
    #[arg(long)]
    marker: Option<String>,
    /// List the words that a request may use, and exit.
    #[arg(long)]
    vocabulary: bool,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    if flags.vocabulary {
        println!("{}", script::VOCABULARY);
        return ExitCode::SUCCESS;
    }
    if let Some(file) = &flags.start_file {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        file.write_all(format!("{} {}\n", std::process::id(), flags.port).as_bytes()).unwrap();
    }
    // Signals first: a TERM may come at any moment.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.spawn(obey_signals(flags.ignore_term));
    runtime.block_on(tokio::task::yield_now());
    talk(&flags);
    if let Some(code) = flags.die_at_start
        && !flags.die_until_file.as_ref().is_some_and(|file| file.exists())
    {
        eprintln!("fake: cannot load the model");
        eprintln!("fake: the weights are made of cheese");
        return ExitCode::from(code);
    }
    for _ in 0..flags.fork_children {
        start_child(flags.setsid, flags.marker.as_deref().unwrap_or_default());
    }
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(flags.bind_delay_ms)).await });
    let listener = match std::net::TcpListener::bind((flags.host.as_str(), flags.port)) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("fake: couldn't bind port {}: {error}", flags.port);
            return ExitCode::FAILURE;
        }
    };
    listener.set_nonblocking(true).unwrap();
    eprintln!("fake: listening on {}", flags.port);
    let server = Arc::new(connection::Server {
        name: flags.name,
        knows: flags.knows,
        context: flags.context,
        key: flags.key,
        no_metrics: flags.no_metrics,
        loaded_at: Instant::now() + Duration::from_millis(flags.load_delay_ms),
        load_until_file: flags.load_until_file,
        hang: flags.hang_probe,
        sleep: flags.sleep_mode.then(|| {
            sleep::Bed::new(
                [flags.sleep_ms, flags.wake_ms].map(Duration::from_millis),
                [flags.asleep_file, flags.sleepless_file, flags.wakeless_file, flags.busy_file],
            )
        }),
        journal: journal::Journal::open(flags.journal.as_deref()),
    });
    if let Some(file) = flags.ready_file {
        runtime.spawn(note_ready(file, server.loaded_at));
    }
    for _ in 1..flags.workers {
        let (listener, server) = (listener.try_clone().unwrap(), Arc::clone(&server));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(connection::serve(listener, server));
        });
    }
    runtime.block_on(connection::serve(listener, server));
    ExitCode::SUCCESS
}

/// Ends on SIGTERM and SIGINT, as llama-server does, unless told to ignore them. On Windows on Ctrl-Break and Ctrl-C.
async fn obey_signals(ignore: bool) {
    #[cfg(unix)]
    let (mut term, mut interrupt) = {
        use tokio::signal::unix::{SignalKind, signal};
        (signal(SignalKind::terminate()).unwrap(), signal(SignalKind::interrupt()).unwrap())
    };
    #[cfg(windows)]
    let (mut term, mut interrupt) =
        (tokio::signal::windows::ctrl_break().unwrap(), tokio::signal::windows::ctrl_c().unwrap());
    loop {
        tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
        if !ignore {
            std::process::exit(0);
        }
        eprintln!("fake: a signal, ignored");
    }
}

async fn note_ready(file: PathBuf, loaded_at: Instant) {
    tokio::time::sleep_until(loaded_at.into()).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(format!("{:.6}\n", now.as_secs_f64()).as_bytes()).unwrap();
}

fn talk(flags: &Flags) {
    if let Some(text) = &flags.print {
        println!("{text}");
    }
    if flags.odd_log {
        let mut out = std::io::stdout();
        out.write_all(b"bytes \xff\xfe that are no text\n").unwrap();
        out.write_all(&[b'x'; 1_000_000]).unwrap();
        out.write_all(b"\nafter the long line\nan end without a newline").unwrap();
        out.flush().unwrap();
    }
    for line in 0..flags.flood_log {
        println!("out {line}");
        eprintln!("err {line}");
    }
}

/// A child that sleeps, shrugs off TERM, and carries the marker in its environment.
#[expect(clippy::zombie_processes, reason = "the manager has to end them")]
#[cfg_attr(windows, expect(unused_variables, reason = "there are no sessions to leave for"))]
fn start_child(own_session: bool, marker: &str) {
    #[cfg(windows)]
    let mut command = {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignore-term", "--port", "0", "--marker", marker]).env_remove("PORT");
        command
    };
    #[cfg(unix)]
    let mut command = if own_session {
        let mut command = Command::new("setsid");
        command.arg("sh");
        command
    } else {
        Command::new("sh")
    };
    #[cfg(unix)]
    command.args(["-c", "trap '' TERM; while :; do sleep 600; done"]).env("FAKE_MARKER", marker);
    command.stdin(Stdio::null()).spawn().unwrap();
}
