//! In a container: as its process 1, and as the files in `packaging/container` say. No image is built here: that needs a
//! daemon that a test can't have.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

/// A process below `top`: its number here, its state and the parent's number.
fn below(top: i32) -> Vec<(i32, char)> {
    let all: Vec<(i32, char, i32)> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
            let pid = stat.split(' ').next()?.parse().ok()?;
            let mut rest = stat.rsplit_once(") ")?.1.split(' ');
            Some((pid, rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
        })
        .collect();
    let mut found = vec![(top, ' ')];
    let mut at = 0;
    while let Some((parent, _)) = found.get(at).copied() {
        found.extend(all.iter().filter(|(_, _, of)| *of == parent).map(|(pid, state, _)| (*pid, *state)));
        at += 1;
    }
    found.split_off(1)
}

/// Runs it as process 1 of a namespace of its own; `None`: this machine doesn't let us.
fn as_process_one(manager: &Manager) -> Option<Child> {
    let namespace = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let may = Command::new("unshare").args(namespace).arg("true").stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no namespaces of processes here");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(namespace).arg(env!("CARGO_BIN_EXE_llm-manager"));
    command.arg("--config").arg(manager.path("config.yaml")).current_dir(manager.path(""));
    command.env("LLM_MANAGER_TEST_DIR", manager.path("")).env_remove("RUST_LOG");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(manager.path("log")).unwrap());
    Some(command.spawn().unwrap())
}

/// Orphans of a backend become its children: it ends them, leaves no zombie, and ends in order at SIGTERM.
#[test]
fn process_one_adopts_reaps_and_ends_in_order() {
    let config = Config::with(Model::chat("chat").flags(&["--fork-children", "2", "--setsid"]));
    let manager = Manager::prepare(&config);
    let Some(mut namespace) = as_process_one(&manager) else { return };
    wait_until("it serves", PATIENCE, || {
        manager.get("/health").try_send().is_ok_and(|reply| reply.status == 200)
    });
    let outer = i32::try_from(namespace.id()).unwrap();
    let one = below(outer).first().unwrap().0;
    let of_backend = || {
        let name = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_manager = |pid: i32| name(pid).starts_with(env!("CARGO_BIN_EXE_llm-manager"));
        below(one).into_iter().filter(|(pid, _)| !is_manager(*pid)).collect::<Vec<_>>()
    };
    assert_eq!(of_backend(), []);
    manager.chat("chat").send().ok();
    assert!(of_backend().len() >= 3, "{:?}", of_backend());
    // The backend dies and leaves its children, which ignore SIGTERM and have a session of their own.
    let is_fake = |pid: i32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        name.contains("fake-model-server")
    };
    let backend = of_backend().into_iter().find(|(pid, _)| is_fake(*pid)).unwrap().0;
    signal::kill(Pid::from_raw(backend), Signal::SIGKILL).unwrap();
    wait_until("what it left is gone, zombies too", PATIENCE, || {
        manager.state("chat") != "ready" && of_backend().is_empty()
    });
    wait_until("it serves again", PATIENCE, || manager.chat("chat").send().status == 200);
    signal::kill(Pid::from_raw(one), Signal::SIGTERM).unwrap();
    let mut ended = None;
    wait_until("it has ended", PATIENCE, || {
        ended = namespace.try_wait().unwrap();
        ended.is_some()
    });
    assert!(ended.unwrap().success(), "{ended:?}: {}", std::fs::read_to_string(manager.path("log")).unwrap());
    manager.wait_no_processes();
}

/// The image's files fit each other and the program.
#[test]
fn the_image_is_of_one_piece() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let (dockerfile, compose) =
        (read("packaging/container/Dockerfile"), read("packaging/container/compose.yaml"));
    let line = |start: &str| {
        let found = dockerfile.lines().find_map(|line| line.strip_prefix(start));
        found.unwrap_or_else(|| panic!("the Dockerfile has no {start}")).to_owned()
    };
    let manifest = read("Cargo.toml");
    let version =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(
        line("FROM rust:").starts_with(&format!("{version}-")),
        "it builds with another Rust than {version}"
    );
    for source in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY packaging")) {
        let source = format!("packaging{}", source.split(' ').next().unwrap());
        assert!(root.join(&source).exists(), "{source}");
    }
    // The program is process 1 itself: a shell in between would keep the signal.
    assert!(line("ENTRYPOINT ").starts_with("[\"/usr/local/bin/llm-manager\""));
    assert!(line("USER ").parse::<String>().unwrap() != "root");
    let config: serde_yaml::Value = serde_yaml::from_str(&read("packaging/container/config.yaml")).unwrap();
    let program = &config["program"];
    assert_eq!(line("EXPOSE "), program["port"].as_u64().unwrap().to_string());
    assert!(
        program["database"].as_str().unwrap().starts_with(&line("VOLUME ")),
        "the ledger is in the volume"
    );
    let compose: serde_yaml::Value = serde_yaml::from_str(&compose).unwrap();
    let service = &compose["services"]["llm-manager"];
    assert!(root.join(service["build"]["dockerfile"].as_str().unwrap()).exists());
    for mounted in service["volumes"].as_sequence().unwrap().iter().filter_map(|volume| volume.as_str()) {
        let (from, to) = mounted.split_once(':').unwrap();
        assert!(!from.starts_with('.') || root.join("packaging/container").join(from).exists(), "{mounted}");
        assert!(dockerfile.contains(to.trim_end_matches(":ro")), "{mounted}: nothing is there in the image");
    }
    let checked = Command::new(env!("CARGO_BIN_EXE_llm-manager"))
        .args(["--config", "packaging/container/config.yaml", "check"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
