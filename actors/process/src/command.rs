//! Turns a launch order into a command, and a failed spawn into advice.

use std::ffi::OsString;
use std::io;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use llm_manager_policy::spec::Launch;
use llm_manager_policy::steering;
use llm_manager_policy::system::{self, OsFamily, Runner, Unrunnable};

use super::tree::marker;
use super::{LaunchError, LaunchOrder, platform};

/// What one launch is marked with; see [`marker`].
#[derive(Clone, Debug)]
pub(super) struct Markers {
    pub(super) run: String,
    pub(super) instance: String,
    pub(super) state: OsString,
    pub(super) owner: String,
}

/// The program and its arguments.
pub(super) fn words(order: &LaunchOrder, port: u16) -> Vec<OsString> {
    match &order.launch {
        Launch::Script(path) => script_words(path),
        Launch::Command(words) => filled_in(words, order, port),
        Launch::Nothing => Vec::new(),
    }
}

/// The words of a command with the port and the model in their places.
pub(super) fn filled_in(words: &[String], order: &LaunchOrder, port: u16) -> Vec<OsString> {
    let fill = |word: &String| word.replace("{port}", &port.to_string()).replace("{model}", &order.known_as);
    words.iter().map(|word| fill(word).into()).collect()
}

/// A script that isn't executable (a fresh checkout, a FAT disk) still runs through what its first line
/// names.
fn script_words(path: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    match system::runner(OsFamily::HERE, &path.to_string_lossy(), &head(path)) {
        Ok(Runner::PowerShell) => {
            words.extend(POWERSHELL.map(OsString::from));
        }
        Ok(Runner::Shell) if !platform::is_executable(path) => match shebang(path) {
            Some(line) => {
                // As the kernel reads it: the program, then all of the rest as one argument.
                let (program, rest) = line.split_once([' ', '\t']).unwrap_or((&line, ""));
                words.push(program.into());
                if !rest.trim().is_empty() {
                    words.push(rest.trim().into());
                }
            }
            None => words.push("sh".into()),
        },
        // What can't be run was refused by `check_script`.
        Ok(Runner::Shell | Runner::Itself) | Err(_) => {}
    }
    words.push(path.into());
    words
}

/// Its own policy would refuse scripts that came from elsewhere, and a profile could print, wait or fail.
const POWERSHELL: [&str; 5] = ["powershell.exe", "-NoProfile", "-ExecutionPolicy", "Bypass", "-File"];

/// The first bytes of a file, by which its kind is known.
fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    // What can't be read fails at its start, with the system's own reason.
    let _ = std::fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut head));
    head
}

fn shebang(path: &Path) -> Option<String> {
    let head = head(path);
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line).trim().to_owned();
    (!line.is_empty()).then_some(line)
}

/// What the spawn itself would not tell, or too late: `sh` would start all the same, and only then miss the script.
pub(super) fn check(words: &[OsString], order: &LaunchOrder) -> Result<(), LaunchError> {
    match &order.launch {
        Launch::Script(path) => {
            std::fs::metadata(path).map_err(|error| explain(&error, words, order))?;
            system::runner(OsFamily::HERE, &path.to_string_lossy(), &head(path))
                .map_err(|unrunnable| refused(&path.display().to_string(), unrunnable))?;
        }
        Launch::Command(_) => {
            let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
            system::check_arguments(OsFamily::HERE, &words).map_err(|(index, unrunnable)| {
                refused(words.get(index).map_or("", String::as_str), unrunnable)
            })?;
        }
        Launch::Nothing => return Err(explain(&io::ErrorKind::NotFound.into(), words, order)),
    }
    Ok(())
}

fn refused(what: &str, unrunnable: Unrunnable) -> LaunchError {
    let Unrunnable { cause, hint } = unrunnable;
    LaunchError::CannotSpawn { program: what.to_owned(), cause: format!("it {cause}"), hint }
}

/// A command that waits for nothing but its spawn.
pub(super) fn build(words: &[OsString], order: &LaunchOrder, port: u16, markers: &Markers) -> Command {
    let (program, arguments) = match words.split_first() {
        Some((program, arguments)) => (program.clone(), arguments),
        None => (OsString::new(), words),
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(&order.working_dir)
        .env("PORT", port.to_string())
        .env("MODEL_NAME", &order.known_as)
        // A backend that knows them would speak for the manager.
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_USEC")
        .env_remove("WATCHDOG_PID")
        .envs(order.env.iter().map(|(name, value)| (name, value)))
        // Last, so that no configuration can hide a backend from the search for what is left of it.
        .env(marker::RUN, &markers.run)
        .env(marker::INSTANCE, &markers.instance)
        .env(marker::STATE, &markers.state)
        .env(marker::OWNER, &markers.owner)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    platform::die_with_this_thread(&mut command);
    command
}

/// Names of this process' variables that reach a backend and may steer its engine, those aside that it is given.
pub fn inherited(given: impl Fn(&str) -> bool) -> Vec<String> {
    let own: Vec<String> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    steering::inherited(own.iter().map(String::as_str), given)
}

/// Says what was missing, by looking for it.
pub(super) fn explain(error: &io::Error, words: &[OsString], order: &LaunchOrder) -> LaunchError {
    let word = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let program = match &order.launch {
        Launch::Script(path) => path.display().to_string(),
        Launch::Command(_) | Launch::Nothing => word.clone(),
    };
    let missing = |cause: String, hint: &str| LaunchError::NotFound {
        program: program.clone(),
        cause,
        hint: hint.to_owned(),
    };
    if !order.working_dir.is_dir() {
        let cause = format!("its working folder {} is not there", order.working_dir.display());
        return missing(cause, "make the folder");
    }
    if error.kind() == io::ErrorKind::NotFound {
        return match &order.launch {
            Launch::Script(path) if !path.exists() => {
                missing("the script is not there".to_owned(), "correct `script_path`")
            }
            Launch::Script(path) => {
                let line = shebang(path).unwrap_or(word);
                missing(
                    format!("its first line names `{line}`, which is not there"),
                    "install that interpreter, correct the line, or save the script with Unix line ends",
                )
            }
            Launch::Command(_) | Launch::Nothing => missing(
                "no such program".to_owned(),
                "install it, or write its full path as the first word of `command`",
            ),
        };
    }
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied if cfg!(windows) => {
            "allow this user to run it, or see whether a virus scanner holds it"
        }
        io::ErrorKind::PermissionDenied => "allow this user to run it (chmod +x, or the folder's rights)",
        io::ErrorKind::ArgumentListTooLong => "shorten `command` or `env`",
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => {
            "the machine is out of processes or memory: end something, or raise the limit"
        }
        io::ErrorKind::InvalidInput => "remove the NUL character from `command` or `env`",
        _ => "try the same command in a shell",
    };
    LaunchError::CannotSpawn { program, cause: error.to_string(), hint: hint.to_owned() }
}
