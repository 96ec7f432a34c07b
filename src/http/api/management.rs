//! What the management needs of the program.

use crate::http::access::Access;
use crate::http::error::ApiError;
use crate::http::find_model;
use crate::http::standby::Standby;
use crate::http::state;
use jiff::Timestamp;
use llm_manager_actors::ActorRef;
use llm_manager_actors::billing::{Billing, Ledger};
use llm_manager_actors::captures::Captures;
use llm_manager_actors::device_monitor::Devices;
use llm_manager_actors::feeds::Feed;
use llm_manager_actors::leadership::Leadership;
use llm_manager_actors::logs::LogHub;
use llm_manager_actors::model::{Directory, ModelHandle};
use llm_manager_actors::notifier::Notifications;
use llm_manager_actors::quotas::Quotas;
use llm_manager_actors::scheduler::{Pauses, Scheduler};
use llm_manager_actors::supervisor::Supervisor;
use llm_manager_policy::devices::SharedDevice;
use llm_manager_slurm::Nodes;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What `api` is given.
#[derive(Clone)]
pub struct Management {
    /// Who may come in.
    pub access: Arc<Access>,
    /// All models.
    pub directory: Arc<Directory>,
    /// The devices.
    pub devices: Devices,
    /// Who looks after their memory, if anybody does.
    pub scheduler: Option<ActorRef<Scheduler>>,
    /// Devices that an operator has paused.
    pub pauses: Pauses,
    /// Devices that other programs use, too.
    pub shared_devices: Arc<[SharedDevice]>,
    /// The nodes of the cluster on which models may run, for those who look.
    pub cluster: Nodes,
    /// Who of several managers leads; `None`: there are no others.
    pub leadership: Option<Leadership>,
    /// Where reports come from.
    pub ledger: Ledger,
    /// Who writes it.
    pub billing: ActorRef<Billing>,
    /// Days that rows of requests are kept.
    pub retention_days: u32,
    /// What is kept of requests whose model says so.
    pub captures: Captures,
    /// Who counts what keys with limits use.
    pub quotas: ActorRef<Quotas>,
    /// Who sends word of what happens.
    pub notifications: Notifications,
    /// What happens.
    pub feed: Feed,
    /// Keeps the logs.
    pub logs: ActorRef<LogHub>,
    /// Where the logs of runs are kept, if they are.
    pub log_folder: Option<PathBuf>,
    /// The root of the supervision tree.
    pub supervisor: ActorRef<Supervisor>,
    /// Whether starts are paused, and whether the program is to end.
    pub standby: Standby,
    /// Cancelled when the program begins to stop.
    pub stopping: CancellationToken,
    /// When the program started.
    pub started_at: Timestamp,
    /// True: `/api/debug` can make actors panic. For tests.
    pub fault_injection: bool,
}

/// What a request was given when it came.
pub(crate) type ManagementState = state::RequestState<Management>;

impl Management {
    /// The model of this name or alias.
    pub(crate) fn find(&self, name: &str) -> Result<&Arc<ModelHandle>, ApiError> {
        find_model::model(&self.directory, name, "/api/models")
    }
}
