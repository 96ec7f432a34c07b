//! What the Notifier is given, and what it hands on to be sent.

use super::history::NotificationHistory;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use llm_manager_policy::notify::Notice;
use llm_manager_policy::spec::NotifySpec;
use std::path::PathBuf;
use std::sync::Arc;

/// What the configuration says; a reload puts another in its place, and tells the actor.
#[derive(Clone, Debug, Default)]
pub struct Outlets {
    /// Whom word goes out to.
    pub specs: Vec<NotifySpec>,
    /// Variables with secrets, which no command sees.
    pub hidden: Vec<String>,
}

/// What the actor is given.
pub struct NotifierSettings {
    /// Whom word goes out to.
    pub outlets: Arc<ArcSwap<Outlets>>,
    /// What was told in the last hour.
    pub told: NotificationHistory,
    /// Where commands run.
    pub folder: PathBuf,
    /// By which they are known as the manager's.
    pub marks: Vec<(String, String)>,
    /// This machine's name.
    pub host: String,
}

/// What is being sent.
pub(super) struct Delivered {
    pub(super) id: String,
    pub(super) notice: Arc<Notice>,
    pub(super) at: Timestamp,
}
