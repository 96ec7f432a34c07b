//! How a backend is started, and what is said when it can't be.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn executable(launch: &Launch) {
    let Launch::Script(path) = launch else { panic!("not a script") };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

async fn error(house: &House, launch: Launch) -> String {
    house.launch(launch).await.err().expect("it can't be started").to_string()
}

#[actix_rt::test]
async fn words_and_environment_are_filled_in() {
    let house = House::new();
    let line = "echo $1; echo $PORT; echo $MODEL_NAME; echo $EXTRA; pwd -P; echo $LLM_MANAGER_RUN".to_owned();
    let words = ["sh".to_owned(), "-c".to_owned(), line, "sh".to_owned(), "{model}@{port}".to_owned()];
    let run = house.launch(Launch::Command(words.to_vec())).await.unwrap();
    let port = address_of(&*run).port().to_string();
    let folder = house.dir.path().canonicalize().unwrap();
    assert_eq!(
        ended(&*run).await.last_lines,
        [
            &format!("org/qwen #1@{port}"),
            &port,
            "org/qwen #1",
            "of the variant",
            folder.to_str().unwrap(),
            "org/qwen #1#7"
        ]
    );
}

#[actix_rt::test]
async fn a_script_runs_however_it_was_checked_out() {
    let house = House::new();
    let plain = house.script("plain.sh", "echo plain $PORT");
    let python = house.script("python.sh", "#!/usr/bin/env python3\nprint('python')\n");
    let marked = house.script("marked.sh", "#!/bin/sh -e\necho marked\n");
    executable(&marked);
    let bare = house.script("bare.sh", "echo bare\n");
    executable(&bare);
    for (script, word) in [(plain, "plain"), (python, "python"), (marked, "marked"), (bare, "bare")] {
        let report = ended(&*house.launch(script).await.unwrap()).await;
        assert!(report.success && report.last_lines[0].starts_with(word), "{word}: {report:?}");
    }
}

#[actix_rt::test]
async fn a_failed_start_says_what_to_do() {
    let house = House::new();
    let program = error(&house, Launch::Command(vec!["no-such-server".to_owned()])).await;
    assert_eq!(
        program,
        "can't start `no-such-server`: no such program; install it, or write its full path as the first word \
         of `command`"
    );
    let absent = error(&house, Launch::Script(house.dir.path().join("absent.sh"))).await;
    // `sh` is there; it is what would say that the script isn't.
    assert!(absent.contains("absent.sh`: the script is not there; correct `script_path`"), "{absent}");
    let windows = house.script("windows.sh", "#!/no/such/shell\r\necho\r\n");
    executable(&windows);
    let windows = error(&house, windows).await;
    assert!(windows.contains("names `/no/such/shell`, which is not there; install"), "{windows}");
    let folder = Launch::Command(vec![house.dir.path().to_str().unwrap().to_owned()]);
    let folder = error(&house, folder).await;
    assert!(folder.contains("ermission denied") && folder.contains("chmod"), "{folder}");
    let mut order = house.order(shell("true"));
    order.working_dir = house.dir.path().join("nowhere");
    let nowhere = house.launcher.launch(order).await.err().unwrap().to_string();
    assert!(nowhere.contains("working folder") && nowhere.contains("make the folder"), "{nowhere}");
    assert_eq!(house.slot.available_permits(), 1);
    assert_eq!(house.records(), 0);
}

#[actix_rt::test]
async fn a_closed_slot_is_said() {
    let house = House::new();
    house.slot.close();
    let said = error(&house, shell("true")).await;
    assert!(said.contains("being removed"), "{said}");
}

#[actix_rt::test]
async fn a_script_of_another_system_is_not_given_to_sh() {
    let house = House::new();
    let batch = error(&house, house.script("run.bat", "@echo off\r\n")).await;
    assert!(
        batch.contains("run.bat`: it is a batch file of Windows, which Linux can't run; write"),
        "{batch}"
    );
    // Without a permit in the hands of what never started, the next one can.
    assert_eq!(house.slot.available_permits(), 1);
    assert_eq!(house.records(), 0);
}
