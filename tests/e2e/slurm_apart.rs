//! A Slurm cluster whose nodes share no disk with the manager: the job brings its script along, and what it prints comes back through a step. Skipped
//! with a word where Slurm isn't installed.

use serde_json::json;

use crate::support::slurm::Cluster;
use crate::support::{Config, Manager, Model, PATIENCE, Variant, wait_until};

/// The folder of each node for the files of its jobs.
fn scratch(cluster: &Cluster) -> String {
    let folder = cluster.folder().join("scratch");
    std::fs::create_dir(&folder).unwrap();
    cluster.part(&folder);
    folder.display().to_string()
}

/// A variant of a node that shares nothing; its server listens on the node's own address.
fn apart(scratch: &str, fields: &str) -> Variant {
    let on = format!("on: {{slurm: {{node_folder: {scratch:?}, {fields}}}}}");
    Variant::new("Cluster").line(&on).flags(&["--host", "{host}"])
}

/// A manager whose folder no node has.
fn start(cluster: &Cluster, config: &Config) -> Manager {
    let mut manager = Manager::prepare(config);
    manager.set_env("SLURM_CONF", cluster.conf().to_str().unwrap());
    cluster.part(&manager.path(""));
    manager.launch();
    manager
}

fn jobs(cluster: &Cluster) -> Vec<String> {
    cluster.run("squeue -h -o '%i %T'").lines().map(str::to_owned).collect()
}

fn steps(cluster: &Cluster) -> Vec<String> {
    let shown = cluster.run("squeue -h -s -o '%i %j'");
    shown.lines().filter(|line| line.ends_with("llm-manager-log")).map(str::to_owned).collect()
}

fn has(manager: &Manager, word: &str) -> bool {
    manager.model_log("m").iter().any(|line| line.contains(word))
}

#[test]
fn its_script_goes_along_and_its_output_comes_back() {
    let Some(cluster) = Cluster::start() else { return };
    let scratch = scratch(&cluster);
    let variant = apart(&scratch, "gres: \"gpu:v100:1\"").script("serve.sh");
    let config = Config::with(Model::chat("m").line("alive_time: 0.05").variant(variant));
    let mut manager = Manager::prepare(&config);
    manager.set_env("SLURM_CONF", cluster.conf().to_str().unwrap());
    // Not executable, and without `exec`; it knows the job's key by the file alone.
    let text = format!(
        "echo it\\'s $MODEL_NAME in $PWD\n'{}' --host $HOST --port $PORT --key $(cat $LLM_MANAGER_KEY_FILE)\n",
        env!("CARGO_BIN_EXE_fake-model-server")
    );
    std::fs::write(manager.path("serve.sh"), text).unwrap();
    cluster.part(&manager.path(""));
    manager.launch();
    manager.chat("m").fake("log=first").send().ok();
    wait_until("what it printed is there", PATIENCE, || {
        has(&manager, "it's m in ") && has(&manager, "first")
    });
    assert_eq!(steps(&cluster).len(), 1, "one step is for all of it");
    assert_eq!(manager.model("m")["place"], "Slurm gpu:v100:1");
    let mode = cluster.run_on("n2", &format!("stat -c %a {scratch}/llm-manager-*"));
    assert_eq!(mode, "700");
    manager.wait_state("m", "stopped");
    wait_until("its job has ended", PATIENCE, || jobs(&cluster).is_empty());
    assert_eq!((steps(&cluster), manager.model("m")["runs"][0]["cause"].clone()), (vec![], json!("idle")));
    assert_eq!(cluster.run_on("n2", &format!("ls -A {scratch}")), "", "nothing is left on the node");
}

#[test]
fn one_that_fails_at_once_says_why() {
    let Some(cluster) = Cluster::start() else { return };
    let scratch = scratch(&cluster);
    let fails = ["sh", "-c", "seq 1 20000; echo no such model >&2; exit 3"];
    let config = Config::with(Model::chat("m").variant(apart(&scratch, "mem: \"100\"").command(&fails)))
        .model(Model::chat("unshared").variant(Variant::new("V").line("on: {slurm: {mem: \"100\"}}")))
        .model(Model::chat("nowhere").variant(apart("/proc/no", "mem: \"100\"")));
    let manager = start(&cluster, &config);
    let refused = manager.chat("m").send();
    assert_eq!(refused.status, 503);
    let text = refused.text();
    assert!(text.contains("exit code 3") && text.contains("no such model"), "{text}");
    let lines = manager.model_log("m");
    assert!(lines.iter().any(|line| line == "20000"), "{:?}", lines.last());
    for (model, words) in [("unshared", "write `node_folder`"), ("nowhere", "exit code 95")] {
        let refused = manager.chat(model).send();
        assert!(refused.text().contains(words), "{model}: {}", refused.text());
    }
    assert_eq!(cluster.run_on("n1", &format!("ls -A {scratch}")), "");
}

#[test]
fn the_next_manager_reads_on() {
    let Some(cluster) = Cluster::start() else { return };
    let scratch = scratch(&cluster);
    let config = Config::with(Model::chat("m").variant(apart(&scratch, "gres: \"gpu:v100:1\"")));
    let mut manager = start(&cluster, &config);
    manager.chat("m").send().ok();
    manager.print_and_note("slurm", "m", "mark: before");
    let before = jobs(&cluster);
    manager.kill();
    manager.launch();
    manager.wait_state("m", "ready");
    manager.chat("m").fake("log=mark: after").send().ok();
    wait_until("it is read on", PATIENCE, || has(&manager, "before") && has(&manager, "after"));
    assert_eq!(jobs(&cluster), before);
    let kept = ["mark: before", "mark: after"];
    wait_until("it is kept", PATIENCE, || manager.kept_lines("m").len() >= kept.len());
    assert_eq!(manager.kept_lines("m"), kept, "no hole, and nothing twice");
    wait_until("the reader of the manager that is gone has ended", PATIENCE, || steps(&cluster).len() == 1);
    // A reader that is lost is another matter than the job.
    let step = steps(&cluster)[0].split(' ').next().unwrap().to_owned();
    cluster.run(&format!("scancel --signal=KILL {step}"));
    wait_until("it is begun again", PATIENCE, || steps(&cluster).iter().any(|line| !line.starts_with(&step)));
    manager.chat("m").fake("log=later").send().ok();
    wait_until("nothing was lost", PATIENCE, || has(&manager, "later"));
    let shown = manager.model_log("m").iter().filter(|line| line.contains("after")).count();
    assert_eq!((shown, jobs(&cluster)), (1, before), "nor read twice, and the job has noticed nothing");
    manager.stop();
    assert_eq!(jobs(&cluster), [] as [String; 0]);
}

#[test]
fn of_many_that_are_taken_over_the_one_that_is_looked_at_is_read_first() {
    let Some(cluster) = Cluster::start() else { return };
    let scratch = scratch(&cluster);
    let names: Vec<String> = (0..10).map(|number| format!("m{number}")).collect();
    let model = |name: &String| Model::chat(name).variant(apart(&scratch, "mem: \"100\", cpus: 1"));
    let (first, others) = names.split_first().unwrap();
    let config = others.iter().fold(Config::with(model(first)), |config, name| config.model(model(name)));
    let mut manager = start(&cluster, &config);
    std::thread::scope(|scope| {
        names.iter().for_each(|name| drop(scope.spawn(|| manager.chat(name).send().ok())));
    });
    wait_until("all are read", PATIENCE, || steps(&cluster).len() == names.len());
    manager.kill();
    manager.launch();
    names.iter().for_each(|name| manager.wait_state(name, "ready"));
    // The second step of a job is the new manager's.
    let read = || -> Vec<String> {
        let again = |step: &String| step.split(' ').next().unwrap().ends_with(".1");
        steps(&cluster).iter().filter(|step| again(step)).map(|step| step.replace(".1 ", " ")).collect()
    };
    wait_until("some are read again", PATIENCE, || !read().is_empty());
    let job = |name: &str| cluster.run(&format!("squeue -h -o '%i %j' | grep -e '-{name}$' | cut -d' ' -f1"));
    let has_job = |name: &&String| read().iter().any(|step| step.starts_with(&format!("{} ", job(name))));
    let waits = names.iter().rev().find(|name| !has_job(name)).unwrap();
    let listens = |line: &String| line.contains("listening");
    wait_until("it is read once somebody looks", PATIENCE, || manager.model_log(waits).iter().any(listens));
    let read = read();
    assert!(read.len() <= 6, "no more begin in a minute: {read:?}");
}

/// Somebody cancels a job that goes on for a while, as one does that ends its answers first.
fn cancelled(cluster: &Cluster, variant: Variant) {
    let model = Model::chat("m").variant(variant.flags(&["--ignore-term"]));
    let manager =
        Manager::start_with(&Config::with(model), &[("SLURM_CONF", cluster.conf().to_str().unwrap())]);
    manager.chat("m").send().ok();
    wait_until("its output is read", PATIENCE, || has(&manager, "listening"));
    let first = jobs(cluster);
    std::thread::scope(|scope| {
        let stream =
            scope.spawn(|| manager.chat_stream("m").fake("tokens=27,delay_ms=150").send().ok().text());
        wait_until("it answers", PATIENCE, || manager.model("m")["leases"] == 1);
        cluster.run(&format!("scancel {}", first[0].split(' ').next().unwrap()));
        manager.wait_state("m", "draining");
        let waits = scope.spawn(|| manager.chat("m").send().ok());
        assert!(stream.join().unwrap().contains("[DONE]"), "what it had begun has ended");
        assert_eq!(waits.join().unwrap().status, 200, "it waits for the next job");
    });
    let shown = manager.model("m");
    assert_eq!((&shown["runs"][0]["cause"], &shown["failures"]), (&json!("cancelled"), &json!(0)), "{shown}");
    assert_eq!(manager.starts("m").len(), 2);
    assert_ne!(jobs(cluster), first);
}

#[test]
fn one_that_somebody_cancels_gets_no_more_requests() {
    let Some(cluster) = Cluster::start() else { return };
    let shared = "on: {slurm: {gres: \"gpu:v100:1\"}}";
    cancelled(&cluster, Variant::new("Cluster").line(shared).flags(&["--host", "{host}"]));
}

#[test]
fn so_it_is_without_a_shared_disk() {
    let Some(cluster) = Cluster::start() else { return };
    let scratch = scratch(&cluster);
    cancelled(&cluster, apart(&scratch, "gres: \"gpu:v100:1\""));
}
