//! AMD's cards, through the files of Linux's amdgpu driver. Needs no ROCm.
//!
//! Written from the documentation of Linux 6.12 and untried on a card.
//!
//! An APU has little memory of its own and borrows the rest from the machine's (GTT). Its two parts are one device here; what
//! it could still borrow is no more than what the machine still has.

use super::system::{Client, Clients, PciCard, SysRoot};
use super::{DevicePlugin, ProcessMemory, Sample, mib, mib_up, roll};
use std::collections::BTreeMap;
use std::fs;

/// What the log and `plugin` call it.
pub const NAME: &str = "amd";

/// The plugin.
pub struct Amd {
    system: SysRoot,
    clients: Clients,
    /// Cards that have been seen, those that are gone too.
    seen: BTreeMap<String, Sample>,
    names: BTreeMap<String, String>,
}

/// Memory of a card, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    vram: (u64, u64),
    gtt: (u64, u64),
}

impl Memory {
    fn of(card: &PciCard) -> Option<Self> {
        let pair = |total: &str, used: &str| Some((card.number(&[total])?, card.number(&[used])?));
        let vram = pair("mem_info_vram_total", "mem_info_vram_used")?;
        Some(Self { vram, gtt: pair("mem_info_gtt_total", "mem_info_gtt_used").unwrap_or_default() })
    }

    /// Total and used of a processor's card, while the machine has so much left.
    fn unified(self, available: Option<u64>) -> (u64, u64) {
        let free = |(total, used): (u64, u64)| total.saturating_sub(used);
        let total = self.vram.0.saturating_add(self.gtt.0);
        let borrowable = free(self.gtt).min(available.unwrap_or(u64::MAX));
        (total, total.saturating_sub(free(self.vram).saturating_add(borrowable)))
    }
}

impl Amd {
    /// Reads the files of `system`.
    pub fn new(system: SysRoot) -> Self {
        Self { system, clients: Clients::default(), seen: BTreeMap::new(), names: BTreeMap::new() }
    }

    fn card(&mut self, card: &PciCard, clients: &[Client], order: &[String]) -> Option<Sample> {
        let memory = Memory::of(card)?;
        let unified = is_apu(card);
        let (total, used) = match unified {
            true => memory.unified(self.system.memory().map(|(_, available)| available)),
            false => memory.vram,
        };
        let system = &self.system;
        let name = self.names.entry(card.pci.clone()).or_insert_with(|| name(system, card)).clone();
        let id = card.text("unique_id").filter(|id| id.bytes().any(|byte| byte != b'0'));
        let uuid = id.map(|id| format!("GPU-{}", id.trim_start_matches("0x")));
        // In the order in which ROCm counts them.
        let place = order.iter().position(|pci| *pci == card.pci).map(|place| place.to_string());
        let is_wanted = |region: &str| region.starts_with("vram") || (unified && region == "gtt");
        let awake = !card.is_asleep();
        let sensor = |files: &[&str]| if awake { card.sensor(files) } else { None };
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        Some(Sample {
            name,
            plugin: NAME,
            visible: uuid.clone().or(place),
            uuid: Some(uuid.unwrap_or_else(|| card.pci.clone())),
            pci: Some(card.pci.clone()),
            online: true,
            unified,
            memory_total_mib: Some(mib(total)),
            memory_used_mib: Some(mib_up(used).min(mib(total))),
            utilization: if awake { card.number(&["gpu_busy_percent"]) } else { Some(0) }
                .map(|percent| percent.min(100) as f32),
            temperature_c: sensor(&["temp1_input"]).map(|milli| milli as f32 / 1000.0),
            power_w: sensor(&["power1_average", "power1_input"]).map(|micro| micro as f32 / 1_000_000.0),
            processes: processes(clients, &card.pci, is_wanted),
            programs: Box::default(),
        })
    }
}

impl DevicePlugin for Amd {
    fn name(&self) -> &str {
        NAME
    }

    fn sample(&mut self) -> Result<Vec<Sample>, String> {
        let cards = self.system.cards(&["amdgpu"]);
        if cards.is_empty() && self.seen.is_empty() {
            return Ok(Vec::new());
        }
        let clients = self.clients.look(&self.system);
        let order = rocm_order(&self.system);
        let here = cards.iter().filter_map(|card| self.card(card, &clients, &order)).collect();
        Ok(roll(&mut self.seen, here))
    }
}

/// What each process uses of the card at `pci`, in these regions.
pub(super) fn processes(
    clients: &[Client],
    pci: &str,
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<ProcessMemory> {
    let mut bytes: BTreeMap<u32, u64> = BTreeMap::new();
    for client in clients.iter().filter(|client| client.pci == pci) {
        *bytes.entry(client.pid).or_default() += client.bytes(&is_wanted);
    }
    bytes.into_iter().map(|(pid, bytes)| ProcessMemory { pid, mib: Some(mib_up(bytes)) }).collect()
}

/// Whether it is a part of a processor. The tables of measurements of those have the formats 2 and 3; older drivers have a
/// voltage of the northbridge only there.
fn is_apu(card: &PciCard) -> bool {
    match fs::read(card.dir.join("gpu_metrics")).ok().as_deref() {
        // Two bytes of length, then the format.
        Some([_, _, format, ..]) => matches!(format, 2 | 3),
        _ => card.sensor(&["in1_input"]).is_some(),
    }
}

/// The places of the cards on the bus in the order in which ROCm counts them.
fn rocm_order(system: &SysRoot) -> Vec<String> {
    let nodes = system.path("sys/class/kfd/kfd/topology/nodes");
    let entries = fs::read_dir(nodes).into_iter().flatten().flatten();
    let mut found: Vec<(u32, String)> = entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let gpu_id: u64 = fs::read_to_string(entry.path().join("gpu_id")).ok()?.trim().parse().ok()?;
            if gpu_id == 0 {
                return None;
            }
            let properties = fs::read_to_string(entry.path().join("properties")).ok()?;
            let value = |key: &str| -> Option<u64> {
                properties.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
            };
            let place = value("location_id ")?;
            let (bus, slot, function) = (place >> 8 & 0xff, place >> 3 & 0x1f, place & 7);
            let domain = value("domain ").unwrap_or(0);
            Some((number, format!("{domain:04x}:{bus:02x}:{slot:02x}.{function}")))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, pci)| pci).collect()
}

fn name(system: &SysRoot, card: &PciCard) -> String {
    let told = card.text("product_name").or_else(|| marketing_name(system, card));
    let name = told.or_else(|| system.listed_name(card)).unwrap_or_else(|| format!("GPU {}", card.device));
    if name.to_ascii_lowercase().contains("amd") { name } else { format!("AMD {name}") }
}

/// libdrm has a list by device and revision: `744C,  C8,  AMD Radeon RX 7900 XTX`.
fn marketing_name(system: &SysRoot, card: &PciCard) -> Option<String> {
    let list = fs::read_to_string(system.path("usr/share/libdrm/amdgpu.ids")).ok()?;
    list.lines().find_map(|line| {
        let mut parts = line.splitn(3, ',').map(str::trim);
        let is_it = parts.next()?.eq_ignore_ascii_case(&card.device)
            && parts.next()?.eq_ignore_ascii_case(&card.revision);
        is_it.then(|| parts.next().map(str::to_owned))?
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
