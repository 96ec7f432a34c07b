//! Admission: a request of a key with limits reserves what it may take, and gives back what it didn't.

use crate::http::access::keys::ApiKey;
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::gateway::forwarding::Forwarding;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use llm_manager_actors::billing::Ledger;
use llm_manager_actors::quotas::{Admit, Admitted, Inadmissible, Quota, Reservation};
use llm_manager_policy::pricing::{Currency, Money, Price, Tokens};
use llm_manager_policy::quota::{Limit, Limits, QuotaExceeded, QuotaTicket, RemainingQuota};
use llm_manager_policy::spec::{Cap, ModelSpec};
use llm_manager_policy::usage::prompt;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What an answer may be long where neither the request nor the model says so.
const USUAL_OUTPUT: u64 = 4096;
/// Of the units in which money is counted, so many are one of a price.
const PRICE_UNIT: u64 = 1_000_000;

/// Shown in the headers of the answer.
pub(crate) struct Limited {
    quota: Arc<Quota>,
    left: Cell<Option<RemainingQuota>>,
}

impl Limited {
    /// `None`: the key may use as much as it likes.
    pub(crate) fn of(key: Option<&ApiKey>) -> Option<Rc<Self>> {
        let quota = key?.quota.as_ref()?;
        Some(Rc::new(Self { quota: Arc::clone(quota), left: Cell::new(None) }))
    }

    /// As OpenAI spells them.
    pub(crate) fn write_to(&self, headers: &mut HeaderMap) {
        let Some(left) = self.left.get() else { return };
        let Limits { requests_per_minute, tokens_per_minute, .. } = self.quota.limits();
        let rows =
            [("requests", requests_per_minute, left.requests), ("tokens", tokens_per_minute, left.tokens)];
        for (what, limit, left) in rows {
            let (Some(limit), Some((remaining, reset))) = (limit, left) else { continue };
            for (name, value) in
                [("limit", limit.to_string()), ("remaining", remaining.to_string()), ("reset", pause(reset))]
            {
                let name = HeaderName::from_bytes(format!("x-ratelimit-{name}-{what}").as_bytes());
                if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
                    headers.insert(name, value);
                }
            }
        }
    }
}

/// `6m0s`, `1.5s` or `20ms`.
fn pause(time: Duration) -> String {
    let millis = time.as_millis();
    match millis {
        0..1000 => format!("{millis}ms"),
        1000..60_000 => format!("{}s", (millis as f64) / 1000.0),
        _ => format!("{}m{}s", millis / 60_000, millis % 60_000 / 1000),
    }
}

/// What was reserved; without an end it is given back.
pub(crate) struct Admission(Reservation);

/// What a request says of the length of its answer. Engines read what stands there twice, in quotes or as a fraction in ways
/// of their own: the largest is taken.
#[derive(Default)]
struct Wanted {
    /// `None`: nothing is said.
    most: Option<Most>,
    each: u64,
    prompts: u64,
}

/// Tokens of one answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Most {
    Tokens(u64),
    /// -1 is as much as there is room for.
    Unlimited,
}

impl Most {
    fn of(value: &str) -> Option<Self> {
        let number: f64 = value.trim_matches('"').trim().parse().ok()?;
        Some(if number < 0.0 { Self::Unlimited } else { Self::Tokens(number.ceil() as u64) })
    }
}

impl Wanted {
    fn add(&mut self, key: &str, value: &str) {
        match key {
            // Engines differ in which of several they obey: llama.cpp takes `n_predict` before any other.
            "max_tokens" | "max_completion_tokens" | "max_output_tokens" | "n_predict" | "max_new_tokens" => {
                self.most = self.most.max(Most::of(value));
            }
            "n" | "best_of" | "n_cmpl" => {
                if let Some(Most::Tokens(count)) = Most::of(value) {
                    self.each = self.each.max(count);
                }
            }
            "prompt" if value.starts_with('[') => {
                let prompts: Vec<&RawValue> = serde_json::from_str(value).unwrap_or_default();
                // A list of numbers is one prompt, of tokens.
                let whole = |prompt: &&&RawValue| prompt.get().starts_with(['"', '[']);
                self.prompts = self.prompts.max(prompts.iter().filter(whole).count() as u64);
            }
            _ => {}
        }
    }

    /// How many answers there may be: so many of each prompt.
    fn answers(&self) -> u64 {
        self.prompts.max(1).saturating_mul(self.each.max(1))
    }
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Wanted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Wanted, A::Error> {
                let mut wanted = Wanted::default();
                while let Some((key, value)) = members.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                    wanted.add(&key, value.get());
                }
                Ok(wanted)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// What a request may generate that doesn't say how much.
fn usual_output(model: &ModelSpec, input: u64) -> u64 {
    model.context_length.map_or(USUAL_OUTPUT, |length| length.saturating_sub(input))
}

/// What a request may generate at most. Endpoints that generate nothing take their input alone.
fn largest_output(body: &[u8], path: &str, usual: u64) -> u64 {
    const GENERATE: [&str; 4] = ["/completions", "/responses", "/messages", "/infill"];
    if !GENERATE.iter().any(|end| path.ends_with(end)) {
        return 0;
    }
    let Ok(wanted) = serde_json::from_slice::<Wanted>(body) else { return usual };
    let most = match wanted.most {
        Some(Most::Tokens(most)) => most,
        Some(Most::Unlimited) | None => usual,
    };
    most.saturating_mul(wanted.answers())
}

/// Tokens that a request may take, for the turns of its key. Who names no `max_tokens` is taken for an answer of usual
/// length, however long the model's context is: this is no promise, as a budget is.
pub(crate) fn cost(model: &ModelSpec, path: &str, body: &[u8], input: u64) -> u64 {
    let usual = usual_output(model, input).min(USUAL_OUTPUT);
    input.saturating_add(largest_output(body, path, usual))
}

impl Admission {
    /// Reserves what the request may take, or says why it may not begin.
    pub(crate) async fn ask(
        shared: &Forwarding,
        limited: &Limited,
        model: &ModelSpec,
        path: &str,
        body: &[u8],
    ) -> Result<Self, ApiError> {
        let quota = Arc::clone(&limited.quota);
        let input = prompt::read(body).tokens();
        let output = largest_output(body, path, usual_output(model, input));
        let amount = match quota.budget.map(|budget| budget.cap) {
            Some(Cap::Money { currency, .. }) => {
                units(shared.ledger.price_up_to(&model.name, input, output), currency)
            }
            _ => amount(&shared.ledger, &quota, model, [Some(input), None, Some(output)]),
        };
        let tokens = input.saturating_add(output);
        let down = || {
            ApiError::new(
                ApiErrorKind::Internal,
                "what keys have used is not known now; see the manager's log",
            )
        };
        let addr = shared.quotas.addr().ok_or_else(down)?;
        let admit = Admit { quota: Arc::clone(&quota), tokens, amount };
        match addr.send(admit).await.map_err(|_| down())? {
            Ok(Admitted { reservation, left }) => {
                limited.left.set(Some(left));
                Ok(Self(reservation))
            }
            Err(Inadmissible::Refused { refusal, left }) => {
                limited.left.set(Some(left));
                Err(refused(&quota, refusal, left, amount))
            }
            Err(Inadmissible::Unknown(error)) => {
                let message =
                    format!("what the key `{}` has used of its budget is not known: {error}", quota.key);
                let error = ApiError::new(ApiErrorKind::LedgerUnavailable, message);
                Err(ApiError { retry_after: Some(Duration::from_secs(5)), ..error })
            }
        }
    }

    /// The request has ended, and took so many tokens (input, cached, output).
    pub(crate) fn settle(self, ledger: &Ledger, model: &ModelSpec, tokens: [Option<u64>; 3]) {
        let amount = amount(ledger, self.0.quota(), model, tokens);
        let [input, _, output] = tokens;
        let sum = input.unwrap_or(0).saturating_add(output.unwrap_or(0));
        self.0.settle(QuotaTicket { tokens: sum, amount });
    }
}

/// What so many tokens (input, cached, output) take of the budget.
fn amount(ledger: &Ledger, quota: &Quota, model: &ModelSpec, tokens: [Option<u64>; 3]) -> u64 {
    let [input, cached, output] = tokens;
    match quota.budget.map(|budget| budget.cap) {
        None => 0,
        Some(Cap::Tokens(_)) => input.unwrap_or(0).saturating_add(output.unwrap_or(0)),
        Some(Cap::Money { currency, .. }) => {
            let tokens = Tokens { input: input.or(Some(0)), cached, output: output.or(Some(0)) };
            units(ledger.price_of(&model.name, tokens), currency)
        }
    }
}

/// What a price takes of a budget in this currency.
fn units(price: Option<(Money, Currency)>, currency: Currency) -> u64 {
    let price = price.filter(|(_, of)| *of == currency);
    price.map_or(0, |(money, _)| u64::try_from(money.units()).unwrap_or(u64::MAX))
}

fn refused(quota: &Quota, refusal: QuotaExceeded, left: RemainingQuota, amount: u64) -> ApiError {
    let key = &quota.key;
    let seconds = refusal.retry_after.as_secs_f64().ceil();
    let (kind, message) = match refusal.limit {
        Limit::Requests => (
            ApiErrorKind::RateLimited,
            format!(
                "the key `{key}` may send {} requests per minute; try again in {seconds} s",
                quota.requests_per_minute.unwrap_or_default()
            ),
        ),
        Limit::Tokens => (
            ApiErrorKind::RateLimited,
            format!(
                "the key `{key}` may use {} tokens per minute; try again in {seconds} s, or with a smaller `max_tokens`",
                quota.tokens_per_minute.unwrap_or_default()
            ),
        ),
        Limit::Budget => {
            let what = match quota.budget.map(|budget| budget.cap) {
                Some(Cap::Money { currency, .. }) => {
                    // As much as is left at least, and as it may cost at most, in millionths.
                    let left = Price::from_units(left.budget.unwrap_or(0) / PRICE_UNIT);
                    let amount = Price::from_units(amount.div_ceil(PRICE_UNIT));
                    format!("{left} {0} are left, and this request may cost {amount} {0}", currency.as_str())
                }
                _ => format!(
                    "{} tokens are left, and this request may take {amount}",
                    left.budget.unwrap_or(0)
                ),
            };
            let message = format!(
                "the budget of the key `{key}` doesn't suffice: {what}; it begins anew in {seconds} s"
            );
            (ApiErrorKind::BudgetExhausted, message)
        }
    };
    let hopeless = refusal.limit == Limit::Budget;
    ApiError { retry_after: Some(refusal.retry_after), hopeless, ..ApiError::new(kind, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_may_generate_is_never_reckoned_too_low() {
        for (body, most) in [
            (r#"{"max_tokens":10}"#, 10),
            (r#"{"max_tokens":500,"max_completion_tokens":10}"#, 500),
            (r#"{"max_completion_tokens":10,"n":3}"#, 30),
            (r#"{"max_tokens":10,"n":2,"best_of":4}"#, 40),
            (r#"{"prompt":["a","b","c"],"max_tokens":10}"#, 30),
            (r#"{"prompt":[[1,2],[3]],"max_tokens":10,"n":2}"#, 40),
            (r#"{"prompt":[1,2,3],"max_tokens":10}"#, 10),
            (r#"{"prompt":"a [\"b\"]","max_tokens":10}"#, 10),
            (r#"{"prompt":[],"max_tokens":10}"#, 10),
            (r#"{"max_tokens":-1}"#, 77),
            (r#"{"max_tokens":10,"n_predict":500}"#, 500),
            (r#"{"max_tokens":10,"n_predict":-1}"#, 77),
            (r#"{"max_tokens":"10","n":3}"#, 30),
            (r#"{"max_tokens":10.5,"n":2.0}"#, 22),
            (r#"{"max_tokens":10,"n":1,"n":4}"#, 40),
            (r#"{"max_tokens":500,"max_tokens":10}"#, 500),
            (r#"{"m\u0061x_tokens":10,"n":null}"#, 10),
            (r#"{"max_tokens":"many","n":2}"#, 154),
            ("{}", 77),
        ] {
            assert_eq!(largest_output(body.as_bytes(), "/v1/completions", 77), most, "{body}");
        }
        assert_eq!(largest_output(b"{}", "/v1/embeddings", 77), 0);
    }

    #[test]
    fn pauses_are_spelt_as_openai_does() {
        let spelt = |millis| pause(Duration::from_millis(millis));
        assert_eq!((spelt(20), spelt(1500), spelt(360_000)), ("20ms".into(), "1.5s".into(), "6m0s".into()));
    }
}
