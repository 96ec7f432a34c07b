//! Chaos: random operations and troubles, and after each of them the promises: no lease, nobody waiting, no process that
//! nobody owns, one row for each answer.
//!
//! `make chaos` takes ten minutes (`CHAOS_SECONDS`) and a new sequence each time; the seed is printed, and `CHAOS_SEED`
//! repeats it.

mod disk;
mod server;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fastrand::Rng;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use self::disk::{Ballast, SmallDisk};
use self::server::{Server, Suffering};
use super::ground::limit_files;
use crate::support::clock::Clock;
use crate::support::postgres::Postgres;
use crate::support::sqlite::Lock;
use crate::support::{Config, Live, Manager, Model, PATIENCE, Variant, wait_until};

const MODELS: [&str; 3] = ["plain", "brief", "family"];
/// In `make test`.
const SHORT: u64 = 15;
const BURST: usize = 12;
/// Of which two of the models fit.
const DEVICE: &str =
    "devices:\n  - name: gpu\n    command: [\"sh\", \"-c\", \"echo '{\\\"memory_total_mb\\\": 1000}'\"]";

/// Where the ledger is.
enum Ledger {
    /// On a disk with little room, if such a thing may be made here.
    File(Option<SmallDisk>),
    Server(Server),
}

/// What the ledger suffers from just now.
enum Trouble {
    Locked { _lock: Lock },
    Full { _ballast: Ballast },
    Server(Suffering),
}

struct Chaos {
    manager: Manager,
    random: Rng,
    /// Clients that read nothing any more.
    suspended: Vec<Live>,
    /// Answered in the midst of a trouble.
    answered: Vec<String>,
    requests: u64,
    counts: HashMap<&'static str, u32>,
    /// After the manager, which uses it.
    ledger: Ledger,
    /// The wall's clock of the manager, if it can be set.
    clock: Option<Clock>,
    /// Requests that were answered under one that had jumped.
    former: Vec<String>,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_happens_the_promises_hold() {
    run(Ledger::File(SmallDisk::mount()));
}

#[test]
fn whatever_happens_to_a_postgres_the_promises_hold() {
    let Some(postgres) = Postgres::start() else { return };
    run(Ledger::Server(Server::new(postgres)));
}

fn run(ledger: Ledger) {
    let seed = number("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..));
    let time = Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(SHORT));
    let database = match &ledger {
        Ledger::File(Some(disk)) => format!("{}/ledger.db", disk.path().display()),
        Ledger::File(None) => "{dir}/data/ledger.db".to_owned(),
        Ledger::Server(server) => server.address(),
    };
    eprintln!("CHAOS_SEED={seed} ({database})");
    let model = |name| Model::chat(name).variant(Variant::new("only").on("gpu", 400));
    let config = Config::new()
        .program(&format!("database: \"{database}\""))
        .program("stop_timeout: 1")
        .program("client_write_timeout: 1")
        .program("Disable_GPU_monitoring: false")
        .program("min_hold: 0")
        .top(DEVICE)
        .model(model("plain"))
        .model(model("brief").line("alive_time: 0.005"))
        .model(model("family").flags(&["--fork-children", "2", "--ignore-term"]));
    let clock = Clock::jumping();
    let environment = clock.as_ref().map(Clock::environment).unwrap_or_default();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut chaos = Chaos {
        manager: Manager::start_with(&config, &environment),
        random: Rng::with_seed(seed),
        suspended: Vec::new(),
        answered: Vec::new(),
        requests: 0,
        counts: HashMap::new(),
        ledger,
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
            35..45 => {
                if let Some(pid) = self.manager.model(model)["pid"].as_i64() {
                    // It may have ended by itself just now.
                    let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL);
                }
                "a backend is killed"
            }
            45..60 => self.the_ledger_suffers(),
            60..65 if self.clock.is_some() => {
                let days = self.random.i32(-80..80);
                let offset = if days % 4 == 0 { "+0".to_owned() } else { format!("{days:+}d") };
                self.clock.as_ref().unwrap().set(&offset);
                self.ask_during_it();
                "the clock jumps"
            }
            60..68 => {
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

    /// The folder of the ledger and of what overflows.
    fn folder(&self) -> PathBuf {
        match &self.ledger {
            Ledger::File(Some(disk)) => disk.path().to_owned(),
            _ => self.manager.path("data"),
        }
    }

    /// Sometimes the manager ends amid it, or is killed.
    fn the_ledger_suffers(&mut self) -> &'static str {
        let folder = self.folder();
        // On a disk that was full a moment ago nothing is reserved yet: then rows wait in memory, as the log says.
        let may_end = folder.join("ledger.db.reserve").exists() || matches!(self.ledger, Ledger::Server(_));
        let (name, trouble) = match &mut self.ledger {
            Ledger::File(Some(disk)) if self.random.bool() => {
                ("the disk is full", Trouble::Full { _ballast: disk.fill() })
            }
            Ledger::File(_) => {
                ("the ledger is locked", Trouble::Locked { _lock: Lock::take(&folder.join("ledger.db")) })
            }
            Ledger::Server(server) => {
                let suffering = server.suffer(&mut self.random);
                (suffering.name(), Trouble::Server(suffering))
            }
        };
        self.ask_during_it();
        let fate = if may_end || name != "the disk is full" { self.random.u8(..8) } else { 8 };
        match fate {
            0 | 1 => {
                self.wait_until_kept(name);
                self.manager.kill();
            }
            2 => self.manager.stop(),
            _ => {
                let end = Instant::now() + Duration::from_millis(self.random.u64(50..1500));
                wait_until("the time of the trouble is over", PATIENCE, || Instant::now() > end);
            }
        }
        match (&mut self.ledger, trouble) {
            (Ledger::Server(server), Trouble::Server(suffering)) => server.recover(suffering),
            (_, trouble) => drop(trouble),
        }
        if fate < 3 {
            self.manager.launch();
        }
        name
    }

    /// A tenth of a second after an answer nothing can take its row away.
    fn wait_until_kept(&self, amid: &str) {
        wait_until(&format!("rows are kept though {amid}"), PATIENCE, || {
            let kept = self.overflow();
            let missing =
                self.answered.iter().filter(|id| !kept.contains(&format!("\"request_id\":\"{id}\"")));
            let missing: Vec<_> = missing.collect();
            if missing.is_empty() {
                return true;
            }
            // Some troubles only begin after a row.
            self.rows().is_some_and(|rows| missing.iter().all(|id| rows.contains_key(*id)))
        });
    }

    fn overflow(&self) -> String {
        let files = std::fs::read_dir(self.folder()).unwrap().flatten();
        let files = files.filter(|file| file.file_name().to_string_lossy().contains("overflow"));
        files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect()
    }

    /// How often each answer is in the ledger, without the refusals: a client that asks on and on while a start is in its
    /// pause has hundreds. `None`: the ledger doesn't tell just now.
    fn rows(&self) -> Option<HashMap<String, u32>> {
        let all = "/api/requests?limit=1000&outcome=ok&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";
        let (mut rows, mut next) = (HashMap::new(), Value::Null);
        loop {
            let cursor = next.as_str().map(|next| format!("&after={next}")).unwrap_or_default();
            let page = self.manager.get(&format!("{all}{cursor}")).send();
            let page = (page.status == 200).then(|| page.json())?;
            for row in page["rows"].as_array().unwrap().iter().filter(|row| row["outcome"] == "ok") {
                *rows.entry(row["request_id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
            }
            // By another clock it may be far behind.
            next = page["next"].clone();
            if next.is_null() || self.clock.is_none() {
                return Some(rows);
            }
        }
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
            let Some(found) = self.rows() else { return false };
            rows = found;
            // What was recorded by another clock is kept, too.
            ids.iter().chain(&self.former).all(|id| rows.contains_key(id))
        });
        if after == "the clock jumps" {
            self.former.append(&mut ids);
        }
        assert!(rows.values().all(|count| *count == 1), "after {after}: a row is there twice: {rows:?}");
        self.check_owners(after);
        if self.random.u8(..4) == 0 {
            self.manager.act("/api/models/stop-all");
            self.manager.wait_no_processes();
            wait_until(&format!("after {after}: nothing is reserved"), PATIENCE, || {
                self.holders().is_empty()
            });
        }
    }

    /// No process and no memory without a run.
    fn check_owners(&self, after: &str) {
        let mut left = (vec![], vec![]);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let (processes, holders) = (self.manager.processes(), self.holders());
            let models = self.manager.api("/api/models");
            let is_over = |model: &&str| {
                let model = models.as_array().unwrap().iter().find(|other| other["name"] == **model).unwrap();
                ["stopped", "failed"].contains(&model["state"].as_str().unwrap())
            };
            let over: Vec<&str> = MODELS.iter().copied().filter(|model| is_over(model)).collect();
            left = (processes, holders);
            left.0.retain(|process| over.iter().any(|model| process.contains(&format!("--name {model} "))));
            left.1.retain(|holder| over.contains(&holder.as_str()));
            if left.0.is_empty() && left.1.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("after {after}: left over by models that have no run: processes, memory {left:#?}");
    }

    /// Models for which memory of the device is reserved.
    fn holders(&self) -> Vec<String> {
        let devices = self.manager.api("/api/devices");
        let gpu = devices.as_array().unwrap().iter().find(|device| device["name"] == "gpu");
        // After a start it hasn't been looked at yet.
        let holders = gpu.and_then(|gpu| gpu["holders"].as_array().cloned()).unwrap_or_default();
        holders.iter().map(|holder| holder["model"].as_str().unwrap().to_owned()).collect()
    }
}
