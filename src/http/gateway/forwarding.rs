//! What a request for a model needs of the program.

use crate::http::access::Access;
use crate::http::error::ApiError;
use crate::http::find_model;
use crate::http::standby::Standby;
use crate::http::state;
use crate::traces::Tracer;
use jiff::Timestamp;
use llm_manager_actors::ActorRef;
use llm_manager_actors::billing::Ledger;
use llm_manager_actors::captures::Captures;
use llm_manager_actors::model::{Directory, ModelHandle};
use llm_manager_actors::quotas::Quotas;
use llm_manager_policy::endpoints::Endpoints;
use llm_manager_policy::proxies::Network;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What `gateway` is given.
#[derive(Clone)]
pub struct Forwarding {
    /// Who may come in.
    pub access: Arc<Access>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<[Network]>,
    /// What a proxy puts before all paths; empty: nothing.
    pub base_path: Arc<str>,
    /// All models.
    pub directory: Arc<Directory>,
    /// Every path that some mode serves.
    pub endpoints: Arc<Endpoints>,
    /// Largest request body.
    pub max_body_bytes: usize,
    /// True: a stream says that it waits for its model.
    pub loading_comments: bool,
    /// True: each request that has ended has a line in the log.
    pub log_requests: bool,
    /// Begins traces of requests; `None`: there are none.
    pub(crate) tracer: Option<Tracer>,
    /// Where requests are recorded.
    pub ledger: Ledger,
    /// Where requests are kept whose model says so.
    pub captures: Captures,
    /// Who counts what keys with limits use.
    pub quotas: ActorRef<Quotas>,
    /// Whether starts are paused.
    pub standby: Standby,
    /// Cancelled when the program begins to stop.
    pub stopping: CancellationToken,
    /// When the program started.
    pub started_at: Timestamp,
}

/// What a request was given when it came.
pub(crate) type ForwardingState = state::RequestState<Forwarding>;

impl Forwarding {
    /// The model of this name or alias.
    pub(crate) fn find(&self, name: &str) -> Result<&Arc<ModelHandle>, ApiError> {
        find_model::model(&self.directory, name, "/v1/models")
    }
}
