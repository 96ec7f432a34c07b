//! Deletion, renaming, retention, space, backups.

use crate::testing::*;
use crate::*;
use llm_manager_policy::pricing::{Currency, Plan, Price};

fn hourly(price: u64) -> Plan {
    Plan::Hourly {
        currency: Currency::new("CNY").unwrap(),
        per_hour: Price::from_units(price),
        parked_per_hour: Price::default(),
    }
}

fn sweep(writer: &mut Writer) {
    while writer.sweep().unwrap() == JobProgress::More {}
}

#[test]
fn a_deleted_model_is_gone_and_may_come_again() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let rows: Vec<_> =
            (0..5000_i64).map(|n| row(&keys, ["a", "b"][(n % 2) as usize], MARCH + n)).collect();
        for chunk in rows.chunks(1000) {
            writer.write(&events(chunk), false).unwrap();
        }
        let run = RunRow { id: 1, model: name("a"), ended_us: Some(MARCH), ..RunRow::default() };
        writer.write(&[LedgerEvent::Run(Box::new(run))], false).unwrap();
        writer.set_plan(&name("a"), Some(&hourly(1)), MARCH, MARCH, PlanSource::Api).unwrap();
        let deleted = writer.delete_model("a", false, MARCH).unwrap();
        assert_eq!(deleted.rows, 2500);
        assert!(matches!(writer.delete_model("a", false, MARCH), Err(StoreError::Refused(_))));
        let storage = block_on(opening.reader.storage()).unwrap();
        assert_eq!(
            storage.models.iter().map(|model| (&*model.model, model.rows)).collect::<Vec<_>>(),
            [("b", 2500)]
        );
        assert_eq!(storage.deleting, 1);
        let page =
            block_on(opening.reader.requests(PageQuery { limit: 1000, ..PageQuery::default() })).unwrap();
        assert!(page.rows.iter().all(|view| &*view.row.labels.model == "b"));
        // It is used again before it is swept: that is a model of its own.
        writer.write(&events(&[row(&keys, "a", MARCH)]), false).unwrap();
        sweep(&mut writer);
        let storage = block_on(opening.reader.storage()).unwrap();
        let rows: Vec<_> =
            storage.models.iter().map(|model| (&*model.model, model.rows, model.runs)).collect();
        assert_eq!(rows, [("a", 1, 0), ("b", 2500, 0)]);
        assert_eq!(storage.deleting, 0);
        assert_eq!(block_on(opening.reader.plans("a")).unwrap(), []);
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

#[test]
fn a_configured_model_keeps_its_plans_when_its_data_go() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        writer.write(&events(&[row(&keys, "a", MARCH)]), false).unwrap();
        writer.set_plan(&name("a"), Some(&hourly(1)), MARCH, MARCH, PlanSource::Config).unwrap();
        writer.delete_model("a", true, MARCH).unwrap();
        sweep(&mut writer);
        assert_eq!(block_on(opening.reader.plans("a")).unwrap().len(), 1);
        assert_eq!(everything(&opening).total.requests, 0);
    });
}

#[test]
fn a_renamed_model_keeps_its_history() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        writer.write(&events(&[row(&keys, "old", MARCH)]), false).unwrap();
        writer.set_plan(&name("old"), Some(&hourly(1)), MARCH, MARCH, PlanSource::Config).unwrap();
        assert!(!writer.rename_model("old", "new", false, MARCH).unwrap().merged);
        // What comes under the old name is another model.
        writer.write(&events(&[row(&keys, "new", MARCH), row(&keys, "old", MARCH)]), false).unwrap();
        let by = vec![Dimension::Model];
        let report = |by| block_on(opening.reader.summary(Filter::default(), 0, MARCH + DAY, by)).unwrap();
        let count = |name: &str| {
            let groups = report(by.clone()).groups;
            groups.iter().find(|group| *group.key == [name]).map(|group| group.totals.requests)
        };
        assert_eq!((count("old"), count("new")), (Some(1), Some(2)));
        // Both names are one again; the plan that held before the target's first one comes along.
        writer.set_plan(&name("new"), Some(&hourly(2)), MARCH + DAY, MARCH, PlanSource::Api).unwrap();
        writer.set_plan(&name("old"), Some(&hourly(3)), MARCH + HOUR, MARCH, PlanSource::Api).unwrap();
        writer.set_plan(&name("old"), Some(&hourly(4)), MARCH + 2 * DAY, MARCH, PlanSource::Api).unwrap();
        let refused = writer.rename_model("old", "new", false, MARCH).unwrap_err();
        assert!(matches!(&refused, StoreError::Conflict(text) if text.contains("--merge")), "{refused:?}");
        assert!(writer.rename_model("old", "new", true, MARCH).unwrap().merged);
        assert_eq!((count("old"), count("new")), (None, Some(3)));
        let plans: Vec<_> =
            block_on(opening.reader.plans("new")).unwrap().into_iter().map(|plan| plan.valid_from).collect();
        assert_eq!(
            plans,
            [MARCH, MARCH + DAY],
            "those that were to hold after the target's first are dropped"
        );
        let storage = block_on(opening.reader.storage()).unwrap();
        assert_eq!(storage.models.len(), 1);
        assert_eq!(storage.models[0].former_names, "old,old");
        assert!(writer.rename_model("nobody", "new", true, MARCH).is_err());
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

#[test]
fn old_rows_go_and_their_sums_stay() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let rows: Vec<_> = (0..240).map(|n| row(&keys, "m", MARCH + n * HOUR + 61 * SECOND)).collect();
        writer.write(&events(&rows), false).unwrap();
        let day = |at: i64| {
            let (from, to) = (MARCH + at * DAY, MARCH + (at + 1) * DAY);
            let reader = &opening.reader;
            block_on(reader.series(
                Filter::default(),
                from,
                to,
                Bucket::Hour,
                jiff::tz::TimeZone::UTC,
                vec![],
            ))
            .unwrap()
        };
        let before = (day(1), day(8));
        let mut steps = 0;
        while writer.retain(MARCH + 5 * DAY + HOUR).unwrap() == JobProgress::More {
            steps += 1;
        }
        assert!(steps >= 5);
        assert_eq!(raw(&place.location).number("SELECT COUNT(*) AS number FROM requests").unwrap(), 120);
        assert_eq!((day(1), day(8)), before);
        assert_eq!(everything(&opening).total.requests, 240);
        let storage = block_on(opening.reader.storage()).unwrap();
        assert_eq!(storage.rows_since_us, Some(MARCH + 5 * DAY));
        assert_eq!(storage.models[0].rows, 120);
        // Minutes are told to be gone rather than shown as nothing.
        let minutes = |at: i64| {
            let (from, to) = (MARCH + at * DAY, MARCH + at * DAY + HOUR);
            let reader = &opening.reader;
            block_on(reader.series(
                Filter::default(),
                from,
                to,
                Bucket::Minute,
                jiff::tz::TimeZone::UTC,
                vec![],
            ))
        };
        assert!(matches!(minutes(4), Err(StoreError::Refused(_))));
        assert_eq!(minutes(5).unwrap().points.iter().map(|point| point.total.requests).sum::<i64>(), 1);
        // An edge within the gone minutes moves to the next quarter of an hour.
        let (from, to) = (MARCH + 61 * SECOND, MARCH + 5 * 60 * SECOND);
        let summary = block_on(opening.reader.summary(Filter::default(), from, to, vec![])).unwrap();
        assert_eq!((summary.from, summary.to), (MARCH, MARCH + 900 * SECOND));
        assert_eq!(summary.total.requests, 1);
    });
}

#[test]
fn space_is_given_back_in_small_steps() {
    let place = TestDatabase::sqlite();
    let (_, mut writer) = opened(&place.location);
    let keys = KeySource::new();
    for batch in 0..60 {
        let rows: Vec<_> = (0..1000).map(|n| row(&keys, "m", MARCH + batch * 1000 + n)).collect();
        writer.write(&events(&rows), false).unwrap();
    }
    writer.checkpoint().unwrap();
    let size = || std::fs::metadata(place.file()).unwrap().len();
    let full = size();
    writer.delete_model("m", false, MARCH).unwrap();
    sweep(&mut writer);
    let mut steps = 0;
    while writer.vacuum().unwrap() == JobProgress::More {
        steps += 1;
    }
    assert!(steps > 2, "{steps}");
    writer.checkpoint().unwrap();
    assert!(size() * 5 < full, "{} of {full}", size());
}

#[test]
fn a_backup_of_a_live_ledger_is_whole() {
    let place = TestDatabase::sqlite();
    let (_, mut writer) = opened(&place.location);
    let keys = KeySource::new();
    let write = |writer: &mut Writer, batch: i64| {
        let rows: Vec<_> = (0..500).map(|n| row(&keys, "m", MARCH + batch * SECOND + n)).collect();
        writer.write(&events(&rows), false).unwrap();
    };
    for batch in 0..20 {
        write(&mut writer, batch);
    }
    let target = place.dir.path().join("it's a copy.db");
    std::thread::scope(|scope| {
        let copying = scope.spawn(|| backup(&place.location, &target));
        for batch in 20..60 {
            write(&mut writer, batch);
        }
        copying.join().unwrap().unwrap();
    });
    let copy = Location::File(target.clone());
    assert_rollups_are_sums_of_rows(&copy);
    let rows = raw(&copy).number("SELECT COUNT(*) AS number FROM requests").unwrap();
    assert!(rows >= 10_000 && rows % 500 == 0, "{rows}");
    let (again, _) = opened(&copy);
    assert_eq!(everything(&again).total.requests, rows);
    // It never replaces a file.
    assert!(matches!(backup(&place.location, &target), Err(StoreError::Refused(_))));
}

/// Each combination is there once, as long as a row refers to it, and no longer.
#[test]
fn senders_go_with_the_last_of_their_rows() {
    everywhere(|place| {
        let (opening, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let by = |agent: &str, model: &str, ended: Micros| RequestRow {
            sender: Some(Sender::shared(None, agent, "alias", false)),
            ..row(&keys, model, ended)
        };
        let many: Vec<_> =
            (0..100).map(|n| by(["curl", "python"][n as usize % 2], "m", MARCH + n * HOUR)).collect();
        for chunk in many.chunks(30) {
            writer.write(&events(chunk), false).unwrap();
        }
        let senders = || {
            raw(&place.location).words("SELECT user_agent AS word FROM senders ORDER BY user_agent").unwrap()
        };
        assert_eq!(senders(), ["curl", "python"]);
        // One of them is seen for longer than the other.
        writer.write(&events(&[by("curl", "m", MARCH + 30 * DAY)]), false).unwrap();
        while writer.retain(MARCH + 20 * DAY).unwrap() == JobProgress::More {}
        assert_eq!(senders(), ["curl"]);
        // It comes again, and is told apart from the one that stayed.
        let again = [by("python", "m", MARCH + 31 * DAY), by("curl", "m", MARCH + 31 * DAY)];
        writer.write(&events(&again), false).unwrap();
        let page = PageQuery { limit: 10, ..PageQuery::default() };
        let read = block_on(opening.reader.requests(page.clone())).unwrap();
        let agents = |page: &Page| -> Vec<String> {
            page.rows.iter().map(|view| view.row.sender.as_ref().unwrap().user_agent.to_string()).collect()
        };
        assert_eq!(agents(&read), ["curl", "python", "curl"]);
        // Two models become one, and their senders are those of the one.
        writer.write(&events(&[by("curl", "old", MARCH + 32 * DAY)]), false).unwrap();
        assert!(writer.rename_model("old", "m", true, MARCH).unwrap().merged);
        writer.write(&events(&[by("curl", "m", MARCH + 33 * DAY)]), false).unwrap();
        let read = block_on(opening.reader.requests(page)).unwrap();
        assert_eq!(agents(&read), ["curl", "curl", "curl", "python", "curl"]);
        writer.delete_model("m", true, MARCH).unwrap();
        sweep(&mut writer);
        assert_eq!(senders(), [""; 0]);
    });
}

/// The clock of a computer that has just begun may be years behind, and its rows are no older for that.
#[test]
fn rows_of_a_clock_that_was_behind_stay_as_long_as_others() {
    everywhere(|place| {
        let (_, mut writer) = opened(&place.location);
        let keys = KeySource::new();
        let count = |place: &TestDatabase, table: &str| {
            raw(&place.location).number(&format!("SELECT COUNT(*) AS number FROM {table}")).unwrap()
        };
        writer.trust_clock(MARCH).unwrap();
        let beat = Heartbeat { wall_us: MARCH, ..Heartbeat::default() };
        writer.heartbeat(&beat).unwrap();
        let rows =
            |times: &[i64]| events(&times.iter().map(|ended| row(&keys, "m", *ended)).collect::<Vec<_>>());
        writer.write(&rows(&[MARCH, MARCH + SECOND]), false).unwrap();
        writer.write(&rows(&[MARCH - 9000 * DAY, MARCH - 8999 * DAY]), false).unwrap();
        writer.write(&rows(&[MARCH + 2 * SECOND]), false).unwrap();
        while writer.retain(MARCH).unwrap() == JobProgress::More {}
        assert_eq!(count(place, "requests"), 5, "nothing is so old");
        assert!(count(place, "senders") > 0);
        // So much time has passed, whatever the clock says.
        while writer.retain(MARCH + DAY).unwrap() == JobProgress::More {}
        assert_eq!((count(place, "requests"), count(place, "senders")), (0, 0));
        writer.write(&rows(&[MARCH - 9000 * DAY]), false).unwrap();
        // A person says that the clock is right.
        writer.trust_clock(MARCH).unwrap();
        while writer.retain(MARCH).unwrap() == JobProgress::More {}
        assert_eq!(count(place, "requests"), 0);
    });
}
