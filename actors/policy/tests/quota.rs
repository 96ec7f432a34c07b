//! Quota: budgets hold however many come at once, and rates are what they say.

use llm_manager_policy::quota::{Limit, Limits, QuotaRequest, QuotaTicket, State, admit, true_up};
use proptest::prelude::*;
use std::time::Duration;

const ENDS: Duration = Duration::from_secs(3600);

fn ask(now_ms: u64, tokens: u64, amount: u64) -> QuotaRequest {
    QuotaRequest { now: Duration::from_millis(now_ms), period: 1, period_ends_in: ENDS, tokens, amount }
}

fn per_minute(requests: u64) -> Limits {
    Limits { requests_per_minute: Some(requests), ..Limits::default() }
}

fn budget(budget: u64) -> Limits {
    Limits { budget: Some(budget), ..Limits::default() }
}

#[test]
fn a_minute_s_worth_may_come_at_once_and_then_refills_evenly() {
    let limits = per_minute(60);
    let mut state = State::default();
    for _ in 0..60 {
        let (next, verdict) = admit(&state, &limits, &ask(0, 0, 0));
        assert!(verdict.is_ok());
        state = next;
    }
    let (same, refused) = admit(&state, &limits, &ask(0, 0, 0));
    let refusal = refused.unwrap_err();
    assert_eq!((refusal.limit, refusal.retry_after), (Limit::Requests, Duration::from_secs(1)));
    assert_eq!(admit(&same, &limits, &ask(999, 0, 0)).1.unwrap_err().retry_after, Duration::from_millis(1));
    let (next, verdict) = admit(&same, &limits, &ask(1000, 0, 0));
    assert!(verdict.is_ok());
    assert!(admit(&next, &limits, &ask(1000, 0, 0)).1.is_err());
    let left = next.left(&limits, Duration::from_secs(31), 1).requests.unwrap();
    assert_eq!(left, (30, Duration::from_secs(30)));
}

#[test]
fn a_limit_of_any_kind_is_looked_after() {
    assert!(Limits::default().is_empty());
    let tokens = Limits { tokens_per_minute: Some(0), ..Limits::default() };
    for limits in [per_minute(1), budget(1), tokens] {
        assert!(!limits.is_empty(), "{limits:?}");
    }
}

#[test]
fn more_than_a_minute_s_worth_of_tokens_waits_for_a_full_minute_only() {
    let limits = Limits { tokens_per_minute: Some(100), ..Limits::default() };
    let (state, verdict) = admit(&State::default(), &limits, &ask(0, 250, 0));
    let ticket = verdict.unwrap();
    assert_eq!(admit(&state, &limits, &ask(0, 1, 0)).1.unwrap_err().limit, Limit::Tokens);
    // It comes back as it went: two and a half minutes' worth were taken.
    assert_eq!(
        [120, 150].map(|at| state.left(&limits, Duration::from_secs(at), 1).tokens.unwrap().0),
        [50, 100]
    );
    // It took less in the end.
    let state = true_up(&state, &limits, &ticket, &QuotaTicket { tokens: 10, amount: 0 }, Duration::ZERO, 1);
    assert_eq!(state.left(&limits, Duration::ZERO, 1).tokens.unwrap().0, 90);
}

#[test]
fn a_thousand_at_once_stay_within_the_budget() {
    let limits = budget(100);
    let mut state = State::default();
    let mut admitted = 0;
    for _ in 0..1000 {
        let (next, verdict) = admit(&state, &limits, &ask(0, 7, 7));
        state = next;
        admitted += u64::from(verdict.is_ok());
    }
    assert_eq!((admitted, state.reserved()), (14, 98));
    let refusal = admit(&state, &limits, &ask(0, 7, 7)).1.unwrap_err();
    assert_eq!((refusal.limit, refusal.retry_after), (Limit::Budget, ENDS));
}

#[test]
fn another_period_begins_anew_and_keeps_what_is_under_way() {
    let limits = budget(100);
    let (state, verdict) = admit(&State::having_used(40, 1), &limits, &ask(0, 0, 60));
    let ticket = verdict.unwrap();
    assert!(admit(&state, &limits, &ask(0, 0, 1)).1.is_err());
    let next_day = QuotaRequest { period: 2, ..ask(0, 0, 41) };
    assert!(admit(&state, &limits, &next_day).1.is_err(), "60 may still be taken in this one");
    let state = true_up(&state, &limits, &ticket, &QuotaTicket { tokens: 0, amount: 30 }, Duration::ZERO, 2);
    assert_eq!((state.used(2), state.reserved(), state.used(3)), (30, 0, 0));
}

#[test]
fn what_is_used_up_admits_nothing() {
    assert!(admit(&State::having_used(100, 1), &budget(100), &ask(0, 0, 0)).1.is_err());
    assert!(admit(&State::default(), &budget(0), &ask(0, 0, 0)).1.is_err());
    assert!(admit(&State::default(), &per_minute(0), &ask(0, 0, 0)).1.is_err());
    assert!(admit(&State::default(), &Limits::default(), &ask(0, u64::MAX, u64::MAX)).1.is_ok());
}

#[derive(Clone, Debug)]
enum Move {
    Ask {
        amount: u64,
    },
    /// Ends the oldest; it took this share of what was reserved for it, in percent.
    End {
        share: u64,
    },
}

fn some_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => (0..50_u64).prop_map(|amount| Move::Ask { amount }),
        2 => (0..=100_u64).prop_map(|share| Move::End { share }),
    ]
}

proptest! {
    #[test]
    fn used_and_reserved_stay_within_the_budget(moves in prop::collection::vec(some_move(), 0..200), cap in 0..500_u64) {
        let limits = budget(cap);
        let (mut state, mut running) = (State::default(), Vec::new());
        let mut taken = 0;
        for step in moves {
            match step {
                Move::Ask { amount } => {
                    let (next, verdict) = admit(&state, &limits, &ask(0, 0, amount));
                    prop_assert!(verdict.is_ok() || next.reserved() == state.reserved());
                    running.extend(verdict);
                    state = next;
                }
                Move::End { share } => {
                    let Some(ticket) = running.pop() else { continue };
                    let amount = ticket.amount * share / 100;
                    taken += amount;
                    state = true_up(&state, &limits, &ticket, &QuotaTicket { tokens: 0, amount }, Duration::ZERO, 1);
                }
            }
            prop_assert_eq!(state.used(1), taken);
            prop_assert_eq!(state.reserved(), running.iter().map(|ticket| ticket.amount).sum::<u64>());
            prop_assert!(state.used(1) + state.reserved() <= cap);
        }
    }

    #[test]
    fn no_minute_has_more_than_two_minutes_worth(moves in prop::collection::vec(0..3000_u64, 1..300), limit in 1..40_u64) {
        let limits = per_minute(limit);
        let (mut state, mut now, mut times) = (State::default(), 0, Vec::new());
        for pause in moves {
            now += pause;
            let (next, verdict) = admit(&state, &limits, &ask(now, 0, 0));
            state = next;
            match verdict {
                Ok(_) => times.push(now),
                Err(refusal) => {
                    // What it says is true: then, and not before.
                    let at = refusal.retry_after;
                    let then = QuotaRequest { now: Duration::from_millis(now) + at, ..ask(0, 0, 0) };
                    prop_assert!(admit(&state, &limits, &then).1.is_ok());
                    let before = QuotaRequest { now: then.now - Duration::from_micros(1), ..then };
                    prop_assert!(admit(&state, &limits, &before).1.is_err());
                }
            }
        }
        for (first, time) in times.iter().enumerate() {
            let within = times.iter().skip(first).take_while(|other| **other < time + 60_000).count();
            prop_assert!(within as u64 <= 2 * limit);
        }
    }
}

#[test]
fn what_others_have_used_counts_once_it_is_in_the_ledger() {
    let limits = budget(100);
    let (state, verdict) = admit(&State::having_used(10, 1), &limits, &ask(0, 0, 20));
    let state = true_up(
        &state,
        &limits,
        &verdict.unwrap(),
        &QuotaTicket { tokens: 0, amount: 15 },
        Duration::ZERO,
        1,
    );
    let (state, verdict) = admit(&state, &limits, &ask(0, 0, 5));
    verdict.unwrap();
    assert_eq!((state.used(1), state.reserved()), (25, 5));
    // The ledger has neither more than what is known here, nor what was used here a moment ago.
    assert_eq!(state.caught_up(10, 1), state);
    assert_eq!(state.caught_up(25, 1), state);
    // Others have used 60.
    let more = state.caught_up(85, 1);
    assert_eq!((more.used(1), more.reserved()), (85, 5));
    assert_eq!(admit(&more, &limits, &ask(0, 0, 11)).1.unwrap_err().limit, Limit::Budget);
    assert!(admit(&more, &limits, &ask(0, 0, 10)).1.is_ok());
    // A look at a period that is over is of no account, one at the next begins it.
    assert_eq!(more.caught_up(99, 0), more);
    let next = more.caught_up(7, 2);
    assert_eq!((next.used(2), next.used(1), next.reserved()), (7, 0, 5));
}
