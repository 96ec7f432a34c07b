//! What a job was launched by: whatever of it is the user's own, in the words in which Slurm is told.
//!
//! Of the script that is only what it starts: what is around it is this program's, and a job that runs stays the same when that changes.

use std::collections::BTreeMap;

use llm_manager_policy::cluster::SlurmRequest;
use llm_manager_policy::spec::Launch;
use llm_manager_process::LaunchOrder;
use llm_manager_process::far::Fingerprint;
use serde_json::{Value, json};

use crate::commands;
use crate::wrapper::SentScript;

/// Names the members below. Jobs of another scheme are taken over as they are.
const SCHEME: &str = "slurm-1";

/// One whose fingerprint is another isn't taken over.
pub(crate) fn fingerprint(order: &LaunchOrder, ask: &SlurmRequest, sent: Option<&SentScript>) -> Fingerprint {
    let starts = match (&order.launch, sent) {
        (Launch::Script(_), Some(sent)) => json!({"reader": sent.reader, "text": sent.text}),
        (Launch::Script(path), None) => json!({"script": path.to_string_lossy()}),
        (Launch::Command(words), _) => json!({"command": words}),
        (Launch::Nothing, _) => Value::Null,
    };
    // Of two variables of one name the job has the last.
    let environment: BTreeMap<_, _> = order.env.iter().map(|(name, value)| (name, value)).collect();
    let asked = json!({
        "options": commands::wanted(ask),
        "node_folder": ask.node_folder,
        "model": order.known_as,
        "starts": starts,
        "working_dir": order.working_dir.to_string_lossy(),
        "environment": environment,
        "port": order.port,
    });
    Fingerprint::new(SCHEME, &asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_manager_policy::spec::Place;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::sync::Semaphore;

    fn order() -> LaunchOrder {
        let ask = SlurmRequest {
            partition: Some("gpu".to_owned()),
            gres: Some("gpu:v100:2".to_owned()),
            time: Some("8:00:00".to_owned()),
            cpus: Some(4),
            extra: vec!["--licenses=x".to_owned()],
            ..SlurmRequest::default()
        };
        LaunchOrder {
            model: "org/M#2".to_owned(),
            known_as: "org/M".to_owned(),
            variant: "V".to_owned(),
            epoch: 3,
            run: 7,
            place: Place::Slurm(ask),
            launch: Launch::Command(["serve", "{port}"].map(str::to_owned).to_vec()),
            working_dir: "/home/me".into(),
            env: vec![("B".to_owned(), "2".to_owned()), ("A".to_owned(), "1".to_owned())],
            port: None,
            stop_timeout: Duration::from_secs(10),
            stop_command: None,
            slot: Arc::new(Semaphore::new(1)),
        }
    }

    fn of(order: &LaunchOrder, sent: Option<&SentScript>) -> String {
        let Place::Slurm(ask) = &order.place else { panic!("it is no job") };
        fingerprint(order, ask, sent).as_str().to_owned()
    }

    #[test]
    fn an_upgrade_leaves_it_as_it_is() {
        // Whoever has to change this word on purpose takes another SCHEME: otherwise the upgrade ends every job that runs.
        assert_eq!(
            of(&order(), None),
            "slurm-1:9d436ecb8b3a1377850bb830e1302ae3c24b6500e384ac6de20e7a225943c95b"
        );
        let mut same = order();
        (same.run, same.epoch, same.stop_timeout) = (8, 4, Duration::from_secs(20));
        same.env.reverse();
        assert_eq!(of(&same, None), of(&order(), None));
    }

    #[test]
    fn whatever_the_user_changes_is_another_job() {
        let changes: [fn(&mut LaunchOrder); 6] = [
            |order| order.known_as = "org/N".to_owned(),
            |order| order.launch = Launch::Command(vec!["serve".to_owned()]),
            |order| order.launch = Launch::Script("/home/me/serve.sh".into()),
            |order| order.working_dir = "/home/you".into(),
            |order| order.env.push(("A".to_owned(), "3".to_owned())),
            |order| order.port = Some(8000),
        ];
        for change in changes {
            let mut other = order();
            change(&mut other);
            assert_ne!(of(&other, None), of(&order(), None), "{other:?}");
        }
        let asks: [fn(&mut SlurmRequest); 3] = [
            |ask| ask.mem = Some("1G".to_owned()),
            |ask| ask.extra.clear(),
            |ask| ask.node_folder = Some("/tmp".to_owned()),
        ];
        for change in asks {
            let mut other = order();
            if let Place::Slurm(ask) = &mut other.place {
                change(ask);
            }
            assert_ne!(of(&other, None), of(&order(), None), "{other:?}");
        }
        let script = LaunchOrder { launch: Launch::Script("/home/me/serve.sh".into()), ..order() };
        let sent = |text: &str| SentScript::new(text.into(), true).unwrap();
        let (one, other) = (sent("#!/bin/sh\nx"), sent("#!/bin/sh\ny"));
        let words = [of(&script, None), of(&script, Some(&one)), of(&script, Some(&other))];
        assert!(words[0] != words[1] && words[1] != words[2], "{words:?}");
    }
}
