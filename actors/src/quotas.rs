//! Quotas: the actor that counts what keys with limits use. `llm_manager_policy::quota` decides.
//!
//! What was used of a budget before comes from the ledger, when a key is first seen. A restarted actor asks there again; what
//! was reserved then, and has not been recorded yet, is forgotten. Where several managers write into the ledger, it is asked again and
//! again as long as the key is used: a budget is that of all of them.

use crate::actor_ref::tell;
use crate::billing::Ledger;
use actix::{
    Actor, ActorFuture, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, ResponseActFuture,
    WrapFuture,
};
use futures_util::future::join_all;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use llm_manager_ledger::{Filter, StoreError};
use llm_manager_policy::quota::{
    self, Limit, Limits, QuotaExceeded, QuotaRequest, QuotaTicket, RemainingQuota, State,
};
use llm_manager_policy::spec::{BudgetSpec, Cap, Period};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where others use the same budget, what the ledger said of it is good for so long, and is asked for anew behind a request.
const FRESH: Duration = Duration::from_secs(1);
/// After so long a request waits for the answer.
const STALE: Duration = Duration::from_secs(10);
/// Units of money in one of a price.
const MONEY_PER_PRICE: u64 = 1_000_000;

/// What a key may use, as the configuration says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The key's name.
    pub key: Arc<str>,
    /// `None`: as many as it likes.
    pub requests_per_minute: Option<u64>,
    /// The same of tokens.
    pub tokens_per_minute: Option<u64>,
    /// In a day or a month.
    pub budget: Option<BudgetSpec>,
}

impl Quota {
    /// The same in numbers.
    pub fn limits(&self) -> Limits {
        let budget = self.budget.map(|budget| match budget.cap {
            Cap::Tokens(tokens) => tokens,
            Cap::Money { units, .. } => units.saturating_mul(MONEY_PER_PRICE),
        });
        Limits {
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            budget,
        }
    }
}

/// May a request begin that takes so much?
#[derive(Message)]
#[rtype(result = "Result<Admitted, Inadmissible>")]
pub struct Admit {
    /// Whose.
    pub quota: Arc<Quota>,
    /// Tokens that it may take.
    pub tokens: u64,
    /// What it may take of the budget.
    pub amount: u64,
}

/// It may.
pub struct Admitted {
    /// What was reserved.
    pub reservation: Reservation,
    /// What is left.
    pub left: RemainingQuota,
}

/// What was reserved for a request. Dropping it gives all of it back, also if its client left before it heard of it.
pub struct Reservation {
    quotas: Addr<Quotas>,
    quota: Arc<Quota>,
    ticket: QuotaTicket,
    settled: bool,
}

impl Reservation {
    /// Whose.
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The request has ended, and took so much.
    pub fn settle(mut self, taken: QuotaTicket) {
        self.settled = true;
        self.tell(taken);
    }

    fn tell(&self, taken: QuotaTicket) {
        let (quota, ticket) = (Arc::clone(&self.quota), self.ticket);
        tell(&self.quotas, Settle { quota, ticket, taken });
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.settled {
            self.tell(QuotaTicket::default());
        }
    }
}

/// It may not.
pub enum Inadmissible {
    /// A limit is in the way.
    Refused {
        /// Which, and for how long.
        refusal: QuotaExceeded,
        /// What is left.
        left: RemainingQuota,
    },
    /// Nobody knows what was used before.
    Unknown(StoreError),
}

/// A request that was admitted has ended. Told: without the actor there is nothing to settle.
#[derive(Message)]
#[rtype(result = "()")]
struct Settle {
    quota: Arc<Quota>,
    ticket: QuotaTicket,
    taken: QuotaTicket,
}

/// What is left to these keys; for metrics and the list of keys. A key of which nobody knows what it has used is left out.
#[derive(Message)]
#[rtype(result = "Vec<Remaining>")]
pub struct Remains(pub Vec<Arc<Quota>>);

/// What is left to one key.
pub struct Remaining {
    /// Whose.
    pub quota: Arc<Quota>,
    /// What is left.
    pub left: RemainingQuota,
    /// The period of its budget, and what has been used in it.
    pub used: (i64, u64),
    /// How often each limit has refused it: requests, tokens, budget. Since the actor's start.
    pub refused: [u64; 3],
}

struct Kept {
    state: State,
    /// What `used` counts; it begins anew when that changes.
    counts: Option<BudgetSpec>,
    refused: [u64; 3],
    /// When the ledger was last asked what everybody has used.
    asked: Instant,
}

impl Kept {
    fn new(state: State, quota: &Quota) -> Self {
        Self { state, counts: quota.budget, refused: [0; 3], asked: Instant::now() }
    }
}

/// The actor.
pub struct Quotas {
    ledger: Ledger,
    /// Other managers write into the ledger, too.
    shared: bool,
    origin: Instant,
    keys: HashMap<Arc<str>, Kept>,
}

impl Quotas {
    /// One that knows of no key yet. `shared`: other managers write into the ledger, too.
    pub fn new(ledger: Ledger, shared: bool) -> Self {
        Self { ledger, shared, origin: Instant::now(), keys: HashMap::new() }
    }

    fn knows(&self, quota: &Quota) -> bool {
        let same_kind = |kept: &Kept| kept.counts.map(kind) == quota.budget.map(kind);
        self.keys.get(&quota.key).is_some_and(same_kind)
    }

    /// How long ago the ledger was asked what others have used of the same budget; `None`: nobody else uses it, or nothing is known of it.
    fn age(&self, quota: &Quota) -> Option<Duration> {
        let kept = self.keys.get(&quota.key).filter(|_| self.shared && quota.budget.is_some());
        kept.filter(|_| self.knows(quota)).map(|kept| kept.asked.elapsed())
    }

    /// Asks the ledger what everybody has used.
    fn catch_up(&mut self, quota: &Arc<Quota>) -> impl ActorFuture<Self, Output = ()> + 'static {
        if let Some(kept) = self.keys.get_mut(&quota.key) {
            // Whoever comes meanwhile needn't ask, and one that doesn't answer is asked no more often.
            kept.asked = Instant::now();
        }
        let ((asked_in, _), quota) = (period(quota.budget), Arc::clone(quota));
        let reading = used(self.ledger.clone(), Arc::clone(&quota)).into_actor(self);
        reading.map(move |used, quotas, _| {
            // Without an answer, what is known counts.
            if let Ok(used) = used
                && quotas.knows(&quota)
                && let Some(kept) = quotas.keys.get_mut(&quota.key)
            {
                kept.state = kept.state.caught_up(used, asked_in);
            }
        })
    }

    /// The ledger says what it has used.
    fn learn(&mut self, quota: &Quota, used: u64, period: i64) {
        let refused = self.keys.get(&quota.key).map_or([0; 3], |kept| kept.refused);
        let kept = Kept { refused, ..Kept::new(State::having_used(used, period), quota) };
        self.keys.insert(Arc::clone(&quota.key), kept);
    }

    fn remaining(&self, quota: Arc<Quota>) -> Option<Remaining> {
        let now = self.origin.elapsed();
        let (period, _) = period(quota.budget);
        let limits = quota.limits();
        let (left, used, refused) = match self.keys.get(&quota.key) {
            Some(kept) => (kept.state.left(&limits, now, period), kept.state.used(period), kept.refused),
            // Without a budget, the past is of no account.
            None if quota.budget.is_none() => (State::default().left(&limits, now, period), 0, [0; 3]),
            None => return None,
        };
        Some(Remaining { quota, left, used: (period, used), refused })
    }

    fn decide(&mut self, admit: &Admit, own: Addr<Self>) -> Result<Admitted, Inadmissible> {
        let limits = admit.quota.limits();
        let (period, period_ends_in) = period(admit.quota.budget);
        let now = self.origin.elapsed();
        let kept = self
            .keys
            .entry(Arc::clone(&admit.quota.key))
            .or_insert_with(|| Kept::new(State::default(), &admit.quota));
        let ask = QuotaRequest { now, period, period_ends_in, tokens: admit.tokens, amount: admit.amount };
        let (next, verdict) = quota::admit(&kept.state, &limits, &ask);
        kept.state = next;
        if let Err(refusal) = &verdict {
            let place = match refusal.limit {
                Limit::Requests => 0,
                Limit::Tokens => 1,
                Limit::Budget => 2,
            };
            if let Some(count) = kept.refused.get_mut(place) {
                *count += 1;
            }
        }
        let left = next.left(&limits, now, period);
        verdict
            .map(|ticket| {
                let quota = Arc::clone(&admit.quota);
                Admitted { reservation: Reservation { quotas: own, quota, ticket, settled: false }, left }
            })
            .map_err(|refusal| Inadmissible::Refused { refusal, left })
    }
}

/// Budgets of one kind count the same, however large they are.
fn kind(budget: BudgetSpec) -> (Period, Option<[u8; 3]>) {
    let currency = match budget.cap {
        Cap::Tokens(_) => None,
        Cap::Money { currency, .. } => currency.as_str().as_bytes().try_into().ok(),
    };
    (budget.period, currency)
}

/// The number of the present period, and when it ends. Without a budget it is always the same.
fn period(budget: Option<BudgetSpec>) -> (i64, Duration) {
    let Some(budget) = budget else { return (0, Duration::ZERO) };
    let (first, next) = borders(budget.period, &Timestamp::now().to_zoned(TimeZone::UTC));
    let left = next.duration_since(Timestamp::now()).as_secs().max(1);
    (first.as_second(), Duration::from_secs(left.cast_unsigned()))
}

/// When the period of this moment begins, and when the next one does.
fn borders(period: Period, now: &Zoned) -> (Timestamp, Timestamp) {
    let today = now.date();
    let (first, next) = match period {
        Period::Day => (today, today.saturating_add(1.day())),
        Period::Month => {
            let first = today.first_of_month();
            (first, first.saturating_add(1.month()))
        }
    };
    let at = |date: Date| {
        let midnight = date.to_zoned(TimeZone::UTC);
        midnight.map_or_else(|_| now.timestamp(), |midnight| midnight.timestamp())
    };
    (at(first), at(next))
}

/// What the ledger says that a key has used in the present period.
async fn used(ledger: Ledger, quota: Arc<Quota>) -> Result<u64, StoreError> {
    let Some(budget) = quota.budget else { return Ok(0) };
    let now = Timestamp::now();
    let (first, _) = borders(budget.period, &now.to_zoned(TimeZone::UTC));
    let filter = Filter { api_keys: vec![quota.key.to_string()], ..Filter::default() };
    let to = now.as_microsecond().saturating_add(60_000_000);
    let total = ledger.reader().summary(filter, first.as_microsecond(), to, Vec::new()).await?.total;
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(match budget.cap {
        Cap::Tokens(_) => count(total.input).saturating_add(count(total.output)),
        Cap::Money { currency, .. } => {
            let money = total.cost.get(currency.as_str()).copied().unwrap_or_default();
            u64::try_from(money.units()).unwrap_or(u64::MAX)
        }
    })
}

impl Actor for Quotas {
    type Context = Context<Self>;
}

impl Handler<Admit> for Quotas {
    type Result = ResponseActFuture<Self, Result<Admitted, Inadmissible>>;

    fn handle(&mut self, admit: Admit, ctx: &mut Context<Self>) -> Self::Result {
        let age = self.age(&admit.quota).unwrap_or_default();
        if age >= STALE {
            let asking = self.catch_up(&admit.quota);
            return Box::pin(asking.map(move |(), quotas, ctx| quotas.decide(&admit, ctx.address())));
        }
        if age >= FRESH {
            let asking = self.catch_up(&admit.quota);
            ctx.spawn(asking);
        }
        if admit.quota.budget.is_none() || self.knows(&admit.quota) {
            let verdict = self.decide(&admit, ctx.address());
            return Box::pin(std::future::ready(verdict).into_actor(self));
        }
        let reading = used(self.ledger.clone(), Arc::clone(&admit.quota)).into_actor(self);
        Box::pin(reading.map(move |used, quotas, ctx| {
            let used = used.map_err(Inadmissible::Unknown)?;
            // Somebody else may have been faster, and may have been admitted since.
            if !quotas.knows(&admit.quota) {
                let (period, _) = period(admit.quota.budget);
                quotas.learn(&admit.quota, used, period);
            }
            quotas.decide(&admit, ctx.address())
        }))
    }
}

impl Handler<Settle> for Quotas {
    type Result = ();

    fn handle(&mut self, settle: Settle, _: &mut Context<Self>) {
        let Settle { quota, ticket, taken } = settle;
        let now = self.origin.elapsed();
        let (period, _) = period(quota.budget);
        // After a restart what it took is in the ledger.
        let Some(kept) = self.keys.get_mut(&quota.key) else { return };
        kept.state = quota::true_up(&kept.state, &quota.limits(), &ticket, &taken, now, period);
    }
}

impl Handler<Remains> for Quotas {
    type Result = ResponseActFuture<Self, Vec<Remaining>>;

    fn handle(&mut self, remains: Remains, ctx: &mut Context<Self>) -> Self::Result {
        let (known, unknown): (Vec<_>, Vec<_>) = remains
            .0
            .iter()
            .filter(|quota| quota.budget.is_some())
            .cloned()
            .partition(|quota| self.knows(quota));
        for quota in known {
            // Whoever looks again sees it.
            if self.age(&quota).is_some_and(|age| age >= FRESH) {
                let asking = self.catch_up(&quota);
                ctx.spawn(asking);
            }
        }
        let unknown = unknown.into_iter();
        let reading = unknown.map(|quota| {
            let ledger = self.ledger.clone();
            async move { (used(ledger, Arc::clone(&quota)).await, quota) }
        });
        let reading = join_all(reading.collect::<Vec<_>>()).into_actor(self);
        Box::pin(reading.map(move |found, quotas, _| {
            for (used, quota) in found {
                if let Ok(used) = used
                    && !quotas.knows(&quota)
                {
                    let (period, _) = period(quota.budget);
                    quotas.learn(&quota, used, period);
                }
            }
            remains.0.into_iter().filter_map(|quota| quotas.remaining(quota)).collect()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_are_those_of_utc() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-02-28T23:59:59Z").to_zoned(TimeZone::UTC);
        let day = (at("2026-02-28T00:00:00Z"), at("2026-03-01T00:00:00Z"));
        assert_eq!(borders(Period::Day, &now), day);
        let month = (at("2026-02-01T00:00:00Z"), at("2026-03-01T00:00:00Z"));
        assert_eq!(borders(Period::Month, &now), month);
    }
}
