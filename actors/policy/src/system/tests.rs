use super::*;

#[test]
fn each_system_runs_its_own_kinds() {
    let run = |system, name, head: &str| runner(system, name, head.as_bytes()).ok();
    for name in ["a.bat", "B.CMD", r"D:\模型\x.Bat", "x.exe", "x.com"] {
        assert_eq!(run(OsFamily::Windows, name, "@echo off"), Some(Runner::Itself), "{name}");
    }
    assert_eq!(run(OsFamily::Windows, r"\\nas\share\run.ps1", ""), Some(Runner::PowerShell));
    for name in ["a.sh", "a", "a.txt", "a.py", "bat", "a.bat/run", ".bat.sh"] {
        assert_eq!(run(OsFamily::Windows, name, "#!/bin/sh\n"), None, "{name}");
    }
    for name in ["a.sh", "a", "a.txt", "a.bat.sh", "d.bat/run", "run.batch"] {
        assert_eq!(run(OsFamily::Unix, name, "exec x"), Some(Runner::Shell), "{name}");
    }
    for name in ["a.bat", "A.CMD", "dir/x.Ps1"] {
        assert_eq!(run(OsFamily::Unix, name, "@echo off"), None, "{name}");
        assert_eq!(run(OsFamily::Unix, name, "#!/bin/sh\n"), Some(Runner::Shell), "{name} with a first line");
    }
    assert_eq!(run(OsFamily::Unix, "llama-server.exe", "MZ\u{1}"), None);
    assert_eq!(run(OsFamily::Unix, "server.exe", "\u{7f}ELF"), Some(Runner::Shell));
}

#[test]
fn what_cannot_run_says_the_way_out() {
    let told = runner(OsFamily::Unix, "x.bat", b"@echo off").unwrap_err();
    assert_eq!(told.cause, "is a batch file of Windows, which Linux can't run");
    assert!(told.hint.contains("script_path: {linux: run.sh, windows: ...}"), "{}", told.hint);
    let told = runner(OsFamily::Windows, "x.sh", b"").unwrap_err();
    assert_eq!(told.cause, "is a shell script, which Windows can't run");
    assert!(told.hint.contains("script_path: {windows: run.bat, linux: ...}"), "{}", told.hint);
    let told = runner(OsFamily::Windows, "serve.py", b"#!/usr/bin/env python3").unwrap_err();
    assert_eq!(told.cause, "is a Python program, which Windows can't run");
    let told = runner(OsFamily::Windows, "serve", b"").unwrap_err();
    assert!(told.cause.contains("doesn't end in .bat"), "{}", told.cause);
    let told = runner(OsFamily::Windows, "serve", b"#!/bin/sh").unwrap_err();
    assert_eq!(told.cause, "is a script of Linux by its first line, which Windows can't run");
}

#[test]
fn a_thread_that_cannot_be_started_is_told_with_the_way_out() {
    let told = no_thread(&"EAGAIN");
    assert!(told.starts_with("a thread can't be started: EAGAIN; raise the limit of processes"), "{told}");
}

#[test]
fn arguments_that_cmd_cannot_take_are_told() {
    let check = |system, words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        check_arguments(system, &words).map_err(|(index, told)| (index, told.cause))
    };
    let hard = ["", " ", "a b", "a\\", "100%", "%PATH%", "\"q\"", "a&b|c<d>e^f", "(x)", "!x!", "ä模"];
    let words: Vec<&str> = ["run.bat"].into_iter().chain(hard).collect();
    assert_eq!(check(OsFamily::Windows, &words), Ok(()));
    assert_eq!(check(OsFamily::Windows, &["RUN.CMD", "a", "b\nc"]).unwrap_err().0, 2);
    assert_eq!(check(OsFamily::Windows, &["run.exe", "b\nc"]), Ok(()));
    assert_eq!(check(OsFamily::Unix, &["run.bat", "b\nc"]), Ok(()));
    assert_eq!(check(OsFamily::Windows, &["50%.bat"]).unwrap_err().0, 0);
    assert_eq!(check(OsFamily::Unix, &["a", "b\0"]).unwrap_err().0, 1);
}

#[test]
fn exit_codes_read_as_windows_shows_them() {
    for (code, text) in [
        (0, "exit code 0"),
        (3, "exit code 3"),
        (255, "exit code 255"),
        (u32::MAX, "exit code -1"),
        (0xC000_0005, "exit code 0xC0000005 (STATUS_ACCESS_VIOLATION: it used memory that it doesn't have)"),
        (0xC000_0135, "exit code 0xC0000135 (STATUS_DLL_NOT_FOUND: a DLL that it needs is missing)"),
        (0xC000_013A, "exit code 0xC000013A (STATUS_CONTROL_C_EXIT: ended by Ctrl-C or Ctrl-Break)"),
        (ENDED_BY_MANAGER, "exit code 0x20000009 (ended by LLM-Manager)"),
        (0xC123_4567, "exit code 0xC1234567"),
        (0xFFFF, "exit code 65535"),
        (0x1_0000, "exit code 0x00010000"),
    ] {
        assert_eq!(exit_code(code), text);
    }
}

#[test]
fn excluded_ports_are_read_in_any_language() {
    let english = "\r\nProtocol tcp Port Exclusion Ranges\r\n\r\nStart Port    End Port      \r\n\
                   ----------    --------      \r\n      5357        5357      \r\n     50000       50059     *\r\n\
                   \r\n* - Administered port exclusions.\r\n";
    assert_eq!(excluded_ports(english), [5357..=5357, 50000..=50059]);
    let chinese = "协议 tcp 端口排除范围\n\n开始端口    结束端口\n----------    --------\n     1024        1123\n\
                   * - 管理的端口排除。\n";
    assert_eq!(excluded_ports(chinese), [1024..=1123]);
    assert_eq!(excluded_ports("2 1\n70000 70001\n1 2 3\nError 5\n"), []);
}

#[test]
fn a_path_that_windows_has_resolved_is_written_as_people_do() {
    for (resolved, written) in [
        (r"\\?\D:\llama\x.bat", r"D:\llama\x.bat"),
        (r"\\?\UNC\server\share\x", r"\\server\share\x"),
        (r"\\?\Volume{1}\x", r"\\?\Volume{1}\x"),
        (r"D:\x", r"D:\x"),
    ] {
        assert_eq!(plain_path(OsFamily::Windows, resolved), written);
        assert_eq!(plain_path(OsFamily::Unix, resolved), resolved);
    }
}
