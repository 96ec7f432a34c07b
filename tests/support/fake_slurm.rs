//! Slurm's programs for tests without a cluster: `fake_slurm.py`, whose jobs are processes of this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const PROGRAM: &str = include_str!("fake_slurm.py");

pub(crate) struct FakeSlurm {
    folder: tempfile::TempDir,
}

impl FakeSlurm {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("fake-slurm-").tempdir().unwrap();
        fs::write(folder.path().join("slurm.py"), PROGRAM).unwrap();
        for name in ["sbatch", "squeue", "scontrol", "scancel", "sinfo"] {
            let file = folder.path().join(name);
            let text = format!(
                "#!/bin/sh\nexec /usr/bin/python3 -I -S {}/slurm.py {name} \"$@\"\n",
                folder.path().display()
            );
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { folder }
    }

    /// The `PATH` of a manager that finds it.
    pub(crate) fn path(&self) -> String {
        let own = std::env::var("PATH").unwrap();
        format!("{}:{own}", self.folder.path().display())
    }

    /// What a line of shell prints.
    pub(crate) fn run(&self, line: &str) -> String {
        let done = Command::new("sh").args(["-c", line]).env("PATH", self.path()).output().unwrap();
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// All calls of its programs so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for FakeSlurm {
    fn drop(&mut self) {
        // A test that failed may have left jobs.
        let jobs = self.run("squeue --states=all --format='%i|%T'");
        for line in jobs.lines().filter(|line| line.ends_with("|RUNNING")) {
            let id = line.split('|').next().unwrap_or_default();
            self.run(&format!("scancel --signal=KILL {id}"));
        }
    }
}
