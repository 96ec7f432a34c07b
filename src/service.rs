//! `llm-manager service`: the manager as a service of the system, which starts it with the machine and again after
//! a crash. On Linux a unit of systemd, on Windows a service.

mod outcome;
#[cfg(target_os = "linux")]
mod systemd;
#[cfg(target_os = "linux")]
mod unit;
#[cfg(windows)]
mod windows;

use crate::config;
use clap::Subcommand;
pub(crate) use outcome::ServiceOutcome;
use std::path::Path;
#[cfg(target_os = "linux")]
use systemd as here;
#[cfg(windows)]
use windows as here;

#[cfg(windows)]
pub(crate) use windows::run;

/// What `service` can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Install the service; it starts with the machine.
    Install,
    /// Stop and remove the service; configuration and data stay.
    Uninstall,
    /// Start the service.
    Start,
    /// Stop the service and all backends.
    Stop,
    /// Show whether it is running.
    Status,
    /// Serve as a service; started by the system.
    #[command(hide = true)]
    Run,
}

/// Carries an order out. `user`: for this user only, where the system has such services.
pub(crate) fn obey(order: ServiceCommand, config: &Path, user: bool) -> Result<ServiceOutcome, String> {
    let config = std::path::absolute(config).map_err(|error| format!("{}: {error}", config.display()))?;
    match order {
        ServiceCommand::Install => {
            // It would fail again and again otherwise, where nobody looks.
            let loaded = config::load(&config).map_err(|report| report.to_string())?;
            here::install(&config, &loaded.spec, user)
        }
        ServiceCommand::Uninstall => here::uninstall(user),
        ServiceCommand::Start => here::start(user),
        ServiceCommand::Stop => here::stop(user),
        ServiceCommand::Status => here::status(user),
        ServiceCommand::Run => {
            Err("the system starts this; use `llm-manager serve` in a terminal".to_owned())
        }
    }
}

#[cfg(not(any(target_os = "linux", windows)))]
mod here {
    use super::Done;
    use llm_manager_policy::spec::Spec;
    use std::path::Path;

    fn none() -> Result<ServiceOutcome, String> {
        Err("no kind of service is known for this system: have its own supervisor run `llm-manager serve`"
            .to_owned())
    }

    pub(super) fn install(_config: &Path, _spec: &Spec, _user: bool) -> Result<ServiceOutcome, String> {
        none()
    }

    pub(super) fn uninstall(_user: bool) -> Result<ServiceOutcome, String> {
        none()
    }

    pub(super) fn start(_user: bool) -> Result<ServiceOutcome, String> {
        none()
    }

    pub(super) fn stop(_user: bool) -> Result<ServiceOutcome, String> {
        none()
    }

    pub(super) fn status(_user: bool) -> Result<ServiceOutcome, String> {
        none()
    }
}
