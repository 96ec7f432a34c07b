//! A job near its time limit has a successor, and no request notices. With Slurm's programs played by `fake_slurm.py`, and on a
//! real cluster where there is one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::replicas::Ends;
use crate::support::fake_slurm::FakeSlurm;
use crate::support::slurm::Cluster;
use crate::support::{Config, Manager, Model, PATIENCE, Variant, wait_until};

fn model(time: &str, before: &str) -> Model {
    let job = Variant::new("Job").line(&format!("on: {{slurm: {{time: \"{time}\"}}}}"));
    Model::chat("m").variant(job.line(&format!("renew_before: {before}")).flags(&["--host", "{host}"]))
}

fn replicas(manager: &Manager) -> Vec<(u64, String)> {
    let shown = manager.model("m")["replicas"].clone();
    let one = |one: &Value| (one["number"].as_u64().unwrap(), one["state"].as_str().unwrap().to_owned());
    shown.as_array().unwrap().iter().map(one).collect()
}

fn are(manager: &Manager, wanted: &[(u64, &str)]) -> bool {
    let shown = replicas(manager);
    shown.len() == wanted.len()
        && shown.iter().zip(wanted).all(|(one, other)| one.0 == other.0 && one.1 == other.1)
}

/// Sends one request after the other while something happens; each of them is answered.
fn while_it_is_used<T>(manager: &Manager, happens: impl FnOnce() -> T) -> T {
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let reply = manager.chat("m").send();
                assert_eq!(reply.status, 200, "{}", reply.text());
                answered.fetch_add(1, Ordering::Relaxed);
                std::thread::park_timeout(Duration::from_millis(20));
            }
        });
        let ends = Ends(&over);
        let done = happens();
        drop(ends);
        client.join().unwrap();
        assert!(answered.load(Ordering::Relaxed) > 10);
        done
    })
}

/// An answer that began with the first job ends with it, while another one serves.
fn a_stream_outlives_the_change(manager: &Manager, change: impl FnOnce()) {
    let script = format!("tokens=4,stream_file={}", manager.word("word"));
    let mut stream = manager.chat_stream("m").fake(&script).open();
    stream.until("word1 ");
    while_it_is_used(manager, || {
        change();
        wait_until("the successor serves, and the first one has only its answer left", PATIENCE * 3, || {
            are(manager, &[(1, "draining"), (2, "ready")])
        });
        manager.touch("word");
        assert!(stream.finish().text().contains("[DONE]"));
        wait_until("the first job is gone", PATIENCE, || are(manager, &[(2, "ready")]));
    });
    assert_eq!(manager.starts("m").len(), 2);
    let shown = manager.model("m");
    assert_eq!((&shown["runs"][0]["cause"], &shown["failures"]), (&json!("renewed"), &json!(0)), "{shown}");
    let log = manager.log();
    assert!(
        log.contains("models/m#2: stopped -> ")
            && log.contains(" requested by `renew_before`: the place of m is over at 20"),
        "{log}"
    );
    assert!(log.contains("models/m: ready -> draining: its time limit is near"), "{log}");
    wait_until("the ledger knows why", PATIENCE, || {
        let runs = manager.api("/api/runs?model=m")["runs"].clone();
        runs.as_array().unwrap().iter().any(|run| run["cause"] == "renewed")
    });
}

#[test]
fn a_job_near_its_time_limit_has_a_successor_and_no_request_is_lost() {
    let slurm = FakeSlurm::new();
    let path = slurm.path();
    let mut manager = Manager::start_with(&Config::with(model("1:00:00", "600")), &[("PATH", &path)]);
    manager.chat("m").send().ok();
    assert!(are(&manager, &[(1, "ready")]));
    wait_until("it is known when the job ends", PATIENCE, || !manager.model("m")["place_ends_at"].is_null());
    // Somebody makes the limit shorter: it is over in 30 s, within `renew_before`.
    a_stream_outlives_the_change(&manager, || {
        slurm.run("scontrol update JobId=1 TimeLimit=0:30");
    });
    let status = manager.cli_ok(&["status"]);
    assert!(status.contains("replica 2"), "{status}");
    // And the other way round: the next one is the first replica again.
    slurm.run("scontrol update JobId=2 TimeLimit=0:30");
    wait_until("the next one serves", PATIENCE * 3, || {
        manager.chat("m").send().ok();
        are(&manager, &[(1, "ready")])
    });
    manager.stop();
    assert_eq!(slurm.run("squeue --states=all --format='%i|%T' | grep -c RUNNING"), "0");
}

#[test]
fn a_job_that_nobody_uses_has_no_successor() {
    let slurm = FakeSlurm::new();
    let path = slurm.path();
    let manager =
        Manager::start_with(&Config::with(model("0:12", "6").line("alive_time: 5")), &[("PATH", &path)]);
    manager.act("/api/models/m/start");
    manager.wait_state("m", "stopped");
    let shown = manager.model("m");
    assert_eq!(shown["runs"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(
        shown["runs"][0]["cause"], "renewed",
        "it let nobody in any more, and ended before its limit: {shown}"
    );
    assert_eq!(slurm.calls().iter().filter(|call| call.contains(" sbatch ")).count(), 1);
    manager.chat("m").send().ok();
}

#[test]
fn on_a_real_cluster_the_successor_is_a_job_too() {
    let Some(cluster) = Cluster::start() else { return };
    let conf = cluster.conf();
    let env = [("SLURM_CONF", conf.to_str().unwrap())];
    // The shortest that Slurm has is a minute.
    let mut manager = Manager::start_with(&Config::with(model("1", "45")), &env);
    manager.chat("m").send().ok();
    a_stream_outlives_the_change(&manager, || {});
    assert_eq!(cluster.run("squeue -h -o %T"), "RUNNING");
    manager.stop();
    assert_eq!(cluster.run("squeue -h -o %T"), "");
}
