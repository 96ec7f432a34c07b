//! How long a model keeps its memory while others want it: the rule behind `min_hold: auto` and `max_hold: auto`.
//!
//! ```text
//! swap(V, D)  = load(V) + load(D)      what it costs to give V's memory to D and to bring V back
//! dwell(V, D) = 9/16 x swap(V, D)      how long V stays ready before it goes for D, idle or not
//! busy(V, D)  = 3/4  x swap(V, D)      how long V may go on being busy while D waits; at least 1 s
//! ```
//!
//! `load` is what a start took: V's own present one, D's as it was measured before. A model that has never been started
//! is taken to load as many MiB a second as V did.
//!
//! **Alone.** If D is the only one that waits, came when V was ready already, and V's own start had no rival, then an
//! idle V goes at once, however short it was ready: one person who goes to and fro between two models waits for
//! nothing but the loads. Otherwise two models *compete*, and V has to dwell.
//!
//! **Credit.** What a model stays longer than it had to is left to its successor, up to `9/8 x load` of the successor.
//! So after a quiet time the first swap back is immediate, too: one request to D amid steady traffic for V costs V's
//! clients two loads and no dwell.
//!
//! **Bound on loading.** Let models with loads `L1 .. Ln` follow each other on a device while they compete, and let
//! `di` be the time from `Li`'s end to the beginning of `Li+1`. By the rule `di + credit_i >= 9/16 (Li + Li+1)` and
//! `credit_i+1 <= credit_i + di - 9/16 (Li + Li+1)`. Summed up, with `credit_1 <= 9/8 L1`:
//!
//! ```text
//! d1 + ... + dn-1  >=  9/8 (L1 + ... + Ln) - 9/16 (L1 + Ln) - 9/8 L1
//! ```
//!
//! So of any stretch of time `T` in which models compete at most `8/17 T` and 18/17 of the longest load are spent
//! loading: of a stretch with ten equally long loads at most 10 / (10 + 11.25 - 2.25) = 10/19, or 53 %.
//!
//! **Bound on waiting.** Demands are served in the order of their arrival. In front of D are the resident V and those
//! who came before; each of them loads, and then goes at the latest when it has been busy for 3/4 of its and its
//! successor's load, and its last answers have ended. So D waits for at most 5/2 times the loads of V, of those in
//! front of it and its own (or 1 s for each of them if that is more), for the answers that run when their time is up,
//! and for the processes to end.
//!
//! A dwell that is any constant multiple of the load below that breaks the first bound under load from both sides:
//! `tests/queue_pace.rs` plays such rules against it.

use crate::devices::DeviceId;
use crate::lifecycle::Moment;
use crate::placement::{HoldTime, Tenure};
use std::time::Duration;

/// A busy model is not told to finish sooner than that.
pub const LEAST_BUSY: Duration = Duration::from_secs(1);

/// How long a model stays before it goes for another, when both are wanted.
pub fn dwell(resident: Duration, asker: Duration) -> Duration {
    resident.saturating_add(asker).saturating_mul(9) / 16
}

/// How long a busy model may keep another one waiting.
pub(super) fn patience(setting: HoldTime, resident: Duration, asker: Duration) -> Duration {
    match setting {
        HoldTime::Auto => (resident.saturating_add(asker).saturating_mul(3) / 4).max(LEAST_BUSY),
        HoldTime::Fixed(time) => time,
    }
}

/// How long an asker of this size will load: as measured, or at the pace of the resident.
pub(super) fn expected(measured: Option<Duration>, mib: u64, resident: Tenure) -> Duration {
    let scaled = resident.load.as_micros().saturating_mul(mib.into()) / u128::from(resident.mib.max(1));
    let scaled = Duration::from_micros(u64::try_from(scaled).unwrap_or(u64::MAX));
    measured.unwrap_or(if mib == 0 || resident.mib == 0 { resident.load } else { scaled })
}

/// The most of its inheritance that a model keeps, once it is known how long it loads.
pub(super) fn most_credit(load: Duration) -> Duration {
    load.saturating_mul(9) / 8
}

/// What the last model that went from a device for another left over of its dwell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// Where.
    pub device: DeviceId,
    /// How much.
    pub left: Duration,
    /// When it went. Time in which nobody loads adds to what is left.
    pub since: Moment,
}

/// What a model that starts on these devices now inherits: without bound where nobody has gone for another yet.
pub(super) fn credit<'a>(
    accounts: &[Account],
    devices: impl Iterator<Item = &'a DeviceId>,
    now: Moment,
) -> Duration {
    let on = |device: &DeviceId| accounts.iter().find(|account| account.device == *device);
    let inherited = devices.filter_map(on);
    let inherited = inherited.map(|one| one.left.saturating_add(now.saturating_sub(one.since)));
    inherited.min().unwrap_or(Duration::MAX)
}

/// Notes what a model that goes leaves over.
pub(super) fn leave<'a>(
    accounts: &mut Vec<Account>,
    devices: impl Iterator<Item = &'a DeviceId>,
    left: Duration,
    now: Moment,
) {
    for device in devices {
        let account = Account { device: device.clone(), left, since: now };
        match accounts.iter_mut().find(|account| account.device == *device) {
            Some(known) => *known = account,
            None => accounts.push(account),
        }
    }
}
