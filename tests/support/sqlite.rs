//! Python's SQLite, as another program that has a hand on the ledger.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Another process that has locked the ledger; it lets go when this is dropped.
pub(crate) struct Lock(Child);

impl Lock {
    pub(crate) fn take(ledger: &Path) -> Self {
        const HOLD: &str = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],timeout=20,isolation_level=None)\n\
                            c.execute('BEGIN IMMEDIATE')\nprint('locked',flush=True)\nsys.stdin.read()";
        let mut child = Command::new("python3")
            .args(["-c", HOLD])
            .arg(ledger)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said.trim(), "locked");
        Self(child)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Makes the ledger of an earlier version: all migrations but the last, and no row.
pub(crate) fn make_older(ledger: &Path) {
    const MAKE: &str = "import sqlite3,sys,pathlib\nc=sqlite3.connect(sys.argv[1])\n\
        c.executescript('PRAGMA application_id=1280134476; CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) \
        PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)')\n\
        for one in sorted(pathlib.Path(sys.argv[2]).iterdir())[:-1]:\n\
        \x20   c.executescript((one/'up.sql').read_text())\n\
        \x20   c.execute('INSERT INTO __diesel_schema_migrations (version) VALUES (?)', (one.name.split('_')[0].replace('-',''),))\n\
        c.commit()";
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let made = Command::new("python3").args(["-c", MAKE]).arg(ledger).arg(migrations).status().unwrap();
    assert!(made.success());
}
