//! The migrations: up and down, and from any version without losing a row.

use crate::db::Db;
use crate::migrate::SQLITE;
use crate::testing::{
    DAY, HOUR, MARCH, TestDatabase, assert_rollups_are_sums_of_rows, block_on, events, everything,
    everywhere, made_id, opened, raw, row, unkeyed,
};
use crate::{
    Heartbeat, KeySource, LedgerEvent, Outcome, PageQuery, PlanSource, Pricing, RequestRow, RowKey, RunRow,
    UsageSource,
};
use diesel_migrations::MigrationHarness;
use llm_manager_policy::pricing::{Currency, Plan, Tier};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

/// Tables and their columns with types, as the database has them.
pub(super) fn layout(db: &mut Db) -> Vec<String> {
    let query = if db.is_sqlite() {
        "SELECT t.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk AS word \
         FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' \
         UNION ALL SELECT 'index ' || name FROM sqlite_schema WHERE type = 'index' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
    } else {
        "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable AS word \
         FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name) \
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE' \
         UNION ALL SELECT 'index ' || indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    };
    db.words(query).unwrap()
}

fn revert(db: &mut Db) {
    match db {
        Db::Sqlite(conn) => drop(conn.revert_all_migrations(SQLITE).unwrap()),
        #[cfg(feature = "postgres")]
        Db::Postgres(conn) => drop(conn.revert_all_migrations(crate::migrate::POSTGRES).unwrap()),
    }
}

#[test]
fn migrations_go_up_down_and_up_again() {
    everywhere(|place| {
        drop(opened(&place.location));
        let first = layout(&mut raw(&place.location));
        assert!(first.iter().any(|line| line.starts_with("request_rows.tag")), "{first:?}");
        revert(&mut raw(&place.location));
        let bare = layout(&mut raw(&place.location));
        assert!(bare.iter().all(|line| line.contains("__diesel_schema_migrations")), "{bare:?}");
        drop(opened(&place.location));
        assert_eq!(layout(&mut raw(&place.location)), first);
    });
}

/// `schema.rs` says what the migrations make, on both databases.
#[test]
fn the_schema_is_that_of_the_migrations() {
    let mut told = BTreeMap::new();
    let mut table = "";
    for line in include_str!("../schema.rs").lines() {
        if let Some((name, _)) = line.strip_suffix(") {").and_then(|line| line.trim().split_once(" (")) {
            table = name;
        } else if line.starts_with("    ")
            && let Some((column, kind)) = line.trim().trim_end_matches(',').split_once(" -> ")
        {
            told.insert(format!("{table}.{column}"), kind.to_owned());
        }
    }
    everywhere(|place| {
        drop(opened(&place.location));
        let mut db = raw(&place.location);
        let sqlite = db.is_sqlite();
        let mut made = BTreeMap::new();
        for line in
            layout(&mut db).iter().filter(|line| !line.starts_with("index") && !line.starts_with("__diesel"))
        {
            let (column, kind) = line.split_once(' ').unwrap();
            let (kind, optional) = if sqlite {
                let mut parts = kind.split(' ');
                (parts.next().unwrap().to_owned(), parts.next() == Some("0"))
            } else {
                let (kind, nullable) = kind.rsplit_once(' ').unwrap();
                (kind.to_owned(), nullable == "YES")
            };
            let kind = match kind.as_str() {
                "INTEGER" if told.get(column).is_some_and(|kind| kind == "Bool") => "Bool",
                "INTEGER" | "bigint" => "BigInt",
                "TEXT" | "text" => "Text",
                "BLOB" | "bytea" => "Binary",
                "boolean" => "Bool",
                other => panic!("{column}: {other}"),
            };
            let kind = if optional { format!("Nullable<{kind}>") } else { kind.to_owned() };
            made.insert(column.to_owned(), kind);
        }
        assert_eq!(made, told);
    });
}

/// What an older version has written says afterwards what became of each request, in the rows and in the sums.
#[test]
fn outcomes_of_an_older_ledger_are_told_apart() {
    everywhere(|place| {
        let keys = KeySource::new();
        {
            let (_, mut writer) = opened(&place.location);
            let old = [
                (200, Outcome::Ok, UsageSource::Backend),
                (500, Outcome::Ok, UsageSource::None),
                (404, Outcome::Ok, UsageSource::None),
                (204, Outcome::ClientLeft, UsageSource::None),
                (200, Outcome::ClientLeft, UsageSource::None),
                (502, Outcome::BackendError, UsageSource::None),
                (500, Outcome::Refused("internal_error".into()), UsageSource::None),
                (503, Outcome::Refused("overloaded".into()), UsageSource::None),
            ];
            let rows = old.into_iter().zip(0..).map(|((status, outcome, usage_source), nth)| RequestRow {
                status,
                outcome,
                usage_source,
                ..row(&keys, "m", MARCH + nth * 40 * 1_000_000)
            });
            writer.write(&events(&rows.collect::<Vec<_>>()), false).unwrap();
        }
        // Back to what the older version's tables and sums were.
        let mut db = raw(&place.location);
        // Others have followed: they were not there either.
        let newest = "SELECT MAX(version) AS word FROM __diesel_schema_migrations";
        while db.words(newest).unwrap().iter().any(|version| version.as_str() >= "20261128000000") {
            revert_one(&mut db);
        }
        let old = |what: &str| {
            format!(
                "(SELECT COUNT(*) FROM requests WHERE facet_id = rollups.facet_id AND ended_us >= rollups.start_us \
                 AND ended_us < rollups.start_us + rollups.level * 1000000 AND {what})"
            )
        };
        db.run("UPDATE requests SET outcome = 'ok' WHERE status = 500 AND outcome = 'backend_error'")
            .unwrap();
        db.run(&format!(
            "UPDATE rollups SET failed = {}, client_left = {}, refused = {}, unrecorded = {}",
            old("outcome = 'backend_error'"),
            old("outcome = 'client_left'"),
            old("outcome LIKE 'refused:%'"),
            old("usage_source = 'none' AND outcome NOT LIKE 'refused:%'"),
        ))
        .unwrap();
        drop(db);
        drop(opened(&place.location));
        let outcomes =
            raw(&place.location).words("SELECT outcome AS word FROM requests ORDER BY id").unwrap();
        assert_eq!(
            outcomes,
            [
                "ok",
                "backend_error",
                "rejected",
                "ok",
                "client_left",
                "backend_error",
                "failed",
                "refused:overloaded"
            ]
        );
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

/// Rows of each table and view.
fn counts(db: &mut Db) -> BTreeMap<String, i64> {
    let query = if db.is_sqlite() {
        "SELECT name AS word FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY 1"
    } else {
        "SELECT table_name AS word FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
    };
    let tables = db.words(query).unwrap();
    let count = |table: &String, db: &mut Db| {
        // Who holds a database is noted from its second opening on, and no row of the ledger.
        let condition = if table == "meta" { "WHERE name <> 'manager'" } else { "" };
        db.number(&format!("SELECT COUNT(*) AS number FROM {table} {condition}"))
    };
    tables.iter().map(|table| (table.clone(), count(table, db).unwrap())).collect()
}

fn revert_one(db: &mut Db) {
    match db {
        Db::Sqlite(conn) => drop(conn.revert_last_migration(SQLITE).unwrap()),
        #[cfg(feature = "postgres")]
        Db::Postgres(conn) => drop(conn.revert_last_migration(crate::migrate::POSTGRES).unwrap()),
    }
}

/// A ledger of each version that there ever was, with rows in every table: none is lost and none is made on the way
/// to this one. A migration that rebuilds a table would lose the rows that refer to it, if foreign keys were on.
#[test]
fn no_row_is_lost_from_any_version_to_this_one() {
    everywhere(|place| {
        let keys = KeySource::new();
        {
            let (_, mut writer) = opened(&place.location);
            let rows: Vec<_> = (0..30)
                .map(|hour| row(&keys, if hour % 3 == 0 { "a" } else { "b" }, MARCH + hour * HOUR))
                .collect();
            writer.write(&events(&rows), false).unwrap();
            for (id, model) in [(1, "a"), (2, "b")] {
                let model: Arc<str> = model.into();
                let run = RunRow {
                    id,
                    model: Arc::clone(&model),
                    variant: "gpu".into(),
                    started_us: MARCH,
                    heartbeat_us: MARCH + HOUR,
                    ended_us: Some(MARCH + HOUR),
                    ..RunRow::default()
                };
                writer.write(&[LedgerEvent::Run(Box::new(run))], false).unwrap();
                let tiers = vec![Tier { max_input: Some(1000), ..Tier::default() }, Tier::default()];
                let plan =
                    Plan::Tiered { currency: Currency::new("CNY").unwrap(), cache_pricing: false, tiers };
                writer.set_plan(&model, Some(&plan), MARCH, MARCH, PlanSource::Api).unwrap();
            }
        }
        let full = counts(&mut raw(&place.location));
        for table in [
            "requests",
            "senders",
            "runs",
            "program_runs",
            "facets",
            "rollups",
            "latencies",
            "price_plans",
            "tiers",
        ] {
            assert!(full[table] > 0, "{table} has rows to lose: {full:?}");
        }
        let versions = full["__diesel_schema_migrations"];
        assert!(versions >= 4, "{versions}");
        // The first migration makes the tables: before it there is nothing to keep.
        for version in (1..versions).rev() {
            let mut db = raw(&place.location);
            (version..versions).for_each(|_| revert_one(&mut db));
            let older = counts(&mut db);
            assert_eq!(older["__diesel_schema_migrations"], version);
            drop(db);
            drop(opened(&place.location));
            let now = counts(&mut raw(&place.location));
            let has_latencies = older.contains_key("latencies");
            for (table, rows) in older {
                let rows = match table.as_str() {
                    // This start is one more.
                    "program_runs" => rows + 1,
                    "__diesel_schema_migrations" => versions,
                    _ => rows,
                };
                assert_eq!(now.get(&table), Some(&rows), "{table}, from version {version} on");
            }
            // Nobody knows the latencies of rows that were older than their table.
            if has_latencies {
                assert_rollups_are_sums_of_rows(&place.location);
            }
        }
    });
}

/// What people see of a request is what an older version has written, and it is known when it comes again.
#[test]
fn rows_of_an_older_ledger_are_as_they_were() {
    everywhere(|place| {
        let keys = KeySource::new();
        let first = keys.next(MARCH);
        let mut rows: Vec<RequestRow> = (0..6).map(|nth| row(&keys, "m", MARCH + nth * HOUR)).collect();
        for (nth, row) in rows.iter_mut().enumerate() {
            if nth % 2 == 0 {
                row.request_id = made_id(row.started_us, 0xf_0123_4567 + nth as u64);
            }
        }
        rows[1].outcome = Outcome::Refused("overloaded".into());
        rows[2].usage_source = UsageSource::Estimated;
        rows[3] = RequestRow { usage_source: UsageSource::None, pricing: Pricing::Hourly, ..rows[3].clone() };
        rows[4] = RequestRow { cost: Some(0), pricing: Pricing::NoTier, ..rows[4].clone() };
        rows[5] = RequestRow { cost: Some(7), pricing: Pricing::Priced, ..rows[5].clone() };
        // Its form is that of the manager's, its time isn't.
        rows[0].request_id = made_id(MARCH + DAY, 5);
        // Of one microsecond, and of one place in it.
        for nth in 0..5 {
            let key = RowKey(first.0 + (nth + 1) * 1024);
            rows.push(RequestRow { key, request_id: format!("c{nth}"), ..row(&keys, "m", MARCH + 9 * HOUR) });
        }
        // While the clock was behind.
        let late = row(&keys, "m", MARCH - 900 * DAY);
        {
            let (_, mut writer) = opened(&place.location);
            writer.write(&events(&rows), false).unwrap();
            writer.trust_clock(MARCH).unwrap();
            writer.heartbeat(&Heartbeat { wall_us: MARCH, ..Heartbeat::default() }).unwrap();
            writer.write(&events(std::slice::from_ref(&late)), false).unwrap();
        }
        let told = |db: &mut Db| {
            let texts = db.words(
                "SELECT ended_us || ' ' || duration_us || ' ' || request_id || ' ' || outcome || ' ' || usage_source \
                 || ' ' || pricing || ' ' || COALESCE(CAST(cost AS TEXT), '-') || ' ' || status AS word FROM requests \
                 ORDER BY ended_us, request_id",
            );
            texts.unwrap()
        };
        let noted = |db: &mut Db| {
            db.words("SELECT name || ' ' || value AS word FROM meta WHERE name LIKE 'late%'").unwrap()
        };
        let mut db = raw(&place.location);
        let (before, before_noted) = (told(&mut db), noted(&mut db));
        assert_eq!((before.len(), before_noted.len()), (12, 1));
        let newest = "SELECT MAX(version) AS word FROM __diesel_schema_migrations";
        while db.words(newest).unwrap().iter().any(|version| version.as_str() >= "20261130000001") {
            revert_one(&mut db);
        }
        assert_eq!(told(&mut db), before);
        assert!(noted(&mut db)[0].starts_with("late_rows "));
        drop(db);
        let (opening, mut writer) = opened(&place.location);
        let mut db = raw(&place.location);
        assert_eq!((told(&mut db), noted(&mut db)), (before, before_noted));
        assert_rollups_are_sums_of_rows(&place.location);
        rows.push(late);
        // Of those that shared a place, only the first is known again: the others have lost theirs.
        let shared = rows.iter().filter(|row| row.request_id.starts_with('c') && row.request_id != "c0");
        let alone: Vec<_> =
            rows.iter().filter(|row| !shared.clone().any(|other| other == *row)).cloned().collect();
        let again = writer.write(&events(&alone), true).unwrap();
        assert_eq!((again.requests, again.duplicates), (0, 8), "{alone:?}");
        let query =
            PageQuery { request_id: Some(rows[2].request_id.clone()), limit: 9, ..PageQuery::default() };
        let page = block_on(opening.reader.requests(query)).unwrap();
        assert_eq!(page.rows.into_iter().map(|view| view.row).collect::<Vec<_>>(), [unkeyed(&rows[2])]);
    });
}

#[test]
fn an_empty_file_becomes_a_ledger() {
    let place = TestDatabase::sqlite();
    fs::write(place.file(), b"").unwrap();
    let (opening, _) = opened(&place.location);
    assert_eq!(everything(&opening).total.requests, 0);
}
