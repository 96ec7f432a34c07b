//! Start on demand, stop when idle, and everything that can go wrong in between.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Config, End, Manager, Model, PATIENCE, free_port, wait_until};

fn one(model: Model) -> Manager {
    Manager::start(&Config::with(model))
}

/// A model that loads until the test touches the file `loaded`.
fn loading(name: &str) -> Model {
    Model::chat(name).flags(&["--load-until-file", "{dir}/loaded"])
}

#[test]
fn one_start_for_two_hundred_requests() {
    let manager = one(loading("chat"));
    let calls: Vec<_> = (0..200).map(|_| manager.chat("chat").spawn()).collect();
    manager.wait_waiting("chat", 200);
    assert_eq!(manager.state("chat"), "starting");
    manager.touch("loaded");
    for call in calls {
        call.join().unwrap().ok();
    }
    assert_eq!(manager.starts("chat").len(), 1);
    assert_eq!(manager.stats("chat")["scripted"], 0);
}

#[test]
fn a_backend_that_binds_and_loads_slowly_is_waited_for() {
    let manager = one(Model::chat("chat").flags(&["--bind-delay-ms", "300", "--load-delay-ms", "300"]));
    let begin = Instant::now();
    manager.chat("chat").send().ok();
    assert!(begin.elapsed() >= Duration::from_millis(600), "it answered before it had loaded");
    assert_eq!(manager.starts("chat").len(), 1);
}

#[test]
fn an_idle_model_is_stopped_and_starts_again() {
    let manager = one(Model::chat("chat").line("alive_time: 0.01"));
    manager.chat("chat").send().ok();
    let left = manager.model("chat")["idle_seconds_left"].clone();
    assert!(left.as_f64().is_some_and(|left| left <= 0.6), "{left}");
    manager.wait_state("chat", "stopped");
    manager.wait_no_processes();
    manager.chat("chat").send().ok();
    assert_eq!(manager.starts("chat").len(), 2);
}

#[test]
fn idle_time_counts_from_the_end_of_the_last_lease() {
    let manager = one(Model::chat("chat").line("alive_time: 0.01"));
    let script = format!("tokens=4,stream_file={}", manager.word("go"));
    let mut stream = manager.chat_stream("chat").fake(&script).open();
    stream.until("word1 ");
    let begin = Instant::now();
    wait_until("more than the idle time has passed", PATIENCE, || {
        assert_eq!(manager.state("chat"), "ready", "stopped while it answered");
        begin.elapsed() > Duration::from_millis(900)
    });
    // A short request beside it must not restart, nor end, anything.
    manager.chat("chat").send().ok();
    let begin = Instant::now();
    manager.touch("go");
    stream.finish().ok();
    manager.wait_state("chat", "stopped");
    assert!(begin.elapsed() >= Duration::from_millis(550), "stopped after {:?}", begin.elapsed());
    assert_eq!(manager.starts("chat").len(), 1);
}

#[test]
fn alive_time_zero_means_never() {
    let manager = one(Model::chat("chat"));
    manager.chat("chat").send().ok();
    assert!(manager.model("chat")["idle_seconds_left"].is_null());
}

#[test]
fn a_stop_while_starting_is_at_once_and_the_waiters_are_told() {
    let manager = one(loading("chat"));
    let calls: Vec<_> = (0..5).map(|_| manager.chat("chat").spawn()).collect();
    manager.wait_waiting("chat", 5);
    wait_until("it has been spawned", PATIENCE, || !manager.starts("chat").is_empty());
    let begin = Instant::now();
    manager.act("/api/models/chat/stop");
    assert!(begin.elapsed() < Duration::from_secs(3), "it took {:?}", begin.elapsed());
    for call in calls {
        call.join().unwrap().error(503, "model_stopped");
    }
    assert_eq!(manager.state("chat"), "stopped");
    manager.wait_no_processes();
    manager.touch("loaded");
    manager.chat("chat").send().ok();
}

#[test]
fn a_start_that_takes_too_long_is_504() {
    let manager = one(loading("chat").start_timeout(1));
    let begin = Instant::now();
    manager.chat("chat").send().error(504, "model_start_timeout");
    assert!(begin.elapsed() >= Duration::from_millis(950), "it gave up after {:?}", begin.elapsed());
    manager.wait_no_processes();
}

#[test]
fn a_backend_that_listens_elsewhere_is_told_where() {
    let fake = env!("CARGO_BIN_EXE_fake-model-server");
    let other = free_port();
    let start = format!("{fake} --port {other} --marker {{dir}}");
    let deaf = Model::chat("deaf").command(&["sh", "-c", &start]).start_timeout(4);
    let six = format!("exec {fake} --host ::1 --port {{port}} --marker {{dir}}");
    let six = Model::chat("six").command(&["sh", "-c", &six]).start_timeout(4);
    let manager = Manager::start(&Config::with(deaf).model(six));
    let (deaf, six) = (manager.chat("deaf").spawn(), manager.chat("six").spawn());
    let told = deaf.join().unwrap().error(504, "model_start_timeout").message();
    assert!(told.contains(&format!("its processes listen on 127.0.0.1:{other}")), "{told}");
    let told = six.join().unwrap().error(504, "model_start_timeout").message();
    assert!(told.contains("its processes listen on [::1]:"), "{told}");
}

#[test]
fn a_backend_that_accepts_and_never_answers_times_out_too() {
    let manager = one(Model::chat("chat").start_timeout(1).flags(&["--hang-probe"]));
    manager.chat("chat").send().error(504, "model_start_timeout");
    manager.wait_no_processes();
}

#[test]
fn a_failed_start_says_why_and_when_to_come_back() {
    let manager = one(Model::chat("chat").flags(&["--die-at-start", "3"]));
    let reply = manager.chat("chat").send().error(503, "model_start_failed");
    assert!(reply.message().contains("the weights are made of cheese"), "{}", reply.message());
    assert!((1..=300).contains(&reply.retry_after()));
    let model = manager.model("chat");
    assert_eq!(model["state"], "failed", "{model}");
    assert!(model["last_error"].to_string().contains("cheese"), "{model}");
}

#[test]
fn backoff_grows_and_starts_are_few() {
    let manager = one(Model::chat("chat").flags(&["--die-at-start", "3"]));
    let mut longest = 0;
    let begin = Instant::now();
    wait_until("the wait grows beyond a second", PATIENCE, || {
        let reply = manager.chat("chat").send().error(503, "model_start_failed");
        longest = longest.max(reply.retry_after());
        longest >= 3
    });
    // 1 s + 2 s + 4 s ...: far fewer starts than requests.
    let starts = manager.starts("chat").len();
    assert!(starts <= 2 + begin.elapsed().as_secs() as usize, "{starts} starts");
}

#[test]
fn dying_at_start_and_then_working() {
    let manager =
        one(Model::chat("chat").flags(&["--die-at-start", "3", "--die-until-file", "{dir}/repaired"]));
    manager.chat("chat").send().error(503, "model_start_failed");
    manager.touch("repaired");
    wait_until("it works again", PATIENCE, || manager.chat("chat").send().status == 200);
    assert_eq!(manager.state("chat"), "ready");
}

#[test]
fn a_missing_program_is_a_failed_start() {
    let manager = one(Model::chat("chat").command(&["no-such-model-server"]));
    let reply = manager.chat("chat").send().error(503, "model_start_failed");
    assert!(reply.message().contains("no-such-model-server"), "{}", reply.message());
}

#[test]
fn a_request_without_a_byte_of_answer_is_replayed_on_the_next_backend() {
    let manager = one(Model::chat("chat"));
    manager.chat("chat").send().ok();
    for (round, stream) in [false, true].into_iter().enumerate() {
        let script = format!("die=before-answer,once={}", manager.word(&format!("died-{round}")));
        let call = if stream { manager.chat_stream("chat") } else { manager.chat("chat") };
        call.fake(&script).send().ok();
        assert_eq!(manager.starts("chat").len(), round + 2);
    }
}

#[test]
fn a_request_that_kills_every_backend_is_replayed_only_once() {
    let manager = one(Model::chat("chat"));
    manager.chat("chat").send().ok();
    let reply = manager.chat("chat").fake("die=before-answer").send();
    assert!(matches!(reply.status, 502 | 503), "{} {}", reply.status, reply.text());
    let starts = manager.starts("chat").len();
    assert!(starts <= 2, "one request has killed {starts} backends");
}

#[test]
fn death_in_mid_stream_never_looks_finished() {
    let manager = one(Model::chat("chat"));
    for path in ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"] {
        let body = json!({"model": "chat", "stream": true});
        let mut reply = None;
        // The backoff of the former death may still be on.
        wait_until("an answer begins", PATIENCE, || {
            let next = manager.post(path).fake("die=mid-stream,tokens=6").json(&body).send();
            let begun = next.status == 200;
            reply = Some(next);
            begun
        });
        let text = reply.unwrap().text();
        assert!(text.contains("word0"), "{path}: {text}");
        for end in ["[DONE]", "response.completed", "message_stop"] {
            assert!(!text.contains(end), "{path}: {text}");
        }
        let event = text.split("event: error\n").nth(1).unwrap_or_else(|| panic!("no error event: {text}"));
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let error: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(error["error"]["code"], "backend_error", "{path}: {text}");
    }
}

#[test]
fn death_in_the_middle_of_json_breaks_the_connection() {
    let manager = one(Model::chat("chat"));
    let reply = manager.chat("chat").fake("die=mid-json").send();
    assert_eq!((reply.status, reply.end), (200, End::Cut), "{}", reply.text());
    manager.wait_leases("chat", 0);
}

#[test]
fn a_killed_backend_is_noticed_at_once() {
    let manager = one(Model::chat("chat"));
    manager.chat("chat").send().ok();
    let pid = nix::unistd::Pid::from_raw(manager.starts("chat")[0].0);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    wait_until("it is no longer ready", Duration::from_secs(2), || manager.state("chat") != "ready");
    wait_until("it works again", PATIENCE, || manager.chat("chat").send().status == 200);
    assert_eq!(manager.starts("chat").len(), 2);
}

#[test]
fn too_many_waiting_is_503_overloaded() {
    let manager = Manager::start(&Config::with(loading("chat")).program("max_waiting: 2"));
    let calls: Vec<_> = (0..2).map(|_| manager.chat("chat").spawn()).collect();
    manager.wait_waiting("chat", 2);
    let reply = manager.chat("chat").send().error(503, "overloaded");
    assert!(reply.retry_after() >= 1);
    manager.touch("loaded");
    for call in calls {
        call.join().unwrap().ok();
    }
    manager.chat("chat").send().ok();
}

#[test]
fn max_concurrency_serves_in_order_of_arrival() {
    let manager = one(Model::chat("chat").line("max_concurrency: 1"));
    manager.chat("chat").send().ok();
    let call = |name: &str| {
        let script = format!("log=turn {name},wait_file={}", manager.word(name));
        manager.chat("chat").fake(&script).spawn()
    };
    let first = call("a");
    manager.wait_leases("chat", 1);
    let mut others = vec![];
    for (count, name) in ["b", "c", "d"].into_iter().enumerate() {
        others.push(call(name));
        manager.wait_waiting("chat", count as u64 + 1);
    }
    assert_eq!(manager.stats("chat")["active"], 1);
    for name in ["d", "c", "b", "a"] {
        manager.touch(name);
    }
    first.join().unwrap().ok();
    for call in others {
        call.join().unwrap().ok();
    }
    let turns: Vec<_> =
        manager.model_log("chat").into_iter().filter(|line| line.starts_with("turn ")).collect();
    assert_eq!(turns, ["turn a", "turn b", "turn c", "turn d"]);
    assert_eq!(manager.stats("chat")["max_active"], 1);
}

#[test]
fn max_concurrency_lets_that_many_through() {
    let manager = one(Model::chat("chat").line("max_concurrency: 4"));
    manager.chat("chat").send().ok();
    let script = format!("wait_file={}", manager.word("go"));
    let calls: Vec<_> = (0..12).map(|_| manager.chat("chat").fake(&script).spawn()).collect();
    manager.wait_leases("chat", 4);
    manager.wait_waiting("chat", 8);
    // A lease is taken before the backend hears of it.
    wait_until("the backend has four", PATIENCE, || manager.stats("chat")["max_active"] == 4);
    manager.touch("go");
    for call in calls {
        call.join().unwrap().ok();
    }
    assert_eq!(manager.stats("chat")["max_active"], 4);
}

#[test]
fn a_stranger_on_the_port_is_named() {
    let port = free_port();
    let stranger = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let manager = one(Model::chat("chat").line(&format!("port: {port}")));
    let reply = manager.chat("chat").send().error(503, "model_start_failed");
    let message = reply.message();
    assert!(message.contains(&port.to_string()), "{message}");
    assert!(message.contains(&std::process::id().to_string()), "it doesn't name who: {message}");
    drop(stranger);
    wait_until("it works once the port is free", PATIENCE, || manager.chat("chat").send().status == 200);
}

#[test]
fn a_given_port_is_used_and_one_left_out_is_chosen() {
    let port = free_port();
    let manager = Manager::start(
        &Config::new().model(Model::chat("fixed").line(&format!("port: {port}"))).model(Model::chat("free")),
    );
    manager.chat("fixed").send().ok();
    manager.chat("free").send().ok();
    assert_eq!(manager.starts("fixed")[0].1, port);
    assert_eq!(manager.model("fixed")["port"], port);
    assert_ne!(manager.starts("free")[0].1, port);
    assert_eq!(manager.model("free")["port"], manager.starts("free")[0].1);
}

#[test]
fn the_backend_gets_port_and_name_in_its_environment() {
    let script = "tr '\\0' '\\n' < /proc/$$/environ | grep -E '^(PORT|MODEL_NAME|EXTRA)='; exec sleep 600";
    let manager =
        one(Model::chat("chat").start_timeout(1).command(&["sh", "-c", script, "{model}", "{port}"]));
    manager.chat("chat").send().error(504, "model_start_timeout");
    let log = manager.model_log("chat");
    assert!(log.contains(&"MODEL_NAME=chat".to_owned()), "{log:?}");
    assert!(log.iter().any(|line| line.starts_with("PORT=")), "{log:?}");
}

#[test]
fn start_stop_and_restart_return_when_done() {
    let manager = one(Model::chat("chat"));
    manager.act("/api/models/chat/start");
    assert_eq!(manager.state("chat"), "ready");
    manager.act("/api/models/chat/start");
    assert_eq!(manager.starts("chat").len(), 1, "started once");
    manager.act("/api/models/chat/restart");
    assert_eq!(manager.state("chat"), "ready");
    assert_eq!(manager.starts("chat").len(), 2);
    manager.act("/api/models/chat/stop");
    assert_eq!(manager.state("chat"), "stopped");
    manager.wait_no_processes();
    manager.act("/api/models/chat/stop");
    manager.post("/api/models/nobody/start").send().error(404, "model_not_found");
}

#[test]
fn a_start_need_not_be_waited_for() {
    let manager = one(loading("chat"));
    let begin = Instant::now();
    let reply = manager.post("/api/models/chat/start?wait=false").send();
    assert_eq!(reply.status, 202, "{}", reply.text());
    assert!(begin.elapsed() < Duration::from_secs(2));
    manager.wait_state("chat", "starting");
    manager.touch("loaded");
    manager.wait_state("chat", "ready");
    assert_eq!(manager.post("/api/models/chat/stop?wait=false").send().status, 202);
    manager.wait_state("chat", "stopped");
}

#[test]
fn a_start_that_fails_says_so_to_the_operator() {
    let manager = one(Model::chat("chat").flags(&["--die-at-start", "3"]));
    let reply = manager.post("/api/models/chat/start").send().error(503, "model_start_failed");
    assert!(reply.message().contains("cheese"), "{}", reply.message());
}

#[test]
fn stop_all_and_restart_autostart() {
    let manager = Manager::start(
        &Config::new().model(Model::chat("auto").line("auto_start: true")).model(Model::chat("other")),
    );
    manager.wait_state("auto", "ready");
    manager.chat("other").send().ok();
    manager.act("/api/models/stop-all");
    manager.wait_state("auto", "stopped");
    manager.wait_state("other", "stopped");
    manager.wait_no_processes();
    manager.act("/api/models/restart-autostart");
    manager.wait_state("auto", "ready");
    assert_eq!(manager.state("other"), "stopped");
    assert_eq!(manager.starts("auto").len(), 2);
}

#[test]
fn stops_starts_and_requests_in_any_order_never_wedge() {
    let manager = one(Model::chat("chat").flags(&["--load-delay-ms", "50"]));
    for _ in 0..10 {
        let calls: Vec<_> = (0..3).map(|_| manager.chat("chat").spawn()).collect();
        manager.post("/api/models/chat/stop?wait=false").send();
        manager.post("/api/models/chat/start?wait=false").send();
        manager.post("/api/models/chat/stop?wait=false").send();
        for call in calls {
            let reply = call.join().unwrap();
            assert!(matches!(reply.status, 200 | 502 | 503), "{} {}", reply.status, reply.text());
        }
    }
    wait_until("it works after all that", PATIENCE, || manager.chat("chat").send().status == 200);
}

#[test]
fn a_stop_lets_running_answers_finish() {
    let manager = one(Model::chat("chat"));
    let script = format!("tokens=4,stream_file={}", manager.word("go"));
    let mut stream = manager.chat_stream("chat").fake(&script).open();
    stream.until("word1 ");
    assert_eq!(manager.post("/api/models/chat/stop?wait=false").send().status, 202);
    manager.wait_state("chat", "draining");
    manager.touch("go");
    stream.finish().ok();
    manager.wait_state("chat", "stopped");
}

#[test]
fn floods_and_odd_bytes_in_the_output_block_nothing() {
    let manager = one(Model::chat("chat").flags(&["--odd-log", "--flood-log", "20000"]));
    manager.chat("chat").send().ok();
    wait_until("the last line is there", PATIENCE, || {
        manager.model_log("chat").iter().any(|line| line.contains("19999"))
    });
}
