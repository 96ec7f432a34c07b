//! The ledger: opened before anything is served, written by the Billing actor, closed when all else has ended.

use llm_manager_actors::ActorRef;
use llm_manager_actors::billing::{
    self, Billing, BillingSettings, CloseLedger, Flush, Ledger, RenameModel, SetPlan,
};
use llm_manager_actors::supervisor::{Child, ChildSpec};
use llm_manager_ledger::{Company, Location, PlanSource, StoreError};
use llm_manager_policy::pricing::{Configured, Plan};
use llm_manager_policy::spec::{ModelSpec, ProgramSpec};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The end of the program waits for the ledger no longer.
const LONGEST_CLOSING: Duration = Duration::from_secs(4);

fn plans(models: &[Arc<ModelSpec>]) -> Vec<(Arc<str>, Option<Plan>)> {
    models.iter().map(|model| (model.name.as_str().into(), model.billing.clone())).collect()
}

fn say(model: &str, change: Configured) {
    match change {
        Configured::End => log::info!("billing: {model} no longer has a price (`billing:` was removed)"),
        _ => log::info!("billing: {model} is now priced by `billing:` in the configuration"),
    }
}

/// The ledger and its actor.
#[derive(Clone)]
pub(super) struct OpenLedger {
    pub(super) ledger: Ledger,
    pub(super) billing: ActorRef<Billing>,
    settings: BillingSettings,
}

impl OpenLedger {
    /// Opens the ledger, or says why it can't be opened. Blocks.
    pub(super) fn open(program: &ProgramSpec, state_dir: &Path) -> Result<Self, String> {
        let location = Location::parse(&program.database);
        let mut settings = BillingSettings::new(location, state_dir.to_owned());
        settings.retention_days = Some(program.log_retention_days);
        settings.electricity = program.electricity;
        if program.shared {
            settings.company = Company::Shared;
        }
        let (ledger, _) = billing::start(&settings, env!("CARGO_PKG_VERSION"))
            .map_err(|error| format!("the ledger (`program.database`): {error}"))?;
        Ok(Self { ledger, billing: ActorRef::new(), settings })
    }

    /// Sets the plans of the configuration, as far as it has changed. Blocks.
    pub(super) fn configure(&self, models: &[Arc<ModelSpec>]) -> Result<(), String> {
        let changes = self.ledger.configure(&plans(models));
        for (model, change) in changes.map_err(|error| format!("the ledger: price plans: {error}"))? {
            say(&model, change);
        }
        Ok(())
    }

    /// The same while the ledger is being written.
    pub(super) async fn reprice(&self, models: &[Arc<ModelSpec>]) -> Result<(), String> {
        let wrong = |error: &dyn std::fmt::Display| format!("the ledger: price plans: {error}");
        for (model, plan, change) in self.ledger.plan_changes(&plans(models)) {
            let billing = self.billing.addr().ok_or_else(|| wrong(&"billing is down"))?;
            let order =
                SetPlan { model: Arc::clone(&model), plan, valid_from: None, source: PlanSource::Config };
            let set = billing.send(order).await.map_err(|error| wrong(&error))?;
            set.map_err(|error| wrong(&error))?;
            say(&model, change);
        }
        Ok(())
    }

    /// Gives one model the data of another name, if there are any.
    pub(super) async fn rename(&self, old: &str, new: &str) {
        let Some(billing) = self.billing.addr() else { return };
        // Rows on their way go by the old name.
        let _ = billing.send(Flush).await;
        let order = RenameModel { old: old.to_owned(), new: new.to_owned(), merge: true };
        match billing.send(order).await {
            Ok(Ok(_)) => log::info!("billing: the data of {old} are those of {new} from now on (`formerly`)"),
            // There are none, or none any more.
            Ok(Err(StoreError::Refused(_))) => (),
            Ok(Err(error)) => log::error!("billing: the data of {old} stay where they are: {error}"),
            Err(error) => log::error!("billing: the data of {old} stay where they are: {error}"),
        }
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
            log::error!("billing: its actor is down; unwritten rows go into the overflow file");
            return self.hurry().await;
        };
        if let Ok(Ok(_)) = timeout(LONGEST_CLOSING, addr.send(CloseLedger)).await {
            return;
        }
        log::error!("billing: it does not stop; unwritten rows go into the overflow file");
        self.hurry().await;
    }

    /// What is in memory goes into the overflow file, and that is all.
    pub(super) async fn hurry(&self) {
        self.ledger.spill_all().await;
    }
}
