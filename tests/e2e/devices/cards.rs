//! AMD's and Intel's cards, from a tree of files as the kernel shows them.

use std::path::PathBuf;

use serde_json::json;

use crate::support::{Manager, Model, PATIENCE, Variant, wait_until};

use super::world::{device, holders, monitored, placement};

const CARD: &str = "sys/class/drm/card0/device";

/// A Radeon of 24 GiB and an Arc of 12.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::Builder::new().prefix("cards-").tempdir().unwrap());
        tree.write(
            &format!("{CARD}/uevent"),
            "DRIVER=amdgpu\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:03:00.0\n",
        );
        tree.write(&format!("{CARD}/product_name"), "Radeon Pro W7900\n");
        tree.write(&format!("{CARD}/unique_id"), "a1b2c3d4e5f60718\n");
        tree.write(&format!("{CARD}/mem_info_vram_total"), &format!("{}\n", 24_u64 << 30));
        tree.write(&format!("{CARD}/hwmon/hwmon1/power1_average"), "170000000\n");
        tree.used(0);
        let intel = "sys/class/drm/card1/device";
        tree.write(&format!("{intel}/uevent"), "DRIVER=xe\nPCI_ID=8086:E20B\nPCI_SLOT_NAME=0000:04:00.0\n");
        tree.write(&format!("{intel}/tile0/physical_vram_size_bytes"), &format!("{}\n", 12_u64 << 30));
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let path: PathBuf = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path.with_extension("new"), text).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    }

    fn used(&self, mib: u64) {
        self.write(&format!("{CARD}/mem_info_vram_used"), &format!("{}\n", mib << 20));
    }

    /// A process has the Radeon open, and so much of its memory.
    fn uses(&self, pid: i32, mib: u64) {
        let info = format!(
            "drm-driver:\tamdgpu\ndrm-client-id:\t1\ndrm-pdev:\t0000:03:00.0\ndrm-memory-vram:\t{mib} MiB\n"
        );
        self.write(&format!("proc/{pid}/fdinfo/9"), &info);
        let link = self.0.path().join(format!("proc/{pid}/fd/9"));
        if !link.is_symlink() {
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink("/dev/dri/renderD128", link).unwrap();
        }
    }
}

fn environment(manager: &Manager, model: &str, name: &str) -> Option<String> {
    let (pid, _) = manager.starts(model)[0];
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let mut pairs = environ.split(|byte| *byte == 0).map(|pair| String::from_utf8_lossy(pair).into_owned());
    pairs.find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(str::to_owned))
}

#[test]
fn cards_of_amd_and_intel_are_placed_measured_and_named_to_backends() {
    let tree = Tree::new();
    let auto = Model::chat("auto").variant(Variant::new("only").on_any("radeon").line("memory_mb: auto"));
    let by_hand = Variant::new("only").on("radeon", 100).line("env: {HIP_VISIBLE_DEVICES: \"0\"}");
    let config = monitored()
        .model(auto)
        .model(Model::chat("by-hand").variant(by_hand))
        .model(Model::chat("on-intel").variant(Variant::new("only").on("intel", 4000)))
        .model(Model::chat("large").variant(Variant::new("only").on("radeon", 20_000)));
    let root = tree.0.path().display().to_string();
    let manager = Manager::start_with(&config, &[("LLM_MANAGER_SYSTEM_ROOT", &root)]);
    let name = "AMD Radeon Pro W7900";
    manager.chat("auto").send().ok();
    let card = device(&manager, name);
    assert_eq!(
        [&card["plugin"], &card["memory_total_mb"], &card["power_w"], &card["pci"]],
        [&json!("amd"), &json!(24576), &json!(170.0), &json!("0000:03:00.0")]
    );
    let set = |variable| environment(&manager, "auto", variable);
    assert_eq!(set("ROCR_VISIBLE_DEVICES").as_deref(), Some("GPU-a1b2c3d4e5f60718"));
    assert_eq!(set("HIP_VISIBLE_DEVICES").as_deref(), Some("0"));
    assert_eq!(set("ZE_AFFINITY_MASK"), None);
    manager.chat("by-hand").send().ok();
    assert_eq!(environment(&manager, "by-hand", "ROCR_VISIBLE_DEVICES"), None);
    manager.chat("on-intel").send().ok();
    assert_eq!(environment(&manager, "on-intel", "ZE_AFFINITY_MASK").as_deref(), Some("0"));
    assert_eq!(device(&manager, "Intel GPU e20b")["memory_reserved_mb"], 4000);
    // `auto` is measured by what the driver says of the process, and then it is in the way of the large one.
    let (pid, _) = manager.starts("auto")[0];
    tree.uses(pid, 9000);
    tree.used(9000);
    wait_until("its use is measured", PATIENCE, || {
        placement(&manager, "auto")["variants"][0]["measured_mb"]["radeon"] == 9000
    });
    wait_until("it is shown with its use", PATIENCE, || {
        device(&manager, name)["holders"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["used_mb"] == 9000))
    });
    assert!(holders(&manager, name).iter().any(|(model, _)| model == "auto"));
    wait_until("another has to wait for it", PATIENCE, || {
        placement(&manager, "large")["decision"] == "evict"
    });
}
