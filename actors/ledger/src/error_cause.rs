//! Whose fault is it that a row was not written: its own, or the database's?
//!
//! Only a row's own fault puts it aside. PostgreSQL is asked for the SQLSTATE (diesel doesn't pass it on, and the words are
//! in the language of the server); then a plain row is tried in its place, on both databases.

use super::error::StoreError;
use super::labels::Labels;
use super::row::{KeySource, LedgerEvent, RequestRow, now_us};
#[cfg(feature = "postgres")]
use super::row_id::{StoredId, first_id};
use super::write::Writer;
use std::sync::Arc;

impl Writer {
    /// True if the event alone can't be written, although others can. An error: nothing can be written now.
    pub fn is_fault_of(&mut self, event: &LedgerEvent) -> Result<bool, StoreError> {
        #[cfg(feature = "postgres")]
        if let LedgerEvent::Request(row) = event
            && let Some(state) = self.sqlstate(row)?
            && !may_be_a_rows(&state)
        {
            return Err(StoreError::Other(format!("PostgreSQL takes no rows now (SQLSTATE {state})")));
        }
        if !self.takes(&plain(event))? {
            return Err(StoreError::Other("the ledger takes no rows at all".into()));
        }
        // Once more: the trouble may have ended between the two.
        Ok(!self.takes(event)?)
    }

    /// Whether it could be written; nothing stays of it.
    fn takes(&mut self, event: &LedgerEvent) -> Result<bool, StoreError> {
        match self.rehearse(event) {
            Ok(()) => Ok(true),
            Err(error) if error.may_be_the_row() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The SQLSTATE with which PostgreSQL refuses the row itself; `None` where it doesn't.
    #[cfg(feature = "postgres")]
    fn sqlstate(&mut self, row: &RequestRow) -> Result<Option<String>, StoreError> {
        if self.db.is_sqlite() {
            return Ok(None);
        }
        let facet = self.transact(|db, names| names.facet(db, &row.labels, row.started_us))?;
        let body = format!(
            "BEGIN EXECUTE {}; EXCEPTION WHEN OTHERS THEN RAISE EXCEPTION USING MESSAGE = '{MARK}' || SQLSTATE; END",
            quote(&insertion(row, facet))
        );
        self.db.run("BEGIN")?;
        let done = diesel::connection::SimpleConnection::batch_execute(
            &mut self.db,
            &format!("DO {}", quote(&body)),
        );
        self.db.run("ROLLBACK")?;
        match done {
            Err(diesel::result::Error::DatabaseError(_, info)) => {
                Ok(info.message().strip_prefix(MARK).map(str::to_owned))
            }
            _ => Ok(None),
        }
    }
}

/// Before the SQLSTATE, in a message of our own.
#[cfg(feature = "postgres")]
const MARK: &str = "llm-manager SQLSTATE ";

/// The classes that values can cause: data exceptions, broken constraints, what a trigger says; and a statement that is
/// too large.
#[cfg(feature = "postgres")]
fn may_be_a_rows(state: &str) -> bool {
    ["22", "23", "P0", "54"].iter().any(|class| state.starts_with(class))
}

/// An event of the same kind and labels that nothing can be said against.
fn plain(event: &LedgerEvent) -> LedgerEvent {
    let now = now_us();
    match event {
        LedgerEvent::Request(row) => LedgerEvent::Request(Box::new(RequestRow {
            key: KeySource::new().next(now),
            request_id: "trial".into(),
            labels: Arc::new(Labels { currency: "".into(), ..Labels::clone(&row.labels) }),
            started_us: now,
            status: 200,
            ..RequestRow::default()
        })),
        LedgerEvent::Audit(_) => LedgerEvent::Audit(Box::new(super::AuditRow {
            key: KeySource::new().next(now),
            at_us: now,
            who: "trial".into(),
            ..super::AuditRow::default()
        })),
        LedgerEvent::Run(run) => LedgerEvent::Run(Box::new(super::RunRow {
            id: i64::MAX,
            model: Arc::clone(&run.model),
            variant: Arc::clone(&run.variant),
            started_us: now,
            heartbeat_us: now,
            ..super::RunRow::default()
        })),
    }
}

#[cfg(feature = "postgres")]
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// As text, for `EXECUTE`.
#[cfg(feature = "postgres")]
fn insertion(row: &RequestRow, facet: i64) -> String {
    let number = |value: Option<i64>| value.map_or_else(|| "NULL".to_owned(), |value| value.to_string());
    let text = |value: Option<&str>| value.map_or_else(|| "NULL".to_owned(), quote);
    let (told, tokens) = (StoredId::of(row), &row.tokens);
    let values = [
        // Behind the places of rows that are found by themselves.
        (first_id(row.ended_us().saturating_add(1)) - 1).to_string(),
        told.tag.to_string(),
        facet.to_string(),
        row.duration_us.to_string(),
        row.queue_us.to_string(),
        number(row.first_byte_us),
        row.status.to_string(),
        text(row.outcome.stored().as_deref()),
        number(tokens.input),
        number(tokens.cached),
        number(tokens.cache_write),
        number(tokens.output),
        number(tokens.reasoning),
        text(row.usage_source.stored()),
        number(row.cost),
        text(row.pricing.stored(row.cost)),
        number(row.plan_id),
        number(row.run_id),
        row.replayed.to_string(),
        text(told.request_id),
        text(row.error.as_deref()),
        "NULL".to_owned(),
    ];
    format!("{}({})", super::insert::COLUMNS, values.join(", "))
}
