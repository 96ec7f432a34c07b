//! Scripts: one for each system, and those that this system can't run. The kinds are policy's own tests.
#![cfg(unix)]

use llm_manager_policy::spec::Launch;

use super::{folder, parse};

/// What is wrong with a variant in a folder that has these files; empty: nothing.
fn wrong(variant: &str, files: &[(&str, &str)]) -> String {
    match load(variant, files) {
        Ok(_) => String::new(),
        Err(text) => text,
    }
}

fn load(variant: &str, files: &[(&str, &str)]) -> Result<Launch, String> {
    let (folder, file) = folder();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let yaml = format!("Local-Models: {{m: {{mode: Chat, V: {{{variant}}}}}}}\n");
    let spec = parse(yaml.as_bytes(), &file).map_err(|report| report.to_string())?.spec;
    Ok(spec.models[0].variants[0].launch.clone())
}

#[test]
fn one_file_serves_both_systems() {
    for key in ["script_path", "bat_path"] {
        // The other system's script need not be here.
        let launch = load(&format!("{key}: {{windows: 'x\\run.bat', linux: ok.sh}}"), &[]).unwrap();
        let Launch::Script(path) = launch else { panic!("{launch:?}") };
        assert!(path.ends_with("ok.sh") && path.is_absolute(), "{}", path.display());
    }
    let told = wrong("script_path: {windows: run.bat}", &[]);
    assert!(
        told.contains("V.script_path: has no script for Linux") && told.contains("linux: FILE"),
        "{told}"
    );
    let told = wrong("script_path: {linux: no.sh}", &[]);
    assert!(told.contains("V.script_path.linux: there is no file"), "{told}");
    let told = wrong("script_path: {linux: ok.sh, window: run.bat}", &[]);
    assert!(told.contains("script_path.window: isn't a system") && told.contains("`windows`"), "{told}");
    let told = wrong("script_path: {linux: 5}", &[]);
    assert!(told.contains("script_path.linux: expected text, got the number 5"), "{told}");
    let told = wrong("script_path: [ok.sh]", &[]);
    assert!(told.contains("expected text, got a list"), "{told}");
}

#[test]
fn what_only_windows_runs_is_refused_here() {
    for (variant, name, text, cause) in [
        (
            "script_path: run.bat",
            "run.bat",
            "@echo off\r\n",
            "is a batch file of Windows, which Linux can't run",
        ),
        ("bat_path: run.bat", "run.bat", "", "is a batch file of Windows"),
        ("script_path: RUN.CMD", "RUN.CMD", "", "is a batch file of Windows"),
        ("script_path: run.ps1", "run.ps1", "Write-Host\n", "is a PowerShell script without a first line"),
        ("script_path: server.exe", "server.exe", "MZ\u{1}", "is a program for Windows"),
        ("command: [./server.exe]", "server.exe", "MZ\u{1}", "is a program for Windows"),
        ("command: [./run.bat, x]", "run.bat", "", "is a batch file of Windows"),
    ] {
        let told = wrong(variant, &[(name, text)]);
        assert!(told.contains(&format!("{name} {cause}")), "{variant}: {told}");
        assert!(told.contains("script_path: {linux: run.sh, windows: ...}"), "{variant}: {told}");
    }
    for (variant, name, text) in [
        ("script_path: run.bat", "run.bat", "#!/bin/sh\n"),
        ("script_path: run.ps1", "run.ps1", "#!/usr/bin/env pwsh\n"),
        ("script_path: a.bat.sh", "a.bat.sh", "exec x\n"),
        ("script_path: run", "run", ""),
    ] {
        assert_eq!(wrong(variant, &[(name, text)]), "", "{variant}");
    }
}
