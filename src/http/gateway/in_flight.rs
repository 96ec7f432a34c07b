//! What a Gateway knows of the requests that it has in hand, for those who ask who is being served.
//!
//! Nobody signs off: an entry lives as long as its request does, and the list drops the dead ones when it has grown.

use actix_web::http::header::HeaderValue;
use llm_manager_actors::model::{Backend, BreakReason, ModelHandle};
use llm_manager_policy::spec::Class;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// A request that a backend has, until its answer has ended.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) id: HeaderValue,
    /// A model that has left the configuration may end meanwhile.
    pub(crate) model: Weak<ModelHandle>,
    /// The name of its key.
    pub(crate) api_key: Arc<str>,
    pub(crate) class: Class,
    pub(crate) variant: Arc<str>,
    pub(crate) run: Option<i64>,
    /// How long it waited for its backend.
    pub(crate) queued: Duration,
    /// When the backend got it.
    pub(crate) since: Instant,
    /// An operator has ended it.
    pub(crate) cancelled: AtomicBool,
    /// Whose run serves it.
    pub(crate) backend: Backend,
}

impl InFlight {
    /// Resolves when its answer must be broken off, and says why.
    pub(crate) fn broken(self: &Arc<Self>) -> impl Future<Output = BreakReason> + 'static {
        // What all requests of a run share is counted by none of them more often than need be: workers would wait for each other.
        let told = Arc::clone(self);
        async move { told.backend.broken(|| told.is_cancelled()).await }
    }

    /// An operator ends it.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.backend.wake();
    }

    /// Whether an operator has ended it.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

/// Shorter, looking for the dead isn't worth it.
const FEW: usize = 64;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct InFlightList {
    entries: Vec<Weak<InFlight>>,
    /// At this length the dead ones go.
    full: usize,
}

impl InFlightList {
    pub(super) fn enter(&mut self, one: &Arc<InFlight>) {
        if self.entries.len() >= self.full {
            self.entries.retain(|one| one.strong_count() > 0);
            self.full = (2 * self.entries.len()).max(FEW);
            self.entries.shrink_to(self.full);
        }
        self.entries.push(Arc::downgrade(one));
    }

    /// Those that live, in the order in which they came.
    pub(super) fn call(&self) -> Vec<Arc<InFlight>> {
        self.entries.iter().filter_map(Weak::upgrade).collect()
    }
}

#[cfg(test)]
pub(crate) fn nobody() -> Arc<InFlight> {
    Arc::new(InFlight {
        id: HeaderValue::from_static("made-here"),
        model: Weak::new(),
        api_key: Arc::default(),
        class: Class::default(),
        variant: Arc::default(),
        run: None,
        queued: Duration::ZERO,
        since: Instant::now(),
        cancelled: AtomicBool::new(false),
        backend: Backend::at(llm_manager_process::BackendAddress::local(([127, 0, 0, 1], 9).into())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roll_tells_those_who_live_and_stays_as_short_as_they_are_few() {
        let mut roll = InFlightList::default();
        let kept: Vec<_> = (0..3).map(|_| nobody()).collect();
        kept.iter().for_each(|one| roll.enter(one));
        for _ in 0..10_000 {
            roll.enter(&nobody());
        }
        assert_eq!(roll.call().len(), 3);
        assert!(roll.call().iter().zip(&kept).all(|(found, one)| Arc::ptr_eq(found, one)));
        assert!(roll.entries.len() <= FEW, "{}", roll.entries.len());
        let crowd: Vec<_> = (0..1000).map(|_| nobody()).collect();
        crowd.iter().for_each(|one| roll.enter(one));
        assert_eq!(roll.call().len(), 1003);
        drop(crowd);
        for _ in 0..2100 {
            roll.enter(&nobody());
        }
        assert!(roll.entries.capacity() <= 2 * FEW, "{}", roll.entries.capacity());
    }
}
