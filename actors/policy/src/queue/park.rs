//! Models that sleep: room for what they hold then, and their way back.
//!
//! One that would sleep waits until there is room for what it holds asleep; host RAM is a device like others. Where there
//! isn't, the parked models that are cheapest to lose end for it, if losing them costs less than losing it.

use super::pace;
use super::round::Round;
use super::{Doze, Effect, Hold, Stage, State, View, Waiting};
use crate::devices::{DeviceId, Requirement};
use crate::placement::{
    self, DemandPriority, HeldPart, ModelName, Need, ParkedMemory, Resident, ResidentState, Variant,
    guessed_reload, stop_cost,
};
use std::sync::Arc;
use std::time::Duration;

/// Whether there is room for what a model holds asleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Now,
    /// Once some that are cheaper to lose are gone, or some that go already.
    Later,
    Never,
}

/// Which models might sleep now, if they had to go.
pub fn may_park(state: &State, view: &View<'_>) -> Vec<(ModelName, bool)> {
    let round = Round::new(state, view);
    let held = round.held();
    let can = view.models.iter().filter(|seen| seen.sleep.is_some());
    can.map(|seen| (seen.model.clone(), round.may_sleep(&seen.model, &held))).collect()
}

impl Round<'_> {
    /// Whether there is, or could be made, room for what this model holds asleep.
    pub(super) fn may_sleep(&self, model: &ModelName, held: &[Resident]) -> bool {
        let one = held.iter().find(|one| one.model == *model && one.sleep.is_some());
        one.is_some_and(|one| self.room_for(one, held) != Room::Never)
    }

    pub(super) fn begins_to_park(&mut self, model: &ModelName, epoch: u64) {
        if let Some(hold) = self.hold(model, epoch) {
            hold.doze = Doze::Wants;
        }
    }

    pub(super) fn stays_awake(&mut self, model: &ModelName, epoch: u64) {
        let Some(hold) = self.hold(model, epoch) else { return };
        if let Doze::Going { awake } = std::mem::take(&mut hold.doze) {
            hold.parts = awake;
        }
    }

    /// What it needs awake comes back when the device shows it, as that of a process that has ended does.
    pub(super) fn falls_asleep(&mut self, model: &ModelName, epoch: u64) {
        let (now, view) = (self.view.now, self.view);
        self.state.waiting.retain(|one| one.model != *model || one.epoch != epoch);
        let sleep = self.seen(model, epoch).and_then(|seen| seen.sleep.clone());
        let Some(sleep) = sleep else { return };
        let Some(hold) = self.hold(model, epoch) else { return };
        let awake = match std::mem::take(&mut hold.doze) {
            doze @ Doze::Down { .. } => {
                hold.doze = doze;
                return;
            }
            Doze::Going { awake } => awake,
            Doze::Awake | Doze::Asked | Doze::Wants => hold.parts.clone(),
        };
        let (before, asker) = match &hold.stage {
            Stage::Asked { used, in_favour_of, .. } | Stage::Yielding { used, in_favour_of } => {
                (used.clone(), Some(in_favour_of.clone()))
            }
            _ => (vec![None; awake.len()], None),
        };
        let latest = awake.iter().map(|part| view.snapshot.get(&part.device)?.used_mib);
        let used = latest.zip(before).map(|(latest, before)| latest.max(before));
        let less = |mib: u64, part: &HeldPart| mib.saturating_sub(sleep.on(&part.device));
        let given = awake.iter().map(|part| HeldPart {
            mib: less(part.mib, part),
            actual: part.actual.map(|actual| less(actual, part)),
            ..part.clone()
        });
        let asleep_on =
            |(part, used): (&HeldPart, &Option<u64>)| used.map(|used| used + sleep.on(&part.device));
        let ghost = Hold {
            parts: given.collect(),
            used_before: awake.iter().zip(&hold.used_before).map(asleep_on).collect(),
            stage: Stage::Gone { since: now, used: used.collect() },
            ..hold.clone()
        };
        let (ready, credit) = (hold.ready.take(), hold.credit);
        // What was unexplained when it was reserved still is, for what it keeps.
        let former = std::mem::take(&mut hold.parts);
        let kept = |(device, mib): &(DeviceId, u64)| {
            let before = former.iter().find(|part| part.device == *device);
            HeldPart {
                unexplained_before: before.and_then(|part| part.unexplained_before),
                ..part(device.clone(), *mib)
            }
        };
        hold.parts = sleep.holds.iter().map(kept).collect();
        hold.used_before = vec![None; hold.parts.len()];
        hold.stage = Stage::Kept;
        hold.doze = Doze::Down { awake: awake.iter().map(|on| part(on.device.clone(), on.mib)).collect() };
        self.gave_up(asker, &awake, ready, credit);
        // Behind the one that lives: whoever looks for it finds that one.
        self.state.holds.push(ghost);
    }

    /// Demands what a model that sleeps needs awake, where it sleeps.
    pub(super) fn wants_to_wake(&mut self, model: &ModelName, epoch: u64, urgency: DemandPriority) {
        self.state.waiting.retain(|one| one.model != *model);
        if let Some(mut waiting) = self.waking(model, epoch) {
            // Of which class those are who want it is seen here.
            if urgency == DemandPriority::Boot {
                waiting.urgency = urgency;
            }
            self.state.waiting.push(waiting);
        }
    }

    /// The demand of a model that sleeps; `None`: it doesn't.
    pub(super) fn waking(&self, model: &ModelName, epoch: u64) -> Option<Waiting> {
        let hold = self.state.holds.iter().find(|hold| hold.model == *model && hold.epoch == epoch)?;
        let Doze::Down { awake } = &hold.doze else { return None };
        let need = |part: &HeldPart| {
            let has = hold.parts.iter().filter(|one| one.device == part.device).map(|one| one.mib);
            let mib = part.mib.saturating_sub(has.sum());
            Need { requirement: Requirement::exactly(&part.device), mib }
        };
        let variant = Variant { name: Arc::clone(&hold.variant), needs: awake.iter().map(need).collect() };
        let seen = self.seen(model, epoch);
        let wake = seen.and_then(|seen| seen.sleep.as_ref()).map(|sleep| sleep.wake);
        let class = seen.and_then(|seen| seen.users.now).unwrap_or_default();
        let variants = Arc::from([variant]);
        let urgency = DemandPriority::Wanted(class);
        Some(Waiting { wakes: true, urgency, ..Waiting::new(model, epoch, &variants, wake, self.view.now) })
    }

    /// The whole of what it needs is its own again.
    pub(super) fn grant_wake(&mut self, waiting: &Waiting, held: &[Resident]) -> Option<Resident> {
        let others = placement::unexplained(&self.world(held));
        let now = self.view.now;
        let (model, epoch) = (waiting.model.clone(), waiting.epoch);
        let Doze::Down { mut awake } = self.hold(&model, epoch).map(|hold| std::mem::take(&mut hold.doze))?
        else {
            return None;
        };
        for part in &mut awake {
            let at = self.view.snapshot.position(&part.device);
            part.unexplained_before = at.and_then(|at| others.get(at).copied());
        }
        let used_before = self.used_on(&awake);
        let credit = pace::credit(&self.state.accounts, awake.iter().map(|part| &part.device), now);
        let hold = self.hold(&model, epoch)?;
        hold.parts = awake.clone();
        hold.used_before = used_before;
        hold.stage = Stage::Kept;
        hold.granted = Some(now);
        hold.ready = None;
        hold.load = waiting.load.unwrap_or_else(|| guessed_reload(waiting.mib));
        hold.rivals = waiting.rivals;
        hold.credit = credit;
        self.effects.push(Effect::GrantWake { model: model.clone(), epoch });
        Some(Resident::new(model, awake))
    }

    /// Lets those sleep for whom there is room, and makes some where that is worth it.
    pub(super) fn let_park(&mut self) {
        let wants = self.state.holds.iter().filter(|hold| hold.doze == Doze::Wants);
        for (model, epoch) in wants.map(|hold| (hold.model.clone(), hold.epoch)).collect::<Vec<_>>() {
            let held = self.held();
            let one = held.iter().find(|one| one.model == model && one.sleep.is_some());
            let room = one.map_or(Room::Never, |one| self.room_for(one, &held));
            let sleep = one.and_then(|one| one.sleep.clone());
            match (room, sleep) {
                (Room::Now, Some(sleep)) => {
                    let others = placement::unexplained(&self.world(&held));
                    self.reserve_sleep(&model, epoch, &sleep, &others);
                }
                (Room::Later, Some(_)) => {
                    self.make_room(one, &held);
                    continue;
                }
                _ => self.stays_awake(&model, epoch),
            }
            let go = room == Room::Now;
            self.effects.push(Effect::LetPark { model, epoch, go });
        }
        self.relieve();
    }

    fn reserve_sleep(&mut self, model: &ModelName, epoch: u64, sleep: &ParkedMemory, others: &[i64]) {
        let snapshot = self.view.snapshot;
        let Some(hold) = self.hold(model, epoch) else { return };
        let awake = hold.parts.clone();
        for (device, mib) in &sleep.holds {
            match hold.parts.iter_mut().find(|part| part.device == *device) {
                Some(part) => part.mib = part.mib.max(*mib),
                None => {
                    let unexplained_before = snapshot.position(device).and_then(|at| others.get(at).copied());
                    hold.parts.push(HeldPart { unexplained_before, ..part(device.clone(), *mib) });
                    hold.used_before.push(None);
                    if let Stage::Asked { used, .. } | Stage::Yielding { used, .. } = &mut hold.stage {
                        used.push(None);
                    }
                }
            }
        }
        hold.doze = Doze::Going { awake };
    }

    /// What a model that sleeps holds more than now, by places in the snapshot.
    fn more(&self, one: &Resident) -> Vec<(usize, i64)> {
        let has = |device: &DeviceId| {
            one.parts.iter().filter(|part| part.device == *device).map(|part| part.mib).sum::<u64>()
        };
        let sleep = one.sleep.iter().flat_map(|sleep| &sleep.holds);
        let more = sleep.filter_map(|(device, mib)| {
            let at = self.view.snapshot.position(device)?;
            Some((at, i64::try_from(mib.saturating_sub(has(device))).unwrap_or(i64::MAX)))
        });
        more.filter(|(_, mib)| *mib > 0).collect()
    }

    fn room_for(&self, one: &Resident, held: &[Resident]) -> Room {
        let more = self.more(one);
        if more.is_empty() {
            return Room::Now;
        }
        let (free, with_going) = placement::room(&self.world(held));
        let fits =
            |rooms: &[i64]| more.iter().all(|(at, mib)| rooms.get(*at).is_some_and(|room| room >= mib));
        if fits(&free) {
            return Room::Now;
        }
        let mut rooms = with_going;
        for (cheaper, _) in self.cheaper(one, held) {
            for part in &cheaper.parts {
                let at = self.view.snapshot.position(&part.device);
                let mib = i64::try_from(part.mib).unwrap_or(0);
                at.and_then(|at| rooms.get_mut(at)).into_iter().for_each(|room| *room += mib);
            }
        }
        if fits(&rooms) { Room::Later } else { Room::Never }
    }

    /// Those that sleep and are cheaper to lose than this one, the cheapest first.
    fn cheaper<'b>(&self, than: &Resident, held: &'b [Resident]) -> Vec<(&'b Resident, u64)> {
        let now = self.view.now;
        let limit = stop_cost(than, now);
        let parked = held.iter().filter(|one| {
            matches!(one.standing, ResidentState::Parked { wanted: false, .. })
                && !one.pinned
                && one.warm.is_none()
                && one.model != than.model
        });
        let mut priced: Vec<_> = parked.map(|one| (one, stop_cost(one, now))).collect();
        priced.retain(|(_, cost)| *cost < limit);
        priced.sort_by_key(|(one, cost)| (*cost, one.model.clone()));
        priced
    }

    /// Has the cheapest ones end until there is room.
    fn make_room(&mut self, one: Option<&Resident>, held: &[Resident]) {
        let Some(one) = one else { return };
        let more = self.more(one);
        let (_, mut rooms) = placement::room(&self.world(held));
        let lacks = |rooms: &[i64], at: usize, mib: i64| rooms.get(at).is_some_and(|room| *room < mib);
        let cheaper = self.cheaper(one, held);
        for victim in cheaper.into_iter().map(|(victim, _)| victim.clone()) {
            let helps = more.iter().any(|(at, mib)| {
                let on =
                    victim.parts.iter().any(|part| self.view.snapshot.position(&part.device) == Some(*at));
                on && lacks(&rooms, *at, *mib)
            });
            if !helps {
                continue;
            }
            for part in &victim.parts {
                let at = self.view.snapshot.position(&part.device);
                let mib = i64::try_from(part.mib).unwrap_or(0);
                at.and_then(|at| rooms.get_mut(at)).into_iter().for_each(|room| *room += mib);
            }
            self.ask_to_end(&victim.model, &one.model);
        }
    }

    /// Where devices have less than nothing left, for others use more of it, the parked model that is cheapest to lose ends.
    fn relieve(&mut self) {
        if !self.state.holds.iter().any(|hold| matches!(hold.doze, Doze::Down { .. })) {
            return;
        }
        let held = self.held();
        let (_, rooms) = placement::room(&self.world(&held));
        let now = self.view.now;
        for (at, _) in rooms.iter().enumerate().filter(|(_, room)| **room < 0) {
            let on = |one: &&Resident| {
                matches!(one.standing, ResidentState::Parked { wanted: false, .. })
                    && !one.pinned
                    && one.warm.is_none()
                    && one.parts.iter().any(|part| self.view.snapshot.position(&part.device) == Some(at))
            };
            let cheapest = held.iter().filter(on).min_by_key(|one| (stop_cost(one, now), one.model.clone()));
            let device = self.view.snapshot.devices.get(at).map_or("", |device| &device.name);
            if let Some(model) = cheapest.map(|one| one.model.clone()) {
                self.ask_to_end(&model, &Arc::from(format!("other programs on {device}")));
            }
        }
    }

    fn ask_to_end(&mut self, model: &ModelName, in_favour_of: &ModelName) {
        let now = self.view.now;
        let live = |hold: &&mut Hold| hold.model == *model && matches!(hold.doze, Doze::Down { .. });
        let Some(hold) = self.state.holds.iter_mut().find(live) else { return };
        let (epoch, in_favour_of) = (hold.epoch, in_favour_of.clone());
        let used = vec![None; hold.parts.len()];
        hold.stage = Stage::Asked { at: now, used, in_favour_of: in_favour_of.clone() };
        self.effects.push(Effect::AskEvict { model: model.clone(), epoch, in_favour_of, park: false });
    }
}

fn part(device: DeviceId, mib: u64) -> HeldPart {
    HeldPart { device, mib, actual: None, unexplained_before: None }
}

/// What a model that can sleep is taken to load: its successor's memory comes back at that price.
pub(super) fn comes_back_in(load: Duration, sleep: Option<&ParkedMemory>) -> Duration {
    sleep.map_or(load, |sleep| load.min(sleep.wake))
}
