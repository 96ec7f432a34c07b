//! The one who reloads: reads the file, has the difference computed, and puts it in force, one reload at a time.
//!
//! Nothing changes unless the whole file is right. Requests see the settings before or after, never a mixture: all
//! that they read is one snapshot (`http::InForce`). A model that leaves the configuration ends when the last request
//! that could reach it has ended.

mod models;
mod watch;

use super::backend_output;
use super::from_config::{access, configured, placement, timeouts};
use super::ledger::OpenLedger;
use super::notifications;
use super::signals::ReloadSignal;
use super::tree::ModelRoster;
use crate::config::{self, ConfigReport, LoadedConfig};
use crate::http::{InForce, Sessions};
use crate::key_store;
use crate::logging;
use crate::reload::{ReloadOutcome, ReloadRequest, Reloads, Undone};
use arc_swap::ArcSwap;
use llm_manager_actors::device_monitor::Devices;
use llm_manager_actors::feeds::{Feed, Happening};
use llm_manager_actors::logs::mask::Mask;
use llm_manager_actors::model::{ModelHandle, Reconfigure};
use llm_manager_actors::notifier::Notifications;
use llm_manager_actors::scheduler::SchedulerScope;
use llm_manager_actors::supervisor::Supervisor;
use llm_manager_actors::{ActorRef, tell};
use llm_manager_devices::Registry;
use llm_manager_policy::reload::{self, ReloadPlan};
use llm_manager_policy::spec::{DevicePluginSpec, ProgramSpec, Spec};
use llm_manager_process as process;
use llm_manager_process::LocalLauncher;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use watch::ConfigWatch;

/// Removed models that may have ended at once and not been dismissed yet; more wait.
const RETIRED: usize = 64;

/// All that a reload changes, and what is in force.
pub(super) struct Reloader {
    pub(super) path: PathBuf,
    pub(super) spec: Spec,
    pub(super) reloads: Reloads,
    pub(super) in_force: InForce,
    pub(super) roster: ModelRoster,
    pub(super) scope: Arc<ArcSwap<SchedulerScope>>,
    pub(super) supervisor: ActorRef<Supervisor>,
    pub(super) books: OpenLedger,
    pub(super) feed: Feed,
    pub(super) sessions: Arc<Sessions>,
    pub(super) state_dir: PathBuf,
    pub(super) devices: Devices,
    pub(super) notifications: Notifications,
    pub(super) launcher: LocalLauncher,
    /// Hides secrets in what backends print.
    pub(super) mask: Arc<Mask>,
    /// Marks what this manager starts.
    pub(super) instance: String,
    pub(super) origin: Instant,
    /// Handles as the directory has them, and what fires when nobody can reach that model any more.
    pub(super) listed: Vec<(Arc<ModelHandle>, CancellationToken)>,
    /// Models that are on their way out.
    pub(super) leaving: Vec<Leaving>,
}

/// A model that has left the configuration.
pub(super) struct Leaving {
    model: Arc<ModelHandle>,
    /// Its data become those of this model.
    data_to: Option<String>,
    /// Cancelled if it comes back first.
    recalled: CancellationToken,
}

/// The handles of the directory, each with what fires when it is forgotten.
pub(super) fn list(models: &[Arc<ModelHandle>]) -> Vec<(Arc<ModelHandle>, CancellationToken)> {
    let list = |model: &Arc<ModelHandle>| {
        let (handle, forgotten) = model.list();
        (Arc::new(handle), forgotten)
    };
    models.iter().map(list).collect()
}

impl Reloader {
    /// Reloads when somebody wants it, until the program stops.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<ReloadRequest>, mut hang_up: ReloadSignal) {
        let stopping = self.in_force.management.now().stopping.clone();
        let (retired, mut ended) = mpsc::channel(RETIRED);
        let mut watch = ConfigWatch::new(&self.path).await;
        let mut keys = ConfigWatch::new(&key_store::path(&self.state_dir)).await;
        self.adopt_former_data(&self.spec.clone()).await;
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                Some(order) = orders.recv() => {
                    watch.seen().await;
                    let done = self.reload(order.by, order.text, order.dry_run, &retired).await;
                    // Whoever has gone away needs no answer.
                    let _ = order.answer.send(done);
                }
                () = hang_up.heard() => {
                    watch.seen().await;
                    drop(self.reload("SIGHUP", None, false, &retired).await);
                }
                () = watch.changed(), if self.spec.program.watch_config => {
                    watch.seen().await;
                    drop(self.reload("the file has changed", None, false, &retired).await);
                }
                () = keys.changed() => {
                    keys.seen().await;
                    drop(self.reload("a key was changed", None, false, &retired).await);
                }
                Some(model) = ended.recv() => self.dismiss(&model).await,
            }
        }
    }

    async fn reload(
        &mut self,
        by: &str,
        text: Option<String>,
        dry_run: bool,
        retired: &mpsc::Sender<Arc<ModelHandle>>,
    ) -> Result<ReloadOutcome, Undone> {
        let done = self.try_reload(text, dry_run, retired).await;
        if dry_run {
            return done.map(|(done, _)| done);
        }
        match done {
            Ok((done, version)) => {
                let needs_restart = done.plan.needs_restart.clone();
                self.say(by, &done);
                self.reloads.went_well(version, needs_restart);
                self.feed.publish(Happening::Configuration);
                Ok(done)
            }
            Err(undone) => {
                let message = match &undone {
                    Undone::Invalid(report) => format!("{}\n{report}", refused(report)),
                    Undone::Failed(error) => error.clone(),
                };
                log::error!("reload ({by}): the configuration stays as it was: {message}");
                self.reloads.went_wrong(&undone);
                self.feed.publish(Happening::Supervision {
                    path: "configuration".into(),
                    message: message.into(),
                });
                Err(undone)
            }
        }
    }

    fn say(&self, by: &str, done: &ReloadOutcome) {
        for warning in &done.warnings.problems {
            log::warn!("{}: {}", warning.path, warning.message);
        }
        if done.plan.is_empty() {
            log::info!("reload ({by}): nothing has changed");
        }
        for line in done.plan.lines() {
            log::info!("reload ({by}): {line}");
        }
    }

    async fn try_reload(
        &mut self,
        text: Option<String>,
        dry_run: bool,
        retired: &mpsc::Sender<Arc<ModelHandle>>,
    ) -> Result<(ReloadOutcome, String), Undone> {
        let (path, state_dir) = (self.path.clone(), self.state_dir.clone());
        let loading = actix_web::rt::task::spawn_blocking(move || -> Result<LoadedConfig, Undone> {
            let loaded = match text {
                Some(text) => config::parse(text.as_bytes(), &path),
                None => config::load(&path),
            };
            let mut loaded = loaded.map_err(Undone::Invalid)?;
            key_store::merge(&mut loaded.spec, &state_dir).map_err(Undone::Failed)?;
            Ok(loaded)
        });
        let loaded = loading.await.map_err(|error| Undone::Failed(error.to_string()))?;
        let LoadedConfig { spec: new, warnings, text } = loaded?;
        let plan = reload::plan(&self.spec, &new);
        let version = config::version(&text);
        if !dry_run && !plan.is_empty() {
            self.apply(&plan, new, retired).await.map_err(Undone::Failed)?;
        }
        Ok((ReloadOutcome { plan, warnings }, version))
    }

    async fn apply(
        &mut self,
        plan: &ReloadPlan,
        new: Spec,
        retired: &mpsc::Sender<Arc<ModelHandle>>,
    ) -> Result<(), String> {
        let new = reload::in_force(&self.spec, new);
        // Before anything is started with them.
        backend_output::learn(&self.mask, &new);
        self.launcher.hide(new.secret_variables.clone());
        let access = {
            let (spec, state_dir) = (new.clone(), self.state_dir.clone());
            let sessions = Arc::clone(&self.sessions);
            let loading = actix_web::rt::task::spawn_blocking(move || access(&spec, &state_dir, &sessions));
            loading.await.map_err(|error| format!("the keys: {error}"))??
        };
        // Before a request can end by them. A request of the old settings may be priced by the new plan already.
        self.books.reprice(&new.models).await?;
        self.adopt_former_data(&new).await;
        self.roster.set_timeouts(timeouts(&new.program));
        let mut told = Vec::new();
        let mut listed = Vec::new();
        for spec in &new.models {
            listed.push(self.bring(spec, &new.program, &mut told).await);
        }
        let gone = std::mem::replace(&mut self.listed, listed);
        let models: Vec<_> = self.listed.iter().map(|(model, _)| Arc::clone(model)).collect();
        let wings = configured(self.in_force.wings(), &new, &Arc::new(access), models);
        self.scope.store(Arc::new(SchedulerScope {
            models: self.roster.replicas(),
            settings: placement(&new.program),
            watts: new.program.watts.clone(),
            shared_devices: new.shared_devices.clone(),
        }));
        self.in_force.replace(wings);
        // From here on requests come by the new settings.
        for (model, relaunched) in told {
            if let Some(addr) = model.actor().addr() {
                let spec = Arc::clone(&model.spec);
                let timeouts = timeouts(&new.program);
                tell(&addr, Reconfigure { spec, timeouts, relaunched });
            }
        }
        for (model, forgotten) in gone {
            if !self.listed.iter().any(|(other, _)| other.id() == model.id()) {
                self.retire(&model, forgotten, plan, retired);
            }
        }
        if new.devices != self.spec.devices {
            self.change_devices(&new);
        }
        let log =
            |program: &ProgramSpec| (program.log_level.clone(), program.log_json, program.log_file.clone());
        if log(&new.program) != log(&self.spec.program) {
            logging::reconfigure(&new.program);
        }
        self.notifications.reconfigure(notifications::outlets(&new));
        self.books.ledger.reconfigure(new.program.log_retention_days, new.program.electricity);
        if new.program.captures != self.spec.program.captures {
            self.in_force.management.now().captures.reconfigure(new.program.captures).await;
        }
        self.spec = new;
        Ok(())
    }

    fn change_devices(&self, new: &Spec) {
        let is_new = |device: &&DevicePluginSpec| !self.spec.devices.contains(device);
        let added: Vec<DevicePluginSpec> = new.devices.iter().filter(is_new).cloned().collect();
        let env = process::helper_env("devices", &self.state_dir, &self.instance);
        let more = Registry::new().commands(&added, &new.base_dir, &env).sources;
        let stays = |name: &str| {
            let known = new.devices.iter().find(|device| device.name == name);
            known.is_some_and(|device| self.spec.devices.contains(device))
        };
        self.devices.replace(|sampler| sampler.plugin != "exec" || stays(&sampler.name), more);
    }

    /// Gives models the data of their former names, as far as there are any.
    async fn adopt_former_data(&self, spec: &Spec) {
        for model in &spec.models {
            for former in &model.formerly {
                self.books.rename(former, &model.name).await;
            }
        }
    }
}

fn refused(report: &ConfigReport) -> String {
    let errors = report.problems.iter().filter(|problem| problem.severity == config::Severity::Error).count();
    format!("it has {errors} error{}", if errors == 1 { "" } else { "s" })
}
