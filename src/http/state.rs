//! What the handlers share: addresses of actors and settings. Nothing here knows a handler.

use super::access::Access;
use super::error::{ApiError, Kind, quoted};
use super::standby::Standby;
use jiff::Timestamp;
use llm_manager_actors::Live;
use llm_manager_actors::billing::{Billing, Ledger};
use llm_manager_actors::device_monitor::Devices;
use llm_manager_actors::feeds::Feed;
use llm_manager_actors::logs::LogHub;
use llm_manager_actors::model::{Directory, ModelHandle};
use llm_manager_actors::scheduler::Scheduler;
use llm_manager_actors::supervisor::Supervisor;
use llm_manager_policy::endpoints::Endpoints;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Addresses and settings; nothing here changes while the program runs.
pub struct Shared {
    /// All models.
    pub directory: Directory,
    /// Who may come in.
    pub access: Access,
    /// True: a stream says that it waits for its model.
    pub loading_comments: bool,
    /// Every path that some mode serves.
    pub endpoints: Endpoints,
    /// Largest request body.
    pub max_body_bytes: usize,
    /// Cancelled when the program begins to stop.
    pub stopping: CancellationToken,
    /// Whether starts are paused, and whether it is to end.
    pub standby: Standby,
    /// When the program started.
    pub started_at: Timestamp,
    /// Keeps the logs.
    pub logs: Live<LogHub>,
    /// Where the logs of runs are kept, if they are.
    pub log_folder: Option<PathBuf>,
    /// The root of the supervision tree.
    pub supervisor: Live<Supervisor>,
    /// What happens.
    pub feed: Feed,
    /// Where requests are recorded, and reports come from.
    pub ledger: Ledger,
    /// Who writes it.
    pub billing: Live<Billing>,
    /// The devices.
    pub devices: Devices,
    /// Who looks after their memory, if anybody does.
    pub scheduler: Option<Live<Scheduler>>,
    /// Days that rows of requests are kept.
    pub retention_days: u32,
    /// True: `/api/debug` can make actors panic. For tests.
    pub fault_injection: bool,
}

/// Where an operator finds the names of the models, and where a client does.
pub(crate) const MODELS: &str = "/api/models";
pub(crate) const V1_MODELS: &str = "/v1/models";

impl Shared {
    /// The model of this name or alias; `listed`: the path that lists those there are.
    pub(crate) fn find(&self, name: &str, listed: &str) -> Result<&Arc<ModelHandle>, ApiError> {
        self.directory.find(name).ok_or_else(|| {
            let name = quoted(name);
            let message =
                format!("no model has the name or alias `{name}`; `GET {listed}` lists those there are");
            ApiError::new(Kind::ModelNotFound, message)
        })
    }
}
