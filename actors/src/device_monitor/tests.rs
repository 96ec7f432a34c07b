//! The actor, with plugins that do what the test says.

use super::*;
use crate::actor_ref::ActorRef;
use crate::feeds::Feed;
use crate::supervisor::{Child, Supervisor};
use actix_rt::time::sleep;
use llm_manager_devices::{DevicePlugin, PluginFactory, Registry};
use llm_manager_policy::spec::DevicePluginSpec;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const MS: Duration = Duration::from_millis(1);

/// Counts its samples, and does what the script says; good when that has ended.
struct Scripted {
    kind: &'static str,
    samples: Arc<AtomicU32>,
    script: Arc<dyn Fn(u32) -> Result<bool, String> + Send + Sync>,
}

impl DevicePlugin for Scripted {
    fn name(&self) -> &str {
        self.kind
    }

    fn sample(&mut self) -> Result<Vec<Sample>, String> {
        let number = self.samples.fetch_add(1, Ordering::SeqCst) + 1;
        let online = (self.script)(number)?;
        let name = format!("{} card", self.kind);
        let memory_used_mib = Some(u64::from(number));
        Ok(vec![Sample { name, plugin: self.kind, online, memory_used_mib, ..Sample::default() }])
    }
}

/// A source, and how often it was sampled.
fn source(
    kind: &'static str,
    patience: Duration,
    script: impl Fn(u32) -> Result<bool, String> + Send + Sync + 'static,
) -> (PluginFactory, Arc<AtomicU32>) {
    let samples = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&samples);
    let script: Arc<dyn Fn(u32) -> Result<bool, String> + Send + Sync> = Arc::new(script);
    let make = move || -> Box<dyn DevicePlugin> {
        Box::new(Scripted { kind, samples: Arc::clone(&count), script: Arc::clone(&script) })
    };
    let mut source = PluginFactory::new(kind, kind, make);
    source.patience = patience;
    (source, samples)
}

/// Hangs until it is told to go on, or the test has ended.
struct Gate(Arc<AtomicBool>);

impl Gate {
    fn closed() -> (Self, impl Fn() + Send + Sync) {
        let open = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&open);
        let hang = move || {
            while !seen.load(Ordering::SeqCst) {
                std::thread::park_timeout(MS);
            }
        };
        (Self(open), hang)
    }

    fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

/// A supervised monitor.
struct World {
    devices: Devices,
    _root: Child,
}

fn start(fast: Duration, slow: Duration, sources: Vec<PluginFactory>) -> World {
    let registry = sources.into_iter().fold(Registry::new(), Registry::with);
    let devices = Devices::new(MonitorSettings { enabled: true, fast, slow }, registry);
    let root = Supervisor::new("", vec![devices.child_spec()], Feed::new());
    World { _root: Child::start(root, &ActorRef::new()), devices }
}

impl World {
    /// Waits for a snapshot that satisfies; fails with the last one.
    #[track_caller]
    fn until(
        &self,
        what: &'static str,
        is: impl Fn(&Snapshot) -> bool,
    ) -> impl Future<Output = Arc<Snapshot>> {
        let mut snapshots = self.devices.subscribe();
        let devices = self.devices.clone();
        async move {
            let found = tokio::time::timeout(10_000 * MS, snapshots.wait_for(|one| is(one))).await;
            match found {
                Ok(found) => Arc::clone(&*found.expect("it lives")),
                Err(_) => panic!("{what} never came: {:?}", devices.latest()),
            }
        }
    }
}

fn device<'a>(snapshot: &'a Snapshot, kind: &str) -> &'a Sample {
    snapshot.devices.iter().find(|one| one.plugin == kind).unwrap()
}

/// Never, in a test.
const LONG: Duration = Duration::from_secs(1000);

#[actix_rt::test]
async fn the_pace_is_fast_while_someone_attends_or_the_manager_says_so() {
    let (source, samples) = source("a", LONG, |_| Ok(true));
    let world = start(5 * MS, LONG, vec![source]);
    let first = world.until("the first", |one| one.sequence == 1).await;
    assert!(!first.stale && first.problems.is_empty());
    sleep(60 * MS).await;
    assert_eq!(samples.load(Ordering::SeqCst), 1, "slow: nobody cares");

    let attention = world.devices.attend();
    let second = world.devices.attend();
    world.until("the tenth", |one| one.sequence >= 10).await;
    drop(attention);
    let so_far = world.devices.latest().sequence;
    world.until("more", |one| one.sequence >= so_far + 3).await;
    drop(second);
    assert_eq!(world.devices.pace(), PollRate::Slow);
    sleep(30 * MS).await;
    let settled = samples.load(Ordering::SeqCst);
    sleep(60 * MS).await;
    assert_eq!(samples.load(Ordering::SeqCst), settled);

    world.devices.set_pace(PollRate::Fast);
    let so_far = world.devices.latest().sequence;
    world.until("more", |one| one.sequence >= so_far + 3).await;
    world.devices.set_pace(PollRate::Slow);
    assert_eq!(world.devices.pace(), PollRate::Slow);
}

#[actix_rt::test]
async fn those_who_ask_at_once_share_one_sample() {
    let (gate, hang) = Gate::closed();
    let (source, samples) = source("a", LONG, move |number| {
        if number > 1 {
            hang();
        }
        Ok(true)
    });
    let world = start(LONG, LONG, vec![source]);
    world.until("the first", |one| one.sequence == 1).await;
    let asks: Vec<_> = (0..50)
        .map(|_| {
            let devices = world.devices.clone();
            actix_rt::spawn(async move { devices.sample_now(SampleNow::default()).await })
        })
        .collect();
    sleep(20 * MS).await;
    gate.open();
    for ask in asks {
        let snapshot = ask.await.unwrap();
        assert_eq!((snapshot.sequence, snapshot.stale), (2, false));
        assert_eq!(snapshot.devices[0].memory_used_mib, Some(2));
    }
    assert_eq!(samples.load(Ordering::SeqCst), 2);
    let next = world.devices.sample_now(SampleNow::default()).await;
    assert_eq!(next.devices[0].memory_used_mib, Some(3), "a later one is asked anew");
    let young = world.devices.sample_now(SampleNow { max_age: LONG, ..SampleNow::default() }).await;
    assert_eq!(young.sequence, next.sequence, "unless a young one will do");
    assert_eq!(samples.load(Ordering::SeqCst), 3);
}

#[actix_rt::test]
async fn a_plugin_that_hangs_stops_nobody_else() {
    let (gate, hang) = Gate::closed();
    let (hanging, hung) = source("a", 50 * MS, move |number| {
        if number == 2 {
            hang();
        }
        Ok(true)
    });
    let (other, _) = source("b", LONG, |_| Ok(true));
    let world = start(5 * MS, LONG, vec![hanging, other]);
    world.until("both", |one| one.devices.len() == 2).await;
    let _attention = world.devices.attend();

    let ask = SampleNow { within: 30 * MS, ..SampleNow::default() };
    let begun = Instant::now();
    let stale = world.devices.sample_now(ask).await;
    assert!(stale.stale && stale.devices.len() == 2, "{stale:?}");
    assert!(begun.elapsed() < 5000 * MS);

    let offline = world.until("offline", |one| !device(one, "a").online).await;
    assert!(device(&offline, "b").online && !offline.stale);
    let [problem] = &offline.problems[..] else { panic!("{offline:?}") };
    assert_eq!((&*problem.plugin, &*problem.message), ("a", SILENT));
    assert!(problem.misses >= 3);
    let used = device(&offline, "b").memory_used_mib;
    world.until("b goes on", |one| device(one, "b").memory_used_mib > used).await;
    assert_eq!(hung.load(Ordering::SeqCst), 2, "one thread hangs, no more");

    // Nobody waits for it any more, either.
    let asked = world.devices.sample_now(SampleNow::default()).await;
    assert!(!asked.stale && !device(&asked, "a").online);

    gate.open();
    let back = world.until("back", |one| device(one, "a").online).await;
    assert!(back.problems.is_empty());
}

#[actix_rt::test]
async fn three_misses_and_a_device_is_offline_until_the_next_good_sample() {
    let fails = |number| if (2..=5).contains(&number) { Err("no answer".to_owned()) } else { Ok(true) };
    let (source, samples) = source("a", LONG, fails);
    let world = start(LONG, LONG, vec![source]);
    world.until("the first", |one| one.sequence == 1).await;
    for (number, online, stale) in [(2, true, true), (3, true, true), (4, false, false), (5, false, false)] {
        let snapshot = world.devices.sample_now(SampleNow::default()).await;
        assert_eq!((snapshot.devices[0].online, snapshot.stale), (online, stale), "sample {number}");
        assert_eq!(snapshot.devices[0].memory_used_mib, online.then_some(1));
        assert_eq!((snapshot.problems[0].misses, &*snapshot.problems[0].message), (number - 1, "no answer"));
    }
    let good = world.devices.sample_now(SampleNow::default()).await;
    assert!(good.devices[0].online && good.problems.is_empty() && !good.stale);
    assert_eq!(samples.load(Ordering::SeqCst), 6);
}

#[actix_rt::test]
async fn a_plugin_that_panics_is_made_anew_and_isolated() {
    let made = Arc::new(AtomicU32::new(0));
    let (mut broken, _) = source("a", LONG, |number| match number {
        2 => panic!("it broke"),
        _ => Ok(true),
    });
    let count = Arc::clone(&made);
    let make = broken.make;
    broken.make = Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        make()
    });
    let (other, _) = source("b", LONG, |_| Ok(true));
    let world = start(LONG, LONG, vec![broken, other]);
    world.until("both", |one| one.devices.len() == 2).await;
    let crashed = world.devices.sample_now(SampleNow::default()).await;
    assert_eq!(crashed.problems[0].message, "it crashed: it broke");
    assert_eq!(device(&crashed, "b").memory_used_mib, Some(2));
    let again = world.devices.sample_now(SampleNow::default()).await;
    assert!(again.problems.is_empty());
    assert_eq!(made.load(Ordering::SeqCst), 2);
}

#[derive(Message)]
#[rtype(result = "()")]
struct Crash;

impl Handler<Crash> for DeviceMonitor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("a bug");
    }
}

#[actix_rt::test]
async fn after_a_crash_the_last_snapshot_is_stale_and_the_threads_go_on() {
    let (gate, hang) = Gate::closed();
    let (source, samples) = source("a", 20 * MS, move |number| {
        if number == 2 {
            hang();
        }
        Ok(true)
    });
    let world = start(5 * MS, LONG, vec![source]);
    world.until("the first", |one| one.sequence == 1).await;
    let _attention = world.devices.attend();
    for _ in 0..2 {
        let so_far = world.devices.latest().sequence;
        let monitor = world.devices.live().addr().unwrap();
        tell(&monitor, Crash);
        world.until("stale", |one| one.stale).await;
        assert_eq!(world.devices.latest().devices.len(), 1, "what was known stays known");
        world.until("the next life", |one| one.sequence > so_far).await;
    }
    // The new monitors found the plugin hanging at work for the first.
    world.until("offline", |one| !one.devices[0].online).await;
    assert_eq!(samples.load(Ordering::SeqCst), 2);
    gate.open();
    world.until("back", |one| one.devices[0].online && one.problems.is_empty() && !one.stale).await;
}

#[actix_rt::test]
async fn a_disabled_monitor_asks_nobody() {
    let (source, samples) = source("a", LONG, |_| Ok(true));
    let settings = MonitorSettings { enabled: false, fast: MS, slow: MS };
    let devices = Devices::new(settings, Registry::new().with(source));
    let root = Supervisor::new("", vec![devices.child_spec()], Feed::new());
    let _root = Child::start(root, &ActorRef::new());
    let _attention = devices.attend();
    let snapshot = devices.sample_now(SampleNow::default()).await;
    assert!(snapshot.devices.is_empty() && snapshot.sequence == 0);
    sleep(20 * MS).await;
    assert_eq!((samples.load(Ordering::SeqCst), devices.latest().sequence), (0, 0));
}

#[actix_rt::test]
async fn without_an_actor_the_newest_snapshot_is_stale() {
    let devices = Devices::new(MonitorSettings::default(), Registry::new());
    assert!(devices.sample_now(SampleNow::default()).await.stale);
}

#[actix_rt::test]
async fn a_users_command_does_not_outlive_the_manager() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = format!("sleep 100 & echo $$ $! > {}.new; mv {0}.new {0}; wait", file.display());
    let spec = DevicePluginSpec { name: "npu".to_owned(), command: vec!["sh".into(), "-c".into(), script] };
    for dropped in [false, true] {
        let registry = Registry::new().commands(std::slice::from_ref(&spec), folder.path(), &[]);
        let devices = Devices::new(MonitorSettings::default(), registry);
        let root = Supervisor::new("", vec![devices.child_spec()], Feed::new());
        let root = Child::start(root, &ActorRef::new());
        let begun = Instant::now();
        while !file.exists() {
            assert!(begun.elapsed() < Duration::from_secs(10));
            sleep(5 * MS).await;
        }
        if !dropped {
            devices.stop().await;
        }
        drop(root);
        drop(devices);
        for pid in std::fs::read_to_string(&file).unwrap().split_whitespace() {
            let alive = || {
                let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                !stat.is_empty() && !stat.contains(") Z ") && !stat.contains(") X ")
            };
            while alive() {
                assert!(begun.elapsed() < Duration::from_secs(4), "{pid} lives, dropped: {dropped}");
                sleep(5 * MS).await;
            }
        }
        std::fs::remove_file(&file).unwrap();
    }
}
