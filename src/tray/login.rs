//! Whether the icon comes at log-in.

use llm_manager_process::run_tool;
use std::ffi::OsString;
use std::path::Path;
#[cfg(not(windows))]
use std::path::PathBuf;

/// A key of the registry whose values are started at log-in.
#[cfg(windows)]
const KEY: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run";
#[cfg(windows)]
const NAME: &str = "LLM-Manager tray";

/// What the command line says after it.
pub(crate) fn tell(on: bool) -> &'static str {
    if on { "the icon now starts at log-in" } else { "the icon doesn't come at log-in any more" }
}

/// Whether it does; `None` where it can't be known.
#[cfg(not(windows))]
pub(super) fn is_set() -> Option<bool> {
    Some(file()?.is_file())
}

/// Whether it does; `None` where it can't be known.
#[cfg(windows)]
pub(super) fn is_set() -> Option<bool> {
    Some(llm_manager_process::starts_at_login(NAME))
}

/// Has the icon of this configuration come at log-in, or not.
pub(crate) fn set(config: &Path, on: bool) -> Result<(), String> {
    let config = std::path::absolute(config).map_err(|error| format!("{}: {error}", config.display()))?;
    let exe = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    write(&exe, &config, on)
}

#[cfg(not(windows))]
fn file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("autostart/llm-manager-tray.desktop"))
}

#[cfg(not(windows))]
fn write(exe: &Path, config: &Path, on: bool) -> Result<(), String> {
    let file = file().ok_or("neither XDG_CONFIG_HOME nor HOME is set")?;
    let wrong = |error: std::io::Error| format!("{}: {error}", file.display());
    if !on {
        return match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(wrong(error)),
            _ => Ok(()),
        };
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(wrong)?;
    }
    let (exe, config) = (word(exe), word(config));
    let text = format!(
        "[Desktop Entry]\nType=Application\nName=LLM-Manager\nComment=How the model servers are\n\
         Exec={exe} --config {config} tray\nTerminal=false\nX-GNOME-Autostart-enabled=true\n"
    );
    std::fs::write(&file, text).map_err(wrong)
}

/// A path as a word of `Exec`: in quotes, with what has a meaning in them escaped, for the value and for the word.
#[cfg(not(windows))]
fn word(path: &Path) -> String {
    let mut word = String::from("\"");
    for letter in path.to_string_lossy().chars() {
        match letter {
            '\\' => word.push_str(r"\\\\"),
            '"' | '`' | '$' => word.extend(['\\', '\\', letter]),
            '%' => word.push_str("%%"),
            _ => word.push(letter),
        }
    }
    word.push('"');
    word
}

#[cfg(windows)]
fn write(exe: &Path, config: &Path, on: bool) -> Result<(), String> {
    let command = format!("\"{}\" --config \"{}\" tray", exe.display(), config.display());
    let words: Vec<OsString> = if on {
        ["add", KEY, "/v", NAME, "/t", "REG_SZ", "/d", &command, "/f"].map(OsString::from).into()
    } else {
        ["delete", KEY, "/v", NAME, "/f"].map(OsString::from).into()
    };
    match run_tool("reg", &words) {
        Ok(output) if output.success => Ok(()),
        Ok(output) => Err(format!("reg: {}", output.text)),
        Err(error) => Err(format!("reg: {error}")),
    }
}

/// Shows a page in the user's browser.
pub(super) fn open(url: &str) -> Result<(), String> {
    let (program, words): (&str, Vec<OsString>) = if cfg!(windows) {
        ("rundll32", vec!["url.dll,FileProtocolHandler".into(), url.into()])
    } else {
        ("xdg-open", vec![url.into()])
    };
    match run_tool(program, &words) {
        Ok(output) if output.success => Ok(()),
        Ok(output) => Err(format!("{program}: {}", output.text)),
        Err(error) => Err(format!("{program}: {error}; open {url} yourself")),
    }
}
