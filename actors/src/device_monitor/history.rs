//! What the devices were like in the last hour: a few numbers of one snapshot in ten seconds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use llm_manager_devices::{Sample, Snapshot};

/// Between two points.
const STEP: Duration = Duration::from_secs(10);
/// An hour.
const POINTS: usize = 360;

/// All devices at one moment, as far as their numbers change.
#[derive(Clone, Debug)]
pub struct HistoryPoint {
    /// When.
    pub time: Timestamp,
    /// Those that were online.
    pub devices: Vec<DeviceSample>,
}

/// One device then.
#[derive(Clone, Debug)]
pub struct DeviceSample {
    /// What tells it from the others: its UUID, or else its name.
    pub id: String,
    /// Memory in use by anybody, in MiB.
    pub memory_used_mib: Option<u64>,
    /// 0 to 100.
    pub utilization: Option<f32>,
    /// Degrees Celsius.
    pub temperature_c: Option<f32>,
    /// Watts.
    pub power_w: Option<f32>,
}

/// The points; a crash of the monitor loses them.
#[derive(Default)]
pub(super) struct DeviceHistory(VecDeque<Arc<HistoryPoint>>);

impl DeviceHistory {
    /// Takes the snapshot, if the last point is old enough. A clock that goes back begins anew.
    pub(super) fn note(&mut self, snapshot: &Snapshot) {
        let time = snapshot.taken_at;
        if let Some(last) = self.0.back() {
            let passed = time.duration_since(last.time);
            if passed.is_negative() {
                self.0.clear();
            } else if passed.unsigned_abs() < STEP - STEP / 20 {
                return;
            }
        }
        if self.0.len() == POINTS {
            self.0.pop_front();
        }
        let online = snapshot.devices.iter().filter(|device| device.online);
        self.0.push_back(Arc::new(HistoryPoint { time, devices: online.map(DeviceSample::of).collect() }));
    }

    /// Oldest first.
    pub(super) fn points(&self) -> Vec<Arc<HistoryPoint>> {
        self.0.iter().cloned().collect()
    }
}

impl DeviceSample {
    fn of(sample: &Sample) -> Self {
        Self {
            id: sample.uuid.as_ref().unwrap_or(&sample.name).clone(),
            memory_used_mib: sample.memory_used_mib,
            utilization: sample.utilization,
            temperature_c: sample.temperature_c,
            power_w: sample.power_w,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, devices: Vec<Sample>) -> Snapshot {
        let taken_at = Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        Snapshot { taken_at, devices, ..Snapshot::empty() }
    }

    fn times(history: &DeviceHistory) -> Vec<i64> {
        history.0.iter().map(|point| point.time.as_second() - 1_800_000_000).collect()
    }

    #[test]
    fn one_point_in_ten_seconds_for_an_hour() {
        let mut history = DeviceHistory::default();
        (0..=35).for_each(|second| history.note(&at(second, vec![])));
        assert_eq!(times(&history), [0, 10, 20, 30]);
        (0..500).for_each(|n| history.note(&at(40 + 10 * n, vec![])));
        assert_eq!((history.0.len(), times(&history)[359]), (POINTS, 40 + 4990));
        history.note(&at(7, vec![]));
        assert_eq!(times(&history), [7], "the clock went back");
    }

    #[test]
    fn what_is_offline_has_no_reading() {
        let mut history = DeviceHistory::default();
        let on = Sample { name: "on".into(), online: true, power_w: Some(9.5), ..Sample::default() };
        history.note(&at(0, vec![on.clone(), Sample { name: "off".into(), ..Sample::default() }]));
        let readings = &history.0[0].devices;
        assert_eq!((readings.len(), readings[0].id.as_str(), readings[0].power_w), (1, "on", Some(9.5)));
    }
}
