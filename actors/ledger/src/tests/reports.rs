//! Summaries and series: time zones, splits, quantiles, the pay of runs.

use crate::buckets::{borders, tiles};
use crate::testing::*;
use crate::*;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use llm_manager_policy::pricing::{Currency, Plan, Price};
use proptest::prelude::*;
use std::sync::Arc;

const ZONES: [&str; 6] =
    ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"];

fn micros(text: &str) -> Micros {
    text.parse::<Zoned>().unwrap().timestamp().as_microsecond()
}

fn local(zone: &TimeZone, time: Micros) -> String {
    Zoned::new(Timestamp::from_microsecond(time).unwrap(), zone.clone()).strftime("%d %H:%M%:z").to_string()
}

#[test]
fn days_are_those_of_the_callers_calendar() {
    let lengths = |zone: &str, from: &str, days: i64| -> Vec<i64> {
        let zone = TimeZone::get(zone).unwrap();
        let from = micros(from);
        let borders = borders(Bucket::Day, &zone, from, from + days * DAY).unwrap();
        borders.windows(2).map(|pair| (pair[1] - pair[0]) / (60 * SECOND)).collect()
    };
    // Spring: an hour is missing; autumn: one comes twice. Lord Howe moves by half an hour.
    assert_eq!(lengths("Europe/Berlin", "2026-03-28T00:00[Europe/Berlin]", 2), [1440, 1380, 1440]);
    assert_eq!(lengths("Europe/Berlin", "2026-10-24T00:00[Europe/Berlin]", 2), [1440, 1500]);
    assert_eq!(lengths("America/New_York", "2026-03-08T00:00[America/New_York]", 1), [1380, 1440]);
    assert_eq!(lengths("Australia/Lord_Howe", "2026-04-05T00:00[Australia/Lord_Howe]", 1), [1470]);
    assert_eq!(lengths("Australia/Lord_Howe", "2026-10-04T00:00[Australia/Lord_Howe]", 1), [1410, 1440]);
    assert_eq!(lengths("Asia/Kolkata", "2026-03-28T00:00[Asia/Kolkata]", 2), [1440, 1440]);
}

#[test]
fn hours_are_cut_where_the_clock_is_changed() {
    let hours = |zone: &str, from: &str, to: &str| -> Vec<String> {
        let tz = TimeZone::get(zone).unwrap();
        let borders = borders(Bucket::Hour, &tz, micros(from), micros(to)).unwrap();
        borders.iter().map(|border| local(&tz, *border)).collect()
    };
    assert_eq!(
        hours("Europe/Berlin", "2026-10-25T01:30[Europe/Berlin]", "2026-10-25T03:10[Europe/Berlin]"),
        ["25 01:00+02:00", "25 02:00+02:00", "25 02:00+01:00", "25 03:00+01:00", "25 04:00+01:00"]
    );
    assert_eq!(
        hours("Europe/Berlin", "2026-03-29T01:00[Europe/Berlin]", "2026-03-29T04:00[Europe/Berlin]"),
        ["29 01:00+01:00", "29 03:00+02:00", "29 04:00+02:00"]
    );
    assert_eq!(
        hours(
            "Australia/Lord_Howe",
            "2026-04-05T01:00[Australia/Lord_Howe]",
            "2026-04-05T03:00[Australia/Lord_Howe]"
        ),
        ["05 01:00+11:00", "05 01:30+10:30", "05 02:00+10:30", "05 03:00+10:30"]
    );
    assert_eq!(
        hours(
            "Australia/Lord_Howe",
            "2026-10-04T01:00[Australia/Lord_Howe]",
            "2026-10-04T04:00[Australia/Lord_Howe]"
        ),
        ["04 01:00+10:30", "04 02:30+11:00", "04 03:00+11:00", "04 04:00+11:00"]
    );
    assert_eq!(
        hours("Asia/Kathmandu", "2026-10-04T01:20[Asia/Kathmandu]", "2026-10-04T02:20[Asia/Kathmandu]"),
        ["04 01:00+05:45", "04 02:00+05:45", "04 03:00+05:45"]
    );
}

/// There the clock was changed at one minute past midnight.
#[test]
fn an_hour_is_cut_even_in_its_first_minute() {
    let zone = TimeZone::get("America/St_Johns").unwrap();
    let (from, to) = (
        micros("2010-11-06T23:00-02:30[America/St_Johns]"),
        micros("2010-11-07T00:30-03:30[America/St_Johns]"),
    );
    let borders = borders(Bucket::Hour, &zone, from, to).unwrap();
    let texts: Vec<String> = borders.iter().map(|border| local(&zone, *border)).collect();
    assert_eq!(
        texts,
        ["06 23:00-02:30", "07 00:00-02:30", "06 23:01-03:30", "07 00:00-03:30", "07 01:00-03:30"]
    );
    let late = crate::buckets::borders(Bucket::Hour, &zone, borders[2] + SECOND, to).unwrap();
    assert_eq!(late[0], borders[2], "it begins where the clock was changed");
}

#[test]
fn weeks_begin_on_monday_and_months_on_the_first() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let of = |bucket, from: &str, to: &str| -> Vec<String> {
        let borders = borders(bucket, &zone, micros(from), micros(to)).unwrap();
        let date = |time: &Micros| {
            Zoned::new(Timestamp::from_microsecond(*time).unwrap(), zone.clone())
                .strftime("%a %F %R")
                .to_string()
        };
        borders.iter().map(date).collect()
    };
    assert_eq!(
        of(Bucket::Week, "2026-10-22T05:00[Europe/Berlin]", "2026-10-27T00:00[Europe/Berlin]"),
        ["Mon 2026-10-19 00:00", "Mon 2026-10-26 00:00", "Mon 2026-11-02 00:00"]
    );
    assert_eq!(
        of(Bucket::Month, "2026-02-10T00:00[Europe/Berlin]", "2026-04-01T00:00[Europe/Berlin]"),
        ["Sun 2026-02-01 00:00", "Sun 2026-03-01 00:00", "Wed 2026-04-01 00:00"]
    );
    assert!(borders(Bucket::Minute, &zone, MARCH, MARCH + 100 * DAY).is_err(), "too many points");
    assert!(borders(Bucket::Day, &zone, MARCH, MARCH).is_err());
}

proptest! {
    #[test]
    fn borders_have_no_gap_and_fall_on_the_local_clock(
        zone in 0..ZONES.len(),
        start in 0_i64..400 * 24 * 60,
        length in 1_i64..40 * 24 * 60,
        bucket in prop::sample::select(vec![Bucket::Minute, Bucket::Quarter, Bucket::Hour, Bucket::Day, Bucket::Week, Bucket::Month]),
    ) {
        let zone = TimeZone::get(ZONES[zone]).unwrap();
        let (from, to) = (MARCH + start * 60 * SECOND + 17, MARCH + (start + length) * 60 * SECOND);
        prop_assume!(from < to);
        let Ok(borders) = borders(bucket, &zone, from, to) else {
            prop_assert!(matches!(bucket, Bucket::Minute));
            return Ok(());
        };
        prop_assert!(borders[0] <= from && from < borders[1]);
        prop_assert!(borders[borders.len() - 2] < to && to <= *borders.last().unwrap());
        prop_assert!(borders.windows(2).all(|pair| pair[0] < pair[1]));
        for pair in borders.windows(2) {
            let covered = tiles(pair[0], pair[1]);
            prop_assert_eq!(covered[0].from, pair[0]);
            prop_assert_eq!(covered.last().unwrap().to, pair[1]);
            prop_assert!(covered.windows(2).all(|tiles| tiles[0].to == tiles[1].from));
            for tile in covered {
                let width = tile.level * SECOND;
                prop_assert!(tile.from % width == 0 && tile.to % width == 0 && tile.from < tile.to);
            }
        }
    }
}

#[test]
fn a_series_has_what_fell_into_each_local_bucket() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        // Around both changes of the clock, every 7 minutes and a bit, at borders too.
        let mut rows = Vec::new();
        for middle in [
            "2026-03-29T03:00[Europe/Berlin]",
            "2026-10-25T02:00[Europe/Berlin]",
            "2026-04-05T02:00[Australia/Lord_Howe]",
        ] {
            let middle = micros(middle);
            for n in -400..400 {
                rows.push(row(&keys, "m", middle + n * 433 * SECOND));
                if n % 50 == 0 {
                    rows.push(row(&keys, "m", middle + n * HOUR / 50));
                }
            }
        }
        for chunk in rows.chunks(1000) {
            writer.write(&events(chunk), false).unwrap();
        }
        let reader = &opening.reader;
        for zone in ZONES {
            let zone = TimeZone::get(zone).unwrap();
            for bucket in [Bucket::Hour, Bucket::Day, Bucket::Week, Bucket::Month] {
                let from = micros("2026-03-28T12:34:56[UTC]");
                let to = micros(if bucket == Bucket::Hour {
                    "2026-04-08T00:00[UTC]"
                } else {
                    "2026-10-28T00:00[UTC]"
                });
                let series =
                    block_on(reader.series(Filter::default(), from, to, bucket, zone.clone(), vec![]))
                        .unwrap();
                for point in &series.points {
                    let there = |row: &&RequestRow| (point.from..point.to).contains(&row.ended_us());
                    let wanted = rows.iter().filter(there).count() as i64;
                    assert_eq!(
                        (point.total.requests, point.total.input),
                        (wanted, wanted * 100),
                        "{zone:?} {bucket:?}"
                    );
                }
            }
        }
    });
}

#[test]
fn reports_are_split_and_filtered() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let mut rows = Vec::new();
        for n in 0..60_i64 {
            let mut row = row(&keys, ["a", "b", "c"][(n % 3) as usize], MARCH + n * SECOND);
            Arc::make_mut(&mut row.labels).api_key = ["x", "y"][(n % 2) as usize].into();
            row.outcome = outcome((n % 8) as u8);
            row.cost = Some(1000 + n);
            Arc::make_mut(&mut row.labels).currency = if n % 3 == 0 { "EUR".into() } else { "CNY".into() };
            rows.push(row);
        }
        writer.write(&events(&rows), false).unwrap();
        let ask = |filter: Filter, by: Vec<Dimension>| {
            block_on(opening.reader.summary(filter, MARCH, MARCH + HOUR, by)).unwrap()
        };
        let all = ask(Filter::default(), vec![Dimension::Model, Dimension::ApiKey]);
        assert_eq!(all.total.requests, 60);
        assert_eq!((all.total.failed, all.total.client_left, all.total.refused), (15, 8, 8));
        assert_eq!((all.total.rejected, all.total.cancelled), (8, 7));
        assert_eq!(all.groups.len(), 6);
        assert!(all.groups.iter().all(|group| group.totals.requests == 10));
        let euros: i64 =
            rows.iter().filter(|row| &*row.labels.currency == "EUR").filter_map(|row| row.cost).sum();
        assert_eq!(all.total.cost["EUR"].units(), u128::from(euros.cast_unsigned()));
        let one =
            ask(Filter { models: vec!["a".into()], api_keys: vec!["x".into()], ..Filter::default() }, vec![]);
        assert_eq!(one.total.requests, 10);
        assert!(one.groups.is_empty());
        let none = ask(Filter { models: vec!["nobody".into()], ..Filter::default() }, vec![Dimension::Model]);
        assert_eq!((none.total.requests, none.groups.len()), (0, 0));
    });
}

#[test]
fn quantiles_are_exact_for_few_and_near_for_many() {
    let place = TestDatabase::sqlite();
    let (opening, mut writer) = opened(&place.location);
    let keys = KeySource::new();
    let mut rows: Vec<_> = (1..=1000_i64)
        .map(|n| {
            let mut row = row(&keys, "m", MARCH + HOUR);
            row.started_us = MARCH + HOUR - n * 1000;
            // Each second one is refused at once, which says nothing of how fast answers are.
            let answered = n % 2 == 0;
            row.duration_us = if answered { n * 1000 } else { 1 };
            row.first_byte_us = answered.then_some(n * 500);
            row
        })
        .collect();
    writer.write(&events(&rows), false).unwrap();
    let ask = || block_on(opening.reader.latency(Filter::default(), MARCH, MARCH + DAY)).unwrap();
    let few = ask();
    assert!(few.exact);
    assert_eq!(
        (few.requests, few.duration.p50, few.duration.p95, few.duration.p99),
        (500, 500_000, 950_000, 990_000)
    );
    assert_eq!(few.first_byte.p50, 250_000);
    for _ in 0..42 {
        for row in &mut rows {
            row.key = keys.next(0);
        }
        writer.write(&events(&rows), false).unwrap();
    }
    let many = ask();
    assert!(!many.exact);
    assert_eq!(many.requests, 21_500);
    for (near, exact) in [
        (many.duration.p50, few.duration.p50),
        (many.duration.p99, few.duration.p99),
        (many.first_byte.p95, few.first_byte.p95),
    ] {
        assert!((near - exact).abs() * 10 <= exact * 2, "{near} is far from {exact}");
    }
}

#[test]
fn hours_of_runs_are_paid_and_add_up() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let hourly = |price| Plan::Hourly {
            currency: Currency::new("CNY").unwrap(),
            per_hour: Price::from_units(price),
            parked_per_hour: Price::default(),
        };
        writer.set_plan(&name("m"), Some(&hourly(1_500_000)), MARCH, MARCH, PlanSource::Config).unwrap();
        // Twice as much from the second hour on.
        writer
            .set_plan(&name("m"), Some(&hourly(3_000_000)), MARCH + 2 * HOUR, MARCH, PlanSource::Api)
            .unwrap();
        let run = |id, started, ready: Option<i64>, ended: Option<i64>, bill_loading| {
            let last = ended.or(ready).unwrap_or(started);
            LedgerEvent::Run(Box::new(RunRow {
                id,
                model: name("m"),
                variant: name("gpu"),
                started_us: MARCH + started,
                ready_us: ready.map(|at| MARCH + at),
                heartbeat_us: MARCH + last,
                ended_us: ended.map(|at| MARCH + at),
                bill_loading,
                ..RunRow::default()
            }))
        };
        writer
            .write(
                &[
                    run(1, 0, Some(HOUR), Some(3 * HOUR), false),
                    run(2, 5 * HOUR, Some(6 * HOUR), Some(7 * HOUR), true),
                    run(3, 8 * HOUR, None, Some(9 * HOUR), false),
                ],
                false,
            )
            .unwrap();
        let runs = block_on(opening.reader.runs_of("m", 10)).unwrap();
        let costs: Vec<_> =
            runs.iter().map(|view| (view.run.id, view.cost.get("CNY").map(ToString::to_string))).collect();
        assert_eq!(costs, [(3, None), (2, Some("6".into())), (1, Some("4.5".into()))]);
        let by = vec![Dimension::Model];
        let reader = &opening.reader;
        let summary = block_on(reader.summary(Filter::default(), MARCH, MARCH + DAY, by.clone())).unwrap();
        assert_eq!(summary.total.run_cost["CNY"].to_string(), "10.5");
        assert_eq!(*summary.groups[0].key, ["m"]);
        // A third of the day at a time, cut within seconds: the points add up to the whole.
        let zone = TimeZone::get("Asia/Kathmandu").unwrap();
        let series =
            block_on(reader.series(Filter::default(), MARCH, MARCH + DAY, Bucket::Quarter, zone, by))
                .unwrap();
        let sum: u128 = series
            .points
            .iter()
            .filter_map(|point| point.total.run_cost.get("CNY"))
            .map(|money| money.units())
            .sum();
        assert_eq!(sum, summary.total.run_cost["CNY"].units());
        // The first run's two hours, 4.5 in all: for its requests, and for the time without one.
        let keys = KeySource::new();
        let of_run = |ended: i64, duration: i64, run| RequestRow {
            started_us: MARCH + ended - duration,
            duration_us: duration,
            run_id: Some(run),
            ..row(&keys, "m", MARCH)
        };
        let rows = [of_run(2 * HOUR, HOUR, 1), of_run(2 * HOUR, HOUR, 1), of_run(2 * HOUR, HOUR, 2)];
        writer.write(&events(&rows), false).unwrap();
        let shares = block_on(reader.run_shares(1)).unwrap().unwrap();
        let parts: Vec<_> = shares.requests.iter().map(|share| share.cost["CNY"].to_string()).collect();
        assert_eq!(
            (parts, shares.idle["CNY"].to_string()),
            (vec!["1.125".into(), "1.125".into()], "2.25".into())
        );
        assert_eq!(block_on(reader.run_shares(99)), Ok(None));
        // By API key nobody can say who has paid for the hour.
        let by_key =
            block_on(reader.summary(Filter::default(), MARCH, MARCH + DAY, vec![Dimension::ApiKey])).unwrap();
        assert!(by_key.total.run_cost.is_empty());
    });
}
