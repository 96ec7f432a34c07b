//! Devices that an operator has paused, and until when: kept in a file, for a manager that is started again meanwhile
//! must not take them back.

use crate::state_file::StateFile;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use llm_manager_policy::lifecycle::Moment;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// By the id of the device. Cheap to clone; outlives the Scheduler.
#[derive(Clone)]
pub struct Pauses {
    until: Arc<ArcSwap<BTreeMap<Arc<str>, Timestamp>>>,
    file: StateFile,
}

impl Pauses {
    /// What the file says; nothing if it can't be read. Blocks.
    pub fn load(file: PathBuf) -> Self {
        let until = match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).unwrap_or_else(|error| {
                log::warn!("{}: {error}; pauses of devices are lost", file.display());
                BTreeMap::new()
            }),
            Err(_) => BTreeMap::new(),
        };
        let file = StateFile::new(file, "the next manager will not know of pauses");
        Self { until: Arc::new(ArcSwap::from_pointee(until)), file }
    }

    /// When the pause of this device is over; `None`: it isn't paused.
    pub fn of(&self, device: &str) -> Option<Timestamp> {
        let now = Timestamp::now();
        self.until.load().get(device).copied().filter(|until| *until > now)
    }

    /// Those that last, counted from the beginning of all moments.
    pub(super) fn lasting(&self, moment: Moment) -> Vec<(Arc<str>, Moment)> {
        let until = self.until.load();
        // The time of day costs a call; without a pause nobody asks for it.
        if until.is_empty() {
            return Vec::new();
        }
        let now = Timestamp::now();
        let left = |until: &Timestamp| Duration::try_from(until.duration_since(now)).ok();
        let lasting = until.iter().filter_map(|(device, until)| Some((device, left(until)?)));
        let lasting = lasting.filter(|(_, left)| !left.is_zero());
        lasting.map(|(device, left)| (Arc::clone(device), moment.saturating_add(left))).collect()
    }

    /// Pauses these devices until then, or allows them again. Only the Scheduler does.
    pub(super) fn set(&self, devices: &[Arc<str>], until: Option<Timestamp>) {
        let now = Timestamp::now();
        let mut all = BTreeMap::clone(&self.until.load());
        all.retain(|device, until| *until > now && !devices.contains(device));
        if let Some(until) = until {
            all.extend(devices.iter().map(|device| (Arc::clone(device), until)));
        }
        let text = serde_json::to_string_pretty(&all);
        self.until.store(Arc::new(all));
        if let Ok(text) = text {
            self.file.replace(text);
        }
    }
}
