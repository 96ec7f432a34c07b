//! Who decides in the examples: this queue, and what other managers do.

use super::house::Policy;
use llm_manager_policy::placement::{
    Decision, Demand, DemandPriority, DeviceAllocation, HeldPart, HoldTime, ModelName, PlacementSettings,
    Prefer, Resident, ResidentState, UserClasses, Variant, World, decide,
};
use llm_manager_policy::queue::{Denial, Effect, Event, POLL, State, View, explain, step};
use std::sync::Arc;
use std::time::Duration;

/// The same settings with the holding times that were the default before they followed the cost of a swap.
pub(crate) fn former(settings: &PlacementSettings) -> PlacementSettings {
    let (min_hold, max_hold) = (HoldTime::Fixed(FORMER_MIN_HOLD), HoldTime::Fixed(FORMER_MAX_HOLD));
    PlacementSettings { min_hold, max_hold, ..settings.clone() }
}

const FORMER_MIN_HOLD: Duration = Duration::from_secs(10);
const FORMER_MAX_HOLD: Duration = Duration::from_secs(60);

/// This queue.
pub(crate) struct Ours {
    state: State,
    /// False: it doesn't know of classes, as it was before there were any.
    classes: bool,
}

impl Default for Ours {
    fn default() -> Self {
        Self::with_classes(true)
    }
}

impl Ours {
    pub(crate) fn with_classes(classes: bool) -> Self {
        Self { state: State::default(), classes }
    }
}

impl Policy for Ours {
    fn step(&mut self, mut event: Event, view: &View<'_>) -> Vec<Effect> {
        let mut models = view.models.to_vec();
        if !self.classes {
            models.iter_mut().for_each(|one| one.users = UserClasses::default());
            if let Event::Demand { urgency, .. } = &mut event {
                *urgency = DemandPriority::default();
            }
        }
        let step = step(&self.state, event, &View { models: &models, ..*view });
        self.state = step.state;
        step.effects
    }
}

/// First come, first served; the least recently used idle model goes. With `alone` everybody else has to go.
pub(crate) struct Lru {
    alone: bool,
    waiting: Vec<(ModelName, u64, Arc<[Variant]>, Duration)>,
    holds: Vec<(ModelName, u64, Vec<DeviceAllocation>)>,
    asked: Vec<ModelName>,
}

impl Lru {
    pub(crate) fn new(alone: bool) -> Self {
        Self { alone, waiting: Vec::new(), holds: Vec::new(), asked: Vec::new() }
    }

    /// Where the first in the queue fits beside what is held; nobody is in the way of anybody.
    fn room(&self, view: &View<'_>, demand: &Demand) -> Option<(usize, Vec<DeviceAllocation>)> {
        let held = self.holds.iter().map(|(model, _, parts)| Resident {
            standing: ResidentState::First,
            ..Resident::new(
                model.clone(),
                parts
                    .iter()
                    .map(|part| HeldPart {
                        device: part.device.clone(),
                        mib: part.mib,
                        actual: Some(0),
                        unexplained_before: None,
                    })
                    .collect(),
            )
        });
        let held: Vec<Resident> = held.collect();
        let mut snapshot = view.snapshot.clone();
        snapshot.devices.iter_mut().for_each(|device| device.used_mib = Some(0));
        let settings = PlacementSettings { prefer: Prefer::Resident, ..view.settings.clone() };
        let world =
            World { now: view.now, snapshot: &snapshot, held: &held, settings: &settings, dated: false };
        match decide(&world, demand) {
            Decision::Fits { variant, assignment } => Some((variant, assignment)),
            _ => None,
        }
    }

    fn serve(&mut self, view: &View<'_>, effects: &mut Vec<Effect>) {
        while let Some((model, epoch, variants, since)) = self.waiting.first().cloned() {
            let demand = Demand::new(model.clone(), variants);
            if view.now >= since + view.settings.queue_timeout {
                let state = State::default();
                let explanation = Box::new(explain(&state, view, &model, &demand.variants, None));
                effects.push(Effect::Deny { model, epoch, denial: Denial::Timeout, explanation });
                self.waiting.remove(0);
                continue;
            }
            let others = self.holds.iter().any(|hold| hold.0 != model);
            if let Some((variant, assignment)) = self.room(view, &demand).filter(|_| !(self.alone && others))
            {
                self.holds.push((model.clone(), epoch, assignment.clone()));
                let explanation = Box::new(explain(&State::default(), view, &model, &demand.variants, None));
                effects.push(Effect::Grant {
                    model,
                    epoch,
                    variant,
                    assignment,
                    explanation,
                    made_room: None,
                });
                self.waiting.remove(0);
                continue;
            }
            if self.asked.is_empty() {
                self.make_room(view, &model, since, effects);
            }
            return;
        }
    }

    fn make_room(&mut self, view: &View<'_>, asker: &ModelName, since: Duration, effects: &mut Vec<Effect>) {
        let ready = view.models.iter().filter_map(|seen| match seen.standing {
            ResidentState::Ready { since, busy, idle_since } => Some((busy, idle_since, since, seen)),
            _ => None,
        });
        let mut ready: Vec<_> = ready.collect();
        ready.sort_by_key(|(busy, idle_since, ..)| (*busy, *idle_since));
        let Some((busy, _, ready_since, seen)) = ready.first() else { return };
        let (model, epoch, in_favour_of) = (seen.model.clone(), seen.epoch, asker.clone());
        if !busy && view.now >= *ready_since + FORMER_MIN_HOLD {
            self.asked.push(model.clone());
            effects.push(Effect::AskEvict { model, epoch, in_favour_of, park: false });
        } else if *busy && view.now >= since.max(*ready_since) + FORMER_MAX_HOLD {
            self.asked.push(model.clone());
            effects.push(Effect::AskYield { model, epoch, in_favour_of, park: false });
        }
    }
}

impl Policy for Lru {
    fn step(&mut self, event: Event, view: &View<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            // One that asks again is of another class, of which this knows nothing.
            Event::Demand { model, epoch, variants, .. }
                if !self.waiting.iter().any(|one| one.0 == model && one.1 == epoch) =>
            {
                self.waiting.push((model, epoch, variants, view.now));
            }
            Event::Returned { model, epoch, .. } => {
                self.holds.retain(|hold| hold.0 != model || hold.1 != epoch);
                self.asked.retain(|asked| *asked != model);
            }
            Event::EvictRefused { model, .. } => self.asked.retain(|asked| *asked != model),
            _ => {}
        }
        self.serve(view, &mut effects);
        let waits = !self.waiting.is_empty();
        effects.push(if waits { Effect::ArmTimer(view.now + POLL) } else { Effect::DisarmTimer });
        effects
    }
}
