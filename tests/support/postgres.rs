//! A PostgreSQL server of a test's own, on loopback; it ends with the test.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{PATIENCE, free_port, wait_until};

pub(crate) struct Postgres {
    dir: tempfile::TempDir,
    bin: PathBuf,
    port: u16,
    server: Child,
}

impl Postgres {
    /// `None`, and a word about it, where PostgreSQL isn't installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(bin) = newest() else {
            assert!(std::env::var_os("CI_REQUIRE_POSTGRES").is_none(), "PostgreSQL is not installed");
            eprintln!("skipped: PostgreSQL is not installed (Debian's package postgresql)");
            return None;
        };
        let dir = tempfile::Builder::new().prefix("llm-manager-postgres-").tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        // It refuses to run as root.
        let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        if is_root {
            assert!(Command::new("chown").arg("postgres").arg(&data).status().unwrap().success());
        }
        let run = |program: &str| {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL"]);
            if is_root {
                command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
            }
            command.arg(bin.join(program)).arg("-D").arg(&data).current_dir("/");
            // Its words are German where the translations are installed: nobody may go by them.
            command.env("LANGUAGE", "de").env("LC_ALL", "C.UTF-8");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let made = run("initdb").args(["-A", "trust", "-U", "postgres", "-N", "-E", "UTF8"]).status();
        assert!(made.unwrap().success(), "initdb failed");
        let port = free_port();
        let mut server = run("postgres");
        server.args(["-c", &format!("port={port}"), "-c", "listen_addresses=127.0.0.1"]);
        server.args(["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "lc_messages=C.UTF-8"]);
        let server = server.spawn().unwrap();
        let started = Self { dir, bin, port, server };
        wait_until("PostgreSQL answers", PATIENCE, || started.ask("SELECT 1") == "1");
        Some(started)
    }

    /// For `program.database`.
    pub(crate) fn address(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it with all of its processes, as a host that hangs or a cut network does, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        use nix::sys::signal::{Signal, kill};
        use nix::unistd::Pid;
        let server = self.server.id();
        let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
        let children = children.split_whitespace().map(|pid| pid.parse::<i32>().unwrap());
        for pid in std::iter::once(i32::try_from(server).unwrap()).chain(children) {
            // A child may have ended meanwhile.
            let _ = kill(Pid::from_raw(pid), if frozen { Signal::SIGSTOP } else { Signal::SIGCONT });
        }
    }

    /// What a statement answers; empty if it fails.
    pub(crate) fn ask(&self, statement: &str) -> String {
        let output = Command::new(self.bin.join("psql"))
            .args(["-qAt", "-d", &self.address(), "-c", statement])
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn newest() -> Option<PathBuf> {
    let versions = std::fs::read_dir(Path::new("/usr/lib/postgresql")).ok()?;
    let mut found: Vec<PathBuf> = versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}
