//! kill -9 of a process that records: what was recorded a moment before is there, once.

use super::*;
use llm_manager_ledger::now_us;
use llm_manager_ledger::testing::pause;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Tells the test below that it is the process to be killed, and where its ledger is.
const VICTIM: &str = "LLM_MANAGER_TEST_VICTIM";
const NAME: &str = "billing::tests::crash::kill_9_costs_at_most_the_last_moments";

/// Records rows for ever, and prints each one's number and the time just before.
fn victim(path: &str) {
    let mut settings = BillingSettings::new(
        Location::File(path.into()),
        std::path::Path::new(path).parent().unwrap().to_owned(),
    );
    settings.heartbeat = Duration::from_millis(50);
    run(async {
        let running = Running::with(&settings);
        let id = running.ledger.next_run();
        let _run = running.ledger.run_started(RunStart { id, ..a_start("gpu", false) });
        for n in 0.. {
            println!("row {n} {}", now_us());
            running.ledger.record(request("m", n));
            if n % 20 == 0 {
                actix_rt::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
}

#[test]
fn kill_9_costs_at_most_the_last_moments() {
    if let Some(path) = std::env::var_os(VICTIM) {
        victim(path.to_str().unwrap());
        return;
    }
    let place = TestDatabase::sqlite();
    let (mut lost, mut before) = (Vec::new(), 0);
    for round in 0..4_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(VICTIM, place.file())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let reading = std::thread::spawn(move || {
            let numbers = output.lines().map_while(Result::ok).filter_map(|line| {
                let mut words = line.split("row ").last()?.split(' ').map(str::to_owned);
                Some((words.next()?.parse::<i64>().ok()?, words.next()?.parse::<i64>().ok()?))
            });
            numbers.collect::<Vec<_>>()
        });
        pause(Duration::from_millis(1500 + 137 * round));
        let killed = now_us();
        child.kill().unwrap();
        child.wait().unwrap();
        let recorded = reading.join().unwrap();
        assert!(recorded.len() > 500, "{} rows only", recorded.len());
        // What a crash leaves opens without complaint.
        let rows = block_on(async {
            let (ledger, opened) = start(&settings(&place), "test").unwrap();
            assert_eq!(opened.closed_runs, 1);
            let report = ledger.reader().summary(Filter::default(), 0, 2 * MARCH, vec![]).await.unwrap();
            let runs = ledger.reader().runs_of("m", 10).await.unwrap();
            let run = &runs[0].run;
            assert_eq!(run.end_reason.as_deref(), Some("the manager was lost"));
            assert!(run.ended_us.is_some_and(|end| end <= killed && killed - end < 2 * SECOND), "{run:?}");
            report.total.requests
        });
        let written = usize::try_from(rows - before).unwrap();
        before = rows;
        assert!(written <= recorded.len(), "{written} of {}", recorded.len());
        lost.push(recorded.get(written).map_or(0, |(_, first_lost)| killed - first_lost));
        assert_rollups_are_sums_of_rows(&place.location);
    }
    lost.sort_unstable();
    eprintln!("lost, in us: {lost:?}");
    // Twice the promise, and the lower half of the rounds: in any one the machine may have been busy with others,
    // and then the process that was killed had not had its turn.
    assert!(lost[1] < 200_000, "{lost:?} us");
}
