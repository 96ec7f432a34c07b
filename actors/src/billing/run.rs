//! A life of a backend, held by whoever owns the backend: opened when it is started, closed when it ends.

use super::handle::Ledger;
use crate::ledger::{Energy, Event, Micros, RunRow};
use std::time::Instant;

/// An open run. Dropping it closes it, too.
pub struct Run {
    ledger: Ledger,
    row: RunRow,
    started: Instant,
}

impl Run {
    pub(super) fn open(ledger: Ledger, row: RunRow) -> Self {
        let run = Self { ledger, row, started: Instant::now() };
        run.tell();
        run
    }

    /// The number by which requests refer to it.
    pub fn id(&self) -> i64 {
        self.row.id
    }

    /// It has become ready.
    pub fn ready(&mut self) {
        let now = self.now();
        self.row.heartbeat_us = now;
        self.row.ready_us.get_or_insert(now);
        self.tell();
    }

    /// It has taken this much electricity so far.
    pub fn took(&mut self, energy: Energy) {
        self.row.energy = Some(energy);
    }

    /// It has ended.
    pub fn ended(mut self, reason: impl Into<String>) {
        self.close(reason.into());
    }

    fn close(&mut self, reason: String) {
        if self.row.ended_us.is_none() {
            let now = self.now();
            self.row.heartbeat_us = now;
            self.row.ended_us = Some(now);
            self.row.end_reason = Some(reason);
            self.tell();
        }
    }

    /// By the wall clock at the start and a steady one since: its length is true whatever the clock does.
    fn now(&self) -> Micros {
        let elapsed = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.row.started_us.saturating_add(elapsed)
    }

    fn tell(&self) {
        self.ledger.push(Event::Run(Box::new(self.row.clone())));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.close("its owner has crashed".to_owned());
    }
}
