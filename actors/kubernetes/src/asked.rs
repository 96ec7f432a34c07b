//! What a Pod was launched by: the Pod as it is asked for, without what differs from run to run and from manager to manager.

use llm_manager_policy::cluster::PodRequest;
use llm_manager_policy::spec::Launch;
use llm_manager_process::LaunchOrder;
use llm_manager_process::far::Fingerprint;
use serde_json::{Value, json};

use crate::template::{self, MANAGED, Merged, OWN};

/// Names the members below, and what the manager adds to a Pod. Pods of another scheme are taken over as they are.
const SCHEME: &str = "pod-1";

/// One whose fingerprint is another isn't taken over.
///
/// # Errors
/// See [`template::check`].
pub(crate) fn fingerprint(order: &LaunchOrder, ask: &PodRequest) -> Result<Fingerprint, String> {
    let merged = Merged {
        name: "",
        state: "",
        folder: "",
        host: "",
        model: &order.model,
        known_as: &order.known_as,
        variant: &order.variant,
        run: 0,
        command: match &order.launch {
            Launch::Command(words) => Some(words),
            Launch::Script(_) | Launch::Nothing => None,
        },
        env: &order.env,
        // One that isn't said may be another one each time.
        port: order.port.unwrap_or_default(),
        // Unlike whatever a template says.
        grace: u64::MAX,
    };
    let mut pod = template::pod(ask, &merged)?;
    let own = |name: &str| name.starts_with(OWN) || name == MANAGED.0 || name == "name";
    for at in ["/metadata", "/metadata/labels", "/metadata/annotations"] {
        if let Some(Value::Object(members)) = pod.pointer_mut(at) {
            members.retain(|name, _| !own(name));
        }
    }
    // Another `stop_timeout` is no reason for another Pod: how long it has to end in is said when it is told to.
    if let Some(grace) = pod.pointer_mut("/spec/terminationGracePeriodSeconds")
        && *grace == merged.grace
    {
        *grace = Value::Null;
    }
    Ok(Fingerprint::new(SCHEME, &json!({"context": ask.context, "namespace": ask.namespace, "pod": pod})))
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_manager_policy::spec::Place;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::sync::Semaphore;

    fn ask() -> PodRequest {
        let template = r#"{"metadata":{"labels":{"team":"x"}},"spec":{"nodeSelector":{"b":"2","a":"1"},
            "containers":[{"name":"srv","resources":{"limits":{"nvidia.com/gpu":1,"memory":"32Gi"}}}]}}"#;
        PodRequest {
            template: Some(template.to_owned()),
            image: Some("i".to_owned()),
            ..PodRequest::default()
        }
    }

    fn order() -> LaunchOrder {
        LaunchOrder {
            model: "org/M#2".to_owned(),
            known_as: "org/M".to_owned(),
            variant: "V".to_owned(),
            epoch: 3,
            run: 7,
            place: Place::Kubernetes(Box::new(ask())),
            launch: Launch::Command(["serve", "--at={host}:{port}"].map(str::to_owned).to_vec()),
            working_dir: "/home/me".into(),
            env: vec![("A".to_owned(), "1".to_owned())],
            port: None,
            stop_timeout: Duration::from_secs(10),
            stop_command: None,
            slot: Arc::new(Semaphore::new(1)),
        }
    }

    fn of(order: &LaunchOrder, ask: &PodRequest) -> String {
        fingerprint(order, ask).unwrap().as_str().to_owned()
    }

    #[test]
    fn an_upgrade_leaves_it_as_it_is() {
        // Whoever has to change this word on purpose takes another SCHEME: otherwise the upgrade ends every Pod that runs.
        assert_eq!(
            of(&order(), &ask()),
            "pod-1:8cae26d0b1d2d2d01cca48416f920777e09e34137d901caa5c76ec4febdd1b8b"
        );
        let mut same = order();
        (same.run, same.epoch, same.stop_timeout) = (8, 4, Duration::from_secs(20));
        same.working_dir = "/elsewhere".into();
        assert_eq!(of(&same, &ask()), of(&order(), &ask()));
        let turned = ask().template.unwrap().replace(r#""b":"2","a":"1""#, r#""a": "1", "b": "2""#);
        assert_eq!(of(&order(), &PodRequest { template: Some(turned), ..ask() }), of(&order(), &ask()));
    }

    #[test]
    fn whatever_the_user_changes_is_another_pod() {
        let orders: [fn(&mut LaunchOrder); 5] = [
            |order| order.known_as = "org/N".to_owned(),
            |order| order.launch = Launch::Nothing,
            |order| order.launch = Launch::Command(vec!["serve".to_owned()]),
            |order| order.env.push(("B".to_owned(), "3".to_owned())),
            |order| order.port = Some(8001),
        ];
        for change in orders {
            let mut other = order();
            change(&mut other);
            assert_ne!(of(&other, &ask()), of(&order(), &ask()), "{other:?}");
        }
        let with = |old: &str, new: &str| ask().template.map(|text| text.replace(old, new));
        for other in [
            PodRequest { image: Some("j".to_owned()), ..ask() },
            PodRequest { context: Some("c".to_owned()), ..ask() },
            PodRequest { namespace: Some("n".to_owned()), ..ask() },
            PodRequest { template: with("32Gi", "64Gi"), ..ask() },
            PodRequest { template: with(r#""team":"x""#, ""), ..ask() },
            PodRequest {
                template: with(r#""spec":{"#, r#""spec":{"terminationGracePeriodSeconds":9,"#),
                ..ask()
            },
        ] {
            assert_ne!(of(&order(), &other), of(&order(), &ask()), "{other:?}");
        }
    }
}
