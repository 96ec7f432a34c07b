//! Batches: each row once, rollups that are sums of rows, nothing on failure.

use crate::row::MOST_TOKENS;
use crate::testing::*;
use crate::*;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn what_is_written_is_read() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let full = RequestRow {
            tokens: TokenCounts {
                input: Some(1),
                cached: Some(2),
                cache_write: Some(3),
                output: Some(4),
                reasoning: Some(5),
            },
            usage_source: UsageSource::Estimated,
            outcome: Outcome::Refused("queue_full".into()),
            pricing: Pricing::NoTier,
            cost: Some(7),
            plan_id: Some(8),
            run_id: Some(-9),
            replayed: true,
            error: Some("it's \"broken\"; ü".into()),
            labels: Labels { currency: "CNY".into(), ..labels("a") }.into(),
            ..row(&keys, "a", MARCH + 5)
        };
        let empty = RequestRow {
            first_byte_us: None,
            status: 0,
            tokens: TokenCounts::default(),
            usage_source: UsageSource::None,
            ..row(&keys, "b", MARCH)
        };
        writer.write(&events(&[full.clone(), empty.clone()]), false).unwrap();
        let page =
            block_on(opening.reader.requests(super::super::PageQuery { limit: 10, ..Default::default() }))
                .unwrap();
        let rows: Vec<RequestRow> = page.rows.into_iter().map(|view| view.row).collect();
        assert_eq!(rows, [unkeyed(&full), unkeyed(&empty)]);
    });
}

/// One statement holds 256, 32, 4 rows or one: a batch that needs all of these sizes, of rows that differ.
#[test]
fn a_batch_of_any_size_is_written_row_by_row() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let differ = |n: i64| RequestRow {
            tokens: TokenCounts {
                input: Some(n),
                output: (n % 3 > 0).then_some(2 * n),
                ..TokenCounts::default()
            },
            error: (n % 7 == 0).then(|| format!("error {n}")),
            run_id: (n % 5 == 0).then_some(n),
            replayed: n % 2 == 0,
            ..row(&keys, "m", MARCH + n)
        };
        let mut rows: Vec<RequestRow> = (0..2 * 256 + 32 + 2 * 4 + 3).map(differ).collect();
        let written = writer.write(&events(&rows), false).unwrap();
        assert_eq!(written.requests, rows.len());
        let query = super::super::PageQuery { limit: 1000, ..Default::default() };
        let page = block_on(opening.reader.requests(query)).unwrap();
        rows.reverse();
        let wanted: Vec<_> = rows.iter().map(unkeyed).collect();
        assert_eq!(page.rows.into_iter().map(|view| view.row).collect::<Vec<_>>(), wanted);
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

#[test]
fn a_row_is_written_once() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let rows: Vec<_> = (0..50).map(|n| row(&keys, "m", MARCH + n * HOUR)).collect();
        let written = writer.write(&events(&rows[..30]), false).unwrap();
        assert_eq!((written.requests, written.duplicates), (30, 0));
        // Said to be new, but half of it is not; and some twice within the batch.
        let mut again = rows[10..].to_vec();
        again.extend_from_slice(&rows[45..]);
        let written = writer.write(&events(&again), false).unwrap();
        assert_eq!((written.requests, written.duplicates), (20, 25));
        let written = writer.write(&events(&rows), true).unwrap();
        assert_eq!((written.requests, written.duplicates), (0, 50));
        assert_eq!(everything(&opening).total.requests, 50);
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

/// They lie side by side, whatever place each would have had, and each is known when it comes again.
#[test]
fn rows_of_one_microsecond_are_told_apart() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let first = keys.next(MARCH);
        // Every 1024th has the same place.
        let rows: Vec<_> = (0..40)
            .map(|nth| RequestRow {
                key: RowKey(first.0 + nth * 1024),
                request_id: format!("r{nth}"),
                ..row(&keys, "m", MARCH)
            })
            .collect();
        assert_eq!(writer.write(&events(&rows[..10]), false).unwrap().requests, 10);
        // The database finds that places are taken.
        assert_eq!(writer.write(&events(&rows[10..30]), false).unwrap().requests, 20);
        let again = writer.write(&events(&rows[5..]), true).unwrap();
        assert_eq!((again.requests, again.duplicates), (10, 25));
        let again = writer.write(&events(&rows), false).unwrap();
        assert_eq!((again.requests, again.duplicates), (0, 40));
        let page = block_on(opening.reader.requests(PageQuery { limit: 100, ..Default::default() })).unwrap();
        let mut ids: Vec<_> = page.rows.iter().map(|view| view.row.request_id.clone()).collect();
        assert!(page.rows.iter().all(|view| view.row.ended_us() == MARCH));
        ids.sort_by_key(|id| id[1..].parse::<u8>().unwrap());
        assert_eq!(ids, rows.iter().map(|row| row.request_id.clone()).collect::<Vec<_>>());
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

/// What of such an id can be computed isn't stored, and people see it all the same.
#[test]
fn ids_that_the_manager_made_take_no_room() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let made = |nth: i64, duration: i64, apart: i64| {
            let ended = MARCH + nth * HOUR + 123_456;
            RequestRow {
                request_id: made_id(ended - duration + apart * 1000, (1 << 36) - 1 - nth.cast_unsigned()),
                started_us: ended - duration,
                duration_us: duration,
                ..row(&keys, "m", ended)
            }
        };
        let rows = [
            made(0, 5, 0),
            made(1, SECOND, -8),
            made(2, 59 * SECOND, 7),
            made(3, 20 * HOUR, 1),
            made(4, 7, 60),
        ];
        writer.write(&events(&rows), false).unwrap();
        let mut db = raw(&place.location);
        let stored = db.words("SELECT request_id AS word FROM request_rows WHERE request_id IS NOT NULL");
        assert_eq!(stored.unwrap(), [rows[4].request_id.clone()], "its time is another one");
        let shown = db.words("SELECT request_id AS word FROM requests ORDER BY id").unwrap();
        assert_eq!(shown, rows.each_ref().map(|row| row.request_id.clone()));
        for row in &rows {
            let query =
                PageQuery { request_id: Some(row.request_id.clone()), limit: 9, ..Default::default() };
            let page = block_on(opening.reader.requests(query)).unwrap();
            assert_eq!(page.rows.iter().map(|view| &view.row).collect::<Vec<_>>(), [&unkeyed(row)]);
            let other = RequestRow { request_id: format!("{}f", &row.request_id[..19]), ..row.clone() };
            let query = PageQuery { request_id: Some(other.request_id), limit: 9, ..Default::default() };
            let found = block_on(opening.reader.requests(query)).unwrap().rows;
            assert_eq!(found.len(), usize::from(row.request_id.ends_with('f')));
        }
        let again = writer.write(&events(&rows), true).unwrap();
        assert_eq!((again.requests, again.duplicates), (0, 5));
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

/// Each database says so in its own way, of that row alone.
#[test]
fn a_row_that_is_refused_is_found_at_fault() {
    everywhere(|place| {
        let (_, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let trigger = if matches!(place.location, Location::File(_)) {
            "CREATE TRIGGER picky BEFORE INSERT ON request_rows WHEN NEW.error = 'bad' \
             BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        } else {
            "CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.error = 'bad' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER picky BEFORE INSERT ON request_rows FOR EACH ROW EXECUTE FUNCTION picky()"
        };
        raw(&place.location).run(trigger).unwrap();
        let bad = RequestRow { error: Some("bad".into()), ..row(&keys, "m", MARCH) };
        let [bad, good] = [bad, row(&keys, "m", MARCH)].map(|row| LedgerEvent::Request(Box::new(row)));
        writer.write(std::slice::from_ref(&bad), true).unwrap_err();
        assert_eq!((writer.is_fault_of(&bad), writer.is_fault_of(&good)), (Ok(true), Ok(false)));
        // Nothing stays of the trial.
        assert_eq!(raw(&place.location).number("SELECT COUNT(*) AS number FROM requests"), Ok(0));
    });
}

#[test]
fn managers_that_share_a_ledger_add_to_what_the_others_wrote() {
    everywhere(|place| {
        if matches!(place.location, Location::File(_)) {
            return;
        }
        let (opening, _) = opened(&place.location);
        let begun = || Writer::open_held(&place.location, None, Company::Shared).unwrap();
        let mut writers = [begun(), begun()];
        let keys = KeySource::new();
        for nth in 0..6 {
            // The same minute, model and key: so the same sums and latencies.
            let batch: Vec<_> = (0..3).map(|second| row(&keys, "a", MARCH + second * SECOND)).collect();
            writers[nth % 2].write(&events(&batch), false).unwrap();
        }
        assert_eq!(everything(&opening).total.requests, 18);
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

#[test]
fn a_batch_that_fails_leaves_nothing() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        writer.write(&events(&[row(&keys, "old", MARCH)]), false).unwrap();
        raw(&place.location)
            .run("CREATE TABLE aside AS SELECT * FROM latencies; DROP TABLE latencies")
            .unwrap();
        // It has added this one to the latencies that it knew, and forgets that.
        writer.write(&events(&[row(&keys, "old", MARCH)]), false).unwrap_err();
        let batch = events(&[row(&keys, "new", MARCH), row(&keys, "old", MARCH)]);
        writer.write(&batch, false).unwrap_err();
        assert_eq!(raw(&place.location).number("SELECT COUNT(*) AS number FROM requests").unwrap(), 1);
        // The names of the failed batch are forgotten, too.
        raw(&place.location)
            .run(
                "CREATE TABLE latencies (level BIGINT, start_us BIGINT, facet_id BIGINT, histogram TEXT, \
                 PRIMARY KEY (level, start_us, facet_id)); INSERT INTO latencies SELECT * FROM aside",
            )
            .unwrap();
        writer.write(&batch, true).unwrap();
        assert_eq!(everything(&opening).total.requests, 3);
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

#[test]
fn absurd_numbers_stay_within_bounds() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let mut rows = Vec::new();
        for n in 0..20 {
            let mut row = row(&keys, "m", MARCH + n);
            row.duration_us = i64::MAX;
            row.queue_us = -5;
            row.first_byte_us = Some(i64::MAX);
            row.tokens.input = Some(MOST_TOKENS);
            row.tokens.output = Some(i64::MAX);
            row.tokens.cached = Some(-1);
            row.cost = Some(i64::MAX);
            Arc::make_mut(&mut row.labels).currency = "CNY".into();
            row.error = Some("ü\0".repeat(1000));
            Arc::make_mut(&mut row.labels).api_key = "k".repeat(5000).into();
            row.bound();
            rows.push(row);
        }
        for chunk in rows.chunks(7) {
            writer.write(&events(chunk), false).unwrap();
        }
        let far = rows.first().unwrap().ended_us() + DAY;
        let report = block_on(opening.reader.summary(Filter::default(), 0, far, vec![])).unwrap();
        assert_eq!(report.total.requests, 20);
        assert_eq!(report.total.input, 20 * MOST_TOKENS);
        assert_eq!(report.total.output, 0, "taken as unknown");
        // One bucket holds no more than fits; the sum is the largest there is, not a negative one.
        assert_eq!(report.total.cost["CNY"].units(), i64::MAX.unsigned_abs().into());
        let row = rows.first().unwrap();
        assert!(row.error.as_ref().unwrap().len() <= 1024 && row.labels.api_key.len() <= 200);
    });
}

#[test]
fn sums_of_money_are_exact_beyond_53_bits() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let cost = (1 << 60) + 1;
        let rows: Vec<_> = (0..30)
            .map(|n| RequestRow {
                cost: Some(cost),
                pricing: Pricing::Priced,
                labels: Labels { currency: "EUR".into(), ..labels("m") }.into(),
                ..row(&keys, "m", MARCH + n * DAY)
            })
            .collect();
        writer.write(&events(&rows), false).unwrap();
        assert_eq!(everything(&opening).total.cost["EUR"].units(), 30 * u128::from(cost.cast_unsigned()));
    });
}

#[test]
fn news_of_a_run_add_up_in_any_order() {
    let started =
        RunRow { id: 7, model: name("m"), started_us: MARCH, heartbeat_us: MARCH, ..RunRow::default() };
    let ready = RunRow { ready_us: Some(MARCH + 5), heartbeat_us: MARCH + 5, ..started.clone() };
    let ended = RunRow {
        ended_us: Some(MARCH + 9),
        end_reason: Some("stopped".into()),
        heartbeat_us: MARCH + 9,
        ..ready.clone()
    };
    let news = [started, ready, ended.clone()];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let place = TestDatabase::sqlite();
        let (opening, mut writer) = opened(&place.location);
        for at in order {
            writer.write(&[LedgerEvent::Run(Box::new(news[at].clone()))], false).unwrap();
        }
        let runs = block_on(opening.reader.runs_of("m", 10)).unwrap();
        assert_eq!(runs.iter().map(|view| &view.run).collect::<Vec<_>>(), [&ended], "{order:?}");
    }
}

#[test]
fn runs_that_a_lost_manager_left_end_with_its_last_heartbeat() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let run = |id, ended_us| {
            let row = RunRow {
                id,
                model: name("m"),
                started_us: MARCH,
                ready_us: Some(MARCH + 1),
                heartbeat_us: MARCH + 1,
                ended_us,
                ..RunRow::default()
            };
            LedgerEvent::Run(Box::new(row))
        };
        writer.write(&[run(1, None), run(2, Some(MARCH + 3)), run(3, None)], false).unwrap();
        let beat = |alive| Heartbeat {
            program_run: opening.program_run,
            alive_us: alive,
            runs: vec![(1, alive), (2, alive)],
            wall_us: MARCH + 10 * DAY,
            passed: Duration::from_secs(5),
        };
        writer.heartbeat(&beat(MARCH + 50)).unwrap();
        // Nothing is taken away.
        writer.heartbeat(&beat(MARCH - DAY)).unwrap();
        let again = open(&place.location, "test", MARCH + 1000).unwrap();
        assert_eq!(again.closed_runs, 2);
        assert_ne!(again.program_run, opening.program_run);
        let runs = block_on(again.reader.runs_of("m", 10)).unwrap();
        let ends: Vec<_> = runs.iter().map(|view| (view.run.id, view.run.ended_us)).collect();
        // The third one was not this manager's: its heartbeat stayed.
        assert_eq!(ends, [(3, Some(MARCH + 1)), (2, Some(MARCH + 3)), (1, Some(MARCH + 50))]);
        let ended = raw(&place.location)
            .number(&format!(
                "SELECT ended_us AS number FROM program_runs WHERE id = {}",
                opening.program_run
            ))
            .unwrap();
        assert_eq!(ended, MARCH + 50);
    });
}

#[test]
fn keys_differ_and_grow_with_time() {
    let (one, other) = (KeySource::new(), KeySource::new());
    let mut keys: Vec<_> = (0..1000).flat_map(|n| [one.next(MARCH + n), other.next(MARCH + n)]).collect();
    assert!(one.next(MARCH) < one.next(MARCH + HOUR));
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 2000);
}

/// Anything that a request may have been.
fn any_row() -> impl Strategy<Value = RequestRow> {
    let count = || proptest::option::weighted(0.8, 0_i64..5_000_000);
    let tokens = (count(), count(), count(), count(), count());
    let times = (0_i64..3 * DAY, 0_i64..600 * SECOND, any::<bool>());
    let words = (0_u8..3, 0_u8..2, 0_u8..2, any::<u8>(), any::<u8>(), proptest::option::of("[a-zü ]{0,20}"));
    (tokens, times, words, proptest::option::of(0_i64..1 << 50)).prop_map(|(tokens, times, words, cost)| {
        let (input, cached, cache_write, output, reasoning) = tokens;
        let (model, variant, api_key, ended, source, error) = words;
        let mut row = RequestRow {
            labels: Labels {
                model: format!("model-{model}").into(),
                variant: format!("v{variant}").into(),
                api_key: format!("key-{api_key}").into(),
                currency: if cost.is_some() { "CNY".into() } else { "".into() },
                ..labels("")
            }
            .into(),
            request_id: format!("r{ended}"),
            started_us: MARCH + times.0,
            duration_us: times.1,
            queue_us: times.1 / 3,
            first_byte_us: times.2.then_some(times.1 / 2),
            outcome: outcome(ended),
            tokens: TokenCounts { input, cached, cache_write, output, reasoning },
            usage_source: [UsageSource::Backend, UsageSource::Estimated, UsageSource::None]
                [usize::from(source % 3)],
            cost,
            pricing: if cost.is_some() { Pricing::Priced } else { Pricing::NoCounts },
            replayed: source > 200,
            error,
            ..RequestRow::default()
        };
        row.bound();
        row
    })
}

/// Requests, tokens and cost of each model in each minute.
type Minutes = BTreeMap<(String, Micros), (i64, i64, i64, u128)>;

/// As a report says.
fn by_model_and_minute(opening: &Opened, by: Vec<Dimension>) -> Minutes {
    // A series of minutes may have 5000 points.
    let points = |from, to| {
        let series =
            opening.reader.series(Filter::default(), from, to, Bucket::Minute, TimeZone::UTC, by.clone());
        block_on(series).unwrap().points
    };
    let mut minutes = Minutes::new();
    for point in [points(MARCH, MARCH + 3 * DAY), points(MARCH + 3 * DAY, MARCH + 4 * DAY)].concat() {
        for group in point.groups {
            let totals = group.totals;
            let sums = minutes.entry((group.key[0].clone(), point.from)).or_default();
            sums.0 += totals.requests;
            sums.1 += totals.input;
            sums.2 += totals.output;
            sums.3 += totals.cost.get("CNY").map_or(0, |money| money.units());
        }
    }
    minutes
}

/// The same of the rows themselves.
fn of_rows(rows: &[RequestRow]) -> Minutes {
    let mut minutes = Minutes::new();
    for row in rows {
        let minute = row.ended_us() - row.ended_us() % (60 * SECOND);
        let sums = minutes.entry((row.labels.model.to_string(), minute)).or_default();
        sums.0 += 1;
        sums.1 += row.tokens.input.unwrap_or(0);
        sums.2 += row.tokens.output.unwrap_or(0);
        sums.3 += u128::from(row.cost.unwrap_or(0).cast_unsigned());
    }
    minutes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is written, in whatever batches, some of it twice; deleted, retained, renamed: the rollups
    /// are the sums of the rows, and after retention they still are what they were.
    #[test]
    fn rollups_are_sums_of_rows(
        rows in prop::collection::vec(any_row(), 1..120),
        batch in 1_usize..50,
        again in any::<bool>(),
        delete in 0_u8..4,
        rename in (0_u8..3, 0_u8..4),
        cutoff_day in 0_i64..5,
    ) {
        let place = TestDatabase::sqlite();
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let mut rows = rows;
        for row in &mut rows {
            row.key = keys.next(row.ended_us());
        }
        for chunk in rows.chunks(batch) {
            writer.write(&events(chunk), false).unwrap();
            if again {
                writer.write(&events(&chunk[..chunk.len() / 2]), true).unwrap();
            }
        }
        assert_rollups_are_sums_of_rows(&place.location);
        if delete < 3 {
            let model = format!("model-{delete}");
            let wanted = rows.iter().filter(|row| *row.labels.model == *model).count();
            match writer.delete_model(&model, false, MARCH) {
                Ok(deleted) => prop_assert_eq!(deleted.rows, wanted as i64),
                Err(_) => prop_assert_eq!(wanted, 0),
            }
            rows.retain(|row| *row.labels.model != *model);
            // Out of the reports at once, gone from the tables when it is swept.
            prop_assert_eq!(everything(&opening).total.requests, rows.len() as i64);
            while writer.sweep().unwrap() == super::super::JobProgress::More {}
            assert_rollups_are_sums_of_rows(&place.location);
        }
        let (old, new) = (format!("model-{}", rename.0), format!("model-{}", rename.1));
        if writer.rename_model(&old, &new, true, MARCH).is_ok() {
            for row in rows.iter_mut().filter(|row| *row.labels.model == *old) {
                Arc::make_mut(&mut row.labels).model = new.as_str().into();
            }
            assert_rollups_are_sums_of_rows(&place.location);
            // What comes after it is added to what both had.
            let late = RequestRow { request_id: "late".into(), ..row(&keys, &new, MARCH + HOUR) };
            writer.write(&events(std::slice::from_ref(&late)), false).unwrap();
            rows.push(late);
            assert_rollups_are_sums_of_rows(&place.location);
        }
        prop_assert_eq!(by_model_and_minute(&opening, vec![Dimension::Model]), of_rows(&rows));
        // From the other table.
        let by = vec![Dimension::Model, Dimension::Variant, Dimension::Endpoint];
        prop_assert_eq!(by_model_and_minute(&opening, by), of_rows(&rows));
        let before = everything(&opening).total;
        prop_assert_eq!(before.requests, rows.len() as i64);
        prop_assert_eq!(before.input, rows.iter().filter_map(|row| row.tokens.input).sum::<i64>());
        let cost: i64 = rows.iter().filter_map(|row| row.cost).sum();
        prop_assert_eq!(before.cost.get("CNY").map_or(0, |money| money.units()), u128::from(cost.cast_unsigned()));
        let cutoff = MARCH + cutoff_day * DAY + 5 * HOUR;
        while writer.retain(cutoff).unwrap() == super::super::JobProgress::More {}
        prop_assert_eq!(everything(&opening).total, before);
        assert_models_are_sums_of_facets(&place.location);
        let left = raw(&place.location).number("SELECT COUNT(*) AS number FROM requests").unwrap();
        let kept = rows.iter().filter(|row| row.ended_us() >= MARCH + cutoff_day * DAY).count();
        prop_assert_eq!(left, kept as i64);
        let counted = raw(&place.location).number("SELECT COALESCE(SUM(row_count), 0) AS number FROM facets").unwrap();
        prop_assert_eq!(counted, left);
    }
}
