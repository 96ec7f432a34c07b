//! Measures the ledger: rows per second on one core, and reports over ten million rows.
//!
//! `cargo run --release -p llm-manager-actors --example ledger_speed -- [FILE|postgres://...] [MILLIONS]`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement: it prints, and ends at the first trouble"
)]

use actix::Actor;
use jiff::tz::TimeZone;
use llm_manager_actors::billing::{Billing, Close, Flush, Settings, start};
use llm_manager_actors::ledger::{
    Bucket, Dimension, Filter, Generator, Labels, LedgerReader, Location, PageQuery, RequestRow, StoreError,
    Tokens, UsageSource,
};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// 2026-03-01 00:00 in UTC.
const BEGIN: i64 = 1_772_323_200 * SECOND;

/// Twelve models, two launch configurations and four keys: 96 kinds of requests.
fn row(nth: u64, at: i64) -> RequestRow {
    let hash = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let pick = |shift: u32, of: u64| (hash >> shift) % of;
    let labels = Labels {
        model: format!("model-{}", pick(8, 12)).into(),
        variant: format!("gpu-{}", pick(16, 2)).into(),
        mode: "Chat".into(),
        endpoint: "/v1/chat/completions".into(),
        api_key: format!("key-{}", pick(24, 4)).into(),
        currency: "CNY".into(),
    };
    let duration = 200_000 + pick(32, 5_000_000).cast_signed();
    RequestRow {
        request_id: format!("{hash:016x}"),
        labels,
        started_us: at - duration,
        duration_us: duration,
        queue_us: pick(3, 1000).cast_signed(),
        first_byte_us: Some(duration / 5),
        status: 200,
        tokens: Tokens {
            input: Some(pick(40, 8000).cast_signed()),
            cached: Some(pick(41, 4000).cast_signed()),
            output: Some(pick(42, 900).cast_signed()),
            ..Tokens::default()
        },
        usage_source: UsageSource::Backend,
        ..RequestRow::default()
    }
}

/// CPU time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split(' ')
        .skip(12)
        .take(2)
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Through the handle and the actor, as in the program.
async fn recording(location: &Location, folder: PathBuf, rows: u64) {
    let (ledger, _) = start(&Settings::new(location.clone(), folder), "bench").unwrap();
    let billing = Billing::new(&ledger, Settings::new(location.clone(), PathBuf::new())).start();
    billing.send(Flush).await.unwrap().unwrap();
    let ready: Vec<RequestRow> =
        (0..rows).map(|nth| row(nth, BEGIN - DAY + nth.cast_signed() * 100)).collect();
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
    billing.send(Close).await.unwrap().unwrap();
    let rate = |time: Duration| rows as f64 / time.as_secs_f64();
    println!("recorded through Billing   {rows:>9} rows  {wall:>10.2?}  {:>8.0} rows/s", rate(wall));
    println!(
        "  per second of CPU, all threads: {:.0} rows; spilled {}, lost {}",
        rate(used),
        status.spilled,
        status.lost
    );
}

async fn timed<T>(what: &str, target_ms: f64, mut ask: impl AsyncFnMut() -> Result<T, StoreError>) {
    let mut times = Vec::new();
    for _ in 0..15 {
        let begun = Instant::now();
        ask().await.unwrap();
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    let first = times[0];
    times.sort_by(f64::total_cmp);
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    let verdict = if median <= target_ms { "ok" } else { "TOO SLOW" };
    println!("{what:<44} {median:>8.2} {first:>8.2} {worst:>8.2} {target_ms:>8.0}  {verdict}");
}

async fn reports(reader: &LedgerReader, now: i64) {
    println!("{:<44} {:>8} {:>8} {:>8} {:>8}", "ms", "median", "first", "worst", "target");
    let from = now - 30 * DAY;
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let kolkata = TimeZone::get("Asia/Kolkata").unwrap();
    let all = Filter::default;
    let one = || Filter { models: vec!["model-3".into()], ..Filter::default() };
    timed("summary of 30 days", 50.0, async || reader.summary(all(), from, now, vec![]).await).await;
    let by = || vec![Dimension::Model, Dimension::ApiKey];
    timed("summary of 30 days by model and key", 50.0, async || reader.summary(all(), from, now, by()).await)
        .await;
    timed("summary of 30 days of one model", 50.0, async || reader.summary(one(), from, now, by()).await)
        .await;
    let series = async |filter: Filter, bucket, zone: &TimeZone, from| {
        reader.series(filter, from, now, bucket, zone.clone(), vec![Dimension::Model]).await
    };
    timed("series of 30 days by day, UTC", 50.0, async || {
        series(all(), Bucket::Day, &TimeZone::UTC, from).await
    })
    .await;
    timed("series of 30 days by day, Berlin", 50.0, async || series(all(), Bucket::Day, &berlin, from).await)
        .await;
    timed("series of 30 days by day, Kolkata", 50.0, async || {
        series(all(), Bucket::Day, &kolkata, from).await
    })
    .await;
    timed("series of 30 days by day, one model", 50.0, async || {
        series(one(), Bucket::Day, &berlin, from).await
    })
    .await;
    timed("series of 30 days by hour, Berlin", 200.0, async || {
        series(all(), Bucket::Hour, &berlin, from).await
    })
    .await;
    timed("series of a day by minute", 200.0, async || {
        series(all(), Bucket::Minute, &berlin, now - DAY).await
    })
    .await;
    timed("series of all by month, Berlin", 50.0, async || {
        series(all(), Bucket::Month, &berlin, BEGIN).await
    })
    .await;
    timed("quantiles of 30 days", 200.0, async || reader.latency(all(), from, now).await).await;
    let page = || PageQuery { limit: 100, ..PageQuery::default() };
    timed("page of 100 requests", 20.0, async || reader.requests(page()).await).await;
    let deep = PageQuery { to: Some(BEGIN + 20 * DAY), ..page() };
    timed("page in the middle", 20.0, async || reader.requests(deep.clone()).await).await;
    timed("page of one model", 20.0, async || reader.requests(PageQuery { filter: one(), ..page() }).await)
        .await;
    let narrow = Filter { api_keys: vec!["key-2".into()], variants: vec!["gpu-1".into()], ..one() };
    let narrow = PageQuery { filter: narrow, ..deep };
    timed("page of one model, key and variant, middle", 20.0, async || reader.requests(narrow.clone()).await)
        .await;
    timed("storage", 50.0, async || reader.storage().await).await;
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().unwrap_or_else(|| "/tmp/ledger_speed/ledger.db".to_owned());
    let millions: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(10);
    let location = Location::parse(&place);
    let folder = match &location {
        Location::File(path) => path.parent().map(PathBuf::from).unwrap_or_default(),
        Location::Postgres(_) => std::env::temp_dir(),
    };
    std::fs::create_dir_all(&folder).unwrap();
    actix_rt::System::new().block_on(async {
        recording(&location, folder.clone(), 500_000).await;
        let rows = millions * 1_000_000;
        let now = BEGIN + 40 * DAY;
        let begun = Instant::now();
        let mut generator = Generator::open(&location).unwrap();
        let mut nth = 0;
        while nth < rows {
            let step =
                |n: u64| BEGIN + (u128::from(n) * 40 * DAY.unsigned_abs() as u128 / u128::from(rows)) as i64;
            let batch: Vec<RequestRow> = (nth..nth + 10_000).map(|n| row(n, step(n))).collect();
            generator.write(batch).unwrap();
            nth += 10_000;
        }
        let took = begun.elapsed();
        println!(
            "generated                  {rows:>9} rows  {took:>10.2?}  {:>8.0} rows/s",
            rows as f64 / took.as_secs_f64()
        );
        let (ledger, _) = start(&Settings::new(location.clone(), folder), "bench").unwrap();
        let storage = ledger.reader().storage().await.unwrap();
        println!("on the disk: {} MB", storage.total_bytes >> 20);
        reports(ledger.reader(), now).await;
    });
}
