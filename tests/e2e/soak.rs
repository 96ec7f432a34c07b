//! Two thousand random operations: whatever happened, nothing is left behind, and everything still works.

use std::time::Duration;

use fastrand::Rng;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Config, End, Manager, Model, wait_until};

const MODELS: [&str; 4] = ["plain", "slow", "narrow", "brief"];
const WORKERS: u64 = 8;
const OPERATIONS: u64 = 2_000;

#[test]
fn two_thousand_random_operations_leave_nothing_behind() {
    let seed: u64 = std::env::var("SOAK_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_241_121);
    eprintln!("SOAK_SEED={seed}");
    let config = Config::new()
        .program("stop_timeout: 1")
        .model(Model::chat("plain"))
        .model(Model::chat("slow").flags(&["--load-delay-ms", "200", "--fork-children", "1"]))
        .model(Model::chat("narrow").line("max_concurrency: 2"))
        .model(Model::chat("brief").line("alive_time: 0.002"));
    let manager = Manager::start(&config);
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let manager = &manager;
            scope.spawn(move || {
                let mut random = Rng::with_seed(seed.wrapping_mul(worker + 1));
                for _ in 0..OPERATIONS / WORKERS {
                    operation(manager, &mut random);
                }
            });
        }
    });
    manager.wait_quiet();
    manager.act("/api/models/stop-all");
    for model in MODELS {
        manager.wait_state(model, "stopped");
    }
    manager.wait_no_processes();
    for model in MODELS {
        wait_until(&format!("{model} works"), Duration::from_secs(60), || {
            manager.chat(model).send().status == 200
        });
    }
}

fn operation(manager: &Manager, random: &mut Rng) {
    let model = MODELS[random.usize(..4)];
    match random.u64(..100) {
        0..40 => check(manager.chat(model).fake("tokens=3").try_send()),
        40..60 => check(manager.chat_stream(model).fake("tokens=5,delay_ms=1").try_send()),
        60..70 => {
            // Leaves in the middle, if there is one.
            let mut client = manager.chat_stream(model).fake("tokens=500,delay_ms=2").open();
            if client.status() == 200 {
                client.until_or_end("word2 ");
            }
            client.leave();
        }
        70..78 => {
            let client = manager.chat(model).fake("head_delay_ms=20").open();
            std::thread::sleep(Duration::from_millis(random.u64(..30)));
            client.leave();
        }
        78..82 => check(manager.chat(model).fake("cut=mid-json").try_send()),
        82..84 => check(manager.chat_stream(model).fake("die=mid-stream").try_send()),
        84..90 => {
            manager.post(&format!("/api/models/{model}/stop?wait=false")).send();
        }
        90..97 => {
            manager.post(&format!("/api/models/{model}/start?wait=false")).send();
        }
        _ => {
            if let Some((pid, port)) = manager.starts(model).last().copied() {
                // Only if it is still that process: pids come again.
                let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                if memchr::memmem::find(&command, port.to_string().as_bytes()).is_some() {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
            }
        }
    }
}

/// Every answer is a whole one, or a named error, or visibly broken.
#[track_caller]
fn check(reply: std::io::Result<crate::support::Reply>) {
    let reply = reply.expect("an answer");
    let text = reply.text();
    match reply.status {
        // A stream that broke before its first event has the error alone.
        200 if text.starts_with("data:") || text.contains("event: error") => {
            // Finished, or said to have failed, or cut; never two of them.
            let failed = text.contains("event: error");
            assert!(text.contains("[DONE]") != failed || reply.end == End::Cut, "{text}");
        }
        200 => assert!(reply.end == End::Cut || text.ends_with("}}"), "{text}"),
        502 | 503 => assert!(reply.json()["error"]["code"].is_string(), "{text}"),
        status => panic!("{status}: {text}"),
    }
}
