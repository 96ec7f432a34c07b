//! When the ground shakes: files run out, nobody reads the log, clients stop reading.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Call, Config, Manager, Model, PATIENCE, free_port, wait_until};

/// Sets the limit of open files of the running manager; answers the one before.
pub(super) fn limit_files(manager: &Manager, files: u64) -> u64 {
    // The manager has raised its limit to the hard one, which is ours, too.
    let maximum = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let limit = rustix::process::Rlimit { current: Some(files), maximum };
    let pid = rustix::process::Pid::from_raw(manager.pid().as_raw()).unwrap();
    let before = rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, limit).unwrap();
    before.current.unwrap_or(1 << 20)
}

#[test]
fn a_backend_is_stopped_though_no_file_can_be_opened() {
    let config = Config::with(Model::chat("chat").line("alive_time: 0.02")).program("stop_timeout: 1");
    let manager = Manager::start(&config);
    manager.chat("chat").send().ok();
    // Nothing can be looked at any more: no /proc, no port, no record.
    let before = limit_files(&manager, 3);
    wait_until("the backend is gone", PATIENCE, || manager.processes().is_empty());
    limit_files(&manager, before);
    manager.wait_state("chat", "stopped");
    assert!(manager.log().contains("can't list its processes"), "it is said that nothing could be seen");
    manager.chat("chat").send().ok();
}

#[test]
fn sigterm_ends_the_manager_though_no_file_can_be_opened() {
    // Children that ignore SIGTERM: in the group that is reached without looking, and in sessions of their own, which
    // only somebody who can look finds.
    let config = Config::new()
        .model(Model::chat("near").flags(&["--fork-children", "2"]))
        .model(Model::chat("far").flags(&["--fork-children", "2", "--setsid"]))
        .program("stop_timeout: 1");
    let mut manager = Manager::start(&config);
    manager.chat("near").send().ok();
    manager.chat("far").send().ok();
    wait_until("the children live", PATIENCE, || manager.processes().len() >= 6);
    limit_files(&manager, 3);
    manager.signal(Signal::SIGTERM);
    manager.wait_exit(Duration::from_secs(60));
    manager.wait_no_processes();
}

/// `ulimit -f`: the system sends a signal that ends whoever doesn't hear it.
#[test]
fn files_that_may_not_grow_end_nobody() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    let limit = |bytes| {
        let limit = Rlimit { current: Some(bytes), maximum: None };
        prlimit(Pid::from_raw(manager.pid().as_raw()), Resource::Fsize, limit).unwrap();
    };
    limit(1);
    for _ in 0..3 {
        manager.chat("chat").send().ok();
    }
    // The log is a file, too.
    wait_until("it can't be written", PATIENCE, || {
        let told = manager.get("/metrics").send().ok().text();
        let failures = told.lines().find(|line| line.starts_with("llm_manager_ledger_failures"));
        failures.is_some_and(|line| !line.ends_with(" 0"))
    });
    limit(1 << 40);
    wait_until("all rows are there", PATIENCE, || {
        manager.api("/api/requests")["rows"].as_array().unwrap().len() == 4
    });
}

/// `ulimit -v`: what the C library would set aside for each thread is more than that.
#[test]
fn few_addresses_are_enough_to_serve() {
    let dir = tempfile::tempdir().unwrap();
    let config = format!("program: {{port: {}, host: 127.0.0.1}}\nLocal-Models: {{}}\n", free_port());
    std::fs::write(dir.path().join("config.yaml"), config).unwrap();
    let log = dir.path().join("log");
    let mut manager = Command::new("sh")
        .args(["-c", "ulimit -v 500000; exec \"$0\"", env!("CARGO_BIN_EXE_llm-manager")])
        .current_dir(dir.path())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let said = || std::fs::read_to_string(&log).unwrap();
    wait_until("it serves", PATIENCE, || said().contains("serving 0 models"));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(manager.id().cast_signed()), Signal::SIGTERM).unwrap();
    let status = manager.wait().unwrap();
    assert!(status.success(), "{status}: {}", said());
}

#[test]
fn too_few_files_are_told_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.yaml"), "program: {port: 1}\nLocal-Models: {}\n").unwrap();
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 24; exec \"$0\"", env!("CARGO_BIN_EXE_llm-manager")])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the limit of open files is 24") && !said.contains("panicked"), "{said}");
}

/// As somebody whom the limit of processes holds for, which root is not.
#[test]
fn too_few_threads_are_told_in_a_sentence_or_are_enough() {
    const NOBODY: u32 = 61_234;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let port = free_port();
    let config = format!("program: {{port: {port}, host: 127.0.0.1}}\nLocal-Models: {{}}\n");
    std::fs::write(dir.path().join("config.yaml"), config).unwrap();
    let as_nobody = |threads: usize, command: &str| {
        let mut manager = Command::new("setpriv");
        manager.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"]);
        manager.args(["prlimit", &format!("--nproc={threads}:{threads}")]);
        manager.args([env!("CARGO_BIN_EXE_llm-manager"), command]).current_dir(dir.path());
        manager
    };
    if !as_nobody(1, "--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: the program can't be run as another user here");
        return;
    }
    let cores = std::thread::available_parallelism().unwrap().get();
    let get = |path: &str| Call::new(port, "GET", path).try_send();
    let (mut told, mut served) = (0, 0);
    for threads in (1..=8).chain(2 * cores + 8..2 * cores + 24) {
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut manager = as_nobody(threads, "serve").stderr(log).spawn().unwrap();
        let mut ended = None;
        wait_until(&format!("{threads} threads: it serves or ends"), PATIENCE, || {
            ended = manager.try_wait().unwrap();
            ended.is_some() || get("/health").is_ok_and(|reply| reply.status == 200)
        });
        if ended.is_none() {
            get("/metrics").unwrap().ok();
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(manager.id().cast_signed()), Signal::SIGTERM)
                .unwrap();
            assert!(manager.wait().unwrap().success(), "{threads} threads");
            served += 1;
        }
        let said = std::fs::read_to_string(dir.path().join("log")).unwrap();
        assert!(!said.contains("panicked"), "{threads} threads: {said}");
        if let Some(status) = ended {
            assert_eq!(status.code(), Some(1), "{threads} threads: {said}");
            assert!(
                said.contains("threads are needed") && said.contains("ulimit -u"),
                "{threads} threads: {said}"
            );
            told += 1;
        }
    }
    assert!(told >= 8 && served > 0, "too few: {told} times, enough: {served} times");
}

#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    let mut manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.stop();
    let unread = manager.launch_with(Stdio::piped());
    manager.chat("chat").send().ok();
    // A pipe holds 64 KiB; each refusal is a line.
    for _ in 0..1000 {
        manager.chat("unknown").send().error(404, "model_not_found");
    }
    manager.chat("chat").send().ok();
    manager.stop();
    drop(unread);
}

/// Closes a kept connection without a word, and dies at the second such request if told so.
const FICKLE: &str = r#"
import socket, sys, threading, os
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(64)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
def serve(c):
    f = c.makefile("rb")
    while True:
        if not f.readline(): return
        d = {}
        while True:
            l = f.readline()
            if l in (b"\r\n", b""): break
            k, v = l.split(b":", 1); d[k.lower()] = v.strip().decode()
        f.read(int(d.get(b"content-length", "0")))
        if b"x-bad" in d:
            name = "asked-" + d[b"x-bad"]
            with open(name, "a") as asked: asked.write("x")
            if d[b"x-bad"] == "die" and len(open(name).read()) == 2: os._exit(1)
            c.shutdown(2); c.close(); return
        c.sendall(OK)
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"#;

#[test]
fn a_backend_gets_a_request_at_most_twice_and_the_row_says_so() {
    let model = Model::chat("chat").command(&["python3", "{dir}/fickle.py", "{port}"]);
    let config = Config::with(model);
    let manager = Manager::start(&config);
    std::fs::write(manager.path("fickle.py"), FICKLE).unwrap();
    for how in ["close", "die"] {
        // Whichever worker takes the next request: one of them has a kept connection.
        for _ in 0..8 {
            manager.chat("chat").send().ok();
        }
        let call = manager.chat("chat").header("x-bad", how).header("x-request-id", how);
        call.send().error(502, "backend_error");
        let asked = std::fs::read(manager.path(&format!("asked-{how}"))).unwrap().len();
        let mut row = serde_json::Value::Null;
        wait_until("the row is there", PATIENCE, || {
            let rows = manager.api("/api/requests");
            let rows = rows["rows"].as_array().unwrap();
            row = rows.iter().find(|row| row["request_id"] == how).cloned().unwrap_or_default();
            row.is_object()
        });
        assert!(asked <= 2, "{how}: asked {asked} times");
        assert_eq!(row["replayed"], asked == 2, "{how}: asked {asked} times, {row}");
    }
}

#[test]
fn no_spelling_of_our_key_reaches_a_backend() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).api_key("sk-ours"));
    let seen = |name: &str, value: &str| {
        let reply = manager.chat("chat").header(name, value).fake("echo=1").send().ok();
        reply.json()["headers"].to_string()
    };
    for name in ["api-key", "x-goog-api-key"] {
        assert!(!seen(name, "sk-ours").contains("sk-ours"), "{name}");
        assert!(seen(name, "sk-theirs").contains("sk-theirs"), "{name}: another's key passes");
    }
    let call =
        manager.bare("POST", "/v1/chat/completions").chat("chat", false).header("x-api-key", "sk-ours");
    // user:sk-ours
    let reply = call.header("Authorization", "Basic dXNlcjpzay1vdXJz").fake("echo=1").send().ok();
    assert!(!reply.json()["headers"].to_string().contains("dXNlcjpz"), "Basic");
}

#[test]
fn an_http2_preface_is_refused() {
    use std::io::{Read as _, Write as _};
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let mut client = std::net::TcpStream::connect(manager.url().trim_start_matches("http://")).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut said = Vec::new();
    // A reset is a refusal, too.
    let _ = client.read_to_end(&mut said);
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 "), "{:?}", String::from_utf8_lossy(&said));
    manager.chat("chat").send().ok();
}
