//! Tells cargo that the dashboard's build is a part of the program (`src/http/api/webui.rs` embeds it), and the program
//! which commit it was built from.

#![expect(clippy::disallowed_methods, reason = "a build may wait for git")]

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=webui/dist");
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let commit = commit().map(|commit| format!(" ({commit})")).unwrap_or_default();
    println!("cargo::rustc-env=LLM_MANAGER_VERSION={version}{commit}");
}

/// The commit, with a `+` if something was changed since. In a debug build there is none: each commit would compile the
/// program again.
fn commit() -> Option<String> {
    println!("cargo::rerun-if-env-changed=LLM_MANAGER_COMMIT");
    if let Ok(commit) = std::env::var("LLM_MANAGER_COMMIT") {
        return Some(commit).filter(|commit| !commit.is_empty());
    }
    if std::env::var("PROFILE").as_deref() != Ok("release") {
        return None;
    }
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // Where there is no repository, cargo looks at nothing.
    for file in [git(&["rev-parse", "--git-path", "HEAD"])?, git(&["rev-parse", "--git-path", "logs/HEAD"])?]
    {
        println!("cargo::rerun-if-changed={file}");
    }
    let is_changed =
        git(&["status", "--porcelain", "--untracked-files=no"])?.contains(|c: char| !c.is_whitespace());
    Some(git(&["rev-parse", "--short=10", "HEAD"])? + if is_changed { "+" } else { "" })
}
