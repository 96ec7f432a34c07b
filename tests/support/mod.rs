//! The harness: the real manager in a folder of its own, and what tests ask of it.
//!
//! Nothing here sleeps to make something happen: tests wait for conditions, with a deadline.
//! Dropping a [`Manager`] ends it and checks that it left nothing behind: no lease, no waiter, no process.

pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod config;
pub(crate) mod fake_slurm;
pub(crate) mod inbox;
#[cfg(feature = "kubernetes")]
pub(crate) mod kubernetes;
pub(crate) mod postgres;
pub(crate) mod slurm;
pub(crate) mod sqlite;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::Value;

pub(crate) use client::{Call, End, Live, Reply};
pub(crate) use config::{Config, Model, Variant};

/// Longer than anything takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[track_caller]
pub(crate) fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// Waits for a condition; panics with `what` when it hasn't come about in time.
#[track_caller]
pub(crate) fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {limit:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port that nobody listens on, below those that the system hands out to clients.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id().wrapping_mul(37) % 20_000) as u16;
    loop {
        let port = 11_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A running manager.
pub(crate) struct Manager {
    dir: Arc<tempfile::TempDir>,
    /// The name of its configuration.
    file: String,
    port: u16,
    child: Option<Child>,
    env: Vec<(String, String)>,
    key: Option<String>,
    /// Words before the program's own.
    before: Vec<String>,
}

impl Manager {
    /// Writes the configuration, starts the manager and waits until it serves.
    #[track_caller]
    pub(crate) fn start(config: &Config) -> Self {
        Self::start_with(config, &[])
    }

    /// The same, with more environment variables.
    #[track_caller]
    pub(crate) fn start_with(config: &Config, env: &[(&str, &str)]) -> Self {
        let mut manager = Self::prepare_with(config, env);
        manager.launch();
        manager
    }

    /// Writes the configuration, and starts nothing.
    pub(crate) fn prepare(config: &Config) -> Self {
        Self::prepare_with(config, &[])
    }

    fn prepare_with(config: &Config, env: &[(&str, &str)]) -> Self {
        let dir = tempfile::Builder::new().prefix("llm-manager-e2e-").tempdir().unwrap();
        let port = free_port();
        std::fs::write(dir.path().join("config.yaml"), config.text(port, dir.path())).unwrap();
        let env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let file = "config".to_owned();
        Self { dir: Arc::new(dir), file, port, child: None, env, key: config.first_key(), before: vec![] }
    }

    /// Another manager in the same folder, with a configuration, a port and a log of its own; it isn't started.
    pub(crate) fn beside(&self, file: &str, config: &Config) -> Self {
        let port = free_port();
        std::fs::write(self.path(&format!("{file}.yaml")), config.text(port, self.dir.path())).unwrap();
        let (dir, env) = (Arc::clone(&self.dir), self.env.clone());
        Self { dir, file: file.to_owned(), port, child: None, env, key: config.first_key(), before: vec![] }
    }

    /// What the only job of this place was launched by, as it is kept for the next manager; `launch`: replaces it.
    pub(crate) fn kept_launch(&self, place: &str, launch: Option<&str>) -> String {
        let folders = std::fs::read_dir(self.path(&format!("data/{place}"))).unwrap();
        let records =
            folders.map(|entry| entry.unwrap().path().join("record.json")).filter(|path| path.exists());
        let [path] = records.collect::<Vec<_>>().try_into().unwrap();
        let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let before = record["launch"].as_str().unwrap().to_owned();
        if let Some(launch) = launch {
            record["launch"] = launch.into();
            std::fs::write(path, record.to_string()).unwrap();
        }
        before
    }

    /// Runs the program through another, from the next launch on.
    #[cfg(feature = "kubernetes")]
    pub(crate) fn run_through(&mut self, words: &[&str]) {
        self.before = words.iter().map(|word| (*word).to_owned()).collect();
    }

    /// How far the output of the only job of this place has been read, as it is noted for the next manager.
    pub(crate) fn noted(&self, place: &str) -> String {
        let folders = std::fs::read_dir(self.path(&format!("data/{place}"))).unwrap();
        let notes =
            folders.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path().join("read")).ok());
        notes.collect::<Vec<_>>().join(" ")
    }

    /// Has the server of the only job of this place print something, and waits until the manager has noted that it was read.
    pub(crate) fn print_and_note(&self, place: &str, model: &str, text: &str) {
        let limit = Duration::from_secs(60);
        wait_until("its beginning is noted", limit, || {
            !matches!(&*self.noted(place), "" | "0" | "1970-01-01T00:00:00Z")
        });
        let before = self.noted(place);
        self.chat(model).fake(&format!("log={text}")).send().ok();
        wait_until(
            "it is noted",
            limit,
            || !matches!(self.noted(place), noted if noted == before || noted.is_empty()),
        );
    }

    /// The lines that begin with `mark: `, in the files of all runs of a model.
    pub(crate) fn kept_lines(&self, model: &str) -> Vec<String> {
        let path = format!("/api/models/{model}/logs?since=2020-01-01T00:00:00Z&grep=^mark:");
        lines(&self.api(&path))
    }

    /// A variable more, or another value, from the next launch on.
    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        self.env.retain(|(other, _)| other != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Replaces the configuration, as an editor does it; nothing is told of it.
    pub(crate) fn write(&self, config: &Config) {
        let fresh = self.path("config.yaml.new");
        std::fs::write(&fresh, config.text(self.port, self.dir.path())).unwrap();
        std::fs::rename(fresh, self.path("config.yaml")).unwrap();
    }

    /// Has another configuration applied; what was changed.
    #[track_caller]
    pub(crate) fn reload(&self, config: &Config) -> Value {
        self.write(config);
        self.act("/api/config/reload").json()
    }

    /// Starts the program (again) in the same folder.
    #[track_caller]
    pub(crate) fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        self.launch_with(log.into());
    }

    /// The same, with a log of one's own; answers its reading end if it is a pipe.
    #[track_caller]
    pub(crate) fn launch_with(&mut self, log: Stdio) -> Option<ChildStderr> {
        assert!(self.child.is_none(), "it runs already");
        let mut child =
            self.command().stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let pipe = child.stderr.take();
        self.child = Some(child);
        wait_until("the manager serves", PATIENCE, || {
            let exited = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(exited.is_none(), "the manager ended at its start: {exited:?}");
            self.get("/health").try_send().is_ok_and(|reply| reply.status == 200)
        });
        pipe
    }

    fn command(&self) -> Command {
        self.command_for(&format!("{}.yaml", self.file))
    }

    fn command_for(&self, config: &str) -> Command {
        let words = self.before.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_llm-manager")]);
        let words: Vec<&str> = words.collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg("--config").arg(self.path(config)).current_dir(self.dir.path());
        command.env("LLM_MANAGER_TEST_DIR", self.dir.path()).env_remove("RUST_LOG");
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        command
    }

    /// Runs a command of the command line, such as `["status"]`, to its end.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// With another configuration of the same folder.
    pub(crate) fn cli_with(&self, config: &str, arguments: &[&str]) -> Output {
        self.command_for(config).args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// `check` of another configuration: its exit code and all that it says.
    pub(crate) fn check(&self, text: &str) -> (Option<i32>, String) {
        std::fs::write(self.path("other.yaml"), text).unwrap();
        let output = self.command_for("other.yaml").arg("check").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Runs a command that must succeed; its standard output.
    #[track_caller]
    pub(crate) fn cli_ok(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {}\n{text}\n{errors}", output.status);
        text
    }

    /// Starts a command of the command line that goes on, such as `logs -f`.
    pub(crate) fn cli_spawn(&self, arguments: &[&str]) -> Child {
        self.command().args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A path as a word for a request's script.
    pub(crate) fn word(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Makes an empty file: lets go what waits for it.
    pub(crate) fn touch(&self, name: &str) {
        File::create(self.path(name)).unwrap();
    }

    fn log_file(&self) -> PathBuf {
        let name = if self.file == "config" { "manager" } else { &self.file };
        self.path(&format!("{name}.log"))
    }

    /// What the manager has printed. Whatever it said before it answered is in it.
    pub(crate) fn log(&self) -> String {
        self.wait_until_written();
        std::fs::read(self.log_file())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// A thread of its own writes the log; it sleeps when nothing is left to write.
    fn wait_until_written(&self) {
        let Some(child) = &self.child else { return };
        let threads = format!("/proc/{}/task", child.id());
        let is_writing = || {
            let mut threads = std::fs::read_dir(&threads).into_iter().flatten().flatten();
            threads.any(|thread| {
                let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
                stat.contains(" (log) R") || stat.contains(" (log) D")
            })
        };
        let deadline = Instant::now() + PATIENCE;
        while is_writing() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.as_ref().unwrap().id().cast_signed())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn call(&self, method: &str, path: &str) -> Call {
        let call = Call::new(self.port, method, path);
        match &self.key {
            Some(key) => call.header("Authorization", &format!("Bearer {key}")),
            None => call,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        self.call("POST", path)
    }

    pub(crate) fn put(&self, path: &str) -> Call {
        self.call("PUT", path)
    }

    pub(crate) fn delete(&self, path: &str) -> Call {
        self.call("DELETE", path)
    }

    /// A request without the manager's key, whatever the method.
    pub(crate) fn bare(&self, method: &str, path: &str) -> Call {
        Call::new(self.port, method, path)
    }

    /// A chat request.
    pub(crate) fn chat(&self, model: &str) -> Call {
        self.post("/v1/chat/completions").chat(model, false)
    }

    /// A chat request that streams.
    pub(crate) fn chat_stream(&self, model: &str) -> Call {
        self.post("/v1/chat/completions").chat(model, true)
    }

    /// A JSON answer of the management side.
    #[track_caller]
    pub(crate) fn api(&self, path: &str) -> Value {
        let reply = self.get(path).send();
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.text());
        reply.json()
    }

    /// Tells the management side to do something and expects success.
    #[track_caller]
    pub(crate) fn act(&self, path: &str) -> Reply {
        let reply = self.post(path).send();
        assert!((200..300).contains(&reply.status), "POST {path}: {} {}", reply.status, reply.text());
        reply
    }

    #[track_caller]
    pub(crate) fn model(&self, name: &str) -> Value {
        self.api(&format!("/api/models/{name}"))
    }

    #[track_caller]
    pub(crate) fn state(&self, name: &str) -> String {
        self.model(name)["state"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn wait_state(&self, name: &str, state: &str) {
        wait_until(&format!("{name} is {state}"), PATIENCE, || self.state(name) == state);
    }

    /// Waits for an entry of the audit, which is written after the deed; answers it.
    #[track_caller]
    pub(crate) fn audited(&self, action: &str, subject: &str, who: impl Fn(&Value) -> bool) -> Value {
        let mut found = Value::Null;
        wait_until(&format!("{action} of {subject} is in the audit"), PATIENCE, || {
            let rows = self.api("/api/audit")["rows"].as_array().unwrap().clone();
            let one =
                rows.into_iter().find(|row| row["action"] == action && row["subject"] == subject && who(row));
            found = one.unwrap_or_default();
            !found.is_null()
        });
        found
    }

    #[track_caller]
    pub(crate) fn wait_waiting(&self, name: &str, count: u64) {
        wait_until(&format!("{count} wait for {name}"), PATIENCE, || {
            self.model(name)["waiting"].as_u64() == Some(count)
        });
    }

    #[track_caller]
    pub(crate) fn wait_leases(&self, name: &str, count: u64) {
        wait_until(&format!("{name} has {count} leases"), PATIENCE, || {
            self.model(name)["leases"].as_u64() == Some(count)
        });
    }

    /// (pid, port) of each start of a fake backend so far.
    pub(crate) fn starts(&self, model: &str) -> Vec<(i32, u16)> {
        let text = std::fs::read_to_string(self.path(&format!("starts-{model}"))).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(pid, port)| (pid.parse().unwrap(), port.parse().unwrap()))
            .collect()
    }

    /// What the newest fake backend of a model has seen.
    #[track_caller]
    pub(crate) fn stats(&self, model: &str) -> Value {
        let (_, port) = *self.starts(model).last().expect("it has been started");
        Call::new(port, "GET", "/fake/stats").send().json()
    }

    /// Lines that a model has printed.
    #[track_caller]
    pub(crate) fn model_log(&self, model: &str) -> Vec<String> {
        lines(&self.api(&format!("/api/models/{model}/logs?tail=1000")))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal::kill(self.pid(), signal).unwrap();
    }

    /// Waits for the manager's own end.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let mut status = None;
        let deadline = Instant::now() + limit;
        while status.is_none() && Instant::now() < deadline {
            status = child.try_wait().unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        status.unwrap_or_else(|| {
            self.child = Some(child);
            panic!("the manager hasn't ended after {limit:?}")
        })
    }

    /// SIGKILL: the manager has no chance to tidy up.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.wait_exit(PATIENCE);
    }

    /// SIGTERM, and a clean end.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.wait_exit(PATIENCE);
        assert!(status.success(), "the manager ended with {status}");
    }

    /// Processes that this manager or its backends started and that live. While the manager lives, its
    /// own helpers (which run its own binary) belong to it; afterwards they are left over like any other.
    pub(crate) fn processes(&self) -> Vec<String> {
        let own = |pid: u32| {
            let exe = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            self.child.is_some() && exe.to_string_lossy().starts_with(env!("CARGO_BIN_EXE_llm-manager"))
        };
        processes_marked(self.dir.path())
            .into_iter()
            .filter(|(pid, _)| !own(*pid))
            .map(|(pid, command)| format!("{pid}: {command}"))
            .collect()
    }

    #[track_caller]
    pub(crate) fn wait_no_processes(&self) {
        let mut left = vec![];
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            left = self.processes();
            if left.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("processes are left: {left:#?}");
    }

    /// No model holds a lease or has a request waiting.
    #[track_caller]
    pub(crate) fn wait_quiet(&self) {
        let mut busy = vec![];
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            let models = self.api("/api/models");
            busy = models.as_array().unwrap().clone();
            busy.retain(|model| model["leases"] != 0 || model["waiting"] != 0);
            if busy.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("leases or waiters are left: {busy:#?}");
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            if self.child.is_some() {
                self.wait_quiet();
                self.stop();
            }
            // Another manager of the folder may still be there.
            if Arc::strong_count(&self.dir) == 1 {
                self.wait_no_processes();
            }
            return;
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        for (pid, _) in processes_marked(self.dir.path()) {
            let _ = signal::kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
        eprintln!("--- the manager's log ---\n{}--- end of the log ---", self.log());
    }
}

/// Lines of a log answer: an array of `{seq, time, stream, line}`.
#[track_caller]
pub(crate) fn lines(answer: &Value) -> Vec<String> {
    let lines = answer.as_array().expect("an array of lines");
    lines.iter().map(|line| line["line"].as_str().unwrap().to_owned()).collect()
}

/// Living processes whose environment or command line names the folder.
fn processes_marked(dir: &Path) -> Vec<(u32, String)> {
    let marker = dir.as_os_str().as_encoded_bytes();
    let mut found = vec![];
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let command = read("cmdline");
        let named = |bytes: &[u8]| memchr::memmem::find(bytes, marker).is_some();
        if pid != std::process::id() && (named(&command) || named(&read("environ"))) {
            found.push((pid, String::from_utf8_lossy(&command).replace('\0', " ")));
        }
    }
    found
}
