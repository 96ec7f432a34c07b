//! Nothing of a run is left when it is said to have ended.

use super::*;
use crate::platform::{Enclosure, ProcessId};
use crate::tree::{Leaders, RunMarks};
use std::collections::BTreeSet;

const STUBBORN: &str = "trap 'echo heard' TERM; echo $$; while :; do sleep 0.02; done";

#[actix_rt::test]
async fn a_backend_that_ignores_sigterm_is_killed() {
    let house = House::new();
    let run = house.shell(STUBBORN).await;
    let pids = pids(&*run, 1).await;
    assert_eq!(run.pid(), Some(pids[0]));
    assert_eq!(run.label(), format!("pid {}", pids[0]));
    run.terminate();
    says(&*run, "heard").await;
    assert!(alive(pids[0]), "asking does not kill");
    run.kill();
    let report = ended(&*run).await;
    assert_eq!((report.status.as_str(), report.success), ("killed by SIGKILL", false));
    assert_all_gone(&pids);
    assert_eq!(house.records(), 0, "the record goes with the tree");
}

#[actix_rt::test]
async fn sigterm_reaches_grandchildren() {
    let house = House::new();
    let run = house.shell("echo $$; sh -c 'echo $$; sleep 1000 & echo $!; wait' & wait").await;
    let pids = pids(&*run, 3).await;
    until("the record is there", || house.records() == 1).await;
    run.terminate();
    assert_eq!(ended(&*run).await.status, "killed by SIGTERM");
    assert_all_gone(&pids);
}

/// Whether it is in the cgroup of a run.
#[cfg(target_os = "linux")]
fn is_inside(pid: u32) -> bool {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    groups.lines().any(|line| line.starts_with("0::") && line.contains("/llm-manager-"))
}

#[cfg(target_os = "linux")]
#[actix_rt::test]
async fn a_backend_is_born_as_a_child_of_ours_and_nobody_else_is() {
    let children = || {
        let all = platform::processes().unwrap().into_iter();
        all.filter(|info| info.parent == std::process::id()).map(|info| info.id.pid).collect::<Vec<_>>()
    };
    // Of other tests, where they share the process.
    let before = children();
    let children = || children().into_iter().filter(|pid| !before.contains(pid)).collect::<Vec<_>>();
    let house = House::new();
    let run = house.shell("echo $$; trap 'exit 7' TERM; while :; do sleep 0.02; done").await;
    let pids = pids(&*run, 1).await;
    assert_eq!(run.pid(), Some(pids[0]));
    let info = platform::process(pids[0]).unwrap().unwrap();
    assert_eq!((info.parent, info.group), (std::process::id(), pids[0]));
    until("the one that was in between is waited for", || children() == pids).await;
    run.terminate();
    assert_eq!(ended(&*run).await.status, "exit code 7");
    assert!(children().is_empty(), "it was waited for");
    let left =
        platform::cgroup::own_cgroup().and_then(|dir| dir.read_dir().ok()).into_iter().flatten().flatten();
    let instance = house.dir.path().file_name().unwrap().to_str().unwrap();
    let names: Vec<String> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| !name.contains(instance)), "its cgroup is gone: {names:?}");
}

#[cfg(target_os = "linux")]
#[actix_rt::test]
async fn what_has_left_the_cgroup_is_found_all_the_same() {
    let house = House::new();
    let home = platform::cgroup::own_cgroup().unwrap_or_default().join("cgroup.procs");
    let flee = format!("echo 0 > {} 2>/dev/null; exec setsid sleep 1000", home.display());
    let run = house.shell(&format!("sh -c '{flee}' & echo $!; echo $$; wait")).await;
    let pids = pids(&*run, 2).await;
    until("it has fled", || {
        let group = platform::process(pids[0]).unwrap().map(|info| info.group);
        group == Some(pids[0]) && (!is_inside(pids[0]) || !is_inside(pids[1]))
    })
    .await;
    run.terminate();
    ended(&*run).await;
    assert_all_gone(&pids);
}

#[actix_rt::test]
async fn a_stopped_backend_hears_sigterm() {
    let house = House::new();
    let run = house.shell("echo $$; kill -STOP $$").await;
    let pids = pids(&*run, 1).await;
    run.terminate();
    assert_eq!(ended(&*run).await.status, "killed by SIGTERM");
    assert_all_gone(&pids);
}

#[actix_rt::test]
async fn a_child_that_fled_into_another_session_is_killed() {
    let house = House::new();
    let run = house.shell("setsid sh -c '(sleep 1000 & echo $!)'; echo $$; sleep 1000").await;
    let pids = pids(&*run, 2).await;
    let stray = platform::process(pids[0]).unwrap().unwrap();
    assert_ne!(stray.group, pids[1], "it has left the group");
    until("it has lost its parent", || {
        platform::process(pids[0]).unwrap().is_none_or(|info| info.parent != pids[1])
    })
    .await;
    run.kill();
    ended(&*run).await;
    assert_all_gone(&pids);
}

#[actix_rt::test]
async fn a_child_without_environment_is_found_by_its_parent() {
    let house = House::new();
    let run = house.shell("env -i setsid sleep 1000 & echo $!; wait").await;
    let pids = pids(&*run, 1).await;
    until("it has a session of its own", || {
        platform::process(pids[0]).unwrap().is_some_and(|info| info.session == pids[0])
    })
    .await;
    until("it has no environment", || platform::environment(pids[0]).unwrap().get("PORT").is_none()).await;
    run.kill();
    ended(&*run).await;
    assert_all_gone(&pids);
}

#[actix_rt::test]
async fn what_a_backend_leaves_behind_is_ended() {
    let house = House::new();
    let run = house.shell("sleep 1000 & echo $!; while ! [ -e go ]; do sleep 0.01; done; exit 3").await;
    let pids = leave_behind(&house, &*run).await;
    let report = ended(&*run).await;
    assert_eq!((report.status.as_str(), report.success), ("exit code 3", false));
    assert_all_gone(&pids);
}

#[actix_rt::test]
async fn what_a_backend_leaves_behind_and_ignores_sigterm_is_killed() {
    let house = House::new();
    let run = house
        .shell("(trap '' TERM; exec sleep 1000) & echo $!; while ! [ -e go ]; do sleep 0.01; done; exit 0")
        .await;
    let pids = leave_behind(&house, &*run).await;
    let report = ended(&*run).await;
    assert_eq!((report.status.as_str(), report.success), ("exit code 0", true));
    assert_all_gone(&pids);
}

#[actix_rt::test]
async fn after_sigterm_the_rest_has_the_time_that_it_is_given() {
    let house = House::new();
    let run = house.shell("(trap 'echo heard' TERM; while :; do sleep 0.02; done) & echo $!; wait").await;
    let pids = pids(&*run, 1).await;
    run.terminate();
    says(&*run, "heard").await;
    let leader = run.pid().unwrap();
    until("the leader has ended", || !alive(leader)).await;
    assert!(run.exited().now_or_never().is_none(), "the rest still lives");
    assert!(alive(pids[0]));
    run.kill();
    ended(&*run).await;
    assert_all_gone(&pids);
}

/// Lets the leader go on once its child is there.
async fn leave_behind(house: &House, run: &dyn Run) -> Vec<u32> {
    let go = house.dir.path().join("go");
    let tail = run.tail();
    until("the child is there", || !tail.borrow().lines.is_empty()).await;
    let child = tail.borrow().lines[0].parse().unwrap();
    std::fs::write(go, "").unwrap();
    vec![child]
}

#[actix_rt::test]
async fn dropping_the_handle_kills_the_tree() {
    let house = House::new();
    let run = house.shell(&format!("sleep 1000 & echo $!; {STUBBORN}")).await;
    let pids = pids(&*run, 2).await;
    drop(run);
    until("the slot is free again", || house.slot.available_permits() == 1).await;
    assert_all_gone(&pids);
    assert_eq!(house.records(), 0);
}

#[test]
fn the_end_of_the_runtime_kills_the_tree() {
    let house = House::new();
    let system = actix_rt::System::new();
    let (run, pids) = system.block_on(async {
        let run = house.shell("setsid sleep 1000 & echo $!; echo $$; wait").await;
        let pids = pids(&*run, 2).await;
        (run, pids)
    });
    drop(system);
    actix_rt::System::new().block_on(async {
        until("all are gone", || !pids.iter().any(|pid| alive(*pid))).await;
        assert!(ended(&*run).await.status.starts_with("lost"));
    });
}

#[actix_rt::test]
async fn the_next_run_waits_until_nothing_of_the_former_is_left() {
    let house = House::new();
    let former = house.shell(&format!("setsid sleep 1000 & echo $!; {STUBBORN}")).await;
    let pids = pids(&*former, 2).await;
    let mut next = house.launcher.launch(house.order(shell("sleep 1000")));
    assert!((&mut next).now_or_never().is_none());
    former.terminate();
    says(&*former, "heard").await;
    assert!((&mut next).now_or_never().is_none(), "the former still lives");
    former.kill();
    let next = tokio::time::timeout(DEADLINE, next).await.unwrap().unwrap();
    assert_all_gone(&pids);
    drop(next);
}

#[actix_rt::test]
async fn a_caller_who_goes_away_while_waiting_leaves_nothing() {
    let house = House::new();
    let former = house.shell("sleep 1000").await;
    let mut next = house.launcher.launch(house.order(shell("sleep 1000")));
    assert!((&mut next).now_or_never().is_none());
    drop(next);
    former.kill();
    ended(&*former).await;
    assert_eq!(house.slot.available_permits(), 1);
}

#[actix_rt::test]
async fn exited_answers_everyone_who_asks() {
    let house = House::new();
    let run = house.shell("echo one; echo two >&2; exit 7").await;
    let (first, second) = tokio::join!(run.exited(), run.exited());
    assert_eq!(first, second);
    assert_eq!(first, ended(&*run).await);
    assert_eq!(first.status, "exit code 7");
    let mut lines = first.last_lines;
    lines.sort();
    assert_eq!(lines, ["one", "two"]);
}

#[actix_rt::test]
async fn a_daemon_that_drops_every_sign_is_ended() {
    // A subreaper as the manager is one; the daemon forks twice and keeps neither markers, group nor parent.
    platform::adopt_orphans().unwrap();
    let house = House::new();
    let run = house.shell("env -i setsid sh -c '(sleep 1000 & echo $!)'; echo $$; sleep 1000").await;
    let pids = pids(&*run, 2).await;
    until("it has lost its parent", || {
        platform::process(pids[0]).unwrap().is_some_and(|info| info.parent == std::process::id())
    })
    .await;
    run.kill();
    ended(&*run).await;
    assert_all_gone(&pids);
}

#[actix_rt::test]
async fn a_stray_belongs_to_the_last_run_that_is_old_enough() {
    platform::adopt_orphans().unwrap();
    let house = House::new();
    let run = house.shell("env -i setsid sh -c '(sleep 1000 & echo $!)'; echo $$; sleep 1000").await;
    let pids = pids(&*run, 2).await;
    let stray = platform::process(pids[0]).unwrap().unwrap();
    let search = |leader: ProcessId, leaders: &[ProcessId]| {
        let all = Leaders::default();
        leaders.iter().for_each(|leader| all.add(*leader));
        let (run, instance, owner) = (String::new(), String::new(), String::new());
        let search = RunMarks {
            leader,
            run,
            instance,
            owner,
            room: None,
            born_inside: false,
            leaders: all,
            known: BTreeSet::new(),
            enclosure: Enclosure::new().unwrap(),
        };
        search.look().unwrap().members.iter().any(|info| info.id == stray.id)
    };
    let older = ProcessId { pid: 1, start_time: stray.id.start_time };
    let other = ProcessId { pid: 2, ..older };
    let younger = ProcessId { pid: 3, start_time: stray.id.start_time + 1 };
    until("it has lost its parent", || {
        platform::process(pids[0]).unwrap().is_some_and(|info| info.parent == std::process::id())
    })
    .await;
    assert!(search(older, &[older, younger]), "nobody else can have started it");
    assert!(!search(older, &[older, other]), "either may have");
    assert!(!search(younger, &[younger]), "it was there before");
    run.kill();
    ended(&*run).await;
}
