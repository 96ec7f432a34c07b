//! The reservations as placement sees them: who holds what, and whether it could be had.

use super::round::Round;
use super::{ANSWER_TIME, Doze, Hold, Stage};
use crate::lifecycle::Moment;
use crate::placement::{DeviceAllocation, HeldPart, Resident, ResidentState, Tenure};

impl Round<'_> {
    /// The reservations as placement sees them.
    pub(super) fn held(&self) -> Vec<Resident> {
        let mut held = self.all_held();
        // Who could sleep, but has no room for it, can't.
        let sleepers = held
            .iter()
            .filter(|one| one.sleep.is_some() && !matches!(one.standing, ResidentState::Parked { .. }));
        let cant = sleepers.filter(|one| !self.may_sleep(&one.model, &held)).map(|one| one.model.clone());
        for model in cant.collect::<Vec<_>>() {
            held.iter_mut().filter(|one| one.model == model).for_each(|one| one.sleep = None);
        }
        held
    }

    fn all_held(&self) -> Vec<Resident> {
        let now = self.view.now;
        let one = |hold: &Hold| {
            let seen = self.seen(&hold.model, hold.epoch);
            let shown = seen.map(|seen| seen.standing);
            // A model that we don't see yet is about to start.
            let shown = shown.unwrap_or(ResidentState::Starting { wanted: true, since: now });
            let standing = match (&hold.stage, shown) {
                (Stage::Gone { .. }, _) => ResidentState::Settling,
                // It is told so, but a demand to wake goes before the answer.
                (Stage::Kept | Stage::Refused { .. }, shown) if matches!(hold.doze, Doze::Down { .. }) => {
                    asleep(shown, now)
                }
                (Stage::Asked { at, .. }, _) if now < at.saturating_add(ANSWER_TIME) => leaving(shown),
                (Stage::Yielding { .. }, _) => leaving(shown),
                (Stage::Refused { until }, ResidentState::Ready { since, idle_since, .. })
                    if now < *until =>
                {
                    ResidentState::Ready { since, busy: true, idle_since }
                }
                (Stage::Refused { until }, ResidentState::Starting { since, .. }) if now < *until => {
                    ResidentState::Starting { wanted: true, since }
                }
                _ => shown,
            };
            let mut parts = hold.parts.clone();
            // What has ended holds what it used, not what it might have used.
            if standing == ResidentState::Settling {
                parts.iter_mut().for_each(|part| part.mib = part.actual.take().unwrap_or(part.mib));
            }
            let pinned = seen.is_some_and(|seen| seen.pinned);
            let warm = seen.and_then(|seen| seen.warm);
            let reload = seen.and_then(|seen| seen.reload);
            let sleep =
                seen.filter(|_| standing != ResidentState::Settling).and_then(|seen| seen.sleep.clone());
            let dozes =
                sleep.is_some() && matches!(hold.doze, Doze::Asked | Doze::Wants | Doze::Going { .. });
            let tenure = Some(hold.tenure());
            let users = seen.map(|seen| seen.users).unwrap_or_default();
            Resident {
                standing,
                pinned,
                warm,
                reload,
                sleep,
                dozes,
                tenure,
                users,
                ..Resident::new(hold.model.clone(), parts)
            }
        };
        self.state.holds.iter().map(one).collect()
    }
}

impl Hold {
    pub(super) fn tenure(&self) -> Tenure {
        let mib = self.parts.iter().map(|part| part.mib).sum();
        Tenure { load: self.load, mib, credit: self.credit, rivals: self.rivals }
    }
}

pub(super) fn held_part(part: DeviceAllocation, unexplained_before: Option<i64>) -> HeldPart {
    HeldPart { device: part.device, mib: part.mib, actual: None, unexplained_before }
}

/// One that sleeps, as it shows: it may want to be woken, or be on its way out.
fn asleep(shown: ResidentState, now: Moment) -> ResidentState {
    match shown {
        ResidentState::Parked { .. } | ResidentState::Leaving { .. } => shown,
        ResidentState::Starting { since, .. } | ResidentState::Ready { since, .. } => {
            ResidentState::Parked { since, wanted: true, idle_since: now }
        }
        other => other,
    }
}

/// The same model, told to go.
pub(super) fn leaving(standing: ResidentState) -> ResidentState {
    match standing {
        ResidentState::Ready { since, .. } => ResidentState::Leaving { ready: Some(since) },
        ResidentState::Starting { .. } => ResidentState::Leaving { ready: None },
        // What it holds asleep can be seen.
        ResidentState::Parked { since, .. } => ResidentState::Leaving { ready: Some(since) },
        other => other,
    }
}
