//! What Models tell the Scheduler, and what others may ask it.

use super::actor::Scheduler;
use crate::live::{Live, tell};
use crate::model::ModelHandle;
use actix::Message;
use llm_manager_policy::placement::{Explanation, Part};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a Model finds the Scheduler; `None` as address: memory is not looked after.
#[derive(Clone, Default)]
pub struct SchedulerLink(pub Option<Live<Scheduler>>);

impl SchedulerLink {
    /// True if a Scheduler looks after memory.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Tells it something. One that is down will ask everybody what they hold when it is back.
    pub fn tell<M>(&self, message: M)
    where
        Scheduler: actix::Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        if let Some(addr) = self.0.as_ref().and_then(Live::addr) {
            tell(&addr, message);
        }
    }
}

/// A model wants to run. Answered with `Granted` or `Denied`.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Demand {
    /// Who.
    pub model: Arc<ModelHandle>,
    /// The life that it wants to begin.
    pub epoch: u64,
    /// Nothing but `auto_start` wants it: nobody has to go for it. The same life may demand again when that changes.
    pub boot: bool,
}

/// A demand is taken back, or a life has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Returned {
    /// Who.
    pub model: Arc<str>,
    /// Which life.
    pub epoch: u64,
    /// There was a process.
    pub ran: bool,
    /// It ended for lack of memory before it was ready.
    pub out_of_memory: bool,
}

/// A model says what it holds, after the Scheduler has been restarted.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Holds {
    /// Who.
    pub model: Arc<str>,
    /// What; `None`: nothing.
    pub holding: Option<Holding>,
}

/// One life's reservation.
#[derive(Clone, Debug)]
pub struct Holding {
    /// Which life.
    pub epoch: u64,
    /// As which variant.
    pub variant: Arc<str>,
    /// Where and how much.
    pub assignment: Vec<Part>,
}

/// A model's actor has crashed: what it waited for or held is nobody's any more, once its process is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Lost {
    /// Who.
    pub model: Arc<str>,
}

/// A model that was asked to go is busy.
#[derive(Message)]
#[rtype(result = "()")]
pub struct EvictRefused {
    /// Who.
    pub model: Arc<str>,
    /// Which life.
    pub epoch: u64,
}

/// A model has become ready or idle: those who wait may be served.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Changed;

/// What would happen if this model wanted to run now?
#[derive(Message)]
#[rtype(result = "Result<Explained, String>")]
pub struct Explain {
    /// Who.
    pub model: Arc<ModelHandle>,
}

/// The answer to `Explain`.
#[derive(Clone, Debug)]
pub struct Explained {
    /// In numbers.
    pub explanation: Explanation,
    /// Measured peaks by variant and entry of `required_devices`, in MiB.
    pub measured: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Who holds what: device id, then model and MiB reserved.
#[derive(Message)]
#[rtype(result = "BTreeMap<String, Vec<(String, u64)>>")]
pub struct Reservations;
