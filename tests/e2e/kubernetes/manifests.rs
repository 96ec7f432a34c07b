//! `contrib/kubernetes/`: the API server takes the manifests, and their rights are enough for a manager in the cluster.

use super::{ends, on, plain, pods, wait_none, wait_state};
use crate::support::kubernetes::Cluster;
use crate::support::{Config, Manager, Model, wait_until};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/kubernetes");
/// Puts a folder of credentials where a Pod has it, for this process alone.
const AS_IN_A_POD: &str = "mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io && \
    cp -r \"$0\" /run/secrets/kubernetes.io/serviceaccount && exec \"$@\"";

#[test]
fn an_api_server_takes_the_manifests() {
    let Some(cluster) = Cluster::find() else { return };
    let told = |line: &str| cluster.kubectl(&format!("-n llm {line}"));
    for (file, things) in [("role", 1), ("manager", 4), ("network", 1)] {
        let told = told(&format!("apply --dry-run=server -f {FOLDER}/{file}.yaml"));
        let taken = told.lines().filter(|line| line.ends_with("(server dry run)")).count();
        assert_eq!((taken, told.lines().count()), (things, things), "{told}");
    }
    let files = format!("--from-file={FOLDER}/config.yaml --from-file={FOLDER}/pod.yaml");
    let told = told(&format!("create configmap llm-manager --dry-run=server {files}"));
    assert!(told.ends_with("created (server dry run)"), "{told}");
}

#[test]
fn a_manager_in_the_cluster_may_do_all_that_it_does() {
    let Some(cluster) = Cluster::find() else { return };
    for file in ["role", "manager"] {
        let told = cluster.kubectl(&format!("-n llm apply -f {FOLDER}/{file}.yaml"));
        assert!(!told.contains("rror"), "{told}");
    }
    let model =
        Model::chat("own").start_timeout(90).line("alive_time: 0.1").variant(on(&plain(&cluster), ""));
    let mut manager = Manager::prepare(&Config::with(model));
    let folder = manager.path("credentials");
    for (name, value) in cluster.credentials_of_pod("llm-manager", &folder) {
        manager.set_env(name, &value);
    }
    // No kubeconfig is found.
    manager.set_env("HOME", &manager.path("").display().to_string());
    let folder = folder.display().to_string();
    manager.run_through(&[
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        AS_IN_A_POD,
        &folder,
    ]);
    manager.launch();
    let stream = manager.chat_stream("own").fake("tokens=5").send().ok();
    assert!(stream.text().contains("[DONE]"), "{}", stream.text());
    wait_until("its output is there", super::LONG, || {
        manager.model_log("own").iter().any(|line| line.contains("listening"))
    });
    let first = pods(&cluster, "own");
    let left = manager.cli_ok(&["cluster", "clean", "--dry-run", "--only", "kubernetes"]);
    assert!(!left.contains(first[0].trim_start_matches("pod/")), "{left}");
    manager.kill();
    manager.launch();
    wait_state(&manager, "own", "ready");
    assert_eq!(pods(&cluster, "own"), first, "it was found again");
    wait_state(&manager, "own", "stopped");
    wait_none(&cluster, "own");
    assert_eq!(ends(&manager, "own")["cause"], "idle");
    let secrets = cluster.kubectl("-n llm get secrets -l llm-manager/model=own -o name");
    assert!(!secrets.contains("secret/"), "{secrets}");
}
