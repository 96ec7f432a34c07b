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
mod error_cause;
mod file_watch;
mod filter;
mod folder_lock;
mod generator;
mod histogram;
mod import;
mod insert;
mod journal;
mod journal_index;
mod labels;
mod late_rows;
mod latency;
mod leadership_lease;
mod maintain;
mod manager_name;
mod migrate;
mod names;
mod open;
mod plans;
mod reader;
mod report;
mod requests;
mod restore;
mod rollup;
mod row;
mod row_id;
mod runs;
mod schema;
mod sender;
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
mod write;

pub use audit::{AuditQuery, AuditView};
pub use backup::backup;
pub use buckets::{Bucket, MOST_BUCKETS};
pub use copy::{CopyResult, copy};
pub use db::Location;
pub use error::{OpenError, StoreError};
pub use filter::{Dimension, Filter};
pub use generator::Generator;
pub use import::{Configuration, DefinedModel, Imported, ImportedVariant, Original, Target};
pub use labels::Labels;
pub use latency::{Latency, Quantiles};
pub use leadership_lease::{LeaseAnswer, LeaseConnection, LeaseQuestion, PeerManager};
pub use maintain::{Deleted, RenameResult};
pub use open::{Opened, open, open_in};
pub use plans::{PlanRecord, PlanSource};
pub use reader::LedgerReader;
pub use requests::{Cursor, Page, PageQuery, RequestView};
pub use restore::{Restored, restore};
pub use row::{
    AuditRow, Energy, KeySource, LedgerEvent, Micros, Outcome, Parking, Pricing, RequestRow, RowKey, RunRow,
    TokenCounts, UsageSource, now_us,
};
pub use runs::RunQuery;
pub use runs::{RunCost, StoredRun};
pub use sender::Sender;
pub use shares::{RequestShare, RunShares};
pub use statement::{Statement, StatementLine};
pub use storage::{ModelStorage, Storage};
pub use totals::{ReportGroup, Series, Summary, Totals};
pub use write::BatchResult;

pub use file_watch::LedgerFileHandle;
pub use folder_lock::{Company, FolderLock};
pub use maintain::JobProgress;
pub use write::{Heartbeat, Writer};
