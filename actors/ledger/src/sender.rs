//! Who sends requests, and how: few combinations, many rows. Rows of one thread share theirs, and the ledger has each once.

use super::bounds::{LONGEST_LABEL, cut};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

/// Combinations that a thread remembers; more are made anew.
const MOST_REMEMBERED: usize = 64;

/// From where and with what a request was sent, and how it asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sender {
    /// The client's address, behind the proxies that are trusted.
    pub address: Option<IpAddr>,
    /// What the program called itself; empty when it did not.
    pub user_agent: Box<str>,
    /// The name or alias by which it asked for the model.
    pub asked_model: Box<str>,
    /// It wanted a stream.
    pub stream: bool,
}

thread_local! {
    /// The newest combinations of this thread, the last one used first.
    static KNOWN: RefCell<Vec<Arc<Sender>>> = const { RefCell::new(Vec::new()) };
}

impl Sender {
    /// This sender. Nothing is allocated for one that this thread has had lately.
    pub fn shared(address: Option<IpAddr>, user_agent: &str, asked_model: &str, stream: bool) -> Arc<Self> {
        // Texts that are cut are never found again, and need not be.
        let is = |known: &Arc<Self>| {
            known.address == address
                && known.stream == stream
                && *known.user_agent == *user_agent
                && *known.asked_model == *asked_model
        };
        KNOWN.with_borrow_mut(|known| {
            if let Some(nth) = known.iter().position(is) {
                known.swap(0, nth);
                if let Some(found) = known.first() {
                    return Arc::clone(found);
                }
            }
            let made = Arc::new(Self {
                address,
                user_agent: bounded(user_agent),
                asked_model: bounded(asked_model),
                stream,
            });
            known.truncate(MOST_REMEMBERED - 1);
            known.insert(0, Arc::clone(&made));
            made
        })
    }

    /// As the ledger has the address; empty when it is unknown.
    pub(super) fn address_text(&self) -> String {
        self.address.map_or_else(String::new, |address| address.to_string())
    }
}

fn bounded(text: &str) -> Box<str> {
    let mut text = text.to_owned();
    cut(&mut text, LONGEST_LABEL);
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_are_one_and_others_are_not() {
        let ask = |n: u8, agent: &str| Sender::shared(Some([10, 0, 0, n].into()), agent, "m", n > 7);
        let first = ask(0, "curl/8");
        assert!(Arc::ptr_eq(&first, &ask(0, "curl/8")));
        assert_eq!(&*ask(0, "python").user_agent, "python");
        assert!(Arc::ptr_eq(&first, &ask(0, "curl/8")));
        assert_eq!((ask(9, "").stream, ask(7, "").stream), (true, false));
        // However many there are, few are remembered, and all are right.
        for n in 0..=255 {
            assert_eq!(ask(n, "x").address_text(), format!("10.0.0.{n}"));
        }
        assert_eq!(KNOWN.with_borrow(Vec::len), MOST_REMEMBERED);
        assert_eq!(*ask(0, "curl/8"), *first);
        let long = ask(1, &"é".repeat(500));
        assert_eq!(long.user_agent.len(), LONGEST_LABEL);
    }
}
