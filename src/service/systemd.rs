//! A unit of systemd, of the whole system or of one user.

use super::ServiceOutcome;
use super::unit::Unit;
use llm_manager_policy::spec::Spec;
use llm_manager_process::run_tool;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const NAME: &str = "llm-manager.service";

pub(super) fn install(config: &Path, spec: &Spec, user: bool) -> Result<ServiceOutcome, String> {
    let exe = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let account = if user { None } else { Some(account(config)?) };
    let text = Unit { exe: &exe, config, spec, account: account.as_deref(), packaged: false }.text();
    let file = file(user)?;
    write(&file, &text).map_err(|error| cannot_write(&file, &error, user))?;
    systemctl(user, &["daemon-reload"])?;
    systemctl(user, &["enable", NAME])?;
    let flag = if user { " --user" } else { "" };
    let mut told = format!(
        "{}: the service is installed{}\nIt starts with the {}; to start it now: llm-manager service start{flag}",
        file.display(),
        account.map(|account| format!(" and runs as {account}")).unwrap_or_default(),
        if user { "first log-in" } else { "machine" }
    );
    if user {
        told.push_str("\nTo start it with the machine, before anybody logs in: loginctl enable-linger");
    }
    Ok(ServiceOutcome::well(told))
}

pub(super) fn uninstall(user: bool) -> Result<ServiceOutcome, String> {
    let file = file(user)?;
    if !file.exists() {
        return Ok(ServiceOutcome::well(format!("{}: no service is installed", file.display())));
    }
    systemctl(user, &["disable", "--now", NAME])?;
    std::fs::remove_file(&file).map_err(|error| cannot_write(&file, &error, user))?;
    systemctl(user, &["daemon-reload"])?;
    Ok(ServiceOutcome::well(format!(
        "{}: the service is removed; configuration and data are untouched",
        file.display()
    )))
}

pub(super) fn start(user: bool) -> Result<ServiceOutcome, String> {
    // It returns when the manager serves, for that is when it says so.
    systemctl(user, &["start", NAME])?;
    Ok(ServiceOutcome::well("the service is running"))
}

pub(super) fn stop(user: bool) -> Result<ServiceOutcome, String> {
    systemctl(user, &["stop", NAME])?;
    Ok(ServiceOutcome::well("the service has stopped"))
}

pub(super) fn status(user: bool) -> Result<ServiceOutcome, String> {
    let active = call(user, &["is-active", NAME])?;
    let said = call(user, &["status", "--no-pager", "--lines=5", NAME])?;
    Ok(ServiceOutcome { success: active.0, text: said.1 })
}

/// Where the unit is.
fn file(user: bool) -> Result<PathBuf, String> {
    if !user {
        return Ok(Path::new("/etc/systemd/system").join(NAME));
    }
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    let folder =
        folder.ok_or("neither XDG_CONFIG_HOME nor HOME is set, so there is no folder for the unit")?;
    Ok(folder.join("systemd/user").join(NAME))
}

/// Whose rights the service has: those of the user who called sudo, or else who has the configuration.
fn account(config: &Path) -> Result<String, String> {
    if let Some(user) = std::env::var("SUDO_USER").ok().filter(|user| !user.is_empty()) {
        return Ok(user);
    }
    let owner = config.metadata().map_err(|error| format!("{}: {error}", config.display()))?.uid();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(owner)).then(|| name.to_owned())
    });
    // systemd takes a number, too; users of a directory service aren't in the file.
    Ok(name.unwrap_or_else(|| owner.to_string()))
}

fn write(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, text)
}

fn cannot_write(file: &Path, error: &std::io::Error, user: bool) -> String {
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied if !user => {
            "; call it with sudo, or with --user for a service of your own"
        }
        _ => "",
    };
    format!("{}: {error}{hint}", file.display())
}

/// Runs systemctl, which must succeed.
fn systemctl(user: bool, words: &[&str]) -> Result<(), String> {
    match call(user, words)? {
        (true, _) => Ok(()),
        (false, said) => {
            let said = if said.is_empty() { "it failed and said nothing" } else { &said };
            Err(format!("systemctl {}: {said}", words.join(" ")))
        }
    }
}

fn call(user: bool, words: &[&str]) -> Result<(bool, String), String> {
    let mut all = if user { vec!["--user"] } else { vec![] };
    all.extend(words);
    let output = run_tool("systemctl", &all).map_err(|error| {
        format!("systemctl can't be started: {error}; a service needs systemd, elsewhere have your supervisor run `llm-manager serve`")
    })?;
    Ok((output.success, output.text))
}
