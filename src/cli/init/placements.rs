//! Where a model may run, with how much of each device.

use std::path::Path;

use llm_manager_policy::memory::{Cards, Estimate, Facts, MemoryLocation};
use llm_manager_weights::{gguf, look_at};

use super::command::command;
use super::inventory::{FoundDevice, FoundModel, Inventory, WeightFormat};

/// Part of a device's memory that the desktop and the driver hold already, in hundredths.
const RESERVED_PERCENT: u64 = 5;
/// Contexts of a model that chats, the best first. Without one the server takes what it can get.
const CONTEXTS: [u64; 4] = [32_768, 16_384, 8192, 4096];

/// A variant.
pub(super) struct Placement {
    pub(super) name: &'static str,
    /// Devices with their share in MiB.
    pub(super) devices: Vec<(String, u64)>,
    /// Whether it runs on cards.
    pub(super) is_gpu: bool,
    /// Tokens, where the command should say it.
    pub(super) context: Option<u64>,
}

fn usable(device: &FoundDevice) -> u64 {
    device.total_mib - device.total_mib * RESERVED_PERCENT / 100
}

/// The variants, the best one first.
pub(super) fn placements(found: &Inventory, model: &FoundModel) -> Vec<Placement> {
    let cards: Vec<_> = found.devices.iter().filter(|device| device.is_gpu).collect();
    let alone = cards.iter().find_map(|card| Some(("GPU", on_cards(found, model, &[*card])?)));
    let together = || {
        let all = (cards.len() > 1).then(|| on_cards(found, model, &cards)).flatten()?;
        Some(("All-GPUs", all))
    };
    let mut placements = Vec::new();
    if let Some((name, (devices, context))) = alone.or_else(together) {
        placements.push(Placement { name, devices, is_gpu: true, context });
    }
    // vLLM as it is installed runs on cards.
    let cpu =
        found.devices.iter().find(|device| !device.is_gpu).filter(|_| model.format == WeightFormat::Gguf);
    if let Some((devices, context)) = cpu.and_then(|cpu| on_cpu(found, model, cpu)) {
        placements.push(Placement { name: "CPU", devices, is_gpu: false, context });
    } else if found.devices.is_empty() {
        placements.push(Placement { name: "Default", devices: Vec::new(), is_gpu: true, context: None });
    }
    placements
}

type Fitting = (Vec<(String, u64)>, Option<u64>);

fn on_cards(found: &Inventory, model: &FoundModel, cards: &[&FoundDevice]) -> Option<Fitting> {
    let sizes = Cards(cards.iter().map(|card| Some(card.total_mib)).collect());
    let fits = |needs: &[u64]| needs.iter().zip(cards).all(|(need, card)| *need <= usable(card));
    let said = best(found, model, &sizes, |estimate| {
        let needs: Vec<u64> = (0..cards.len()).map(|at| estimate.mib(MemoryLocation::Card(at))).collect();
        fits(&needs).then_some(needs)
    });
    let (needs, context) = match said {
        Said::Fits(needs, context) => (needs, context),
        Said::TooLarge => return None,
        Said::Nothing => (Some(by_size(model, cards)).filter(|needs| fits(needs))?, None),
    };
    Some(((0..cards.len()).map(|at| name(cards, at)).zip(needs).collect(), context))
}

fn on_cpu(found: &Inventory, model: &FoundModel, cpu: &FoundDevice) -> Option<Fitting> {
    let said = best(found, model, &Cards::default(), |estimate| {
        let prompts = estimate.kept_prompts();
        let need = estimate.mib(MemoryLocation::Host).saturating_sub(prompts);
        // Prompts are kept as long as there is room.
        (need <= usable(cpu)).then(|| need + prompts.min(usable(cpu) - need))
    });
    let (need, context) = match said {
        Said::Fits(need, context) => (need, context),
        Said::TooLarge => return None,
        Said::Nothing => (Some(model.memory_mib()).filter(|need| *need <= usable(cpu))?, None),
    };
    Some((vec![(cpu.name.clone(), need)], context))
}

/// What the file says of a model.
enum Said<T> {
    /// It fits, with this context.
    Fits(T, Option<u64>),
    /// Not even with the smallest context.
    TooLarge,
    /// No estimate can be made.
    Nothing,
}

/// The largest context with which `fitting` says that the estimate fits.
fn best<T>(
    found: &Inventory,
    model: &FoundModel,
    cards: &Cards,
    fitting: impl Fn(&Estimate) -> Option<T>,
) -> Said<T> {
    let is_gpu = !cards.0.is_empty();
    let mut said = Said::Nothing;
    for context in contexts(model) {
        let words = command(found, model, is_gpu, cards.0.len(), context);
        let Ok(estimate) = look_at(&words, Path::new(""), cards) else { return Said::Nothing };
        match fitting(&estimate) {
            Some(fits) => return Said::Fits(fits, context),
            None => said = Said::TooLarge,
        }
    }
    said
}

/// The contexts to try: none that the model wasn't trained for, and for what makes vectors its own.
fn contexts(model: &FoundModel) -> Vec<Option<u64>> {
    if model.mode != "Chat" || model.format != WeightFormat::Gguf {
        return vec![None];
    }
    let header = gguf(&model.path).ok();
    let trained = header.and_then(|header| Facts::of(&header).ok()).map_or(u64::MAX, |facts| facts.context);
    let contexts: Vec<_> = CONTEXTS.into_iter().filter(|tokens| *tokens <= trained).map(Some).collect();
    if contexts.is_empty() { vec![None] } else { contexts }
}

/// Where the file says nothing: each card takes a share in proportion to what it has, as llama-server splits it.
fn by_size(model: &FoundModel, cards: &[&FoundDevice]) -> Vec<u64> {
    let total: u64 = cards.iter().map(|card| card.total_mib).sum();
    cards.iter().map(|card| (model.memory_mib() * card.total_mib).div_ceil(total.max(1))).collect()
}

/// Two cards of one name are told apart by their number.
fn name(cards: &[&FoundDevice], at: usize) -> String {
    let Some(card) = cards.get(at) else { return String::new() };
    let same = cards.iter().filter(|other| other.name == card.name).count();
    let number = cards.iter().take(at + 1).filter(|other| other.name == card.name).count();
    if same > 1 { format!("{} #{number}", card.name) } else { card.name.clone() }
}
