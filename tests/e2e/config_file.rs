//! Reading, checking and saving the configuration through the API, and the restart that puts it in force.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Config, Manager, Model, PATIENCE, Reply, wait_until};

fn manager() -> Manager {
    Manager::start(&Config::with(Model::chat("chat")))
}

fn save(manager: &Manager, text: &str, version: &Value) -> Reply {
    manager.put("/api/config").json(&json!({"text": text, "version": version})).send()
}

fn other(text: &str, minutes: usize) -> String {
    let line = text.lines().find(|line| line.trim().starts_with("alive_time:")).unwrap();
    text.replacen(line, &format!("  alive_time: {minutes}"), 1)
}

fn backups(manager: &Manager) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(manager.path("")).unwrap().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(".bak")).collect();
    found.sort();
    found
}

#[test]
fn a_save_keeps_a_backup_and_the_file_as_it_was_kept() {
    let manager = manager();
    let path = manager.path("config.yaml");
    std::fs::rename(&path, manager.path("real.yaml")).unwrap();
    std::os::unix::fs::symlink("real.yaml", &path).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let shown = manager.api("/api/config");
    let text = shown["text"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert_eq!(shown["path"], path.display().to_string());
    assert_eq!((&shown["writable"], &shown["live_reload"]), (&json!(true), &json!(true)));
    assert_eq!(shown["restart_needed"], false);

    let new = other(text, 7);
    let saved = save(&manager, &new, &shown["version"]).ok().json();
    assert_eq!((&saved["restart_needed"], &saved["error"]), (&json!(false), &Value::Null));
    assert_eq!(saved["plan"]["changed"], json!(["chat"]), "{saved}");
    assert_eq!(manager.model("chat")["alive_seconds"], 420.0, "it is in force");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), new);
    assert!(path.symlink_metadata().unwrap().is_symlink(), "the link is still one");
    let backup = PathBuf::from(saved["backup"].as_str().unwrap());
    assert_eq!(backups(&manager), [backup.canonicalize().unwrap()]);
    assert_eq!(std::fs::read_to_string(&backup).unwrap(), text);
    for file in [&path, &backup] {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640, "{}", file.display());
    }
    let port = new.replacen("host: 127.0.0.1", "host: localhost", 1);
    let checked = manager.post("/api/config/check").json(&json!({"text": port})).send().ok().json();
    assert_eq!(checked["plan"]["needs_restart"], json!(["program.host"]));
    let saved = save(&manager, &port, &saved["version"]).ok().json();
    assert_eq!(saved["restart_needed"], true);
    assert_eq!(manager.api("/api/config")["needs_restart"], json!(["program.host"]));
    std::fs::remove_file(saved["backup"].as_str().unwrap()).unwrap();
    let saved = save(&manager, &new, &saved["version"]).ok().json();
    std::fs::remove_file(saved["backup"].as_str().unwrap()).unwrap();
    assert_eq!(saved["restart_needed"], false);

    let stale = save(&manager, text, &shown["version"]).error(409, "config_changed");
    assert!(stale.message().contains("GET /api/config"), "{}", stale.message());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), new);

    let back = save(&manager, text, &saved["version"]).ok().json();
    assert_eq!(back["restart_needed"], false, "it is again what the manager runs with");
}

#[test]
fn a_text_with_errors_is_told_and_not_saved() {
    let manager = manager();
    let shown = manager.api("/api/config");
    let text = shown["text"].as_str().unwrap();
    let wrong = text.replacen("alive_time", "alive_tyme", 1);
    let told = manager.post("/api/config/check").json(&json!({"text": wrong})).send().ok().json();
    let problem = &told["problems"][0];
    assert_eq!(problem["path"], "program.alive_tyme");
    assert!(problem["line"].as_u64().is_some() && problem["hint"].as_str().unwrap().contains("alive_time"));
    let refused = save(&manager, &wrong, &shown["version"]).error(400, "invalid_config");
    assert_eq!(refused.json()["error"]["problems"], told["problems"]);
    assert!(refused.message().contains("alive_tyme"), "{}", refused.message());
    assert_eq!(manager.api("/api/config")["text"], text);
    assert_eq!(backups(&manager), [] as [PathBuf; 0]);
    let fine = manager.post("/api/config/check").json(&json!({"text": text})).send().ok().json();
    assert_eq!(fine["problems"], json!([]));
    let open = text.replacen("127.0.0.1", "0.0.0.0", 1);
    let open = manager.post("/api/config/check").json(&json!({"text": open})).send().ok().json();
    assert_eq!((&open["problems"], open["warnings"][0]["path"].as_str()), (&json!([]), Some("program.host")));
}

#[test]
fn ten_backups_are_kept_and_other_files_are_left_alone() {
    let manager = manager();
    manager.touch("config.yaml.mine.bak");
    let mut shown = manager.api("/api/config");
    let mut texts = vec![];
    for minutes in 1..=13 {
        let text = shown["text"].as_str().unwrap().to_owned();
        save(&manager, &other(&text, minutes), &shown["version"]).ok();
        texts.push(text);
        shown = manager.api("/api/config");
    }
    let mut kept = backups(&manager);
    kept.retain(|path| !path.ends_with("config.yaml.mine.bak"));
    let kept: Vec<String> = kept.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert_eq!(kept, texts[3..]);
    assert!(manager.path("config.yaml.mine.bak").exists());
}

#[test]
fn without_keys_only_this_computer_may_touch_it() {
    let open = manager();
    for call in [
        open.get("/api/config"),
        open.put("/api/config"),
        open.post("/api/config/check"),
        open.post("/api/restart"),
    ] {
        let refused = call.header("X-Forwarded-For", "192.0.2.7").json(&json!({"text": ""})).send();
        let message = refused.error(403, "api_keys_needed").message();
        assert!(message.contains("program.api_keys"), "{message}");
    }
    let locked = Manager::start(&Config::with(Model::chat("chat")).api_key("secret"));
    locked.get("/api/config").header("X-Forwarded-For", "192.0.2.7").send().ok();
    locked.bare("GET", "/api/config").send().error(401, "invalid_api_key");
}

#[test]
fn a_restart_puts_the_file_in_force() {
    let manager = manager();
    manager.chat("chat").send().ok();
    let (backend, _) = manager.starts("chat")[0];
    let shown = manager.api("/api/config");
    let text = shown["text"].as_str().unwrap();

    std::fs::write(manager.path("config.yaml"), "program: {prot: 1}").unwrap();
    let refused = manager.post("/api/restart").send().error(409, "invalid_config");
    assert_eq!(refused.json()["error"]["problems"][0]["path"], "program.prot");
    assert_eq!(manager.state("chat"), "ready");

    std::fs::write(manager.path("config.yaml"), other(text, 9)).unwrap();
    let pid = manager.pid();
    let reply = manager.post("/api/restart").send();
    assert_eq!((reply.status, reply.json()), (202, json!({"restarting": true})));
    wait_until("it is back with the new file", PATIENCE * 2, || {
        let models = manager.get("/api/models").try_send();
        models.is_ok_and(|reply| reply.status == 200 && reply.json()[0]["alive_seconds"] == 540.0)
    });
    assert_eq!(manager.pid(), pid);
    assert!(!std::path::Path::new(&format!("/proc/{backend}")).exists(), "the former backend has ended");
    assert_eq!(manager.api("/api/config")["restart_needed"], false);
    manager.chat("chat").send().ok();
    assert_eq!(manager.starts("chat").len(), 2);
}

#[test]
fn check_names_programs_that_are_not_there() {
    let manager = manager();
    std::fs::write(manager.path("not-for-running"), "x").unwrap();
    let text = "program: {Disable_GPU_monitoring: true}\nLocal-Models:\n  m:\n    stop_command: [no-such-stopper]\n    \
                Good: {command: [sh, -c, x]}\n    Slip: {command: [no-such-server]}\n    \
                Rights: {command: [./not-for-running]}\n    \
                Own: {command: [not-for-running], env: {PATH: /nowhere}}\n";
    std::fs::write(manager.path("programs.yaml"), text).unwrap();
    let output = manager.cli_with("programs.yaml", &["check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "a service may have another PATH: {said}");
    for words in [
        "Local-Models.m.Good.stop_command[0]: the program \"no-such-stopper\" is not in PATH",
        "Local-Models.m.Slip.command[0]: the program \"no-such-server\" is not in PATH",
        "Local-Models.m.Own.command[0]: the program \"not-for-running\" is not in PATH",
        "not-for-running\" may not be run: chmod +x",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("Good.command"), "{said}");
}
