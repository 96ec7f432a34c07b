//! Events that the database does not take, although it takes others: they are put aside for a person to look at.

use super::handle::Core;
use super::overflow::with_suffix;
use llm_manager_ledger::{BatchResult, LedgerEvent, StoreError, Writer};
use llm_manager_process::private_files;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Writes events; those that the database does not take, although it takes others, are put aside.
pub(super) fn write_all(
    core: &Core,
    writer: &mut Writer,
    events: &[LedgerEvent],
) -> Result<BatchResult, StoreError> {
    if events.is_empty() {
        return Ok(BatchResult::default());
    }
    let error = match writer.write(events, true) {
        Err(error) if error.may_be_the_row() => error,
        other => return other,
    };
    if let [event] = events {
        if !writer.is_fault_of(event)? {
            return Err(error);
        }
        put_aside(core, &[event], &error.to_string())?;
        return Ok(BatchResult::default());
    }
    // One by one: the first that is not refused for its own fault ends it, for nothing can be written then.
    let mut written = BatchResult::default();
    for event in events {
        let one = write_all(core, writer, std::slice::from_ref(event))?;
        written.requests += one.requests;
        written.duplicates += one.duplicates;
    }
    Ok(written)
}

/// Where the rejected go, for a person to look at.
pub(super) fn rejected_path(core: &Core) -> PathBuf {
    with_suffix(&core.overflow_path, ".rejected")
}

fn put_aside(core: &Core, events: &[&LedgerEvent], error: &str) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let path = rejected_path(core);
    let mut text = Vec::new();
    for event in events {
        serde_json::to_writer(&mut text, event).map_err(|error| StoreError::Other(error.to_string()))?;
        text.push(b'\n');
    }
    let io = |error: std::io::Error| StoreError::Full(format!("{}: {error}", path.display()));
    private_files::file()
        .append(true)
        .create(true)
        .open(&path)
        .and_then(|mut file| file.write_all(&text))
        .map_err(io)?;
    core.counters.rejected.fetch_add(events.len() as u64, Ordering::Relaxed);
    log::error!(
        "billing: {} rows were rejected by the database ({error}) and are in {}; `llm-manager ledger replay` tries them again",
        events.len(),
        path.display()
    );
    Ok(())
}
