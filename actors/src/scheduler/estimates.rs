//! What the Scheduler knows of memory that was never measured.

use llm_manager_policy::devices::Requirement;
use llm_manager_policy::memory::{Estimate, shares};
use llm_manager_policy::placement::DemandPriority;
use llm_manager_policy::spec::ModelSpec;
use llm_manager_weights::Unknown;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What a variant was found to need.
pub(super) type EstimateResult = Result<Estimate, Unknown>;

/// Demands that wait for the disk, and what it said last.
#[derive(Default)]
pub(super) struct Estimates {
    /// MiB by model and variant, then by entry of `required_devices`.
    pub(super) known: HashMap<(String, String), BTreeMap<String, u64>>,
    pub(super) waiting: HashMap<Arc<str>, PendingDemand>,
    /// Models whose files are being read; a read that hangs is not begun again.
    pub(super) reading: HashSet<Arc<str>>,
}

/// A demand that waits.
pub(super) struct PendingDemand {
    pub(super) spec: Arc<ModelSpec>,
    pub(super) epoch: u64,
    pub(super) urgency: DemandPriority,
}

impl Estimates {
    pub(super) fn of(&self, model: &str, variant: &str, requirement: &str) -> Option<u64> {
        self.known.get(&(model.to_owned(), variant.to_owned()))?.get(requirement).copied()
    }

    /// The life has ended before its demand was heard.
    pub(super) fn forget(&mut self, model: &str, epoch: u64) {
        if self.waiting.get(model).is_some_and(|waiting| waiting.epoch == epoch) {
            self.waiting.remove(model);
        }
    }

    /// The model's actor is gone, and whatever it demanded.
    pub(super) fn forget_all(&mut self, model: &str) {
        self.waiting.remove(model);
    }
}

/// The memory of one variant.
#[derive(Clone, Debug)]
pub struct VariantMemory {
    /// Its key in the configuration.
    pub variant: String,
    /// Its entries of `required_devices`.
    pub required: Vec<Requirement>,
    /// MiB that the user wrote; `None`: `auto`, or nothing.
    pub declared: Option<BTreeMap<String, u64>>,
    /// True for `memory_mb: auto`.
    pub is_auto: bool,
    /// The largest use that was measured.
    pub measured: BTreeMap<String, u64>,
    /// What its files and its command line say.
    pub estimate: Result<Estimate, String>,
    /// MiB of RAM.
    pub ram: Option<u64>,
}

impl VariantMemory {
    /// MiB of the estimate by entry of `required_devices`.
    pub fn estimated(&self) -> BTreeMap<String, u64> {
        self.estimate.as_ref().map(|estimate| shares(estimate, &self.required, self.ram)).unwrap_or_default()
    }
}
