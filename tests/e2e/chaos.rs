//! Chaos: random operations and troubles, and after each of them the promises: no lease, nobody waiting, no process that
//! nobody owns, one row for each answer.
//!
//! `make chaos` takes ten minutes (`CHAOS_SECONDS`) and a new sequence each time; the seed is printed, and `CHAOS_SEED`
//! repeats it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fastrand::Rng;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::ground::limit_files;
use crate::support::{Config, Live, Manager, Model, PATIENCE, wait_until};

const MODELS: [&str; 3] = ["plain", "brief", "family"];
/// In `make test`.
const SHORT: u64 = 15;
const BURST: usize = 12;

struct Chaos {
    manager: Manager,
    random: Rng,
    /// Clients that read nothing any more.
    suspended: Vec<Live>,
    /// Answered in the midst of a trouble.
    answered: Vec<String>,
    requests: u64,
    counts: HashMap<&'static str, u32>,
    /// Where the ledger is, with little room, if such a thing may be made here; after the manager, which uses it.
    disk: Option<SmallDisk>,
    /// The wall's clock of the manager, if it can be set.
    clock: Option<Clock>,
    /// Requests that were answered under one that had jumped.
    former: Vec<String>,
}

/// A wall's clock that goes as it is told (libfaketime); the steady one goes on.
struct Clock(tempfile::TempDir);

impl Clock {
    fn new() -> Option<Self> {
        if Self::library().is_none() {
            eprintln!("without clocks: libfaketime is not installed here");
            return None;
        }
        let clock = Self(tempfile::Builder::new().prefix("llm-manager-clock-").tempdir().unwrap());
        clock.set("+0");
        Some(clock)
    }

    fn library() -> Option<PathBuf> {
        let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(|folder| Some(folder.ok()?.path()));
        folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.exists())
    }

    /// Such as `-40d`, from the true time.
    fn set(&self, offset: &str) {
        let (new, now) = (self.0.path().join("new"), self.0.path().join("now"));
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(new, now).unwrap();
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", Self::library().unwrap_or_default().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.0.path().join("now").display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
    }
}

/// A file system of its own.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let at = tempfile::Builder::new().prefix("llm-manager-chaos-").tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(at.path()).stderr(Stdio::null());
        let mounted = mount.status().is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("without full disks: no file system may be mounted here");
        }
        mounted.then_some(Self(at))
    }

    /// Takes all that is left, to the last byte, until the answer is dropped.
    fn fill(&self) -> Ballast {
        let ballast = Ballast(self.0.path().join("ballast"));
        let mut file = std::fs::File::create(&ballast.0).unwrap();
        let mut size = 1 << 16;
        while size > 0 {
            if file.write_all(&vec![0; size]).is_err() {
                size /= 2;
            }
        }
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

struct Ballast(PathBuf);

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Another process that has locked the ledger; it lets go when this is dropped.
struct Lock(Child);

impl Lock {
    fn take(ledger: &Path) -> Self {
        const HOLD: &str = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],timeout=20,isolation_level=None)\n\
                            c.execute('BEGIN IMMEDIATE')\nprint('locked',flush=True)\nsys.stdin.read()";
        let mut child = Command::new("python3")
            .args(["-c", HOLD])
            .arg(ledger)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said.trim(), "locked");
        Self(child)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_happens_the_promises_hold() {
    let seed = number("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..));
    let time = Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(SHORT));
    eprintln!("CHAOS_SEED={seed}");
    let disk = SmallDisk::mount();
    let folder =
        disk.as_ref().map_or_else(|| "{dir}/data".to_owned(), |disk| disk.0.path().display().to_string());
    let config = Config::new()
        .program(&format!("database: \"{folder}/ledger.db\""))
        .program("stop_timeout: 1")
        .program("client_write_timeout: 1")
        .model(Model::chat("plain"))
        .model(Model::chat("brief").line("alive_time: 0.005"))
        .model(Model::chat("family").flags(&["--fork-children", "2", "--ignore-term"]));
    let clock = Clock::new();
    let environment = clock.as_ref().map(Clock::environment).unwrap_or_default();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut chaos = Chaos {
        manager: Manager::start_with(&config, &environment),
        random: Rng::with_seed(seed),
        suspended: Vec::new(),
        answered: Vec::new(),
        requests: 0,
        counts: HashMap::new(),
        disk,
        clock,
        former: Vec::new(),
    };
    let end = Instant::now() + time;
    while Instant::now() < end {
        let trouble = chaos.trouble();
        *chaos.counts.entry(trouble).or_default() += 1;
        chaos.check(trouble);
    }
    eprintln!("{} requests; {:?}", chaos.requests, chaos.counts);
}

impl Chaos {
    fn model(&mut self) -> &'static str {
        MODELS[self.random.usize(..MODELS.len())]
    }

    /// One thing that may happen to a manager; answers its name.
    fn trouble(&mut self) -> &'static str {
        let model = self.model();
        match self.random.u8(..100) {
            0..20 => {
                let mut client = self.manager.chat_stream(model).fake("tokens=100000,size=1000").open();
                if client.status() == 200 {
                    self.suspended.push(client);
                }
                "a client stops reading"
            }
            20..35 => {
                let mut client = self.manager.chat_stream(model).fake("tokens=500,delay_ms=2").open();
                if client.status() == 200 {
                    client.until_or_end("word2 ");
                }
                client.leave();
                "a client leaves"
            }
            35..50 => {
                if let Some(pid) = self.manager.model(model)["pid"].as_i64() {
                    // It may have ended by itself just now.
                    let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL);
                }
                "a backend is killed"
            }
            50..55 => {
                let lock = Lock::take(&self.ledger());
                self.ask_during_it();
                let end = Instant::now() + Duration::from_millis(self.random.u64(50..1500));
                wait_until("the time of the lock is over", PATIENCE, || Instant::now() > end);
                drop(lock);
                "the ledger is locked"
            }
            55..60 if self.disk.is_some() => {
                let ballast = self.disk.as_ref().map(SmallDisk::fill);
                self.ask_during_it();
                let end = Instant::now() + Duration::from_millis(self.random.u64(50..1500));
                wait_until("the time of the full disk is over", PATIENCE, || Instant::now() > end);
                drop(ballast);
                "the disk is full"
            }
            60..65 if self.clock.is_some() => {
                let days = self.random.i32(-80..80);
                let offset = if days % 4 == 0 { "+0".to_owned() } else { format!("{days:+}d") };
                self.clock.as_ref().unwrap().set(&offset);
                self.ask_during_it();
                "the clock jumps"
            }
            55..68 => {
                let before = limit_files(&self.manager, 3);
                let end = Instant::now() + Duration::from_millis(self.random.u64(50..400));
                wait_until("the time without files is over", PATIENCE, || Instant::now() > end);
                limit_files(&self.manager, before);
                "files run out"
            }
            68..75 => {
                self.manager.post(&format!("/api/models/{model}/restart?wait=false")).send();
                "a restart"
            }
            75..82 => {
                self.manager.post(&format!("/api/models/{model}/stop?now=true")).send();
                "a stop"
            }
            82..92 => {
                self.manager.kill();
                self.manager.launch();
                "the manager is killed"
            }
            _ => {
                self.manager.stop();
                self.manager.wait_no_processes();
                self.manager.launch();
                "the manager ends"
            }
        }
    }

    fn ledger(&self) -> PathBuf {
        self.disk
            .as_ref()
            .map_or_else(|| self.manager.path("data"), |disk| disk.0.path().to_owned())
            .join("ledger.db")
    }

    /// Whoever is answered in the midst of a trouble has a row, too, once it is over.
    fn ask_during_it(&mut self) {
        for at in 0..BURST {
            let id = format!("amid-{}-{at}", self.requests);
            let reply = self.manager.chat("plain").header("x-request-id", &id).fake("tokens=2").try_send();
            if reply.is_ok_and(|reply| reply.status == 200) {
                self.answered.push(id);
            }
        }
    }

    /// Everything works, is counted once, and nothing is left.
    fn check(&mut self, after: &str) {
        let mut ids: Vec<String> = (0..BURST).map(|at| format!("chaos-{}-{at}", self.requests)).collect();
        self.requests += ids.len() as u64;
        for id in &ids {
            let model = self.model();
            wait_until(&format!("after {after}: {model} answers"), 3 * PATIENCE, || {
                let reply = self.manager.chat(model).header("x-request-id", id).fake("tokens=2").try_send();
                reply.is_ok_and(|reply| reply.status == 200)
            });
        }
        ids.append(&mut self.answered);
        // The suspended ones are cut off, and those that have been are let go.
        self.manager.wait_quiet();
        self.suspended.clear();
        let mut rows = HashMap::new();
        wait_until(&format!("after {after}: each answer has its row"), PATIENCE, || {
            // Without the refusals: a client that asks on and on while a start is in its pause has hundreds.
            let all = "/api/requests?limit=1000&outcome=ok&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";
            let mut next = serde_json::Value::Null;
            rows.clear();
            loop {
                let cursor = next.as_str().map(|next| format!("&after={next}")).unwrap_or_default();
                let page = self.manager.api(&format!("{all}{cursor}"));
                for row in page["rows"].as_array().unwrap().iter().filter(|row| row["outcome"] == "ok") {
                    *rows.entry(row["request_id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
                }
                // By another clock it may be far behind.
                next = page["next"].clone();
                if next.is_null() || self.clock.is_none() {
                    break;
                }
            }
            // What was recorded by another clock is kept, too.
            ids.iter().chain(&self.former).all(|id| rows.contains_key(id))
        });
        if after == "the clock jumps" {
            self.former.append(&mut ids);
        }
        assert!(rows.values().all(|count| *count == 1), "after {after}: a row is there twice: {rows:?}");
        if self.random.u8(..4) == 0 {
            self.manager.act("/api/models/stop-all");
            self.manager.wait_no_processes();
        }
    }
}
