//! Back to a copy of the ledger, and into another database under load.

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

fn requests(manager: &Manager) -> i64 {
    manager.api("/api/usage/summary")["total"]["requests"].as_i64().unwrap()
}

#[track_caller]
fn wait_requests(manager: &Manager, count: i64) {
    wait_until(&format!("{count} requests are in the ledger"), PATIENCE, || requests(manager) == count);
}

#[test]
fn a_backup_is_put_back_when_the_manager_is_down() {
    let mut manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    wait_requests(&manager, 1);
    manager.cli_ok(&["backup", "copy.db"]);
    manager.chat("chat").send().ok();
    wait_requests(&manager, 2);
    let output = manager.cli(&["restore", "copy.db"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("in use by another manager"), "{said}");
    assert_eq!(requests(&manager), 2);
    manager.stop();
    let said = manager.cli_ok(&["restore", "copy.db"]);
    assert!(said.contains("with 1 requests") && said.contains("before-restore"), "{said}");
    manager.launch();
    assert_eq!(requests(&manager), 1);
    manager.chat("chat").send().ok();
    wait_requests(&manager, 2);
}

#[test]
fn a_ledger_is_copied_while_64_clients_write_it() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    let calls: Vec<_> = (0..64).map(|_| manager.chat("chat").fake("tokens=2").spawn()).collect();
    let said = manager.cli_ok(&["ledger", "copy", "--to", "during.db"]);
    assert!(said.contains("during.db: a copy of"), "{said}");
    for call in calls {
        call.join().unwrap().ok();
    }
    wait_requests(&manager, 65);
    manager.cli_ok(&["ledger", "copy", "--to", "after.db"]);
    // A slip in an address would make a file of that name.
    let slip = manager.cli(&["ledger", "copy", "--to", "postgress://user:s3cret@host/name"]);
    let said = String::from_utf8_lossy(&slip.stderr).into_owned();
    assert!(
        slip.status.code() == Some(2) && said.contains("postgres://") && !said.contains("s3cret"),
        "{said}"
    );
    assert!(!manager.path("postgress:").exists());
    let again = manager.cli(&["ledger", "copy", "--to", "after.db"]);
    assert_eq!(again.status.code(), Some(1));
    let config = std::fs::read_to_string(manager.path("config.yaml")).unwrap();
    for (file, least) in [("during.db", 0), ("after.db", 65)] {
        let other = config.replace("program:\n", &format!("program:\n  database: {file}\n"));
        std::fs::write(manager.path("other.yaml"), other).unwrap();
        let output = manager.cli_with("other.yaml", &["ledger", "copy", "--to", &format!("again-{file}")]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let count = said.split("with ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<i64>().ok());
        assert!(count.is_some_and(|count| (least..=65).contains(&count)), "{said}");
    }
}
