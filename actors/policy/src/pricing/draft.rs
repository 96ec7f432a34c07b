//! A price plan as a person wrote it: all that is wrong with it at once, or a valid plan.

use std::fmt;

use super::{BadDecimal, Currency, Plan, Price, Tier};

/// More tiers than this are a mistake.
pub const MAX_TIERS: usize = 64;

/// The fields of a plan as it is written, of both methods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanDraft {
    pub method: String,
    pub currency: String,
    pub cache_pricing: bool,
    pub tiers: Vec<TierDraft>,
    pub per_hour: Option<String>,
    /// 0 where it is missing.
    pub parked_per_hour: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierDraft {
    pub max_input: Option<u64>,
    pub max_output: Option<u64>,
    pub input: Option<String>,
    pub output: Option<String>,
    /// Wanted with `cache_pricing`; otherwise 0.
    pub cache_read: Option<String>,
    /// 0 where it is missing.
    pub cache_write: Option<String>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanProblem {
    /// The path of the key, such as `tiers[2].input`.
    pub at: String,
    pub wrong: PlanMistake,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanMistake {
    /// Neither `tiered` nor `hourly`.
    Method,
    Currency,
    Missing,
    /// It belongs to the other method.
    Unexpected,
    NoTiers,
    TooManyTiers,
    Decimal(BadDecimal),
    /// Every request that fits in this tier fits in that earlier one.
    Unreachable {
        covered_by: usize,
    },
}

impl fmt::Display for PlanProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.wrong)
    }
}

impl fmt::Display for PlanMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Method => f.write_str("is neither \"tiered\" nor \"hourly\""),
            Self::Currency => f.write_str("is not a currency code of three capital letters, like \"CNY\""),
            Self::Missing => f.write_str("is missing"),
            Self::Unexpected => f.write_str("does not belong to this method"),
            Self::NoTiers => f.write_str("has no tier, so nothing would have a price"),
            Self::TooManyTiers => write!(f, "has more than {MAX_TIERS} tiers"),
            Self::Decimal(why) => why.fmt(f),
            Self::Unreachable { covered_by } => write!(
                f,
                "is never used: whatever fits in it fits in tiers[{covered_by}] before it; put the smaller tier first"
            ),
        }
    }
}

impl std::error::Error for PlanProblem {}

/// The problems found so far.
struct Problems(Vec<PlanProblem>);

impl Problems {
    fn add(&mut self, at: impl Into<String>, wrong: PlanMistake) {
        self.0.push(PlanProblem { at: at.into(), wrong });
    }

    fn price(&mut self, at: String, text: Option<&str>, wanted: bool) -> Price {
        let wrong = match text.map(str::parse) {
            Some(Ok(price)) => return price,
            Some(Err(why)) => PlanMistake::Decimal(why),
            None if wanted => PlanMistake::Missing,
            None => return Price::default(),
        };
        self.add(at, wrong);
        Price::default()
    }
}

impl PlanDraft {
    pub fn build(&self) -> Result<Plan, Vec<PlanProblem>> {
        let mut problems = Problems(Vec::new());
        let currency = Currency::new(&self.currency);
        if currency.is_none() {
            let wrong = if self.currency.is_empty() { PlanMistake::Missing } else { PlanMistake::Currency };
            problems.add("currency", wrong);
        }
        let (tiers, (per_hour, parked_per_hour)) = match self.method.as_str() {
            "tiered" => {
                if self.per_hour.is_some() {
                    problems.add("per_hour", PlanMistake::Unexpected);
                }
                if self.parked_per_hour.is_some() {
                    problems.add("parked_per_hour", PlanMistake::Unexpected);
                }
                (Some(self.tiers(&mut problems)), Default::default())
            }
            "hourly" => {
                if !self.tiers.is_empty() {
                    problems.add("tiers", PlanMistake::Unexpected);
                }
                if self.cache_pricing {
                    problems.add("cache_pricing", PlanMistake::Unexpected);
                }
                let mut price = |key: &str, text: &Option<String>, wanted| {
                    problems.price(key.to_owned(), text.as_deref(), wanted)
                };
                let awake = price("per_hour", &self.per_hour, true);
                (None, (awake, price("parked_per_hour", &self.parked_per_hour, false)))
            }
            method => {
                problems.add(
                    "method",
                    if method.is_empty() { PlanMistake::Missing } else { PlanMistake::Method },
                );
                (None, Default::default())
            }
        };
        match (currency, tiers) {
            (Some(currency), Some(tiers)) if problems.0.is_empty() => {
                Ok(Plan::Tiered { currency, cache_pricing: self.cache_pricing, tiers })
            }
            (Some(currency), None) if problems.0.is_empty() => {
                Ok(Plan::Hourly { currency, per_hour, parked_per_hour })
            }
            _ => Err(problems.0),
        }
    }

    fn tiers(&self, problems: &mut Problems) -> Vec<Tier> {
        if self.tiers.is_empty() {
            problems.add("tiers", PlanMistake::NoTiers);
        }
        if self.tiers.len() > MAX_TIERS {
            problems.add("tiers", PlanMistake::TooManyTiers);
            return Vec::new();
        }
        let mut tiers: Vec<Tier> = Vec::with_capacity(self.tiers.len());
        for (nth, draft) in self.tiers.iter().enumerate() {
            let mut price = |key: &str, text: &Option<String>, wanted| {
                problems.price(format!("tiers[{nth}].{key}"), text.as_deref(), wanted)
            };
            let tier = Tier {
                max_input: draft.max_input,
                max_output: draft.max_output,
                input: price("input", &draft.input, true),
                output: price("output", &draft.output, true),
                cache_read: price("cache_read", &draft.cache_read, self.cache_pricing),
                cache_write: price("cache_write", &draft.cache_write, false),
            };
            // A tier is a rectangle with one corner at 0: several cover it only if one of them does.
            if let Some(covered_by) = tiers.iter().position(|earlier| earlier.covers(&tier)) {
                problems.add(format!("tiers[{nth}]"), PlanMistake::Unreachable { covered_by });
            }
            tiers.push(tier);
        }
        tiers
    }
}
