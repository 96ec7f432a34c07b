//! Several backends of one model, and the memory of others.

use crate::support::{Manager, PATIENCE, wait_until};

use super::world::{Gpus, busy, holders, model};

fn names(manager: &Manager) -> Vec<String> {
    let mut names: Vec<_> = holders(manager, "gpu a").into_iter().map(|(model, _)| model).collect();
    names.sort();
    names
}

#[test]
fn a_further_one_takes_free_memory_and_one_of_them_may_be_taken_away() {
    let gpus = Gpus::one(24000);
    let a = model("a", 8000).line("replicas: {max: 2, scale_up_after: 0.2}").line("max_concurrency: 1");
    let manager = Manager::start(&gpus.config().model(a).model(model("b", 15000)));
    manager.chat("b").send().ok();
    let stream = busy(&manager, "a");
    let waits = manager.chat("a").spawn();
    wait_until("there is no room for a second one", PATIENCE, || {
        manager.log().contains("scheduler: a#2 is not started: ")
    });
    assert_eq!((manager.state("b"), names(&manager)), ("ready".to_owned(), vec!["a".into(), "b".into()]));
    manager.act("/api/models/b/stop");
    // It is tried again, and serves the one who waits.
    waits.join().unwrap().ok();
    assert_eq!(names(&manager), ["a", "a#2"]);
    // The second one is idle: another model gets its memory, and the first one serves on.
    manager.chat("b").send().ok();
    assert_eq!(names(&manager), ["a", "b"]);
    assert_eq!(manager.model("a")["leases"], 1);
    assert!(manager.log().contains("scheduler: a#2 is idle and makes room for b"));
    let run = manager.model("a")["runs"][0].clone();
    assert_eq!((&run["cause"], &run["evicted_for"]), (&"evicted".into(), &"b".into()), "{run}");
    stream.leave();
}
