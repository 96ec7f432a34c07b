//! Measures the ledger: rows per second, and reports over millions of rows. `bench/ledger.sh` calls it.
//!
//! `ledger_speed PLACE record ROWS KINDS`: rows through the handle and the actor, as in the program
//! `ledger_speed PLACE fill MILLIONS`: rows of forty days, the newest of this hour
//! `ledger_speed PLACE report ROUNDS`: reports of the newest thirty of these days, and pages of requests
//!
//! PLACE is a file or a `postgres://` address. What comes out are rows of Markdown tables.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement: it prints, and ends at the first trouble"
)]

use actix::Actor;
use jiff::tz::TimeZone;
use llm_manager_actors::billing::{Billing, BillingSettings, CloseLedger, Flush, start};
use llm_manager_ledger::{
    Bucket, Dimension, Filter, Generator, Labels, LedgerReader, Location, Outcome, PageQuery, RequestRow,
    StoreError, TokenCounts, UsageSource, now_us,
};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Days of rows.
const DAYS: i64 = 40;
/// Twelve models, two launch configurations and four keys.
const KINDS: u64 = 96;
/// Rows of one transaction while a ledger is filled.
const FILL: u64 = 10_000;

/// A request of one of so many kinds; one of 200 went wrong.
fn row(nth: u64, ended: i64, kinds: u64) -> RequestRow {
    let hash = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let pick = |shift: u32, of: u64| (hash >> shift) % of;
    let kind = pick(8, kinds.max(1));
    let model = format!("model-{}", kind % 12);
    let (variant, api_key) = (format!("gpu-{}", kind / 12 % 2), format!("key-{}", kind / 24));
    let labels = Labels::shared([&model, &variant, "Chat", "/v1/chat/completions", &api_key, "CNY"]);
    let duration = 200_000 + pick(32, 5_000_000).cast_signed();
    let wrong = pick(50, 200) == 0;
    RequestRow {
        // As the manager makes them, the time first. Ids of clients' own are stored, and in an index that they fill page by page.
        request_id: format!("{:011x}{:09x}", (ended - duration) / 1000, hash >> 28),
        labels,
        started_us: ended - duration,
        duration_us: duration,
        queue_us: pick(3, 1000).cast_signed(),
        first_byte_us: Some(duration / 5),
        status: if wrong { 502 } else { 200 },
        outcome: if wrong { Outcome::BackendError } else { Outcome::Ok },
        tokens: TokenCounts {
            input: Some(pick(40, 8000).cast_signed()),
            cached: Some(pick(41, 4000).cast_signed()),
            output: Some(pick(42, 900).cast_signed()),
            ..TokenCounts::default()
        },
        usage_source: UsageSource::Backend,
        ..RequestRow::default()
    }
}

/// CPU time of this process, all threads.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2);
    let ticks: u64 = fields.filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Through the handle and the actor, as in the program. The rows are made before.
async fn record(location: &Location, folder: PathBuf, rows: u64, kinds: u64) {
    let (ledger, _) = start(&BillingSettings::new(location.clone(), folder), "bench").unwrap();
    let billing = Billing::new(&ledger, BillingSettings::new(location.clone(), PathBuf::new())).start();
    billing.send(Flush).await.unwrap().unwrap();
    let now = now_us();
    let ready: Vec<RequestRow> = (0..rows).map(|nth| row(nth, now + nth.cast_signed() * 20, kinds)).collect();
    let (begun, begun_cpu) = (Instant::now(), cpu());
    for (nth, row) in ready.into_iter().enumerate() {
        while ledger.status().queued > 30_000 {
            actix_rt::time::sleep(Duration::from_millis(1)).await;
        }
        ledger.record(row);
        if nth % 500 == 0 {
            actix_rt::task::yield_now().await;
        }
    }
    billing.send(Flush).await.unwrap().unwrap();
    let (wall, used) = (begun.elapsed(), cpu() - begun_cpu);
    let status = ledger.status();
    billing.send(CloseLedger).await.unwrap().unwrap();
    // A batch that takes longer than the tenth of a second is copied to the overflow file, and is in the ledger all the same.
    assert_eq!((status.written, status.lost, status.rejected), (rows, 0, 0), "{status:?}");
    assert_eq!(status.duplicates, status.spilled, "{status:?}");
    let rate = |time: Duration| rows as f64 / time.as_secs_f64();
    println!("| {rows} | {kinds} | {:.0} | {:.0} | 50,000 |", rate(wall), rate(used));
}

/// Fills a ledger so that its rows end now.
fn fill(location: &Location, millions: u64) {
    let rows = millions * 1_000_000;
    let begin = now_us() - DAYS * DAY;
    let ended = |nth: u64| {
        begin
            + i64::try_from(u128::from(nth) * (DAYS * DAY).unsigned_abs() as u128 / u128::from(rows)).unwrap()
    };
    let begun = Instant::now();
    let mut generator = Generator::open(location).unwrap();
    for first in (0..rows).step_by(FILL as usize) {
        generator.write((first..first + FILL).map(|nth| row(nth, ended(nth), KINDS)).collect()).unwrap();
    }
    let took = begun.elapsed();
    eprintln!("{rows} rows in {took:.1?}, {:.0} rows/s", rows as f64 / took.as_secs_f64());
}

/// One report, asked for again and again.
struct Timed {
    rounds: usize,
}

impl Timed {
    async fn ask<T>(&self, what: &str, target_ms: f64, mut ask: impl AsyncFnMut() -> Result<T, StoreError>) {
        let mut times = Vec::new();
        for _ in 0..self.rounds {
            let begun = Instant::now();
            ask().await.unwrap();
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        let first = times[0];
        times.sort_by(f64::total_cmp);
        let (least, median, most) = (times[0], times[times.len() / 2], times[times.len() - 1]);
        let verdict = if median <= target_ms { "yes" } else { "**no**" };
        println!(
            "| {what} | {first:.2} | {least:.2} | {median:.2} | {most:.2} | {target_ms:.0} | {verdict} |"
        );
    }
}

async fn report(reader: &LedgerReader, rounds: usize) {
    let timed = Timed { rounds };
    let now = now_us();
    let from = now - 30 * DAY;
    let zone = |name: &str| TimeZone::get(name).unwrap();
    let all = Filter::default;
    let one = || Filter { models: vec!["model-3".into()], ..Filter::default() };
    let by = || vec![Dimension::Model, Dimension::ApiKey];
    let summary = async |filter, by| reader.summary(filter, from, now, by).await;
    timed.ask("summary of 30 days", 50.0, async || summary(all(), vec![]).await).await;
    timed.ask("summary of 30 days by model and key", 50.0, async || summary(all(), by()).await).await;
    timed.ask("summary of 30 days, one model", 50.0, async || summary(one(), by()).await).await;
    let series = async |filter, bucket, zone: TimeZone, from| {
        reader.series(filter, from, now, bucket, zone, vec![Dimension::Model]).await
    };
    for name in ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"] {
        let what = format!("series of 30 days by day and model, {name}");
        timed.ask(&what, 50.0, async || series(all(), Bucket::Day, zone(name), from).await).await;
    }
    for name in ["UTC", "Europe/Berlin"] {
        let what = format!("series of 30 days by hour and model, {name}");
        timed.ask(&what, 50.0, async || series(all(), Bucket::Hour, zone(name), from).await).await;
    }
    let berlin = || zone("Europe/Berlin");
    let what = "series of 30 days by day, one model, Europe/Berlin";
    timed.ask(what, 50.0, async || series(one(), Bucket::Day, berlin(), from).await).await;
    let what = "series of a day by minute, Europe/Berlin";
    timed.ask(what, 50.0, async || series(all(), Bucket::Minute, berlin(), now - DAY).await).await;
    let what = "series of all by month, Europe/Berlin";
    timed.ask(what, 50.0, async || series(all(), Bucket::Month, berlin(), now - DAYS * DAY).await).await;
    timed.ask("quantiles of 30 days", 50.0, async || reader.latency(all(), from, now).await).await;
    timed.ask("storage", 50.0, async || reader.storage().await).await;
    pages(reader, &timed, now).await;
}

async fn pages(reader: &LedgerReader, timed: &Timed, now: i64) {
    let page = || PageQuery { limit: 100, ..PageQuery::default() };
    let one = || Filter { models: vec!["model-3".into()], ..Filter::default() };
    let narrow = || Filter { api_keys: vec!["key-2".into()], variants: vec!["gpu-1".into()], ..one() };
    let keys = || Filter { api_keys: vec!["key-2".into()], ..Filter::default() };
    let middle = Some(now - 20 * DAY);
    let some_id = reader.requests(PageQuery { to: middle, limit: 1, ..page() }).await.unwrap();
    let (some_id, cursor) =
        some_id.rows.first().map(|view| (view.row.request_id.clone(), view.cursor)).unzip();
    let hour = (now - 3600 * SECOND, now);
    let queries = [
        ("the newest", page()),
        ("after a cursor in the middle", PageQuery { after: cursor, ..page() }),
        ("1000 rows in the middle", PageQuery { to: middle, limit: 1000, ..page() }),
        ("one model", PageQuery { filter: one(), ..page() }),
        ("one key (24 kinds), middle", PageQuery { filter: keys(), to: middle, ..page() }),
        ("one model, key and variant, middle", PageQuery { filter: narrow(), to: middle, ..page() }),
        ("an hour", PageQuery { from: Some(hour.0), to: Some(hour.1), ..page() }),
        ("all that failed", PageQuery { outcome: Some("failed".into()), ..page() }),
        (
            "status 502, one model, middle",
            PageQuery { status: Some(502), filter: one(), to: middle, ..page() },
        ),
        ("status 200", PageQuery { status: Some(200), ..page() }),
        ("refused, of which there are none", PageQuery { outcome: Some("refused".into()), ..page() }),
        (
            "a model that there isn't",
            PageQuery { filter: Filter { models: vec!["nobody".into()], ..Filter::default() }, ..page() },
        ),
        ("a request id", PageQuery { request_id: some_id, ..page() }),
        ("a request id that there isn't", PageQuery { request_id: Some("none".into()), ..page() }),
        ("a run that there isn't", PageQuery { run_id: Some(7), ..page() }),
    ];
    for (what, query) in queries {
        let what = format!("page: {what}");
        timed.ask(&what, 20.0, async || reader.requests(query.clone()).await).await;
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |nth: usize| arguments.get(nth).and_then(|text| text.parse::<u64>().ok());
    let (Some(place), Some(what), Some(count)) = (arguments.first(), arguments.get(1), number(2)) else {
        eprintln!("ledger_speed PLACE record ROWS KINDS | fill MILLIONS | report ROUNDS");
        return ExitCode::from(2);
    };
    let location = Location::parse(place);
    let folder = match &location {
        Location::File(path) => path.parent().map(PathBuf::from).unwrap_or_default(),
        Location::Postgres(_) => std::env::temp_dir(),
    };
    actix_rt::System::new().block_on(async {
        match what.as_str() {
            "record" => record(&location, folder, count, number(3).unwrap_or(KINDS)).await,
            "fill" => fill(&location, count),
            _ => {
                let (ledger, _) = start(&BillingSettings::new(location.clone(), folder), "bench").unwrap();
                let storage = ledger.reader().storage().await.unwrap();
                eprintln!("on the disk: {} MB", storage.total_bytes >> 20);
                report(ledger.reader(), usize::try_from(count).unwrap_or(1).max(1)).await;
            }
        }
    });
    ExitCode::SUCCESS
}
