//! The machine's own memory and processors.

mod reading;
#[cfg(not(windows))]
mod sysinfo_reader;
#[cfg(windows)]
mod windows;

use super::{DevicePlugin, Sample, mib, mib_up};
use reading::CpuReading;
#[cfg(not(windows))]
use sysinfo_reader::Reader;
#[cfg(windows)]
use windows::Reader;

/// What the log and the configuration call it. Not the brand: a requirement "amd" must never match it.
pub const NAME: &str = "cpu";

/// Reads RAM, load and temperature.
#[derive(Default)]
pub struct Cpu {
    reader: Reader,
}

impl Cpu {
    /// Looks for the sensor once; the load is known from the second sample on.
    pub fn new() -> Self {
        Self::default()
    }
}

impl DevicePlugin for Cpu {
    fn name(&self) -> &str {
        NAME
    }

    fn sample(&mut self) -> Result<Vec<Sample>, String> {
        let CpuReading { total, available, load, temperature } = self.reader.read()?;
        Ok(vec![Sample {
            name: NAME.to_owned(),
            plugin: "cpu",
            online: true,
            memory_total_mib: Some(mib(total)),
            memory_used_mib: Some(mib_up(total.saturating_sub(available)).min(mib(total))),
            utilization: load.filter(|load| load.is_finite()).map(|load| load.clamp(0.0, 100.0)),
            temperature_c: temperature.filter(|value| value.is_finite()),
            ..Sample::default()
        }])
    }
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
