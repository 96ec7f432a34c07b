//! The composition root: starts everything in order, and takes it down in phases.
//!
//! Up: log, listening socket, leftovers of a former manager, guard, actors, HTTP server. Down: stop accepting,
//! drain, stop backends side by side, end. A second signal hurries.

pub(crate) mod backend_output;
pub(crate) mod device_check;
mod exit;
mod from_config;
mod guard;
mod hours;
mod label_key;
mod launchers;
mod ledger;
mod ledger_opening;
mod notifications;
mod notify;
mod peers;
mod pods;
pub(crate) mod programs;
mod reload;
mod signals;
mod start;
mod tree;
mod trim_memory;

use crate::config::{self, LoadedConfig};
use crate::http::{ConfigFile, InForce, Standby};
use crate::key_store;
use crate::limits;
use crate::logging;
use crate::reload::{ReloadRequest, Reloads};
use actix_web::dev::ServerHandle;
pub(crate) use backend_output::common_dir;
pub use exit::ManagerExit;
use futures_util::future::join_all;
use guard::Guard;
use ledger::OpenLedger;
use llm_manager_actors::device_monitor::{Devices, SampleNow};
use llm_manager_actors::leadership::Leadership;
use llm_manager_actors::logs::files::LogFiles;
use llm_manager_actors::model::Verb;
use llm_manager_actors::supervisor::Child;
use llm_manager_policy::lifecycle::StopUrgency;
use llm_manager_policy::spec::{ProgramSpec, Spec};
use llm_manager_process as process;
use llm_manager_process::LocalLauncher;
use signals::{ReloadSignal, Signals};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tree::ModelRoster;

/// How long clients may take to read the end of their answers when the program stops.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// Runs the manager until it is told to stop. An error is ready to be printed.
pub async fn serve(loaded: LoadedConfig, path: &Path) -> Result<ManagerExit, String> {
    serve_for(loaded, path, None).await
}

/// A system that runs the program as its service, and wants to be told when it serves.
pub(crate) struct ServiceHost {
    /// It shall end.
    pub(crate) stop: CancellationToken,
    pub(crate) ready: Box<dyn FnOnce()>,
}

/// Runs it until a signal comes, or the system wants it to end.
pub(crate) async fn serve_for(
    loaded: LoadedConfig,
    path: &Path,
    system: Option<ServiceHost>,
) -> Result<ManagerExit, String> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    actix_web::rt::spawn(limits::keep_a_thread());
    let mut spec = loaded.spec;
    let common = common_dir(&spec);
    key_store::merge(&mut spec, &common)?;
    let lines = logging::install(&spec.program)?;
    for warning in &loaded.warnings.problems {
        log::warn!("{}: {}", warning.path, warning.message);
    }
    if let Err(error) = process::contain_this_process() {
        log::warn!("processes that are just being started may outlive a killed manager: {error}");
    }
    let mut signals = Signals::new(system.as_ref().map(|system| system.stop.clone()));
    actix_web::rt::spawn(process::adopt_orphans());
    let hang_up = ReloadSignal::new();
    let (reloads, orders) = Reloads::new(config::version(&loaded.text));
    let file = ConfigFile::new(path.clone(), common, reloads.clone());
    let starting = Starting { path, file, reloads, orders, hang_up };
    let Some(running) = Running::start(&spec, starting, lines, &mut signals).await? else {
        return Ok(ManagerExit::Stopped);
    };
    log::info!("serving {} at {}", models(spec.models.len()), running.address);
    actix_web::rt::spawn(warn_of_missing_devices(spec.clone(), running.devices.clone()));
    notify::ready(&running.address);
    if let Some(system) = system {
        (system.ready)();
    }
    running.until_stopped(&mut signals).await
}

/// Why the HTTP server has ended, though nobody asked for it.
fn unserved(served: Result<std::io::Result<()>, tokio::task::JoinError>) -> String {
    let why = match served {
        Ok(Ok(())) => "it gave no reason".to_owned(),
        Ok(Err(error)) => error.to_string(),
        // What it panicked about is in the log.
        Err(error) => error.to_string(),
    };
    format!(
        "the HTTP server ended by itself: {why}; the log says more, perhaps that a thread or a file could not be had \
         (`ulimit -u`, `ulimit -n`)"
    )
}

/// Once the devices have been looked at.
async fn warn_of_missing_devices(spec: Spec, devices: Devices) {
    if spec.program.disable_gpu_monitoring {
        return;
    }
    let snapshot = devices.sample_now(SampleNow::default()).await;
    for warning in device_check::unmatched(&spec, &snapshot) {
        log::warn!("{warning}");
    }
}

/// Where it listens, as people write it.
fn address(program: &ProgramSpec) -> String {
    let scheme = if program.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}:{}{}", program.host, program.port, program.base_path)
}

/// `1 model`, `2 models`, ...
pub(crate) fn models(count: usize) -> String {
    format!("{count} model{}", if count == 1 { "" } else { "s" })
}

/// What a manager that starts is given beside its configuration.
struct Starting {
    path: PathBuf,
    file: ConfigFile,
    reloads: Reloads,
    orders: mpsc::Receiver<ReloadRequest>,
    hang_up: ReloadSignal,
}

/// All that must be taken down again.
struct Running {
    server: ServerHandle,
    served: actix_web::rt::task::JoinHandle<std::io::Result<()>>,
    roster: ModelRoster,
    in_force: InForce,
    stopping: CancellationToken,
    restart: CancellationToken,
    standby: Standby,
    address: String,
    guard: Guard,
    launcher: LocalLauncher,
    devices: Devices,
    books: OpenLedger,
    log_files: Option<LogFiles>,
    leadership: Option<Leadership>,
    /// Dropping it takes the actors down.
    _root: Child,
}

impl Running {
    async fn until_stopped(mut self, signals: &mut Signals) -> Result<ManagerExit, String> {
        let (name, ended) = tokio::select! {
            name = signals.next() => (name, Ok(ManagerExit::Stopped)),
            () = self.restart.cancelled() => ("a restart was asked for", Ok(ManagerExit::Restart)),
            () = self.standby.shutdown.cancelled() => ("asked for through the API", Ok(ManagerExit::Stopped)),
            served = &mut self.served => ("nobody listens any more", Err(unserved(served))),
        };
        log::info!(
            "{name}: no new requests are accepted; running responses may take {} s (a second signal cuts them off)",
            self.roster.timeouts().drain.as_secs()
        );
        if ended != Ok(ManagerExit::Restart) {
            notify::stopping();
        }
        self.stopping.cancel();
        if let Some(leadership) = &self.leadership
            && leadership.has_others().await
        {
            // Another one takes its jobs over; the last one ends them.
            leadership.resign(false).await;
        }
        let hurry = async {
            let name = signals.next().await;
            log::warn!("{name} again: running responses are cut off, and backends are killed");
            self.stop_models(StopUrgency::Kill).await;
        };
        let orderly = async {
            self.stop_models(StopUrgency::Drain).await;
            // The backends are gone, and what they said is with the kernel or with a client that does not
            // read. Such a client must not hold the program up.
            tokio::time::sleep(LAST_BYTES).await;
        };
        // It resolves when the last connection is closed, and holds nobody's backend.
        let closed = async {
            self.server.stop(true).await;
            self.stop_models(StopUrgency::Drain).await;
        };
        tokio::select! {
            () = closed => (),
            () = orderly => (),
            () = hurry => (),
        }
        if let Some(leadership) = &self.leadership {
            leadership.resign(true).await;
        }
        // A server that is dropped closes what is left; its own forced stop would wait for the orderly one.
        self.served.abort();
        let closing = async {
            self.devices.stop().await;
            if let Some(tracer) = &self.in_force.forwarding.now().tracer {
                tracer.close().await;
            }
            self.books.close().await;
        };
        tokio::select! {
            () = closing => (),
            name = signals.next() => {
                log::warn!("{name} again: not waiting for the ledger");
                self.books.hurry().await;
            }
        }
        backend_output::finish_captures(&self.in_force.management.now().captures).await;
        backend_output::finish(self.log_files).await;
        if self.launcher.has_left_behind() {
            self.guard.take_over();
        } else {
            self.guard.bye().await;
            log::info!("stopped; no backend is left");
        }
        ended
    }

    async fn stop_models(&self, urgency: StopUrgency) {
        join_all(self.roster.models().into_iter().map(|model| async move {
            if let Err(refused) = model.operate(Verb::Stop(urgency)).await {
                log::error!("models/{}: not stopped cleanly: {}", model.spec.name, refused.message);
            }
        }))
        .await;
    }
}
