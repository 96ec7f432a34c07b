//! What a model holds asleep, or would, and what a wake takes: for all who show it.

use llm_manager_policy::duration_text::DurationText;
use std::fmt;
use std::time::Duration;

/// What it holds asleep and what a wake takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedUse {
    /// MiB by name of device; nothing where memory isn't looked after.
    pub holds: Vec<(String, u64)>,
    /// Until it is awake again.
    pub wake: Duration,
    /// As a wake took, not as it is estimated.
    pub measured: bool,
}

impl fmt::Display for ParkedUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.holds.iter().filter(|(_, mib)| *mib > 0);
        let held: Vec<String> = held.map(|(device, mib)| format!("{mib} MiB on {device}")).collect();
        if !held.is_empty() {
            write!(f, "holds {}, ", held.join(" and "))?;
        }
        let how = if self.measured { "measured" } else { "an estimate" };
        write!(f, "wakes in {} ({how})", DurationText(self.wake))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_holds_and_how_sure_it_is() {
        let holds = vec![("cpu".to_owned(), 16000), ("v100".to_owned(), 700), ("gtx".to_owned(), 0)];
        let asleep = ParkedUse { holds, wake: Duration::from_millis(1640), measured: true };
        assert_eq!(
            asleep.to_string(),
            "holds 16000 MiB on cpu and 700 MiB on v100, wakes in 1.6 s (measured)"
        );
        let guess = ParkedUse { holds: Vec::new(), measured: false, ..asleep };
        assert_eq!(guess.to_string(), "wakes in 1.6 s (an estimate)");
    }
}
