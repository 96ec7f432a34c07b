//! Who goes from a device that other programs need, or that an operator has paused.

use super::held::leaving;
use super::round::Round;
use super::steps::Needed;
use super::{Doze, Effect, Hold, Stage};
use crate::placement::{ModelName, Resident, ResidentState, make_way};

impl Round<'_> {
    /// Sends models away from devices that other programs need.
    pub(super) fn make_way(&mut self, held: &mut [Resident], needed: &mut Needed) {
        for (at, device) in self.view.snapshot.devices.iter().enumerate() {
            let going = if device.shared.paused_until.is_some() {
                let on = |one: &&Resident| one.parts.iter().any(|part| part.device == device.id);
                held.iter().filter(on).map(|one| one.model.clone()).collect()
            } else if device.shared.gives_way && device.online {
                make_way(&self.world(held), at)
            } else {
                continue;
            };
            needed.models.extend(going.iter().cloned());
            // A paused device is left altogether; for others what a sleeper gives up may be enough.
            let all_of_it = device.shared.paused_until.is_some();
            for model in going {
                self.send_away(&model, &device.name, held, all_of_it);
            }
        }
    }

    /// Asks a model to go for other programs: at once if it is idle, otherwise when its answers have ended.
    fn send_away(&mut self, model: &ModelName, device: &str, held: &mut [Resident], all_of_it: bool) {
        let now = self.view.now;
        let may_sleep = !all_of_it && self.may_sleep(model, held);
        let Some(one) = held.iter_mut().find(|one| one.model == *model) else { return };
        let busy = match one.standing {
            ResidentState::Ready { busy, .. } => busy,
            ResidentState::Starting { wanted, .. } => wanted,
            ResidentState::Parked { .. } => false,
            ResidentState::Leaving { .. } | ResidentState::Settling | ResidentState::First => return,
        };
        let alive = |hold: &&mut Hold| hold.model == *model && !matches!(hold.stage, Stage::Gone { .. });
        let snapshot = self.view.snapshot;
        let Some(hold) = self.state.holds.iter_mut().find(alive) else { return };
        // One that has just refused is left alone for a moment.
        if matches!(hold.stage, Stage::Refused { until } if now < until) {
            return;
        }
        let park = may_sleep && matches!(one.standing, ResidentState::Ready { .. });
        one.standing = leaving(one.standing);
        one.dozes = park;
        if park {
            hold.doze = Doze::Asked;
        }
        let used = hold.parts.iter().map(|part| snapshot.get(&part.device)?.used_mib).collect();
        let in_favour_of: ModelName = format!("other programs on {device}").into();
        let (model, epoch, for_whom) = (model.clone(), hold.epoch, in_favour_of.clone());
        if busy {
            hold.stage = Stage::Yielding { used, in_favour_of: for_whom };
            self.effects.push(Effect::AskYield { model, epoch, in_favour_of, park });
        } else {
            hold.stage = Stage::Asked { at: now, used, in_favour_of: for_whom };
            self.effects.push(Effect::AskEvict { model, epoch, in_favour_of, park });
        }
    }
}
