//! How several managers of one database agree who leads, and tell each other what they have and want.
//!
//! What is done for a question is `policy::leadership::Lease::answer`, on a connection of its own whose session holds the lock.
//! All of it is for PostgreSQL; it blocks, and is called on threads that may.

use super::db::{ConnectionRole, Db, Location, connect};
use super::error::StoreError;
use diesel::{OptionalExtension, QueryableByName, RunQueryDsl, sql_query, sql_types};
use llm_manager_policy::leadership::{LeaseReply, Mark};
use std::collections::HashMap;

/// The lock of the one that leads.
const TRY: &str = "SELECT CAST(pg_try_advisory_lock(1280134476, 3) AS INTEGER)::BIGINT AS number";
const UNLOCK: &str = "SELECT COUNT(pg_advisory_unlock(1280134476, 3)) AS number";
/// Ends the session that has it and doesn't renew its lease.
const EVICT: &str = "SELECT COUNT(pg_terminate_backend(pid)) AS number FROM pg_locks \
    WHERE locktype = 'advisory' AND classid = 1280134476 AND objid = 3 AND objsubid = 2 AND granted AND pid <> pg_backend_pid() \
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
/// A server that is frozen, or a cut network, is noticed sooner than where rows are written.
const IMPATIENT: &str = "connect_timeout=2&tcp_user_timeout=2000";

/// What a manager says and asks.
#[derive(Clone, Debug, Default)]
pub struct LeaseQuestion {
    /// The manager's name, unlike that of every other, and another after each start.
    pub name: String,
    /// Where it is reached, for people.
    pub address: String,
    /// The number of the lease that it holds.
    pub held: Option<u64>,
    /// If this is still its last renewal, that of another is over.
    pub over: Option<Mark>,
    /// What it has, if it leads: a text of the managers' own.
    pub replicas: String,
    /// What it wants of the one that leads: the same.
    pub wishes: String,
}

/// Another manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerManager {
    /// Its name.
    pub name: String,
    /// Where it is reached.
    pub address: String,
    /// What it wants.
    pub wishes: String,
    /// Since the last question it has given a sign of life.
    pub alive: bool,
}

/// What the database says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseAnswer {
    /// Whether the lease is the asker's.
    pub said: LeaseReply,
    /// Who holds it; empty: nobody.
    pub leader: String,
    /// Where that one is reached.
    pub address: String,
    /// What it has.
    pub replicas: String,
    /// Which prices there are: another text, other prices.
    pub prices: String,
    /// The others.
    pub managers: Vec<PeerManager>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    token: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    renewals: i64,
    #[diesel(sql_type = sql_types::Text)]
    holder: String,
    #[diesel(sql_type = sql_types::Text)]
    address: String,
    #[diesel(sql_type = sql_types::Text)]
    replicas: String,
    #[diesel(sql_type = sql_types::Text)]
    prices: String,
}

#[derive(QueryableByName)]
struct Token {
    #[diesel(sql_type = sql_types::BigInt)]
    token: i64,
}

#[derive(QueryableByName)]
struct Other {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::Text)]
    address: String,
    #[diesel(sql_type = sql_types::BigInt)]
    beats: i64,
    #[diesel(sql_type = sql_types::Text)]
    wishes: String,
}

/// A connection at which nothing else is done. While its session lasts, so may the lock.
pub struct LeaseConnection {
    db: Db,
    locked: bool,
    /// How many signs of life each of the others has given.
    beats: HashMap<String, i64>,
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl LeaseConnection {
    /// Connects; the ledger must have been prepared.
    ///
    /// # Errors
    /// The database's.
    pub fn open(location: &Location) -> Result<Self, StoreError> {
        let Location::Postgres(address) = location else {
            return Err(StoreError::Refused("only a ledger in PostgreSQL can be shared".into()));
        };
        let separator = if address.contains('?') { '&' } else { '?' };
        let address = Location::Postgres(format!("{address}{separator}{IMPATIENT}"));
        let mut db = connect(&address, ConnectionRole::Write)?;
        // What was granted is granted, whatever happens to the server.
        db.run("SET synchronous_commit = on; SET statement_timeout = 2000; SET application_name = 'llm-manager leadership'")?;
        Ok(Self { db, locked: false, beats: HashMap::new() })
    }

    /// Says what there is to say, and asks for the lease.
    ///
    /// # Errors
    /// The database's; whether it has heard the question is unknown then, and the connection is of no use any more.
    pub fn ask(&mut self, question: &LeaseQuestion) -> Result<LeaseAnswer, StoreError> {
        sql_query(
            "INSERT INTO shared_managers (name, address, beats, wishes) VALUES ($1, $2, 0, $3) ON CONFLICT (name) DO UPDATE \
             SET address = excluded.address, beats = shared_managers.beats + 1, wishes = excluded.wishes",
        )
        .bind::<sql_types::Text, _>(&question.name)
        .bind::<sql_types::Text, _>(&question.address)
        .bind::<sql_types::Text, _>(&question.wishes)
        .execute(&mut self.db)?;
        if !self.locked {
            self.locked = self.db.number(TRY)? > 0;
        }
        let granted = if self.locked { self.renewed(question)? } else { None };
        if granted.is_none() && self.locked {
            self.db.number(UNLOCK)?;
            self.locked = false;
        }
        // Plans are written once, and go with their model only.
        let row: Row = sql_query(
            "SELECT token, renewals, holder, address, replicas, \
             (SELECT COUNT(*) || ' ' || COALESCE(MAX(id), 0) FROM price_plans) AS prices FROM shared_lease WHERE id = 1",
        )
        .get_result(&mut self.db)?;
        let mark = Mark { token: unsigned(row.token), renewals: unsigned(row.renewals) };
        if granted.is_none() && question.over == Some(mark) {
            // A holder that doesn't renew it, and whose session may still have the lock.
            self.db.number(EVICT)?;
        }
        let managers = self.others(&question.name)?;
        Ok(LeaseAnswer {
            said: granted.map_or(LeaseReply::Others(mark), LeaseReply::Yours),
            leader: row.holder,
            address: row.address,
            replicas: row.replicas,
            prices: row.prices,
            managers,
        })
    }

    /// The lease, by whoever has the lock: renewed, or taken over from one that is over.
    fn renewed(&mut self, question: &LeaseQuestion) -> Result<Option<u64>, StoreError> {
        if let Some(held) = question.held {
            let renewed: Option<Token> = sql_query(
                "UPDATE shared_lease SET renewals = renewals + 1, address = $3, replicas = $4 \
                 WHERE id = 1 AND holder = $1 AND token = $2 RETURNING token",
            )
            .bind::<sql_types::Text, _>(&question.name)
            .bind::<sql_types::BigInt, _>(signed(held))
            .bind::<sql_types::Text, _>(&question.address)
            .bind::<sql_types::Text, _>(&question.replicas)
            .get_result(&mut self.db)
            .optional()?;
            if let Some(renewed) = renewed {
                return Ok(Some(unsigned(renewed.token)));
            }
        }
        let over = question.over.unwrap_or_default();
        // What its predecessor had stays in the row until the new one has taken stock.
        let taken: Option<Token> = sql_query(
            "UPDATE shared_lease SET token = token + 1, renewals = 0, holder = $1, address = $2 \
             WHERE id = 1 AND (holder = '' OR (token = $3 AND renewals = $4)) RETURNING token",
        )
        .bind::<sql_types::Text, _>(&question.name)
        .bind::<sql_types::Text, _>(&question.address)
        .bind::<sql_types::BigInt, _>(if question.over.is_some() { signed(over.token) } else { -1 })
        .bind::<sql_types::BigInt, _>(signed(over.renewals))
        .get_result(&mut self.db)
        .optional()?;
        Ok(taken.map(|taken| unsigned(taken.token)))
    }

    fn others(&mut self, own: &str) -> Result<Vec<PeerManager>, StoreError> {
        let rows: Vec<Other> = sql_query(
            "SELECT name, address, beats, wishes FROM shared_managers WHERE name <> $1 ORDER BY name",
        )
        .bind::<sql_types::Text, _>(own)
        .load(&mut self.db)?;
        let before = std::mem::take(&mut self.beats);
        Ok(rows
            .into_iter()
            .map(|row| {
                let alive = before.get(&row.name).is_some_and(|beats| *beats != row.beats);
                self.beats.insert(row.name.clone(), row.beats);
                PeerManager { name: row.name, address: row.address, wishes: row.wishes, alive }
            })
            .collect())
    }

    /// Forgets managers that are gone.
    ///
    /// # Errors
    /// The database's.
    pub fn forget(&mut self, gone: &[String]) -> Result<(), StoreError> {
        for name in gone {
            sql_query("DELETE FROM shared_managers WHERE name = $1")
                .bind::<sql_types::Text, _>(name)
                .execute(&mut self.db)?;
        }
        Ok(())
    }

    /// Gives the lease of this number back: another may have it at once.
    ///
    /// # Errors
    /// The database's.
    pub fn resign(&mut self, name: &str, held: Option<u64>, for_good: bool) -> Result<(), StoreError> {
        if let Some(held) = held {
            sql_query("UPDATE shared_lease SET holder = '' WHERE id = 1 AND holder = $1 AND token = $2")
                .bind::<sql_types::Text, _>(name)
                .bind::<sql_types::BigInt, _>(signed(held))
                .execute(&mut self.db)?;
        }
        if self.locked {
            self.db.number(UNLOCK)?;
            self.locked = false;
        }
        if for_good {
            self.forget(&[name.to_owned()])?;
        }
        Ok(())
    }

    /// Closes the runs that have given no sign of life since then, those in `kept` left out.
    ///
    /// # Errors
    /// The database's.
    pub fn close_runs(&mut self, kept: &[i64], since: i64) -> Result<i64, StoreError> {
        let kept = super::filter::list(kept.iter());
        let lost = format!("ended_us IS NULL AND heartbeat_us < {since} AND id NOT IN ({kept})");
        let count = self.db.number(&format!("SELECT COUNT(*) AS number FROM runs WHERE {lost}"))?;
        self.db.run(&format!(
            "UPDATE runs SET ended_us = heartbeat_us, end_reason = 'the manager was lost', cause = 'manager_lost' WHERE {lost}"
        ))?;
        Ok(count)
    }
}
