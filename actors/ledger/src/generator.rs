//! Fills a ledger with rows for measurements: as the writer does, but without waiting for the disk.

use super::db::Location;
use super::error::StoreError;
use super::open::open;
use super::row::{KeySource, LedgerEvent, RequestRow, now_us};
use super::write::Writer;

/// Writes large batches at once. Not for a ledger that means something: a crash may spoil it.
pub struct Generator {
    writer: Writer,
    keys: KeySource,
}

impl Generator {
    /// Opens a ledger, or makes one. Blocks.
    pub fn open(location: &Location) -> Result<Self, StoreError> {
        open(location, "generator", now_us()).map_err(|error| StoreError::Other(error.to_string()))?;
        let mut writer = Writer::open(location)?;
        if writer.db.is_sqlite() {
            writer.db.run("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")?;
        }
        Ok(Self { writer, keys: KeySource::new() })
    }

    /// Writes rows in one transaction and gives them their keys. Blocks.
    pub fn write(&mut self, rows: Vec<RequestRow>) -> Result<(), StoreError> {
        let event = |mut row: RequestRow| {
            row.bound();
            row.key = self.keys.next(row.ended_us());
            LedgerEvent::Request(Box::new(row))
        };
        let events: Vec<LedgerEvent> = rows.into_iter().map(event).collect();
        self.writer.write(&events, false).map(drop)
    }
}
