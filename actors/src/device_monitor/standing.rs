//! How one plugin stands: what it last said, whether it is at work, and how often it missed.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use llm_manager_devices::registry::made_by;
use llm_manager_devices::{PluginProblem, Sample, Snapshot};

/// Misses in a row until its devices are taken for offline.
pub(super) const MISSES: u32 = 3;
/// What was ordered this long ago and isn't there makes a snapshot stale.
const LATE: Duration = Duration::from_secs(1);
/// A plugin that fails and works by turns, or fails differently each time, is told of this often.
const TELL_AGAIN: Duration = Duration::from_secs(60);

pub(super) struct Standing {
    name: String,
    /// Its last good sample, or that of a former monitor.
    devices: Vec<Sample>,
    /// It has answered this monitor.
    heard: bool,
    busy_since: Option<Instant>,
    /// When its last good sample was ordered.
    sampled_at: Option<Instant>,
    /// It was at work too long once; not waited for until it answers.
    overdue: bool,
    misses: u32,
    trouble: Option<(String, Timestamp)>,
    told: Option<(String, Instant)>,
    /// The trouble in the log is not over yet.
    told_trouble: bool,
}

impl Standing {
    pub(super) fn new(name: &str, plugin: &str, last: &Snapshot) -> Self {
        let devices = last.devices.iter().filter(|sample| made_by(sample, name, plugin));
        Self {
            name: name.to_owned(),
            devices: devices.cloned().collect(),
            heard: false,
            busy_since: None,
            sampled_at: None,
            overdue: false,
            misses: 0,
            trouble: None,
            told: None,
            told_trouble: false,
        }
    }

    pub(super) const fn busy(&self) -> bool {
        self.busy_since.is_some()
    }

    /// An answer may come soon.
    pub(super) const fn awaited(&self) -> bool {
        self.busy() && !self.overdue
    }

    pub(super) fn hangs(&self, now: Instant, patience: Duration) -> bool {
        self.busy_since.is_some_and(|since| now.duration_since(since) > patience)
    }

    pub(super) const fn ordered(&mut self, now: Instant) {
        self.busy_since = Some(now);
    }

    /// It has answered.
    pub(super) fn good(&mut self, devices: Vec<Sample>) {
        self.devices = devices;
        self.heard = true;
        self.sampled_at = self.busy_since.take();
        self.overdue = false;
        if std::mem::take(&mut self.told_trouble) {
            let names = self.names().unwrap_or_else(|| "no device".to_owned());
            log::info!("devices/{}: it responds again: {names}", self.name);
        }
        self.misses = 0;
        self.trouble = None;
    }

    /// It has answered that it can't.
    pub(super) fn failed(&mut self, why: String, now: Instant) {
        self.busy_since = None;
        self.overdue = false;
        self.heard = true;
        self.miss(why, now);
    }

    /// No good sample this time.
    pub(super) fn miss(&mut self, why: String, now: Instant) {
        self.overdue = self.busy();
        self.misses = self.misses.saturating_add(1);
        let since = self.trouble.take().map_or_else(Timestamp::now, |(_, since)| since);
        let again = match &self.told {
            None => true,
            Some((text, at)) => {
                let old = now.duration_since(*at) >= TELL_AGAIN;
                // The same trouble goes on: once is enough. Another one, or the same after a pause: not too often.
                old && !(self.told_trouble && *text == why)
            }
        };
        if again {
            log::warn!("devices/{}: {why}", self.name);
            self.told = Some((why.clone(), now));
            self.told_trouble = true;
        }
        if self.misses == MISSES
            && let Some(names) = self.names()
        {
            log::warn!("devices/{}: {MISSES} failed polls in a row, now offline: {names}", self.name);
            self.told_trouble = true;
        }
        self.trouble = Some((why, since));
    }

    /// What is to be shown now.
    pub(super) fn devices(&self) -> Vec<Sample> {
        if self.misses >= MISSES {
            return self.devices.iter().map(Sample::offline).collect();
        }
        self.devices.clone()
    }

    /// When each of them was asked for what is shown.
    pub(super) fn asked(&self) -> impl Iterator<Item = Option<Instant>> {
        self.devices.iter().map(|_| self.sampled_at)
    }

    /// The device with this id is one of its own.
    pub(super) fn has(&self, id: &str) -> bool {
        self.devices.iter().any(|sample| sample.id() == id)
    }

    /// What is shown is older than it should be. That a device is gone is never stale.
    pub(super) fn stale(&self, now: Instant) -> bool {
        let late = self.busy_since.is_some_and(|since| now.duration_since(since) > LATE);
        (!self.heard || late || self.misses > 0) && self.misses < MISSES
    }

    /// Its last sample was not a good one.
    pub(super) const fn has_missed(&self) -> bool {
        self.misses > 0
    }

    /// When its last good sample was ordered.
    pub(super) const fn asked_at(&self) -> Option<Instant> {
        self.sampled_at
    }

    /// Its last good sample is no older than that, or there is none to be had.
    pub(super) fn younger_than(&self, age: Duration, now: Instant) -> bool {
        self.misses >= MISSES || self.sampled_at.is_some_and(|at| now.duration_since(at) <= age)
    }

    pub(super) fn problem(&self) -> Option<PluginProblem> {
        let (message, since) = self.trouble.clone()?;
        Some(PluginProblem { plugin: self.name.clone(), message, misses: self.misses, since })
    }

    fn names(&self) -> Option<String> {
        let names: Vec<&str> = self.devices.iter().filter(|one| one.online).map(|one| &*one.name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}
