//! Without a Scheduler nothing is checked but whether an address answers.

use crate::lifecycle::Moment;
use std::collections::HashMap;
use std::time::Duration;

/// After this time an address that was silent is tried again.
pub const RETRY_ADDRESS: Duration = Duration::from_secs(5);

/// The first of so many variants that is not left out: the address of those was silent at that moment.
pub fn alone(variants: usize, silent: &HashMap<usize, Moment>, now: Moment) -> Option<usize> {
    (0..variants).find(|at| silent.get(at).is_none_or(|since| now >= since.saturating_add(RETRY_ADDRESS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_address_is_passed_over_for_a_while() {
        let now = Duration::from_secs(100);
        let silent = HashMap::from([(0, now)]);
        assert_eq!(alone(2, &HashMap::new(), now), Some(0));
        assert_eq!(alone(2, &silent, now), Some(1));
        assert_eq!(alone(1, &silent, now), None);
        assert_eq!(alone(1, &silent, now + RETRY_ADDRESS), Some(0));
    }
}
