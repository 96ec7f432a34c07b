//! Events that the database does not take, although it takes others: they are put aside for a person to look at.

use super::handle::Core;
use super::overflow::with_suffix;
use llm_manager_ledger::{Event, StoreError, Writer, Written};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Writes events; those that the database does not take, although it takes others, are put aside.
pub(super) fn write_all(core: &Core, writer: &mut Writer, events: &[Event]) -> Result<Written, StoreError> {
    if events.is_empty() {
        return Ok(Written::default());
    }
    let error = match writer.write(events, true) {
        Err(StoreError::Other(error)) => error,
        other => return other,
    };
    let (mut written, mut rejected) = (Written::default(), Vec::new());
    for event in events {
        match writer.write(std::slice::from_ref(event), true) {
            Ok(one) => {
                written.requests += one.requests;
                written.duplicates += one.duplicates;
            }
            Err(StoreError::Other(_)) => rejected.push(event),
            Err(other) => return Err(other),
        }
    }
    // All of them at once: it is not the events' fault.
    if rejected.len() == events.len() && events.len() > 1 {
        return Err(StoreError::Other(error));
    }
    put_aside(core, &rejected, &error)?;
    Ok(written)
}

/// Where the rejected go, for a person to look at.
pub(super) fn rejected_path(core: &Core) -> PathBuf {
    with_suffix(&core.overflow_path, ".rejected")
}

fn put_aside(core: &Core, events: &[&Event], error: &str) -> Result<(), StoreError> {
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
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .and_then(|mut file| file.write_all(&text))
        .map_err(io)?;
    core.counters.rejected.fetch_add(events.len() as u64, Ordering::Relaxed);
    log::error!("billing: {} rows were not taken ({error}) and are in {}", events.len(), path.display());
    Ok(())
}
