//! The ledger: what every request and every hour of run time took and cost, in SQLite or PostgreSQL.
//!
//! All of diesel is here. `open` brings a ledger up to date or refuses it; one `Writer` (held by the
//! `billing` actor) writes; a `LedgerReader` answers reports. Read `migrations/README.md` for the tables and
//! their units, `row` for what is recorded, `write` for how, `report` and `requests` for what is read.

mod address;
mod audit;
mod backup;
mod bounds;
mod buckets;
mod copy;
mod db;
mod error;
mod fault;
mod filter;
mod generator;
mod histogram;
mod hold;
mod import;
mod index;
mod insert;
mod journal;
mod labels;
mod late;
mod latency;
mod maintain;
mod migrate;
mod myself;
mod names;
mod open;
mod place;
mod plans;
mod reader;
mod report;
mod requests;
mod restore;
mod rollup;
mod row;
mod runs;
mod schema;
mod sender;
mod shared;
mod shares;
mod statement;
mod storage;
mod sums;
#[cfg(any(test, feature = "testing"))]
#[expect(clippy::unwrap_used, clippy::panic, missing_docs, reason = "it is for tests")]
pub mod testing;
#[cfg(test)]
mod tests;
mod totals;
mod upsert;
mod watch;
mod write;

pub use audit::{AuditQuery, AuditView};
pub use backup::backup;
pub use buckets::{Bucket, MOST_BUCKETS};
pub use copy::{Copied, copy};
pub use db::Location;
pub use error::{OpenError, StoreError};
pub use filter::{Dimension, Filter};
pub use generator::Generator;
pub use import::{Configuration, DefinedModel, Imported, Original, Target, Variant};
pub use labels::Labels;
pub use latency::{Latency, Quantiles};
pub use maintain::{Deleted, Renamed};
pub use open::{Opened, open, open_in};
pub use plans::{PlanRecord, PlanSource};
pub use reader::LedgerReader;
pub use requests::{Cursor, Page, PageQuery, RequestView};
pub use restore::{Restored, restore};
pub use row::{
    AuditRow, Energy, Event, KeySource, Micros, Outcome, Parking, Pricing, RequestRow, RowKey, RunRow,
    Tokens, UsageSource, now_us,
};
pub use runs::RunQuery;
pub use runs::{RunCost, StoredRun};
pub use sender::Sender;
pub use shared::{Answer, Council, Manager, Question};
pub use shares::{RequestShare, RunShares};
pub use statement::{Statement, StatementLine};
pub use storage::{ModelStorage, Storage};
pub use totals::{Group, Series, Summary, Totals};
pub use write::Written;

pub use hold::{Company, Hold};
pub use maintain::Step;
pub use watch::Eye;
pub use write::{Beat, Writer};
