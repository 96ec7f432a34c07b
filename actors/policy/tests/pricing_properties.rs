//! Prices against an oracle that counts with numbers of any size.

use llm_manager_policy::pricing::{
    Cost, Currency, Interval, Money, MoneyOverflow, Plan, PlanChange, PlanHistory, Price, Tier, Tokens,
    Unpriced, electricity, share_out,
};
use num_bigint::BigUint;
use proptest::prelude::*;

fn big(value: impl Into<BigUint>) -> BigUint {
    value.into()
}

/// Sums that fit are equal, others are an overflow.
fn same(got: Result<Money, MoneyOverflow>, want: &BigUint) -> Result<(), TestCaseError> {
    match got {
        Ok(money) => prop_assert_eq!(&big(money.units()), want),
        Err(MoneyOverflow) => prop_assert!(*want > big(u128::MAX), "{} fits", want),
    }
    Ok(())
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0_u64..200, 2 => any::<u32>().prop_map(u64::from), 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

fn price() -> impl Strategy<Value = Price> {
    count().prop_map(Price::from_units)
}

fn tier() -> impl Strategy<Value = Tier> {
    (prop::option::of(count()), prop::option::of(count()), price(), price(), price(), price()).prop_map(
        |(max_input, max_output, input, output, cache_read, cache_write)| Tier {
            max_input,
            max_output,
            input,
            output,
            cache_read,
            cache_write,
        },
    )
}

fn currency() -> Currency {
    let Some(currency) = Currency::new("EUR") else { unreachable!("it has three letters") };
    currency
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_request_costs_what_the_contract_says(
        tiers in prop::collection::vec(tier(), 1..5),
        cache_pricing: bool,
        input in count(), cached in prop::option::of(count()), output in count(),
        edge in prop::option::of((any::<prop::sample::Index>(), 0_u64..3)),
    ) {
        let (mut input, mut output) = (input, output);
        if let Some((nth, off)) = edge {
            let tier = nth.get(&tiers);
            input = tier.max_input.map_or(input, |max| (max.saturating_add(off)).saturating_sub(1));
            output = tier.max_output.map_or(output, |max| (max.saturating_add(off)).saturating_sub(1));
        }
        let plan = Plan::Tiered { currency: currency(), cache_pricing, tiers: tiers.clone() };
        let got = plan.cost(Tokens { input: Some(input), cached, output: Some(output) });
        let fits = |max: Option<u64>, count: u64| max.is_none() || count <= max.unwrap_or(0);
        let Some(tier) = tiers.iter().find(|tier| fits(tier.max_input, input) && fits(tier.max_output, output)) else {
            prop_assert_eq!(got, Ok(Cost::Unpriced(Unpriced::NoTier)));
            return Ok(());
        };
        let cached = cached.unwrap_or(0).min(input);
        let want = if cache_pricing {
            big(cached) * tier.cache_read.units()
                + big(input - cached) * (big(tier.input.units()) + tier.cache_write.units())
                + big(output) * tier.output.units()
        } else {
            big(input) * tier.input.units() + big(output) * tier.output.units()
        };
        same(got.map(|cost| cost.money()), &want)?;
        if let Ok(Cost::Priced(parts)) = got {
            prop_assert_eq!(big(parts.input.units()) + parts.cached.units() + parts.output.units(), want);
        }
    }

    #[test]
    fn decimals_survive_a_round_trip(price in price(), money in prop_oneof![any::<u128>(), 0_u128..1_000_000_000_000_000]) {
        prop_assert_eq!(price.to_string().parse(), Ok(price));
        let money = Money::from_units(money);
        let text = money.to_string();
        prop_assert_eq!(text.parse(), Ok(money));
        prop_assert!(!text.contains('.') || !text.ends_with(['0', '.']), "{}", text);
    }

    #[test]
    fn any_text_is_a_decimal_or_an_error(text in "[-+.0-9eE ]{0,40}|.{0,8}") {
        if let Ok(price) = text.parse::<Price>() {
            let value: f64 = text.parse().unwrap();
            prop_assert!((value * 1e6 - price.units() as f64).abs() <= value * 1e-6);
        }
    }

    #[test]
    fn hours_and_joules_are_rounded_to_the_nearest(price in price(), count in count(), micros in 0_i64..i64::MAX) {
        // Halves up: (2 n + d) / 2 d.
        let nearest = |numerator: BigUint, denominator: u64| (numerator * 2_u32 + denominator) / (denominator * 2);
        same(electricity(count, price), &nearest(big(price.units()) * count, 3600))?;
        let plan = Plan::Hourly { currency: currency(), per_hour: price, parked_per_hour: Price::default() };
        let history = PlanHistory::from_rows(vec![PlanChange { from: 0, plan: Some(plan) }]);
        let seconds = nearest(big(micros as u64), 1_000_000);
        let want = nearest(seconds * price.units() * 1_000_000_u32, 3600);
        same(history.run_cost(0, micros).map(|costs| costs[0].1), &want)?;
    }

    /// However often an equal plan is written again, a run lasts as many seconds.
    #[test]
    fn changes_within_a_run_lose_no_second(cuts in prop::collection::vec(0_i64..100_000_000, 0..10), to in 0_i64..100_000_000) {
        // A second costs exactly one unit of a price, so nothing is lost to rounding of money.
        let plan = Plan::Hourly { currency: currency(), per_hour: Price::from_units(3600), parked_per_hour: Price::default() };
        let change = |from| PlanChange { from, plan: Some(plan.clone()) };
        let one = PlanHistory::from_rows(vec![change(-1)]);
        let many = PlanHistory::from_rows(cuts.into_iter().chain([-1]).map(change).collect());
        prop_assert_eq!(many.run_cost(0, to), one.run_cost(0, to));
    }

    #[test]
    fn shares_add_up_and_are_fair(
        cost in prop_oneof![0_u128..10_000, any::<u64>().prop_map(u128::from)],
        length in 1_i64..200,
        requests in prop::collection::vec((-20_i64..220, -20_i64..220), 0..8),
        scale in prop_oneof![Just(1_i64), Just(1_000_003)],
    ) {
        let run = Interval { from: 0, to: length * scale };
        let requests: Vec<Interval> = requests
            .into_iter()
            .map(|(from, to)| Interval { from: from * scale, to: to * scale })
            .collect();
        let shares = share_out(Money::from_units(cost), run, &requests).unwrap();
        let sum: u128 = shares.requests.iter().map(|part| part.units()).sum();
        prop_assert_eq!(sum + shares.idle.units(), cost);
        // Instant by instant, in parts of an instant that any 1 to 8 requests divide: 840 = lcm(1..=8).
        let mut weights = vec![0_u64; requests.len() + 1];
        for instant in 0..length {
            let instant = instant * scale;
            let active: Vec<usize> = (0..requests.len())
                .filter(|&nth| requests[nth].from <= instant && instant < requests[nth].to)
                .collect();
            for &nth in &active {
                weights[nth] += 840 / active.len() as u64;
            }
            weights[requests.len()] += if active.is_empty() { 840 } else { 0 };
        }
        let total = big(length as u64 * 840);
        let parts = shares.requests.iter().chain([&shares.idle]);
        for (part, weight) in parts.zip(weights) {
            // |part - cost * weight / total| <= 1 + cost * what is lost to the steps of weights
            let (got, want) = (big(part.units()) * &total, big(cost) * weight);
            let off = if got > want { got - want } else { want - got };
            let slack = &total + ((big(cost) * &total * 20_u32) >> 20_u32) / length as u64 / scale as u64;
            prop_assert!(off <= slack, "{} of {}", off, slack);
        }
    }
}
