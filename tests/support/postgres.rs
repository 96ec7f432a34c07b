//! A PostgreSQL server of a test's own, on loopback; it ends with the test.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(&data).status().unwrap().success());
        }
        let mut initdb = run(&bin, &data, "initdb");
        initdb.args(["-A", "trust", "-U", "postgres", "-N", "-E", "UTF8"]);
        assert!(initdb.status().unwrap().success(), "initdb failed");
        let port = free_port();
        let server = serve(&bin, &data, port);
        let mut started = Self { dir, bin, port, server };
        started.wait();
        Some(started)
    }

    /// Until it answers; one that found that its predecessor isn't quite gone is started once more.
    fn wait(&mut self) {
        wait_until("PostgreSQL answers", 3 * PATIENCE, || {
            if self.server.try_wait().unwrap().is_some() {
                self.server = serve(&self.bin, &self.dir.path().join("data"), self.port);
            }
            self.ask("SELECT 1") == "1"
        });
    }

    /// For `program.database`.
    pub(crate) fn address(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it with all of its processes, as a host that hangs or a cut network does, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.signal_all(if frozen { Signal::SIGSTOP } else { Signal::SIGCONT });
    }

    /// Kills it with all of its processes, as a host that loses its power does.
    pub(crate) fn crash(&mut self) {
        self.signal_all(Signal::SIGKILL);
        self.server.wait().unwrap();
    }

    /// Ends it in good order, whoever is connected.
    pub(crate) fn end(&mut self) {
        kill(Pid::from_raw(self.server.id().cast_signed()), Signal::SIGINT).unwrap();
        self.server.wait().unwrap();
    }

    /// After `crash` or `end`.
    pub(crate) fn start_again(&mut self) {
        self.server = serve(&self.bin, &self.dir.path().join("data"), self.port);
        self.wait();
    }

    fn signal_all(&self, signal: Signal) {
        let server = self.server.id();
        let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
        let children = children.split_whitespace().map(|pid| pid.parse::<i32>().unwrap());
        for pid in std::iter::once(i32::try_from(server).unwrap()).chain(children) {
            // A child may have ended meanwhile.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// What a statement answers; empty if it fails.
    pub(crate) fn ask(&self, statement: &str) -> String {
        self.ask_in("postgres", statement)
    }

    /// The same in another database of the server.
    pub(crate) fn ask_in(&self, database: &str, statement: &str) -> String {
        let output = self.psql(database).args(["-c", statement]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A session that holds what the statement takes, until it is dropped.
    pub(crate) fn hold(&self, statement: &str) -> Held {
        let mut session = self.psql("postgres").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let told = format!("BEGIN; {statement};\n\\echo held\n");
        session.stdin.as_mut().unwrap().write_all(told.as_bytes()).unwrap();
        let mut said = String::new();
        BufReader::new(session.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said.trim(), "held");
        Held(session)
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-qAt", "-d", &format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)]);
        psql.env("PGCONNECT_TIMEOUT", "10").current_dir(self.dir.path());
        psql
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A session with a transaction that isn't over.
pub(crate) struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// One of its programs, as somebody else than root.
fn run(bin: &Path, data: &Path, program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.arg(bin.join(program)).arg("-D").arg(data).current_dir("/");
    // Its words are German where the translations are installed: nobody may go by them.
    command.env("LANGUAGE", "de").env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn serve(bin: &Path, data: &Path, port: u16) -> Child {
    let mut server = run(bin, data, "postgres");
    server.args(["-c", &format!("port={port}"), "-c", "listen_addresses=127.0.0.1"]);
    server.args(["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "lc_messages=C.UTF-8"]);
    server.spawn().unwrap()
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
