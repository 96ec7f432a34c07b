//! Feeds: what happens, for whoever watches (the dashboard, `/api/events`).
//!
//! Events go through a bounded broadcast channel. A watcher that is too slow misses the oldest events and is
//! told so; it then asks for a snapshot. Nobody here waits for a watcher.

use std::sync::Arc;
use tokio::sync::broadcast;

const LAG: usize = 1024;

/// Something worth showing.
#[derive(Clone)]
pub enum Happening {
    /// The state or the numbers of the model of this name changed.
    Model(Arc<str>),
    /// Another configuration is in force.
    Configuration,
    /// An actor crashed, was restarted or was given up.
    Supervision {
        /// Its path in the tree, such as `models/qwen-14b`.
        path: Arc<str>,
        /// What a person would like to read.
        message: Arc<str>,
    },
}

/// The sending end; cheap to clone.
#[derive(Clone)]
pub struct Feed(broadcast::Sender<Happening>);

impl Feed {
    /// A feed that nobody watches yet.
    pub fn new() -> Self {
        Self(broadcast::channel(LAG).0)
    }

    /// Tells those who watch.
    pub fn publish(&self, happening: Happening) {
        // Nobody watches: that is not an error.
        let _ = self.0.send(happening);
    }

    /// Begins to watch.
    pub fn watch(&self) -> broadcast::Receiver<Happening> {
        self.0.subscribe()
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self::new()
    }
}
