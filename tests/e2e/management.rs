//! The contract's section 5, and the command line on top of it.

use std::io::{BufRead, BufReader, Write};

use serde_json::{Value, json};

use crate::support::{Config, Manager, Model, PATIENCE, lines, wait_until};

fn two() -> Manager {
    Manager::start(
        &Config::new()
            .model(Model::chat("chat").line("aliases: [gpt]").flags(&["--print", "hello from the backend"]))
            .model(Model::new("embed", "Embedding")),
    )
}

#[test]
fn health() {
    let manager = two();
    assert_eq!(manager.api("/health"), json!({"status": "ok"}));
}

#[test]
fn models_tell_what_they_are_doing() {
    let manager = two();
    let models = manager.api("/api/models");
    let names: Vec<_> = models.as_array().unwrap().iter().map(|m| m["name"].clone()).collect();
    assert_eq!(names, ["chat", "embed"], "in the file's order");
    let cold = &models[0];
    assert_eq!((&cold["state"], &cold["mode"]), (&json!("stopped"), &json!("Chat")));
    assert_eq!(cold["aliases"], json!(["gpt"]));
    assert_eq!((&cold["leases"], &cold["waiting"]), (&json!(0), &json!(0)));
    for key in ["variant", "pid", "started_at", "idle_seconds_left", "last_error"] {
        assert_eq!(cold.get(key), Some(&Value::Null), "{key}: {cold}");
    }
    manager.chat("chat").send().ok();
    let warm = manager.model("chat");
    assert_eq!((&warm["state"], &warm["variant"]), (&json!("ready"), &json!("only")));
    assert_eq!(warm["pid"], manager.starts("chat")[0].0);
    assert_eq!(warm["port"], manager.starts("chat")[0].1);
    let since = warm["started_at"].as_str().unwrap();
    assert!(since.ends_with('Z') && since.contains('T'), "{since}");
    assert_eq!(manager.model("embed")["state"], "stopped");
    manager.get("/api/models/nobody").send().error(404, "model_not_found");
    assert_eq!(manager.model("gpt")["name"], "chat", "an alias will do");
}

#[test]
fn logs_have_a_tail_and_can_be_followed() {
    let manager = two();
    manager.chat("chat").fake("log=line one").send().ok();
    wait_until("the line is there", PATIENCE, || manager.model_log("chat").contains(&"line one".to_owned()));
    let all = manager.api("/api/models/chat/logs?tail=1000");
    let first = &all[0];
    for key in ["seq", "time", "stream", "line"] {
        assert!(!first[key].is_null(), "{key}: {first}");
    }
    let hello = all.as_array().unwrap().iter().find(|l| l["line"] == "hello from the backend").unwrap();
    assert_eq!(hello["stream"], "stdout");
    let seqs: Vec<_> = all.as_array().unwrap().iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    assert_eq!(lines(&manager.api("/api/models/chat/logs?tail=1")).len(), 1);

    let mut follow = manager.get("/api/models/chat/logs?tail=1000&follow=true").open();
    assert_eq!(follow.status(), 200);
    follow.until("line one");
    manager.chat("chat").fake("log=line two").send().ok();
    follow.until("line two");
}

#[test]
fn the_managers_own_log_likewise() {
    let manager = two();
    manager.chat("chat").send().ok();
    let log = lines(&manager.api("/api/logs?tail=1000"));
    assert!(log.iter().any(|line| line.contains("chat")), "{log:?}");
    let mut follow = manager.get("/api/logs?follow=true").open();
    assert_eq!(follow.status(), 200);
    manager.act("/api/models/chat/stop");
    follow.until("stopped");
}

#[test]
fn events_show_state_changes() {
    let manager = two();
    let mut events = manager.get("/api/events").open();
    assert_eq!(events.status(), 200);
    // What is there is said first, so that a dashboard needs no second request.
    events.until("embed");
    manager.chat("chat").send().ok();
    events.until("starting");
    events.until("ready");
    manager.act("/api/models/chat/stop");
    events.until("stopping");
}

#[test]
fn events_show_load_and_throughput_while_an_answer_runs() {
    let manager = two();
    manager.act("/api/models/chat/start");
    let mut events = manager.get("/api/events").open();
    events.until("\"type\":\"throughput\"");
    let script = format!("tokens=4,stream_file={}", manager.word("go"));
    let mut stream = manager.chat_stream("chat").fake(&script).open();
    stream.until("word1 ");
    events.until_event("the lease", |told| told["type"] == "model" && told["data"]["leases"] == 1);
    let came = |told: &Value, what: &str| told["data"]["models"][0][what].as_f64().unwrap_or(0.0) > 0.0;
    // Two words have come, the count has not.
    events.until_event("words that stream", |told| {
        came(told, "output_tokens_per_second") && !came(told, "requests_per_second")
    });
    manager.touch("go");
    stream.finish();
    events.until_event("the count", |told| {
        came(told, "requests_per_second") && came(told, "input_tokens_per_second")
    });
}

#[test]
fn the_supervision_tree_is_shown() {
    let manager = two();
    let tree = manager.api("/api/supervision");
    let text = tree.to_string();
    for name in ["chat", "embed", "children", "restarts", "since", "path", "last_exit"] {
        assert!(text.contains(&format!("\"{name}\"")), "{name}: {text}");
    }
}

#[test]
fn the_command_line_drives_a_running_manager() {
    let manager = two();
    let status = manager.cli_ok(&["status"]);
    assert!(status.contains("chat") && status.contains("stopped"), "{status}");
    manager.cli_ok(&["start", "chat"]);
    assert_eq!(manager.state("chat"), "ready");
    let status = manager.cli_ok(&["status"]);
    assert!(
        status.contains("ready") && status.contains(&manager.starts("chat")[0].0.to_string()),
        "{status}"
    );
    let log = manager.cli_ok(&["logs", "chat"]);
    assert!(log.contains("hello from the backend"), "{log}");
    let tree = manager.cli_ok(&["tree"]);
    assert!(tree.contains("chat") && tree.contains("embed"), "{tree}");
    manager.cli_ok(&["stop", "chat"]);
    assert_eq!(manager.state("chat"), "stopped");
    let output = manager.cli(&["start", "nobody"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("nobody"));
}

#[test]
fn the_command_line_follows_logs() {
    let manager = two();
    manager.chat("chat").send().ok();
    let mut follow = manager.cli_spawn(&["logs", "chat", "-f"]);
    let mut out = BufReader::new(follow.stdout.take().unwrap()).lines();
    assert!(out.by_ref().map_while(Result::ok).any(|line| line.contains("hello from the backend")));
    manager.chat("chat").fake("log=and on").send().ok();
    assert!(out.by_ref().map_while(Result::ok).any(|line| line.contains("and on")));
    follow.kill().unwrap();
    follow.wait().unwrap();
}

#[test]
fn the_command_line_uses_the_key() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).api_key("sesame"));
    assert!(manager.cli_ok(&["status"]).contains("chat"));
}

#[test]
fn check_and_schema_need_no_manager() {
    let manager = two();
    manager.cli_ok(&["check"]);
    let schema: Value = serde_json::from_str(&manager.cli_ok(&["schema"])).unwrap();
    assert!(schema["properties"]["Local-Models"].is_object(), "{schema}");
    let broken =
        "program:\n  prot: 8080\nLocal-Models:\n  a:\n    mode: Chatt\n    x:\n      required_devices: []\n";
    let (code, said) = manager.check(broken);
    assert_eq!(code, Some(2), "{said}");
    // All of them at once, each with the place and a way out.
    for word in ["program.prot", "`port`", "Chatt", "`Chat`", "script_path", "Local-Models.a"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn a_manager_that_is_not_there_is_said_so() {
    let mut manager = two();
    manager.stop();
    let output = manager.cli(&["status"]);
    assert!(!output.status.success());
    assert!(!output.stderr.is_empty());
}

#[test]
fn a_configuration_without_models_serves() {
    let manager = Manager::start(&Config::new());
    assert_eq!(manager.api("/api/models"), json!([]));
    assert_eq!(manager.get("/v1/models").send().ok().json()["data"], json!([]));
}

#[test]
fn the_api_describes_itself() {
    let manager = two();
    let described = manager.api("/api/openapi.json");
    assert_eq!(described["openapi"], "3.1.0");
    let models = &described["paths"]["/api/models"]["get"]["responses"]["200"]["content"]["application/json"];
    let name =
        models["schema"]["items"]["$ref"].as_str().unwrap().trim_start_matches("#/components/schemas/");
    let schema = &described["components"]["schemas"][name]["properties"];
    for model in manager.api("/api/models").as_array().unwrap() {
        let unknown: Vec<_> =
            model.as_object().unwrap().keys().filter(|key| schema[*key].is_null()).collect();
        assert!(unknown.is_empty(), "{unknown:?} is not in {schema}");
    }
}

#[test]
fn the_command_line_reaches_a_manager_whose_file_has_been_broken_since() {
    let manager = two();
    let config = std::fs::read_to_string(manager.path("config.yaml")).unwrap();
    let broken = format!("{config}  gone:\n    only: {{script_path: no-such-script.sh}}\nnonsense: 1\n");
    std::fs::write(manager.path("config.yaml"), broken).unwrap();
    assert!(manager.cli_ok(&["status"]).contains("embed"));
    assert_eq!(manager.cli(&["check"]).status.code(), Some(2));
    std::fs::write(manager.path("config.yaml"), config.replacen("  port: ", "  port: x", 1)).unwrap();
    let refused = manager.cli(&["status"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("program.port"), "{said}");
    std::fs::write(manager.path("config.yaml"), config).unwrap();
}

#[test]
fn a_query_that_can_not_be_read_names_its_parameter() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    for (path, words) in [
        ("/api/requests?limit=ten", "`limit`: expected a whole number, got \"ten\""),
        ("/api/requests?limit=0", "`limit` is at least 1"),
        ("/api/runs?model=chat&limit=-1", "`limit` is from 1 to 10000"),
        ("/api/requests?shares=maybe", "`shares`: expected true or false"),
        ("/api/models/chat/logs?tail=all", "`tail`: expected a whole number"),
        ("/api/requests?colour=red", "unknown field `colour`"),
        ("/api/audit?model=a%00b", "a NUL (`%00`)"),
    ] {
        let refused = manager.get(path).send().error(400, "invalid_request");
        assert!(refused.message().contains(words), "{path}: {}", refused.message());
    }
    let kind = |accept: &str| {
        let reply = manager.get("/api/requests").header("Accept", accept).send().ok();
        reply.header("content-type").unwrap().to_owned()
    };
    for accept in ["text/csv", "Text/CSV", "application/json;q=0.5, text/csv", "text/html, text/csv;q=0.1"] {
        assert!(kind(accept).starts_with("text/csv"), "{accept}: {}", kind(accept));
    }
    for accept in ["*/*", "text/csv;q=0", "application/json, text/csv;q=0.9"] {
        assert_eq!(kind(accept), "application/json", "{accept}");
    }
}

#[test]
fn a_wrong_argument_is_a_mistake_of_usage_whether_or_not_a_manager_runs() {
    let manager = Manager::prepare(&Config::with(Model::chat("chat")));
    for (arguments, words) in [
        (&["statement", "--month", "2026-13"][..], "2026-11"),
        (&["pause", "gpu", "--for", "8d"], "a week at the most"),
        (&["connect", "telnet"], "the clients are curl, python"),
        (&["connect", "curl", "--address", "here"], "http://192.168.1.5:8080"),
        (&["key", "add", "x", "--scope", "rule"], "infer, read, operate or admin"),
        (&["key", "add", "x", "--budget", "20"], "20 CNY/month"),
        (&["key", "add", "x", "--requests-per-minute", "0"], "requests-per-minute"),
        (&["key", "add", "x", "--priority", "high"], "interactive, normal or batch"),
        (&["key", "add", "x", "--expires", "soon"], "2027-01-01T00:00:00Z"),
    ] {
        let output = manager.cli(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(words), "{arguments:?}: {said}");
    }
    assert!(!manager.path("data/keys.json").exists());
    // What can't be printed is a failure that is told; a reader that has had enough is none.
    for arguments in ["schema", "key list"] {
        let program = env!("CARGO_BIN_EXE_llm-manager");
        let run = |to: &str| {
            let line = format!("{program} --config {} {arguments} {to}", manager.word("config.yaml"));
            let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (code, said) = run("> /dev/full");
        assert!(code == Some(1) && said.contains("standard output: No space left"), "{arguments}: {said}");
        assert_eq!(run("| true"), (Some(0), String::new()), "{arguments}");
    }
}

#[test]
fn bodies_beyond_their_bound_and_clients_of_http_1_0_are_answered_as_all_others() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let huge = json!({"name": "x".repeat(70_000), "key": "x".repeat(20_000)});
    manager.post("/api/keys").json(&huge).send().error(413, "request_too_large");
    manager.post("/api/session").json(&huge).send().error(413, "request_too_large");
    // Its streams have no chunks: what comes is the body.
    let mut client = std::net::TcpStream::connect(manager.url().trim_start_matches("http://")).unwrap();
    client.write_all(b"GET /api/events HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let (mut head, mut reader) = (Vec::new(), BufReader::new(client));
    let first = loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                break line;
            }
            line => head.push(line.to_ascii_lowercase()),
        }
    };
    assert!(!head.iter().any(|line| line.contains("chunked")), "{head:?}");
    assert!(first.starts_with("data: {"), "{first}");
}
