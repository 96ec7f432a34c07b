//! Statements of a month: they add up to what the reports say, whatever is kept of the rows.

use crate::testing::*;
use crate::*;
use jiff::civil::date;
use jiff::tz::TimeZone;
use llm_manager_policy::pricing::{Currency, Plan, Price};

fn run(
    id: i64,
    model: &str,
    (started, ready, ended): (i64, i64, i64),
    energy: Option<(i64, i64)>,
) -> LedgerEvent {
    LedgerEvent::Run(Box::new(RunRow {
        id,
        model: name(model),
        variant: name("gpu"),
        started_us: started,
        ready_us: Some(ready),
        heartbeat_us: ended,
        ended_us: Some(ended),
        energy: energy.map(|(millijoules, cost)| Energy { millijoules, cost: Some((cost, "EUR".into())) }),
        ..RunRow::default()
    }))
}

fn hourly(per_hour: u64) -> Plan {
    Plan::Hourly {
        currency: Currency::new("CNY").unwrap(),
        per_hour: Price::from_units(per_hour),
        parked_per_hour: Price::default(),
    }
}

fn request(keys: &KeySource, (model, key): (&str, &str), ended: i64, lasted: i64, run: i64) -> LedgerEvent {
    let labels = Labels { api_key: key.into(), ..labels(model) };
    let mine = row(keys, model, ended);
    LedgerEvent::Request(Box::new(RequestRow {
        labels: labels.into(),
        started_us: ended - lasted,
        duration_us: lasted,
        run_id: Some(run),
        ..mine
    }))
}

fn march(opened: &Opened) -> Statement {
    block_on(opened.reader.statement(date(2026, 3, 1), TimeZone::UTC)).unwrap()
}

fn line<'a>(statement: &'a Statement, model: &str, key: Option<&str>) -> &'a Totals {
    let mut lines = statement.lines.iter();
    &lines.find(|line| line.model == model && line.api_key.as_deref() == key).unwrap().totals
}

fn assert_adds_up(opened: &Opened, statement: &Statement) {
    let by = vec![Dimension::Model];
    let (from, to) = (statement.from, statement.to);
    let summary = block_on(opened.reader.summary(Filter::default(), from, to, by)).unwrap();
    assert_eq!(Statement::sum(&statement.lines), summary.total);
    for group in &summary.groups {
        let lines = statement.lines.iter().filter(|line| line.model == group.key[0]);
        assert_eq!(Statement::sum(lines), group.totals, "{:?}", group.key);
    }
}

#[test]
fn hours_and_electricity_go_to_the_keys_by_their_time_in_use() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        writer
            .set_plan(
                &name("m"),
                Some(&hourly(3_600_000)),
                MARCH - 2 * DAY,
                MARCH - 2 * DAY,
                PlanSource::Config,
            )
            .unwrap();
        let keys = KeySource::new();
        // Four hours from ready on, of which the first lies in February; it was loading for an hour.
        let at = |hours: i64| MARCH + hours * HOUR;
        let events = [
            run(1, "m", (at(-2), at(-1), at(3)), Some((5_000_000, 500))),
            // Alice alone for half an hour, then both; Bob goes on beyond the end of the run.
            request(&keys, ("m", "alice"), at(1), HOUR, 1),
            request(&keys, ("m", "bob"), at(1), HOUR / 2, 1),
            request(&keys, ("m", "bob"), at(4), 2 * HOUR, 1),
            // Of the month before: it has no part in March.
            request(&keys, ("m", ""), at(0) - SECOND, SECOND, 1),
        ];
        writer.write(&events, false).unwrap();
        let statement = march(&opening);
        assert_eq!((statement.from, statement.to, statement.by_sums_until), (MARCH, MARCH + 31 * DAY, None));
        let hours = |key| line(&statement, "m", key).run_cost["CNY"].to_string();
        // A thousandth a second: 1800 + 900, 900 + 3600, and an hour for nobody.
        assert_eq!(
            (hours(Some("alice")), hours(Some("bob")), hours(None)),
            ("2.7".into(), "4.5".into(), "3.6".into())
        );
        let energy = |key| line(&statement, "m", key).energy_mj;
        assert_eq!(
            (energy(Some("alice")), energy(Some("bob")), energy(None)),
            (750_000, 1_250_000, 1_000_000)
        );
        assert_eq!(line(&statement, "m", Some("bob")).requests, 2);
        assert!(!statement.lines.iter().any(|line| line.api_key.as_deref() == Some("")));
        assert_adds_up(&opening, &statement);
    });
}

#[test]
fn a_month_whose_rows_are_gone_is_shared_by_sums_and_still_adds_up() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        writer
            .set_plan(&name("m"), Some(&hourly(3_600_000)), MARCH - DAY, MARCH - DAY, PlanSource::Config)
            .unwrap();
        let keys = KeySource::new();
        let mut events = vec![run(1, "m", (MARCH, MARCH, MARCH + 10 * DAY), Some((7_000_001, 333)))];
        for day in 0..10 {
            events.push(request(&keys, ("m", "alice"), MARCH + day * DAY + 7 * HOUR, HOUR, 1));
            events.push(request(&keys, ("m", "bob"), MARCH + day * DAY + 9 * HOUR, HOUR / 2, 1));
        }
        writer.write(&events, false).unwrap();
        let before = march(&opening);
        assert_adds_up(&opening, &before);
        while writer.retain(MARCH + 5 * DAY).unwrap() == JobProgress::More {}
        let after = march(&opening);
        assert_eq!(after.by_sums_until, Some(MARCH + 5 * DAY));
        assert_adds_up(&opening, &after);
        // Nobody waited and nobody was there at the same time: the sums say what the rows have said, but for what
        // a request's 100 microseconds in the queue are worth.
        for (one, other) in before.lines.iter().zip(&after.lines) {
            let hours = |line: &StatementLine| line.totals.run_cost["CNY"].units();
            assert!(hours(one).abs_diff(hours(other)) <= 2_000_000_000, "{one:?} {other:?}");
        }
    });
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(16))]
    #[test]
    fn statements_add_up_to_the_last_digit(
        runs in proptest::collection::vec((-40_i64..800, 0_i64..4_000, 0_i64..90_000, 0_i64..1_000_000_007), 1..5),
        requests in proptest::collection::vec((0_usize..5, 0_usize..3, 0_i64..90_000, 1_i64..9_000_000), 0..60),
        gone in proptest::option::of(0_i64..800),
        price in 1_u64..9_999_999,
    ) {
        let place = TestDatabase::sqlite();
        let (opening, mut writer) = opened(&place.location);
        writer.set_plan(&name("m"), Some(&hourly(price)), MARCH - 9 * DAY, MARCH - 9 * DAY, PlanSource::Config).unwrap();
        let keys = KeySource::new();
        let begins: Vec<i64> = runs.iter().map(|(hour, ..)| MARCH + hour * HOUR + 12_345).collect();
        let mut events: Vec<LedgerEvent> = runs.iter().zip(1..).map(|((hour, load, life, energy), id)| {
            let start = MARCH + hour * HOUR + 12_345;
            run(id, "m", (start, start + load * SECOND + 7, start + (load + life) * SECOND + 11), Some((*energy, energy / 3)))
        }).collect();
        for (run, key, at, lasted) in requests {
            let run = run % begins.len();
            let key = ["", "alice", "bob"][key];
            events.push(request(&keys, ("m", key), begins[run] + at * SECOND + 3, lasted * 1_000, run as i64 + 1));
        }
        writer.write(&events, false).unwrap();
        if let Some(hours) = gone {
            while writer.retain(MARCH + hours * HOUR + 55).unwrap() == JobProgress::More {}
        }
        assert_adds_up(&opening, &march(&opening));
    }
}
