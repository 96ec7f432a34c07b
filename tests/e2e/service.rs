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
    let ready = loop {
        let next = told(&socket);
        if !next.contains(&"STATUS=opening the ledger".to_owned()) {
            break next;
        }
    };
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

/// A systemd of one user's, which runs as the machine's would: it stops what it runs when it ends.
struct Systemd {
    home: tempfile::TempDir,
    process: std::process::Child,
}

impl Systemd {
    /// `None`, and a word about it, where there is none or where this user may not have one.
    fn start() -> Option<Self> {
        const PROGRAM: &str = "/lib/systemd/systemd";
        if !Path::new(PROGRAM).exists() {
            eprintln!("skipped: systemd is not installed (Debian's package systemd)");
            return None;
        }
        let home = tempfile::Builder::new().prefix("llm-manager-systemd-").tempdir().unwrap();
        for folder in ["run", "my models"] {
            std::fs::create_dir(home.path().join(folder)).unwrap();
        }
        std::fs::set_permissions(home.path().join("run"), std::fs::Permissions::from_mode(0o700)).unwrap();
        // It asks this folder whether a systemd has started the machine; only it sees the answer.
        let script = format!(
            "mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system && exec {PROGRAM} --user"
        );
        let log = std::fs::File::create(home.path().join("log")).unwrap();
        let process = Self::dress(&mut Command::new("setpriv"), home.path())
            .args(["--pdeathsig", "TERM", "unshare", "--mount", "sh", "-c", &script])
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut started = Self { home, process };
        let until = std::time::Instant::now() + PATIENCE;
        while started.process.try_wait().unwrap().is_none() && std::time::Instant::now() < until {
            if started.ctl(&["is-active", "basic.target"]).status.success() {
                return Some(started);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let why = std::fs::read_to_string(started.home.path().join("log")).unwrap();
        eprintln!("skipped: systemd doesn't start here: {why}");
        None
    }

    fn dress<'a>(command: &'a mut Command, home: &Path) -> &'a mut Command {
        for name in ["XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS", "NOTIFY_SOCKET"] {
            command.env_remove(name);
        }
        command.env("HOME", home).env("XDG_RUNTIME_DIR", home.join("run")).current_dir(home.join("my models"))
    }

    fn ctl(&self, words: &[&str]) -> Output {
        Self::dress(&mut Command::new("systemctl"), self.home.path())
            .arg("--user")
            .args(words)
            .output()
            .unwrap()
    }

    /// `llm-manager service`: whether it went well, and what it said.
    fn service(&self, order: &str) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_llm-manager"));
        let output = Self::dress(&mut command, self.home.path())
            .args(["--config", "config.yaml", "service", order, "--user"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), said)
    }

    /// The process of the service; 0: none.
    fn main_pid(&self) -> u32 {
        let said = self.ctl(&["show", "--property", "MainPID", "--value", "llm-manager"]).stdout;
        String::from_utf8_lossy(&said).trim().parse().unwrap()
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        signal("TERM", self.process.id());
        let _ = self.process.wait();
    }
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// The body of an answer; empty where nobody answers.
fn ask(port: u16, method: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let exchange = || {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    let answer: std::io::Result<String> = exchange();
    answer.ok().and_then(|text| Some(text.split_once("\r\n\r\n")?.1.to_owned())).unwrap_or_default()
}

#[test]
fn a_real_systemd_starts_it_watches_it_and_ends_it() {
    let Some(systemd) = Systemd::start() else { return };
    let port = crate::support::free_port();
    let fake = env!("CARGO_BIN_EXE_fake-model-server");
    let config = format!(
        "program: {{host: 127.0.0.1, port: {port}, Disable_GPU_monitoring: true}}\n\
         Local-Models: {{m: {{mode: Chat, V: {{command: ['{fake}', --port, '{{port}}']}}}}}}\n"
    );
    std::fs::write(systemd.home.path().join("my models/config.yaml"), config).unwrap();
    let serves = || ask(port, "GET", "/health").contains("ok");
    let backend = || {
        let model: serde_json::Value = serde_json::from_str(&ask(port, "GET", "/api/models/m")).ok()?;
        u32::try_from(model["pid"].as_u64()?).ok()
    };
    let lives = |pid: u32| Path::new(&format!("/proc/{pid}")).exists();

    let (installed, said) = systemd.service("install");
    assert!(installed, "{said}");
    // Quicker than after a minute.
    let units = systemd.home.path().join(".config/systemd/user");
    std::fs::create_dir(units.join("llm-manager.service.d")).unwrap();
    std::fs::write(units.join("llm-manager.service.d/quick.conf"), "[Service]\nWatchdogSec=5\n").unwrap();
    assert!(systemd.ctl(&["daemon-reload"]).status.success());
    let (started, said) = systemd.service("start");
    assert!(started && serves(), "it is started when it serves: {said}");
    let policy = systemd.ctl(&["show", "--property=OOMPolicy", "llm-manager"]);
    let policy = String::from_utf8(policy.stdout).unwrap();
    assert_eq!(policy.trim(), "OOMPolicy=continue", "one backend that the kernel kills ends no other");
    let (runs, said) = systemd.service("status");
    assert!(runs && said.contains(&format!("serving at http://127.0.0.1:{port}")), "{said}");

    ask(port, "POST", "/api/models/m/start");
    let (first, served) = (systemd.main_pid(), backend().expect("the model has a process"));
    signal("STOP", first);
    crate::support::wait_until("one that hangs is replaced", PATIENCE, || {
        ![0, first].contains(&systemd.main_pid()) && serves()
    });
    crate::support::wait_until("its backend is gone", PATIENCE, || !lives(served));

    ask(port, "POST", "/api/models/m/start");
    let (second, served) = (systemd.main_pid(), backend().expect("the model has a process"));
    signal("KILL", second);
    crate::support::wait_until("one that crashes is replaced", PATIENCE, || {
        ![0, second].contains(&systemd.main_pid()) && serves()
    });
    crate::support::wait_until("its backend is gone", PATIENCE, || !lives(served));

    ask(port, "POST", "/api/models/m/start");
    let served = backend().expect("the model has a process");
    let (stopped, said) = systemd.service("stop");
    assert!(stopped && !serves() && !lives(served), "{said}");
    assert!(!systemd.service("status").0);
    let (removed, said) = systemd.service("uninstall");
    assert!(removed && !units.join("llm-manager.service").exists(), "{said}");
}
