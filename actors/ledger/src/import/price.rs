//! The original's prices: what a request cost there, and whether a plan of ours says the same.

use super::source::{ImportedRequest, ImportedTier, PriceList};
use crate::row::Pricing;
use llm_manager_policy::pricing::{self, Currency, Plan, Price};

/// The original's only currency.
pub(super) const CURRENCY: &str = "CNY";

/// What a model's use costs, in exact prices.
pub(super) struct ImportedPrices {
    steps: Vec<Step>,
    is_hourly: bool,
    /// The same as a plan of ours, if there is one.
    pub(super) plan: Option<Plan>,
    pub(super) notes: Vec<String>,
}

struct Step {
    min: [i64; 2],
    max: [i64; 2],
    input: Price,
    output: Price,
    cache_read: Price,
    cache_write: Price,
    /// Otherwise the whole input has one price.
    caches: bool,
}

impl ImportedPrices {
    pub(super) fn of(list: &PriceList) -> Self {
        let mut notes = Vec::new();
        let mut prices = Self { steps: Vec::new(), is_hourly: false, plan: None, notes: Vec::new() };
        let currency = Currency::new(CURRENCY);
        if !list.by_tier {
            if let (Some(per_hour), Some(currency)) =
                (exact(list.per_hour, &mut notes).filter(|price| price.units() > 0), currency)
            {
                prices.is_hourly = true;
                prices.plan = Some(Plan::Hourly { currency, per_hour, parked_per_hour: Default::default() });
            }
            prices.notes = notes;
            return prices;
        }
        let is_free = |tier: &ImportedTier| {
            [tier.input, tier.output, tier.cache_read, tier.cache_write].iter().all(|price| *price == 0.0)
        };
        // The tier that the original makes by itself: nobody has set a price.
        if list.tiers.iter().all(is_free) {
            return prices;
        }
        prices.steps = list.tiers.iter().filter_map(|tier| Step::of(tier, &mut notes)).collect();
        if prices.steps.len() < list.tiers.len() {
            notes.push("tiers with an invalid price are left out".to_owned());
        }
        let tiers: Vec<_> = prices.steps.iter().map(Step::tier).collect();
        if prices.means(&tiers) {
            prices.plan = currency.map(|currency| Plan::Tiered { currency, cache_pricing: true, tiers });
        } else {
            notes.push(
                "its tiers leave gaps, which a plan here can't say: the imported requests keep their price, and new ones \
                 have none until you set a plan"
                    .to_owned(),
            );
        }
        prices.notes = notes;
        prices
    }

    /// Whether tiers of ours, which only have an upper end, say the same: tried wherever something may change.
    fn means(&self, tiers: &[pricing::Tier]) -> bool {
        let edges = |at: usize| {
            let ends = self.steps.iter().flat_map(move |step| [step.min[at], step.max[at]]);
            let mut edges: Vec<i64> =
                ends.flat_map(|end| [end, end.saturating_add(1)]).chain([0, 1]).collect();
            edges.retain(|edge| *edge < i64::MAX);
            edges.push(i64::MAX - 1);
            edges.sort_unstable();
            edges.dedup();
            edges
        };
        let ours = |input: i64, output: i64| {
            let within =
                |limit: Option<u64>, count: i64| limit.is_none_or(|limit| count.unsigned_abs() <= limit);
            tiers.iter().position(|tier| within(tier.max_input, input) && within(tier.max_output, output))
        };
        let outputs = edges(1);
        edges(0)
            .iter()
            .all(|input| outputs.iter().all(|output| self.step(*input, *output) == ours(*input, *output)))
    }

    /// The first step that a request falls into.
    fn step(&self, input: i64, output: i64) -> Option<usize> {
        self.steps.iter().position(|step| {
            [input, output]
                .iter()
                .zip(step.min.iter().zip(step.max))
                .all(|(count, (min, max))| (*min == 0 || count > min) && *count <= max)
        })
    }

    /// What the request cost, in the ledger's unit: a price in millionths per million tokens, times tokens.
    pub(super) fn price(&self, request: &ImportedRequest) -> (Pricing, Option<i64>) {
        if self.is_hourly {
            return (Pricing::Hourly, None);
        }
        if self.steps.is_empty() {
            return (Pricing::NoPlan, None);
        }
        let Some(step) = self.step(request.input, request.output).and_then(|at| self.steps.get(at)) else {
            return (Pricing::NoTier, Some(0));
        };
        let part = |tokens: i64, price: Price| i128::from(tokens.max(0)) * i128::from(price.units());
        let input = if step.caches {
            part(request.cached, step.cache_read)
                + part(request.prompt, step.input)
                + part(request.prompt, step.cache_write)
        } else {
            part(request.input, step.input)
        };
        let cost = input + part(request.output, step.output);
        i64::try_from(cost).map_or((Pricing::TooBig, None), |cost| (Pricing::Priced, Some(cost)))
    }

    pub(super) fn words(&self) -> String {
        match &self.plan {
            Some(Plan::Hourly { per_hour, .. }) => format!("{per_hour} CNY an hour"),
            Some(Plan::Tiered { tiers, .. }) if tiers.len() == 1 => "one tier, in CNY".to_owned(),
            Some(Plan::Tiered { tiers, .. }) => format!("{} tiers, in CNY", tiers.len()),
            None if self.steps.is_empty() => "none was set".to_owned(),
            None => "kept with each request".to_owned(),
        }
    }
}

impl Step {
    fn of(tier: &ImportedTier, notes: &mut Vec<String>) -> Option<Self> {
        let lower = |end: Option<i64>| end.filter(|end| *end > 0).unwrap_or(0);
        let upper = |end: Option<i64>| end.filter(|end| *end >= 0).unwrap_or(i64::MAX);
        let input = exact(tier.input, notes)?;
        // Without caching, the whole input has one price.
        let (cache_read, cache_write) = match tier.caches {
            true => (exact(tier.cache_read, notes)?, exact(tier.cache_write, notes)?),
            false => (input, Price::from_units(0)),
        };
        Some(Self {
            min: [lower(tier.min_input), lower(tier.min_output)],
            max: [upper(tier.max_input), upper(tier.max_output)],
            input,
            output: exact(tier.output, notes)?,
            cache_read,
            cache_write,
            caches: tier.caches,
        })
    }

    fn tier(&self) -> pricing::Tier {
        let limit = |end: i64| Some(end.unsigned_abs()).filter(|_| end < i64::MAX);
        pricing::Tier {
            max_input: limit(self.max[0]),
            max_output: limit(self.max[1]),
            input: self.input,
            output: self.output,
            cache_read: self.cache_read,
            cache_write: self.cache_write,
        }
    }
}

/// The decimal that was meant by a binary fraction: the shortest one, with six places at most.
fn exact(price: f64, notes: &mut Vec<String>) -> Option<Price> {
    if let Ok(price) = price.to_string().parse() {
        return Some(price);
    }
    let rounded = format!("{price:.6}").parse().ok()?;
    notes.push(format!("the price {price} is rounded to {rounded}"));
    Some(rounded)
}
