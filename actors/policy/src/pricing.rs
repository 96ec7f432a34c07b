//! What a request, a run and a kilowatt hour cost: exact integers, the plan in force at the time.
//!
//! # Units
//!
//! Money is whole numbers of 10^-12 of a currency's unit ([`Money`]), prices are whole numbers of 10^-6 of
//! it per million tokens, per hour or per kWh ([`Price`]). One token at the smallest price then costs
//! exactly the smallest money, so costs of tokens are never rounded. Arithmetic is checked: what is too
//! big is an [`MoneyOverflow`], never a wrong number. An `i64` of a database holds 9.2 million units of a
//! currency as [`Money::as_i64`].
//!
//! # Rules that a price list leaves open
//!
//! * The first tier that fits prices the whole request: a threshold, not a graduated scale.
//! * Cached tokens that the backend doesn't tell count as none; more cached than input as all of it.
//!   With `cache_pricing` every uncached token pays `input + cache_write`,
//!   whatever the backend says that it wrote to its cache.
//! * A request whose input or output is unknown is unpriced, not free.
//! * Times are microseconds since 1970 in UTC. A plan holds from its instant on, that instant included.
//! * Ready time is rounded to the nearest second, halves up, for a run as a whole; where plans change
//!   within a run, its parts are cut so that they add up to that. Hours and joules are then rounded to
//!   the nearest 10^-12, halves up.

mod config_change;
mod draft;
mod history;
mod money;
mod share;
#[cfg(test)]
mod tests;

pub use config_change::{Configured, configured};
pub use draft::{MAX_TIERS, PlanDraft, PlanMistake, PlanProblem, TierDraft};
pub use history::{Interval, Micros, PlanChange, PlanHistory, PlanInThePast};
pub use money::{BadDecimal, Currency, Money, MoneyOverflow, Price};
pub use share::{Shares, share_by_weight, share_out};

/// How a model is paid for. [`PlanDraft::build`] makes valid ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    Tiered {
        currency: Currency,
        cache_pricing: bool,
        tiers: Vec<Tier>,
    },
    /// The time awake and, at a price of its own, the time asleep.
    Hourly {
        currency: Currency,
        per_hour: Price,
        parked_per_hour: Price,
    },
}

/// Prices per million tokens of the requests that fit in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tier {
    /// `None`: no limit.
    pub max_input: Option<u64>,
    pub max_output: Option<u64>,
    pub input: Price,
    pub output: Price,
    pub cache_read: Price,
    pub cache_write: Price,
}

/// Tokens of one request, as [`crate::usage`] defines them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub input: Option<u64>,
    pub cached: Option<u64>,
    pub output: Option<u64>,
}

/// What a request costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    Priced(CostParts),
    /// Cost 0, and marked as unpriced.
    Unpriced(Unpriced),
    /// The run is paid, not its requests.
    Hourly,
}

/// The parts of a cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostParts {
    /// Which tier it was, from 0.
    pub tier: usize,
    /// Of the uncached input, or of all of it without `cache_pricing`.
    pub input: Money,
    pub cached: Money,
    pub output: Money,
    /// Their sum.
    pub total: Money,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpriced {
    /// No tier is that big.
    NoTier,
    /// The backend didn't say how many tokens there were.
    UnknownTokens,
    /// No plan was in force.
    NoPlan,
}

impl Cost {
    /// What to add to sums.
    pub fn money(&self) -> Money {
        match self {
            Self::Priced(parts) => parts.total,
            Self::Unpriced(_) | Self::Hourly => Money::ZERO,
        }
    }
}

impl Tier {
    fn fits(&self, input: u64, output: u64) -> bool {
        self.max_input.is_none_or(|max| input <= max) && self.max_output.is_none_or(|max| output <= max)
    }

    /// Whether whatever fits in the other fits in this.
    fn covers(&self, other: &Self) -> bool {
        let wider = |mine: Option<u64>, theirs: Option<u64>| match (mine, theirs) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => mine >= theirs,
        };
        wider(self.max_input, other.max_input) && wider(self.max_output, other.max_output)
    }
}

impl Plan {
    pub fn currency(&self) -> Currency {
        match self {
            Self::Tiered { currency, .. } | Self::Hourly { currency, .. } => *currency,
        }
    }

    /// The cost of a request.
    pub fn cost(&self, tokens: Tokens) -> Result<Cost, MoneyOverflow> {
        let Self::Tiered { cache_pricing, tiers, .. } = self else { return Ok(Cost::Hourly) };
        let (Some(input), Some(output)) = (tokens.input, tokens.output) else {
            return Ok(Cost::Unpriced(Unpriced::UnknownTokens));
        };
        let Some((nth, tier)) = tiers.iter().enumerate().find(|(_, tier)| tier.fits(input, output)) else {
            return Ok(Cost::Unpriced(Unpriced::NoTier));
        };
        let mut parts =
            CostParts { tier: nth, output: tier.output.of_tokens(output), ..CostParts::default() };
        if *cache_pricing {
            let cached = tokens.cached.unwrap_or(0).min(input);
            let uncached = input - cached;
            let written = tier.cache_write.of_tokens(uncached);
            parts.input = tier.input.of_tokens(uncached).plus(written)?;
            parts.cached = tier.cache_read.of_tokens(cached);
        } else {
            parts.input = tier.input.of_tokens(input);
        }
        parts.total = parts.input.plus(parts.cached)?.plus(parts.output)?;
        Ok(Cost::Priced(parts))
    }

    /// The most that a request of so much input can cost whose output may be up to this. That is not the cost of the longest
    /// output: a plan may have none for it, or a lower one. `None`: it costs nothing.
    pub fn most(&self, input: u64, output: u64) -> Option<Money> {
        let Self::Tiered { tiers, .. } = self else { return None };
        // Within a tier more output costs more.
        let ends = tiers.iter().filter_map(|tier| tier.max_output).filter(|end| *end < output);
        let costs = ends
            .chain([output])
            .map(|output| self.cost(Tokens { input: Some(input), cached: None, output: Some(output) }));
        let known = costs.filter_map(|cost| match cost {
            Ok(Cost::Priced(parts)) => Some(parts.total),
            Ok(_) => None,
            Err(MoneyOverflow) => Some(Money::MAX),
        });
        known.max()
    }
}

/// What the energy of a run or a request costs.
pub fn electricity(millijoules: u64, per_kwh: Price) -> Result<Money, MoneyOverflow> {
    // A kWh is 3.6 * 10^9 mJ, and the price counts 10^6 units of money.
    per_kwh.times(millijoules, 3600)
}
