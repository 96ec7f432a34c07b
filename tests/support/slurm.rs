//! A Slurm cluster of two nodes with fake GPUs for a test, in a folder of its own (`tests/slurm/cluster.sh`).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) struct Cluster {
    folder: tempfile::TempDir,
}

fn script() -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.map(|folder| folder.join("tests/slurm/cluster.sh")).find(|file| file.is_file()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test may wait for a program")]
fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn is_possible() -> bool {
    let there = output(
        Command::new("sh")
            .args(["-c", "PATH=$PATH:/usr/sbin; command -v slurmctld munged && [ $(id -u) = 0 ]"]),
    );
    let required = std::env::var("CI_REQUIRE_SLURM").is_ok_and(|value| value == "1");
    assert!(there.status.success() || !required, "Slurm isn't installed, or the tests don't run as root");
    if !there.status.success() {
        eprintln!(
            "skipped: Slurm isn't installed (tests/slurm.sh installs it), or the tests don't run as root"
        );
    }
    there.status.success()
}

impl Cluster {
    /// `None`, with a word: there is no Slurm here.
    pub(crate) fn start() -> Option<Self> {
        if !is_possible() {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("slurm-").tempdir().unwrap();
        let started = output(Command::new(script()).arg("start").arg(folder.path()));
        assert!(
            started.status.success(),
            "the cluster doesn't start: {}",
            String::from_utf8_lossy(&started.stderr)
        );
        Some(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.folder().join("slurm.conf")
    }

    /// What a line of shell prints.
    pub(crate) fn run(&self, line: &str) -> String {
        let done = output(Command::new("sh").args(["-c", line]).env("SLURM_CONF", self.conf()));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// From now on the nodes have an empty folder of their own at this path, each another one: they don't share it with this machine any more.
    pub(crate) fn part(&self, path: &Path) {
        for node in ["n1", "n2"] {
            let pid = std::fs::read_to_string(self.folder().join(format!("slurmd-{node}.pid"))).unwrap();
            let mount = ["--mount", "mount", "-t", "tmpfs", "tmpfs"];
            let done = output(Command::new("nsenter").args(["--target", pid.trim()]).args(mount).arg(path));
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }

    /// What a line of shell prints that sees what a node sees.
    pub(crate) fn run_on(&self, node: &str, line: &str) -> String {
        let pid = format!("$(cat {}/slurmd-{node}.pid)", self.folder().display());
        self.run(&format!("nsenter --target {pid} --mount sh -c '{line}'"))
    }

    /// `controller`, or `node NAME`: starts it once more.
    pub(crate) fn again(&self, what: &str) {
        let mut words = what.split(' ');
        let started = output(Command::new(script()).args(words.next()).arg(self.folder()).args(words));
        assert!(started.status.success());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.run("squeue --states=all --format='%i %T %r %N %k'; tail -n 3 \"$(dirname $SLURM_CONF)\"/log/*"));
        }
        output(Command::new(script()).arg("stop").arg(self.folder.path()));
    }
}
