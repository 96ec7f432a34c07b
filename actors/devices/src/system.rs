//! What Linux shows of its cards in files: `/sys/class/drm`, `hwmon`, and `/proc/*/fdinfo` of those who use them.
//!
//! Written from the documentation of Linux 6.12 (`gpu/drm-usage-stats.rst`, `gpu/amdgpu/`, `gpu/xe/`, `ABI/testing/`).
//! Everything is read below a folder, so that tests can show a tree of their own.

mod clients;

use std::fs;
use std::path::{Path, PathBuf};

pub use clients::{Client, Clients};

/// Files of the system, from this folder on.
#[derive(Clone, Debug)]
pub struct SysRoot {
    root: PathBuf,
}

/// A card that a driver of interest drives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PciCard {
    /// Where it is plugged in, such as `0000:03:00.0`.
    pub pci: String,
    /// `amdgpu`, `i915`, `xe`.
    pub driver: String,
    /// Numbers of vendor, device and revision, in hexadecimal without `0x`.
    pub vendor: String,
    /// See `vendor`.
    pub device: String,
    /// See `vendor`.
    pub revision: String,
    /// `.../cardN`
    pub card: PathBuf,
    /// `.../cardN/device`
    pub dir: PathBuf,
}

impl Default for SysRoot {
    fn default() -> Self {
        Self::at(Path::new("/"))
    }
}

impl SysRoot {
    /// The files below `root`.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// A path of the system, such as `sys/class/drm`.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The cards of these drivers, by their places on the bus. Without the folder there are none.
    pub fn cards(&self, drivers: &[&str]) -> Vec<PciCard> {
        let entries = fs::read_dir(self.path("sys/class/drm")).into_iter().flatten().flatten();
        let mut cards: Vec<PciCard> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                // Connectors are called `card0-DP-1`.
                let number = name.strip_prefix("card")?;
                if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                let card = entry.path();
                let dir = card.join("device");
                let uevent = fs::read_to_string(dir.join("uevent")).ok()?;
                let value = |key: &str| {
                    uevent
                        .lines()
                        .find_map(|line| Some(line.strip_prefix(key)?.strip_prefix('=')?.to_owned()))
                };
                let driver = value("DRIVER").filter(|driver| drivers.contains(&driver.as_str()))?;
                let hex = |file: &str| {
                    text(&dir.join(file)).map(|word| word.trim_start_matches("0x").to_ascii_lowercase())
                };
                let (vendor, device) = (hex("vendor"), hex("device"));
                let id = value("PCI_ID").unwrap_or_default().to_ascii_lowercase();
                let (of_vendor, of_device) = id.split_once(':').unwrap_or_default();
                Some(PciCard {
                    pci: value("PCI_SLOT_NAME")?,
                    driver,
                    vendor: vendor.unwrap_or_else(|| of_vendor.to_owned()),
                    device: device.unwrap_or_else(|| of_device.to_owned()),
                    revision: hex("revision").unwrap_or_default(),
                    card,
                    dir,
                })
            })
            .collect();
        cards.sort_by(|one, other| one.pci.cmp(&other.pci));
        cards.dedup_by(|one, other| one.pci == other.pci);
        cards
    }

    /// All of the machine's memory, and how much of it can still be had, in bytes.
    pub fn memory(&self) -> Option<(u64, u64)> {
        let text = fs::read_to_string(self.path("proc/meminfo")).ok()?;
        let value = |key: &str| -> Option<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
        };
        Some((value("MemTotal")?, value("MemAvailable")?))
    }

    /// What the list of PCI devices calls it, such as `Arc A770`: the part in brackets, or all of it.
    pub fn listed_name(&self, card: &PciCard) -> Option<String> {
        let places = ["usr/share/hwdata/pci.ids", "usr/share/misc/pci.ids"];
        let list = places.iter().find_map(|path| fs::read(self.path(path)).ok())?;
        let list = String::from_utf8_lossy(&list);
        let mut of_vendor = list.lines().skip_while(|line| !line.starts_with(&card.vendor)).skip(1);
        let line = of_vendor
            .by_ref()
            .take_while(|line| line.starts_with(['\t', '#']) || line.is_empty())
            .find_map(|line| line.strip_prefix('\t')?.strip_prefix(card.device.as_str()))?;
        let name = line.trim();
        let inner = name.rsplit_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
        Some(inner.unwrap_or(name).to_owned())
    }
}

impl PciCard {
    /// The first of these files that holds a number.
    pub fn number(&self, files: &[&str]) -> Option<u64> {
        files.iter().find_map(|file| number(&self.dir.join(file)).or_else(|| number(&self.card.join(file))))
    }

    /// A file's first line.
    pub fn text(&self, file: &str) -> Option<String> {
        text(&self.dir.join(file))
    }

    /// The first of these files that holds a number, in its sensors' folder.
    pub fn sensor(&self, files: &[&str]) -> Option<u64> {
        let entries = fs::read_dir(self.dir.join("hwmon")).ok()?;
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        files.iter().find_map(|file| folders.iter().find_map(|folder| number(&folder.join(file))))
    }

    /// It sleeps to save power. To read its sensors would wake it.
    pub fn is_asleep(&self) -> bool {
        self.text("power/runtime_status").is_some_and(|status| status == "suspended")
    }
}

fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned)
}

fn number(path: &Path) -> Option<u64> {
    text(path)?.parse().ok()
}
