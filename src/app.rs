//! The composition root: starts everything in order, and takes it down in phases.
//!
//! Up: log, leftovers of a former manager, guard, listening socket, actors, HTTP server, `auto_start`.
//! Down: stop accepting, drain, stop backends side by side, end. A second signal hurries.

use crate::config::Loaded;
use crate::http::{self, Keys, Shared};
use crate::logging;
use actix_web::dev::ServerHandle;
use futures_util::future::join_all;
use jiff::Timestamp;
use llm_manager_actors::Live;
use llm_manager_actors::feeds::Feed;
use llm_manager_actors::logs::{Append, LogHub};
use llm_manager_actors::model::{Directory, Environment, Model, ModelHandle, Verb};
use llm_manager_actors::process::{self, GuardHandle, Launcher, LocalLauncher, LogBatch, LogSink};
use llm_manager_actors::supervisor::{Child, ChildSpec, Supervisor};
use llm_manager_policy::lifecycle::Urgency;
use llm_manager_policy::spec::{ModelSpec, Spec};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Switches fault injection on, for tests.
const FAULT_INJECTION: &str = "LLM_MANAGER_FAULT_INJECTION";

/// Runs the manager until it is told to stop. An error is ready to be printed.
pub async fn serve(loaded: Loaded) -> Result<(), String> {
    let spec = loaded.spec;
    let lines = logging::install(&spec.program.log_level).map_err(|error| sentence("the log", &error))?;
    for warning in &loaded.warnings.problems {
        log::warn!("{}: {}", warning.path, warning.message);
    }
    raise_open_files();
    let (guard, launcher) = prepare_processes(&spec).await?;
    let running = Running::start(&spec, launcher, lines)?;
    log::info!("serving {} models at {}", spec.models.len(), running.address);
    running.auto_start();
    running.until_stopped().await;
    if let Some(guard) = guard {
        guard.bye().await;
    }
    log::info!("stopped; no backend is left");
    Ok(())
}

fn sentence(what: &str, error: &dyn Display) -> String {
    format!("{what}: {error}")
}

/// Ten thousand clients may wait at once, and each is an open file.
fn raise_open_files() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        log::warn!("the limit of open files could not be raised: {error}");
    }
}

/// Ends what a former manager left behind, and sees to it that this one leaves nothing.
async fn prepare_processes(spec: &Spec) -> Result<(Option<GuardHandle>, LocalLauncherSeed), String> {
    let state_dir = state_dir(&spec.base_dir);
    let wrong = |error: &dyn Display| format!("{}: {error}; is the folder writable?", state_dir.display());
    std::fs::create_dir_all(&state_dir).map_err(|error| wrong(&error))?;
    let instance = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
    let (dir, own) = (state_dir.clone(), instance.clone());
    let reaped = actix_web::rt::task::spawn_blocking(move || process::reap_leftovers(&dir, &own));
    for leftover in reaped.await.map_err(|error| wrong(&error))? {
        log::warn!("models/{leftover}");
    }
    let guard = std::env::current_exe()
        .and_then(|exe| {
            let arguments = [OsStr::new("guard"), state_dir.as_os_str(), OsStr::new(&instance)];
            process::spawn_guard(&exe, arguments)
        })
        .inspect_err(|error| {
            log::warn!("no guard: backends' children may outlive a manager that is killed ({error})");
        })
        .ok();
    Ok((guard, LocalLauncherSeed { instance, state_dir }))
}

/// Folder of the records of running backends.
fn state_dir(base_dir: &Path) -> PathBuf {
    base_dir.join("data")
}

/// What a launcher is made of, before there are actors.
struct LocalLauncherSeed {
    instance: String,
    state_dir: PathBuf,
}

/// Brings backends' lines to the LogHub.
struct HubSink(Live<LogHub>);

impl LogSink for HubSink {
    fn append(&self, batch: LogBatch) -> futures_util::future::LocalBoxFuture<'static, ()> {
        let addr = self.0.addr();
        Box::pin(async move {
            if let Some(addr) = addr {
                // A hub that has crashed meanwhile has lost its ring anyway.
                let _ = addr.send(Append { source: batch.source, lines: batch.lines }).await;
            }
        })
    }
}

/// All that must be taken down again.
struct Running {
    server: ServerHandle,
    served: actix_web::rt::task::JoinHandle<std::io::Result<()>>,
    models: Vec<Arc<ModelHandle>>,
    stopping: CancellationToken,
    drain_timeout: Duration,
    address: String,
    /// Dropping it takes the actors down.
    _root: Child,
}

impl Running {
    fn start(spec: &Spec, seed: LocalLauncherSeed, lines: logging::Lines) -> Result<Self, String> {
        let program = &spec.program;
        let origin = Instant::now();
        let (hub, root, feed) = (Live::new(), Live::new(), Feed::new());
        let handle =
            |model: &Arc<ModelSpec>| ModelHandle::new(Arc::clone(model), program.max_waiting, origin);
        let models: Vec<Arc<ModelHandle>> = spec.models.iter().map(|model| Arc::new(handle(model))).collect();
        let stopping = CancellationToken::new();
        let shared = Shared {
            directory: Directory::new(models.clone()),
            keys: Keys::new(program.api_keys.clone()),
            endpoints: endpoints(spec),
            max_body_bytes: program.max_body_bytes,
            stopping: stopping.clone(),
            started_at: Timestamp::now(),
            logs: hub.clone(),
            supervisor: root.clone(),
            feed: feed.clone(),
            fault_injection: std::env::var_os(FAULT_INJECTION).is_some(),
        };
        let server = http::bind(shared, &program.host, program.port, program.drain_timeout)?;
        let address = format!("http://{}:{}", program.host, program.port);
        let launcher: Rc<dyn Launcher> =
            Rc::new(LocalLauncher::new(seed.instance, seed.state_dir, Rc::new(HubSink(hub.clone()))));
        let tree = tree(spec, &models, &hub, &feed, &launcher);
        let root_child = Child::start(Supervisor::new("", tree, feed), &root);
        actix_web::rt::spawn(logging::feed(lines, hub));
        Ok(Self {
            server: server.handle(),
            served: actix_web::rt::spawn(server),
            models,
            stopping,
            drain_timeout: program.drain_timeout,
            address,
            _root: root_child,
        })
    }

    fn auto_start(&self) {
        for model in self.models.iter().filter(|model| model.spec.auto_start) {
            if let Err(refused) = model.order(Verb::Start) {
                log::error!("models/{}: not started with the program: {}", model.spec.name, refused.message);
            }
        }
    }

    async fn until_stopped(self) {
        let mut signals = Signals::new();
        let name = signals.next().await;
        log::info!(
            "{name}: no new requests are taken; running answers may take {} s (a second signal breaks them off)",
            self.drain_timeout.as_secs()
        );
        self.stopping.cancel();
        let hurry = async {
            let name = signals.next().await;
            log::warn!("{name} again: running answers are broken off, and backends are killed");
            self.stop_models(Urgency::Kill).await;
        };
        let orderly = self.stop_models(Urgency::Drain);
        // The server's own graceful stop waits for running answers; the models' drain bounds them.
        let closed = self.server.stop(true);
        tokio::select! {
            ((), ()) = async { tokio::join!(orderly, closed) } => (),
            () = hurry => self.server.stop(false).await,
        }
        if let Ok(Err(error)) = self.served.await {
            log::error!("the HTTP server ended badly: {error}");
        }
    }

    async fn stop_models(&self, urgency: Urgency) {
        join_all(self.models.iter().map(|model| async move {
            if let Err(refused) = model.operate(Verb::Stop(urgency)).await {
                log::error!("models/{}: not stopped in order: {}", model.spec.name, refused.message);
            }
        }))
        .await;
    }
}

fn endpoints(spec: &Spec) -> HashSet<String> {
    spec.modes.iter().flat_map(|mode| mode.endpoints.iter().cloned()).collect()
}

/// The child specs of the root: the logs first, for everybody writes to them.
fn tree(
    spec: &Spec,
    models: &[Arc<ModelHandle>],
    hub: &Live<LogHub>,
    feed: &Feed,
    launcher: &Rc<dyn Launcher>,
) -> Vec<ChildSpec> {
    let logs = {
        let hub = hub.clone();
        ChildSpec::new("logs", move || Child::start(LogHub::default(), &hub))
    };
    let supervisor: Live<Supervisor> = Live::new();
    let start = {
        let (supervisor, feed, launcher) = (supervisor.clone(), feed.clone(), Rc::clone(launcher));
        let (models, base_dir) = (models.to_vec(), spec.base_dir.clone());
        let drain_timeout = spec.program.drain_timeout;
        // One slot per model for the whole program: a restarted tree waits for what the old one left.
        let slots: Vec<Arc<Semaphore>> = models.iter().map(|_| Arc::new(Semaphore::new(1))).collect();
        move || {
            let specs = models.iter().zip(&slots).map(|(model, slot)| {
                let environment = {
                    let (launcher, feed) = (Rc::clone(&launcher), feed.clone());
                    let (working_dir, slot) = (base_dir.clone(), Arc::clone(slot));
                    move || Environment {
                        launcher: Rc::clone(&launcher),
                        feed: feed.clone(),
                        working_dir: working_dir.clone(),
                        drain_timeout,
                        slot: Arc::clone(&slot),
                    }
                };
                model_child(Arc::clone(model), environment)
            });
            Child::start(Supervisor::new("models", specs.collect(), feed.clone()), &supervisor)
        }
    };
    let models = ChildSpec { subtree: Some(supervisor.clone()), ..ChildSpec::new("models", start) };
    vec![logs, models]
}

fn model_child(model: Arc<ModelHandle>, environment: impl Fn() -> Environment + 'static) -> ChildSpec {
    let started = Arc::clone(&model);
    let described = Arc::clone(&model);
    let start = move || Child::start(Model::new(Arc::clone(&started), environment()), started.actor());
    ChildSpec {
        detail: Box::new(move || {
            let status = described.status();
            let words = [
                status.variant.as_deref().map(|variant| format!("variant {variant}")),
                status.pid.map(|pid| format!("pid {pid}")),
            ];
            let words: Vec<String> = words.into_iter().flatten().collect();
            Some(if words.is_empty() {
                status.state.to_owned()
            } else {
                format!("{} ({})", status.state, words.join(", "))
            })
        }),
        down: Box::new({
            let model = Arc::clone(&model);
            move |cause, comes_again| model.actor_crashed(cause, comes_again)
        }),
        ..ChildSpec::new(model.spec.name.clone(), start)
    }
}

/// SIGTERM and Ctrl-C, one after the other.
struct Signals {
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    interrupt: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind, name: &str| {
            signal(kind).inspect_err(|error| log::error!("{name} can't be heard: {error}")).ok()
        };
        Self {
            terminate: listen(SignalKind::terminate(), "SIGTERM"),
            interrupt: listen(SignalKind::interrupt(), "SIGINT"),
        }
    }

    async fn next(&mut self) -> &'static str {
        async fn heard(signal: &mut Option<tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = heard(&mut self.terminate) => "SIGTERM",
            () = heard(&mut self.interrupt) => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self {}
    }

    async fn next(&mut self) -> &'static str {
        if let Err(error) = tokio::signal::ctrl_c().await {
            log::error!("Ctrl-C can't be heard: {error}");
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
