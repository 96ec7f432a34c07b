//! The nodes of a cluster among the devices, and what Slurm says to `explain`: with Slurm's programs played, and on a real cluster.

use serde_json::{Value, json};

use crate::support::fake_slurm::FakeSlurm;
use crate::support::slurm::Cluster;
use crate::support::{Config, Manager, Model, PATIENCE, Variant, wait_until};

fn model(ask: &str) -> Model {
    let job = Variant::new("Job").line(&format!("on: {{slurm: {{{ask}}}}}"));
    Model::chat("m").variant(job.flags(&["--host", "{host}"]))
}

/// The devices that are parts of nodes.
fn nodes(manager: &Manager) -> Vec<Value> {
    let devices = manager.api("/api/devices");
    devices.as_array().unwrap().iter().filter(|one| one["plugin"] == "slurm").cloned().collect()
}

#[test]
fn nodes_are_devices_that_slurm_gives_and_explain_says_what_it_has() {
    let slurm = FakeSlurm::new();
    let path = slurm.path();
    let config = Config::with(model("partition: gpu, gres: \"gpu:v100:1\", time: \"1:00:00\""));
    let manager = Manager::start_with(&config, &[("PATH", &path)]);
    let asked = || slurm.calls().iter().filter(|call| call.contains(" sinfo ")).count();
    assert_eq!(asked(), 0, "nobody has looked");
    manager.chat("m").send().ok();
    let shown = nodes(&manager);
    assert_eq!(shown.len(), 2, "{shown:?}");
    let (up, drained) = (&shown[0], &shown[1]);
    assert_eq!(
        (&up["id"], &up["name"], &up["online"]),
        (&json!("slurm:n1/gpu:v100"), &json!("n1 gpu:v100"), &json!(true))
    );
    let of = |one: &Value, key: &str| one["cluster"][key].clone();
    assert_eq!((of(up, "count"), of(up, "used"), of(up, "drained")), (json!(4), json!(1), json!(false)));
    let job = &up["cluster"]["jobs"][0];
    assert_eq!((&job["user"], &job["model"], &job["count"]), (&json!("me"), &json!("m"), &json!(1)), "{up}");
    assert!(job["ends_at"].is_string(), "{up}");
    assert_eq!((of(drained, "drained"), of(drained, "reason")), (json!(true), json!("fan broken")));
    assert_eq!((of(drained, "state"), of(drained, "jobs")), (json!("idle+drain"), json!([])));

    let placement = manager.api("/api/models/m/placement");
    let words = "3 of 4 gpu:v100 in partition gpu are free (n1: 3); n2 is idle+drain: fan broken";
    assert_eq!(placement["variants"][0]["cluster"], words, "{placement}");
    let said = manager.cli_ok(&["explain", "m"]);
    assert!(said.contains(&format!("Slurm: {words}")), "{said}");
    for _ in 0..20 {
        nodes(&manager);
    }
    assert_eq!(asked(), 1, "once a minute is enough for everybody: {:?}", slurm.calls());
}

#[test]
fn without_a_model_on_a_cluster_nobody_asks_it() {
    let slurm = FakeSlurm::new();
    let path = slurm.path();
    let manager = Manager::start_with(&Config::with(Model::chat("m")), &[("PATH", &path)]);
    assert_eq!(nodes(&manager), Vec::<Value>::new());
    assert_eq!(slurm.calls(), Vec::<String>::new());
}

#[test]
fn a_real_clusters_nodes_are_shown_with_their_jobs() {
    let Some(cluster) = Cluster::start() else { return };
    let conf = cluster.conf();
    let manager = Manager::start_with(
        &Config::with(model("gres: \"gpu:v100:2\", mem: \"100\"")),
        &[("SLURM_CONF", conf.to_str().unwrap())],
    );
    let other = cluster
        .run("sbatch --parsable --gres=gpu:rtx4060:1 --mem=100 --output=/dev/null --wrap='exec sleep 60'");
    wait_until("the other job runs", PATIENCE, || cluster.run("squeue -h -t R -o %i") == other);
    cluster.run("scontrol update nodename=n1 state=drain reason='fan | broken'");
    manager.chat("m").send().ok();
    let shown = nodes(&manager);
    let [n1, n2] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!((&n1["name"], &n2["name"]), (&json!("n1 gpu:rtx4060"), &json!("n2 gpu:v100")));
    let n1 = &n1["cluster"];
    assert_eq!((&n1["drained"], &n1["reason"]), (&json!(true), &json!("fan | broken")));
    assert_eq!(
        (&n1["jobs"][0]["id"], &n1["jobs"][0]["model"]),
        (&json!(other.parse::<u64>().unwrap()), &Value::Null)
    );
    let n2 = &n2["cluster"];
    assert_eq!(
        (&n2["used"], &n2["jobs"][0]["model"], &n2["jobs"][0]["count"]),
        (&json!(2), &json!("m"), &json!(2))
    );
    let said = manager.cli_ok(&["explain", "m"]);
    assert!(said.contains("Slurm: 2 of 4 gpu:v100 are free (n2: 2)"), "{said}");
}
