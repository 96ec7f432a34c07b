//! Programs that the configuration names and this machine doesn't have: a warning, for they may be installed yet, and a
//! service may have another PATH.

use llm_manager_policy::parking::ParkAct;
use llm_manager_policy::spec::{Launch, Place, Spec};
use std::ffi::{OsStr, OsString};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

/// Warnings for `llm-manager check`, one sentence for each.
pub(crate) fn check(spec: &Spec) -> Vec<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut warnings = Vec::new();
    let mut look = |key: String, words: &[String], path: &OsStr| {
        let Some(program) = words.first() else { return };
        let what = if program.contains(['/', MAIN_SEPARATOR]) {
            // That there is such a file has been looked at.
            may_run(Path::new(program)).then_some(()).ok_or("may not be run: chmod +x")
        } else {
            in_path(program, path).then_some(()).ok_or("is not in PATH: install it, or write its full path")
        };
        if let Err(what) = what {
            warnings.push(format!("{key}: the program {program:?} {what}"));
        }
    };
    for device in &spec.devices {
        look(format!("devices ({}).command[0]", device.name), &device.command, &path);
    }
    for model in &spec.models {
        for variant in model.variants.iter().filter(|variant| variant.place == Place::Local) {
            let at = format!("Local-Models.{}.{}", model.name, variant.name);
            // The backend's own PATH is where it is looked for.
            let own = variant.env.get("PATH").map(OsString::from);
            if let Launch::Command(words) = &variant.launch {
                look(format!("{at}.command[0]"), words, own.as_deref().unwrap_or(&path));
            }
            if let Some(words) = &variant.stop_command {
                look(format!("{at}.stop_command[0]"), words, &path);
            }
            let acts = variant
                .park
                .iter()
                .flat_map(|park| [("sleep_command", &park.sleep), ("wake_command", &park.wake)]);
            for (key, act) in acts {
                if let ParkAct::Command { words, .. } = act {
                    look(format!("{at}.park.{key}[0]"), words, &path);
                }
            }
        }
    }
    warnings.dedup();
    warnings
}

fn in_path(program: &str, path: &OsStr) -> bool {
    let is_there = |folder: PathBuf| {
        let file = folder.join(program);
        let ends = ["exe", "bat", "cmd", "com"];
        may_run(&file) || (cfg!(windows) && ends.iter().any(|end| file.with_extension(end).is_file()))
    };
    std::env::split_paths(path).any(is_there)
}

#[cfg(unix)]
fn may_run(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn may_run(path: &Path) -> bool {
    path.is_file()
}
