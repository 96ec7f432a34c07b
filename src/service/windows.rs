//! A service of Windows.

use super::ServiceOutcome;
use crate::{app, config};
use llm_manager_policy::spec::Spec;
use llm_manager_process as process;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceControl, ServiceControlAccept,
    ServiceErrorControl, ServiceExitCode, ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo,
    ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_service::{define_windows_service, service_dispatcher};

const NAME: &str = "LLM-Manager";
/// A log that has grown so long is put aside when the service starts.
const LONGEST_LOG: u64 = 20 << 20;
/// A stop may take its drain_timeout and stop_timeout; the system waits for as long as this is said anew.
const WAIT_HINT: Duration = Duration::from_secs(120);
/// Counts what the system is told of a start or a stop that goes on: one that always says the same hangs, for the system.
static CHECKPOINT: AtomicU32 = AtomicU32::new(0);

pub(super) fn install(config: &Path, _spec: &Spec, _user: bool) -> Result<ServiceOutcome, String> {
    let exe = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let info = ServiceInfo {
        name: NAME.into(),
        display_name: NAME.into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: exe,
        launch_arguments: ["--config".into(), config.as_os_str().to_owned(), "service".into(), "run".into()]
            .to_vec(),
        dependencies: vec![],
        account_name: None,
        account_password: None,
    };
    let manager = ServiceManager::local_computer(
        None::<&str>,
        ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE,
    )
    .map_err(|error| explain(&error))?;
    let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START;
    let service = match manager.create_service(&info, access) {
        // Installed before: with this program and this file from now on.
        Err(windows_service::Error::Winapi(error)) if error.raw_os_error() == Some(1073) => manager
            .open_service(NAME, access)
            .and_then(|service| service.change_config(&info).map(|()| service)),
        other => other,
    }
    .map_err(|error| explain(&error))?;
    let mut told = format!(
        "the service {NAME} is installed for {}\nIt starts with the machine, as LocalSystem (services.msc, Log On, \
         changes that); to start it now: llm-manager service start",
        config.display()
    );
    // It is installed and would run without these.
    for (what, done) in configure(&service) {
        if let Err(error) = done {
            told.push_str(&format!("\nwarning: {what} can't be set: {}", explain(&error)));
        }
    }
    Ok(ServiceOutcome::well(told))
}

fn configure(service: &Service) -> [(&'static str, windows_service::Result<()>); 4] {
    let description = service.set_description("One OpenAI-compatible address for many local model servers");
    // Drivers and disks first.
    let delayed = service.set_delayed_auto_start(true);
    let again = |seconds| ServiceAction {
        action_type: ServiceActionType::Restart,
        delay: Duration::from_secs(seconds),
    };
    let after_failure = service.update_failure_actions(ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(Duration::from_secs(86_400)),
        reboot_msg: None,
        command: None,
        actions: Some(vec![again(2), again(10), again(60)]),
    });
    [
        ("its description", description),
        ("its delayed start", delayed),
        ("its start after a crash", after_failure),
        ("its start after a failure", service.set_failure_actions_on_non_crash_failures(true)),
    ]
}

pub(super) fn uninstall(_user: bool) -> Result<ServiceOutcome, String> {
    let access = ServiceAccess::QUERY_STATUS | ServiceAccess::STOP | ServiceAccess::DELETE;
    let service = open(access)?;
    if state(&service)? != ServiceState::Stopped {
        service.stop().map_err(|error| explain(&error))?;
        wait_for(&service, ServiceState::Stopped)?;
    }
    service.delete().map_err(|error| explain(&error))?;
    Ok(ServiceOutcome::well(format!("the service {NAME} is removed; configuration and data are untouched")))
}

pub(super) fn start(_user: bool) -> Result<ServiceOutcome, String> {
    let service = open(ServiceAccess::QUERY_STATUS | ServiceAccess::START)?;
    if state(&service)? != ServiceState::Running {
        service.start::<&OsStr>(&[]).map_err(|error| explain(&error))?;
        wait_for(&service, ServiceState::Running)?;
    }
    Ok(ServiceOutcome::well("the service is running"))
}

pub(super) fn stop(_user: bool) -> Result<ServiceOutcome, String> {
    let service = open(ServiceAccess::QUERY_STATUS | ServiceAccess::STOP)?;
    if state(&service)? != ServiceState::Stopped {
        service.stop().map_err(|error| explain(&error))?;
        wait_for(&service, ServiceState::Stopped)?;
    }
    Ok(ServiceOutcome::well("the service has stopped"))
}

pub(super) fn status(_user: bool) -> Result<ServiceOutcome, String> {
    let state = state(&open(ServiceAccess::QUERY_STATUS)?)?;
    let word = match state {
        ServiceState::Running => "runs",
        ServiceState::Stopped => "has stopped",
        ServiceState::StartPending => "is starting",
        ServiceState::StopPending => "is stopping",
        _ => "is paused",
    };
    Ok(ServiceOutcome { success: state == ServiceState::Running, text: format!("the service {NAME} {word}") })
}

fn open(access: ServiceAccess) -> Result<Service, String> {
    let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT);
    manager.and_then(|manager| manager.open_service(NAME, access)).map_err(|error| explain(&error))
}

fn state(service: &Service) -> Result<ServiceState, String> {
    service.query_status().map(|status| status.current_state).map_err(|error| explain(&error))
}

#[expect(clippy::disallowed_methods, reason = "the command line has no arbiter to block")]
fn wait_for(service: &Service, wanted: ServiceState) -> Result<(), String> {
    let deadline = Instant::now() + WAIT_HINT;
    loop {
        let now = state(service)?;
        if now == wanted {
            return Ok(());
        }
        let failed = wanted == ServiceState::Running && now == ServiceState::Stopped;
        if failed || Instant::now() > deadline {
            return Err(format!(
                "the service is {now:?}, not {wanted:?}; service.log beside the ledger (data\\service.log) says why"
            ));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// With the way out, where there is one.
fn explain(error: &windows_service::Error) -> String {
    let windows_service::Error::Winapi(inner) = error else { return error.to_string() };
    match inner.raw_os_error() {
        Some(5) => "access denied: open the terminal as administrator".to_owned(),
        Some(1060) => format!("no service {NAME} is installed; `llm-manager service install` installs it"),
        _ => inner.to_string(),
    }
}

/// The file that the service was installed for; the system calls `service_main` with nothing.
static CONFIG: OnceLock<PathBuf> = OnceLock::new();

define_windows_service!(ffi_service_main, service_main);

/// Serves as a service, until the system says that it is enough.
pub(crate) fn run(config: &Path) -> Result<(), String> {
    let _ = CONFIG.set(config.to_owned());
    service_dispatcher::start(NAME, ffi_service_main).map_err(|error| match &error {
        windows_service::Error::Winapi(inner) if inner.raw_os_error() == Some(1063) => {
            "the system starts this; use `llm-manager serve` in a terminal".to_owned()
        }
        error => explain(error),
    })
}

fn service_main(_arguments: Vec<OsString>) {
    let stop = CancellationToken::new();
    let heard = stop.clone();
    let registered = service_control_handler::register(NAME, move |event| match event {
        ServiceControl::Stop | ServiceControl::Shutdown | ServiceControl::Preshutdown => {
            heard.cancel();
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    });
    let Ok(handle) = registered else { return };
    let tell = move |state, exit_code| {
        let running = state == ServiceState::Running;
        let pending = matches!(state, ServiceState::StartPending | ServiceState::StopPending);
        let accepted = ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN;
        let told = handle.set_service_status(ServiceStatus {
            service_type: ServiceType::OWN_PROCESS,
            current_state: state,
            controls_accepted: if running { accepted } else { ServiceControlAccept::empty() },
            exit_code: ServiceExitCode::Win32(exit_code),
            checkpoint: if pending { CHECKPOINT.fetch_add(1, Ordering::Relaxed) } else { 0 },
            wait_hint: if running { Duration::default() } else { WAIT_HINT },
            process_id: None,
        });
        if let Err(error) = told {
            log::error!("can't report to the system that the service is {state:?}: {error}");
        }
    };
    tell(ServiceState::StartPending, 0);
    let config = CONFIG.get().cloned().unwrap_or_default();
    let ended = serve(&config, stop, move |stage| match stage {
        Stage::Starting => tell(ServiceState::StartPending, 0),
        Stage::Serving => tell(ServiceState::Running, 0),
        Stage::Stopping => tell(ServiceState::StopPending, 0),
    });
    if let Err(error) = &ended {
        // The log is standard error here, which is a file by now.
        log::error!("{error}");
    }
    crate::logging::finish();
    // Another code than 0 is a failure, after which the system starts it again.
    tell(ServiceState::Stopped, u32::from(ended.is_err()));
}

/// How far the service is.
enum Stage {
    /// It opens its ledger, which may take minutes.
    Starting,
    Serving,
    Stopping,
}

fn serve(
    config: &Path,
    stop: CancellationToken,
    tell: impl Fn(Stage) + Clone + 'static,
) -> Result<(), String> {
    let loaded = match config::load(config) {
        Ok(loaded) => loaded,
        Err(report) => {
            let folder = config.parent().unwrap_or(Path::new(".")).join("data");
            log_into_file(&folder)?;
            // No logger yet: this is the file by now.
            let _ = writeln!(std::io::stderr(), "{report}");
            return Err("the configuration has errors".to_owned());
        }
    };
    log_into_file(&app::backend_output::state_dir(&loaded.spec))?;
    let watch = stop.clone();
    actix_web::rt::System::new().block_on(async move {
        let (starting, started) = (tell.clone(), tell.clone());
        actix_web::rt::spawn(async move {
            watch.cancelled().await;
            tell(Stage::Stopping);
        });
        let beat = actix_web::rt::spawn(async move {
            let mut beat = tokio::time::interval(WAIT_HINT / 4);
            loop {
                beat.tick().await;
                starting(Stage::Starting);
            }
        });
        let ready = move || {
            beat.abort();
            started(Stage::Serving);
        };
        let system = app::ServiceHost { stop, ready: Box::new(ready) };
        app::serve_for(loaded, config, Some(system)).await.map(|_| ())
    })
}

/// A service has no terminal: what would go to standard error goes to a file beside the ledger.
fn log_into_file(folder: &Path) -> Result<(), String> {
    let file = folder.join("service.log");
    let wrong = |error: std::io::Error| format!("{}: {error}", file.display());
    std::fs::create_dir_all(folder).map_err(wrong)?;
    if file.metadata().is_ok_and(|meta| meta.len() > LONGEST_LOG) {
        std::fs::rename(&file, folder.join("service.log.1")).map_err(wrong)?;
    }
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&file).map_err(wrong)?;
    process::log_into(log).map_err(wrong)
}
