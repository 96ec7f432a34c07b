//! What was told when: kept in a file, for a manager that is started again within the hour must not tell it twice.

use crate::state_file::StateFile;
use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use llm_manager_policy::notify::{HOUR, NoticeKind, State};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// By kind and subject. Cheap to clone; outlives the actor.
#[derive(Clone)]
pub struct NotificationHistory {
    at: Arc<ArcSwap<BTreeMap<String, Timestamp>>>,
    file: StateFile,
}

impl NotificationHistory {
    /// What the file says; nothing if it can't be read. Blocks.
    pub fn load(file: PathBuf) -> Self {
        let at = match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).unwrap_or_else(|error| {
                log::warn!("{}: {error}; what was told in the last hour may be told again", file.display());
                BTreeMap::new()
            }),
            Err(_) => BTreeMap::new(),
        };
        let file = StateFile::new(file, "the next manager may tell again what this one has told");
        Self { at: Arc::new(ArcSwap::from_pointee(at)), file }
    }

    /// Gives a fresh state what it would know if it were the old one.
    pub(super) fn give(&self, state: &mut State, steady: Duration) {
        let now = Timestamp::now();
        for (cause, at) in self.at.load().iter() {
            // A clock that was set back: it was just told.
            let ago = Duration::try_from(now.duration_since(*at)).unwrap_or_default();
            if let Some((kind, subject)) = cause.split_once(' ')
                && let Some(kind) = NoticeKind::of(kind)
            {
                state.remember(kind, subject.to_owned(), ago, steady);
            }
        }
    }

    /// Keeps what this one knows.
    pub(super) fn take(&self, state: &State, steady: Duration) {
        let now = Timestamp::now();
        let recent = state.told(steady).filter(|(_, _, ago)| *ago < HOUR);
        let at = recent.filter_map(|(kind, subject, ago)| {
            let at = now.checked_sub(SignedDuration::try_from(ago).ok()?).ok()?;
            Some((format!("{} {subject}", kind.text()), at))
        });
        let at: BTreeMap<String, Timestamp> = at.collect();
        let text = serde_json::to_string_pretty(&at);
        self.at.store(Arc::new(at));
        if let Ok(text) = text {
            self.file.replace(text);
        }
    }
}
