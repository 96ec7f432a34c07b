//! What was measured of models: how long they load, how much memory they use at the most. Kept in a file, so
//! that a restarted manager knows it.

use crate::state_file::StateFile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All models.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    models: BTreeMap<String, ModelMeasured>,
}

/// One model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelMeasured {
    /// From launch to ready, at the last start.
    #[serde(default)]
    pub reload_ms: Option<u64>,
    /// From its memory to being awake, at the last wake.
    #[serde(default)]
    pub wake_ms: Option<u64>,
    /// What it used asleep, by variant and entry of `required_devices`, in MiB.
    #[serde(default)]
    pub parked_mib: BTreeMap<String, BTreeMap<String, u64>>,
    /// The largest use seen, by variant and entry of `required_devices`, in MiB.
    #[serde(default)]
    pub peak_mib: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Measured {
    /// What the file says; nothing if it can't be read, for it can all be measured again.
    pub(super) fn load(path: &Path) -> Self {
        let Ok(text) = std::fs::read_to_string(path) else { return Self::default() };
        serde_json::from_str(&text).unwrap_or_else(|error| {
            log::warn!("{}: {error}; measurements of models are lost", path.display());
            Self::default()
        })
    }

    /// Writes the file anew, on another thread.
    pub(super) fn save(&self, file: &StateFile) {
        if let Ok(text) = serde_json::to_string_pretty(self) {
            file.replace(text);
        }
    }

    /// Where it is written.
    pub(super) fn file(path: PathBuf) -> StateFile {
        StateFile::new(path, "measurements of models will be lost")
    }

    pub(super) fn of(&self, model: &str) -> Option<&ModelMeasured> {
        self.models.get(model)
    }

    pub(super) fn peak(&self, model: &str, variant: &str, requirement: &str) -> Option<u64> {
        self.of(model)?.peak_mib.get(variant)?.get(requirement).copied()
    }

    pub(super) fn reload(&self, model: &str) -> Option<Duration> {
        self.of(model)?.reload_ms.map(Duration::from_millis)
    }

    /// Notes how long a start took; true if that is news.
    pub(super) fn note_reload(&mut self, model: &str, took: Duration) -> bool {
        let millis = u64::try_from(took.as_millis()).ok();
        let entry = self.models.entry(model.to_owned()).or_default();
        std::mem::replace(&mut entry.reload_ms, millis) != millis
    }

    pub(super) fn wake(&self, model: &str) -> Option<Duration> {
        self.of(model)?.wake_ms.map(Duration::from_millis)
    }

    pub(super) fn parked(&self, model: &str, variant: &str, requirement: &str) -> Option<u64> {
        self.of(model)?.parked_mib.get(variant)?.get(requirement).copied()
    }

    /// Notes how long a wake took; true if that is news.
    pub(super) fn note_wake(&mut self, model: &str, took: Duration) -> bool {
        let millis = u64::try_from(took.as_millis()).ok();
        let entry = self.models.entry(model.to_owned()).or_default();
        std::mem::replace(&mut entry.wake_ms, millis) != millis
    }

    /// Notes what a model uses asleep; true if that is news.
    pub(super) fn note_parked(&mut self, model: &str, variant: &str, requirement: &str, mib: u64) -> bool {
        let entry = self.models.entry(model.to_owned()).or_default();
        let parked = entry.parked_mib.entry(variant.to_owned()).or_default();
        parked.insert(requirement.to_owned(), mib) != Some(mib)
    }

    /// Notes what a model uses now; true if it has never used as much.
    pub(super) fn note_use(&mut self, model: &str, variant: &str, requirement: &str, mib: u64) -> bool {
        let entry = self.models.entry(model.to_owned()).or_default();
        let peaks = entry.peak_mib.entry(variant.to_owned()).or_default();
        let peak = peaks.entry(requirement.to_owned()).or_default();
        let higher = mib > *peak;
        *peak = mib.max(*peak);
        higher
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_higher_use_is_news() {
        let mut measured = Measured::default();
        assert!(measured.note_use("m", "v", "v100", 5));
        assert!(!measured.note_use("m", "v", "v100", 4));
        assert_eq!(measured.peak("m", "v", "v100"), Some(5));
        assert_eq!(measured.peak("m", "w", "v100"), None);
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("measured.json");
        std::fs::write(&path, "{").unwrap();
        assert_eq!(Measured::load(&path), Measured::default());
    }
}
