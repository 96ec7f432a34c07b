//! Nothing outlives a manager that is killed. The manager and the guard are this test program, started
//! again with `LLM_TEST_DIR` and the name of one of the two helpers below.

use std::process::{Child, Command, Stdio};

use super::super::leftovers::{LeftoverScope, reap};
use super::super::{guard_main, helper_env, reap_leftovers, records, spawn_guard};
use super::*;

/// One that has lost its environment, one that has left the group, one that did both, one that did neither.
const BACKEND: &str = "env -i sleep 1000 & echo $!; setsid sleep 1000 & echo $!; env -i setsid sleep 1000 & echo $!; sleep 1000 & echo $!; echo $$; wait";

fn helper(name: &str) -> Vec<String> {
    ["--exact", &format!("tests::guard::{name}"), "--nocapture"].map(str::to_owned).to_vec()
}

#[test]
fn helper_guard() {
    let Some(dir) = std::env::var_os("LLM_TEST_DIR") else { return };
    guard_main(&Path::new(&dir).join("state"), "killed").unwrap();
}

#[test]
fn helper_manager() {
    let Some(dir) = std::env::var_os("LLM_TEST_DIR") else { return };
    let dir = Path::new(&dir);
    actix_rt::System::new().block_on(async {
        let mut guard = None;
        if std::env::var_os("LLM_TEST_GUARD").is_some() {
            guard = Some(spawn_guard(&std::env::current_exe().unwrap(), helper("helper_guard")).unwrap());
        }
        let launcher = LocalLauncher::new("killed", dir.join("state"), Rc::new(Memory::default()));
        let run = launcher.launch(order(dir, Arc::new(Semaphore::new(1)), shell(BACKEND))).await.unwrap();
        let mut pids = pids(&*run, 5).await;
        let fled = format!("\"pid\":{},", pids[2]);
        until("the record names the one that fled", || recorded(dir).contains(&fled)).await;
        pids.extend(guard.as_ref().and_then(|guard| guard.pid()));
        std::fs::write(dir.join("new"), format!("{pids:?}")).unwrap();
        std::fs::rename(dir.join("new"), dir.join("pids")).unwrap();
        if dir.join("bye").exists() {
            run.kill();
            run.exited().await;
            assert!(guard.take().unwrap().bye().await, "the guard left");
            return;
        }
        std::future::pending::<()>().await;
    });
}

/// The text of all records.
fn recorded(dir: &Path) -> String {
    let files = std::fs::read_dir(dir.join("state/runs")).into_iter().flatten().flatten();
    files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect()
}

/// As if the manager had died before it saw any member but this one.
fn forget_members(state: &Path, but: u32) {
    let file = std::fs::read_dir(state.join("runs")).unwrap().next().unwrap().unwrap().path();
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    record["members"].as_array_mut().unwrap().retain(|member| member["pid"] == but);
    std::fs::write(&file, record.to_string()).unwrap();
}

/// A manager that a failed test doesn't leave behind.
struct Manager(Child);

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A manager with a running backend, and all process ids that it started.
async fn manager(dir: &Path, guarded: bool) -> (Manager, Vec<u32>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(helper("helper_manager"))
        .env("LLM_TEST_DIR", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if guarded {
        command.env("LLM_TEST_GUARD", "1");
    }
    let manager = Manager(command.spawn().unwrap());
    until("the manager has started its backend", || dir.join("pids").exists()).await;
    let text = std::fs::read_to_string(dir.join("pids")).unwrap();
    let pids = text.trim_matches(['[', ']']).split(", ").map(|pid| pid.parse().unwrap()).collect();
    (manager, pids)
}

#[actix_rt::test]
async fn the_guard_ends_what_a_killed_manager_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let (mut manager, pids) = manager(dir.path(), true).await;
    assert_eq!(pids.len(), 6);
    // What a terminal or an init system would send to everyone.
    let guard = platform::process(pids[5]).unwrap().unwrap();
    assert_eq!(guard.session, pids[5], "Ctrl-C does not reach it");
    platform::send(guard.id, platform::Signal::Terminate).unwrap();
    manager.0.kill().unwrap();
    until("all are gone, the guard too", || !pids.iter().any(|pid| alive(*pid))).await;
    manager.0.wait().unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join("state/runs")).unwrap().count(), 0, "the records too");
}

#[actix_rt::test]
async fn the_guard_leaves_when_it_is_sent_home() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bye"), "").unwrap();
    let (mut manager, pids) = manager(dir.path(), true).await;
    until("all are gone", || !pids.iter().any(|pid| alive(*pid))).await;
    assert!(manager.0.wait().unwrap().success());
}

#[actix_rt::test]
async fn leftovers_of_a_dead_manager_are_killed_and_a_living_one_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let (mut manager, pids) = manager(dir.path(), false).await;
    assert_eq!(reap_leftovers(&state, "next"), []);
    assert!(pids.iter().all(|pid| alive(*pid)), "their manager lives");
    assert_eq!(std::fs::read_dir(state.join("runs")).unwrap().count(), 1);

    manager.0.kill().unwrap();
    manager.0.wait().unwrap();
    forget_members(&state, pids[2]);
    until("the kernel ends the leader with its manager", || !alive(pids[4])).await;
    // Once its entry is gone too, the number of the group says no more by itself. A container whose first
    // process reaps nobody keeps the entry; then this part is not tested there.
    let reaped = until("the leader is reaped", || platform::process(pids[4]).unwrap().is_none());
    let _ = tokio::time::timeout(Duration::from_secs(2), reaped).await;
    assert!(pids[..4].iter().all(|pid| alive(*pid)), "but not the leader's children");
    assert_eq!(
        reap_leftovers(&dir.path().join("elsewhere"), "next"),
        [],
        "another state folder, another house"
    );
    let reaped = reap_leftovers(&state, "next");
    assert_all_gone(&pids);
    assert_eq!(reaped.len(), 1);
    assert_eq!(
        (reaped[0].run.as_str(), reaped[0].processes.len(), reaped[0].gone),
        ("org/qwen #1#7", 4, true)
    );
    assert!(reaped[0].to_string().starts_with("org/qwen #1#7: killed leftovers of a previous manager: pid "));
    assert_eq!(std::fs::read_dir(state.join("runs")).unwrap().count(), 0);
    assert_eq!(reap_leftovers(&state, "next"), []);
}

#[actix_rt::test]
async fn a_record_whose_pid_is_another_process_by_now_kills_nobody() {
    let house = House::new();
    let run = house.shell("echo $$; exec sleep 1000").await;
    let pids = pids(&*run, 1).await;
    until("the record is there", || house.records() == 1).await;
    let runs = house.dir.path().join("state/runs");
    let file = std::fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
    // The same pids, but of processes that started earlier.
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for who in ["manager", "leader"] {
        record[who]["start_time"] = 1.into();
    }
    // A cgroup would tell that it is the run's all the same.
    record["room"] = serde_json::Value::Null;
    std::fs::write(&file, record.to_string()).unwrap();
    std::fs::write(runs.join("broken.json"), "{").unwrap();
    let reaped = reap_leftovers(&house.dir.path().join("state"), "next");
    assert_eq!((reaped.len(), reaped[0].processes.len()), (1, 0));
    assert!(alive(pids[0]));
}

#[test]
fn a_helper_is_ended_with_its_manager_too() {
    let folder = tempfile::tempdir().unwrap();
    let env = helper_env("devices", folder.path(), "helper-test");
    let mut helper = std::process::Command::new("sleep").arg("100").envs(env).spawn().unwrap();
    let whose =
        LeftoverScope::Instance { state_dir: &records::canonical(folder.path()), instance: "helper-test" };
    // Until it has called exec, it has no environment of its own.
    let mut reaped = reap(&whose);
    while reaped.is_empty() {
        reaped = reap(&whose);
    }
    assert_eq!(reaped[0].run, "devices#0");
    assert!(!helper.wait().unwrap().success());
}
