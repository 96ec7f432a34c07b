//! Variants that are jobs of a real Slurm cluster. Skipped with a word where Slurm isn't installed.

use std::time::Duration;

use serde_json::json;

use crate::support::slurm::Cluster;
use crate::support::{Config, Manager, Model, PATIENCE, Variant, wait_until};

const KEY: &str = "client-key-0123456789";

/// A variant of these fields of `on.slurm`, whose server listens on the node's own address.
fn on(fields: &str) -> Variant {
    Variant::new("Cluster").line(&format!("on: {{slurm: {{{fields}}}}}")).flags(&["--host", "{host}"])
}

fn start(cluster: &Cluster, config: &Config) -> Manager {
    Manager::start_with(config, &[("SLURM_CONF", cluster.conf().to_str().unwrap())])
}

/// Number and state of each job that isn't over.
fn jobs(cluster: &Cluster) -> Vec<String> {
    cluster.run("squeue -h -o '%i %T'").lines().map(str::to_owned).collect()
}

fn waits_for(manager: &Manager, model: &str) -> String {
    manager.model(model)["waits_for"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_job_is_a_backend_like_any_other() {
    let Some(cluster) = Cluster::start() else { return };
    let model = Model::chat("m").line("alive_time: 0.05").variant(on("gres: \"gpu:v100:2\", mem: \"300\""));
    let manager = start(&cluster, &Config::with(model).api_key(KEY));
    let reply = manager.chat("m").fake("echo=1").send().ok();
    let headers = reply.json()["headers"].to_string().to_ascii_lowercase();
    assert!(headers.contains("bearer ") && !headers.contains(KEY), "the job's own key goes there: {headers}");
    let stream = manager.chat_stream("m").fake("tokens=5").send().ok();
    assert!(stream.text().contains("[DONE]"), "{}", stream.text());
    let shown = manager.model("m");
    assert_eq!((&shown["state"], &shown["place"]), (&json!("ready"), &json!("Slurm gpu:v100:2")));
    let job = cluster.run("squeue -h -o '%N %k %m %b'");
    assert!(
        job.starts_with("n2 llm-manager ")
            && job.contains(" 127.0.0.3 ")
            && job.ends_with("300M gres:gpu:v100:2"),
        "{job}"
    );
    wait_until("its output is there", PATIENCE, || {
        manager.model_log("m").iter().any(|line| line.contains("listening"))
    });
    assert!(manager.cli_ok(&["status"]).contains("Cluster (Slurm gpu:v100:2)"));
    manager.wait_state("m", "stopped");
    wait_until("its job has ended", PATIENCE, || jobs(&cluster).is_empty());
    assert_eq!(manager.model("m")["runs"][0]["cause"], "idle");
    assert_eq!(
        cluster.run(&format!("ls {}/data/slurm", manager.path("").display())),
        "id",
        "its files are gone"
    );
}

#[test]
fn this_machine_first_else_the_cluster() {
    let Some(cluster) = Cluster::start() else { return };
    let model = |device: &str| {
        let here = Variant::new("Here").on_any(device);
        Model::chat("m").variant(here).variant(on("gres: \"gpu:rtx4060:1\""))
    };
    for (device, variant) in [("cpu", "Here"), ("no such card", "Cluster")] {
        let config = Config::with(model(device)).program("Disable_GPU_monitoring: false");
        let manager = start(&cluster, &config);
        let reply = manager.chat("m").send().ok();
        assert_eq!(reply.header("x-llm-manager-variant"), Some(variant));
        assert_eq!(jobs(&cluster).len(), usize::from(variant == "Cluster"));
    }
    wait_until("the manager's end ends its job", PATIENCE, || jobs(&cluster).is_empty());
}

#[test]
fn a_full_cluster_is_a_queue_and_says_why() {
    let Some(cluster) = Cluster::start() else { return };
    let model = |name| Model::chat(name).variant(on("gres: \"gpu:rtx4060:2\""));
    let config = Config::with(model("a")).model(model("b"));
    let manager = start(&cluster, &config);
    manager.chat("a").send().ok();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| manager.chat("b").send().ok());
        wait_until("it waits for the cards", PATIENCE, || waits_for(&manager, "b").contains("(Resources"));
        let waits = waits_for(&manager, "b");
        assert!(waits.contains("is in Slurm's queue: all nodes that fit are in use"), "{waits}");
        assert_eq!(manager.state("b"), "queued");
        manager.act("/api/models/a/stop");
        assert_eq!(second.join().unwrap().status, 200);
    });
}

#[test]
fn what_slurm_refuses_is_told_in_its_own_words() {
    let Some(cluster) = Cluster::start() else { return };
    let model = |name, fields| Model::chat(name).variant(on(fields));
    let config = Config::with(model("none", "gres: \"gpu:h100:1\""))
        .model(model("long", "partition: short, time: \"10:00:00\""));
    let manager = start(&cluster, &config);
    let refused = manager.chat("none").send();
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("Requested node configuration is not available"), "{}", refused.text());
    let refused = manager.chat("long").send();
    assert!(refused.text().contains("than the partition allows"), "{}", refused.text());
    wait_until("nothing is left in the queue", PATIENCE, || jobs(&cluster).is_empty());
}

#[test]
fn a_preempted_job_is_no_failure_and_its_requests_wait_for_the_next() {
    let Some(cluster) = Cluster::start() else { return };
    let model = Model::chat("m").variant(on("partition: low, gres: \"gpu:v100:4\""));
    let manager = start(&cluster, &Config::with(model));
    manager.chat("m").send().ok();
    let other = cluster.run("sbatch --parsable --gres=gpu:v100:4 --output=/dev/null --wrap='exec sleep 60'");
    manager.wait_state("m", "stopped");
    let shown = manager.model("m");
    assert_eq!((&shown["runs"][0]["cause"], &shown["failures"]), (&json!("preempted"), &json!(0)));
    std::thread::scope(|scope| {
        let next = scope.spawn(|| manager.chat("m").send().ok());
        wait_until("it is in the queue again", PATIENCE, || {
            waits_for(&manager, "m").contains("Slurm's queue")
        });
        cluster.run(&format!("scancel {other}"));
        assert_eq!(next.join().unwrap().status, 200);
    });
}

#[test]
fn the_manager_is_killed_and_the_next_takes_its_job_over() {
    let Some(cluster) = Cluster::start() else { return };
    let model = Model::chat("m").variant(on("gres: \"gpu:v100:1\""));
    let mut manager = start(&cluster, &Config::with(model));
    manager.chat("m").send().ok();
    let before = jobs(&cluster);
    manager.kill();
    assert_eq!(jobs(&cluster), before, "it goes on");
    manager.launch();
    manager.wait_state("m", "ready");
    manager.chat("m").send().ok();
    assert_eq!(jobs(&cluster), before);
    assert_eq!(manager.starts("m").len(), 1, "nothing was started twice");
    manager.stop();
    assert_eq!(jobs(&cluster), [] as [String; 0]);
}

/// The fake server, and a line once the file is there.
const PRINTS_LATER: &str =
    "(until [ -e {dir}/say ]; do sleep 0.1; done; echo mark: between; sleep 3600) & exec";

#[test]
fn the_log_of_a_job_goes_on_where_the_manager_was_killed() {
    let Some(cluster) = Cluster::start() else { return };
    let script = format!(
        "{PRINTS_LATER} {} --host {{host}} --port {{port}} --name m --marker {{dir}}",
        env!("CARGO_BIN_EXE_fake-model-server")
    );
    let job = Variant::new("Cluster").line("on: {slurm: {mem: \"100\"}}").command(&["sh", "-c", &script]);
    let mut manager = start(&cluster, &Config::with(Model::chat("m").variant(job)));
    manager.chat("m").send().ok();
    manager.print_and_note("slurm", "m", "mark: before");
    manager.kill();
    manager.touch("say");
    wait_until("it prints while nobody reads", PATIENCE, || {
        let text = std::fs::read_dir(manager.path("data/slurm")).unwrap();
        let mut logs = text.map(|entry| std::fs::read_to_string(entry.unwrap().path().join("output.log")));
        logs.any(|text| text.is_ok_and(|text| text.contains("between")))
    });
    manager.launch();
    manager.wait_state("m", "ready");
    manager.chat("m").fake("log=mark: after").send().ok();
    let all = ["mark: before", "mark: between", "mark: after"];
    wait_until("all is kept", PATIENCE, || manager.kept_lines("m").len() >= all.len());
    assert_eq!(manager.kept_lines("m"), all, "no hole, and nothing twice");
    let shown = manager.model_log("m");
    assert!(shown.iter().any(|line| line == all[0]), "what was before is shown all the same: {shown:?}");
    manager.stop();
    assert_eq!(jobs(&cluster), [] as [String; 0]);
}

#[test]
fn an_upgrade_takes_a_job_over_and_a_changed_variant_does_not() {
    let Some(cluster) = Cluster::start() else { return };
    let config = |gres| Config::with(Model::chat("m").variant(on(&format!("gres: \"gpu:{gres}\""))));
    let mut manager = start(&cluster, &config("v100:1"));
    manager.chat("m").send().ok();
    let before = jobs(&cluster);
    manager.kill();
    // What it was launched by, as a version noted it that hashed its own structures.
    let noted = manager.kept_launch("slurm", Some("0123456789abcdef"));
    assert!(noted.starts_with("slurm-1:"), "{noted}");
    manager.launch();
    manager.wait_state("m", "ready");
    manager.chat("m").send().ok();
    assert_eq!((jobs(&cluster), manager.starts("m").len()), (before.clone(), 1));
    assert!(manager.log().contains("was launched by another version of this program"), "{}", manager.log());
    assert_eq!(manager.kept_launch("slurm", None), noted, "from now on it can be compared");
    manager.kill();
    manager.write(&config("v100:2"));
    manager.launch();
    manager.chat("m").send().ok();
    wait_until("it is another job", PATIENCE, || {
        let now = jobs(&cluster);
        now.len() == 1 && now != before
    });
    assert_eq!(manager.starts("m").len(), 2);
}

#[test]
fn the_controller_is_away_and_nobody_notices() {
    let Some(cluster) = Cluster::start() else { return };
    let model = Model::chat("m").variant(on("gres: \"gpu:v100:1\""));
    let manager = start(&cluster, &Config::with(model));
    manager.chat("m").send().ok();
    cluster.run(&format!("kill $(cat {}/slurmctld.pid)", cluster.folder().display()));
    wait_until("it is gone", PATIENCE, || cluster.run("timeout 1 squeue > /dev/null 2>&1; echo $?") != "0");
    manager.chat("m").send().ok();
    cluster.again("controller");
    manager.chat("m").send().ok();
    assert_eq!(manager.starts("m").len(), 1);
}

#[test]
fn jobs_of_a_folder_that_is_gone_are_ended() {
    let Some(cluster) = Cluster::start() else { return };
    let conf = cluster.conf();
    let env = [("SLURM_CONF", conf.to_str().unwrap())];
    let mut lost = Manager::start_with(&Config::with(Model::chat("m").variant(on("mem: \"100\""))), &env);
    lost.chat("m").send().ok();
    let other = Manager::start_with(&Config::with(Model::chat("n").variant(on("mem: \"100\""))), &env);
    other.chat("n").send().ok();
    lost.kill();
    std::fs::remove_dir_all(lost.path("data")).unwrap();
    assert_eq!(jobs(&cluster).len(), 2);
    let clean =
        |flags: &str| cluster.run(&format!("{} cluster clean {flags}", env!("CARGO_BIN_EXE_llm-manager")));
    let said = clean("--dry-run");
    assert!(said.contains("would end job ") && said.lines().count() == 1, "{said}");
    assert_eq!(jobs(&cluster).len(), 2);
    let said = clean("");
    assert!(said.starts_with("ended job "), "{said}");
    wait_until("one is left", Duration::from_secs(30), || jobs(&cluster).len() == 1);
    other.chat("n").send().ok();
}

#[test]
fn each_replica_is_a_job_and_the_next_manager_takes_all_of_them_over() {
    let Some(cluster) = Cluster::start() else { return };
    let model = Model::chat("m").line("replicas: {min: 2, max: 2}").variant(on("gres: \"gpu:v100:1\""));
    let mut manager = start(&cluster, &Config::with(model));
    let wait_ready = |manager: &Manager| {
        wait_until("both are ready", PATIENCE, || {
            let shown = manager.model("m")["replicas"].clone();
            shown.as_array().unwrap().iter().filter(|one| one["state"] == "ready").count() == 2
        });
    };
    manager.chat("m").send().ok();
    wait_ready(&manager);
    let before = jobs(&cluster);
    assert_eq!(before.len(), 2, "{before:?}");
    manager.kill();
    assert_eq!(jobs(&cluster), before, "they go on");
    manager.launch();
    wait_ready(&manager);
    manager.chat("m").send().ok();
    assert_eq!(jobs(&cluster), before);
    assert_eq!(manager.starts("m").len(), 2, "nothing was started twice");
    manager.stop();
    assert_eq!(jobs(&cluster), [] as [String; 0]);
}
