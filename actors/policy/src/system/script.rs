//! How a script is started, or why it can't be.

use super::OsFamily;

/// What starts a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// It is started by its path: a program, or on Windows a batch file, which the system gives to `cmd`.
    Itself,
    /// By what its first line names, or `sh`.
    Shell,
    /// By Windows PowerShell.
    PowerShell,
}

/// Why a script can't be started on this system, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrunnable {
    /// `is a batch file of Windows, which Linux can't run`
    pub cause: String,
    /// What to do.
    pub hint: String,
}

/// How `system` runs a script called `name` whose first bytes are `head`.
///
/// # Errors
/// It is of a kind that only another system runs.
pub fn runner(system: OsFamily, name: &str, head: &[u8]) -> Result<Runner, Unrunnable> {
    let ending = name.rsplit(['/', '\\']).next().and_then(|name| name.rsplit_once('.'));
    let ending = ending.map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    let has_shebang = head.starts_with(b"#!");
    match system {
        OsFamily::Windows => match ending.as_str() {
            "bat" | "cmd" | "exe" | "com" => Ok(Runner::Itself),
            "ps1" => Ok(Runner::PowerShell),
            "py" | "pyw" => Err(foreign(system, "is a Python program", "write `command: [python, FILE]`")),
            "sh" | "bash" => Err(foreign(system, "is a shell script", &beside(system, "run.bat"))),
            _ if has_shebang => {
                Err(foreign(system, "is a script of Linux by its first line", &beside(system, "run.bat")))
            }
            _ => Err(Unrunnable {
                cause: "has a name that doesn't end in .bat, .cmd, .ps1 or .exe, so Windows can't run it"
                    .to_owned(),
                hint: beside(system, "run.bat"),
            }),
        },
        // What has a first line for the kernel, or is a program of this system, runs whatever it is called.
        OsFamily::Unix if has_shebang || head.starts_with(b"\x7fELF") => Ok(Runner::Shell),
        OsFamily::Unix => match ending.as_str() {
            "bat" | "cmd" => Err(foreign(system, "is a batch file of Windows", &beside(system, "run.sh"))),
            "ps1" => Err(foreign(
                system,
                "is a PowerShell script without a first line `#!/usr/bin/env pwsh`",
                &beside(system, "run.sh"),
            )),
            _ if head.starts_with(b"MZ") => {
                Err(foreign(system, "is a program for Windows", &beside(system, "run.sh")))
            }
            _ => Ok(Runner::Shell),
        },
    }
}

fn foreign(system: OsFamily, what: &str, hint: &str) -> Unrunnable {
    Unrunnable { cause: format!("{what}, which {} can't run", system.name()), hint: hint.to_owned() }
}

fn beside(system: OsFamily, example: &str) -> String {
    let (here, there) = match system {
        OsFamily::Unix => (OsFamily::Unix, OsFamily::Windows),
        OsFamily::Windows => (OsFamily::Windows, OsFamily::Unix),
    };
    format!(
        "write a script for {} and name both: `script_path: {{{}: {example}, {}: ...}}`",
        here.name(),
        here.key(),
        there.key()
    )
}

/// Whether the words of a command reach the program as they are written.
///
/// On Windows a batch file gets them through `cmd`, whose lines end where a line ends.
///
/// # Errors
/// The index of the first word that can't be passed, and why.
pub fn check_arguments(system: OsFamily, command: &[String]) -> Result<(), (usize, Unrunnable)> {
    let program = command.first().map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    let is_batch = system == OsFamily::Windows && (program.ends_with(".bat") || program.ends_with(".cmd"));
    for (index, word) in command.iter().enumerate() {
        if word.contains('\0') {
            let cause = "holds a NUL character, which no program can be given".to_owned();
            return Err((index, Unrunnable { cause, hint: "remove it".to_owned() }));
        }
        if is_batch && word.contains(['\r', '\n']) {
            let cause = "holds a line break, which a batch file can't be given".to_owned();
            let hint =
                "write it on one line, or start the program itself instead of the batch file".to_owned();
            return Err((index, Unrunnable { cause, hint }));
        }
        if is_batch && index == 0 && word.contains(['"', '%']) {
            let cause = "holds `\"` or `%`, which `cmd` takes for something else".to_owned();
            return Err((index, Unrunnable { cause, hint: "rename the file or its folder".to_owned() }));
        }
    }
    Ok(())
}
