//! What the handlers share: addresses of actors and settings. Nothing here knows a handler.

use super::access::Access;
use super::error::{ApiError, Kind, quoted};
use super::standby::Standby;
use crate::traces::Tracer;
use actix_web::dev::Payload;
use actix_web::error::ErrorInternalServerError;
use actix_web::{FromRequest, HttpRequest};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use llm_manager_actors::Live;
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
use llm_manager_policy::endpoints::Endpoints;
use llm_manager_policy::proxies::Network;
use llm_manager_slurm::Nodes;
use std::future::{Ready, ready};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Addresses and settings. Nothing here changes: a reload puts another in its place, and a request keeps the one with which
/// it came.
#[derive(Clone)]
pub struct Shared {
    /// All models.
    pub directory: Arc<Directory>,
    /// Who may come in.
    pub access: Arc<Access>,
    /// True: a stream says that it waits for its model.
    pub loading_comments: bool,
    /// True: each request that has ended has a line in the log.
    pub log_requests: bool,
    /// Begins traces of requests; `None`: there are none.
    pub(crate) tracer: Option<Tracer>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<[Network]>,
    /// What a proxy puts before all paths; empty: nothing.
    pub base_path: Arc<str>,
    /// True: clients come over TLS.
    pub tls: bool,
    /// Every path that some mode serves.
    pub endpoints: Arc<Endpoints>,
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
    /// Where requests are kept whose model says so.
    pub captures: Captures,
    /// Who writes it.
    pub billing: Live<Billing>,
    /// Who counts what keys with limits use.
    pub quotas: Live<Quotas>,
    /// Who sends word of what happens.
    pub notifications: Notifications,
    /// The devices.
    pub devices: Devices,
    /// Who looks after their memory, if anybody does.
    pub scheduler: Option<Live<Scheduler>>,
    /// Devices that an operator has paused.
    pub pauses: Pauses,
    /// Devices that other programs use, too.
    pub shared_devices: Arc<[SharedDevice]>,
    /// The nodes of the cluster on which models may run, for those who look.
    pub cluster: Nodes,
    /// Who of several managers leads; `None`: there are no others.
    pub leadership: Option<Leadership>,
    /// Days that rows of requests are kept.
    pub retention_days: u32,
    /// How long the end of the program waits for running answers.
    pub drain_timeout: Duration,
    /// True: `/api/debug` can make actors panic. For tests.
    pub fault_injection: bool,
}

/// Where the settings in force are found; cheap to clone.
#[derive(Clone)]
pub struct InForce(Arc<ArcSwap<Shared>>);

/// The settings that were in force when a request came. Whoever holds them for long keeps models that have left the
/// configuration from ending.
#[derive(Clone)]
pub struct Now(Arc<Shared>);

impl InForce {
    /// These settings, until others take their place.
    pub fn new(shared: Shared) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(shared)))
    }

    /// The settings as they are now.
    pub fn now(&self) -> Now {
        Now(self.0.load_full())
    }

    /// Puts others in force, for requests that come from now on.
    pub fn replace(&self, shared: Shared) {
        self.0.store(Arc::new(shared));
    }

    /// Those of the application to which a request belongs.
    pub(super) fn of(request: &HttpRequest) -> Result<&Self, actix_web::Error> {
        request.app_data::<Self>().ok_or_else(|| ErrorInternalServerError("the settings are missing"))
    }
}

impl Deref for Now {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl FromRequest for Now {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(InForce::of(request).map(InForce::now))
    }
}

/// Where an operator finds the names of the models, and where a client does.
pub(crate) const MODELS: &str = "/api/models";
pub(crate) const V1_MODELS: &str = "/v1/models";

impl Shared {
    /// The model of this name or alias; `listed`: the path that lists the names.
    pub(crate) fn find(&self, name: &str, listed: &str) -> Result<&Arc<ModelHandle>, ApiError> {
        self.directory.find(name).ok_or_else(|| {
            let name = quoted(name);
            let message = format!("no model has the name or alias `{name}`; `GET {listed}` lists the names");
            ApiError::new(Kind::ModelNotFound, message)
        })
    }
}
