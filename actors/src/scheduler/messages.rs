//! What others than Models may tell and ask the Scheduler.

use crate::model::ModelHandle;
use actix::Message;
use jiff::Timestamp;
use llm_manager_policy::devices::Requirement;
use llm_manager_policy::placement::Explanation;
use llm_manager_policy::queue::Ahead;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A model's actor has crashed: what it waited for or held is nobody's any more, once its process is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ModelCrashed {
    pub model: Arc<str>,
}

/// What would happen if this model wanted to run now?
#[derive(Message)]
#[rtype(result = "Result<Explained, String>")]
pub struct Explain {
    pub model: Arc<ModelHandle>,
}

/// The answer to `Explain`.
#[derive(Clone, Debug)]
pub struct Explained {
    /// In numbers.
    pub explanation: Explanation,
    /// Who gets memory before it.
    pub ahead: Vec<Ahead>,
    /// Measured peaks by variant and entry of `required_devices`, in MiB.
    pub measured: BTreeMap<String, BTreeMap<String, u64>>,
}

/// An operator wants no model on these devices until then; `None`: they may be used again. Answers their ids and names.
#[derive(Message)]
#[rtype(result = "Vec<(String, String)>")]
pub struct PauseDevices {
    /// Which, as an entry of `required_devices` says it.
    pub devices: Requirement,
    /// Until when.
    pub until: Option<Timestamp>,
}

/// Who holds what: device id, then model and MiB reserved.
#[derive(Message)]
#[rtype(result = "BTreeMap<String, Vec<(String, u64)>>")]
pub struct Reservations;
