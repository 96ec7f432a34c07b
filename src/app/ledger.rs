//! The ledger: opened before anything is served, written by the Billing actor, closed when all else has ended.

use llm_manager_actors::Live;
use llm_manager_actors::billing::{self, Billing, Close, Ledger, Settings};
use llm_manager_actors::supervisor::{Child, ChildSpec};
use llm_manager_ledger::Location;
use llm_manager_policy::pricing::{Configured, Plan};
use llm_manager_policy::spec::{ModelSpec, ProgramSpec};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The end of the program waits for the ledger no longer.
const LONGEST_CLOSING: Duration = Duration::from_secs(4);

/// The ledger and its actor.
#[derive(Clone)]
pub(super) struct Books {
    pub(super) ledger: Ledger,
    pub(super) billing: Live<Billing>,
    settings: Settings,
}

impl Books {
    /// Opens the ledger, or says why it can't be opened. Blocks.
    pub(super) fn open(program: &ProgramSpec, state_dir: &Path) -> Result<Self, String> {
        let location = Location::parse(&program.database);
        let mut settings = Settings::new(location, state_dir.to_owned());
        settings.retention_days = Some(program.log_retention_days);
        settings.electricity = program.electricity;
        let (ledger, _) = billing::start(&settings, env!("CARGO_PKG_VERSION"))
            .map_err(|error| format!("the ledger (`program.database`): {error}"))?;
        Ok(Self { ledger, billing: Live::new(), settings })
    }

    /// Sets the plans of the configuration, as far as it has changed. Blocks.
    pub(super) fn configure(&self, models: &[Arc<ModelSpec>]) -> Result<(), String> {
        let plans: Vec<(Arc<str>, Option<Plan>)> =
            models.iter().map(|model| (model.name.as_str().into(), model.billing.clone())).collect();
        let changes = self.ledger.configure(&plans);
        for (model, change) in changes.map_err(|error| format!("the ledger: price plans: {error}"))? {
            match change {
                Configured::End => {
                    log::info!("billing: {model} has no price any more (`billing:` was removed)")
                }
                _ => log::info!("billing: {model} is now priced by `billing:` in the configuration"),
            }
        }
        Ok(())
    }

    /// The child of the supervision tree that writes.
    pub(super) fn child_spec(&self) -> ChildSpec {
        let books = self.clone();
        let ledger = self.ledger.clone();
        let start = move || Child::start(Billing::new(&books.ledger, books.settings.clone()), &books.billing);
        ChildSpec {
            detail: Box::new(move || {
                let status = ledger.status();
                let trouble = status.last_error.map_or_else(String::new, |error| format!(": {error}"));
                Some(format!("{}, {} rows written{trouble}", status.state, status.written))
            }),
            ..ChildSpec::new("billing", start)
        }
    }

    /// Writes all that was recorded; after this nothing is taken any more. Billing itself has a shorter limit, and says
    /// what could not be written.
    pub(super) async fn close(&self) {
        let Some(addr) = self.billing.addr() else {
            log::error!("billing: its actor is down; what it did not write goes into the overflow file");
            return self.hurry().await;
        };
        if let Ok(Ok(_)) = timeout(LONGEST_CLOSING, addr.send(Close)).await {
            return;
        }
        log::error!("billing: it does not end; what it did not write goes into the overflow file");
        self.hurry().await;
    }

    /// What is in memory goes into the overflow file, and that is all.
    pub(super) async fn hurry(&self) {
        self.ledger.spill_all().await;
    }
}
