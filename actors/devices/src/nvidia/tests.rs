//! The whole path through nvml-wrapper, against a fake library that is built here.

use super::super::ProcessMemory;
use super::*;
use crate::fake::{FakeCard, FakeNvml};

const A: &str = "GPU-11111111-2222-3333-4444-555555555555";
const B: &str = "GPU-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

fn rtx() -> FakeCard {
    FakeCard::new("NVIDIA GeForce RTX 4060", A, 8188, 1536).process(4242, 1400)
}

fn v100() -> FakeCard {
    FakeCard::new("Tesla V100-SXM2-16GB", B, 16384, 12000)
}

/// A plugin that tries again at once, on a bus that can't be read.
fn plugin(fake: &FakeNvml) -> Nvidia {
    let mut plugin = Nvidia::new(Some(fake.library()));
    plugin.bus = fake.folder().join("bus");
    plugin.first_pause = Duration::ZERO;
    plugin.pause = Duration::ZERO;
    plugin
}

fn online(samples: &[Sample]) -> Vec<(&str, bool)> {
    samples.iter().map(|sample| (&*sample.name, sample.online)).collect()
}

#[test]
fn two_cards_with_all_that_is_known_of_them() {
    let Some(fake) = FakeNvml::build() else { return };
    fake.write(&[rtx().graphics(4242, 1400).graphics(7, 30), v100()], "");
    let samples = plugin(&fake).sample().unwrap();
    let [first, second] = &samples[..] else { panic!("{samples:?}") };
    let expected = Sample {
        name: "NVIDIA GeForce RTX 4060".to_owned(),
        plugin: "nvidia",
        uuid: Some(A.to_owned()),
        pci: Some("00000000:11:00.0".to_owned()),
        online: true,
        memory_total_mib: Some(8188),
        memory_used_mib: Some(1536),
        utilization: Some(37.0),
        temperature_c: Some(54.0),
        power_w: Some(61.25),
        processes: vec![
            ProcessMemory { pid: 4242, mib: Some(1400) },
            ProcessMemory { pid: 7, mib: Some(30) },
        ],
        ..Sample::default()
    };
    assert_eq!(first, &expected);
    assert_eq!((&*second.name, second.memory_used_mib), ("Tesla V100-SXM2-16GB", Some(12000)));
    assert!(second.processes.is_empty());
}

#[test]
fn a_strangers_memory_is_seen_at_the_next_look() {
    let Some(fake) = FakeNvml::build() else { return };
    fake.write(&[rtx()], "");
    let mut plugin = plugin(&fake);
    plugin.sample().unwrap();
    fake.write(&[FakeCard::new("NVIDIA GeForce RTX 4060", A, 8188, 8000).process(1, 6400)], "");
    assert_eq!(plugin.sample().unwrap()[0].memory_used_mib, Some(8000));
}

#[test]
fn a_card_that_is_unplugged_is_gone_at_once_and_comes_back() {
    let Some(fake) = FakeNvml::build() else { return };
    fake.write(&[rtx(), v100()], "");
    let mut plugin = plugin(&fake);
    assert_eq!(plugin.sample().unwrap().len(), 2);
    fake.write(&[v100()], "");
    for _ in 0..3 {
        // Lost first, then, after NVML was initialised again, not listed any more.
        let samples = plugin.sample().unwrap();
        assert_eq!(online(&samples), [("NVIDIA GeForce RTX 4060", false), ("Tesla V100-SXM2-16GB", true)]);
        assert_eq!((samples[0].memory_total_mib, samples[0].memory_used_mib), (Some(8188), None));
        assert!(samples[0].processes.is_empty());
        assert_eq!(samples[1].memory_used_mib, Some(12000));
    }
    fake.write(&[rtx(), v100()], "");
    let back = plugin.sample().unwrap();
    assert_eq!(online(&back), [("NVIDIA GeForce RTX 4060", true), ("Tesla V100-SXM2-16GB", true)]);
    assert!(plugin.roster.complete() && plugin.retry_at.is_none());
}

#[test]
fn a_card_that_is_added_is_found_when_the_bus_shows_it() {
    let Some(fake) = FakeNvml::build() else { return };
    let bus = fake.folder().join("bus");
    std::fs::create_dir(&bus).unwrap();
    std::fs::write(bus.join("0000:aa:00.0"), "").unwrap();
    fake.write(&[v100()], "");
    let mut plugin = plugin(&fake);
    assert_eq!(plugin.sample().unwrap().len(), 1);
    fake.write(&[v100(), rtx()], "");
    assert_eq!(plugin.sample().unwrap().len(), 1, "NVML counts at its initialisation");
    std::fs::write(bus.join("0000:11:00.0"), "").unwrap();
    let samples = plugin.sample().unwrap();
    // In the order of the bus, whenever they came.
    assert_eq!(online(&samples), [("NVIDIA GeForce RTX 4060", true), ("Tesla V100-SXM2-16GB", true)]);
}

#[test]
fn a_lost_card_answers_nothing_and_recovers() {
    let Some(fake) = FakeNvml::build() else { return };
    fake.write(&[rtx(), v100()], "");
    let mut plugin = plugin(&fake);
    plugin.sample().unwrap();
    for call in
        ["nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetUtilizationRates"]
    {
        for code in [15, 16] {
            fake.write(&[rtx(), v100()], &format!("!fail {call} {code} {A}\n"));
            let samples = plugin.sample().unwrap();
            let expected = [("NVIDIA GeForce RTX 4060", false), ("Tesla V100-SXM2-16GB", true)];
            assert_eq!(online(&samples), expected, "{call} {code}");
            fake.write(&[rtx(), v100()], "");
            assert!(plugin.sample().unwrap()[0].online, "{call} {code}");
        }
    }
}

#[test]
fn no_call_that_fails_hides_a_card() {
    let Some(fake) = FakeNvml::build() else { return };
    // NotSupported, NoPermission, Timeout, Unknown, and a code of the future.
    for code in [3, 4, 10, 999, 4711] {
        for call in [
            "nvmlDeviceGetName",
            "nvmlDeviceGetUUID",
            "nvmlDeviceGetPciInfo_v3",
            "nvmlDeviceGetMemoryInfo_v2",
            "nvmlDeviceGetUtilizationRates",
            "nvmlDeviceGetTemperature",
            "nvmlDeviceGetPowerUsage",
            "nvmlDeviceGetComputeRunningProcesses_v3",
            "nvmlDeviceGetGraphicsRunningProcesses_v3",
            "nvmlDeviceGetMigMode",
            "nvmlSystemGetDriverVersion",
        ] {
            fake.write(&[rtx(), v100()], &format!("!fail {call} {code}\n"));
            let from_the_start = plugin(&fake).sample().unwrap();
            assert_eq!(from_the_start.len(), 2, "{call} {code}");
            assert!(from_the_start.iter().all(|sample| sample.online && !sample.name.is_empty()));

            fake.write(&[rtx(), v100()], "");
            let mut plugin = plugin(&fake);
            let good = plugin.sample().unwrap();
            fake.write(&[rtx(), v100()], &format!("!fail {call} {code}\n"));
            plugin.session = None;
            let later = plugin.sample().unwrap();
            assert_eq!(online(&later), online(&good), "{call} {code}: what it is stays known");
            assert_eq!(later[0].uuid, good[0].uuid);
            let lost = |field: bool, of: &str| assert!(!field || call.contains(of), "{call} {code}: {of}");
            lost(later[0].utilization.is_none(), "Utilization");
            lost(later[0].temperature_c.is_none(), "Temperature");
            lost(later[0].power_w.is_none(), "Power");
            lost(later[0].processes.is_empty(), "Processes");
            assert_eq!(later[0].memory_used_mib, Some(1536), "the older call has it");
        }
    }
}

#[test]
fn memory_that_no_call_tells_is_unknown() {
    let Some(fake) = FakeNvml::build() else { return };
    fake.write(&[rtx()], "!fail nvmlDeviceGetMemoryInfo_v2 3\n!fail nvmlDeviceGetMemoryInfo 3\n");
    let samples = plugin(&fake).sample().unwrap();
    assert!(samples[0].online);
    assert_eq!((samples[0].memory_total_mib, samples[0].memory_used_mib), (None, None));
}

#[test]
fn a_card_of_which_nothing_can_be_read_is_offline() {
    let Some(fake) = FakeNvml::build() else { return };
    fake.write(&[rtx(), v100()], "");
    let mut plugin = plugin(&fake);
    plugin.sample().unwrap();
    let calls = ["UUID", "Name", "PciInfo_v3", "MemoryInfo_v2", "MemoryInfo"];
    let fail: String = calls.map(|call| format!("!fail nvmlDeviceGet{call} 999 {A}\n")).concat();
    fake.write(&[rtx(), v100()], &fail);
    plugin.session = None;
    let samples = plugin.sample().unwrap();
    assert_eq!(online(&samples), [("NVIDIA GeForce RTX 4060", false), ("Tesla V100-SXM2-16GB", true)]);
}

#[test]
fn an_old_driver_has_memory_and_processes_too() {
    let Some(fake) = FakeNvml::build_with(&["-DOLD_DRIVER"]) else { return };
    fake.write(&[rtx()], "");
    let samples = plugin(&fake).sample().unwrap();
    assert_eq!((samples[0].memory_total_mib, samples[0].memory_used_mib), (Some(8188), Some(1536)));
    assert_eq!(samples[0].processes, [ProcessMemory { pid: 4242, mib: Some(1400) }]);
}

#[test]
fn memory_of_a_process_may_be_unknown() {
    let Some(fake) = FakeNvml::build() else { return };
    fake.write_raw(&format!("NVIDIA GeForce RTX 4060|{A}|8188|100|0|0|40|9000|1|77\n"));
    assert_eq!(plugin(&fake).sample().unwrap()[0].processes, [ProcessMemory { pid: 77, mib: None }]);
}

#[test]
fn slices_stand_for_their_card() {
    let Some(fake) = FakeNvml::build() else { return };
    let card = "NVIDIA A100-SXM4-40GB";
    let slice = |uuid: &str, used: u32| format!("mig|{A}|{card} MIG 3g.20gb|{uuid}|20096|{used}|5:{used}\n");
    let whole = format!("{card}|{A}|40960|500|0|0|40|60000|1|\n");
    fake.write_raw(&format!("{whole}{}{}", slice("MIG-1", 100), slice("MIG-2", 200)));
    let mut plugin = plugin(&fake);
    let samples = plugin.sample().unwrap();
    let seen: Vec<_> = samples.iter().map(|one| (one.uuid.as_deref(), one.memory_used_mib)).collect();
    assert_eq!(seen, [(Some("MIG-1"), Some(100)), (Some("MIG-2"), Some(200))]);
    assert!(samples.iter().all(|one| one.online && one.name == format!("{card} MIG 3g.20gb")));
    assert!(samples.iter().all(|one| one.pci.as_deref() == Some("00000000:11:00.0")));
    assert_eq!((samples[0].temperature_c, samples[0].utilization), (Some(40.0), None));
    // An operator removes one: it is not an offline device for ever.
    fake.write_raw(&format!("{whole}{}", slice("MIG-2", 200)));
    assert_eq!(plugin.sample().unwrap().len(), 1);
    // And leaves the mode.
    fake.write_raw(&whole);
    assert_eq!(online(&plugin.sample().unwrap()), [(card, true)]);
}

#[test]
fn no_library_is_no_card() {
    let mut plugin = Nvidia::new(Some(PathBuf::from("/nonexistent/libnvidia-ml.so.1")));
    assert_eq!(plugin.sample(), Ok(Vec::new()));
    assert_eq!(plugin.sample(), Ok(Vec::new()));
    assert!(plugin.told_absent);
}

#[test]
fn no_driver_is_no_card_until_it_is_loaded() {
    let Some(fake) = FakeNvml::build() else { return };
    fake.write(&[rtx()], "!init 9\n");
    let mut plugin = plugin(&fake);
    assert_eq!(plugin.sample(), Ok(Vec::new()));
    fake.write(&[rtx()], "");
    assert_eq!(online(&plugin.sample().unwrap()), [("NVIDIA GeForce RTX 4060", true)]);
    // Unloaded: all its cards are gone, and that is known, not missed.
    fake.write(&[rtx()], "!init 9\n!fail nvmlDeviceGetCount_v2 1\n");
    assert!(plugin.sample().is_err(), "the session has ended");
    assert_eq!(online(&plugin.sample().unwrap()), [("NVIDIA GeForce RTX 4060", false)]);
}

#[test]
fn an_initialisation_that_fails_is_a_miss_with_advice_and_is_tried_again() {
    let Some(fake) = FakeNvml::build() else { return };
    for (code, hint) in [(999, "reset"), (18, "restart the machine"), (4, "/dev/nvidia")] {
        fake.write(&[rtx()], &format!("!init {code}\n"));
        let mut plugin = plugin(&fake);
        let error = plugin.sample().unwrap_err();
        assert!(error.contains(hint), "{error}");
        fake.write(&[rtx()], "");
        assert_eq!(plugin.sample().unwrap().len(), 1);
    }
}

#[test]
fn attempts_have_growing_pauses() {
    let Some(fake) = FakeNvml::build() else { return };
    fake.write(&[rtx()], "!init 999\n");
    let mut plugin = plugin(&fake);
    plugin.pause = FIRST_PAUSE;
    plugin.sample().unwrap_err();
    fake.write(&[rtx()], "");
    plugin.sample().unwrap_err();
    assert_eq!(plugin.pause, FIRST_PAUSE * 2);
    for _ in 0..20 {
        plugin.retry_later();
    }
    assert_eq!(plugin.pause, LONGEST_PAUSE);
}

#[test]
fn a_session_that_ends_is_a_miss_and_begins_anew() {
    let Some(fake) = FakeNvml::build() else { return };
    fake.write(&[rtx(), v100()], "");
    let mut plugin = plugin(&fake);
    plugin.sample().unwrap();
    for fail in ["nvmlDeviceGetCount_v2 999", "nvmlDeviceGetCount_v2 1", "nvmlDeviceGetUUID 1"] {
        fake.write(&[rtx(), v100()], &format!("!fail {fail}\n"));
        plugin.session = None;
        plugin.sample().unwrap_err();
        fake.write(&[rtx(), v100()], "");
        assert!(plugin.sample().unwrap().iter().all(|one| one.online), "{fail}");
    }
}

#[test]
fn twins_keep_their_numbers_when_one_goes() {
    let Some(fake) = FakeNvml::build() else { return };
    let twin = |uuid| FakeCard::new("NVIDIA GeForce RTX 3090", uuid, 24576, 300);
    fake.write(&[twin(A), twin(B)], "");
    let mut plugin = plugin(&fake);
    plugin.sample().unwrap();
    fake.write(&[twin(B)], "");
    plugin.sample().unwrap();
    let samples = plugin.sample().unwrap();
    let seen: Vec<_> = samples.iter().map(|one| (one.uuid.as_deref(), one.online)).collect();
    assert_eq!(seen, [(Some(A), false), (Some(B), true)]);
}
