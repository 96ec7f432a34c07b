//! The supervision tree: who is started in which order, and below whom.

use crate::traces::Tracer;
use llm_manager_actors::billing::Ledger;
use llm_manager_actors::feeds::Feed;
use llm_manager_actors::logs::LogHub;
use llm_manager_actors::memory::MemoryLink;
use llm_manager_actors::model::{Model, ModelContext, ModelHandle, Timeouts};
use llm_manager_actors::notifier::Notifications;
use llm_manager_actors::quotas::Quotas;
use llm_manager_actors::scheduler::{ModelCrashed, Scheduler, Setup};
use llm_manager_actors::supervisor::{Child, ChildSpec, Supervisor};
use llm_manager_actors::{ActorRef, tell};
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::spec::Spec;
use llm_manager_process::Launcher;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the actors are given.
pub(super) struct ActorInputs<'a> {
    pub(super) hub: &'a ActorRef<LogHub>,
    pub(super) feed: &'a Feed,
    pub(super) launcher: &'a Rc<dyn Launcher>,
    /// `None`: memory is not checked.
    pub(super) scheduler: Option<(ActorRef<Scheduler>, Setup)>,
    pub(super) ledger: &'a Ledger,
    pub(super) billing: ChildSpec,
    pub(super) http: ChildSpec,
    pub(super) quotas: &'a ActorRef<Quotas>,
    pub(super) notifications: &'a Notifications,
    pub(super) stopping: &'a CancellationToken,
    /// Where the supervisor of the models is found.
    pub(super) supervisor: &'a ActorRef<Supervisor>,
    pub(super) tracer: Option<&'a Tracer>,
    /// Of several managers.
    pub(super) leadership: Option<ChildSpec>,
}

/// Whom the supervisor of the models starts, after a reload and after its own restart too. Cheap to clone.
#[derive(Clone)]
pub(super) struct ModelRoster(Rc<Members>);

struct Members {
    models: RefCell<Vec<Arc<ModelHandle>>>,
    timeouts: Cell<Timeouts>,
}

impl ModelRoster {
    pub(super) fn new(models: &[Arc<ModelHandle>], timeouts: Timeouts) -> Self {
        let roster = Self(Rc::new(Members { models: RefCell::default(), timeouts: Cell::new(timeouts) }));
        models.iter().for_each(|model| roster.add(model));
        roster
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.0.timeouts.get()
    }

    pub(super) fn set_timeouts(&self, timeouts: Timeouts) {
        self.0.timeouts.set(timeouts);
    }

    /// A model more, or another handle of one that is there.
    pub(super) fn add(&self, model: &Arc<ModelHandle>) {
        let mut members = self.0.models.borrow_mut();
        match members.iter_mut().find(|member| member.id() == model.id()) {
            Some(member) => *member = Arc::clone(model),
            None => members.push(Arc::clone(model)),
        }
    }

    pub(super) fn remove(&self, model: &ModelHandle) {
        self.0.models.borrow_mut().retain(|member| member.id() != model.id());
    }

    /// All models, those on their way out included.
    pub(super) fn models(&self) -> Vec<Arc<ModelHandle>> {
        self.0.models.borrow().clone()
    }

    /// Each replica of all models by itself.
    pub(super) fn replicas(&self) -> Vec<Arc<ModelHandle>> {
        self.0.models.borrow().iter().flat_map(ModelHandle::replicas).collect()
    }

    pub(super) fn find(&self, name: &str) -> Option<Arc<ModelHandle>> {
        self.models().into_iter().find(|model| model.spec.name == name)
    }

    /// The model of this name, or the further replica.
    pub(super) fn find_replica(&self, name: &str) -> Option<Arc<ModelHandle>> {
        self.replicas().into_iter().find(|replica| replica.spec.name == name)
    }
}

/// The child specs of the root: the logs first, for everybody writes to them.
pub(super) fn tree(spec: &Spec, roster: &ModelRoster, parts: ActorInputs<'_>) -> Vec<ChildSpec> {
    let ActorInputs {
        hub,
        feed,
        launcher,
        scheduler,
        ledger,
        billing,
        http,
        quotas,
        notifications,
        stopping,
        supervisor,
        tracer,
        leadership,
    } = parts;
    let logs = {
        let hub = hub.clone();
        ChildSpec::new("logs", move || Child::start(LogHub::default(), &hub))
    };
    let quotas = {
        let (quotas, ledger, shared) = (quotas.clone(), ledger.clone(), spec.program.shared);
        ChildSpec::new("quotas", move || Child::start(Quotas::new(ledger.clone(), shared), &quotas))
    };
    let start = {
        let (supervisor, feed, launcher) = (supervisor.clone(), feed.clone(), Rc::clone(launcher));
        let (roster, base_dir) = (roster.clone(), spec.base_dir.clone());
        let (ledger, stopping) = (ledger.clone(), stopping.clone());
        let link =
            scheduler.as_ref().map_or_else(MemoryLink::default, |(live, _)| MemoryLink::to(live.clone()));
        let keeper = scheduler.as_ref().map(|(live, _)| live.clone());
        let child = {
            let (roster, feed) = (roster.clone(), feed.clone());
            Rc::new(move |model: &Arc<ModelHandle>| {
                let environment = {
                    let (launcher, feed, roster) = (Rc::clone(&launcher), feed.clone(), roster.clone());
                    let (ledger, stopping) = (ledger.clone(), stopping.clone());
                    let (working_dir, link) = (base_dir.clone(), link.clone());
                    // It outlives the actor.
                    let slot = model.face().slot();
                    move || ModelContext {
                        launcher: Rc::clone(&launcher),
                        feed: feed.clone(),
                        working_dir: working_dir.clone(),
                        timeouts: roster.0.timeouts.get(),
                        memory: link.clone(),
                        ledger: ledger.clone(),
                        stopping: stopping.clone(),
                        slot: Arc::clone(&slot),
                    }
                };
                model_child(Arc::clone(model), keeper.clone(), environment)
            })
        };
        move || {
            let specs = roster.replicas().iter().map(|replica| child(replica)).collect();
            let (roster, child) = (roster.clone(), Rc::clone(&child));
            let growing = Supervisor::new("models", specs, feed.clone())
                .growing(move |name| roster.find_replica(name).map(|replica| child(&replica)));
            Child::start(growing, &supervisor)
        }
    };
    let models = ChildSpec { subtree: Some(supervisor.clone()), ..ChildSpec::new("models", start) };
    let mut children = vec![logs, billing, quotas, notifications.child_spec()];
    children.extend(tracer.map(Tracer::child_spec));
    if let Some((live, setup)) = scheduler {
        children.push(setup.devices.child_spec());
        children.push(scheduler_child(live, setup));
    }
    children.push(models);
    // Whoever leads gives orders to models.
    children.extend(leadership);
    children.push(http);
    children
}

fn scheduler_child(live: ActorRef<Scheduler>, setup: Setup) -> ChildSpec {
    // A successor asks the models what they hold.
    let was_there = Cell::new(false);
    ChildSpec::new("scheduler", move || {
        Child::start(Scheduler::new(setup.clone(), was_there.replace(true)), &live)
    })
}

fn model_child(
    model: Arc<ModelHandle>,
    scheduler: Option<ActorRef<Scheduler>>,
    environment: impl Fn() -> ModelContext + 'static,
) -> ChildSpec {
    let started = Arc::clone(&model);
    let described = Arc::clone(&model);
    let start = move || Child::start(Model::new(Arc::clone(started.face()), environment()), started.actor());
    ChildSpec {
        detail: Box::new(move || {
            let status = described.own_status();
            let failed = status.runs.iter().filter(|run| run.cause.is_failure());
            let (failures, last) = (failed.clone().count(), failed.clone().next());
            let words = [
                status.variant.as_deref().map(|variant| format!("variant {variant}")),
                status.pid.map(|pid| format!("pid {pid}")),
                described
                    .asleep()
                    .filter(|_| status.state == ModelState::Parked)
                    .map(|asleep| asleep.to_string()),
                last.map(|run| {
                    let runs = match status.runs.len() {
                        1 => "its only run failed".to_owned(),
                        count => format!("{failures} of its last {count} runs failed"),
                    };
                    format!("{runs}, last reason: {}", run.cause.text())
                }),
            ];
            let words: Vec<String> = words.into_iter().flatten().collect();
            Some(if words.is_empty() {
                status.state.to_string()
            } else {
                format!("{} ({})", status.state, words.join(", "))
            })
        }),
        down: Box::new({
            let model = Arc::clone(&model);
            move |cause, comes_again| {
                model.actor_crashed(cause, comes_again);
                if let Some(addr) = scheduler.as_ref().and_then(ActorRef::addr) {
                    tell(&addr, ModelCrashed { model: model.spec.name.as_str().into() });
                }
            }
        }),
        below: model.spec.replica_of.clone(),
        ..ChildSpec::new(model.spec.name.clone(), start)
    }
}
