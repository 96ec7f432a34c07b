//! The Scheduler actor: takes events through the policy's table and carries out what follows.

mod effects;
mod notices;

use super::estimates::Estimates;
use super::measured::Measured;
use super::messages::{Explain, Explained, PauseDevices, Reservations};
use super::pauses::Pauses;
use super::view;
use crate::actor_ref::tell;
use crate::device_monitor::{Devices, PollRate, SampleNow};
use crate::fault::Panic;
use crate::memory::{Announce, Holding, MemoryDrawn};
use crate::model::ModelHandle;
use crate::state_file::StateFile;
use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, ResponseActFuture, SpawnHandle,
    StreamHandler, WrapFuture,
};
use arc_swap::ArcSwap;
use llm_manager_devices::Snapshot;
use llm_manager_policy::devices::{BadRequirement, DeviceSnapshot, Requirement, SharedDevice};
use llm_manager_policy::energy;
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::placement::{PlacementSettings, ResidentState, Variant};
use llm_manager_policy::queue::{self, Event, ObservedModel, State, View};
use llm_manager_policy::spec::{ModelSpec, VariantSpec};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After a restart, models have this long to say what they hold.
const ANNOUNCE_TIME: Duration = Duration::from_secs(2);
/// How long a snapshot that was asked for may take.
const SNAPSHOT_TIME: Duration = Duration::from_secs(1);
/// How old a snapshot may be that is shown to somebody.
const SHOWN_AGE: Duration = Duration::from_secs(1);

/// Of whom the Scheduler decides, and by which settings.
#[derive(Clone)]
pub struct SchedulerScope {
    /// All models, those that are on their way out included.
    pub models: Vec<Arc<ModelHandle>>,
    /// What the user wants.
    pub settings: PlacementSettings,
    /// Watts of devices that don't tell their power.
    pub watts: Vec<(Requirement, u32)>,
    /// Devices that other programs use, too.
    pub shared_devices: Vec<SharedDevice>,
}

/// What a Scheduler is made of.
#[derive(Clone)]
pub struct Setup {
    /// What the configuration says; a reload puts another in its place.
    pub scope: Arc<ArcSwap<SchedulerScope>>,
    pub devices: Devices,
    /// The beginning of all moments.
    pub origin: Instant,
    /// File of what was measured.
    pub measured: PathBuf,
    /// Where relative paths of the configuration start.
    pub base_dir: PathBuf,
    /// Devices that an operator has paused.
    pub pauses: Pauses,
}

/// The actor.
pub struct Scheduler {
    pub(super) setup: Setup,
    pub(super) state: State,
    pub(super) snapshot: DeviceSnapshot,
    pub(super) measured: Measured,
    pub(super) measured_file: StateFile,
    pub(super) estimates: Estimates,
    /// What was granted, for the entries of `required_devices` behind each device.
    pub(super) granted: HashMap<(Arc<str>, u64), Holding>,
    /// Models that sleep and want to wake: which of their wakes it is.
    pub(super) wakes: HashMap<(Arc<str>, u64), u64>,
    /// Models that fall asleep: of which life, and what of RAM was in use before, in MiB.
    pub(super) ram_before: HashMap<Arc<str>, (u64, u64)>,
    /// Models that have not said yet what they hold, after a restart.
    silent: Option<BTreeSet<Arc<str>>>,
    timer: Option<SpawnHandle>,
    asking: bool,
}

impl Scheduler {
    /// A Scheduler; `restarted`: there was one before, and models may hold memory.
    pub fn new(setup: Setup, restarted: bool) -> Self {
        let now = setup.origin.elapsed();
        let silent = restarted.then(|| setup.scope.load().models.iter().map(name).collect());
        let state = if restarted { State::restarted(now + ANNOUNCE_TIME) } else { State::default() };
        let snapshot = view::snapshot(&setup.devices.latest(), setup.origin);
        let measured = Measured::load(&setup.measured);
        let measured_file = Measured::file(setup.measured.clone());
        let (estimates, granted, wakes) = (Estimates::default(), HashMap::new(), HashMap::new());
        Self {
            setup,
            state,
            snapshot,
            measured,
            measured_file,
            estimates,
            granted,
            wakes,
            ram_before: HashMap::new(),
            silent,
            timer: None,
            asking: false,
        }
    }

    pub(super) fn drive(&mut self, event: Event, ctx: &mut Context<Self>) {
        let now = self.setup.origin.elapsed();
        self.share_devices(now);
        let models = self.models();
        let scope = self.setup.scope.load();
        let view = View { now, snapshot: &self.snapshot, models: &models, settings: &scope.settings };
        let step = queue::step(&self.state, event, &view);
        self.state = step.state;
        self.publish_room(&view);
        for effect in step.effects {
            self.carry_out(effect, ctx);
        }
        let busy = !self.state.waiting.is_empty() || !self.state.holds.is_empty();
        self.setup.devices.set_pace(if busy { PollRate::Fast } else { PollRate::Slow });
    }

    /// What the user and operators want of the devices is in force in the newest snapshot.
    fn share_devices(&mut self, now: Moment) {
        let scope = self.setup.scope.load();
        self.snapshot.share(&scope.shared_devices, &self.setup.pauses.lasting(now));
    }

    fn models(&self) -> Vec<ObservedModel> {
        let seen = |model: &Arc<ModelHandle>| {
            let seen = view::model(model, &self.snapshot, self.measured.reload(model.spec.model()))?;
            let sleep = self.sleep_of(model, &seen);
            Some(ObservedModel { sleep, ..seen })
        };
        self.setup.scope.load().models.iter().filter_map(seen).collect()
    }

    pub(super) fn tell<M>(&self, model: &str, message: M)
    where
        crate::model::Model: Handler<M>,
        M: actix::Message + Send + 'static,
        M::Result: Send,
    {
        if let Some(addr) = self.find(model).and_then(|handle| handle.actor().addr()) {
            tell(&addr, message);
        }
    }

    pub(super) fn find(&self, model: &str) -> Option<Arc<ModelHandle>> {
        self.setup.scope.load().models.iter().find(|handle| handle.spec.name == model).cloned()
    }

    /// The model of a replica: all of them are measured as one.
    pub(super) fn model_of(&self, name: &str) -> String {
        self.find(name).map_or_else(|| name.to_owned(), |handle| handle.spec.model().to_owned())
    }

    fn see(&mut self, snapshot: &Snapshot, ctx: &mut Context<Self>) {
        let before = self.snapshot.taken_at;
        self.snapshot = view::snapshot(snapshot, self.setup.origin);
        let ours = self.setup.scope.load().models.iter().flat_map(|model| model.members()).collect();
        view::name_others(&mut self.snapshot, snapshot, &ours);
        self.measure();
        self.share_out_energy(before);
        self.drive(Event::SnapshotTaken, ctx);
    }

    /// Notes the largest use of each model that the devices tell of.
    fn measure(&mut self) {
        let mut news = false;
        for seen in self.models() {
            let Some(holding) = self.granted.get(&(Arc::clone(&seen.model), seen.epoch)) else { continue };
            if matches!(seen.standing, ResidentState::Parked { .. }) {
                let holding = holding.clone();
                news |= self.measure_asleep(&seen, &holding);
                continue;
            }
            for part in &holding.assignment {
                let used = seen.actual.iter().find(|(device, _)| *device == part.device);
                if let Some((_, mib)) = used {
                    news |= self.measured.note_use(
                        &self.model_of(&seen.model),
                        &holding.variant,
                        &part.requirement,
                        *mib,
                    );
                }
            }
        }
        if news {
            self.measured.save(&self.measured_file);
        }
    }

    /// Tells those who run what they have drawn since the snapshot before.
    fn share_out_energy(&self, before: Option<Moment>) {
        let (Some(before), Some(now)) = (before, self.snapshot.taken_at) else { return };
        let time = now.saturating_sub(before);
        let watts = &self.setup.scope.load().watts;
        for ((model, epoch), millijoules) in energy::drawn(&self.state.holds, &self.snapshot, watts, time) {
            self.tell(&model, MemoryDrawn { epoch, millijoules });
        }
    }

    fn variants(&self, spec: &ModelSpec) -> Result<Arc<[Variant]>, BadRequirement> {
        let variant = |variant: &VariantSpec| {
            let (model, name) = (&spec.name, &variant.name);
            let known = |requirement: &str| {
                let measured = self.measured.peak(spec.model(), name, requirement);
                measured.or_else(|| self.estimates.of(model, name, requirement))
            };
            Variant::of(variant, |requirement| variant.memory_auto.then(|| known(requirement)).flatten())
        };
        spec.variants.iter().map(variant).collect()
    }
}

fn name(model: &Arc<ModelHandle>) -> Arc<str> {
    model.spec.name.as_str().into()
}

impl Actor for Scheduler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let snapshots =
            futures_util::stream::unfold(self.setup.devices.subscribe(), |mut newest| async move {
                newest.changed().await.ok()?;
                let snapshot = Arc::clone(&newest.borrow_and_update());
                Some((Seen(snapshot), newest))
            });
        ctx.add_stream(snapshots);
        if self.silent.is_some() {
            log::warn!("scheduler: restarted; asking all models what they hold");
            for model in &self.setup.scope.load().models {
                if let Some(addr) = model.actor().addr() {
                    tell(&addr, Announce);
                }
            }
            self.drive(Event::Changed, ctx);
        }
    }
}

struct Seen(Arc<Snapshot>);

impl StreamHandler<Seen> for Scheduler {
    fn handle(&mut self, seen: Seen, ctx: &mut Context<Self>) {
        self.see(&seen.0, ctx);
    }

    fn finished(&mut self, _: &mut Context<Self>) {
        // The default would stop the actor.
    }
}

impl Handler<Explain> for Scheduler {
    type Result = ResponseActFuture<Self, Result<Explained, String>>;

    fn handle(&mut self, explain: Explain, _: &mut Context<Self>) -> Self::Result {
        let devices = self.setup.devices.clone();
        let ask = SampleNow { within: SNAPSHOT_TIME, max_age: SHOWN_AGE };
        let found = self.look_for_explanation(&explain.model.spec);
        let sampled = async move { (found.await, devices.sample_now(ask).await) }.into_actor(self);
        Box::pin(sampled.map(move |(found, snapshot), scheduler, ctx| {
            scheduler.note_found(&explain.model.spec, &found);
            scheduler.see(&snapshot, ctx);
            scheduler.explain(&explain)
        }))
    }
}

impl Scheduler {
    fn explain(&mut self, explain: &Explain) -> Result<Explained, String> {
        self.share_devices(self.setup.origin.elapsed());
        let variants = self.variants(&explain.model.spec).map_err(|error| error.to_string())?;
        let models = self.models();
        let scope = self.setup.scope.load();
        let view = View {
            now: self.setup.origin.elapsed(),
            snapshot: &self.snapshot,
            models: &models,
            settings: &scope.settings,
        };
        let explanation = queue::explain(
            &self.state,
            &view,
            &name(&explain.model),
            &variants,
            self.measured.reload(&explain.model.spec.name),
        );
        let measured = self.measured.of(&explain.model.spec.name).cloned().unwrap_or_default().peak_mib;
        let ahead = queue::ahead(&self.state, &view, &name(&explain.model));
        Ok(Explained { explanation, ahead, measured })
    }
}

impl Handler<PauseDevices> for Scheduler {
    type Result = MessageResult<PauseDevices>;

    fn handle(&mut self, pause: PauseDevices, ctx: &mut Context<Self>) -> Self::Result {
        let found = pause.devices.matches(&self.snapshot).into_iter();
        let found: Vec<_> = found.filter_map(|at| self.snapshot.devices.get(at)).collect();
        let ids: Vec<Arc<str>> = found.iter().map(|device| Arc::clone(&device.id)).collect();
        let named = found.into_iter().map(|device| (device.id.to_string(), device.name.clone())).collect();
        self.setup.pauses.set(&ids, pause.until);
        self.drive(Event::Changed, ctx);
        MessageResult(named)
    }
}

impl Handler<Reservations> for Scheduler {
    type Result = MessageResult<Reservations>;

    fn handle(&mut self, _: Reservations, _: &mut Context<Self>) -> Self::Result {
        let mut held: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
        for hold in &self.state.holds {
            for part in &hold.parts {
                let device = held.entry(part.device.to_string()).or_default();
                device.push((hold.model.to_string(), part.mib));
            }
        }
        MessageResult(held)
    }
}

impl Handler<Panic> for Scheduler {
    type Result = ();

    #[expect(clippy::panic, reason = "that is what the message asks for")]
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("fault injection");
    }
}
