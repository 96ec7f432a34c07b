//! What the handlers share: `Shared` over all workers, `Worker` within one.

use super::access::cors::Origins;
use super::access::hosts::Hosts;
use super::access::keys::Keys;
use super::api::config::ConfigFile;
use super::api::pulse::Pulse;
use super::api::standby::Standby;
use super::error::ApiError;
use super::gateway::stray::Strays;
use super::gateway::upstream::Pool;
use actix_web::http::header::HeaderMap;
use jiff::Timestamp;
use llm_manager_actors::Live;
use llm_manager_actors::billing::{Billing, Ledger};
use llm_manager_actors::device_monitor::Devices;
use llm_manager_actors::feeds::Feed;
use llm_manager_actors::logs::LogHub;
use llm_manager_actors::model::{Directory, Lease, ModelHandle};
use llm_manager_actors::scheduler::Scheduler;
use llm_manager_actors::supervisor::Supervisor;
use llm_manager_policy::endpoints::Endpoints;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Addresses and settings; nothing here changes while the program runs.
pub struct Shared {
    /// All models.
    pub directory: Directory,
    /// Who may come in.
    pub keys: Keys,
    /// Under which names browsers may come.
    pub hosts: Hosts,
    /// Pages of other sites that may call `/v1`.
    pub origins: Origins,
    /// True: a stream says that it waits for its model.
    pub loading_comments: bool,
    /// Where all of this was read from.
    pub config: ConfigFile,
    /// Every path that some mode serves.
    pub endpoints: Endpoints,
    /// Requests that reached no model.
    pub strays: Strays,
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
    /// The root of the supervision tree.
    pub supervisor: Live<Supervisor>,
    /// What happens.
    pub feed: Feed,
    /// The same, as it is sent to those who watch.
    pub pulse: Pulse,
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

impl Shared {
    /// The door to what programs use: the key; of browsers a name that is ours, and a page that may.
    pub(super) fn enter(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        self.keys.check(headers)?;
        if self.keys.in_header(headers) {
            return Ok(());
        }
        self.hosts.check_browser(headers)?;
        self.origins.check(headers)
    }

    /// The door to the management: whoever gives no key in a header must come by a name that is ours.
    pub(super) fn enter_management(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        self.keys.check(headers)?;
        if self.keys.in_header(headers) { Ok(()) } else { self.hosts.check(headers) }
    }
}

/// The connections of one worker: a pool per model, for one run of its backend.
#[derive(Default)]
pub struct Worker {
    /// By the address of the handle, which lives as long as the program.
    pools: RefCell<HashMap<*const ModelHandle, (u64, Pool)>>,
}

impl Worker {
    /// The pool to the backend of this lease. A pool of an earlier run is dropped, and its connections with it.
    pub(super) fn pool(&self, model: &Arc<ModelHandle>, lease: &Lease) -> Pool {
        let mut pools = self.pools.borrow_mut();
        let (epoch, pool) =
            pools.entry(Arc::as_ptr(model)).or_insert_with(|| (lease.epoch(), Pool::new(lease.address())));
        if *epoch != lease.epoch() {
            *epoch = lease.epoch();
            *pool = Pool::new(lease.address());
        }
        pool.clone()
    }
}
