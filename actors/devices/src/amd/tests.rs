use super::*;
use crate::fake_system::FakeTree;

const CARD: &str = "sys/class/drm/card1/device";

fn discrete() -> FakeTree {
    FakeTree::new(&[
        ("sys/class/drm/card1-DP-1/status", "connected"),
        (
            "sys/class/drm/card1/device/uevent",
            "DRIVER=amdgpu\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:03:00.0\n",
        ),
        ("sys/class/drm/card1/device/vendor", "0x1002\n"),
        ("sys/class/drm/card1/device/device", "0x744c\n"),
        ("sys/class/drm/card1/device/revision", "0xc8\n"),
        ("sys/class/drm/card1/device/unique_id", "a1b2c3d4e5f60718\n"),
        ("sys/class/drm/card1/device/mem_info_vram_total", "25753026560\n"),
        ("sys/class/drm/card1/device/mem_info_vram_used", "12345678901\n"),
        ("sys/class/drm/card1/device/mem_info_gtt_total", "33554432000\n"),
        ("sys/class/drm/card1/device/mem_info_gtt_used", "1048576\n"),
        ("sys/class/drm/card1/device/gpu_busy_percent", "42\n"),
        ("sys/class/drm/card1/device/hwmon/hwmon3/temp1_input", "54000\n"),
        ("sys/class/drm/card1/device/hwmon/hwmon3/power1_average", "115500000\n"),
        (
            "usr/share/libdrm/amdgpu.ids",
            "# List\n1.0.0\n744C,\tC4,\tAMD Radeon RX 7900\n744C,\tC8,\tAMD Radeon RX 7900 XTX\n",
        ),
    ])
}

#[test]
fn a_card_is_read_with_those_who_use_it() {
    let tree = discrete();
    // The same file twice is one; a file of another card is none of this one's.
    let fdinfo = "pos:\t0\ndrm-driver:\tamdgpu\ndrm-client-id:\t27\ndrm-pdev:\t0000:03:00.0\ndrm-memory-vram:\t9000000 KiB\n\
                  drm-memory-gtt:\t2048 KiB\ndrm-resident-vram:\t8388608 KiB\n";
    tree.open(4242, 5, fdinfo);
    tree.open(4242, 6, fdinfo);
    tree.open(4242, 7, &fdinfo.replace("03:00", "04:00"));
    tree.open(
        7,
        3,
        "drm-driver:\tamdgpu\ndrm-client-id:\t9\ndrm-pdev:\t0000:03:00.0\ndrm-memory-vram:\t1 MiB\n",
    );
    let samples = Amd::new(tree.system()).sample().unwrap();
    let expected = Sample {
        name: "AMD Radeon RX 7900 XTX".to_owned(),
        plugin: "amd",
        uuid: Some("GPU-a1b2c3d4e5f60718".to_owned()),
        pci: Some("0000:03:00.0".to_owned()),
        visible: Some("GPU-a1b2c3d4e5f60718".to_owned()),
        unified: false,
        online: true,
        memory_total_mib: Some(24560),
        memory_used_mib: Some(11774),
        utilization: Some(42.0),
        temperature_c: Some(54.0),
        power_w: Some(115.5),
        processes: vec![ProcessMemory { pid: 7, mib: Some(1) }, ProcessMemory { pid: 4242, mib: Some(8192) }],
        programs: Box::default(),
    };
    assert_eq!(samples, [expected]);
}

#[test]
fn a_card_without_an_id_goes_by_its_place_and_is_counted_as_rocm_does() {
    let tree = discrete();
    tree.remove("usr");
    tree.write(&format!("{CARD}/unique_id"), "0\n");
    tree.write(
        "usr/share/misc/pci.ids",
        "1001  Other\n\t744c  Wrong\n1002  AMD/ATI\n\t744c  Navi 31 [Radeon RX 7900 XT]\n",
    );
    // The processor is node 0; another card comes before ours.
    for (node, gpu, place) in [(0, 0, 0), (1, 4711, 0x0b00), (2, 815, 0x0300)] {
        let nodes = "sys/class/kfd/kfd/topology/nodes";
        tree.write(&format!("{nodes}/{node}/gpu_id"), format!("{gpu}\n"));
        tree.write(
            &format!("{nodes}/{node}/properties"),
            format!("cpu_cores_count 0\nlocation_id {place}\ndomain 0\n"),
        );
    }
    let samples = Amd::new(tree.system()).sample().unwrap();
    assert_eq!((&*samples[0].name, samples[0].id()), ("AMD Radeon RX 7900 XT", "0000:03:00.0"));
    assert_eq!(samples[0].visible.as_deref(), Some("1"));
}

#[test]
fn an_apu_has_what_it_may_borrow_and_no_more_than_the_machine_has_left() {
    let tree = discrete();
    let gib = |number: u64| format!("{}\n", number << 30);
    for (file, text) in [
        ("mem_info_vram_total", gib(1)),
        ("mem_info_vram_used", "0".to_owned()),
        ("mem_info_gtt_total", gib(96)),
        ("mem_info_gtt_used", gib(6)),
    ] {
        tree.write(&format!("{CARD}/{file}"), text);
    }
    // Length 264, format 3.0: Strix Halo.
    tree.write(&format!("{CARD}/gpu_metrics"), [8, 1, 3, 0, 0, 0]);
    tree.open(
        1,
        3,
        "drm-client-id: 1\ndrm-pdev: 0000:03:00.0\ndrm-memory-vram: 1 MiB\ndrm-memory-gtt: 6 GiB\n",
    );
    let look = |tree: &FakeTree| Amd::new(tree.system()).sample().unwrap().remove(0);
    let card = look(&tree);
    assert!(card.unified);
    assert_eq!((card.memory_total_mib, card.memory_used_mib), (Some(97 * 1024), Some(6 * 1024)));
    assert_eq!(card.processes, [ProcessMemory { pid: 1, mib: Some(6 * 1024 + 1) }]);
    tree.write("proc/meminfo", "MemTotal:       134217728 kB\nMemFree:  1 kB\nMemAvailable:   20971520 kB\n");
    // 1 GiB of its own is free, and 20 of the machine's.
    assert_eq!(look(&tree).memory_used_mib, Some(76 * 1024));
    // A card of its own has format 1, whatever it could borrow.
    tree.write(&format!("{CARD}/gpu_metrics"), [8, 1, 1, 3]);
    let card = look(&tree);
    assert_eq!((card.unified, card.memory_total_mib), (false, Some(1024)));
}

#[test]
fn a_card_that_falls_off_the_bus_is_offline_and_one_that_sleeps_is_not_woken() {
    let tree = discrete();
    let mut plugin = Amd::new(tree.system());
    assert!(plugin.sample().unwrap()[0].online);
    tree.write(&format!("{CARD}/power/runtime_status"), "suspended\n");
    let asleep = plugin.sample().unwrap().remove(0);
    assert_eq!((asleep.online, asleep.utilization, asleep.temperature_c), (true, Some(0.0), None));
    tree.remove("sys/class/drm/card1");
    let gone = plugin.sample().unwrap();
    assert_eq!((gone.len(), gone[0].online, gone[0].memory_total_mib), (1, false, Some(24560)));
    assert_eq!(gone[0].memory_used_mib, None);
}

#[test]
fn files_that_make_no_sense_are_no_card() {
    let tree = discrete();
    tree.write(&format!("{CARD}/mem_info_vram_total"), "many\n");
    assert!(Amd::new(tree.system()).sample().unwrap().is_empty());
    assert!(Amd::new(SysRoot::at(std::path::Path::new("/nonexistent"))).sample().unwrap().is_empty());
}
