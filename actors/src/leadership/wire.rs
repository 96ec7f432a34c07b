//! What managers tell each other through the database, as text. What can't be read is left out: it may be a later version's.

use llm_manager_policy::leadership::{Address, Replica, ReplicaDemand, SharedRunState};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct ReplicaText {
    name: String,
    variant: String,
    run: i64,
    #[serde(flatten)]
    stands: StandsText,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "stands", rename_all = "snake_case")]
enum StandsText {
    Ready { host: String, port: u16, job: String },
    Leaving,
    Coming { why: String },
    Refused { wish: i64, why: String },
}

#[derive(Serialize, Deserialize)]
struct WishText {
    name: String,
    number: i64,
    waits: bool,
}

pub(super) fn replicas(replicas: &[Replica]) -> String {
    let texts: Vec<ReplicaText> = replicas
        .iter()
        .map(|replica| ReplicaText {
            name: replica.name.clone(),
            variant: replica.variant.clone(),
            run: replica.run,
            stands: match &replica.stands {
                SharedRunState::Ready(Address { host, port, job }) => {
                    StandsText::Ready { host: host.clone(), port: *port, job: job.clone() }
                }
                SharedRunState::Leaving => StandsText::Leaving,
                SharedRunState::Coming(why) => StandsText::Coming { why: why.clone() },
                SharedRunState::Refused { wish, why } => {
                    StandsText::Refused { wish: *wish, why: why.clone() }
                }
            },
        })
        .collect();
    written(&texts)
}

pub(super) fn read_replicas(text: &str) -> Vec<Replica> {
    read(text)
        .map(|ReplicaText { name, variant, run, stands }| Replica {
            name,
            variant,
            run,
            stands: match stands {
                StandsText::Ready { host, port, job } => SharedRunState::Ready(Address { host, port, job }),
                StandsText::Leaving => SharedRunState::Leaving,
                StandsText::Coming { why } => SharedRunState::Coming(why),
                StandsText::Refused { wish, why } => SharedRunState::Refused { wish, why },
            },
        })
        .collect()
}

pub(super) fn wishes(wishes: &[ReplicaDemand]) -> String {
    let texts: Vec<WishText> = wishes
        .iter()
        .map(|wish| WishText { name: wish.name.clone(), number: wish.number, waits: wish.waits })
        .collect();
    written(&texts)
}

pub(super) fn read_wishes(text: &str) -> Vec<ReplicaDemand> {
    read(text).map(|WishText { name, number, waits }| ReplicaDemand { name, number, waits }).collect()
}

fn written<T: Serialize>(texts: &[T]) -> String {
    // PostgreSQL's text has no room for a zero; JSON writes one with six letters.
    serde_json::to_string(texts).unwrap_or_else(|_| "[]".to_owned())
}

fn read<T: for<'a> Deserialize<'a>>(text: &str) -> impl Iterator<Item = T> {
    let values: Vec<serde_json::Value> = serde_json::from_str(text).unwrap_or_default();
    values.into_iter().filter_map(|value| serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_rest_left_out() {
        let replica = |stands| Replica { name: "m#2".to_owned(), variant: "V".to_owned(), run: 7, stands };
        let address = Address { host: "n1".to_owned(), port: 8001, job: "llm-1-m".to_owned() };
        let all = vec![
            replica(SharedRunState::Ready(address)),
            replica(SharedRunState::Leaving),
            replica(SharedRunState::Coming("a queue \0".to_owned())),
            replica(SharedRunState::Refused { wish: 3, why: "no".to_owned() }),
        ];
        let text = replicas(&all);
        assert!(!text.contains('\0'), "{text}");
        assert_eq!(read_replicas(&text), all);
        let newer = text.replacen("\"leaving\"", "\"dancing\"", 1);
        assert_eq!(read_replicas(&newer).len(), 3);
        let wish = vec![ReplicaDemand { name: "m".to_owned(), number: 9, waits: true }];
        assert_eq!(read_wishes(&wishes(&wish)), wish);
        assert_eq!(read_wishes("nonsense"), []);
    }
}
