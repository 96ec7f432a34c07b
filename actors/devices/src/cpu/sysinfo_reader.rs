//! By the crate `sysinfo`.

use sysinfo::{Component, Components, MemoryRefreshKind, System};

use super::CpuReading;

/// Sensors that tell the temperature of the processor itself, best first.
const SENSORS: [&str; 7] = ["tctl", "tdie", "package id 0", "k10temp", "coretemp", "cpu_thermal", "cpu"];

pub(super) struct Reader {
    system: System,
    sensor: Option<Component>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { system: System::new(), sensor: best_sensor() }
    }
}

impl Reader {
    pub(super) fn read(&mut self) -> Result<CpuReading, String> {
        let first = self.system.cpus().is_empty();
        self.system.refresh_cpu_usage();
        self.system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let (total, available) = memory(&self.system)?;
        let load = self.system.global_cpu_usage();
        let temperature = self.sensor.as_mut().and_then(|sensor| {
            sensor.refresh();
            sensor.temperature()
        });
        Ok(CpuReading { total, available, load: (!first).then_some(load), temperature })
    }
}

fn best_sensor() -> Option<Component> {
    let rank = |component: &Component| {
        let label = component.label().to_lowercase();
        component.temperature()?;
        SENSORS.iter().position(|known| label.contains(known))
    };
    let found = Vec::from(Components::new_with_refreshed_list());
    let ranked = found.into_iter().filter_map(|component| Some((rank(&component)?, component)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, component)| component)
}

/// Total and available bytes: the machine's, or the container's if that has less.
fn memory(system: &System) -> Result<(u64, u64), String> {
    let total = system.total_memory();
    if total == 0 {
        return Err("the system doesn't say how much memory it has".to_owned());
    }
    let available = system.available_memory().min(total);
    // A page cache that fills the container's limit can be dropped; only anonymous memory can't.
    Ok(match system.cgroup_limits() {
        Some(limit) if limit.total_memory > 0 && limit.total_memory < total => {
            (limit.total_memory, available.min(limit.total_memory.saturating_sub(limit.rss)))
        }
        _ => (total, available),
    })
}
