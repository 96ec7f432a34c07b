//! The manager as a service of systemd: the unit that is written, and what the manager tells it. There is no systemd
//! here: `systemctl` is a script that notes how it was called, and the socket is the test's.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::support::{Config, Manager, Model, PATIENCE};

/// What comes through the socket next, as words.
fn told(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("the manager tells nothing more");
    String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned).collect()
}

#[test]
fn systemd_is_told_that_it_serves_lives_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let line = "echo notify=$NOTIFY_SOCKET watchdog=$WATCHDOG_USEC; sleep 600";
    let config = Config::with(Model::chat("m").command(&["sh", "-c", line]));
    let mut manager = Manager::start_with(
        &config,
        &[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "200000")],
    );
    let ready = told(&socket);
    assert!(ready.contains(&"READY=1".to_owned()), "{ready:?}");
    assert!(ready.contains(&format!("STATUS=serving at {}", manager.url())), "{ready:?}");
    for _ in 0..3 {
        assert_eq!(told(&socket), ["WATCHDOG=1"]);
    }
    // A backend could speak for the manager if it knew the socket.
    manager.act("/api/models/m/start?wait=false");
    crate::support::wait_until("the backend has printed", PATIENCE, || !manager.model_log("m").is_empty());
    assert_eq!(manager.model_log("m")[0], "notify= watchdog=");
    manager.stop();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut last = vec![];
    let mut buffer = [0; 4096];
    while let Ok(length) = socket.recv(&mut buffer) {
        last.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    assert!(last.iter().any(|told| told.contains("STOPPING=1")), "{last:?}");
}

/// `llm-manager service` of a user whose systemctl is a script.
fn service(home: &Path, order: &str) -> Output {
    let path = format!("{}:{}", home.join("bin").display(), std::env::var("PATH").unwrap());
    Command::new(env!("CARGO_BIN_EXE_llm-manager"))
        .args(["--config", "models/config.yaml", "service", order, "--user"])
        .current_dir(home)
        .env("HOME", home)
        .env_remove("XDG_CONFIG_HOME")
        .env("PATH", path)
        .output()
        .unwrap()
}

#[test]
fn a_service_is_installed_started_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().canonicalize().unwrap();
    std::fs::create_dir_all(home.join("bin")).unwrap();
    std::fs::create_dir_all(home.join("models")).unwrap();
    let systemctl = home.join("bin/systemctl");
    let script = "#!/bin/sh\necho \"$@\" >> \"$HOME/calls\"\n[ ! -e \"$HOME/broken\" ] || { echo no bus >&2; exit 1; }\n";
    std::fs::write(&systemctl, script).unwrap();
    std::fs::set_permissions(&systemctl, std::fs::Permissions::from_mode(0o755)).unwrap();
    let calls = || std::fs::read_to_string(home.join("calls")).unwrap_or_default();
    let unit = home.join(".config/systemd/user/llm-manager.service");
    let said = |output: &Output| {
        String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
    };

    std::fs::write(home.join("models/config.yaml"), "program: {prot: 1}\n").unwrap();
    let wrong = service(&home, "install");
    assert!(!wrong.status.success() && said(&wrong).contains("did you mean `port`"), "{}", said(&wrong));
    assert!(!unit.exists() && calls().is_empty(), "nothing is installed that can't run");

    std::fs::write(home.join("models/config.yaml"), "Local-Models: {}\n").unwrap();
    let installed = service(&home, "install");
    assert!(installed.status.success(), "{}", said(&installed));
    assert!(said(&installed).contains("llm-manager service start --user"), "{}", said(&installed));
    assert_eq!(calls(), "--user daemon-reload\n--user enable llm-manager.service\n");
    let text = std::fs::read_to_string(&unit).unwrap();
    let config = home.join("models/config.yaml");
    assert!(text.contains(&format!("--config \"{}\" serve\n", config.display())), "{text}");
    assert!(text.contains("Type=notify\n") && text.contains("WatchdogSec="), "{text}");

    assert!(service(&home, "start").status.success() && service(&home, "status").status.success());
    assert!(calls().contains("--user start llm-manager.service\n"), "{}", calls());
    std::fs::write(home.join("broken"), "").unwrap();
    let broken = service(&home, "stop");
    assert!(!broken.status.success(), "{}", said(&broken));
    assert!(said(&broken).contains("systemctl stop llm-manager.service: no bus"), "{}", said(&broken));
    assert!(!service(&home, "status").status.success());
    std::fs::remove_file(home.join("broken")).unwrap();
    let removed = service(&home, "uninstall");
    assert!(removed.status.success() && !unit.exists(), "{}", said(&removed));
    assert!(calls().contains("--user disable --now llm-manager.service\n"), "{}", calls());
    assert!(service(&home, "uninstall").status.success(), "what isn't there is gone");
}
