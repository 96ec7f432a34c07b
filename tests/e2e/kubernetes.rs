//! Variants that are Pods of a real Kubernetes: API server, scheduler, kubelet. Skipped with a word where `tests/kubernetes.sh` hasn't
//! started one. They run one after the other, in one cluster, each with names of its own.

mod manifests;
mod several;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::fake_slurm::FakeSlurm;
use crate::support::kubernetes::Cluster;
use crate::support::{Config, Manager, Model, PATIENCE, Variant, wait_until};

const KEY: &str = "client-key-0123456789";
/// A kubelet looks at its Pods in its own time.
const LONG: Duration = Duration::from_secs(90);

/// A variant of this template, with more fields of `on.kubernetes`.
fn on(template: &str, fields: &str) -> Variant {
    Variant::new("Pod")
        .line(&format!("on: {{kubernetes: {{template: {template:?}{fields}}}}}"))
        .flags(&["--host", "{host}"])
}

fn plain(cluster: &Cluster) -> String {
    cluster.template(|_| ())
}

fn server(pod: &mut Value) -> &mut Value {
    &mut pod["spec"]["containers"][0]
}

fn start(cluster: &Cluster, config: &Config) -> Manager {
    Manager::start_with(config, &[("KUBECONFIG", &cluster.kubeconfig())])
}

/// The Pods of a model that are there.
fn pods(cluster: &Cluster, model: &str) -> Vec<String> {
    let names = cluster.kubectl(&format!("-n llm get pods -l llm-manager/model={model} -o name"));
    names.lines().filter(|line| line.starts_with("pod/")).map(str::to_owned).collect()
}

fn wait_none(cluster: &Cluster, model: &str) {
    wait_until("its Pod is gone", LONG, || pods(cluster, model).is_empty());
}

fn wait_state(manager: &Manager, model: &str, state: &str) {
    wait_until(&format!("{model} is {state}"), LONG, || manager.state(model) == state);
}

fn waits_for(manager: &Manager, model: &str) -> String {
    manager.model(model)["waits_for"].as_str().unwrap_or_default().to_owned()
}

fn ends(manager: &Manager, model: &str) -> Value {
    manager.model(model)["runs"][0].clone()
}

#[test]
fn a_pod_is_a_backend_like_any_other() {
    let Some(cluster) = Cluster::find() else { return };
    let model =
        Model::chat("one").start_timeout(90).line("alive_time: 0.1").variant(on(&plain(&cluster), ""));
    let manager = start(&cluster, &Config::with(model).api_key(KEY));
    let reply = manager.chat("one").fake("echo=1").send().ok();
    let headers = reply.json()["headers"].to_string().to_ascii_lowercase();
    assert!(headers.contains("bearer ") && !headers.contains(KEY), "the Pod's own key goes there: {headers}");
    let key =
        headers.split("bearer ").nth(1).unwrap().split(|c: char| !c.is_ascii_hexdigit()).next().unwrap();
    assert_eq!(key.len(), 48);
    let all = cluster.kubectl("-n llm get pods -o json");
    assert!(all.contains("llm-manager/model") && !all.contains(key), "nobody reads it who may read Pods");
    let stream = manager.chat_stream("one").fake("tokens=5").send().ok();
    assert!(stream.text().contains("[DONE]"), "{}", stream.text());
    let shown = manager.model("one");
    assert_eq!((&shown["state"], &shown["place"]), (&json!("ready"), &json!("Kubernetes")));
    wait_until("its output is there", LONG, || {
        manager.model_log("one").iter().any(|line| line.contains("listening"))
    });
    assert!(
        manager.model_log("one").iter().all(|line| !line.starts_with("20")),
        "no line has a time before it"
    );
    wait_state(&manager, "one", "stopped");
    wait_none(&cluster, "one");
    assert_eq!(ends(&manager, "one")["cause"], "idle");
    let secrets = cluster.kubectl("-n llm get secrets -l llm-manager/model=one -o name");
    assert!(!secrets.contains("secret/"), "{secrets}");
    wait_until("its files are gone", PATIENCE, || {
        std::fs::read_dir(manager.path("data/kubernetes")).unwrap().count() == 1
    });
}

#[test]
fn what_can_not_run_is_told_in_a_sentence() {
    let Some(cluster) = Cluster::find() else { return };
    let pull = cluster.template(|pod| {
        server(pod)["image"] = json!("127.0.0.1:1/none:1");
        server(pod)["imagePullPolicy"] = json!("Always");
    });
    let never = cluster.template(|pod| server(pod)["image"] = json!("llm-manager.test/other:1"));
    let typo = cluster.template(|pod| server(pod)["volumeMounts"][0]["name"] = json!("nothing"));
    let config = Config::with(Model::chat("never").start_timeout(60).variant(on(&never, "")))
        .model(Model::chat("typo").variant(on(&typo, "")))
        .model(Model::chat("nowhere").variant(on(&plain(&cluster), ", namespace: other")))
        .model(Model::chat("pull").variant(on(&pull, "")));
    let manager = start(&cluster, &config);
    for (model, words) in [
        ("never", "imagePullPolicy: Never"),
        ("typo", "spec.containers[0].volumeMounts[0].name: Not found"),
        ("nowhere", "role.yaml"),
    ] {
        let refused = manager.chat(model).send();
        assert_eq!(refused.status, 503, "{model}");
        assert!(refused.text().contains(words), "{model}: {}", refused.text());
        wait_none(&cluster, model);
    }
    manager.post("/api/models/pull/start?wait=false").send();
    wait_until("it says that the image can't be pulled", LONG, || {
        waits_for(&manager, "pull").contains("can't be pulled")
    });
    assert_eq!(manager.state("pull"), "queued");
    manager.act("/api/models/pull/stop");
    wait_none(&cluster, "pull");
}

/// A Pod that can't begin, and whose node takes its time to remove it (a real kubelet needs no word for that).
fn stuck(cluster: &Cluster, image: &str) -> String {
    cluster.template(|pod| {
        server(pod)["image"] = json!(image);
        server(pod)["imagePullPolicy"] = json!(if image.starts_with("127") { "Always" } else { "Never" });
        pod["metadata"]["annotations"] = json!({"stand-in/removal": "45"});
    })
}

const UNREACHABLE: &str = "127.0.0.1:1/none:1";

#[test]
fn nobody_waits_for_the_removal_of_one_that_never_began() {
    let Some(cluster) = Cluster::find() else { return };
    let never = || on(&stuck(&cluster, "llm-manager.test/other:1"), "");
    let config = Config::with(Model::chat("nb1").variant(never()))
        .model(Model::chat("nb2").variant(never()).variant(Variant::new("Here")))
        .model(Model::chat("nb3").variant(on(&stuck(&cluster, UNREACHABLE), "")));
    let manager = start(&cluster, &config);
    let soon = |what: &str, began: Instant| {
        assert!(began.elapsed() < Duration::from_secs(25), "{what}: {:?}", began.elapsed());
    };
    let asked = Instant::now();
    let refused = manager.chat("nb1").send();
    soon("refused", asked);
    assert!(refused.status == 503 && refused.text().contains("imagePullPolicy: Never"), "{}", refused.text());
    let asked = Instant::now();
    manager.chat("nb2").send().ok();
    soon("the next variant", asked);
    assert_eq!(manager.model("nb2")["variant"], "Here");
    manager.post("/api/models/nb3/start?wait=false").send();
    wait_until("it can't be pulled", LONG, || waits_for(&manager, "nb3").contains("can't be pulled"));
    let asked = Instant::now();
    manager.act("/api/models/nb3/stop");
    wait_state(&manager, "nb3", "stopped");
    soon("stopped", asked);
    // Nothing is forgotten all the same: Kubernetes counts their places until the node has said that they are gone.
    let going = cluster.kubectl("-n llm get pods -o jsonpath={.items[*].metadata.deletionTimestamp}");
    assert!(cluster.has_kubelet() || going.split_whitespace().count() == 3, "{going}");
    ["nb1", "nb2", "nb3"].iter().for_each(|model| wait_none(&cluster, model));
    let secrets = cluster.kubectl("-n llm get secrets -o name");
    assert!(!secrets.contains("-nb"), "{secrets}");
}

#[test]
fn the_next_manager_takes_none_over_that_goes_before_it_has_begun() {
    let Some(cluster) = Cluster::find() else { return };
    let mut manager =
        start(&cluster, &Config::with(Model::chat("half").variant(on(&stuck(&cluster, UNREACHABLE), ""))));
    manager.post("/api/models/half/start?wait=false").send();
    wait_until("it can't be pulled", LONG, || waits_for(&manager, "half").contains("can't be pulled"));
    let first = pods(&cluster, "half");
    manager.kill();
    cluster.kubectl(&format!("-n llm delete {} --wait=false", first[0]));
    manager.launch();
    manager.post("/api/models/half/start?wait=false").send();
    let asked = Instant::now();
    wait_until("there is another", LONG, || pods(&cluster, "half").iter().any(|pod| !first.contains(pod)));
    assert!(cluster.has_kubelet() || pods(&cluster, "half").len() == 2, "the first one goes on going");
    assert!(asked.elapsed() < Duration::from_secs(4), "none was waited for: {:?}", asked.elapsed());
    manager.stop();
    wait_none(&cluster, "half");
}

#[test]
fn a_full_cluster_is_a_queue_and_says_why() {
    let Some(cluster) = Cluster::find() else { return };
    let template = cluster.template(|pod| server(pod)["resources"] = json!({"requests": {"cpu": "1200m"}}));
    let model = |name| Model::chat(name).start_timeout(90).variant(on(&template, ""));
    let manager = start(&cluster, &Config::with(model("fa")).model(model("fb")));
    manager.chat("fa").send().ok();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| manager.chat("fb").send().ok());
        wait_until("it waits for the node", LONG, || waits_for(&manager, "fb").contains("(Unschedulable)"));
        let waits = waits_for(&manager, "fb");
        assert!(waits.contains("no node has room for it") && waits.contains("Insufficient cpu"), "{waits}");
        assert_eq!(manager.state("fb"), "queued");
        manager.act("/api/models/fa/stop");
        assert_eq!(second.join().unwrap().status, 200);
    });
}

#[test]
fn somebody_deletes_it() {
    let Some(cluster) = Cluster::find() else { return };
    let model = Model::chat("del").start_timeout(90).variant(on(&plain(&cluster), ""));
    let manager = start(&cluster, &Config::with(model));
    manager.chat("del").send().ok();
    cluster.kubectl(&format!("-n llm delete {} --wait=false", pods(&cluster, "del")[0]));
    wait_state(&manager, "del", "stopped");
    let shown = manager.model("del");
    assert_eq!((&shown["runs"][0]["cause"], &shown["failures"]), (&json!("cancelled"), &json!(0)));
    manager.chat("del").send().ok();
}

#[test]
fn one_that_somebody_deletes_ends_its_answers_and_gets_no_more_requests() {
    let Some(cluster) = Cluster::find() else { return };
    // It goes on when it is told to end, as one does that ends its answers first.
    let slow = on(&plain(&cluster), "").flags(&["--ignore-term"]);
    let manager = start(&cluster, &Config::with(Model::chat("del2").start_timeout(90).variant(slow)));
    manager.chat("del2").send().ok();
    let first = pods(&cluster, "del2")[0].clone();
    std::thread::scope(|scope| {
        let stream =
            scope.spawn(|| manager.chat_stream("del2").fake("tokens=40,delay_ms=200").send().ok().text());
        wait_until("it answers", PATIENCE, || manager.model("del2")["leases"] == 1);
        cluster.kubectl(&format!("-n llm delete {first} --wait=false --grace-period=15"));
        wait_state(&manager, "del2", "draining");
        let waits = scope.spawn(|| manager.chat("del2").send().ok());
        let told = stream.join().unwrap();
        assert!(told.contains("[DONE]"), "what it had begun has ended: {told}");
        assert_eq!(waits.join().unwrap().status, 200);
    });
    let shown = manager.model("del2");
    assert_eq!((&shown["runs"][0]["cause"], &shown["failures"]), (&json!("cancelled"), &json!(0)));
    assert_eq!(manager.starts("del2").len(), 2);
    assert_ne!(pods(&cluster, "del2"), [first]);
}

#[test]
fn its_memory_ends() {
    let Some(cluster) = Cluster::find() else { return };
    if !cluster.has_kubelet() {
        eprintln!("skipped: no limit of memory holds without a kubelet");
        return;
    }
    let small = cluster.template(|pod| server(pod)["resources"] = json!({"limits": {"memory": "64Mi"}}));
    let hog = ["sh", "-c", "head -c 200000000 /dev/zero | tail"];
    let hungry =
        Variant::new("Pod").line(&format!("on: {{kubernetes: {{template: {small:?}}}}}")).command(&hog);
    let manager = start(&cluster, &Config::with(Model::chat("oom").start_timeout(60).variant(hungry)));
    let refused = manager.chat("oom").send();
    assert!(
        refused.status == 503 && refused.text().contains("resources.limits.memory"),
        "{}",
        refused.text()
    );
}

#[test]
fn its_server_fails_and_its_last_lines_are_told() {
    let Some(cluster) = Cluster::find() else { return };
    let failing = ["sh", "-c", "echo no such model; exit 3"];
    let variant = on(&plain(&cluster), "").command(&failing);
    let manager = start(&cluster, &Config::with(Model::chat("bad").start_timeout(60).variant(variant)));
    let refused = manager.chat("bad").send();
    assert_eq!(refused.status, 503);
    let text = refused.text();
    assert!(text.contains("failed: exit code 3") && text.contains("no such model"), "{text}");
    wait_none(&cluster, "bad");
}

#[test]
fn the_manager_is_killed_and_the_next_takes_its_pod_over() {
    let Some(cluster) = Cluster::find() else { return };
    // A line more once the file is there.
    let script = format!(
        "(until [ -e {{dir}}/say ]; do sleep 0.1; done; echo mark: between; sleep 3600) & exec {} --host {{host}} --port {{port}} \
         --name ada --marker {{dir}} --start-file {{dir}}/starts-ada",
        env!("CARGO_BIN_EXE_fake-model-server")
    );
    let later = on(&plain(&cluster), "").command(&["sh", "-c", &script]);
    let model = Model::chat("ada").start_timeout(90).variant(later);
    let mut manager = start(&cluster, &Config::with(model));
    manager.chat("ada").send().ok();
    let before = pods(&cluster, "ada");
    manager.print_and_note("kubernetes", "ada", "mark: before");
    manager.kill();
    assert_eq!(pods(&cluster, "ada"), before, "it goes on");
    manager.touch("say");
    wait_until("it prints while nobody reads", LONG, || {
        cluster.kubectl(&format!("-n llm logs {}", before[0])).contains("mark: between")
    });
    manager.launch();
    wait_state(&manager, "ada", "ready");
    manager.chat("ada").fake("log=mark: after").send().ok();
    assert_eq!(pods(&cluster, "ada"), before);
    assert_eq!(manager.starts("ada").len(), 1, "nothing was started twice");
    let all = ["mark: before", "mark: between", "mark: after"];
    wait_until("all is kept", LONG, || manager.kept_lines("ada").len() >= all.len());
    assert_eq!(manager.kept_lines("ada"), all, "its log goes on without a hole, and nothing is in it twice");
    wait_until("what was before is shown again", LONG, || {
        manager.model_log("ada").iter().any(|line| line == all[0])
    });
    manager.stop();
    wait_none(&cluster, "ada");
}

#[test]
fn an_upgrade_takes_a_pod_over_and_a_changed_template_does_not() {
    let Some(cluster) = Cluster::find() else { return };
    let config =
        |template: &str| Config::with(Model::chat("upg").start_timeout(90).variant(on(template, "")));
    let mut manager = start(&cluster, &config(&plain(&cluster)));
    manager.chat("upg").send().ok();
    let before = pods(&cluster, "upg");
    manager.kill();
    let noted = manager.kept_launch("kubernetes", Some("0123456789abcdef"));
    assert!(noted.starts_with("pod-1:"), "{noted}");
    manager.launch();
    wait_state(&manager, "upg", "ready");
    manager.chat("upg").send().ok();
    assert_eq!((pods(&cluster, "upg"), manager.starts("upg").len()), (before.clone(), 1));
    assert!(manager.log().contains("was launched by another version of this program"), "{}", manager.log());
    assert_eq!(manager.kept_launch("kubernetes", None), noted, "from now on it can be compared");
    manager.kill();
    manager.write(&config(&cluster.template(|pod| server(pod)["workingDir"] = json!("/tmp"))));
    manager.launch();
    manager.chat("upg").send().ok();
    wait_until("it is another Pod", LONG, || {
        let now = pods(&cluster, "upg");
        now.len() == 1 && now != before
    });
    assert_eq!(manager.starts("upg").len(), 2);
}

#[test]
fn the_api_server_is_away_and_nobody_notices() {
    let Some(cluster) = Cluster::find() else { return };
    let config = Config::with(Model::chat("away").start_timeout(90).variant(on(&plain(&cluster), "")))
        .model(Model::chat("later").start_timeout(90).variant(on(&plain(&cluster), "")));
    let manager = start(&cluster, &config);
    manager.chat("away").send().ok();
    cluster.api("stop");
    wait_until("it is gone", LONG, || cluster.kubectl("get --raw /readyz").contains("refused"));
    manager.chat("away").send().ok();
    std::thread::scope(|scope| {
        let later = scope.spawn(|| manager.chat("later").send().ok());
        wait_until("it says so", LONG, || waits_for(&manager, "later").contains("isn't made yet"));
        cluster.api("start");
        assert_eq!(later.join().unwrap().status, 200);
    });
    manager.chat("away").send().ok();
    assert_eq!((manager.starts("away").len(), manager.starts("later").len()), (1, 1));
    assert_eq!(pods(&cluster, "later").len(), 1);
}

#[test]
fn pods_of_a_folder_that_is_gone_are_ended() {
    let Some(cluster) = Cluster::find() else { return };
    let config = |name| Config::with(Model::chat(name).start_timeout(90).variant(on(&plain(&cluster), "")));
    let mut lost = start(&cluster, &config("lost"));
    lost.chat("lost").send().ok();
    let other = start(&cluster, &config("kept"));
    other.chat("kept").send().ok();
    lost.kill();
    std::fs::remove_dir_all(lost.path("data")).unwrap();
    let clean = |flags: &[&str]| {
        let mut words = vec!["cluster", "clean"];
        words.extend(flags);
        other.cli_ok(&words)
    };
    let said = clean(&["--dry-run"]);
    assert!(said.contains("would end Pod ") && said.contains("-lost: "), "{said}");
    assert_eq!(pods(&cluster, "lost").len(), 1);
    let said = clean(&[]);
    assert!(said.contains("ended Pod "), "{said}");
    wait_none(&cluster, "lost");
    assert_eq!(pods(&cluster, "kept").len(), 1);
    other.chat("kept").send().ok();
}

/// Needs no cluster: there is none, and that is what it is about.
#[test]
fn a_cluster_that_is_away_keeps_nobody_from_cleaning_the_other() {
    let slurm = FakeSlurm::new();
    let path = slurm.path();
    let job = Variant::new("Job").line("on: {slurm: {mem: \"10\"}}").flags(&["--host", "{host}"]);
    let mut lost = Manager::start_with(&Config::with(Model::chat("m").variant(job)), &[("PATH", &path)]);
    lost.chat("m").send().ok();
    lost.kill();
    std::fs::remove_dir_all(lost.path("data")).unwrap();
    let away = "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: \"http://127.0.0.1:1\"}}]\n\
        contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: t}}]\n";
    std::fs::write(lost.path("kubeconfig"), away).unwrap();
    let clean = |flags: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_llm-manager"));
        command.args(["cluster", "clean"]).args(flags);
        let done = command.env("PATH", &path).env("KUBECONFIG", lost.path("kubeconfig")).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let (code, said, wrong) = clean(&["--dry-run"]);
    assert!(said.starts_with("would end job 1 "), "{said}");
    assert_eq!(code, Some(1), "what is left in the other goes on");
    assert!(wrong.contains("Kubernetes was not asked") && wrong.contains("--only"), "{wrong}");
    let (code, said, wrong) = clean(&["--only", "slurm"]);
    assert!(
        code == Some(0) && wrong.is_empty() && said.starts_with("ended job 1 "),
        "{code:?} {said} {wrong}"
    );
    let (code, said, _) = clean(&["--only", "kubernetes"]);
    assert!(code == Some(1) && said.is_empty(), "{code:?} {said}");
}
