//! What requests are grouped by. Few combinations, many rows: rows of one thread share theirs.

use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::sync::Arc;

/// Combinations that a thread remembers; more are made anew.
const MOST_REMEMBERED: usize = 64;

/// What requests are grouped by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Labels {
    /// The model's name in the configuration.
    pub model: Arc<str>,
    /// The launch configuration that served it; empty when none did.
    pub variant: Arc<str>,
    /// The model's mode.
    pub mode: Arc<str>,
    /// The path, such as `/v1/chat/completions`.
    pub endpoint: Arc<str>,
    /// The key's label or the beginning of its hash, never the key; empty when none was asked for.
    pub api_key: Arc<str>,
    /// Currency of the cost; empty when there is none.
    pub currency: Arc<str>,
}

thread_local! {
    /// The newest combinations of this thread, the last one used first. Of each thread its own, so that threads don't
    /// count their references at the same place.
    static KNOWN: RefCell<Vec<Arc<Labels>>> = const { RefCell::new(Vec::new()) };
}

impl Labels {
    /// These labels: model, variant, mode, endpoint, key and currency. Nothing is allocated for a combination that
    /// this thread has had lately.
    pub fn shared(texts: [&str; 6]) -> Arc<Self> {
        KNOWN.with_borrow_mut(|known| {
            match known.iter().position(|labels| labels.are(texts)) {
                Some(nth) => known.swap(0, nth),
                None => {
                    known.truncate(MOST_REMEMBERED - 1);
                    known.insert(0, Arc::new(Self::new(texts)));
                }
            }
            known.first().map_or_else(|| Arc::new(Self::new(texts)), Arc::clone)
        })
    }

    /// The same with another currency.
    pub fn in_currency(&self, currency: &str) -> Arc<Self> {
        Self::shared([&self.model, &self.variant, &self.mode, &self.endpoint, &self.api_key, currency])
    }

    fn new(texts: [&str; 6]) -> Self {
        let [model, variant, mode, endpoint, api_key, currency] = texts.map(Arc::from);
        Self { model, variant, mode, endpoint, api_key, currency }
    }

    fn are(&self, texts: [&str; 6]) -> bool {
        let ours = [&self.model, &self.variant, &self.mode, &self.endpoint, &self.api_key, &self.currency];
        ours.iter().zip(texts).all(|(ours, text)| ***ours == *text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_are_one_and_others_are_not() {
        let ask = |n: usize| Labels::shared(["m", "gpu", "Chat", &format!("/{n}"), "", ""]);
        let first = ask(0);
        assert!(Arc::ptr_eq(&first, &ask(0)));
        assert_eq!(&*ask(1).endpoint, "/1");
        assert!(Arc::ptr_eq(&first, &ask(0)));
        let euros = first.in_currency("EUR");
        assert_eq!(*euros, Labels { currency: "EUR".into(), ..(*first).clone() });
        assert!(Arc::ptr_eq(&euros, &first.in_currency("EUR")));
        // However many there are, few are remembered, and all are right.
        for n in 0..1000 {
            assert_eq!(*ask(n).endpoint, *format!("/{n}"));
        }
        assert_eq!(KNOWN.with_borrow(Vec::len), MOST_REMEMBERED);
        assert_eq!(*ask(0), *first);
    }
}
