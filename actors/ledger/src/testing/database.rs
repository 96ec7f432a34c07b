//! Where the tests keep their ledgers: a folder with an SQLite file, and a PostgreSQL server that is started
//! for the test, on loopback.

use crate::Location;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Set by CI, which installs PostgreSQL: then its absence is a failure.
const REQUIRED: &str = "CI_REQUIRE_POSTGRES";

/// A place for one ledger; it is gone when this is dropped.
pub struct TestDatabase {
    pub location: Location,
    pub dir: TempDir,
    _server: Option<Server>,
}

impl TestDatabase {
    /// For an SQLite file that is not there yet.
    pub fn sqlite() -> Self {
        let dir = TempDir::new().unwrap();
        Self { location: Location::File(dir.path().join("ledger.db")), dir, _server: None }
    }

    pub fn file(&self) -> PathBuf {
        self.dir.path().join("ledger.db")
    }

    fn postgres() -> Option<Self> {
        let bin = newest_postgres()?;
        let dir = TempDir::new().unwrap();
        let server = Server::start(&bin, dir.path());
        let location = Location::Postgres(format!("postgres://postgres@127.0.0.1:{}/postgres", server.port));
        Some(Self { location, dir, _server: Some(server) })
    }
}

/// Runs a test on SQLite, then on PostgreSQL.
pub fn everywhere(test: impl Fn(&TestDatabase)) {
    test(&TestDatabase::sqlite());
    if !cfg!(feature = "postgres") {
        return;
    }
    match TestDatabase::postgres() {
        Some(place) => test(&place),
        None if std::env::var_os(REQUIRED).is_some() => {
            panic!("PostgreSQL is not installed, and {REQUIRED} is set")
        }
        None => eprintln!("skipped on PostgreSQL: it is not installed (Debian's package postgresql)"),
    }
}

fn newest_postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(bin: &Path, dir: &Path) -> Self {
        // PostgreSQL refuses to run as root.
        let is_root =
            std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
        let data = dir.join("data");
        std::fs::create_dir(&data).unwrap();
        if is_root {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o711)).unwrap();
            let status = Command::new("chown").arg("postgres").arg(&data).status().unwrap();
            assert!(status.success());
        }
        let command = |program: &str| {
            let mut command = Command::new("setpriv");
            // With the test, its server ends, too.
            command.args(["--pdeathsig", "KILL"]);
            if is_root {
                command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
            }
            command.arg(bin.join(program)).arg("-D").arg(&data).current_dir("/");
            // It says everything in German, where its translations are installed: nobody may go by its words. A locale
            // other than C takes its language from here.
            command.env("LANGUAGE", "de").env("LC_ALL", "C.UTF-8");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let status =
            command("initdb").args(["-A", "trust", "-U", "postgres", "-N", "-E", "UTF8"]).status().unwrap();
        assert!(status.success(), "initdb failed");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = command("postgres");
        for setting in [
            &*format!("port={port}"),
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "shared_buffers=32MB",
            "lc_messages=C.UTF-8",
        ] {
            server.args(["-c", setting]);
        }
        let started = Self { child: server.spawn().unwrap(), port };
        started.wait();
        started
    }

    fn wait(&self) {
        let location = Location::Postgres(format!("postgres://postgres@127.0.0.1:{}/postgres", self.port));
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match crate::db::connect(&location, crate::db::ConnectionRole::Read) {
                Ok(_) => return,
                Err(error) => assert!(Instant::now() < deadline, "PostgreSQL does not come up: {error}"),
            }
            pause(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT would be the polite way; nothing here is to be kept.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "no arbiter in a test of plain functions")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
