//! How everything is started, in order.

use super::backend_output::{common_dir, state_dir};
use super::guard::Guard;
use super::launchers::Launchers;
use super::ledger_opening::OpeningLedger;
use super::reload::Reloader;
use super::signals::Signals;
use super::tree::{ActorInputs, ModelRoster};
use super::{
    Running, Starting, address, backend_output, device_check, from_config, hours, launchers, notifications,
    peers, pods, reload, tree, trim_memory,
};
use crate::http::{self, EventBroadcast, Gateways, InForce, Sessions, Standby, Wings};
use crate::limits;
use crate::logging;
use crate::tls::ServerCertificate;
use crate::traces::Tracer;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use llm_manager_actors::ActorRef;
use llm_manager_actors::device_monitor::{self, Devices};
use llm_manager_actors::feeds::Feed;
use llm_manager_actors::model::{Directory, ModelHandle};
use llm_manager_actors::scheduler::{Pauses, SchedulerScope, Setup};
use llm_manager_actors::supervisor::{Child, GetTree, Supervisor, ask};
use llm_manager_devices::Registry;
use llm_manager_policy::endpoints::Endpoints;
use llm_manager_policy::spec::{ModelSpec, Spec};
use llm_manager_process as process;
use llm_manager_process::{Launcher, LocalLauncher, OutputSink, RunTable, UrlLauncher};
use llm_manager_slurm::{Nodes, SlurmLauncher};
use std::fmt::Display;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Ends what a former manager of this folder has left.
async fn reap(state_dir: &Path, instance: &str) -> Result<(), String> {
    let wrong = |error: &dyn Display| format!("{}: {error}; is the folder writable?", state_dir.display());
    std::fs::create_dir_all(state_dir).map_err(|error| wrong(&error))?;
    let trial = state_dir.join(".writable");
    std::fs::write(&trial, b"").and_then(|()| std::fs::remove_file(&trial)).map_err(|error| wrong(&error))?;
    let (dir, own) = (state_dir.to_owned(), instance.to_owned());
    let reaped = actix_web::rt::task::spawn_blocking(move || process::reap_leftovers(&dir, &own));
    for leftover in reaped.await.map_err(|error| wrong(&error))? {
        log::warn!("models/{leftover}");
    }
    Ok(())
}

fn start_devices(spec: &Spec, state_dir: &Path, instance: &str) -> Devices {
    let env = process::helper_env("devices", state_dir, instance);
    let registry = Registry::built_in(&device_check::system()).commands(&spec.devices, &spec.base_dir, &env);
    let enabled = !spec.program.disable_gpu_monitoring;
    Devices::new(device_monitor::MonitorSettings { enabled, ..Default::default() }, registry)
}

/// Switches fault injection on, for tests.
const FAULT_INJECTION: &str = "LLM_MANAGER_FAULT_INJECTION";

impl Running {
    /// `None`: it was told to end before it served.
    pub(super) async fn start(
        spec: &Spec,
        starting: Starting,
        lines: logging::LogQueue,
        signals: &mut Signals,
    ) -> Result<Option<Self>, String> {
        let Starting { path, file, reloads, orders, hang_up } = starting;
        let program = &spec.program;
        let (hub, root, scheduler, feed) = (ActorRef::new(), ActorRef::new(), ActorRef::new(), Feed::new());
        let origin = Instant::now();
        let handle =
            |model: &Arc<ModelSpec>| ModelHandle::new(Arc::clone(model), program.max_waiting, origin);
        let models: Vec<Arc<ModelHandle>> = spec.models.iter().map(|model| Arc::new(handle(model))).collect();
        let roster = ModelRoster::new(&models, from_config::timeouts(program));
        let scope = Arc::new(ArcSwap::from_pointee(SchedulerScope {
            models: roster.replicas(),
            settings: from_config::placement(program),
            watts: program.watts.clone(),
            shared_devices: spec.shared_devices.clone(),
        }));
        let listed = reload::list(&models);
        let stopping = CancellationToken::new();
        let (state_dir, common) = (state_dir(spec), common_dir(spec));
        let leadership = peers::leadership(spec, &address(program), origin);
        let opening = OpeningLedger::begin(program, &state_dir)?;
        let instance = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
        let devices = start_devices(spec, &state_dir, &instance);
        let pauses = Pauses::load(state_dir.join("paused.json"));
        let notifications = notifications::start(spec, &state_dir, &instance);
        let looked_after = !program.disable_gpu_monitoring;
        let Some(books) = opening.done(signals).await? else { return Ok(None) };
        let mask = backend_output::mask(spec);
        let captures = backend_output::captures(spec, &mask)?;
        let sessions = Arc::new(Sessions::new(program.port)?);
        let access = {
            let (spec, common, sessions) = (spec.clone(), common.clone(), Arc::clone(&sessions));
            let loading =
                actix_web::rt::task::spawn_blocking(move || from_config::access(&spec, &common, &sessions));
            Arc::new(loading.await.map_err(|error| format!("the labels of keys: {error}"))??)
        };
        let restart = file.restart.clone();
        let standby = Standby::default();
        let quotas = ActorRef::new();
        let tracer = match &program.traces {
            Some(traces) => Some(Tracer::of(traces).await?),
            None => None,
        };
        let (nodes, watching) = Nodes::new();
        let (base_path, started_at) = (Arc::from(program.base_path.as_str()), Timestamp::now());
        let directory = Arc::new(Directory::new(Vec::new()));
        let wings = Wings {
            entrance: http::Entrance {
                access: Arc::clone(&access),
                trusted_proxies: Arc::default(),
                base_path: Arc::clone(&base_path),
                tls: program.tls.is_some(),
            },
            forwarding: http::Forwarding {
                access: Arc::clone(&access),
                trusted_proxies: Arc::default(),
                base_path,
                directory: Arc::clone(&directory),
                endpoints: Arc::new(Endpoints::new(std::iter::empty())),
                max_body_bytes: 0,
                loading_comments: false,
                log_requests: false,
                tracer: tracer.clone(),
                ledger: books.ledger.clone(),
                captures: captures.clone(),
                quotas: quotas.clone(),
                standby: standby.clone(),
                stopping: stopping.clone(),
                started_at,
            },
            management: http::Management {
                access: Arc::clone(&access),
                directory,
                devices: devices.clone(),
                scheduler: looked_after.then(|| scheduler.clone()),
                pauses: pauses.clone(),
                shared_devices: Arc::default(),
                cluster: nodes,
                leadership: leadership.clone(),
                ledger: books.ledger.clone(),
                billing: books.billing.clone(),
                retention_days: 0,
                captures: captures.clone(),
                quotas: quotas.clone(),
                notifications: notifications.clone(),
                feed: feed.clone(),
                logs: hub.clone(),
                log_folder: backend_output::log_folder(spec),
                supervisor: root.clone(),
                standby: standby.clone(),
                stopping: stopping.clone(),
                started_at,
                fault_injection: std::env::var_os(FAULT_INJECTION).is_some(),
            },
        };
        let gateways = Gateways::new(limits::workers());
        let http = gateways.child_spec(feed.clone());
        let handles = listed.iter().map(|(model, _)| Arc::clone(model)).collect();
        let in_force = InForce::new(from_config::configured(wings, spec, &access, handles));
        let parts = http::HttpInputs {
            in_force: in_force.clone(),
            config: file,
            pulse: EventBroadcast::default(),
            gateways: gateways.clone(),
        };
        // The port first: a second manager must not touch the backends of the one that runs.
        let shown = match program.tls.clone() {
            Some(tls) => {
                let reading = actix_web::rt::task::spawn_blocking(move || ServerCertificate::read(&tls));
                Some(reading.await.map_err(|error| format!("tls: {error}"))??)
            }
            None => None,
        };
        let acceptor = shown.as_ref().map(ServerCertificate::acceptor).transpose()?;
        let serve = http::bind(parts, program, acceptor)?;
        reap(&state_dir, &instance).await?;
        // As late: a manager that can't have the port must not change a price either.
        let (ours, configured) = (books.clone(), spec.models.clone());
        let configured = actix_web::rt::task::spawn_blocking(move || ours.configure(&configured));
        configured.await.map_err(|error| format!("the ledger: {error}"))??;
        let guard = Guard::start(&state_dir, &instance);
        let setup = Setup {
            scope: Arc::clone(&scope),
            devices: devices.clone(),
            origin,
            measured: state_dir.join("measured.json"),
            base_dir: spec.base_dir.clone(),
            pauses: pauses.clone(),
        };
        let sink = backend_output::sink(spec, &hub, &mask);
        let log_files = sink.files.clone();
        let sink: Rc<dyn OutputSink> = Rc::new(sink);
        let local = LocalLauncher::new(instance.clone(), state_dir.clone(), Rc::clone(&sink));
        local.hide(spec.secret_variables.clone());
        let fence = peers::fence(leadership.as_ref());
        let clusters = launchers::Clusters {
            slurm: SlurmLauncher::new(common.clone(), Rc::clone(&sink), watching, fence.clone()),
            pods: pods::launcher(common.clone(), sink, fence),
        };
        let book = RunTable::default();
        let jobs = leadership.as_ref().map(|leadership| {
            let owner = Rc::new(clusters.clone());
            peers::launcher(leadership, owner, (&books.ledger, &roster), common.clone(), &book)
        });
        let places = Launchers {
            local: local.clone(),
            url: UrlLauncher::new(&instance),
            clusters: clusters.clone(),
            shared: jobs,
        };
        let launcher: Rc<dyn Launcher> = Rc::new(places);
        // Without monitoring there is nothing to decide by: everything is started at once.
        let looked_after = looked_after.then(|| (scheduler.clone(), setup));
        let supervisor = ActorRef::new();
        let council = leadership.as_ref().map(|leadership| {
            let own = (&roster, &book, &books);
            leadership.child_spec(Rc::new(peers::LocalManager::new(own, origin, clusters.clone())))
        });
        let parts = ActorInputs {
            hub: &hub,
            feed: &feed,
            launcher: &launcher,
            scheduler: looked_after,
            ledger: &books.ledger,
            billing: books.child_spec(),
            http,
            quotas: &quotas,
            notifications: &notifications,
            stopping: &stopping,
            supervisor: &supervisor,
            tracer: tracer.as_ref(),
            leadership: council,
        };
        let children = tree::tree(spec, &roster, parts);
        let root_child = Child::start(Supervisor::new("", children, feed.clone()), &root);
        actix_web::rt::spawn(logging::feed(lines, hub));
        if let Some(addr) = root.addr() {
            // Its answer means that every actor is up; only then may requests come.
            ask(&addr, GetTree).await;
        }
        if leadership.is_none() {
            actix_web::rt::spawn(launchers::take_over(clusters, roster.clone()));
        }
        let ticking = hours::watch(roster.clone(), books.ledger.clone(), origin, stopping.clone());
        actix_web::rt::spawn(ticking);
        let looking = notifications::watch(
            notifications.clone(),
            roster.clone(),
            in_force.management.clone(),
            spec.program.tls.clone(),
        );
        actix_web::rt::spawn(looking);
        actix_web::rt::spawn(trim_memory::watch(roster.clone(), gateways, stopping.clone()));
        let server = serve();
        if let Some(shown) = shown {
            actix_web::rt::spawn(shown.watch());
        }
        let reloader = Reloader {
            path,
            spec: spec.clone(),
            reloads,
            in_force: in_force.clone(),
            roster: roster.clone(),
            scope,
            supervisor,
            books: books.clone(),
            feed,
            sessions,
            state_dir: common,
            devices: devices.clone(),
            notifications,
            launcher: local.clone(),
            mask,
            instance,
            origin,
            listed,
            leaving: Vec::new(),
        };
        actix_web::rt::spawn(reloader.run(orders, hang_up));
        Ok(Some(Self {
            server: server.handle(),
            served: actix_web::rt::spawn(server),
            roster,
            in_force,
            stopping,
            restart,
            standby,
            devices,
            books,
            log_files,
            address: address(program),
            guard,
            launcher: local,
            leadership,
            _root: root_child,
        }))
    }
}
