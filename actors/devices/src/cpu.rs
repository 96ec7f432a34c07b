//! The machine's own memory and processors.

use sysinfo::{Component, Components, MemoryRefreshKind, System};

use super::{DevicePlugin, Sample, mib, mib_up};

/// What the log and the configuration call it. Not the brand: a requirement "amd" must never match it.
pub const NAME: &str = "cpu";

/// Sensors that tell the temperature of the processor itself, best first.
const SENSORS: [&str; 7] = ["tctl", "tdie", "package id 0", "k10temp", "coretemp", "cpu_thermal", "cpu"];

/// Reads RAM, load and temperature.
pub struct Cpu {
    system: System,
    sensor: Option<Component>,
}

impl Cpu {
    /// Looks for the sensor once; the load is known from the second sample on.
    pub fn new() -> Self {
        Self { system: System::new(), sensor: best_sensor() }
    }
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new()
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

impl DevicePlugin for Cpu {
    fn name(&self) -> &str {
        NAME
    }

    fn sample(&mut self) -> Result<Vec<Sample>, String> {
        let first = self.system.cpus().is_empty();
        self.system.refresh_cpu_usage();
        self.system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let (total, available) = memory(&self.system)?;
        let load = self.system.global_cpu_usage();
        let temperature = self.sensor.as_mut().and_then(|sensor| {
            sensor.refresh();
            sensor.temperature()
        });
        Ok(vec![Sample {
            name: NAME.to_owned(),
            plugin: "cpu",
            online: true,
            memory_total_mib: Some(mib(total)),
            memory_used_mib: Some(mib_up(total.saturating_sub(available)).min(mib(total))),
            utilization: (!first && load.is_finite()).then(|| load.clamp(0.0, 100.0)),
            temperature_c: temperature.filter(|value| value.is_finite()),
            ..Sample::default()
        }])
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ram_and_load_are_sane() {
        let mut cpu = Cpu::new();
        let first = cpu.sample().unwrap();
        assert_eq!(first[0].utilization, None, "no load is known before a second look");
        #[expect(clippy::disallowed_methods, reason = "sysinfo wants time between two looks")]
        std::thread::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL);
        let samples = cpu.sample().unwrap();
        let [device] = &samples[..] else { panic!("{samples:?}") };
        assert!(device.online && device.name == "cpu" && device.plugin == "cpu");
        let (total, used) = (device.memory_total_mib.unwrap(), device.memory_used_mib.unwrap());
        assert!(total > 64 && used > 0 && used <= total, "{used} of {total}");
        let load = device.utilization.unwrap();
        assert!((0.0..=100.0).contains(&load), "{load}");
        assert!(device.temperature_c.is_none_or(|value| (-50.0..150.0).contains(&value)));
    }
}
