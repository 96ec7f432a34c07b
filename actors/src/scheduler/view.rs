//! How the Scheduler sees the world: devices and models, in the words of the policy.

use crate::model::ModelHandle;
use llm_manager_devices::{Sample, Snapshot};
use llm_manager_policy::devices::{Device, DeviceProcess, DeviceSnapshot, Program};
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::placement::ResidentState;
use llm_manager_policy::queue::ObservedModel;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The snapshot in the words of the policy, as old as its oldest part; `origin` is the beginning of all moments.
pub fn snapshot(snapshot: &Snapshot, origin: Instant) -> DeviceSnapshot {
    let moment = |at: &Option<Instant>| at.map(|at| at.saturating_duration_since(origin));
    let mut devices: Vec<Device> = snapshot.devices.iter().map(device).collect();
    for (device, asked) in devices.iter_mut().zip(&snapshot.asked) {
        device.taken_at = moment(asked);
    }
    DeviceSnapshot { devices, taken_at: moment(&snapshot.asked_at) }
}

/// Notes which programs on each device are no model's.
pub(super) fn name_others(devices: &mut DeviceSnapshot, snapshot: &Snapshot, ours: &HashSet<u32>) {
    for (device, sample) in devices.devices.iter_mut().zip(&snapshot.devices) {
        let others = sample.processes.iter().filter(|process| !ours.contains(&process.pid));
        device.others = others
            .map(|process| {
                let name = sample.programs.iter().find(|(pid, _)| *pid == process.pid);
                let name = name.map_or_else(|| format!("process {}", process.pid), |(_, name)| name.clone());
                Program { name, mib: process.mib }
            })
            .collect();
        device.others.sort_by(|one, other| other.mib.cmp(&one.mib).then_with(|| one.name.cmp(&other.name)));
    }
}

fn device(sample: &Sample) -> Device {
    let processes = sample.processes.iter().map(|one| DeviceProcess { pid: one.pid, mib: one.mib });
    Device {
        uuid: sample.uuid.clone(),
        pci: sample.pci.clone(),
        // The roster may have found it out later.
        visible: sample.visible.clone().or_else(|| sample.uuid.clone().filter(|_| sample.plugin == "nvidia")),
        online: sample.online,
        total_mib: sample.memory_total_mib,
        used_mib: sample.memory_used_mib,
        utilization: sample.utilization,
        temperature_c: sample.temperature_c,
        power_w: sample.power_w,
        processes: (!sample.processes.is_empty()).then(|| processes.collect()),
        ..Device::new(sample.id(), &sample.name, sample.plugin)
    }
}

/// The model, if it has a life.
pub(super) fn model(
    handle: &ModelHandle,
    snapshot: &DeviceSnapshot,
    reload: Option<Duration>,
) -> Option<ObservedModel> {
    let status = handle.status();
    let waiting = handle.waiting() > 0;
    let standing = match status.state {
        ModelState::Starting => {
            ResidentState::Starting { wanted: waiting || handle.is_ordered(), since: status.moment }
        }
        ModelState::Ready => ResidentState::Ready {
            since: status.moment,
            busy: waiting || handle.leases() > 0,
            idle_since: handle.unused_since().unwrap_or(status.moment),
        },
        ModelState::Draining | ModelState::Stopping | ModelState::Parking => {
            ResidentState::Leaving { ready: status.ready_moment }
        }
        ModelState::Parked => ResidentState::Parked {
            since: status.moment,
            wanted: waiting || handle.is_ordered(),
            idle_since: handle.unused_since().unwrap_or(status.moment),
        },
        ModelState::Waking => ResidentState::Starting { wanted: true, since: status.moment },
        ModelState::Stopped | ModelState::Queued | ModelState::Failed => return None,
    };
    let pids = handle.members();
    let used = |device: &Device| Some((Arc::clone(&device.id), device.used_by(|pid| pids.contains(&pid))?));
    Some(ObservedModel {
        model: handle.spec.name.as_str().into(),
        epoch: status.epoch,
        standing,
        pinned: handle.spec.pinned,
        warm: handle.is_warm().then(|| handle.spec.priority.unwrap_or_default()),
        reload,
        users: handle.users(),
        sleep: None,
        actual: snapshot.devices.iter().filter_map(used).collect(),
    })
}
