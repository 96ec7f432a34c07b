//! Nothing that the manager started outlives it, however it or its children behave.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

/// A backend with children that shrug off TERM; `extra` makes it worse.
fn stubborn(name: &str, extra: &[&str]) -> Model {
    Model::chat(name).flags(&["--fork-children", "2"]).flags(extra)
}

/// The fake server and its two children.
#[track_caller]
fn start_family(manager: &Manager, model: &str, size: usize) {
    manager.chat(model).send().ok();
    wait_until("the children live", PATIENCE, || manager.processes().len() >= size);
}

#[test]
fn a_killed_manager_takes_its_backend_along() {
    let mut manager = Manager::start(&Config::with(Model::chat("chat")));
    start_family(&manager, "chat", 1);
    manager.kill();
    wait_until("the backend is gone", Duration::from_secs(5), || manager.processes().is_empty());
}

#[test]
fn a_killed_manager_takes_a_starting_backend_along() {
    let config =
        Config::with(Model::chat("chat").flags(&["--load-until-file", "{dir}/loaded", "--ignore-term"]));
    let mut manager = Manager::start(&config);
    manager.post("/api/models/chat/start?wait=false").send();
    wait_until("it has been spawned", PATIENCE, || !manager.starts("chat").is_empty());
    manager.kill();
    wait_until("the backend is gone", Duration::from_secs(5), || manager.processes().is_empty());
}

#[test]
fn what_a_killed_manager_leaves_is_reaped_at_the_next_start() {
    let config =
        Config::new().model(stubborn("chat", &["--ignore-term"])).model(stubborn("away", &["--setsid"]));
    let mut manager = Manager::start(&config);
    start_family(&manager, "chat", 3);
    start_family(&manager, "away", 6);
    manager.kill();
    manager.launch();
    wait_until("the old families are gone", PATIENCE, || manager.processes().is_empty());
    manager.chat("chat").send().ok();
    manager.chat("away").send().ok();
}

#[test]
fn a_stop_ends_children_that_ignore_term() {
    let config = Config::with(stubborn("chat", &["--ignore-term"])).program("stop_timeout: 1");
    let manager = Manager::start(&config);
    start_family(&manager, "chat", 3);
    let begin = Instant::now();
    manager.act("/api/models/chat/stop");
    assert!(begin.elapsed() >= Duration::from_millis(900), "the grace was {:?}", begin.elapsed());
    assert_eq!(manager.state("chat"), "stopped");
    assert_eq!(manager.processes(), Vec::<String>::new(), "stopped means gone");
    manager.chat("chat").send().ok();
}

#[test]
fn a_stop_ends_children_that_left_for_sessions_of_their_own() {
    let config = Config::with(stubborn("chat", &["--setsid"])).program("stop_timeout: 1");
    let manager = Manager::start(&config);
    start_family(&manager, "chat", 3);
    manager.act("/api/models/chat/stop");
    assert_eq!(manager.processes(), Vec::<String>::new(), "stopped means gone");
}

#[test]
fn children_of_a_crashed_backend_are_ended() {
    let config = Config::with(stubborn("chat", &["--setsid"])).program("stop_timeout: 1");
    let manager = Manager::start(&config);
    start_family(&manager, "chat", 3);
    manager.chat("chat").fake("die=mid-json").send();
    manager.wait_no_processes();
}

#[test]
fn a_script_and_the_server_that_it_starts_are_one() {
    // The shell stays between the manager and the server.
    let script = format!(
        "{} --port \"$PORT\" --marker {{dir}} --start-file {{dir}}/starts-chat --ignore-term\necho never",
        env!("CARGO_BIN_EXE_fake-model-server")
    );
    let config = Config::with(Model::chat("chat").command(&["sh", "-c", &script])).program("stop_timeout: 1");
    let manager = Manager::start(&config);
    start_family(&manager, "chat", 2);
    manager.act("/api/models/chat/stop");
    assert_eq!(manager.processes(), Vec::<String>::new());
}

#[test]
fn sigterm_ends_everything_in_parallel() {
    let mut config = Config::new().program("stop_timeout: 2");
    for name in ["a", "b", "c", "d"] {
        config = config.model(stubborn(name, &["--ignore-term"]));
    }
    let mut manager = Manager::start(&config);
    for (count, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        start_family(&manager, name, 3 * (count + 1));
    }
    let begin = Instant::now();
    manager.stop();
    assert!(begin.elapsed() < Duration::from_secs(6), "one after the other? {:?}", begin.elapsed());
    assert_eq!(manager.processes(), Vec::<String>::new());
}

#[test]
fn sigterm_while_starting_ends_everything() {
    let config = Config::with(Model::chat("chat").flags(&["--load-until-file", "{dir}/loaded"]));
    let mut manager = Manager::start(&config);
    let call = manager.chat("chat").spawn();
    wait_until("it has been spawned", PATIENCE, || !manager.starts("chat").is_empty());
    manager.stop();
    // An error, or a closed connection: no answer is promised here.
    let _ = call.join();
    manager.wait_no_processes();
}

#[test]
fn a_shutdown_lets_running_answers_finish() {
    let mut manager = Manager::start(&Config::with(Model::chat("chat")));
    let script = format!("tokens=4,stream_file={}", manager.word("go"));
    let mut stream = manager.chat_stream("chat").fake(&script).open();
    stream.until("word1 ");
    manager.signal(Signal::SIGTERM);
    wait_until("nobody new is let in", PATIENCE, || {
        manager.chat("chat").try_send().map_or(true, |reply| reply.status != 200)
    });
    manager.touch("go");
    stream.finish().ok();
    let status = manager.wait_exit(PATIENCE);
    assert!(status.success(), "{status}");
}

#[test]
fn a_second_interrupt_hurries() {
    let config = Config::with(stubborn("chat", &["--ignore-term"])).program("stop_timeout: 60");
    let mut manager = Manager::start(&config);
    let script = format!("tokens=4,stream_file={}", manager.word("never"));
    let mut stream = manager.chat_stream("chat").fake(&script).open();
    stream.until("word1 ");
    manager.signal(Signal::SIGINT);
    wait_until("it drains", PATIENCE, || {
        manager.chat("chat").try_send().map_or(true, |reply| reply.status != 200)
    });
    manager.signal(Signal::SIGINT);
    manager.wait_exit(Duration::from_secs(5));
    manager.wait_no_processes();
    drop(stream);
}
