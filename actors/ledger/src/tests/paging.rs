//! The request log: complete and stable pages, whatever is asked for.

use crate::testing::*;
use crate::*;
use std::sync::Arc;

fn all_pages(opened: &Opened, query: &PageQuery, mut between: impl FnMut(&Page)) -> Vec<RequestRow> {
    let mut query = query.clone();
    let mut rows = Vec::new();
    loop {
        let page = block_on(opened.reader.requests(query.clone())).unwrap();
        assert!(page.rows.len() <= query.limit);
        between(&page);
        rows.extend(page.rows.into_iter().map(|view| view.row));
        match page.next {
            // A cursor goes through the text of an address.
            Some(next) => query.after = Some(next.to_string().parse().unwrap()),
            None => return rows,
        }
    }
}

#[test]
fn pages_are_complete_and_stable_while_rows_come() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        // Many end at the same time, and they are not written in order.
        let old: Vec<_> = (0..200_i64)
            .map(|n| RequestRow {
                request_id: format!("old-{n}"),
                ..row(&keys, ["a", "b", "c"][(n % 3) as usize], MARCH + n * 7 % 20)
            })
            .collect();
        writer.write(&events(&old), false).unwrap();
        let (mut added, mut places) = (0, Vec::new());
        let rows = all_pages(&opening, &PageQuery { limit: 7, ..PageQuery::default() }, |page| {
            places.extend(page.rows.iter().map(|view| view.cursor));
            // Newer ones, and an older one that comes late.
            let late = row(&keys, "a", MARCH - DAY);
            let new: Vec<_> = (0..5).map(|n| row(&keys, "b", MARCH + HOUR + n)).collect();
            writer.write(&events(&new), false).unwrap();
            writer.write(&events(&[late]), false).unwrap();
            added += 1;
            assert!(added < 1000);
            // The late ones are behind the cursor: they would be read for ever.
            if added > 60 {
                panic!("it does not end");
            }
        });
        places.sort();
        let count = places.len();
        places.dedup();
        assert_eq!(places.len(), count, "a row came twice");
        for row in &old {
            assert!(rows.contains(&unkeyed(row)), "a row is missing");
        }
        assert!(rows.windows(2).all(|pair| pair[0].ended_us() >= pair[1].ended_us()));
    });
}

#[test]
fn filters_find_exactly_what_fits() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let rows: Vec<_> = (0..300_i64)
            .map(|n| {
                let mut row = row(&keys, ["a", "b"][(n % 2) as usize], MARCH + n * SECOND);
                row.outcome = outcome((n % 9) as u8);
                row.status = if n % 5 == 0 { 500 } else { 200 };
                row.run_id = Some(n % 2);
                // More facets than are read one by one.
                Arc::make_mut(&mut row.labels).api_key = format!("key-{}", n % 40).into();
                row
            })
            .collect();
        for (id, model) in [(0, "a"), (1, "b")] {
            let (started_us, heartbeat_us) = (MARCH - SECOND, MARCH + 300 * SECOND);
            let run = RunRow { id, model: model.into(), started_us, heartbeat_us, ..RunRow::default() };
            writer.write(&[LedgerEvent::Run(Box::new(run))], false).unwrap();
        }
        writer.write(&events(&rows), false).unwrap();
        let base = || PageQuery { limit: 50, ..PageQuery::default() };
        let models = |model: &str| Filter { models: vec![model.into()], ..Filter::default() };
        type Fits = fn(&RequestRow) -> bool;
        let cases: Vec<(PageQuery, Fits)> = vec![
            (base(), |_| true),
            (PageQuery { filter: models("a"), ..base() }, |row| &*row.labels.model == "a"),
            (PageQuery { filter: models("nobody"), ..base() }, |_| false),
            (
                PageQuery {
                    filter: Filter { models: vec!["a".into(), "b".into()], ..Filter::default() },
                    ..base()
                },
                |_| true,
            ),
            (
                PageQuery { filter: Filter { api_keys: vec!["key-7".into()], ..models("b") }, ..base() },
                |row| &*row.labels.model == "b" && &*row.labels.api_key == "key-7",
            ),
            (PageQuery { outcome: Some("ok".into()), ..base() }, |row| row.outcome == Outcome::Ok),
            (PageQuery { outcome: Some("not_ok".into()), ..base() }, |row| row.outcome != Outcome::Ok),
            (PageQuery { outcome: Some("failed".into()), ..base() }, |row| {
                matches!(row.outcome, Outcome::BackendError | Outcome::Failed)
            }),
            (PageQuery { outcome: Some("rejected".into()), ..base() }, |row| {
                row.outcome == Outcome::Rejected
            }),
            (PageQuery { outcome: Some("cancelled".into()), ..base() }, |row| {
                row.outcome == Outcome::Cancelled
            }),
            (PageQuery { outcome: Some("refused".into()), ..base() }, |row| {
                matches!(row.outcome, Outcome::Refused(_))
            }),
            (PageQuery { outcome: Some("refused:queue_full".into()), ..base() }, |row| {
                matches!(row.outcome, Outcome::Refused(_))
            }),
            (PageQuery { outcome: Some("' OR 1=1 --".into()), ..base() }, |_| false),
            (PageQuery { status: Some(500), filter: models("a"), ..base() }, |row| {
                row.status == 500 && &*row.labels.model == "a"
            }),
            (PageQuery { run_id: Some(1), ..base() }, |row| row.run_id == Some(1)),
            (PageQuery { run_id: Some(1), filter: models("a"), ..base() }, |_| false),
            (PageQuery { run_id: Some(7), ..base() }, |_| false),
            (PageQuery { from: Some(MARCH + 10 * SECOND), to: Some(MARCH + 20 * SECOND), ..base() }, |row| {
                (MARCH + 10 * SECOND..MARCH + 20 * SECOND).contains(&row.ended_us())
            }),
            (PageQuery { request_id: Some(format!("req-{}", MARCH + 30 * SECOND)), ..base() }, |row| {
                row.ended_us() == MARCH + 30 * SECOND
            }),
        ];
        for (query, fits) in cases {
            let found = all_pages(&opening, &query, |_| ());
            let wanted: Vec<_> = rows.iter().rev().filter(|row| fits(row)).map(unkeyed).collect();
            assert!(found == wanted, "{query:?}: {} found, {} wanted", found.len(), wanted.len());
        }
        assert!("12".parse::<crate::Cursor>().is_err());
    });
}

/// What there is none of is not looked for in all rows: SQLite says how it goes about it.
#[test]
fn an_index_leads_to_what_is_rare() {
    let place = TestDatabase::sqlite();
    let (_, mut writer) = opened(&place.location);
    let keys = KeySource::new();
    let rows: Vec<_> = (0..2000_i64).map(|n| row(&keys, "a", MARCH + n * SECOND)).collect();
    writer.write(&events(&rows), false).unwrap();
    let cases = [
        (PageQuery { request_id: Some("mine".into()), ..PageQuery::default() }, "requests_client_id"),
        (
            PageQuery { request_id: Some("x123456789012345678x".into()), ..PageQuery::default() },
            "requests_client_id",
        ),
        (
            PageQuery { request_id: Some(made_id(MARCH, 1)), ..PageQuery::default() },
            "SEARCH request_rows USING INTEGER PRIMARY KEY (rowid>? AND rowid<?); SEARCH request_rows USING INDEX \
             requests_long",
        ),
        (PageQuery { outcome: Some("refused".into()), ..PageQuery::default() }, "requests_refused"),
        (PageQuery { outcome: Some("failed".into()), ..PageQuery::default() }, "requests_wrong"),
    ];
    for (query, index) in cases {
        let plan = query.plan(&mut raw(&place.location)).unwrap().join("; ");
        assert!(plan.contains(index) && !plan.contains("SCAN request_rows;"), "{query:?}: {plan}");
    }
}
