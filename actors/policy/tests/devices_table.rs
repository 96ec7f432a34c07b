//! Which devices an entry of `required_devices` means.

#![expect(clippy::unwrap_used, reason = "a test may")]

use llm_manager_policy::devices::{BadRequirement, Device, DeviceProcess, DeviceSnapshot, Requirement};

fn card(id: &str, name: &str, pci: &str) -> Device {
    Device { uuid: Some(id.to_owned()), pci: Some(pci.to_owned()), ..Device::new(id, name, "nvidia") }
}

/// Listed in an order that is not the bus's.
fn house() -> DeviceSnapshot {
    let devices = vec![
        card("GPU-bbbb", "NVIDIA GeForce RTX 3090", "00000000:41:00.0"),
        card("GPU-aaaa", "NVIDIA GeForce RTX 3090", "00000000:0A:00.0"),
        card("GPU-cccc", "NVIDIA GeForce RTX 4060 Laptop GPU", "00000000:01:00.0"),
        card("GPU-dddd", "NVIDIA GeForce RTX 4060 Ti", "00000000:02:00.0"),
        Device { online: false, ..card("GPU-eeee", "Tesla V100-SXM2-32GB", "00000000:81:00.0") },
        Device::new("cpu", "AMD Ryzen 9 7950X", "cpu"),
        Device::new("npu 1", "npu 1", "exec"),
        Device::new("npu 10", "npu 10", "exec"),
    ];
    DeviceSnapshot { devices, ..DeviceSnapshot::default() }
}

fn matches(text: &str) -> Vec<String> {
    let house = house();
    let found = Requirement::parse(text).unwrap().matches(&house);
    found.into_iter().map(|at| house.devices[at].id.to_string()).collect()
}

#[test]
fn a_requirement_means_these_devices() {
    let table: [(&str, &[&str]); 24] = [
        ("rtx 4060", &["GPU-cccc", "GPU-dddd"]),
        ("4060 RTX", &["GPU-cccc", "GPU-dddd"]),
        ("rtx 4060 ti", &["GPU-dddd"]),
        ("RTX 3090", &["GPU-bbbb", "GPU-aaaa"]),
        ("rtx 3090 #1", &["GPU-aaaa"]),
        ("rtx 3090#2", &["GPU-bbbb"]),
        ("rtx 3090 #3", &[]),
        ("2x rtx 3090", &["GPU-bbbb", "GPU-aaaa"]),
        ("2X rtx 3090", &["GPU-bbbb", "GPU-aaaa"]),
        ("  2×  RTX 3090  ", &["GPU-bbbb", "GPU-aaaa"]),
        ("gpu-BBBB", &["GPU-bbbb"]),
        ("0000:0a:00.0", &["GPU-aaaa"]),
        ("0A:00.0", &["GPU-aaaa"]),
        ("00000000:41:00.0", &["GPU-bbbb"]),
        ("0001:41:00.0", &[]),
        ("v100", &["GPU-eeee"]),
        ("cpu", &["cpu"]),
        ("CPU", &["cpu"]),
        ("npu 1", &["npu 1"]),
        ("npu", &["npu 1", "npu 10"]),
        ("npu #2", &["npu 10"]),
        ("a100", &[]),
        ("rtx v100", &[]),
        ("3x", &[]),
    ];
    for (text, expected) in table {
        assert_eq!(matches(text), expected, "{text:?}");
    }
}

#[test]
fn counts_and_mistakes_are_read() {
    let count = |text| Requirement::parse(text).map(|requirement| requirement.count());
    assert_eq!(count("rtx"), Ok(1));
    assert_eq!(count("4x rtx"), Ok(4));
    assert_eq!(count("rtx 2x"), Ok(1), "only in front is it a count");
    assert_eq!(count(""), Err(BadRequirement::Empty));
    assert_eq!(count("  "), Err(BadRequirement::Empty));
    assert_eq!(count("0x rtx"), Err(BadRequirement::Zero));
    assert_eq!(count("rtx #0"), Err(BadRequirement::Zero));
    assert_eq!(count("2x rtx #1"), Err(BadRequirement::CountOfNumbered));
    assert_eq!(count("#1"), Ok(1), "a word like any other");
    assert_eq!(count("99999999999999999999x rtx"), Ok(1), "a word like any other");
}

#[test]
fn what_is_missing_is_told_with_what_may_be_meant() {
    let told = |text| Requirement::parse(text).unwrap().missing(&house()).to_string();
    assert_eq!(told("a100"), "a100: no device online matches");
    assert_eq!(told("v100"), "v100: no device online matches; offline: Tesla V100-SXM2-32GB");
    assert_eq!(
        told("rtx 4090 laptop"),
        "rtx 4090 laptop: no device online matches; similar: NVIDIA GeForce RTX 3090, NVIDIA GeForce RTX 3090, \
         NVIDIA GeForce RTX 4060 Laptop GPU, NVIDIA GeForce RTX 4060 Ti"
    );
    assert!(told("3x rtx 3090").starts_with("3x rtx 3090: 3 wanted, 2 online"));
}

#[test]
fn equal_cards_are_numbered_by_the_bus_also_while_one_is_offline() {
    let mut house = house();
    let numbers = |house: &DeviceSnapshot| -> Vec<_> {
        house.devices.iter().map(|device| house.number_among_equals(device)).collect()
    };
    assert_eq!(numbers(&house)[..3], [Some(2), Some(1), None]);
    house.devices[1].online = false;
    assert_eq!(numbers(&house)[..3], [Some(2), Some(1), None]);
    let first = Requirement::parse("rtx 3090 #1").unwrap();
    assert_eq!(first.matches(&house), [1]);
    assert_eq!(first.missing(&house).online, 0);
}

#[test]
fn ours_is_known_only_if_the_device_tells_of_it() {
    let process = |pid, mib| DeviceProcess { pid, mib };
    let with = |processes| Device { processes, ..Device::new("0", "gpu", "fake") }.used_by(|pid| pid < 10);
    assert_eq!(with(None), None);
    assert_eq!(with(Some(vec![])), None);
    assert_eq!(with(Some(vec![process(99, Some(5))])), None);
    assert_eq!(with(Some(vec![process(1, Some(5)), process(2, Some(6)), process(99, Some(7))])), Some(11));
    assert_eq!(with(Some(vec![process(1, Some(5)), process(2, None)])), None);
}

#[test]
fn a_pause_is_of_the_device_that_it_names() {
    let mut house = house();
    let until = std::time::Duration::from_secs(60);
    house.share(&[], &[("npu 1".into(), until)]);
    let paused = house.devices.iter().filter(|device| device.shared.paused_until == Some(until));
    assert_eq!(paused.map(|device| &*device.id).collect::<Vec<_>>(), ["npu 1"]);
}

#[test]
fn what_is_missing_is_told_by_what_is_online() {
    let told = |online| {
        let (offline, near) = (Vec::new(), Vec::new());
        llm_manager_policy::devices::Missing { requirement: "gpu".into(), wanted: 2, online, offline, near }
            .to_string()
    };
    assert_eq!(told(0), "gpu: no device online matches");
    assert_eq!(told(1), "gpu: 2 wanted, 1 online");
    assert_eq!(told(2), "gpu: all matching devices are taken by the other requirements");
}
