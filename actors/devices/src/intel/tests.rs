use super::*;
use crate::ProcessMemory;
use crate::fake_system::FakeTree;
use std::time::Duration;

fn arc(driver: &str) -> FakeTree {
    let tree = FakeTree::new(&[
        ("sys/class/drm/card0/device/vendor", "0x8086\n"),
        ("sys/class/drm/card0/device/device", "0xe20b\n"),
        ("sys/class/drm/card0/device/hwmon/hwmon5/temp2_input", "48000\n"),
        ("sys/class/drm/card0/device/hwmon/hwmon5/energy1_input", "1000000\n"),
        (
            "usr/share/hwdata/pci.ids",
            "8086  Intel Corporation\n\t56a0  DG2 [Arc A770]\n\te20b  Battlemage G21 [Arc B580]\n8087  Other\n",
        ),
    ]);
    tree.write(
        "sys/class/drm/card0/device/uevent",
        format!("DRIVER={driver}\nPCI_ID=8086:E20B\nPCI_SLOT_NAME=0000:03:00.0\n"),
    );
    tree
}

fn xe(busy: u64, all: u64) -> String {
    format!(
        "drm-driver:\txe\ndrm-client-id:\t3\ndrm-pdev:\t0000:03:00.0\ndrm-total-system:\t0\ndrm-total-gtt:\t192 KiB\n\
         drm-total-vram0:\t4194304 KiB\ndrm-resident-vram0:\t2097152 KiB\ndrm-cycles-ccs:\t{busy}\n\
         drm-total-cycles-ccs:\t{all}\ndrm-engine-capacity-ccs:\t1\n"
    )
}

#[test]
fn a_card_of_xe_tells_its_memory_and_how_busy_it_is() {
    let tree = arc("xe");
    tree.write("sys/class/drm/card0/device/tile0/physical_vram_size_bytes", "12884901888\n");
    tree.open(77, 4, &xe(1000, 10_000));
    let mut plugin = Intel::new(tree.system());
    let first = plugin.sample().unwrap().remove(0);
    assert_eq!((&*first.name, first.plugin, first.unified), ("Intel Arc B580", "intel", false));
    assert_eq!((first.memory_total_mib, first.memory_used_mib), (Some(12288), Some(2048)));
    assert_eq!(first.processes, [ProcessMemory { pid: 77, mib: Some(2048) }]);
    assert_eq!((first.temperature_c, first.power_w, first.utilization), (Some(48.0), None, None));
    assert_eq!((first.visible.as_deref(), first.id()), (Some("0"), "0000:03:00.0"));
    // A quarter of the cycles since; two watt-seconds in one second.
    tree.write("proc/77/fdinfo/4", xe(3500, 20_000));
    tree.write("sys/class/drm/card0/device/hwmon/hwmon5/energy1_input", "3000000\n");
    let meter = plugin.meters.get_mut("0000:03:00.0").unwrap();
    meter.at -= Duration::from_secs(1);
    let second = plugin.sample().unwrap().remove(0);
    assert_eq!(second.utilization, Some(25.0));
    let watts = second.power_w.unwrap();
    assert!(watts > 0.0 && watts <= 2.0, "{watts}");
}

#[test]
fn a_card_whose_energy_is_counted_for_its_package_alone() {
    let tree = arc("xe");
    let hwmon = |file: &str| format!("sys/class/drm/card0/device/hwmon/hwmon5/{file}");
    std::fs::remove_file(tree.path().join(hwmon("energy1_input"))).unwrap();
    tree.write(&hwmon("energy2_input"), "1000000\n");
    let mut plugin = Intel::new(tree.system());
    plugin.sample().unwrap();
    tree.write(&hwmon("energy2_input"), "3000000\n");
    plugin.meters.get_mut("0000:03:00.0").unwrap().at -= Duration::from_secs(1);
    let watts = plugin.sample().unwrap().remove(0).power_w.unwrap();
    assert!(watts > 0.0 && watts <= 2.0, "{watts}");
}

#[test]
fn equal_engines_are_busy_together() {
    let tree = arc("xe");
    let of_four = |busy, all| xe(busy, all).replace("capacity-ccs:\t1", "capacity-ccs:\t4");
    tree.open(77, 4, &of_four(1000, 10_000));
    let mut plugin = Intel::new(tree.system());
    plugin.sample().unwrap();
    // The work of one of four.
    tree.write("proc/77/fdinfo/4", of_four(11_000, 20_000));
    assert_eq!(plugin.sample().unwrap().remove(0).utilization, Some(25.0));
}

#[test]
fn a_card_of_the_plain_i915_has_no_total() {
    let tree = arc("i915");
    tree.open(5, 9, "drm-driver: i915\ndrm-client-id: 1\ndrm-pdev: 0000:03:00.0\ndrm-total-local0: 900 MiB\ndrm-total-system0: 7 MiB\ndrm-engine-render: 5 ns\n");
    let card = Intel::new(tree.system()).sample().unwrap().remove(0);
    assert_eq!((card.memory_total_mib, card.memory_used_mib), (None, Some(900)));
    assert_eq!(card.processes, [ProcessMemory { pid: 5, mib: Some(900) }]);
}

#[test]
fn the_graphics_of_a_processor_use_the_machines_memory() {
    let tree = arc("i915");
    tree.write("sys/class/drm/card0/device/uevent", "DRIVER=i915\nPCI_SLOT_NAME=0000:00:02.0\n");
    tree.write("proc/meminfo", "MemTotal:  33554432 kB\nMemAvailable:  25165824 kB\n");
    tree.open(5, 9, "drm-client-id: 1\ndrm-pdev: 0000:00:02.0\ndrm-resident-system0: 6144 KiB\n");
    let card = Intel::new(tree.system()).sample().unwrap().remove(0);
    assert!(card.unified);
    assert_eq!((card.memory_total_mib, card.memory_used_mib), (Some(32768), Some(8192)));
    assert_eq!(card.processes, [ProcessMemory { pid: 5, mib: Some(6) }]);
}
