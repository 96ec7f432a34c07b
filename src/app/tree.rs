//! The supervision tree: who is started in which order, and below whom.

use llm_manager_actors::billing::Ledger;
use llm_manager_actors::feeds::Feed;
use llm_manager_actors::logs::LogHub;
use llm_manager_actors::memory::MemoryLink;
use llm_manager_actors::model::{Environment, Model, ModelHandle};
use llm_manager_actors::scheduler::{Lost, Scheduler, Setup};
use llm_manager_actors::supervisor::{Child, ChildSpec, Supervisor};
use llm_manager_actors::{Live, tell};
use llm_manager_policy::spec::Spec;
use llm_manager_process::Launcher;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What the actors are given.
pub(super) struct Parts<'a> {
    pub(super) hub: &'a Live<LogHub>,
    pub(super) feed: &'a Feed,
    pub(super) launcher: &'a Rc<dyn Launcher>,
    /// `None`: memory is not looked after.
    pub(super) scheduler: Option<(Live<Scheduler>, Setup)>,
    pub(super) ledger: &'a Ledger,
    pub(super) billing: ChildSpec,
    pub(super) http: ChildSpec,
    pub(super) stopping: &'a CancellationToken,
}

/// The child specs of the root: the logs first, for everybody writes to them.
pub(super) fn tree(spec: &Spec, models: &[Arc<ModelHandle>], parts: Parts<'_>) -> Vec<ChildSpec> {
    let Parts { hub, feed, launcher, scheduler, ledger, billing, http, stopping } = parts;
    let logs = {
        let hub = hub.clone();
        ChildSpec::new("logs", move || Child::start(LogHub::default(), &hub))
    };
    let supervisor: Live<Supervisor> = Live::new();
    let start = {
        let (supervisor, feed, launcher) = (supervisor.clone(), feed.clone(), Rc::clone(launcher));
        let (models, base_dir) = (models.to_vec(), spec.base_dir.clone());
        let (drain_timeout, queue_timeout) = (spec.program.drain_timeout, spec.program.queue_timeout);
        let (ledger, stopping) = (ledger.clone(), stopping.clone());
        let link =
            scheduler.as_ref().map_or_else(MemoryLink::default, |(live, _)| MemoryLink::to(live.clone()));
        let keeper = scheduler.as_ref().map(|(live, _)| live.clone());
        // One slot per model for the whole program: a restarted tree waits for what the old one left.
        let slots: Vec<Arc<Semaphore>> = models.iter().map(|_| Arc::new(Semaphore::new(1))).collect();
        move || {
            let specs = models.iter().zip(&slots).map(|(model, slot)| {
                let environment = {
                    let (launcher, feed) = (Rc::clone(&launcher), feed.clone());
                    let (ledger, stopping) = (ledger.clone(), stopping.clone());
                    let (working_dir, slot, link) = (base_dir.clone(), Arc::clone(slot), link.clone());
                    move || Environment {
                        launcher: Rc::clone(&launcher),
                        feed: feed.clone(),
                        working_dir: working_dir.clone(),
                        drain_timeout,
                        queue_timeout,
                        memory: link.clone(),
                        ledger: ledger.clone(),
                        stopping: stopping.clone(),
                        slot: Arc::clone(&slot),
                    }
                };
                model_child(Arc::clone(model), keeper.clone(), environment)
            });
            Child::start(Supervisor::new("models", specs.collect(), feed.clone()), &supervisor)
        }
    };
    let models = ChildSpec { subtree: Some(supervisor.clone()), ..ChildSpec::new("models", start) };
    let mut children = vec![logs, billing];
    if let Some((live, setup)) = scheduler {
        children.push(setup.devices.child_spec());
        children.push(scheduler_child(live, setup));
    }
    children.push(models);
    children.push(http);
    children
}

fn scheduler_child(live: Live<Scheduler>, setup: Setup) -> ChildSpec {
    // A successor asks the models what they hold.
    let was_there = Cell::new(false);
    ChildSpec::new("scheduler", move || {
        Child::start(Scheduler::new(setup.clone(), was_there.replace(true)), &live)
    })
}

fn model_child(
    model: Arc<ModelHandle>,
    scheduler: Option<Live<Scheduler>>,
    environment: impl Fn() -> Environment + 'static,
) -> ChildSpec {
    let started = Arc::clone(&model);
    let described = Arc::clone(&model);
    let start = move || Child::start(Model::new(Arc::clone(started.face()), environment()), started.actor());
    ChildSpec {
        detail: Box::new(move || {
            let status = described.status();
            let failed = status.runs.iter().filter(|run| run.cause.is_failure());
            let (failures, last) = (failed.clone().count(), failed.clone().next());
            let words = [
                status.variant.as_deref().map(|variant| format!("variant {variant}")),
                status.pid.map(|pid| format!("pid {pid}")),
                last.map(|run| {
                    format!(
                        "{failures} of its last {} runs failed, at last: {}",
                        status.runs.len(),
                        run.cause.text()
                    )
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
                if let Some(addr) = scheduler.as_ref().and_then(Live::addr) {
                    tell(&addr, Lost { model: model.spec.name.as_str().into() });
                }
            }
        }),
        ..ChildSpec::new(model.spec.name.clone(), start)
    }
}
