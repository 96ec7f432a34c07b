//! The one who reloads: reads the file, has the difference computed, and puts it in force, one reload at a time.
//!
//! Nothing changes unless the whole file is right. Requests see the settings before or after, never a mixture: all
//! that they read is one snapshot (`http::InForce`). A model that leaves the configuration ends when the last request
//! that could reach it has ended.

use super::label_key;
use super::ledger::Books;
use super::notices;
use super::output;
use super::signals::HangUp;
use super::tree::Roster;
use crate::config::{self, Loaded, Report};
use crate::http::{Access, Entrance, Forwarding, Hosts, InForce, Keys, Management, Origins, Sessions, Wings};
use crate::key_store;
use crate::logging;
use crate::reload::{Done, Order, Reloads, Undone};
use arc_swap::ArcSwap;
use llm_manager_actors::device_monitor::Devices;
use llm_manager_actors::feeds::{Feed, Happening};
use llm_manager_actors::logs::mask::Mask;
use llm_manager_actors::model::{Directory, ModelHandle, Reconfigure, Timeouts, Verb};
use llm_manager_actors::notifier::Notifications;
use llm_manager_actors::scheduler::Scope;
use llm_manager_actors::supervisor::{Adopt, Dismiss, Supervisor, ask};
use llm_manager_actors::{Live, tell};
use llm_manager_devices::Registry;
use llm_manager_policy::endpoints::Endpoints;
use llm_manager_policy::lifecycle::Urgency;
use llm_manager_policy::placement::{Prefer, Settings};
use llm_manager_policy::reload::{self, Change, Plan};
use llm_manager_policy::spec::{DevicePluginSpec, ModelSpec, ProgramSpec, Spec};
use llm_manager_process as process;
use llm_manager_process::LocalLauncher;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often a watched file is looked at. It is read when it has been the same at two looks: an editor may still write.
const LOOK: Duration = Duration::from_secs(1);
/// Removed models that may have ended at once and not been dismissed yet; more wait.
const RETIRED: usize = 64;

/// All that a reload changes, and what is in force.
pub(super) struct Reloader {
    pub(super) path: PathBuf,
    pub(super) spec: Spec,
    pub(super) reloads: Reloads,
    pub(super) in_force: InForce,
    pub(super) roster: Roster,
    pub(super) scope: Arc<ArcSwap<Scope>>,
    pub(super) supervisor: Live<Supervisor>,
    pub(super) books: Books,
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

pub(super) fn timeouts(program: &ProgramSpec) -> Timeouts {
    Timeouts { drain: program.drain_timeout, queue: program.queue_timeout }
}

pub(super) fn placement(program: &ProgramSpec) -> Settings {
    Settings {
        prefer: if program.prefer_resident { Prefer::Resident } else { Prefer::Best },
        min_hold: program.min_hold,
        max_hold: program.max_hold,
        queue_timeout: program.queue_timeout,
        ..Settings::default()
    }
}

/// Who may come in by this configuration. Blocks.
pub(super) fn access(spec: &Spec, state_dir: &Path, sessions: &Arc<Sessions>) -> Result<Access, String> {
    let program = &spec.program;
    let label_key = if program.api_keys.is_empty() { [0; 32] } else { label_key::load(state_dir)? };
    Ok(Access {
        keys: Keys::new(&program.api_keys, &spec.keys, &label_key, Arc::clone(sessions))?,
        hosts: Hosts::new(&program.host, &program.allowed_hosts),
        origins: Origins::new(&program.allowed_origins),
    })
}

/// Of what the wings of HTTP are given, that which a configuration decides.
pub(super) fn configured(
    before: Wings,
    spec: &Spec,
    access: &Arc<Access>,
    models: Vec<Arc<ModelHandle>>,
) -> Wings {
    let Wings { entrance, forwarding, management } = before;
    let program = &spec.program;
    let directory = Arc::new(Directory::new(models));
    let trusted_proxies: Arc<[_]> = program.trusted_proxies.as_slice().into();
    Wings {
        entrance: Entrance {
            access: Arc::clone(access),
            trusted_proxies: Arc::clone(&trusted_proxies),
            ..entrance
        },
        forwarding: Forwarding {
            access: Arc::clone(access),
            trusted_proxies,
            directory: Arc::clone(&directory),
            endpoints: Arc::new(Endpoints::new(spec.modes.iter().map(|mode| &**mode))),
            max_body_bytes: program.max_body_bytes,
            loading_comments: program.loading_comments,
            log_requests: program.log_requests,
            ..forwarding
        },
        management: Management {
            access: Arc::clone(access),
            directory,
            shared_devices: spec.shared_devices.as_slice().into(),
            retention_days: program.log_retention_days,
            ..management
        },
    }
}

impl Reloader {
    /// Reloads when somebody wants it, until the program stops.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>, mut hang_up: HangUp) {
        let stopping = self.in_force.management.now().stopping.clone();
        let (retired, mut ended) = mpsc::channel(RETIRED);
        let mut watch = Watch::new(&self.path).await;
        let mut keys = Watch::new(&key_store::path(&self.state_dir)).await;
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
    ) -> Result<Done, Undone> {
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

    fn say(&self, by: &str, done: &Done) {
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
    ) -> Result<(Done, String), Undone> {
        let (path, state_dir) = (self.path.clone(), self.state_dir.clone());
        let loading = actix_web::rt::task::spawn_blocking(move || -> Result<Loaded, Undone> {
            let loaded = match text {
                Some(text) => config::parse(text.as_bytes(), &path),
                None => config::load(&path),
            };
            let mut loaded = loaded.map_err(Undone::Invalid)?;
            key_store::merge(&mut loaded.spec, &state_dir).map_err(Undone::Failed)?;
            Ok(loaded)
        });
        let loaded = loading.await.map_err(|error| Undone::Failed(error.to_string()))?;
        let Loaded { spec: new, warnings, text } = loaded?;
        let plan = reload::plan(&self.spec, &new);
        let version = config::version(&text);
        if !dry_run && !plan.is_empty() {
            self.apply(&plan, new, retired).await.map_err(Undone::Failed)?;
        }
        Ok((Done { plan, warnings }, version))
    }

    async fn apply(
        &mut self,
        plan: &Plan,
        new: Spec,
        retired: &mpsc::Sender<Arc<ModelHandle>>,
    ) -> Result<(), String> {
        let new = reload::in_force(&self.spec, new);
        // Before anything is started with them.
        output::learn(&self.mask, &new);
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
        self.scope.store(Arc::new(Scope {
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
        self.notifications.reconfigure(notices::outlets(&new));
        self.books.ledger.reconfigure(new.program.log_retention_days, new.program.electricity);
        if new.program.captures != self.spec.program.captures {
            self.in_force.management.now().captures.reconfigure(new.program.captures).await;
        }
        self.spec = new;
        Ok(())
    }

    /// The handle of a model of the new configuration, its actor being up; `told`: whom to tell of changes.
    async fn bring(
        &mut self,
        spec: &Arc<ModelSpec>,
        program: &ProgramSpec,
        told: &mut Vec<(Arc<ModelHandle>, Arc<[String]>)>,
    ) -> (Arc<ModelHandle>, CancellationToken) {
        let known = self.listed.iter().find(|(model, _)| model.spec.name == spec.name);
        if let Some((model, forgotten)) = known {
            let (model, forgotten) = (Arc::clone(model), forgotten.clone());
            let unlisted = self.roster.find(&spec.name).unwrap_or_else(|| Arc::clone(&model));
            let renewed = self.change(&unlisted, spec, program, told);
            self.adopt_crew(&unlisted, &renewed).await;
            return (Arc::new(renewed.listed_as(&model)), forgotten);
        }
        let leaving = self.leaving.iter().position(|leaving| leaving.model.spec.name == spec.name);
        if let Some(place) = leaving {
            // It comes back before it has ended.
            let leaving = self.leaving.swap_remove(place);
            leaving.recalled.cancel();
            let renewed = self.change(&leaving.model, spec, program, told);
            self.adopt_crew(&leaving.model, &renewed).await;
            let (handle, forgotten) = renewed.list();
            return (Arc::new(handle), forgotten);
        }
        let model = Arc::new(ModelHandle::new(Arc::clone(spec), program.max_waiting, self.origin));
        self.roster.add(&model);
        for replica in model.replicas() {
            self.adopt(&replica.spec.name).await;
        }
        let (handle, forgotten) = model.list();
        (Arc::new(handle), forgotten)
    }

    /// Has the supervisor start the actor of a model or of a further replica.
    async fn adopt(&self, name: &str) {
        let adopted = match &self.supervisor.addr() {
            Some(addr) => ask(addr, Adopt { name: name.to_owned() }).await == Some(true),
            None => false,
        };
        if !adopted {
            // The supervisor starts all of the roster when it is back.
            log::error!("models/{name}: its actor could not be started; see `llm-manager tree`");
        }
    }

    /// The replicas that a model may have more than before.
    async fn adopt_crew(&self, before: &ModelHandle, after: &ModelHandle) {
        for replica in after.crew().iter().skip(before.crew().len()) {
            self.adopt(&replica.spec.name).await;
        }
    }

    /// The handle that the actors' side holds, with what the configuration says now.
    fn change(
        &self,
        model: &Arc<ModelHandle>,
        spec: &Arc<ModelSpec>,
        program: &ProgramSpec,
        told: &mut Vec<(Arc<ModelHandle>, Arc<[String]>)>,
    ) -> Arc<ModelHandle> {
        let relaunched = match reload::model_change(&model.spec, spec) {
            Some(Change::Relaunched { variants, .. }) => variants,
            _ => Vec::new(),
        };
        let renewed = Arc::new(model.renewed(Arc::clone(spec), program.max_waiting));
        self.roster.add(&renewed);
        if model.spec != *spec || timeouts(program) != timeouts(&self.spec.program) {
            told.push((Arc::clone(&renewed), relaunched.into()));
        }
        renewed
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

    /// Ends a model that has left the configuration, once nobody can reach it any more.
    fn retire(
        &mut self,
        model: &Arc<ModelHandle>,
        forgotten: CancellationToken,
        plan: &Plan,
        retired: &mpsc::Sender<Arc<ModelHandle>>,
    ) {
        let Some(model) = self.roster.find(&model.spec.name) else { return };
        let data_to = match plan.of(&model.spec.name) {
            Some(Change::Removed { data_to }) => data_to.clone(),
            _ => None,
        };
        let recalled = CancellationToken::new();
        self.leaving.push(Leaving { model: Arc::clone(&model), data_to, recalled: recalled.clone() });
        let (retired, stopping) = (retired.clone(), self.in_force.management.now().stopping.clone());
        actix_web::rt::spawn(async move {
            let end = async {
                forgotten.cancelled().await;
                if let Err(refused) = model.operate(Verb::Stop(Urgency::Drain)).await {
                    log::error!("models/{}: not stopped cleanly: {}", model.spec.name, refused.message);
                }
                // The one who reloads may have ended before.
                let _ = retired.send(model).await;
            };
            tokio::select! {
                () = end => (),
                () = recalled.cancelled() => (),
                () = stopping.cancelled() => (),
            }
        });
    }

    /// A model that has left the configuration has ended.
    async fn dismiss(&mut self, model: &Arc<ModelHandle>) {
        let place = self.leaving.iter().position(|leaving| leaving.model.id() == model.id());
        // It may have come back meanwhile.
        let Some(place) = place else { return };
        let leaving = self.leaving.swap_remove(place);
        let name = &model.spec.name;
        for replica in model.replicas() {
            if let Some(addr) = self.supervisor.addr() {
                ask(&addr, Dismiss { name: replica.spec.name.clone() }).await;
            }
            replica.actor().set(None);
        }
        self.roster.remove(model);
        let former = self.scope.load();
        self.scope.store(Arc::new(Scope { models: self.roster.replicas(), ..Scope::clone(&former) }));
        log::info!("models/{name}: has left the configuration, and has ended");
        if let Some(new) = leaving.data_to {
            // Its last rows have come since.
            self.books.rename(name, &new).await;
        }
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

fn refused(report: &Report) -> String {
    let errors = report.problems.iter().filter(|problem| problem.severity == config::Severity::Error).count();
    format!("it has {errors} error{}", if errors == 1 { "" } else { "s" })
}

/// Sees a file change.
struct Watch {
    path: PathBuf,
    /// As it was when it was last read.
    read: Option<(SystemTime, u64)>,
}

impl Watch {
    async fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), read: look(path).await }
    }

    /// Resolves when the file is another one, and stays so.
    async fn changed(&self) {
        let mut before = self.read;
        loop {
            tokio::time::sleep(LOOK).await;
            let now = look(&self.path).await;
            // One that is away is being replaced.
            if now.is_some() && now == before && now != self.read {
                return;
            }
            before = now;
        }
    }

    /// Called before it is read: what is written after that is another change.
    async fn seen(&mut self) {
        self.read = look(&self.path).await;
    }
}

async fn look(path: &Path) -> Option<(SystemTime, u64)> {
    let path = path.to_owned();
    let looked = actix_web::rt::task::spawn_blocking(move || {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    });
    looked.await.ok()?
}
