//! What an estimate is made of, and whose share is whose.

use crate::devices::Requirement;
use std::collections::BTreeMap;
use std::fmt;

/// Bytes of a MiB.
pub const MIB: u64 = 1 << 20;

/// The cards that a variant may use, in their order: MiB of each, if that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cards(pub Vec<Option<u64>>);

/// Where memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemoryLocation {
    /// The card with this number among the variant's.
    Card(usize),
    /// RAM.
    Host,
}

/// What memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemoryPurpose {
    /// Weights of the model.
    Weights,
    /// Keys and values of the tokens in the context.
    Cache,
    /// What recurrent layers remember.
    State,
    /// What a batch of tokens needs on its way through the layers.
    Compute,
    /// Weights of the projector for pictures and sound.
    Projector,
    /// All of the draft model.
    Draft,
    /// What vLLM or SGLang takes beside the weights: its share of the card is all taken.
    Pool,
    /// What the driver and the process take: a guess.
    Process,
    /// Prompts that the server keeps, up to `--cache-ram`.
    Prompts,
}

impl fmt::Display for MemoryPurpose {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            MemoryPurpose::Weights => "weights",
            MemoryPurpose::Cache => "KV cache",
            MemoryPurpose::State => "recurrent state",
            MemoryPurpose::Compute => "compute buffers",
            MemoryPurpose::Projector => "projector",
            MemoryPurpose::Draft => "draft model",
            MemoryPurpose::Pool => "KV cache and buffers",
            MemoryPurpose::Process => "driver and process (a guess)",
            MemoryPurpose::Prompts => "kept prompts, at most",
        })
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EstimateLine {
    /// Where.
    pub place: MemoryLocation,
    /// What for.
    pub kind: MemoryPurpose,
    /// How much.
    pub bytes: u64,
}

/// What a backend is going to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// What was found: architecture, context, slots.
    pub model: String,
    /// Line by line; nothing twice.
    pub parts: Vec<EstimateLine>,
    /// What isn't counted, and why.
    pub notes: Vec<String>,
}

impl Estimate {
    pub(super) fn add(&mut self, place: MemoryLocation, kind: MemoryPurpose, bytes: u64) {
        if bytes == 0 {
            return;
        }
        match self.parts.iter_mut().find(|part| part.place == place && part.kind == kind) {
            Some(part) => part.bytes = part.bytes.saturating_add(bytes),
            None => self.parts.push(EstimateLine { place, kind, bytes }),
        }
    }

    /// MiB at that place.
    pub fn mib(&self, place: MemoryLocation) -> u64 {
        let there = self.parts.iter().filter(|part| part.place == place);
        there.fold(0_u64, |sum, part| sum.saturating_add(part.bytes)).div_ceil(MIB)
    }
}

impl Estimate {
    /// MiB of prompts that may be kept.
    pub fn kept_prompts(&self) -> u64 {
        let kept = self.parts.iter().filter(|part| part.kind == MemoryPurpose::Prompts);
        kept.fold(0_u64, |sum, part| sum.saturating_add(part.bytes)) / MIB
    }
}

/// Whether an entry of `required_devices` means RAM and not a card.
fn is_host(requirement: &Requirement) -> bool {
    requirement.text().eq_ignore_ascii_case("cpu")
}

/// Part of RAM, in hundredths, that prompts which might be kept may promise away.
const PROMPTS_UP_TO_PERCENT: u64 = 90;

/// How many cards an entry means; nobody has as many as a slip of the pen may ask for.
pub fn cards_of(requirement: &Requirement) -> usize {
    requirement.count().min(64)
}

/// The MiB of each entry of `required_devices`. An entry of several cards wants of each as much as the fullest. `ram` has
/// the machine, if that is known: a model isn't refused for prompts that it might keep one day.
pub fn shares(estimate: &Estimate, required: &[Requirement], ram: Option<u64>) -> BTreeMap<String, u64> {
    let mut card = 0;
    let mut shares = BTreeMap::new();
    for requirement in required {
        let mib = if is_host(requirement) {
            let (all, kept) = (estimate.mib(MemoryLocation::Host), estimate.kept_prompts());
            let limit = ram.map_or(u64::MAX, |ram| ram / 100 * PROMPTS_UP_TO_PERCENT);
            all.min(limit.max(all.saturating_sub(kept)))
        } else {
            let first = card;
            card += cards_of(requirement);
            (first..card).map(|at| estimate.mib(MemoryLocation::Card(at))).max().unwrap_or(0)
        };
        shares.insert(requirement.text().to_string(), mib);
    }
    shares
}

impl Cards {
    /// The cards that these entries mean; `total` knows the MiB of one.
    pub fn of(required: &[Requirement], total: impl Fn(&Requirement) -> Option<u64>) -> Self {
        let cards = required.iter().filter(|requirement| !is_host(requirement));
        Self(cards.flat_map(|one| vec![total(one); cards_of(one)]).collect())
    }
}
