//! Devices that the configuration names and this machine doesn't have: a warning, for they may be plugged in.

use llm_manager_actors::scheduler;
use llm_manager_devices::amd::Amd;
use llm_manager_devices::cpu::Cpu;
use llm_manager_devices::cuda;
use llm_manager_devices::intel::Intel;
use llm_manager_devices::nvidia::Nvidia;
use llm_manager_devices::system::SysRoot;
use llm_manager_devices::{DevicePlugin, Sample, Snapshot};
use llm_manager_policy::devices::{Device, DeviceSnapshot, Requirement};
use llm_manager_policy::memory::Cards;
use llm_manager_policy::parking::ParkWay;
use llm_manager_policy::spec::{ModelSpec, Spec, VariantSpec};
use std::path::Path;
use std::time::Instant;

/// Another folder than `/` to look for cards in, for tests.
const SYSTEM_ROOT: &str = "LLM_MANAGER_SYSTEM_ROOT";

/// Where the files of the cards are.
pub(crate) fn system() -> SysRoot {
    std::env::var_os(SYSTEM_ROOT).map_or_else(SysRoot::default, |root| SysRoot::at(Path::new(&root)))
}

/// Warnings for `llm-manager check`: looks at the built-in devices once. The user's own commands are not run;
/// their devices are taken for present.
pub(crate) fn check(spec: &Spec) -> Vec<String> {
    if spec.program.disable_gpu_monitoring {
        return unparkable(spec, &DeviceSnapshot::default());
    }
    let built_in = built_in();
    let commands = spec.devices.iter().map(|device| Sample {
        name: device.name.clone(),
        plugin: "exec",
        online: true,
        ..Sample::default()
    });
    let devices = built_in.into_iter().flatten().flatten().chain(commands).collect();
    let seen = Snapshot { devices, ..Snapshot::empty() };
    let mut warnings = unmatched(spec, &seen);
    warnings.extend(unestimated(spec));
    warnings.extend(unparkable(spec, &scheduler::snapshot(&seen, Instant::now())));
    warnings
}

/// One sentence for each variant that NVIDIA's driver can't checkpoint here.
fn unparkable(spec: &Spec, devices: &DeviceSnapshot) -> Vec<String> {
    let variants = spec.models.iter().flat_map(|model| model.variants.iter().map(move |one| (&**model, one)));
    let by_driver =
        |variant: &VariantSpec| variant.park.as_ref().is_some_and(|park| park.way == ParkWay::Cuda);
    let mut parked = variants.filter(|(_, variant)| by_driver(variant)).peekable();
    if parked.peek().is_none() {
        return Vec::new();
    }
    let driver = cuda::available();
    let why = |variant: &VariantSpec| match &driver {
        Err(why) => Some(why.clone()),
        Ok(()) => on_slice(variant, devices).map(|slice| {
            format!("{slice} is a slice of a card (MIG), which NVIDIA's driver can't checkpoint")
        }),
    };
    let sentence = |(model, variant): (&ModelSpec, &VariantSpec)| {
        let why = why(variant)?;
        Some(format!(
            "Local-Models.{}.{}.park: with `cuda` it will be stopped instead of parked: {why}",
            model.name, variant.name
        ))
    };
    parked.filter_map(sentence).collect()
}

/// A slice of a card that the variant may be put on.
fn on_slice(variant: &VariantSpec, devices: &DeviceSnapshot) -> Option<String> {
    let wanted = variant.required_devices.iter().filter_map(|text| Requirement::parse(text).ok());
    let matching = wanted.flat_map(|requirement| requirement.matches(devices));
    let mut found = matching.filter_map(|at| devices.devices.get(at));
    let slice = found.find(|device| device.id.starts_with("MIG-"))?;
    Some(slice.name.to_string())
}

/// One sentence for each `memory_mb: auto` of which nothing can be said before a run.
fn unestimated(spec: &Spec) -> Vec<String> {
    let variants = spec.models.iter().flat_map(|model| model.variants.iter().map(move |one| (model, one)));
    let unknown = variants.filter(|(_, variant)| variant.memory_auto).filter_map(|(model, variant)| {
        let why = llm_manager_weights::look(variant, &spec.base_dir, &Cards::default()).err()?;
        Some(format!(
            "Local-Models.{}.{}.memory_mb: auto has no estimate, so nothing is checked until a run was measured: {why}",
            model.name, variant.name
        ))
    });
    unknown.collect()
}

/// The built-in devices, looked at once.
pub(crate) fn built_in() -> [Result<Vec<Sample>, String>; 4] {
    [
        Nvidia::new(None).sample(),
        Amd::new(system()).sample(),
        Intel::new(system()).sample(),
        Cpu::new().sample(),
    ]
}

/// One sentence for each entry of `required_devices` that no device online meets, or whose use can't be measured.
pub(crate) fn unmatched(spec: &Spec, snapshot: &Snapshot) -> Vec<String> {
    let devices = scheduler::snapshot(snapshot, Instant::now());
    let online: Vec<&str> = devices.devices.iter().filter(|one| one.online).map(|one| &*one.name).collect();
    let mut warnings = Vec::new();
    for shared in &spec.shared_devices {
        let text = shared.device.text();
        let found = shared.device.matches(&devices);
        if found.is_empty() {
            let here = online.join(", ");
            warnings.push(format!("devices: no device matches {text:?}; here are: {here}"));
        }
        let mut found = found.into_iter().filter_map(|at| devices.devices.get(at));
        let silent =
            found.find(|device| device.online && device.used_mib.is_none() && device.plugin != "exec");
        if let Some(device) = silent.filter(|_| shared.give_way) {
            warnings.push(format!(
                "devices.{text}.give_way has no effect: {} doesn't tell how much of its memory is in use",
                device.name
            ));
        }
    }
    for model in &spec.models {
        for variant in &model.variants {
            for text in &variant.required_devices {
                let Ok(requirement) = Requirement::parse(text) else { continue };
                let matching = requirement.matches(&devices).into_iter();
                let met: Vec<_> = matching
                    .filter_map(|at| devices.devices.get(at))
                    .filter(|device| device.online)
                    .collect();
                if let Some(silent) = met.iter().find(|device| tells_no_amounts(device))
                    && variant.memory_auto
                {
                    warnings.push(format!(
                        "Local-Models.{}.{}.memory_mb: auto can't be measured on {}: its driver doesn't say what each \
                         process uses (as in WDDM mode on Windows); write the MiB that it needs",
                        model.name, variant.name, silent.name
                    ));
                }
                if !met.is_empty() {
                    warnings.extend(too_much(model, variant, text, &met));
                    continue;
                }
                warnings.push(format!(
                    "Local-Models.{}.{}.required_devices: no device online matches {text:?}; here are: {}",
                    model.name,
                    variant.name,
                    online.join(", ")
                ));
            }
        }
    }
    // Two entries may say the same.
    warnings.dedup();
    warnings
}

/// A sentence if none of these devices, which an entry matches, could ever hold what the variant wants of it.
fn too_much(model: &ModelSpec, variant: &VariantSpec, text: &str, met: &[&Device]) -> Option<String> {
    let wanted = *variant.memory_mb.get(text)?;
    let totals: Option<Vec<u64>> = met.iter().map(|device| device.total_mib).collect();
    let largest = totals?.into_iter().max().filter(|largest| *largest < wanted)?;
    Some(format!(
        "Local-Models.{}.{}.memory_mb: {wanted} MiB on {text:?} never fit: the device has {largest} MiB in all",
        model.name, variant.name
    ))
}

/// Whether it names the processes on it, but of none how much it uses.
fn tells_no_amounts(device: &Device) -> bool {
    let mut processes = device.processes.iter().flatten().peekable();
    processes.peek().is_some() && processes.all(|process| process.mib.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_manager_devices::ProcessMemory;

    #[test]
    fn a_device_that_is_not_here_is_named() {
        let yaml = b"Local-Models:\n  m:\n    mode: Chat\n    V:\n      command: [sleep, '1']\n      \
                     required_devices: [cpu, v100]\n";
        let spec = crate::config::parse(yaml, std::path::Path::new("config.yaml")).unwrap().spec;
        let cpu = Sample { name: "cpu".into(), online: true, ..Sample::default() };
        let snapshot = Snapshot { devices: vec![cpu], ..Snapshot::empty() };
        let warnings = unmatched(&spec, &snapshot);
        assert_eq!(
            warnings,
            ["Local-Models.m.V.required_devices: no device online matches \"v100\"; here are: cpu"]
        );
    }

    #[test]
    fn more_memory_than_a_device_has_is_told() {
        let yaml = b"Local-Models:\n  m:\n    V:\n      command: [sleep, '1']\n      required_devices: [rtx, rtx, npu]\n      \
                     memory_mb: {rtx: 9000, npu: 9000}\n";
        let spec = crate::config::parse(yaml, std::path::Path::new("config.yaml")).unwrap().spec;
        let said = |total: u64| {
            let rtx = |total| Sample {
                name: "RTX".into(),
                online: true,
                memory_total_mib: Some(total),
                ..Sample::default()
            };
            let npu = Sample { name: "npu".into(), online: true, ..Sample::default() };
            unmatched(&spec, &Snapshot { devices: vec![rtx(4000), rtx(total), npu], ..Snapshot::empty() })
        };
        assert!(said(9000).is_empty());
        assert_eq!(
            said(8000),
            ["Local-Models.m.V.memory_mb: 9000 MiB on \"rtx\" never fit: the device has 8000 MiB in all"]
        );
    }

    #[test]
    fn a_shared_device_has_to_be_here_and_to_tell_its_use() {
        let yaml =
            b"devices:\n- {name: rtx, give_way: true, keep_free_mb: 1}\n- {name: gtx, keep_free_mb: 1}\n";
        let spec = crate::config::parse(yaml, std::path::Path::new("config.yaml")).unwrap().spec;
        let card = Sample { name: "RTX 4060".into(), plugin: "intel", online: true, ..Sample::default() };
        let said = unmatched(&spec, &Snapshot { devices: vec![card], ..Snapshot::empty() });
        assert_eq!(
            said,
            [
                "devices.rtx.give_way has no effect: RTX 4060 doesn't tell how much of its memory is in use",
                "devices: no device matches \"gtx\"; here are: RTX 4060"
            ]
        );
    }

    #[test]
    fn auto_without_an_estimate_says_why() {
        let yaml = b"Local-Models:\n  m:\n    mode: Chat\n    V:\n      command: [llama-server, -m, /none.gguf]\n      \
                     required_devices: [cpu]\n      memory_mb: auto\n";
        let spec = crate::config::parse(yaml, std::path::Path::new("config.yaml")).unwrap().spec;
        let said = unestimated(&spec);
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("Local-Models.m.V.memory_mb: auto has no estimate"), "{said:?}");
        assert!(said[0].contains("\"/none.gguf\" is no file"), "{said:?}");
    }

    #[test]
    fn a_card_that_does_not_tell_what_processes_use_cannot_be_measured() {
        let yaml = b"Local-Models:\n  m:\n    mode: Chat\n    V:\n      command: [sleep, '1']\n      \
                     required_devices: [rtx 4060]\n      memory_mb: auto\n";
        let spec = crate::config::parse(yaml, std::path::Path::new("config.yaml")).unwrap().spec;
        let warned = |amounts: &[Option<u64>]| {
            let processes = amounts.iter().map(|mib| ProcessMemory { pid: 4, mib: *mib }).collect();
            let card = Sample { name: "RTX 4060".into(), online: true, processes, ..Sample::default() };
            unmatched(&spec, &Snapshot { devices: vec![card], ..Snapshot::empty() })
        };
        assert!(
            warned(&[None, None])[0]
                .starts_with("Local-Models.m.V.memory_mb: auto can't be measured on RTX 4060")
        );
        assert!(warned(&[]).is_empty() && warned(&[None, Some(3)]).is_empty());
    }
}
