//! Time in which runs were parked: it has its own price, and all reports still add up.

use crate::testing::*;
use crate::*;
use jiff::civil::date;
use jiff::tz::TimeZone;
use llm_manager_policy::pricing::{Currency, Plan, Price};

/// A thousandth a second awake, and a tenth of that asleep.
fn plan(parked_per_hour: u64) -> Plan {
    let currency = Currency::new("CNY").unwrap();
    let per_hour = Price::from_units(3_600_000);
    Plan::Hourly { currency, per_hour, parked_per_hour: Price::from_units(parked_per_hour) }
}

/// Ready at once, for four hours.
fn run(id: i64, parked: &[(i64, Option<i64>)]) -> LedgerEvent {
    let parking =
        |(from, to): &(i64, Option<i64>)| Parking { from_us: MARCH + from, to_us: to.map(|to| MARCH + to) };
    LedgerEvent::Run(Box::new(RunRow {
        id,
        model: name("m"),
        variant: name("gpu"),
        started_us: MARCH,
        ready_us: Some(MARCH),
        heartbeat_us: MARCH + 4 * HOUR,
        ended_us: Some(MARCH + 4 * HOUR),
        parked: parked.iter().map(parking).collect(),
        ..RunRow::default()
    }))
}

fn request(keys: &KeySource, key: &str, ended: i64, lasted: i64) -> LedgerEvent {
    let labels = Labels { api_key: key.into(), ..labels("m") };
    let mine = row(keys, "m", MARCH + ended);
    LedgerEvent::Request(Box::new(RequestRow {
        labels: labels.into(),
        started_us: MARCH + ended - lasted,
        duration_us: lasted,
        run_id: Some(1),
        ..mine
    }))
}

#[test]
fn the_time_asleep_costs_its_own_price_and_nobody_pays_for_it_who_was_awake() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        writer.set_plan(&name("m"), Some(&plan(360_000)), MARCH - DAY, MARCH - DAY, PlanSource::Api).unwrap();
        let keys = KeySource::new();
        let asleep = (HOUR, Some(3 * HOUR));
        let events = [
            // News may come twice, and late.
            run(1, &[asleep]),
            run(1, &[(HOUR, None)]),
            run(1, &[(3 * HOUR + HOUR / 2, Some(4 * HOUR))]),
            run(1, &[]),
            request(&keys, "alice", HOUR, HOUR),
            request(&keys, "bob", 3 * HOUR + HOUR / 2, HOUR / 2),
        ];
        writer.write(&events, false).unwrap();
        let reader = &opening.reader;
        let view = block_on(reader.run(1)).unwrap().unwrap();
        assert_eq!(view.run.asleep_within(i64::MIN, i64::MAX), 2 * HOUR + HOUR / 2);
        // 1.5 hours awake, 2.5 asleep.
        assert_eq!(view.cost["CNY"].to_string(), "6.3");
        let statement = block_on(reader.statement(date(2026, 3, 1), TimeZone::UTC)).unwrap();
        let cost = |key: Option<&str>| {
            let line = statement.lines.iter().find(|line| line.api_key.as_deref() == key).unwrap();
            line.totals.run_cost["CNY"].to_string()
        };
        assert_eq!(
            (cost(Some("alice")), cost(Some("bob")), cost(None)),
            ("3.6".into(), "1.8".into(), "0.9".into())
        );
        let by = vec![Dimension::Model];
        let summary =
            block_on(reader.summary(Filter::default(), statement.from, statement.to, by.clone())).unwrap();
        assert_eq!(Statement::sum(&statement.lines), summary.total);
        // Cut within seconds, the points add up to the whole.
        let zone = TimeZone::get("Asia/Kathmandu").unwrap();
        let series =
            block_on(reader.series(Filter::default(), MARCH, MARCH + DAY, Bucket::Quarter, zone, by))
                .unwrap();
        let points = series.points.iter().filter_map(|point| point.total.run_cost.get("CNY"));
        assert_eq!(points.map(|money| money.units()).sum::<u128>(), view.cost["CNY"].units());
        let shares = block_on(reader.run_shares(1)).unwrap().unwrap();
        let each: Vec<_> = shares.requests.iter().map(|one| one.cost["CNY"].to_string()).collect();
        assert_eq!(
            (each, shares.idle["CNY"].to_string()),
            (vec!["3.6".to_owned(), "1.8".to_owned()], "0.9".to_owned())
        );
    });
}

#[test]
fn a_run_that_ended_asleep_slept_until_its_end() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        writer.set_plan(&name("m"), Some(&plan(0)), MARCH - DAY, MARCH - DAY, PlanSource::Api).unwrap();
        // The end of the first sleep was lost with the manager.
        writer.write(&[run(1, &[(HOUR, None)]), run(1, &[(2 * HOUR, None)])], false).unwrap();
        let view = block_on(opening.reader.run(1)).unwrap().unwrap();
        assert_eq!(view.run.asleep_within(i64::MIN, i64::MAX), 3 * HOUR);
        assert_eq!(view.cost["CNY"].to_string(), "3.6");
        let plans = writer.plans().unwrap();
        assert_eq!(plans[0].plan, Some(plan(0)));
        // What is deleted with a model goes whole.
        writer.delete_model("m", false, MARCH + DAY).unwrap();
        while writer.sweep().unwrap() == JobProgress::More {}
        assert_eq!(block_on(opening.reader.run(1)).unwrap(), None);
    });
}
