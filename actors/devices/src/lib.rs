//! Devices with memory: what they hold and how busy they are, asked of plugins.
//!
//! A plugin is blocking code behind [`DevicePlugin`], such as a vendor's library or a user's command. It runs
//! on a thread of its own ([`sampler`]) so that one which hangs keeps nobody else waiting. The actor
//! `DeviceMonitor` asks the plugins, and makes immutable [`Snapshot`]s of what they say.

pub mod amd;
pub mod cpu;
pub mod cuda;
pub mod exec;
#[cfg(test)]
mod fake;
#[cfg(all(test, target_os = "linux"))]
mod fake_system;
pub mod intel;
pub mod nvidia;
pub mod registry;
pub mod sampler;
pub mod system;

use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Instant;

pub use registry::{PluginFactory, Registry};

/// Looks at devices. Everything here may block; one sample is taken at a time.
pub trait DevicePlugin: Send {
    /// What the log calls it: `nvidia`, `cpu` or the name of the user's device.
    fn name(&self) -> &str;

    /// All devices that it knows, those that are gone too, as they are now.
    ///
    /// An error is a miss: the devices keep their last values for a while and are then taken for offline.
    fn sample(&mut self) -> Result<Vec<Sample>, String>;
}

/// One device at one moment. What could not be read is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// What `required_devices` match, such as `NVIDIA GeForce RTX 4060`.
    pub name: String,
    /// Which kind of plugin saw it: `nvidia`, `amd`, `intel`, `cpu` or `exec`.
    pub plugin: &'static str,
    /// The vendor's id, such as `GPU-1b2c...`; survives a reboot.
    pub uuid: Option<String>,
    /// Where it is plugged in, such as `00000000:01:00.0`.
    pub pci: Option<String>,
    /// What the variable calls it by which its vendor's programs see this card alone.
    pub visible: Option<String>,
    /// Its memory is the machine's own, so `cpu` shows some of it too.
    pub unified: bool,
    /// It can be used now.
    pub online: bool,
    /// All of its memory; known of a device that has gone, too.
    pub memory_total_mib: Option<u64>,
    /// Whatever can't be had: used by anybody, or reserved by the driver.
    pub memory_used_mib: Option<u64>,
    /// 0 to 100.
    pub utilization: Option<f32>,
    /// Degrees Celsius.
    pub temperature_c: Option<f32>,
    /// Watts.
    pub power_w: Option<f32>,
    /// Who uses it, by pid; empty also when that can't be read.
    pub processes: Vec<ProcessMemory>,
    /// Their names, as far as this system tells them.
    pub programs: Box<[(u32, String)]>,
}

impl Sample {
    /// What tells it from all others: its UUID if it has one, else its name.
    pub fn id(&self) -> &str {
        self.uuid.as_deref().unwrap_or(&self.name)
    }

    /// The same device when it is not there: what it is stays, what it was doing goes.
    pub fn offline(&self) -> Self {
        Self {
            online: false,
            memory_used_mib: None,
            utilization: None,
            temperature_c: None,
            power_w: None,
            processes: Vec::new(),
            programs: Box::default(),
            ..self.clone()
        }
    }
}

/// What one process holds of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessMemory {
    /// As the driver numbers it: in a container, that is the host's number.
    pub pid: u32,
    /// `None`: the driver doesn't say (Windows).
    pub mib: Option<u64>,
}

/// All devices at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Plugin by plugin, in the order of the registry; within one by place on the bus.
    pub devices: Vec<Sample>,
    /// When it was put together.
    pub taken_at: Timestamp,
    /// All of it was asked for after this moment, but for plugins in trouble; `None`: one has not answered yet.
    pub asked_at: Option<Instant>,
    /// The same for each of `devices`; none in trouble is left out.
    pub asked: Vec<Option<Instant>>,
    /// Counts the snapshots from 1; 0 is the empty one from before the first.
    pub sequence: u64,
    /// Some of it is older than it should be: a plugin has not answered (yet), or the monitor is down.
    pub stale: bool,
    /// Plugins that don't answer as they should.
    pub problems: Vec<PluginProblem>,
}

impl Snapshot {
    /// From before anything was looked at.
    pub fn empty() -> Self {
        Self {
            devices: Vec::new(),
            taken_at: Timestamp::now(),
            asked_at: None,
            asked: Vec::new(),
            sequence: 0,
            stale: true,
            problems: Vec::new(),
        }
    }
}

/// A plugin that doesn't answer as it should.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginProblem {
    /// `nvidia`, `cpu` or the name of the user's device.
    pub plugin: String,
    /// What is wrong with it.
    pub message: String,
    /// Samples missed in a row.
    pub misses: u32,
    /// Since when.
    pub since: Timestamp,
}

/// What is here now, and after it what was here once, as offline.
fn roll(seen: &mut BTreeMap<String, Sample>, here: Vec<Sample>) -> Vec<Sample> {
    let ids: Vec<String> = here.iter().map(|sample| sample.id().to_owned()).collect();
    let gone: Vec<Sample> =
        seen.iter().filter(|(id, _)| !ids.contains(id)).map(|(_, sample)| sample.offline()).collect();
    seen.extend(here.iter().map(|sample| (sample.id().to_owned(), sample.clone())));
    here.into_iter().chain(gone).collect()
}

/// Bytes in MiB, rounded down.
const fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// Bytes in MiB, rounded up: memory in use is never understated.
const fn mib_up(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
