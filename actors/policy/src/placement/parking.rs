//! Who goes for whom, and who need only sleep: parking frees less than an end, and costs less.

use super::assignment::Slot;
use super::capacity::Rooms;
use super::victims::{self, Choice};

/// Who has to go.
pub(super) struct EvictionChoice {
    pub(super) choice: Choice,
    /// Those of the victims that sleep instead, as positions in `World::held`.
    pub(super) parks: Vec<usize>,
}

/// The cheapest choice with everybody asleep who can be; if that isn't enough, the cheapest without any of them, but for
/// those who may sleep all the same.
pub(super) fn cheapest(slots: &[Slot], rooms: &Rooms, budget: &mut u32) -> Option<EvictionChoice> {
    let can_sleep =
        |held: usize| rooms.shares.iter().any(|share| share.held == held && share.asleep.is_some());
    if let Some(choice) = victims::cheapest(slots, &rooms.with_going, &rooms.idle, budget) {
        let parks = choice.victims.iter().copied().filter(|at| can_sleep(*at)).collect();
        return Some(EvictionChoice { choice, parks });
    }
    let choice = victims::cheapest(slots, &rooms.with_going, rooms.stopped.as_ref()?, budget)?;
    let mut parks = Vec::new();
    for victim in choice.victims.iter().copied().filter(|at| can_sleep(*at)) {
        parks.push(victim);
        if !is_enough(slots, rooms, &choice, &parks) {
            parks.pop();
        }
    }
    Some(EvictionChoice { choice, parks })
}

/// Whether all slots fit once the victims are gone, these of them only asleep.
fn is_enough(slots: &[Slot], rooms: &Rooms, choice: &Choice, parks: &[usize]) -> bool {
    slots.iter().zip(&choice.devices).all(|(slot, device)| {
        let gone = rooms.shares.iter().filter(|share| share.device == *device);
        let gone = gone.filter(|share| choice.victims.contains(&share.held));
        let given = gone.map(|share| if parks.contains(&share.held) { share.given_up() } else { share.mib });
        let room = rooms.with_going.get(*device).copied().unwrap_or(0) + given.sum::<i64>();
        slot.lack(room) == 0
    })
}
