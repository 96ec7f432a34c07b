//! How one plugin stands: what it last said, in the words of `policy::misses`, and what the log says of it.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use llm_manager_devices::registry::made_by;
use llm_manager_devices::{PluginProblem, Sample, Snapshot};
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::misses::{MISSES, MissReport, PluginHealth};

pub(super) struct PluginState {
    name: String,
    origin: Instant,
    /// Its last good sample, or that of a former monitor.
    devices: Vec<Sample>,
    attendance: PluginHealth,
    trouble: Option<(String, Timestamp)>,
}

impl PluginState {
    pub(super) fn new(name: &str, plugin: &str, last: &Snapshot) -> Self {
        let devices = last.devices.iter().filter(|sample| made_by(sample, name, plugin));
        Self {
            name: name.to_owned(),
            origin: Instant::now(),
            devices: devices.cloned().collect(),
            attendance: PluginHealth::default(),
            trouble: None,
        }
    }

    fn moment(&self, at: Instant) -> Moment {
        at.saturating_duration_since(self.origin)
    }

    pub(super) const fn busy(&self) -> bool {
        self.attendance.is_busy()
    }

    /// An answer may come soon.
    pub(super) const fn awaited(&self) -> bool {
        self.attendance.is_awaited()
    }

    pub(super) fn hangs(&self, now: Instant, patience: Duration) -> bool {
        self.attendance.hangs(self.moment(now), patience)
    }

    pub(super) fn ordered(&mut self, now: Instant) {
        self.attendance.ordered(self.moment(now));
    }

    /// It has answered.
    pub(super) fn good(&mut self, devices: Vec<Sample>) {
        self.devices = devices;
        if self.attendance.good() {
            let names = self.names().unwrap_or_else(|| "no device".to_owned());
            log::info!("devices/{}: it responds again: {names}", self.name);
        }
        self.trouble = None;
    }

    /// It has answered that it can't.
    pub(super) fn failed(&mut self, why: String, now: Instant) {
        let lines = self.attendance.failed(&why, self.moment(now));
        self.missed(why, lines);
    }

    /// No good sample this time.
    pub(super) fn miss(&mut self, why: String, now: Instant) {
        let lines = self.attendance.miss(&why, self.moment(now));
        self.missed(why, lines);
    }

    fn missed(&mut self, why: String, lines: MissReport) {
        let name = &self.name;
        if lines.trouble {
            log::warn!("devices/{name}: {why}");
        }
        if lines.offline
            && let Some(names) = self.names()
        {
            log::warn!("devices/{name}: {MISSES} failed polls in a row, now offline: {names}");
            self.attendance.offline_is_told();
        }
        let since = self.trouble.take().map_or_else(Timestamp::now, |(_, since)| since);
        self.trouble = Some((why, since));
    }

    /// What is to be shown now.
    pub(super) fn devices(&self) -> Vec<Sample> {
        if self.attendance.is_offline() {
            return self.devices.iter().map(Sample::offline).collect();
        }
        self.devices.clone()
    }

    /// When each of them was asked for what is shown.
    pub(super) fn asked(&self) -> impl Iterator<Item = Option<Instant>> {
        self.devices.iter().map(|_| self.asked_at())
    }

    /// The device with this id is one of its own.
    pub(super) fn has(&self, id: &str) -> bool {
        self.devices.iter().any(|sample| sample.id() == id)
    }

    /// What is shown is older than it should be.
    pub(super) fn stale(&self, now: Instant) -> bool {
        self.attendance.is_stale(self.moment(now))
    }

    /// Its last sample was not a good one.
    pub(super) const fn has_missed(&self) -> bool {
        self.attendance.has_missed()
    }

    /// When its last good sample was ordered.
    pub(super) fn asked_at(&self) -> Option<Instant> {
        self.attendance.sampled_at().map(|at| self.origin + at)
    }

    /// Its last good sample is no older than that, or there is none to be had.
    pub(super) fn younger_than(&self, age: Duration, now: Instant) -> bool {
        self.attendance.is_younger_than(age, self.moment(now))
    }

    pub(super) fn problem(&self) -> Option<PluginProblem> {
        let (message, since) = self.trouble.clone()?;
        Some(PluginProblem { plugin: self.name.clone(), message, misses: self.attendance.misses(), since })
    }

    fn names(&self) -> Option<String> {
        let names: Vec<&str> = self.devices.iter().filter(|one| one.online).map(|one| &*one.name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}
