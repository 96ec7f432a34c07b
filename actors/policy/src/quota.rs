//! Quota: what one key may use: requests and tokens per minute, and a budget for a day or a month.
//!
//! [`admit`] reserves before a request goes to a backend, [`true_up`] puts what it really took in the place of that. So the
//! sum of what was used and what may still be used never exceeds the budget, however many come at once. A request whose
//! estimate was too low may go beyond it by its own error; nothing is admitted after that.

use crate::lifecycle::Moment;
use std::time::Duration;

/// What a key may use. `None`: as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests per minute; the whole minute's worth may come at once, then it refills evenly.
    pub requests_per_minute: Option<u64>,
    /// The same of tokens, input and output.
    pub tokens_per_minute: Option<u64>,
    /// Tokens, or units of money, for a day or a month.
    pub budget: Option<u64>,
}

impl Limits {
    /// Whether there is nothing to look after.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How much of a minute's worth is left. It may be negative, when a request took more than was reserved for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    /// In parts of one, `PARTS` of which are one request or token.
    free: i128,
    at: Moment,
}

/// A minute in microseconds: with a limit of n per minute, n parts come back in a microsecond.
const PARTS: i128 = 60_000_000;

impl Bucket {
    fn full(limit: u64, now: Moment) -> Self {
        Self { free: i128::from(limit) * PARTS, at: now }
    }

    /// As it is now. A limit that was lowered meanwhile takes the rest away.
    fn refilled(self, limit: u64, now: Moment) -> Self {
        let passed =
            i128::try_from(now.saturating_sub(self.at).as_micros()).unwrap_or(PARTS).min(PARTS * 100);
        let full = i128::from(limit) * PARTS;
        Self { free: (self.free + i128::from(limit) * passed).min(full), at: now }
    }

    /// What must be there for so much. More than a whole minute's worth has to wait for a full bucket only.
    fn needed(limit: u64, amount: u64) -> i128 {
        i128::from(amount.min(limit)) * PARTS
    }

    /// How long until so much is there.
    fn until(self, limit: u64, amount: u64) -> Duration {
        let missing = (Self::needed(limit, amount) - self.free).max(0);
        match u128::try_from(missing) {
            Ok(missing) if limit > 0 => {
                let micros = missing.div_ceil(u128::from(limit));
                Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
            }
            // Nothing ever comes.
            _ => Duration::from_secs(60),
        }
    }

    fn less(self, amount: u64) -> Self {
        Self { free: self.free - i128::from(amount) * PARTS, ..self }
    }

    fn more(self, amount: u64, limit: u64) -> Self {
        let full = i128::from(limit) * PARTS;
        Self { free: (self.free + i128::from(amount) * PARTS).min(full), ..self }
    }

    fn left(self) -> u64 {
        u64::try_from(self.free.max(0) / PARTS).unwrap_or(u64::MAX)
    }
}

/// What one key has used and may still use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    /// The period that `used` is about.
    period: i64,
    used: u64,
    /// By requests that are under way, whichever period they began in.
    reserved: u64,
}

/// A request that wants to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaRequest {
    /// By the steady clock.
    pub now: Moment,
    /// The period of the budget that it is now, by its number.
    pub period: i64,
    /// When that ends.
    pub period_ends_in: Duration,
    /// Tokens that it may take.
    pub tokens: u64,
    /// What it may take of the budget.
    pub amount: u64,
}

/// What was reserved for a request that was admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaTicket {
    /// Tokens of the minute.
    pub tokens: u64,
    /// Of the budget.
    pub amount: u64,
}

/// What is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `requests_per_minute`
    Requests,
    /// `tokens_per_minute`
    Tokens,
    /// `budget`
    Budget,
}

/// A request that may not begin now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaExceeded {
    /// Why.
    pub limit: Limit,
    /// When it may be tried again: of a budget, when the next period begins.
    pub retry_after: Duration,
}

/// What is left, for the headers of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemainingQuota {
    /// Requests of this minute, and when all of them are back.
    pub requests: Option<(u64, Duration)>,
    /// The same of tokens.
    pub tokens: Option<(u64, Duration)>,
    /// Of the budget.
    pub budget: Option<u64>,
}

impl State {
    /// A key that has used so much of its budget in this period.
    pub fn having_used(used: u64, period: i64) -> Self {
        Self { used, period, ..Self::default() }
    }

    /// The ledger, in which others write too, says that so much has been used by everybody. It may not have yet what was used here a moment
    /// ago, so less is not believed: nothing is counted twice, and what is missed is in it the next time.
    #[must_use]
    pub fn caught_up(&self, used: u64, period: i64) -> Self {
        if period < self.period {
            return *self;
        }
        Self { period, used: self.used(period).max(used), ..*self }
    }

    /// What has been used of the budget in this period.
    pub fn used(&self, period: i64) -> u64 {
        if self.period == period { self.used } else { 0 }
    }

    /// What is reserved by requests under way.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    fn at(&self, limits: &Limits, now: Moment, period: i64) -> Self {
        let bucket = |bucket: Option<Bucket>, limit: Option<u64>| {
            let limit = limit?;
            Some(bucket.map_or_else(|| Bucket::full(limit, now), |bucket| bucket.refilled(limit, now)))
        };
        Self {
            requests: bucket(self.requests, limits.requests_per_minute),
            tokens: bucket(self.tokens, limits.tokens_per_minute),
            period,
            used: self.used(period),
            reserved: self.reserved,
        }
    }

    /// What is left now.
    pub fn left(&self, limits: &Limits, now: Moment, period: i64) -> RemainingQuota {
        let state = self.at(limits, now, period);
        let shown = |bucket: Option<Bucket>, limit: Option<u64>| {
            let (bucket, limit) = (bucket?, limit?);
            Some((bucket.left(), bucket.until(limit, limit)))
        };
        RemainingQuota {
            requests: shown(state.requests, limits.requests_per_minute),
            tokens: shown(state.tokens, limits.tokens_per_minute),
            budget: limits
                .budget
                .map(|budget| budget.saturating_sub(state.used.saturating_add(state.reserved))),
        }
    }
}

/// Whether a request may begin. One that may not changes nothing.
pub fn admit(
    state: &State,
    limits: &Limits,
    ask: &QuotaRequest,
) -> (State, Result<QuotaTicket, QuotaExceeded>) {
    let mut next = state.at(limits, ask.now, ask.period);
    let before = next;
    let refused = |limit, retry_after| (before, Err(QuotaExceeded { limit, retry_after }));
    if let (Some(bucket), Some(limit)) = (next.requests, limits.requests_per_minute) {
        let wait = bucket.until(limit, 1);
        if limit == 0 || !wait.is_zero() {
            return refused(Limit::Requests, wait);
        }
        next.requests = Some(bucket.less(1));
    }
    if let (Some(bucket), Some(limit)) = (next.tokens, limits.tokens_per_minute) {
        let wait = bucket.until(limit, ask.tokens);
        if limit == 0 || !wait.is_zero() {
            return refused(Limit::Tokens, wait);
        }
        next.tokens = Some(bucket.less(ask.tokens));
    }
    let mut ticket = QuotaTicket { tokens: ask.tokens, amount: 0 };
    if let Some(budget) = limits.budget {
        let sum = next.used.checked_add(next.reserved).and_then(|sum| sum.checked_add(ask.amount));
        // A budget that is used up admits nothing, not even what costs nothing.
        let used_up = next.used.saturating_add(next.reserved) >= budget;
        if used_up || sum.is_none_or(|sum| sum > budget) {
            return refused(Limit::Budget, ask.period_ends_in);
        }
        ticket.amount = ask.amount;
        next.reserved = next.reserved.saturating_add(ask.amount);
    }
    (next, Ok(ticket))
}

/// A request that was admitted has ended, and has taken so much.
pub fn true_up(
    state: &State,
    limits: &Limits,
    ticket: &QuotaTicket,
    taken: &QuotaTicket,
    now: Moment,
    period: i64,
) -> State {
    let mut next = state.at(limits, now, period);
    if let (Some(bucket), Some(limit)) = (next.tokens, limits.tokens_per_minute) {
        next.tokens = Some(bucket.more(ticket.tokens, limit).less(taken.tokens));
    }
    next.reserved = next.reserved.saturating_sub(ticket.amount);
    next.used = next.used.saturating_add(taken.amount);
    next
}
