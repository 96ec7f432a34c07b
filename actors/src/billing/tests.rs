//! Billing: nothing is lost, nothing counts twice, nobody waits; whatever happens to the ledger.

mod crash;
mod plans;
mod trouble;

use super::{Billing, BillingSettings, CloseLedger, Flush, Ledger, RunEnd, RunStart, start};
use crate::feeds::Feed;
use crate::supervisor::{Child, ChildSpec, Supervisor, ask};
use crate::{ActorRef, tell};
use actix::{Addr, Context, Handler, Message};
use llm_manager_ledger::testing::{
    MARCH, SECOND, SideConnection, TestDatabase, assert_rollups_are_sums_of_rows, block_on, everywhere,
    labels, name,
};
use llm_manager_ledger::{Energy, Filter, Location, RequestRow, RunRow, TokenCounts, UsageSource};
use llm_manager_policy::ending::EndCause;
use llm_manager_policy::pricing::Currency;
use llm_manager_policy::spec::Electricity;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Handle, actor, and what holds it.
struct Running {
    ledger: Ledger,
    billing: ActorRef<Billing>,
    _root: Child,
}

impl Running {
    /// With a queue of 4096 events.
    fn start(place: &TestDatabase) -> Self {
        Self::with(&settings(place))
    }

    fn with(settings: &BillingSettings) -> Self {
        let (ledger, _) = start(settings, "test").unwrap();
        let (billing, root) = (ActorRef::new(), ActorRef::new());
        let (handle, live, settings) = (ledger.clone(), billing.clone(), settings.clone());
        let spec =
            ChildSpec::new("billing", move || Child::start(Billing::new(&handle, settings.clone()), &live));
        let child = Child::start(Supervisor::new("", vec![spec], Feed::new()), &root);
        Self { ledger, billing, _root: child }
    }

    async fn addr(&self) -> Arc<Addr<Billing>> {
        until(|| self.billing.addr().is_some()).await;
        self.billing.addr().unwrap()
    }

    async fn flush(&self) {
        self.addr().await.send(Flush).await.unwrap().unwrap();
    }

    async fn close(&self) {
        self.addr().await.send(CloseLedger).await.unwrap().unwrap();
    }

    async fn count(&self) -> i64 {
        let report = self.ledger.reader().summary(Filter::default(), 0, MARCH + MARCH, vec![]);
        report.await.unwrap().total.requests
    }

    /// Waits for so many requests in the ledger.
    async fn counted(&self, wanted: i64) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.count().await != wanted {
            let status = self.ledger.status();
            assert!(Instant::now() < deadline, "{} of {wanted}: {status:?}", self.count().await);
            actix_rt::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn settings(place: &TestDatabase) -> BillingSettings {
    let mut settings = BillingSettings::new(place.location.clone(), place.dir.path().to_owned());
    settings.queue = 4096;
    settings
}

async fn until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "it takes too long");
        actix_rt::time::sleep(Duration::from_millis(5)).await;
    }
}

fn request(model: &str, at: i64) -> RequestRow {
    RequestRow {
        request_id: format!("r{at}"),
        labels: labels(model).into(),
        started_us: MARCH + at,
        duration_us: SECOND,
        status: 200,
        tokens: TokenCounts { input: Some(100), output: Some(10), ..TokenCounts::default() },
        usage_source: UsageSource::Backend,
        ..RequestRow::default()
    }
}

/// Runs in an actix system.
fn run<F: Future<Output = ()>>(test: F) {
    actix_rt::System::new().block_on(test);
}

/// Makes the actor panic.
#[derive(Message)]
#[rtype(result = "()")]
struct Crash;

impl Handler<Crash> for Billing {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("told to crash");
    }
}

#[test]
fn what_is_recorded_is_in_the_ledger_after_a_flush() {
    everywhere(|place| {
        run(async {
            let running = Running::start(place);
            for n in 0..2500 {
                running.ledger.record(request("m", n));
            }
            running.flush().await;
            running.counted(2500).await;
            running.ledger.record(RequestRow { tokens: TokenCounts::default(), ..request("m", 1) });
            running.flush().await;
            running.counted(2501).await;
            running.close().await;
            let status = running.ledger.status();
            // A slow machine sends some of them through the overflow file.
            assert_eq!((status.written, status.lost, status.rejected), (2501, 0, 0));
            assert_eq!((status.state, status.usage_unrecorded), ("closed", 1));
        });
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

#[test]
fn rows_get_there_within_a_tenth_of_a_second_by_themselves() {
    run(async {
        let place = TestDatabase::sqlite();
        let running = Running::start(&place);
        running.flush().await;
        let mut slowest = Duration::ZERO;
        for n in 1..=5 {
            let recorded = Instant::now();
            running.ledger.record(request("m", n));
            assert!(recorded.elapsed() < Duration::from_millis(5), "the recording waits");
            until(|| running.ledger.status().written == n as u64).await;
            slowest = slowest.max(recorded.elapsed());
        }
        // Twice the promise: the machine may be busy.
        assert!(slowest < Duration::from_millis(200), "{slowest:?}");
    });
}

/// The actor takes a row before its recorder has rung: the bell then rings for nothing, and must ring again
/// for the next row.
#[test]
fn a_bell_that_rings_for_nothing_does_not_stay_silent_afterwards() {
    run(async {
        let place = TestDatabase::sqlite();
        let running = Running::start(&place);
        running.flush().await;
        running.ledger.0.woken.store(true, std::sync::atomic::Ordering::SeqCst);
        running.ledger.0.wake.notify_one();
        actix_rt::time::sleep(Duration::from_millis(150)).await;
        running.ledger.record(request("m", 1));
        let recorded = Instant::now();
        until(|| running.ledger.status().written == 1).await;
        assert!(recorded.elapsed() < Duration::from_secs(1), "{:?}", recorded.elapsed());
    });
}

#[test]
fn a_crash_of_the_actor_loses_nothing() {
    run(async {
        let place = TestDatabase::sqlite();
        let running = Running::start(&place);
        for round in 0..3 {
            let addr = running.addr().await;
            for n in 0..700 {
                running.ledger.record(request("m", round * 1000 + n));
                if n == 350 {
                    tell(&addr, Crash);
                }
                if n % 100 == 0 {
                    actix_rt::task::yield_now().await;
                }
            }
            until(|| !addr.connected()).await;
        }
        running.counted(2100).await;
        // A row can be read a moment before it is counted.
        until(|| running.ledger.status().written == 2100).await;
        let status = running.ledger.status();
        assert_eq!((status.written, status.lost), (2100, 0), "{status:?}");
        running.close().await;
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

#[test]
fn what_comes_after_the_end_is_kept_for_the_next_start() {
    run(async {
        let place = TestDatabase::sqlite();
        let running = Running::start(&place);
        running.ledger.record(request("m", 1));
        running.close().await;
        running.ledger.record(request("m", 2));
        until(|| running.ledger.status().spilled == 1).await;
        drop(running);
        let again = Running::start(&place);
        again.counted(2).await;
        assert_eq!(again.ledger.status().replayed, 1);
    });
}

#[test]
fn a_queue_that_is_full_overflows_into_the_file_and_raises_the_alarm() {
    run(async {
        let place = TestDatabase::sqlite();
        let running = Running::start(&place);
        let addr = running.addr().await;
        running.flush().await;
        // Nobody takes anything from the queue while this task does not yield.
        for n in 0..10_000 {
            running.ledger.record(request("m", n));
        }
        let status = running.ledger.status();
        assert!(status.alarm && status.queued == 4096, "{status:?}");
        running.counted(10_000).await;
        let status = running.ledger.status();
        assert!(!status.alarm && status.spilled >= 10_000 - 4096 - 1000 && status.lost == 0, "{status:?}");
        assert!(ask(&addr, Flush).await.unwrap().is_ok());
        // The segments go when they are played back.
        let is_segment = |name: &std::ffi::OsStr| name.to_string_lossy().contains("overflow");
        let files = || std::fs::read_dir(place.dir.path()).unwrap().flatten();
        until(|| !files().any(|file| is_segment(&file.file_name()))).await;
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

fn a_start(variant: &str, bill_loading: bool) -> RunStart {
    RunStart {
        model: name("m"),
        variant: name(variant),
        id: 1,
        queued_us: 5,
        bill_loading,
        started_by: name("local:alice"),
    }
}

#[test]
fn a_run_is_opened_kept_alive_and_closed() {
    run(async {
        let place = TestDatabase::sqlite();
        let mut settings = settings(&place);
        settings.heartbeat = Duration::from_millis(20);
        let currency = Currency::new("CNY").unwrap();
        settings.electricity = Some(Electricity { per_kwh: "0.5".parse().unwrap(), currency });
        let running = Running::with(&settings);
        let mut one = running.ledger.run_started(a_start("gpu", false));
        let other = running.ledger.run_started(RunStart { id: 2, ..a_start("cpu", true) });
        assert_ne!(one.id(), other.id());
        one.ready();
        running.flush().await;
        let runs = || running.ledger.reader().runs_of("m", 10);
        let first = runs().await.unwrap();
        assert!(first.iter().all(|view| view.run.ended_us.is_none()));
        actix_rt::time::sleep(Duration::from_millis(200)).await;
        let beat = runs().await.unwrap();
        assert!(
            beat.iter().zip(&first).all(|(now, then)| now.run.heartbeat_us > then.run.heartbeat_us),
            "{beat:?}"
        );
        one.drew(3_600_000);
        let evicted_for = Some(name("other"));
        let ended_by = Some(name("rule:eviction for b"));
        one.ended(RunEnd { exit: "stopped".to_owned(), cause: EndCause::Evicted, evicted_for, ended_by });
        // As in a crash of the model's actor.
        drop(other);
        running.flush().await;
        let mut ends: Vec<_> = runs().await.unwrap().into_iter().map(|view| view.run).collect();
        ends.sort_by(|one, other| one.end_reason.cmp(&other.end_reason));
        let words = |run: &RunRow| (run.end_reason.clone(), run.cause.clone(), run.evicted_for.clone());
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(words(&ends[0]), (text("its owner has crashed"), text("actor_crashed"), None));
        assert_eq!(words(&ends[1]), (text("stopped"), text("evicted"), text("other")));
        // A watt-hour at 0.5 for a kilowatt-hour, in 10^-12.
        let cost = Some((500_000_000, name("CNY")));
        assert_eq!(
            (&ends[0].energy, &ends[1].energy),
            (&None, &Some(Energy { millijoules: 3_600_000, cost }))
        );
        assert!(ends.iter().all(|run| run.queued_us == Some(5)), "{ends:?}");
    });
}
