//! What `billing:` of the configuration changes at a start of the manager.
//!
//! The configuration is read again at every start, and an operator may have set another plan meanwhile. So its
//! plan is set when the *configuration* has changed, not when it differs from what is in force.

use super::Plan;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Configured {
    /// All stays as it is.
    Keep,
    /// The plan of the configuration holds from now on.
    Set,
    /// From now on there is no price.
    End,
}

/// Compares the plan that the configuration has now with the last one that it had set.
///
/// `last`: that one; `None` if it has never set any, or has ended it. `is_in_force`: what holds now was set by
/// the configuration. A plan that has left the configuration takes nothing away that others have set.
pub fn configured(wanted: Option<&Plan>, last: Option<&Plan>, is_in_force: bool) -> Configured {
    match (wanted, last) {
        (Some(wanted), last) if Some(wanted) != last => Configured::Set,
        (None, Some(_)) if is_in_force => Configured::End,
        _ => Configured::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{Currency, Price};

    fn plan(per_hour: &str) -> Plan {
        Plan::Hourly {
            currency: Currency::new("CNY").unwrap(),
            per_hour: per_hour.parse().unwrap(),
            parked_per_hour: Price::default(),
        }
    }

    #[test]
    fn only_a_changed_configuration_changes_the_plan() {
        let (one, two) = (plan("1"), plan("2"));
        for (wanted, last, is_in_force, expected) in [
            (None, None, false, Configured::Keep),
            (Some(&one), None, false, Configured::Set),
            (Some(&one), Some(&one), true, Configured::Keep),
            // Somebody has set another one by the API: it stays until the configuration changes.
            (Some(&one), Some(&one), false, Configured::Keep),
            (Some(&two), Some(&one), true, Configured::Set),
            (Some(&two), Some(&one), false, Configured::Set),
            (None, Some(&one), true, Configured::End),
            (None, Some(&one), false, Configured::Keep),
        ] {
            assert_eq!(configured(wanted, last, is_in_force), expected, "{wanted:?} {last:?} {is_in_force}");
        }
    }
}
