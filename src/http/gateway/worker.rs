//! The connections of one worker.

use super::upstream::Pool;
use llm_manager_actors::model::{Lease, ModelHandle};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// The connections of one worker: a pool per model, for one run of its backend.
#[derive(Default)]
pub(crate) struct Worker {
    /// By the address of the handle, which lives as long as the program.
    pools: RefCell<HashMap<*const ModelHandle, (u64, Pool)>>,
}

impl Worker {
    /// The pool to the backend of this lease. A pool of an earlier run is dropped, and its connections with it.
    pub(crate) fn pool(&self, model: &Arc<ModelHandle>, lease: &Lease) -> Pool {
        let mut pools = self.pools.borrow_mut();
        let (epoch, pool) = pools
            .entry(Arc::as_ptr(model))
            .or_insert_with(|| (lease.epoch(), Pool::new(lease.address(), lease.ending())));
        if *epoch != lease.epoch() {
            *epoch = lease.epoch();
            *pool = Pool::new(lease.address(), lease.ending());
        }
        pool.clone()
    }
}
