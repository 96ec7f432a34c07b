//! Intel's cards, through the files of Linux's i915 and xe drivers. Needs no oneAPI.
//!
//! Written from the documentation of Linux 6.12 and untried on a card; the totals of memory aren't in it. Of xe's two counters of
//! energy, the card's comes before the package's. What a driver doesn't tell stays unknown:
//! i915 of the plain kernel has no total, and then nothing is checked on the card.

use super::amd::processes;
use super::system::{Client, Clients, PciCard, SysRoot};
use super::{DevicePlugin, Sample, mib, mib_up, roll};
use std::collections::BTreeMap;
use std::time::Instant;

/// What the log and `plugin` call it.
pub const NAME: &str = "intel";

/// Where the graphics of Intel's processors always are.
const INTEGRATED: &str = "0000:00:02.0";

/// The plugin.
pub struct Intel {
    system: SysRoot,
    clients: Clients,
    seen: BTreeMap<String, Sample>,
    names: BTreeMap<String, String>,
    meters: BTreeMap<String, Meter>,
}

/// Counters of a card at the last look.
struct Meter {
    at: Instant,
    microjoules: Option<u64>,
    /// Of each client and engine.
    busy: BTreeMap<(String, String), Busy>,
}

/// Counters of an engine for one client.
struct Busy {
    /// Nanoseconds, or cycles.
    spent: u64,
    /// Of cycles, all that there were.
    of: Option<u64>,
    /// How many equal engines go by this name: their times are added up.
    engines: u64,
}

impl Intel {
    /// Reads the files of `system`.
    pub fn new(system: SysRoot) -> Self {
        Self {
            system,
            clients: Clients::default(),
            seen: BTreeMap::new(),
            names: BTreeMap::new(),
            meters: BTreeMap::new(),
        }
    }

    fn card(&mut self, place: usize, card: &PciCard, clients: &[Client]) -> Sample {
        let unified = card.pci == INTEGRATED;
        let is_wanted = |region: &str| match unified {
            true => region.starts_with("system") || region == "gtt",
            false => region.starts_with("vram") || region.starts_with("local"),
        };
        let processes = processes(clients, &card.pci, is_wanted);
        let (total, used) = if unified {
            let memory = self.system.memory();
            (memory.map(|(total, _)| total), memory.map(|(total, left)| total.saturating_sub(left)))
        } else {
            let total = card.number(&["tile0/physical_vram_size_bytes", "lmem_total_bytes"]);
            let free = card.number(&["lmem_avail_bytes"]);
            let counted = processes.iter().filter_map(|one| one.mib).sum::<u64>() << 20;
            (total, Some(total.zip(free).map_or(counted, |(total, free)| total.saturating_sub(free))))
        };
        let system = &self.system;
        let name = self.names.entry(card.pci.clone()).or_insert_with(|| name(system, card)).clone();
        let awake = !card.is_asleep();
        let meter = Meter {
            at: Instant::now(),
            microjoules: if awake { card.sensor(&["energy1_input", "energy2_input"]) } else { None },
            busy: busy(clients, &card.pci),
        };
        let last = self.meters.get(&card.pci);
        let by_energy = last.and_then(|last| meter.watts_since(last));
        let utilization = last.map(|last| meter.percent_since(last));
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let sensor = |files: &[&str], unit: f32| {
            if awake { card.sensor(files).map(|value| value as f32 / unit) } else { None }
        };
        let sample = Sample {
            name,
            plugin: NAME,
            uuid: Some(card.pci.clone()),
            pci: Some(card.pci.clone()),
            visible: Some(place.to_string()),
            online: true,
            unified,
            memory_total_mib: total.map(mib),
            memory_used_mib: used.map(|used| mib_up(used).min(total.map_or(u64::MAX, mib))),
            utilization,
            temperature_c: sensor(&["temp2_input", "temp1_input"], 1000.0),
            power_w: sensor(&["power1_input", "power1_average"], 1_000_000.0).or(by_energy),
            processes,
            programs: Box::default(),
        };
        self.meters.insert(card.pci.clone(), meter);
        sample
    }
}

impl DevicePlugin for Intel {
    fn name(&self) -> &str {
        NAME
    }

    fn sample(&mut self) -> Result<Vec<Sample>, String> {
        let cards = self.system.cards(&["i915", "xe"]);
        if cards.is_empty() && self.seen.is_empty() {
            return Ok(Vec::new());
        }
        let clients = self.clients.look(&self.system);
        let here = cards.iter().enumerate().map(|(place, card)| self.card(place, card, &clients)).collect();
        Ok(roll(&mut self.seen, here))
    }
}

impl Meter {
    #[expect(clippy::cast_precision_loss, reason = "a fraction of a watt is lost at most")]
    fn watts_since(&self, last: &Self) -> Option<f32> {
        let joules = self.microjoules?.checked_sub(last.microjoules?)? as f64 / 1e6;
        let seconds = self.at.duration_since(last.at).as_secs_f64();
        (seconds > 0.0).then_some((joules / seconds) as f32)
    }

    /// The busiest engine, in percent.
    #[expect(clippy::cast_precision_loss, reason = "a fraction of a percent is lost at most")]
    fn percent_since(&self, last: &Self) -> f32 {
        let nanoseconds = self.at.duration_since(last.at).as_nanos() as f64;
        let mut engines: BTreeMap<&str, f64> = BTreeMap::new();
        for (key, busy) in &self.busy {
            let Some(before) = last.busy.get(key) else { continue };
            let part = busy.spent.saturating_sub(before.spent) as f64;
            let one = match (busy.of, before.of) {
                (Some(all), Some(before)) => all.saturating_sub(before) as f64,
                _ => nanoseconds,
            };
            let whole = one * busy.engines as f64;
            if whole > 0.0 {
                *engines.entry(&key.1).or_default() += part / whole;
            }
        }
        let busiest = engines.values().fold(0.0_f64, |most, part| most.max(*part));
        (busiest * 100.0).clamp(0.0, 100.0) as f32
    }
}

fn busy(clients: &[Client], pci: &str) -> BTreeMap<(String, String), Busy> {
    let mut found = BTreeMap::new();
    for client in clients.iter().filter(|client| client.pci == pci) {
        let of = |beginning: &str, engine: &str| {
            client.numbers(beginning).find(|(name, _)| *name == engine).map(|(_, number)| number)
        };
        let engines = |engine: &str| of("engine-capacity-", engine).unwrap_or(1).max(1);
        let times = client.numbers("engine-").filter(|(engine, _)| !engine.starts_with("capacity-"));
        for (engine, spent) in times {
            let busy = Busy { spent, of: None, engines: engines(engine) };
            found.insert((client.id.clone(), engine.to_owned()), busy);
        }
        for (engine, spent) in client.numbers("cycles-") {
            let busy = Busy { spent, of: of("total-cycles-", engine), engines: engines(engine) };
            found.insert((client.id.clone(), engine.to_owned()), busy);
        }
    }
    found
}

fn name(system: &SysRoot, card: &PciCard) -> String {
    let name = system.listed_name(card).unwrap_or_else(|| format!("GPU {}", card.device));
    if name.to_ascii_lowercase().contains("intel") { name } else { format!("Intel {name}") }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
