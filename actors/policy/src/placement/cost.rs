//! What an eviction costs.

use std::time::Duration;

/// The idle time after which a model is half as likely to be needed soon as right after its last request.
const HALF_LIFE: Duration = Duration::from_secs(20);

/// Cost of stopping a model that has been idle for that long: what its next start takes, times the likelihood
/// that it is needed soon. Never 0, so that a set with a dispensable victim is never the cheapest.
///
/// ```text
/// cost = reload x h / (h + idle)      h = 20 s, in units of a microsecond
/// ```
///
/// Idle times of things that people use have no typical length: the longer one has lasted, the longer it will
/// last. The distribution with which that begins, Lomax's with shape 1 (S(t) = s / (s + t)), gives
/// P(needed within s | idle for t) = s / (2 s + t), which is the formula with h = 2 s, but for the constant
/// 1/2. It is the priority function of hyperbolic caching with the cost of a miss (Blankstein, Sen, Freedman:
/// Hyperbolic Caching, USENIX ATC 2017), for the last use instead of all uses; plain LRU is the case in which
/// all reloads cost the same. Memory needs no place in it: the victims are chosen as a set. Of 1 s to 2 h for
/// h, `examples/simulate_day` had the fewest cold starts with 10 to 20 s, the pause between two questions.
pub fn eviction_cost(reload: Duration, idle: Duration) -> u64 {
    let half_life = HALF_LIFE.as_millis();
    let cost = reload.as_micros().saturating_mul(half_life) / half_life.saturating_add(idle.as_millis());
    u64::try_from(cost).unwrap_or(u64::MAX).clamp(1, MOST)
}

/// A sum of as many models as anybody runs doesn't overflow.
const MOST: u64 = u64::MAX / 1_000_000;

/// The reload time of a model that has not been measured: 1 s, and 1 s per GiB, the pace of a plain SSD.
pub fn guessed_reload(mib: u64) -> Duration {
    Duration::from_millis(1000_u64.saturating_add(mib.saturating_mul(1000) / 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eviction_costs_half_after_the_half_life() {
        let seconds = Duration::from_secs;
        assert_eq!(eviction_cost(seconds(30), seconds(0)), 30_000_000);
        assert_eq!(eviction_cost(seconds(30), seconds(20)), 15_000_000);
        assert_eq!(eviction_cost(seconds(30), seconds(40)), 10_000_000);
        assert_eq!(eviction_cost(Duration::ZERO, seconds(0)), 1, "never 0");
        assert_eq!(eviction_cost(Duration::MAX, seconds(0)), 18_446_744_073_709);
    }

    #[test]
    fn a_gigabyte_is_guessed_to_load_in_a_second() {
        assert_eq!(guessed_reload(0), Duration::from_secs(1));
        assert_eq!(guessed_reload(512), Duration::from_millis(1500));
        assert_eq!(guessed_reload(24 * 1024), Duration::from_secs(25));
        assert_eq!(guessed_reload(u64::MAX), Duration::from_millis(u64::MAX / 1024 + 1000));
    }
}
