//! Commands that do what they should, and those that don't.

use std::time::Instant;

use super::*;

fn exec_with(script: &str, timeout: Duration) -> Exec {
    let command = ["sh", "-c", script].map(str::to_owned).into();
    let spec = DevicePluginSpec { name: "npu 0".to_owned(), command };
    Exec::new(spec, std::env::temp_dir(), Vec::new(), timeout)
}

fn exec(script: &str) -> Exec {
    exec_with(script, Duration::from_secs(20))
}

#[track_caller]
fn good(script: &str) -> Sample {
    let samples = exec(script).sample().unwrap();
    let [sample] = &samples[..] else { panic!("{samples:?}") };
    sample.clone()
}

#[track_caller]
fn bad(script: &str, words: &[&str]) {
    let error = exec(script).sample().unwrap_err();
    for word in words {
        assert!(error.contains(word), "{error:?} should contain {word:?}");
    }
}

#[test]
fn the_contracts_object_becomes_a_device() {
    let json = r#"{"online":true,"memory_total_mb":16000,"memory_used_mb":1200.5,"utilization":12.5,
        "temperature_c":-3,"power_w":9.5,"uuid":"NPU-7","vendor":{"new":["field"]}}"#;
    let expected = Sample {
        name: "npu 0".to_owned(),
        plugin: "exec",
        uuid: Some("NPU-7".to_owned()),
        pci: None,
        online: true,
        memory_total_mib: Some(16000),
        memory_used_mib: Some(1201),
        utilization: Some(12.5),
        temperature_c: Some(-3.0),
        power_w: Some(9.5),
        ..Sample::default()
    };
    assert_eq!(good(&format!("echo '{json}'")), expected);
}

#[test]
fn fields_may_be_missing_or_null() {
    let sample = good(r#"echo '{"memory_total_mb":8000,"utilization":null}'"#);
    assert!(sample.online);
    assert_eq!((sample.memory_total_mib, sample.memory_used_mib), (Some(8000), None));
    let offline = good(r#"echo '{"online":false,"memory_total_mb":8000,"memory_used_mb":10}'"#);
    assert_eq!((offline.online, offline.memory_used_mib), (false, None));
}

#[test]
fn lies_are_errors_that_say_what_was_printed() {
    bad(
        r#"echo '{"memory_total_mb":100,"memory_used_mb":101}'"#,
        &["can't be 101", "\"memory_used_mb\":101"],
    );
    for (name, value) in [
        ("memory_total_mb", "-1"),
        ("memory_total_mb", "1e300"),
        ("memory_used_mb", "-0.5"),
        ("utilization", "101"),
        ("utilization", "-1"),
        ("temperature_c", "-300"),
        ("temperature_c", "54000"),
        ("power_w", "-5"),
    ] {
        bad(
            &format!(r#"echo '{{"online":true,"{name}":{value}}}'"#),
            &[name, "can't be", value.get(..2).unwrap()],
        );
    }
    bad(r#"echo '{"memory_total_mb":1e999}'"#, &["1e999"]);
    bad(r#"echo '{"memory_total_mb":NaN}'"#, &["one JSON object", "NaN"]);
    bad(r#"echo '{"memory_total_mb":"8000"}'"#, &["wrong type", "8000"]);
}

#[test]
fn garbage_is_an_error_that_shows_it() {
    bad("echo hello world", &["one JSON object", "hello world"]);
    bad("echo '[true, 1, 1]'", &["one JSON object"]);
    bad("echo '{\"online\":true} and more'", &["one JSON object", "and more"]);
    bad("true", &["printed nothing"]);
    bad("echo '{\"error\":\"no card\"}'", &["neither", "no card"]);
    bad("printf '\\377\\376\\033[31m'", &["one JSON object"]);
    bad("echo '{\"online\":'", &["one JSON object"]);
}

#[test]
fn a_failing_command_is_an_error_with_its_words() {
    bad("echo '{\"online\":true}'; echo no such card >&2; exit 3", &["exit code 3", "no such card"]);
    bad("kill -9 $$", &["signal: 9"]);
}

#[test]
fn a_flood_is_cut_off() {
    let begun = Instant::now();
    bad("yes", &["more than 64 KiB", "y y"]);
    bad("yes >&2", &["more than 64 KiB", "y y"]);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_command_that_hangs_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = format!("sleep 100 & echo $$ $! > {}; echo half; wait", file.display());
    let begun = Instant::now();
    let error = exec_with(&script, Duration::from_millis(300)).sample().unwrap_err();
    assert!(error.contains("longer than 0.3 s") && error.contains("half"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    gone(&file);
}

#[test]
fn what_a_command_leaves_in_the_background_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script =
        format!("sleep 100 > /dev/null 2>&1 & echo $! > {}; echo '{{\"online\":true}}'", file.display());
    assert!(good(&script).online);
    gone(&file);
}

/// None of the processes in the file is alive, soon.
fn gone(file: &Path) {
    let pids = std::fs::read_to_string(file).unwrap();
    let alive = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ") && !stat.contains(") X ")
    };
    let begun = Instant::now();
    while pids.split_whitespace().any(alive) {
        assert!(begun.elapsed() < Duration::from_secs(5), "{pids} live");
        std::thread::yield_now();
    }
}

#[test]
fn programs_are_looked_for_in_the_configurations_folder() {
    const TEXT: &str = "#!/bin/sh\necho '{\"memory_total_mb\":5}'\n";
    let folder = tempfile::tempdir().unwrap();
    let spec = |command: &str| DevicePluginSpec { name: "npu".to_owned(), command: vec![command.to_owned()] };
    let run = |command: &str| {
        Exec::new(spec(command), folder.path().to_owned(), Vec::new(), Duration::from_secs(20)).sample()
    };
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    let script = folder.path().join("plugins/npu.sh");
    std::fs::write(&script, TEXT).unwrap();
    let error = run("./plugins/npu.sh").unwrap_err();
    assert!(error.contains("chmod +x"), "{error}");
    write_program(&script, TEXT);
    for command in ["./plugins/npu.sh", "plugins/npu.sh", script.to_str().unwrap()] {
        let samples = run(command).unwrap();
        assert_eq!(samples[0].memory_total_mib, Some(5), "{command}");
    }
    let error = run("./plugins/none.sh").unwrap_err();
    assert!(error.contains("is not there"), "{error}");
    let spec = DevicePluginSpec { name: "npu".to_owned(), command: Vec::new() };
    let mut empty = Exec::new(spec, folder.path().to_owned(), Vec::new(), Duration::from_secs(1));
    assert!(empty.sample().unwrap_err().contains("empty"));
}

#[test]
fn the_environment_is_passed_on() {
    let spec = DevicePluginSpec {
        name: "npu".to_owned(),
        command: ["sh", "-c", "echo \"{\\\"online\\\":true,\\\"uuid\\\":\\\"$MARK\\\"}\""]
            .map(str::to_owned)
            .into(),
    };
    let env = vec![("MARK".to_owned(), "here".to_owned())];
    let mut exec = Exec::new(spec, std::env::temp_dir(), env, Duration::from_secs(20));
    assert_eq!(exec.sample().unwrap()[0].uuid.as_deref(), Some("here"));
}

/// Makes a program. Another process writes it: a fork of this one in another test's thread could hold the
/// file open for writing just when it is to be run.
pub(super) fn write_program(path: &Path, text: &str) {
    let mut writer = std::process::Command::new("sh");
    writer.args(["-c", "printf '%s' \"$2\" > \"$1\" && chmod 755 \"$1\"", "sh"]).arg(path).arg(text);
    assert!(writer.status().unwrap().success());
}
