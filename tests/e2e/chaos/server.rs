//! Troubles of a ledger on a PostgreSQL server.

use fastrand::Rng;

use crate::support::postgres::{Held, Postgres};

pub(super) struct Server(Postgres);

/// What it suffers from.
pub(super) enum Suffering {
    Locked { _lock: Held },
    Frozen,
    Killed,
    Ended,
    ReadOnly,
    Closed,
    Cut,
}

impl Suffering {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "a table is locked",
            Self::Frozen => "the database is frozen",
            Self::Killed => "the database is killed",
            Self::Ended => "the database ends",
            Self::ReadOnly => "the database is read-only",
            Self::Closed => "the database takes no connections",
            Self::Cut => "connections to the database are cut",
        }
    }
}

const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()";

impl Server {
    pub(super) const fn new(postgres: Postgres) -> Self {
        Self(postgres)
    }

    pub(super) fn address(&self) -> String {
        self.0.address()
    }

    pub(super) fn suffer(&mut self, random: &mut Rng) -> Suffering {
        match random.u8(..7) {
            0 => {
                let table = ["request_rows", "rollups", "runs"][random.usize(..3)];
                let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
                Suffering::Locked { _lock: self.0.hold(&lock) }
            }
            1 => {
                self.0.freeze(true);
                Suffering::Frozen
            }
            2 => {
                self.0.crash();
                Suffering::Killed
            }
            3 => {
                self.0.end();
                Suffering::Ended
            }
            4 => {
                self.read_only("on");
                Suffering::ReadOnly
            }
            5 => {
                self.0.ask_in("template1", "ALTER DATABASE postgres ALLOW_CONNECTIONS false");
                self.0.ask_in("template1", CUT);
                Suffering::Closed
            }
            _ => {
                self.0.ask_in("template1", CUT);
                Suffering::Cut
            }
        }
    }

    pub(super) fn recover(&mut self, suffering: Suffering) {
        match suffering {
            Suffering::Locked { .. } | Suffering::Cut => (),
            Suffering::Frozen => self.0.freeze(false),
            Suffering::Killed | Suffering::Ended => self.0.start_again(),
            Suffering::ReadOnly => self.read_only("off"),
            Suffering::Closed => {
                self.0.ask_in("template1", "ALTER DATABASE postgres ALLOW_CONNECTIONS true");
            }
        }
    }

    fn read_only(&self, on: &str) {
        self.0.ask(&format!("ALTER SYSTEM SET default_transaction_read_only = {on}"));
        self.0.ask("SELECT pg_reload_conf()");
    }
}
