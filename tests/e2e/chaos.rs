//! Chaos: random operations and troubles, and after each of them the promises: no lease, nobody waiting, no process that
//! nobody owns, one row for each answer.
//!
//! `make chaos` takes ten minutes (`CHAOS_SECONDS`) and a new sequence each time; the seed is printed, and `CHAOS_SEED`
//! repeats it.

use std::collections::HashMap;
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
    requests: u64,
    counts: HashMap<&'static str, u32>,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_happens_the_promises_hold() {
    let seed = number("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..));
    let time = Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(SHORT));
    eprintln!("CHAOS_SEED={seed}");
    let config = Config::new()
        .program("stop_timeout: 1")
        .program("client_write_timeout: 1")
        .model(Model::chat("plain"))
        .model(Model::chat("brief").line("alive_time: 0.005"))
        .model(Model::chat("family").flags(&["--fork-children", "2", "--ignore-term"]));
    let mut chaos = Chaos {
        manager: Manager::start(&config),
        random: Rng::with_seed(seed),
        suspended: Vec::new(),
        requests: 0,
        counts: HashMap::new(),
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
            50..62 => {
                let before = limit_files(&self.manager, 3);
                let end = Instant::now() + Duration::from_millis(self.random.u64(50..400));
                wait_until("the time without files is over", PATIENCE, || Instant::now() > end);
                limit_files(&self.manager, before);
                "files run out"
            }
            62..72 => {
                self.manager.post(&format!("/api/models/{model}/restart?wait=false")).send();
                "a restart"
            }
            72..82 => {
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

    /// Everything works, is counted once, and nothing is left.
    fn check(&mut self, after: &str) {
        let ids: Vec<String> = (0..BURST).map(|at| format!("chaos-{}-{at}", self.requests)).collect();
        self.requests += ids.len() as u64;
        for id in &ids {
            let model = self.model();
            wait_until(&format!("after {after}: {model} answers"), 3 * PATIENCE, || {
                let reply = self.manager.chat(model).header("x-request-id", id).fake("tokens=2").try_send();
                reply.is_ok_and(|reply| reply.status == 200)
            });
        }
        // The suspended ones are cut off, and those that have been are let go.
        self.manager.wait_quiet();
        self.suspended.clear();
        let mut rows = HashMap::new();
        wait_until(&format!("after {after}: each answer has its row"), PATIENCE, || {
            let page = self.manager.api("/api/requests?limit=200");
            rows.clear();
            for row in page["rows"].as_array().unwrap().iter().filter(|row| row["outcome"] == "ok") {
                *rows.entry(row["request_id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
            }
            ids.iter().all(|id| rows.contains_key(id))
        });
        assert!(rows.values().all(|count| *count == 1), "after {after}: a row is there twice: {rows:?}");
        if self.random.u8(..4) == 0 {
            self.manager.act("/api/models/stop-all");
            self.manager.wait_no_processes();
        }
    }
}
