use super::*;

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn cny() -> Currency {
    Currency::new("CNY").unwrap()
}

fn tier(max_input: Option<u64>, max_output: Option<u64>, prices: [&str; 4]) -> Tier {
    let [input, output, cache_read, cache_write] = prices.map(price);
    Tier { max_input, max_output, input, output, cache_read, cache_write }
}

fn tokens(input: u64, cached: u64, output: u64) -> Tokens {
    Tokens { input: Some(input), cached: Some(cached), output: Some(output) }
}

fn draft(tiers: Vec<TierDraft>) -> PlanDraft {
    PlanDraft { method: "tiered".into(), currency: "CNY".into(), tiers, ..PlanDraft::default() }
}

fn tier_draft(max_input: Option<u64>, max_output: Option<u64>) -> TierDraft {
    let one = Some("1".to_owned());
    TierDraft { max_input, max_output, input: one.clone(), output: one, ..TierDraft::default() }
}

fn hourly(per_hour: &str) -> Option<Plan> {
    Some(Plan::Hourly { currency: cny(), per_hour: price(per_hour), parked_per_hour: Price::default() })
}

#[test]
fn decimals() {
    let good = [
        ("0", 0, "0"),
        ("0.8", 800_000, "0.8"),
        ("2", 2_000_000, "2"),
        ("007.50", 7_500_000, "7.5"),
        ("0.000001", 1, "0.000001"),
        ("1.1000000000", 1_100_000, "1.1"),
        ("18446744073709.551615", u64::MAX, "18446744073709.551615"),
    ];
    for (text, units, printed) in good {
        assert_eq!(price(text).units(), units, "{text}");
        assert_eq!(price(text).to_string(), printed);
    }
    let bad = [
        ("", BadDecimal::Empty),
        ("-1", BadDecimal::Negative),
        ("-", BadDecimal::Negative),
        ("1e3", BadDecimal::Exponent),
        ("1.5E-3", BadDecimal::Exponent),
        ("e", BadDecimal::NotANumber),
        (".5", BadDecimal::NotANumber),
        ("5.", BadDecimal::NotANumber),
        (".", BadDecimal::NotANumber),
        ("+1", BadDecimal::NotANumber),
        (" 1", BadDecimal::NotANumber),
        ("1,5", BadDecimal::NotANumber),
        ("1.2.3", BadDecimal::NotANumber),
        ("NaN", BadDecimal::NotANumber),
        ("٣", BadDecimal::NotANumber),
        ("0.0000001", BadDecimal::TooFine { digits: 6 }),
        ("18446744073709.551616", BadDecimal::TooBig),
        ("99999999999999999999999999999999999999999", BadDecimal::TooBig),
    ];
    for (text, why) in bad {
        assert_eq!(text.parse::<Price>(), Err(why), "{text}");
    }
    assert_eq!(money("0.000000000001").units(), 1);
    assert_eq!("0.0000000000001".parse::<Money>(), Err(BadDecimal::TooFine { digits: 12 }));
    assert_eq!(Money::from_units(u128::MAX).to_string().parse(), Ok(Money::from_units(u128::MAX)));
    assert_eq!(money("9223372.036854775807").as_i64(), Ok(i64::MAX));
    assert_eq!(money("9223372.036854775808").as_i64(), Err(MoneyOverflow));
    assert!(Currency::new("CNY").is_some());
    for code in ["", "cny", "CN", "CNYY", "C1Y", "元"] {
        assert_eq!(Currency::new(code), None, "{code}");
    }
}

#[test]
fn the_plan_of_the_contract() {
    let prices = ["0.8", "2", "0.2", "0"];
    let cached = |cache_pricing| Plan::Tiered {
        currency: cny(),
        cache_pricing,
        tiers: vec![tier(Some(32_768), None, prices)],
    };
    // 1000 x 0.8 + 500 x 2 per million; 400 of the input cached at 0.2.
    assert_eq!(cached(false).cost(tokens(1000, 400, 500)).unwrap().money(), money("0.0018"));
    assert_eq!(cached(true).cost(tokens(1000, 400, 500)).unwrap().money(), money("0.00156"));
    assert_eq!(cached(true).cost(tokens(32_769, 0, 1)), Ok(Cost::Unpriced(Unpriced::NoTier)));
    assert_eq!(cached(true).cost(tokens(32_769, 0, 1)).unwrap().money(), Money::ZERO);
    let unknown = Tokens { output: None, ..tokens(1, 0, 0) };
    assert_eq!(cached(true).cost(unknown), Ok(Cost::Unpriced(Unpriced::UnknownTokens)));
    let unsaid = Tokens { cached: None, ..tokens(1000, 0, 500) };
    assert_eq!(cached(true).cost(unsaid), cached(true).cost(tokens(1000, 0, 500)));
    assert_eq!(cached(true).cost(tokens(10, 99, 0)).unwrap().money(), money("0.000002"));
    let write = Plan::Tiered {
        currency: cny(),
        cache_pricing: true,
        tiers: vec![tier(None, None, ["3", "15", "0.3", "0.75"])],
    };
    let Cost::Priced(parts) = write.cost(tokens(1_000_000, 200_000, 10)).unwrap() else { panic!() };
    let want = (money("3"), money("0.06"), money("0.00015"), money("3.06015"));
    assert_eq!((parts.input, parts.cached, parts.output, parts.total), want);
    assert_eq!(hourly("1.5").unwrap().cost(tokens(1, 0, 1)), Ok(Cost::Hourly));
}

#[test]
fn the_first_tier_that_fits() {
    let prices = ["1", "1", "0", "0"];
    let tiers = [(Some(10), Some(5)), (Some(10), None), (Some(20), Some(5)), (None, Some(5))];
    let tiers = tiers.map(|(input, output)| tier(input, output, prices)).to_vec();
    let plan = Plan::Tiered { currency: cny(), cache_pricing: false, tiers };
    let table = [
        (0, 0, Some(0)),
        (10, 5, Some(0)),
        (10, 6, Some(1)),
        (11, 5, Some(2)),
        (20, 5, Some(2)),
        (21, 5, Some(3)),
        (u64::MAX, 5, Some(3)),
        (11, 6, None),
    ];
    for (input, output, want) in table {
        let got = match plan.cost(tokens(input, 0, output)).unwrap() {
            Cost::Priced(parts) => Some(parts.tier),
            _ => None,
        };
        assert_eq!(got, want, "{input} {output}");
    }
}

#[test]
fn too_much_is_an_error() {
    let most = "18446744073709.551615";
    let plan = |cache_pricing, prices: [&str; 4]| Plan::Tiered {
        currency: cny(),
        cache_pricing,
        tiers: vec![tier(None, None, prices)],
    };
    let all = tokens(u64::MAX, 0, u64::MAX);
    assert!(plan(false, [most, "0", "0", "0"]).cost(all).is_ok());
    assert_eq!(plan(false, [most, most, "0", "0"]).cost(all), Err(MoneyOverflow));
    assert_eq!(plan(true, [most, "0", "0", most]).cost(all), Err(MoneyOverflow));
    let history = PlanHistory::from_rows(vec![PlanChange { from: i64::MIN, plan: hourly(most) }]);
    assert!(history.run_cost(i64::MIN, i64::MAX).is_ok());
    assert!(electricity(u64::MAX, price(most)).is_ok());
    let run = Interval { from: 0, to: 1_000_000 };
    assert_eq!(share_out(Money::from_units(u128::MAX), run, &[run]), Err(MoneyOverflow));
}

#[test]
fn all_problems_of_a_plan_at_once() {
    let at = |draft: &PlanDraft| -> Vec<(String, PlanMistake)> {
        draft.build().unwrap_err().into_iter().map(|problem| (problem.at, problem.wrong)).collect()
    };
    let mut wrong = draft(vec![
        tier_draft(Some(100), None),
        TierDraft { input: None, output: Some("-2".into()), ..tier_draft(Some(100), Some(7)) },
        TierDraft { cache_write: Some("1e1".into()), ..tier_draft(None, Some(7)) },
    ]);
    wrong.currency = "yuan".into();
    wrong.cache_pricing = true;
    wrong.per_hour = Some("1".into());
    let want = [
        ("currency", PlanMistake::Currency),
        ("per_hour", PlanMistake::Unexpected),
        ("tiers[0].cache_read", PlanMistake::Missing),
        ("tiers[1].input", PlanMistake::Missing),
        ("tiers[1].output", PlanMistake::Decimal(BadDecimal::Negative)),
        ("tiers[1].cache_read", PlanMistake::Missing),
        ("tiers[1]", PlanMistake::Unreachable { covered_by: 0 }),
        ("tiers[2].cache_read", PlanMistake::Missing),
        ("tiers[2].cache_write", PlanMistake::Decimal(BadDecimal::Exponent)),
    ];
    assert_eq!(at(&wrong), want.map(|(key, wrong)| (key.to_owned(), wrong)));
    assert_eq!(at(&draft(Vec::new())), [("tiers".to_owned(), PlanMistake::NoTiers)]);
    assert_eq!(
        at(&draft(vec![tier_draft(None, None); 65])),
        [("tiers".to_owned(), PlanMistake::TooManyTiers)]
    );
    let most = at(&draft(vec![tier_draft(None, None); MAX_TIERS]));
    assert!(most.iter().all(|(_, wrong)| *wrong != PlanMistake::TooManyTiers), "{most:?}");
    let nothing = at(&PlanDraft::default());
    assert_eq!(
        nothing,
        [("currency".to_owned(), PlanMistake::Missing), ("method".to_owned(), PlanMistake::Missing)]
    );
    let mut hourly = PlanDraft { method: "hourly".into(), ..draft(vec![tier_draft(None, None)]) };
    assert_eq!(
        at(&hourly),
        [("tiers".to_owned(), PlanMistake::Unexpected), ("per_hour".to_owned(), PlanMistake::Missing)]
    );
    hourly.tiers.clear();
    hourly.per_hour = Some("1.50".into());
    assert_eq!(hourly.build().unwrap().currency(), cny());
    assert!(draft(vec![tier_draft(Some(1), None), tier_draft(None, None)]).build().is_ok());
    let problem =
        draft(vec![tier_draft(Some(5), None), tier_draft(Some(4), None)]).build().unwrap_err().remove(0);
    assert_eq!(problem.to_string().split(':').next(), Some("tiers[1]"));
}

#[test]
fn a_change_never_rewrites_the_past() {
    let mut history = PlanHistory::default();
    assert_eq!(history.plan_at(0), None);
    history.change(100, hourly("1"), 100).unwrap();
    history.change(200, hourly("2"), 150).unwrap();
    history.change(200, hourly("3"), 150).unwrap();
    history.change(150, None, 150).unwrap();
    let before = history.clone();
    assert_eq!(history.change(149, hourly("9"), 150), Err(PlanInThePast));
    assert_eq!(history, before);
    assert_eq!(history.plan_at(99), None);
    assert_eq!(history.plan_at(100), hourly("1").as_ref());
    assert_eq!(history.plan_at(149), hourly("1").as_ref());
    assert_eq!(history.plan_at(150), None);
    assert_eq!(history.plan_at(200), hourly("3").as_ref());
    assert_eq!(history.plan_at(i64::MAX), hourly("3").as_ref());
    assert_eq!(PlanHistory::from_rows(history.changes().to_vec()), history);
}

#[test]
fn hours_and_joules() {
    const S: Micros = 1_000_000;
    let usd = Currency::new("USD").unwrap();
    let history = PlanHistory::from_rows(vec![
        PlanChange { from: 0, plan: hourly("1.50") },
        PlanChange {
            from: 3600 * S,
            plan: Some(Plan::Hourly {
                currency: usd,
                per_hour: price("36"),
                parked_per_hour: Price::default(),
            }),
        },
    ]);
    assert_eq!(history.run_cost(0, 3600 * S), Ok(vec![(cny(), money("1.5"))]));
    assert_eq!(history.run_cost(0, S * 3 / 2 - 1), Ok(vec![(cny(), money("0.000416666667"))]));
    assert_eq!(history.run_cost(0, S * 3 / 2), Ok(vec![(cny(), money("0.000833333333"))]));
    assert_eq!(history.run_cost(0, S / 2 - 1), Ok(vec![(cny(), Money::ZERO)]));
    assert_eq!(history.run_cost(S, 0), Ok(vec![(cny(), Money::ZERO)]));
    assert_eq!(history.run_cost(-10 * S, 0), Ok(vec![]));
    // From half a second before the change: both parts together are the two seconds of the whole.
    let cut = history.run_cost(3600 * S - S / 2, 3602 * S - S / 2);
    assert_eq!(cut, Ok(vec![(cny(), money("0.000416666667")), (usd, money("0.01"))]));
    assert_eq!(electricity(3_600_000_000, price("0.6")), Ok(money("0.6")));
    assert_eq!(electricity(1, price("0.0018")), Ok(money("0.000000000001")));
    assert_eq!(electricity(1, price("0.001799")), Ok(Money::ZERO));
}

#[test]
fn the_cost_of_a_run_is_shared_out() {
    let run = Interval { from: 0, to: 100 };
    let at = |from, to| Interval { from, to };
    let units = |cost: u128, requests: &[Interval]| {
        let shares = share_out(Money::from_units(cost), run, requests).unwrap();
        let parts: Vec<u128> = shares.requests.iter().map(|part| part.units()).collect();
        (parts, shares.idle.units())
    };
    assert_eq!(units(1000, &[]), (vec![], 1000));
    assert_eq!(units(1000, &[at(0, 100)]), (vec![1000], 0));
    assert_eq!(units(1000, &[at(0, 50), at(25, 75)]), (vec![375, 375], 250));
    assert_eq!(
        units(1000, &[at(-50, 10), at(90, 200), at(300, 400), at(50, 50)]),
        (vec![100, 100, 0, 0], 800)
    );
    assert_eq!(units(10, &[at(0, 100); 3]), (vec![4, 3, 3], 0));
    assert_eq!(units(1, &[at(0, 10), at(10, 40)]), (vec![0, 0], 1));
    let never = share_out(Money::from_units(7), at(5, 5), &[at(0, 9)]).unwrap();
    assert_eq!((never.requests, never.idle), (vec![Money::ZERO], Money::from_units(7)));
}

#[test]
fn the_time_asleep_has_a_price_of_its_own() {
    const S: Micros = 1_000_000;
    let plan = |asleep: &str| {
        let plan = Plan::Hourly { currency: cny(), per_hour: price("36"), parked_per_hour: price(asleep) };
        PlanHistory::from_rows(vec![PlanChange { from: 0, plan: Some(plan) }])
    };
    let asleep = [Interval { from: -S, to: 2 * S }, Interval { from: 5 * S, to: 20 * S }];
    let cost = |history: &PlanHistory, to| history.run_cost_asleep(0, to, &asleep).unwrap()[0].1;
    // 3 of 10 s awake, at 0.01 a second; by default the rest is free.
    assert_eq!(cost(&plan("0"), 10 * S), money("0.03"));
    assert_eq!(cost(&plan("3.6"), 10 * S), money("0.037"));
    assert_eq!(plan("3.6").run_cost(0, 10 * S).unwrap()[0].1, money("0.1"));
    // Stretches of time add up to the whole, and none is negative, wherever they are cut.
    let history = plan("0.001");
    let mut sum = Money::ZERO;
    for cut in (0..12 * S).step_by(777_777) {
        let (before, after) = (cost(&history, cut), cost(&history, cut + 777_777));
        assert!(before <= after, "at {cut}");
        sum = sum.plus(Money::from_units(after.units() - before.units())).unwrap();
    }
    assert_eq!(sum, cost(&history, (0..12 * S).step_by(777_777).last().unwrap() + 777_777));
}

#[test]
fn a_price_of_sleep_belongs_to_hourly_plans() {
    let mut draft = PlanDraft { method: "hourly".into(), currency: "CNY".into(), ..PlanDraft::default() };
    draft.per_hour = Some("1".into());
    draft.parked_per_hour = Some("x".into());
    assert_eq!(draft.build().unwrap_err()[0].at, "parked_per_hour");
    draft.parked_per_hour = Some("0.10".into());
    let expected = Plan::Hourly { currency: cny(), per_hour: price("1"), parked_per_hour: price("0.1") };
    assert_eq!(draft.build(), Ok(expected));
    draft.method = "tiered".into();
    let wrong = draft.build().unwrap_err();
    assert!(
        wrong.iter().any(|one| one.at == "parked_per_hour" && one.wrong == PlanMistake::Unexpected),
        "{wrong:?}"
    );
}

#[test]
fn the_most_that_a_request_can_cost_is_that_of_the_dearest_length() {
    let plan = |tiers: &[(Option<u64>, Option<u64>, &str)]| Plan::Tiered {
        currency: cny(),
        cache_pricing: false,
        tiers: tiers
            .iter()
            .map(|(input, output, price)| tier(*input, *output, ["1", price, "0", "0"]))
            .collect(),
    };
    let most = |plan: &Plan, output| plan.most(10, output).map(|money| money.to_string());
    let one = Some("0.00011".to_owned());
    let bounded = plan(&[(None, Some(100), "1")]);
    assert_eq!(most(&bounded, 100), one);
    assert_eq!(most(&bounded, u64::MAX), one, "beyond the last tier it has no price, but may end before");
    let cheaper = plan(&[(None, Some(100), "1"), (None, None, "0.1")]);
    assert_eq!(most(&cheaper, 500), one, "a longer output is cheaper");
    assert_eq!(most(&cheaper, 5000), Some("0.00051".to_owned()));
    let dearer = plan(&[(Some(10), None, "1"), (None, None, "100")]);
    assert_eq!(most(&dearer, 100), one, "the tier of longer prompts is none of this one");
    assert_eq!(most(&plan(&[(Some(9), None, "1")]), 1), None);
    assert_eq!(hourly("1").unwrap().most(1, 1), None);
}
