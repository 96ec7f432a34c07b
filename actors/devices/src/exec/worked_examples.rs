//! The worked examples in `plugins/`, on trees that look like those of real drivers.

use std::fs;
use std::path::{Path, PathBuf};

use super::tests::write_program;
use super::*;

fn plugin(script: &str, tree: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Result<Sample, String> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut command = vec![format!("./plugins/{script}")];
    command.extend(arguments.iter().map(|&word| word.to_owned()));
    let mut set = vec![("DRM_ROOT".to_owned(), tree.display().to_string())];
    set.extend(env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    let spec = DevicePluginSpec { name: "card".to_owned(), command };
    Exec::new(spec, folder, set, Duration::from_secs(20)).sample().map(|mut samples| samples.remove(0))
}

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }
    root
}

const GIB: &str = "1073741824";

fn amd() -> tempfile::TempDir {
    tree(&[
        ("card0-DP-1/device/mem_info_vram_total", "1"),
        // The one that the processor has.
        ("card0/device/uevent", "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:0b:00.0"),
        ("card0/device/mem_info_vram_total", "536870912"),
        ("card0/device/mem_info_vram_used", "1"),
        ("card0/device/mem_info_gtt_total", GIB),
        ("card0/device/mem_info_gtt_used", "1048576"),
        ("card1/device/uevent", "DRIVER=amdgpu\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:03:00.0"),
        ("card1/device/mem_info_vram_total", "25753026560"),
        ("card1/device/mem_info_vram_used", "12345678901"),
        ("card1/device/gpu_busy_percent", "42"),
        ("card1/device/unique_id", "a1b2c3d4e5f60718"),
        ("card1/device/hwmon/hwmon3/temp1_input", "54000"),
        ("card1/device/hwmon/hwmon3/power1_average", "115000000"),
    ])
}

#[test]
fn amd_cards_are_read_from_sysfs() {
    let tree = amd();
    let card = plugin("amd-sysfs.sh", tree.path(), &["0000:03:00.0"], &[]).unwrap();
    let expected = Sample {
        name: "card".to_owned(),
        plugin: "exec",
        uuid: Some("a1b2c3d4e5f60718".to_owned()),
        pci: Some("0000:03:00.0".to_owned()),
        online: true,
        memory_total_mib: Some(24560),
        memory_used_mib: Some(11774),
        utilization: Some(42.0),
        temperature_c: Some(54.0),
        power_w: Some(115.0),
        ..Sample::default()
    };
    assert_eq!(card, expected);
    let first = plugin("amd-sysfs.sh", tree.path(), &[], &[]).unwrap();
    assert_eq!((first.memory_total_mib, first.memory_used_mib), (Some(512), Some(1)));
    assert_eq!((first.utilization, first.temperature_c), (None, None));
    let shared = plugin("amd-sysfs.sh", tree.path(), &[], &[("COUNT_GTT", "1")]).unwrap();
    assert_eq!((shared.memory_total_mib, shared.memory_used_mib), (Some(1536), Some(2)));
}

#[test]
fn an_amd_card_that_is_gone_is_offline_and_one_that_can_t_be_read_is_an_error() {
    let tree = amd();
    let gone = plugin("amd-sysfs.sh", tree.path(), &["0000:99:00.0"], &[]).unwrap();
    assert!(!gone.online);
    fs::write(tree.path().join("card1/device/mem_info_vram_used"), "").unwrap();
    let error = plugin("amd-sysfs.sh", tree.path(), &["0000:03:00.0"], &[]).unwrap_err();
    assert!(error.contains("exit code 1") && error.contains("mem_info_vram"), "{error}");
    assert!(!plugin("amd-sysfs.sh", Path::new("/nonexistent"), &[], &[]).unwrap().online);
}

#[test]
fn intel_cards_are_read_from_sysfs() {
    let no_smi = ("XPU_SMI", "/nonexistent/xpu-smi");
    let tree = tree(&[
        ("card0/device/uevent", "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:01:00.0"),
        ("card1/device/uevent", "DRIVER=i915\nPCI_SLOT_NAME=0000:03:00.0"),
        ("card1/lmem_total_bytes", "17079205888"),
        ("card1/lmem_avail_bytes", "16005464064"),
        ("card1/device/hwmon/hwmon2/temp1_input", "47500"),
        ("card2/device/uevent", "DRIVER=xe\nPCI_SLOT_NAME=0000:04:00.0"),
    ]);
    let arc = plugin("intel.sh", tree.path(), &[], &[no_smi]).unwrap();
    assert_eq!(arc.pci.as_deref(), Some("0000:03:00.0"));
    assert_eq!((arc.memory_total_mib, arc.memory_used_mib), (Some(16288), Some(1024)));
    assert_eq!((arc.temperature_c, arc.utilization), (Some(47.0), None));
    let declared = plugin("intel.sh", tree.path(), &["0000:04:00.0", "12216"], &[no_smi]).unwrap();
    assert_eq!((declared.memory_total_mib, declared.memory_used_mib), (Some(12216), None));
    let error = plugin("intel.sh", tree.path(), &["0000:04:00.0"], &[no_smi]).unwrap_err();
    assert!(error.contains("second argument"), "{error}");
    assert!(!plugin("intel.sh", tree.path(), &["0000:09:00.0"], &[no_smi]).unwrap().online);
}

#[test]
fn intel_cards_are_read_from_xpu_smi() {
    let tree = tree(&[
        ("card1/device/uevent", "DRIVER=xe\nPCI_SLOT_NAME=0000:03:00.0"),
        (
            "table",
            "Timestamp, DeviceId, GPU Utilization (%), GPU Power (W), GPU Core Temperature (Celsius Degree), GPU Memory Used (MiB)\n06:14:46.000, 0, 12.50, 61.25, 51.00, 3017.30",
        ),
        ("sparse", "Timestamp, DeviceId, ...\n06:14:46.000, 0, 0.00, N/A, N/A, 27.36"),
        ("broken", "Error: device not found"),
    ]);
    let ask = |table: &str| {
        let smi = tree.path().join(format!("smi-{table}"));
        write_program(&smi, &format!("#!/bin/sh\ncat {}\n", tree.path().join(table).display()));
        plugin("intel.sh", tree.path(), &["0000:03:00.0", "16288"], &[("XPU_SMI", smi.to_str().unwrap())])
            .unwrap()
    };
    let full = ask("table");
    assert_eq!((full.memory_total_mib, full.memory_used_mib), (Some(16288), Some(3018)));
    assert_eq!((full.utilization, full.power_w, full.temperature_c), (Some(12.5), Some(61.25), Some(51.0)));
    let sparse = ask("sparse");
    assert_eq!((sparse.memory_used_mib, sparse.utilization), (Some(28), Some(0.0)));
    assert_eq!((sparse.power_w, sparse.temperature_c), (None, None));
    let broken = ask("broken");
    assert_eq!((broken.memory_total_mib, broken.memory_used_mib), (Some(16288), None));
}
