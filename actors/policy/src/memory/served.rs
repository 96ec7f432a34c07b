//! Servers that take a fixed share of each card and fill it: vLLM and SGLang.

use super::estimate::{Cards, Estimate, MIB, MemoryLocation, MemoryPurpose};

/// The flags that matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// `vLLM` or `SGLang`.
    pub name: &'static str,
    /// The part of a card that it takes, and the flag that says so.
    pub share: f64,
    /// That flag.
    pub flag: &'static str,
    /// Cards that the weights are divided among.
    pub cards: u64,
    /// `--kv-cache-memory-bytes`: the cache alone, in place of the share.
    pub cache: Option<u64>,
    /// `--cpu-offload-gb`, in bytes: so much of the weights lies in RAM.
    pub in_ram: u64,
}

/// What a process of it takes in RAM beside what it offloads.
const PROCESS: u64 = 2048 * MIB;

/// What it is going to use; `weights`: bytes of the model, if they could be found.
pub fn estimate(weights: Option<u64>, flags: &Served, cards: &Cards) -> Estimate {
    let mut estimate = Estimate { model: flags.name.to_owned(), ..Estimate::default() };
    let count = flags.cards.max(1);
    let each = weights.map(|bytes| bytes.saturating_sub(flags.in_ram).div_ceil(count));
    for (at, total) in cards.0.iter().enumerate() {
        if at as u64 >= count {
            break;
        }
        let card = MemoryLocation::Card(at);
        estimate.add(card, MemoryPurpose::Weights, each.unwrap_or(0));
        // The share of the card is taken, whatever the model weighs.
        let taken = total.map(|mib| (mib.saturating_mul(MIB) as f64 * flags.share.clamp(0.0, 1.0)) as u64);
        match (flags.cache, taken) {
            (Some(cache), _) => estimate.add(card, MemoryPurpose::Pool, cache.saturating_add(1024 * MIB)),
            (None, Some(taken)) => {
                if each.is_some_and(|each| each > taken) {
                    estimate.notes.push(format!(
                        "the weights alone are more than {} of card {}: {} will refuse to start; raise {} or use \
                         more cards",
                        flags.share, at + 1, flags.name, flags.flag
                    ));
                }
                estimate.add(card, MemoryPurpose::Pool, taken.saturating_sub(each.unwrap_or(0)));
            }
            (None, None) => estimate.notes.push(format!(
                "the size of card {} isn't known, so what {} = {} takes of it isn't, either",
                at + 1,
                flags.flag,
                flags.share
            )),
        }
    }
    estimate.add(
        MemoryLocation::Host,
        MemoryPurpose::Weights,
        flags.in_ram.min(weights.unwrap_or(flags.in_ram)),
    );
    estimate.add(MemoryLocation::Host, MemoryPurpose::Process, PROCESS);
    estimate
}
