//! One card, and who asks for it: the queue's table at work, with its effects in short.

use llm_manager_policy::devices::{Device, DeviceSnapshot, Requirement};
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::placement::{
    DemandPriority, HoldTime, Need, PlacementSettings, ResidentState, UserClasses, Variant,
};
use llm_manager_policy::queue::*;
use std::sync::Arc;
use std::time::Duration;

/// What a load takes.
pub(crate) const LOAD: Duration = Duration::from_secs(8);

pub(crate) struct Desk {
    pub(crate) state: State,
    pub(crate) now: Moment,
    pub(crate) snapshot: DeviceSnapshot,
    pub(crate) models: Vec<ObservedModel>,
    pub(crate) settings: PlacementSettings,
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn wants(mib: &[u64]) -> Arc<[Variant]> {
    let need = |mib: &u64| vec![Need { requirement: Requirement::parse("gpu").unwrap(), mib: *mib }];
    mib.iter().map(|mib| Variant { name: mib.to_string().into(), needs: need(mib) }).collect()
}

pub(crate) fn demand_of(model: &str, epoch: u64, variants: Arc<[Variant]>) -> Event {
    let (urgency, overlap) = (DemandPriority::default(), false);
    Event::Demand { model: model.into(), epoch, variants, load: None, urgency, overlap }
}

impl Desk {
    pub(crate) fn new() -> Self {
        let device = Device { total_mib: Some(10_000), used_mib: Some(0), ..Device::new("0", "gpu", "fake") };
        let now = seconds(1000);
        Self {
            state: State::default(),
            now,
            snapshot: DeviceSnapshot { devices: vec![device], taken_at: Some(now) },
            models: Vec::new(),
            settings: PlacementSettings {
                min_hold: HoldTime::Fixed(seconds(10)),
                max_hold: HoldTime::Fixed(seconds(60)),
                ..PlacementSettings::default()
            },
        }
    }

    pub(crate) fn effects(&mut self, event: Event) -> Vec<Effect> {
        let Self { now, snapshot, models, settings, .. } = self;
        let step = step(&self.state, event, &View { now: *now, snapshot, models, settings });
        self.state = step.state;
        step.effects
    }

    /// The effects in short, without timers.
    pub(crate) fn step(&mut self, event: Event) -> Vec<String> {
        let effects = self.effects(event);
        let told = |effect: &Effect| match effect {
            Effect::Grant { model, epoch, assignment, .. } => {
                Some(format!("grant {model}{epoch} {}", assignment.first().map_or(0, |part| part.mib)))
            }
            Effect::Deny { model, epoch, denial, .. } => Some(format!("deny {model}{epoch} {denial:?}")),
            Effect::AskEvict { model, epoch, .. } => Some(format!("evict {model}{epoch}")),
            Effect::AskYield { model, epoch, .. } => Some(format!("yield {model}{epoch}")),
            Effect::WithdrawYield { model, epoch } => Some(format!("stay {model}{epoch}")),
            Effect::GrantWake { model, epoch } => Some(format!("wake {model}{epoch}")),
            Effect::LetPark { model, epoch, go } => Some(format!("park {model}{epoch} {go}")),
            Effect::AskSnapshot(_) => Some("look".to_owned()),
            Effect::ArmTimer(_) | Effect::DisarmTimer => None,
        };
        effects.iter().filter_map(told).collect()
    }

    /// Both holds follow what a swap costs.
    pub(crate) fn auto() -> Self {
        let mut desk = Self::new();
        (desk.settings.min_hold, desk.settings.max_hold) = (HoldTime::Auto, HoldTime::Auto);
        desk
    }

    /// A model is granted, loads for that long and is idle; the card shows it.
    pub(crate) fn loads(&mut self, model: &str, epoch: u64, mib: u64, load: Duration) {
        self.now += load;
        self.ready(model, epoch, false);
        self.sampled(mib);
    }

    pub(crate) fn demand(&mut self, model: &str, epoch: u64, mib: &[u64]) -> Vec<String> {
        self.step(demand_of(model, epoch, wants(mib)))
    }

    pub(crate) fn returned(&mut self, model: &str, epoch: u64, ran: bool) -> Vec<String> {
        self.models.retain(|one| *one.model != *model);
        self.step(Event::Returned { model: model.into(), epoch, ran })
    }

    pub(crate) fn sampled(&mut self, used: u64) -> Vec<String> {
        self.snapshot.taken_at = Some(self.now);
        self.snapshot.devices[0].used_mib = Some(used);
        self.step(Event::SnapshotTaken)
    }

    pub(crate) fn after(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.step(Event::Timer)
    }

    /// A model that became ready just now.
    pub(crate) fn ready(&mut self, model: &str, epoch: u64, busy: bool) {
        self.models.retain(|one| *one.model != *model);
        let standing = ResidentState::Ready { since: self.now, busy, idle_since: self.now };
        self.models.push(ObservedModel {
            model: model.into(),
            epoch,
            standing,
            pinned: false,
            warm: None,
            reload: None,
            users: UserClasses::default(),
            sleep: None,
            actual: Vec::new(),
        });
    }
}
