//! llama.cpp's server: what its flags make of a model.

use super::cache::CacheType;
use super::estimate::{Cards, Estimate, MIB, MemoryLocation, MemoryPurpose};
use super::facts::{Facts, Layer};

/// The driver's context on a card that runs a backend. A guess: none of it is in any header.
const CARD_CONTEXT: u64 = 300 * MIB;
/// The server's own code and tables.
const PROCESS: u64 = 64 * MIB;
/// What `--fit` leaves free on a card, and the smallest context that it goes down to.
const FIT_MARGIN_MIB: u64 = 1024;
const FIT_LEAST_CONTEXT: u64 = 4096;
/// Slots where the command line doesn't say (`-np -1`); they share one cache then.
const SLOTS: u64 = 4;
/// Cells of the cache come in steps.
const STEP: u64 = 256;

/// The flags that matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Llama {
    /// `-c`; `None`: the model's own, lowered to what fits.
    pub context: Option<u64>,
    /// `-np`
    pub slots: Option<u64>,
    /// `-kvu`
    pub unified: Option<bool>,
    /// `-b`
    pub batch: u64,
    /// `-ub`
    pub micro_batch: u64,
    /// `-ctk`
    pub keys: CacheType,
    /// `-ctv`
    pub values: CacheType,
    /// `-ngl`; `None`: all.
    pub gpu_layers: Option<u64>,
    /// `--n-cpu-moe`: of so many layers the experts stay in RAM.
    pub cpu_experts: u64,
    /// `-ts`
    pub split: Vec<f64>,
    /// `-sm none`: this card alone (`-mg`).
    pub only_card: Option<usize>,
    /// not `-nkvo`
    pub cache_on_card: bool,
    /// `-fa off`
    pub no_flash: bool,
    /// `--swa-full`
    pub full_windows: bool,
    /// not `-fit off`
    pub fit: bool,
    /// `--no-mmproj-offload`
    pub projector_in_ram: bool,
    /// `--cache-ram`, in MiB; `None`: no limit.
    pub kept_prompts: Option<u64>,
}

impl Default for Llama {
    fn default() -> Self {
        Self {
            context: None,
            slots: None,
            unified: None,
            batch: 2048,
            micro_batch: 512,
            keys: CacheType::F16,
            values: CacheType::F16,
            gpu_layers: None,
            cpu_experts: 0,
            split: Vec::new(),
            only_card: None,
            cache_on_card: true,
            no_flash: false,
            full_windows: false,
            fit: true,
            projector_in_ram: false,
            kept_prompts: Some(8192),
        }
    }
}

/// A draft model beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftModel {
    /// Its header.
    pub facts: Facts,
    /// `-ctkd`
    pub keys: CacheType,
    /// `-ctvd`
    pub values: CacheType,
    /// `-ngld`
    pub gpu_layers: Option<u64>,
}

/// All that is loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedWeights {
    /// The model.
    pub facts: Facts,
    /// Bytes of the projector.
    pub projector: u64,
    /// The draft model.
    pub draft: Option<DraftModel>,
}

/// What the server is going to use.
pub fn estimate(loaded: &LoadedWeights, flags: &Llama, cards: &Cards) -> Estimate {
    let asked = flags.context.filter(|context| *context > 0);
    let context = asked.unwrap_or(loaded.facts.context);
    let full = with_context(loaded, flags, cards, context);
    if asked.is_some() || !flags.fit || fits(&full, cards) {
        return full;
    }
    // The largest context that leaves each card its margin, in steps; the server searches in the same way.
    let (mut low, mut high) = (FIT_LEAST_CONTEXT / STEP, context / STEP);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(&with_context(loaded, flags, cards, middle * STEP), cards) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    let mut fitted = with_context(loaded, flags, cards, (low * STEP).min(context));
    fitted.notes.push(format!(
        "without -c the server takes the model's context of {context} tokens, or as much of it as fits: write -c to \
         decide it yourself"
    ));
    fitted
}

fn fits(estimate: &Estimate, cards: &Cards) -> bool {
    let has_room = |(at, total): (usize, &Option<u64>)| {
        total.is_none_or(|total| {
            estimate.mib(MemoryLocation::Card(at)).saturating_add(FIT_MARGIN_MIB) <= total
        })
    };
    cards.0.iter().enumerate().all(has_room)
}

/// How the cache is laid out.
#[derive(Clone, Copy, Debug)]
struct Layout {
    slots: u64,
    streams: u64,
    /// Cells of a stream: of layers that see everything, and of those with a window.
    cells: u64,
    window_cells: u64,
    /// Tokens that are worked on at once.
    batch: u64,
}

impl Layout {
    fn of(facts: &Facts, flags: &Llama, context: u64) -> Self {
        let slots = flags.slots.unwrap_or(SLOTS).max(1);
        let unified = flags.unified.unwrap_or(flags.slots.is_none());
        let batch = flags.micro_batch.min(flags.batch).min(context).max(1);
        let cells = if unified { pad(context) } else { pad(context.div_ceil(slots)) };
        let seen = facts.window.saturating_mul(if unified { slots } else { 1 });
        let window_cells =
            if flags.full_windows { cells } else { pad(seen.saturating_add(batch)).min(cells) };
        Self { slots, streams: if unified { 1 } else { slots }, cells, window_cells, batch }
    }

    fn cache(&self, layer: &Layer, keys: CacheType, values: CacheType) -> u64 {
        let cells = if layer.is_windowed { self.window_cells } else { self.cells };
        let row = keys.bytes(layer.keys).saturating_add(values.bytes(layer.values));
        row.saturating_mul(cells).saturating_mul(self.streams)
    }
}

fn pad(cells: u64) -> u64 {
    cells.div_ceil(STEP).saturating_mul(STEP)
}

fn with_context(loaded: &LoadedWeights, flags: &Llama, cards: &Cards, context: u64) -> Estimate {
    let facts = &loaded.facts;
    let layout = Layout::of(facts, flags, context);
    let keeps = facts.layers.iter().any(|layer| layer.keys > 0);
    let mut estimate = Estimate {
        model: if keeps {
            let shared = if layout.streams == 1 && layout.slots > 1 { " that share it" } else { "" };
            let slots = if layout.slots == 1 { "slot" } else { "slots" };
            let (name, slot_count) = (&facts.architecture, layout.slots);
            format!("{name}, {} layers, context {context}, {slot_count} {slots}{shared}", facts.layers.len())
        } else {
            format!("{}, {} layers", facts.architecture, facts.layers.len())
        },
        ..Estimate::default()
    };
    let places = Places::of(facts, flags, flags.gpu_layers, cards);
    add_model(&mut estimate, facts, &layout, &places, (flags.keys, flags.values), flags, None);
    let first = places.first_card();
    let projector = if flags.projector_in_ram { MemoryLocation::Host } else { first };
    estimate.add(projector, MemoryPurpose::Projector, loaded.projector);
    if let Some(draft) = &loaded.draft {
        let layout = Layout::of(&draft.facts, flags, context);
        let places = Places::of(&draft.facts, flags, draft.gpu_layers, cards);
        let types = (draft.keys, draft.values);
        add_model(&mut estimate, &draft.facts, &layout, &places, types, flags, Some(MemoryPurpose::Draft));
    }
    for card in places.used() {
        estimate.add(card, MemoryPurpose::Process, CARD_CONTEXT);
    }
    estimate.add(MemoryLocation::Host, MemoryPurpose::Process, PROCESS);
    if keeps {
        match flags.kept_prompts {
            Some(mib) => estimate.add(MemoryLocation::Host, MemoryPurpose::Prompts, mib.saturating_mul(MIB)),
            None => estimate
                .notes
                .push("--cache-ram -1: the server keeps prompts in RAM without a limit".to_owned()),
        }
    }
    estimate.parts.sort_by_key(|part| (part.place, part.kind));
    estimate
}

fn add_model(
    estimate: &mut Estimate,
    facts: &Facts,
    layout: &Layout,
    places: &Places,
    (keys, values): (CacheType, CacheType),
    flags: &Llama,
    all_as: Option<MemoryPurpose>,
) {
    let kind = |kind: MemoryPurpose| all_as.unwrap_or(kind);
    let mut state = 0;
    for (at, layer) in facts.layers.iter().enumerate() {
        let place = places.layer(at);
        let experts = if (at as u64) < flags.cpu_experts { MemoryLocation::Host } else { place };
        estimate.add(place, kind(MemoryPurpose::Weights), layer.dense);
        estimate.add(experts, kind(MemoryPurpose::Weights), layer.experts);
        let kept = if flags.cache_on_card { place } else { MemoryLocation::Host };
        estimate.add(kept, kind(MemoryPurpose::Cache), layout.cache(layer, keys, values));
        estimate.add(kept, kind(MemoryPurpose::State), layer.state.saturating_mul(layout.slots));
        state = layer.state.max(state);
    }
    estimate.add(MemoryLocation::Host, kind(MemoryPurpose::Weights), facts.input);
    let output = places.layer(facts.layers.len());
    estimate.add(output, kind(MemoryPurpose::Weights), facts.output);
    if facts.is_tied && output != MemoryLocation::Host {
        estimate.add(output, kind(MemoryPurpose::Weights), facts.input);
    }
    let compute = compute(facts, layout, flags).saturating_add(state.saturating_mul(layout.slots));
    let used: Vec<MemoryLocation> = places.used().collect();
    if used.is_empty() || places.has_layers_in_ram {
        estimate.add(MemoryLocation::Host, kind(MemoryPurpose::Compute), compute);
    } else {
        let handed = layout.batch.saturating_mul(facts.embedding).saturating_mul(8);
        estimate.add(
            MemoryLocation::Host,
            kind(MemoryPurpose::Compute),
            handed.saturating_add(mask(facts, layout)),
        );
    }
    for card in used {
        estimate.add(card, kind(MemoryPurpose::Compute), compute);
    }
}

/// Which token may see which cell: two bytes for each, once for each sort of layer.
fn mask(facts: &Facts, layout: &Layout) -> u64 {
    let any = |windowed: bool| facts.layers.iter().any(|one| one.keys > 0 && one.is_windowed == windowed);
    let cells = if any(false) { layout.cells } else { 0 };
    let window_cells = if any(true) { layout.window_cells } else { 0 };
    cells.saturating_add(window_cells).saturating_mul(layout.batch).saturating_mul(2)
}

fn compute(facts: &Facts, layout: &Layout, flags: &Llama) -> u64 {
    let activation = facts.activation.saturating_mul(layout.batch).saturating_mul(4);
    // Without flash attention the products of all heads lie in memory at once.
    let products = if flags.no_flash && facts.layers.iter().any(|layer| layer.keys > 0) {
        layout.cells.saturating_mul(layout.batch).saturating_mul(facts.heads).saturating_mul(4)
    } else {
        0
    };
    activation.saturating_add(products).saturating_add(mask(facts, layout))
}

/// Which layer is where.
#[derive(Debug)]
struct Places {
    /// From this layer on they are on cards.
    first_on_card: usize,
    /// Layers on cards, the output as the last.
    on_cards: usize,
    /// The part of them that ends at each card, out of 1.
    ends: Vec<(usize, f64)>,
    /// One is enough: the output goes to the cards first.
    has_layers_in_ram: bool,
}

impl Places {
    fn of(facts: &Facts, flags: &Llama, gpu_layers: Option<u64>, cards: &Cards) -> Self {
        let all = facts.layers.len() + 1;
        let wanted = gpu_layers.map_or(all, |layers| usize::try_from(layers).unwrap_or(all)).min(all);
        let on_cards = if cards.0.is_empty() { 0 } else { wanted };
        let weights: Vec<(usize, f64)> = match flags.only_card {
            Some(card) => vec![(card.min(cards.0.len().saturating_sub(1)), 1.0)],
            None => {
                cards.0.iter().enumerate().map(|(at, total)| (at, share(flags, cards, at, *total))).collect()
            }
        };
        let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let mut end = 0.0;
        let ends = weights.into_iter().map(|(at, weight)| {
            end += weight / sum;
            (at, end)
        });
        let ends = ends.collect();
        Self { first_on_card: all - on_cards, on_cards, ends, has_layers_in_ram: on_cards < all }
    }

    fn layer(&self, at: usize) -> MemoryLocation {
        let Some(behind) = at.checked_sub(self.first_on_card) else { return MemoryLocation::Host };
        let part = behind as f64 / self.on_cards as f64;
        let found = self.ends.iter().find(|(_, end)| *end > part).or(self.ends.last());
        found.map_or(MemoryLocation::Host, |(card, _)| MemoryLocation::Card(*card))
    }

    fn first_card(&self) -> MemoryLocation {
        self.used().next().unwrap_or(MemoryLocation::Host)
    }

    /// Cards that have a layer.
    fn used(&self) -> impl Iterator<Item = MemoryLocation> {
        let mut used: Vec<MemoryLocation> =
            (self.first_on_card..self.first_on_card + self.on_cards).map(|at| self.layer(at)).collect();
        used.dedup();
        used.into_iter().filter(|place| *place != MemoryLocation::Host)
    }
}

/// `-ts`, or in proportion to what the cards have; the server goes by what is free on them.
fn share(flags: &Llama, cards: &Cards, at: usize, total: Option<u64>) -> f64 {
    if flags.split.iter().take(cards.0.len()).any(|part| *part > 0.0) {
        return flags.split.get(at).copied().unwrap_or(0.0).max(0.0);
    }
    let known = cards.0.iter().all(|total| total.is_some_and(|mib| mib > 0));
    total.filter(|_| known).map_or(1.0, |mib| mib as f64)
}
