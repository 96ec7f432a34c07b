//! Energy: what of a device's measured power each model on it is taken to have drawn.
//!
//! No driver tells whose work a watt does. So a device's power is shared by memory: each model has as much of it
//! as it has of the memory in use, and other programs have theirs. A device on which nobody holds anything
//! draws its idle power for nobody.

use crate::devices::{DeviceSnapshot, Requirement};
use crate::placement::ModelName;
use crate::queue::{Hold, Stage};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Longer gaps between two looks at the devices (the machine slept) count as this long.
pub const LONGEST_GAP: Duration = Duration::from_secs(15);

/// A device at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Draw {
    /// Its measured power.
    watts: f32,
    /// Memory that other programs use, in MiB.
    strangers_mib: u64,
}

/// What each life (a model and its epoch) has drawn in this time, of all devices whose power is measured, or else
/// stands in `by_hand`. One that is on no such device is left out: nothing is known of it.
pub fn drawn(
    holds: &[Hold],
    snapshot: &DeviceSnapshot,
    by_hand: &[(Requirement, u32)],
    time: Duration,
) -> BTreeMap<(ModelName, u64), u64> {
    let mut drawn = BTreeMap::new();
    for (at, device) in snapshot.devices.iter().enumerate() {
        let figure = || {
            let (_, watts) = by_hand.iter().find(|(device, _)| device.matches(snapshot).contains(&at))?;
            Some(*watts as f32)
        };
        let Some(watts) = device.power_w.or_else(figure).filter(|_| device.online) else { continue };
        let alive = holds.iter().filter(|hold| !matches!(hold.stage, Stage::Gone { .. }));
        let (lives, mib): (Vec<_>, Vec<u64>) = alive
            .filter_map(|hold| {
                let part = hold.parts.iter().find(|part| part.device == device.id)?;
                Some(((Arc::clone(&hold.model), hold.epoch), part.actual.unwrap_or(part.mib)))
            })
            .unzip();
        let strangers_mib = device.used_mib.unwrap_or(0).saturating_sub(mib.iter().sum());
        let parts = share_out(Draw { watts, strangers_mib }, time, &mib);
        for (life, part) in lives.into_iter().zip(parts) {
            *drawn.entry(life).or_default() += part;
        }
    }
    drawn
}

/// Millijoules for each holder of a device's memory over `time`, given the MiB of each. One that holds next
/// to nothing still counts as 1 MiB: it is there.
fn share_out(draw: Draw, time: Duration, holders_mib: &[u64]) -> Vec<u64> {
    let weight = |mib: &u64| u128::from((*mib).max(1));
    let all: u128 = holders_mib.iter().map(weight).sum::<u128>() + u128::from(draw.strangers_mib);
    let millijoules = millijoules(draw.watts, time.min(LONGEST_GAP));
    let part = |mib: &u64| u64::try_from(millijoules * weight(mib) / all.max(1)).unwrap_or(u64::MAX);
    holders_mib.iter().map(part).collect()
}

fn millijoules(watts: f32, time: Duration) -> u128 {
    if !watts.is_finite() || watts <= 0.0 {
        return 0;
    }
    // A megawatt is more than any card; what claims more is wrong.
    let milliwatts = (f64::from(watts).min(1e6) * 1000.0).round() as u64;
    u128::from(milliwatts) * time.as_micros() / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::Device;
    use crate::placement::HeldPart;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn power_is_shared_by_memory_with_strangers_too() {
        let draw = Draw { watts: 300.0, strangers_mib: 2000 };
        assert_eq!(share_out(draw, SECOND, &[6000, 4000]), [150_000, 100_000]);
        let alone = Draw { watts: 30.5, strangers_mib: 0 };
        assert_eq!(share_out(alone, 2 * SECOND, &[0]), [61_000]);
        assert_eq!(share_out(alone, SECOND, &[]), [0; 0]);
    }

    #[test]
    fn a_life_draws_from_every_device_that_it_is_on() {
        let device =
            |id: &str, power_w, used_mib| Device { power_w, used_mib, ..Device::new(id, id, "nvidia") };
        let devices = vec![
            device("a", Some(100.0), Some(1000)),
            device("b", Some(50.0), Some(500)),
            device("silent", None, Some(500)),
            Device { online: false, ..device("gone", Some(70.0), Some(500)) },
        ];
        let snapshot = DeviceSnapshot { devices, taken_at: None };
        let hold = |model: &str, parts: &[(&str, u64, Option<u64>)], stage| Hold {
            model: model.into(),
            epoch: 1,
            variant: "v".into(),
            parts: parts
                .iter()
                .map(|(device, mib, actual)| HeldPart {
                    device: (*device).into(),
                    mib: *mib,
                    actual: *actual,
                    unexplained_before: None,
                })
                .collect(),
            used_before: Vec::new(),
            stage,
            doze: crate::queue::Doze::Awake,
            granted: None,
            ready: None,
            load: Duration::ZERO,
            rivals: false,
            credit: Duration::ZERO,
        };
        let holds = [
            hold("both", &[("a", 900, Some(500)), ("b", 500, None)], Stage::Kept),
            hold("other", &[("a", 500, None)], Stage::Kept),
            hold("unmeasured", &[("silent", 500, None), ("gone", 500, None)], Stage::Kept),
            hold("past", &[("b", 500, None)], Stage::Gone { since: SECOND, used: Vec::new() }),
        ];
        let lives = |by_hand: &[(Requirement, u32)]| -> Vec<(String, u64)> {
            let drawn = drawn(&holds, &snapshot, by_hand, SECOND);
            drawn.into_iter().map(|((model, _), mj)| (model.to_string(), mj)).collect()
        };
        let (both, other) = (("both".to_owned(), 100_000), ("other".to_owned(), 50_000));
        assert_eq!(lives(&[]), [both.clone(), other.clone()]);
        // A figure by hand stands for what isn't measured, and for nothing else.
        let figure = |name: &str| (Requirement::parse(name).unwrap(), 250);
        let by_hand = [figure("a"), figure("silent"), figure("gone"), figure("elsewhere")];
        assert_eq!(lives(&by_hand), [both, other, ("unmeasured".to_owned(), 250_000)]);
    }

    #[test]
    fn nonsense_draws_nothing_and_a_long_sleep_little() {
        for watts in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -5.0, 0.0] {
            assert_eq!(share_out(Draw { watts, strangers_mib: 0 }, SECOND, &[1]), [0], "{watts}");
        }
        let draw = Draw { watts: 1.0, strangers_mib: 0 };
        assert_eq!(share_out(draw, Duration::from_secs(3600), &[1]), [15_000]);
    }

    proptest! {
        #[test]
        fn the_parts_are_never_more_than_the_whole(
            watts in 0.0_f32..2000.0,
            strangers_mib in 0_u64..100_000,
            holders in prop::collection::vec(0_u64..200_000, 0..9),
            millis in 0_u64..20_000,
        ) {
            let time = Duration::from_millis(millis);
            let parts = share_out(Draw { watts, strangers_mib }, time, &holders);
            let all: u128 = parts.iter().map(|part| u128::from(*part)).sum();
            prop_assert!(all <= millijoules(watts, time.min(LONGEST_GAP)));
            if strangers_mib == 0 && !holders.is_empty() {
                // Rounding takes less than a millijoule from each.
                prop_assert!(all + holders.len() as u128 > millijoules(watts, time.min(LONGEST_GAP)));
            }
        }
    }
}
