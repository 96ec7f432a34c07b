//! What looking at the devices costs: two cards of a fake NVML, the CPU, and one `exec` plugin.
//!
//!     cargo run --release -p llm-manager-actors --example monitor_cost [SECONDS]
//!
//! Prints the share of one core at one look a second, for each plugin and for all. The fake library reads a
//! file at each call, so its part is the wrapper's cost and an upper bound of nothing: a real driver's calls
//! take what they take. The processor time of the `exec` plugin's own processes is shown separately.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a measurement that somebody reads")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use actix::Actor;
use llm_manager_actors::device_monitor::{Devices, MonitorSettings, PollRate};
use llm_manager_actors::feeds::Feed;
use llm_manager_actors::supervisor::Supervisor;
use llm_manager_devices::Registry;
use llm_manager_policy::spec::DevicePluginSpec;

/// So many looks a second are taken, and counted as if there was one.
const HURRY: u32 = 20;
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/support/fake_nvml.c");
const CARDS: &str = "\
NVIDIA GeForce RTX 4060|GPU-11111111-2222-3333-4444-555555555555|8188|1536|37|21|54|61250|115000|4242:1400|
Tesla V100-SXM2-16GB|GPU-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee|16384|12000|92|64|71|241000|300000|77:6000,78:5900|
";

fn main() {
    let seconds = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(5);
    let folder = std::env::temp_dir().join(format!("monitor-cost-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let spec = DevicePluginSpec {
        name: "npu 0".to_owned(),
        command: vec![
            "sh".to_owned(),
            "-c".to_owned(),
            "echo '{\"online\":true,\"memory_total_mb\":16000,\"memory_used_mb\":1200,\"utilization\":12}'"
                .to_owned(),
        ],
    };
    let nvml = fake_nvml(&folder);
    let exec = |registry: Registry| registry.commands(std::slice::from_ref(&spec), &folder, &[]);
    let cases: Vec<(&str, Registry)> = [
        nvml.clone().map(|path| ("nvidia, 2 cards", Registry::new().nvidia(Some(path)))),
        Some(("cpu", Registry::new().cpu())),
        nvml.map(|path| ("nvidia + cpu", Registry::new().nvidia(Some(path)).cpu())),
        Some(("exec", exec(Registry::new()))),
    ]
    .into_iter()
    .flatten()
    .collect();
    println!("% of one core at one look a second ({HURRY} a second for {seconds} s were taken)");
    println!("{:<18} {:>8} {:>10} {:>10} {:>8}", "plugins", "looks", "manager", "children", "devices");
    for (name, registry) in cases {
        measure(name, registry, seconds);
    }
    // It may be gone, or in use: the system clears it.
    let _ = std::fs::remove_dir_all(&folder);
}

fn measure(name: &str, registry: Registry, seconds: u64) {
    actix_rt::System::new().block_on(async {
        let settings = MonitorSettings { fast: Duration::from_secs(1) / HURRY, ..MonitorSettings::default() };
        let devices = Devices::new(settings, registry);
        devices.set_pace(PollRate::Fast);
        let _root = Supervisor::new("", vec![devices.child_spec()], Feed::new()).start();
        actix_rt::time::sleep(Duration::from_millis(500)).await;
        let (cpu, children, looks) = (own_cpu(), children_cpu(), devices.latest().sequence);
        let begun = Instant::now();
        actix_rt::time::sleep(Duration::from_secs(seconds)).await;
        let snapshot = devices.latest();
        let looks = snapshot.sequence - looks;
        let share =
            |spent: Duration| 100.0 * spent.as_secs_f64() / begun.elapsed().as_secs_f64() / f64::from(HURRY);
        println!(
            "{name:<18} {looks:>8} {:>9.4}% {:>9.4}% {:>8}",
            share(own_cpu() - cpu),
            share(children_cpu() - children),
            snapshot.devices.iter().filter(|device| device.online).count()
        );
    });
}

/// Of all threads, to the nanosecond.
fn own_cpu() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").expect("/proc");
    let times = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum())
}

/// Of the children that have ended, in ticks of 10 ms.
fn children_cpu() -> Duration {
    let stat = procfs::process::Process::myself().and_then(|process| process.stat()).expect("/proc");
    let ticks = u64::try_from(stat.cutime + stat.cstime).unwrap_or(0);
    Duration::from_millis(ticks * 1000 / procfs::ticks_per_second())
}

fn fake_nvml(folder: &Path) -> Option<PathBuf> {
    let library = folder.join("libnvidia-ml.so.1");
    let gpus = folder.join("gpus");
    std::fs::write(&gpus, CARDS).expect("a file");
    let mut compile = std::process::Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O2", "-fvisibility=hidden", "-o"]).arg(&library);
    compile.arg(format!("-DFAKE_NVML_FILE=\"{}\"", gpus.display())).arg(SOURCE);
    let built = compile.status().is_ok_and(|status| status.success());
    if !built {
        println!("without NVIDIA: there is no C compiler to build the fake library with");
    }
    built.then_some(library)
}
