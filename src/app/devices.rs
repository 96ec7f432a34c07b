//! Devices that the configuration names and this machine doesn't have: a warning, for they may be plugged in.

use llm_manager_actors::scheduler;
use llm_manager_devices::cpu::Cpu;
use llm_manager_devices::nvidia::Nvidia;
use llm_manager_devices::{DevicePlugin, Sample, Snapshot};
use llm_manager_policy::devices::Requirement;
use llm_manager_policy::spec::Spec;
use std::time::Instant;

/// Warnings for `llm-manager check`: looks at the built-in devices once. The user's own commands are not run;
/// their devices are taken for present.
pub(crate) fn check(spec: &Spec) -> Vec<String> {
    if spec.program.disable_gpu_monitoring {
        return Vec::new();
    }
    let built_in = [Nvidia::new(None).sample(), Cpu::new().sample()];
    let commands = spec.devices.iter().map(|device| Sample {
        name: device.name.clone(),
        plugin: "exec",
        online: true,
        ..Sample::default()
    });
    let devices = built_in.into_iter().flatten().flatten().chain(commands).collect();
    unmatched(spec, &Snapshot { devices, ..Snapshot::empty() })
}

/// One sentence for each entry of `required_devices` that no device online meets.
pub(crate) fn unmatched(spec: &Spec, snapshot: &Snapshot) -> Vec<String> {
    let devices = scheduler::snapshot(snapshot, Instant::now());
    let online: Vec<&str> = devices.devices.iter().filter(|one| one.online).map(|one| &*one.name).collect();
    let mut warnings = Vec::new();
    for model in &spec.models {
        for variant in &model.variants {
            for text in &variant.required_devices {
                let Ok(requirement) = Requirement::parse(text) else { continue };
                let met = requirement.matches(&devices).into_iter();
                if met.filter_map(|at| devices.devices.get(at)).any(|device| device.online) {
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
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
