//! What was lost, in words that an operator can check: requests, and everything else that was to be noted.

use llm_manager_ledger::LedgerEvent;
use std::fmt;

/// Events that could be kept nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LostEvents {
    pub(super) requests: u64,
    /// Starts and ends of runs, and what people did.
    pub(super) entries: u64,
}

impl LostEvents {
    pub(super) fn of<'a>(events: impl IntoIterator<Item = &'a LedgerEvent>) -> Self {
        let mut lost = Self::default();
        for event in events {
            match event {
                LedgerEvent::Request(_) => lost.requests += 1,
                LedgerEvent::Run(_) | LedgerEvent::Audit(_) => lost.entries += 1,
            }
        }
        lost
    }

    pub(super) fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl std::ops::AddAssign for LostEvents {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.entries += more.entries;
    }
}

/// `284 requests`, `1 request and 2 other entries`.
impl fmt::Display for LostEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = match self.requests {
            1 => "1 request".to_owned(),
            many => format!("{many} requests"),
        };
        match self.entries {
            0 => f.write_str(&requests),
            1 => write!(f, "{requests} and 1 other entry"),
            many => write!(f, "{requests} and {many} other entries"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_apart_from_everything_else() {
        let events = [
            LedgerEvent::Request(Box::default()),
            LedgerEvent::Run(Box::default()),
            LedgerEvent::Request(Box::default()),
            LedgerEvent::Run(Box::default()),
        ];
        let mut lost = LostEvents::of(&events);
        assert_eq!(lost, LostEvents { requests: 2, entries: 2 });
        assert_eq!(lost.to_string(), "2 requests and 2 other entries");
        lost += LostEvents { requests: 1, entries: 0 };
        assert_eq!(lost, LostEvents { requests: 3, entries: 2 });
        assert_eq!(LostEvents { requests: 1, entries: 1 }.to_string(), "1 request and 1 other entry");
        assert_eq!(LostEvents { requests: 0, entries: 0 }.to_string(), "0 requests");
        assert!(LostEvents::default().is_none() && !lost.is_none());
    }
}
