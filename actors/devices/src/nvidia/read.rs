//! Asks NVML about every card. A call that fails costs its own field only.

use std::mem::MaybeUninit;

use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::{Device, Nvml};

use super::super::system::SysRoot;
use super::super::{ProcessMemory, Sample, mib, mib_up};

/// What the log calls the plugin.
pub const NAME: &str = "nvidia";

/// What one look at one index showed.
pub(super) enum NvmlReading {
    /// A card, or a slice of one.
    Here {
        /// Of the card.
        index: u32,
        sample: Sample,
        /// A slice of a card in MIG mode, made and removed by an operator.
        slice: bool,
    },
    /// NVML counts a card that can't be used.
    Lost { index: u32, why: String },
}

/// NVML from one initialisation to the next.
pub(super) struct Session {
    nvml: Nvml,
    /// What a card is doesn't change while the session lasts.
    identities: Vec<Option<Identity>>,
}

#[derive(Clone, Default)]
struct Identity {
    name: Option<String>,
    uuid: Option<String>,
    pci: Option<String>,
}

impl Identity {
    const fn complete(&self) -> bool {
        self.name.is_some() && self.uuid.is_some() && self.pci.is_some()
    }
}

/// The first error that says more than "this field can't be had".
#[derive(Default)]
struct Trouble {
    /// The card is lost.
    lost: Option<NvmlError>,
    /// The session is lost.
    over: Option<NvmlError>,
    /// Any other.
    last: Option<NvmlError>,
}

impl Trouble {
    /// The value, or `None` and the error kept.
    fn take<T>(&mut self, call: &str, result: Result<T, NvmlError>) -> Option<T> {
        match result {
            Ok(value) => return Some(value),
            Err(error @ (NvmlError::GpuLost | NvmlError::ResetRequired)) => {
                self.lost.get_or_insert(error);
            }
            Err(error @ (NvmlError::Uninitialized | NvmlError::DriverNotLoaded)) => {
                self.over.get_or_insert(error);
            }
            Err(NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_)) => {}
            Err(error) => {
                log::trace!("devices/nvidia: {call}: {error}");
                self.last = Some(error);
            }
        }
        None
    }
}

impl Session {
    pub(super) const fn new(nvml: Nvml) -> Self {
        Self { nvml, identities: Vec::new() }
    }

    /// Looks at every card; an error means that NVML as a whole doesn't answer.
    pub(super) fn read(&mut self) -> Result<Vec<NvmlReading>, NvmlError> {
        let count = self.nvml.device_count()?;
        let mut readings = Vec::new();
        for index in 0..count {
            let slot = usize::try_from(index).unwrap_or(usize::MAX);
            if self.identities.len() <= slot {
                self.identities.push(None);
            }
            let known = self.identities.get(slot).cloned().flatten();
            let mut trouble = Trouble::default();
            let device = match self.nvml.device_by_index(index) {
                Ok(device) => device,
                Err(error @ (NvmlError::Uninitialized | NvmlError::DriverNotLoaded)) => return Err(error),
                Err(error) => {
                    readings.push(NvmlReading::Lost { index, why: why(&error) });
                    continue;
                }
            };
            let identity = known.unwrap_or_else(|| identify(&device, &mut trouble));
            let card = read_card(&device, &identity, &mut trouble);
            if let Some(error) = trouble.over {
                return Err(error);
            }
            let nothing =
                identity.uuid.is_none() && identity.pci.is_none() && card.memory_total_mib.is_none();
            let lost = trouble.lost.or(if nothing { trouble.last } else { None });
            if identity.complete()
                && let Some(kept) = self.identities.get_mut(slot)
            {
                *kept = Some(identity);
            }
            match lost {
                Some(error) => readings.push(NvmlReading::Lost { index, why: why(&error) }),
                None => match slices(&device, &card) {
                    Some(slices) => readings.extend(slices.into_iter().map(|sample| NvmlReading::Here {
                        index,
                        sample,
                        slice: true,
                    })),
                    None => readings.push(NvmlReading::Here { index, sample: card, slice: false }),
                },
            }
        }
        Ok(readings)
    }
}

fn why(error: &NvmlError) -> String {
    match error {
        NvmlError::GpuLost => "GPU lost".to_owned(),
        error => explain(error),
    }
}

fn identify(device: &Device<'_>, trouble: &mut Trouble) -> Identity {
    Identity {
        name: trouble.take("name", device.name()),
        uuid: trouble.take("uuid", device.uuid()),
        pci: trouble.take("pci_info", device.pci_info()).map(|info| info.bus_id),
    }
}

fn read_card(device: &Device<'_>, identity: &Identity, trouble: &mut Trouble) -> Sample {
    let (mut total, mut used) = read_memory(device, trouble);
    let unified = total.is_none() && identity.name.as_deref().is_some_and(shares_memory);
    if unified && let Some((all, left)) = SysRoot::default().memory() {
        total = Some(mib(all));
        used = Some(mib_up(all.saturating_sub(left)).min(mib(all)));
    }
    let utilization = trouble.take("utilization_rates", device.utilization_rates());
    let temperature = trouble.take("temperature", device.temperature(TemperatureSensor::Gpu));
    let power = trouble.take("power_usage", device.power_usage());
    Sample {
        // The roster knows a better one, if the call has ever succeeded.
        name: identity.name.clone().unwrap_or_default(),
        plugin: NAME,
        uuid: identity.uuid.clone(),
        pci: identity.pci.clone(),
        visible: None,
        unified,
        online: true,
        memory_total_mib: total,
        memory_used_mib: used,
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        utilization: utilization.map(|rates| rates.gpu.min(100) as f32),
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        temperature_c: temperature.map(|degrees| degrees as f32),
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        power_w: power.map(|milliwatts| milliwatts as f32 / 1000.0),
        processes: processes(device, trouble),
        programs: Box::default(),
    }
}

/// Whether it has no memory but the machine's: the driver then has no total to tell.
fn shares_memory(name: &str) -> bool {
    const SHARING: [&str; 6] = ["gb10", "thor", "orin", "xavier", "tegra", "jetson"];
    let name = name.to_ascii_lowercase();
    SHARING.iter().any(|word| name.contains(word))
}

/// Total and used MiB. Used is what can't be had: the driver's own part of the memory counts as used.
fn read_memory(device: &Device<'_>, trouble: &mut Trouble) -> (Option<u64>, Option<u64>) {
    let answer = match device.memory_info() {
        Ok(info) => Some((info.total, info.free)),
        Err(error @ (NvmlError::GpuLost | NvmlError::ResetRequired | NvmlError::Uninitialized)) => {
            trouble.take("memory_info", Err(error))
        }
        // Drivers before 510 know the older call only.
        Err(error) => match memory_v1(device) {
            Some(found) => Some(found),
            None => trouble.take("memory_info", Err(error)),
        },
    };
    match answer {
        Some((total, free)) if total > 0 && free <= total => {
            (Some(mib(total)), Some(mib_up(total - free).min(mib(total))))
        }
        _ => (None, None),
    }
}

/// Total and free bytes by the call that nvml-wrapper has no method for.
fn memory_v1(device: &Device<'_>) -> Option<(u64, u64)> {
    let call = *device.nvml().lib().nvmlDeviceGetMemoryInfo.as_ref().ok()?;
    let mut info = MaybeUninit::zeroed();
    #[expect(unsafe_code, reason = "the only way to an older driver; a struct of three integers")]
    // SAFETY: the handle is valid as long as `device`; all bit patterns of the struct are valid, and it
    // is zeroed should the call leave it alone.
    let (code, info) = unsafe {
        let code = call(device.handle(), info.as_mut_ptr());
        (code, info.assume_init())
    };
    (code == 0).then_some((info.total, info.free))
}

/// Compute and graphics; who does both is in both lists with the same memory.
fn processes(device: &Device<'_>, trouble: &mut Trouble) -> Vec<ProcessMemory> {
    let older = |result: Result<Vec<ProcessInfo>, NvmlError>, old: &dyn Fn() -> _| match result {
        Err(NvmlError::FailedToLoadSymbol(_)) => old(),
        result => result,
    };
    let compute = older(device.running_compute_processes(), &|| device.running_compute_processes_v2());
    let graphics = older(device.running_graphics_processes(), &|| device.running_graphics_processes_v2());
    let compute = trouble.take("running_compute_processes", compute).unwrap_or_default();
    let graphics = trouble.take("running_graphics_processes", graphics).unwrap_or_default();
    let mut found: Vec<ProcessMemory> = Vec::with_capacity(compute.len() + graphics.len());
    for info in compute.into_iter().chain(graphics) {
        let mib = match info.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(mib_up(bytes)),
            UsedGpuMemory::Unavailable => None,
        };
        match found.iter_mut().find(|known| known.pid == info.pid) {
            Some(known) => known.mib = known.mib.max(mib),
            None => found.push(ProcessMemory { pid: info.pid, mib }),
        }
    }
    found
}

/// The slices of a card in MIG mode; such a card can't be used as a whole. `None`: not in that mode.
fn slices(device: &Device<'_>, card: &Sample) -> Option<Vec<Sample>> {
    if device.mig_mode().ok()?.current != 1 {
        return None;
    }
    let count = device.mig_device_count().unwrap_or(0);
    let slices: Vec<Sample> = (0..count)
        .filter_map(|number| {
            let slice = device.mig_device_by_index(number).ok()?;
            let mut trouble = Trouble::default();
            let mut identity = identify(&slice, &mut trouble);
            // The driver's own name has the profile: `NVIDIA A100-SXM4-40GB MIG 1g.5gb`.
            let name = identity.name.take().filter(|name| name.contains("MIG"));
            identity.name = Some(name.unwrap_or_else(|| format!("{} MIG {number}", card.name)));
            identity.pci = card.pci.clone();
            let sample = read_card(&slice, &identity, &mut trouble);
            Some(Sample { temperature_c: card.temperature_c, power_w: card.power_w, ..sample })
        })
        .collect();
    Some(slices)
}

/// The error, and what to do about it.
pub(super) fn explain(error: &NvmlError) -> String {
    let hint = match error {
        NvmlError::LibRmVersionMismatch => {
            "the driver was updated while it was loaded: restart the machine, or reload the nvidia module"
        }
        NvmlError::NoPermission | NvmlError::OperatingSystem => {
            "this user may not open /dev/nvidia*: allow it, or pass the devices into the container"
        }
        NvmlError::InsufficientPower => "plug in the card's power cables",
        NvmlError::ResetRequired => "reset the card (nvidia-smi --gpu-reset), or restart the machine",
        NvmlError::Unknown | NvmlError::Uninitialized => "the driver may be in a reset",
        _ => return format!("NVML: {error}"),
    };
    format!("NVML: {error}; {hint}")
}
