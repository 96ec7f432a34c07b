//! Two clocks: the wall's, which anybody may set, and a steady one. What is paid for is steady time.

use std::time::Duration;

/// Less than this between the two is how clocks are kept in step.
const STEP: i64 = 2_000_000;
const DAY: i64 = 86_400_000_000;

/// By how much the wall's clock has jumped, in microseconds, while so much steady time went by; `None`: it has not.
pub fn jump(before: i64, now: i64, steady: Duration) -> Option<i64> {
    let passed = i64::try_from(steady.as_micros()).unwrap_or(i64::MAX);
    let jump = now.saturating_sub(before).saturating_sub(passed);
    (jump.saturating_abs() >= STEP).then_some(jump)
}

/// The time by which retention counts: it moves on with steady time that somebody saw passing, never past the wall's
/// clock. So a clock that is wrong deletes nothing.
pub fn seen(seen: i64, wall: i64, steady: Duration) -> i64 {
    let passed = i64::try_from(steady.as_micros()).unwrap_or(i64::MAX);
    seen.saturating_add(passed).min(wall.max(seen))
}

/// Rows that ended before this are old enough to go.
pub fn cutoff(seen: i64, wall: i64, days: u32) -> i64 {
    seen.min(wall).saturating_sub(i64::from(days).saturating_mul(DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_jump_has_its_size_and_sign() {
        let five = Duration::from_secs(5);
        assert_eq!(jump(0, 5 * SECOND, five), None);
        assert_eq!(jump(0, 6 * SECOND, five), None);
        assert_eq!(jump(0, 5 * SECOND + 6 * 3600 * SECOND, five), Some(6 * 3600 * SECOND));
        assert_eq!(jump(0, -5 * SECOND, five), Some(-10 * SECOND));
        assert_eq!(jump(i64::MIN, i64::MAX, five), Some(i64::MAX - 5 * SECOND));
    }

    #[test]
    fn retention_goes_no_faster_than_time() {
        let hour = Duration::from_secs(3600);
        let start = 1000 * DAY;
        // Forty days ahead for an hour, and back.
        let ahead = seen(start, start + 40 * DAY, hour);
        assert_eq!(ahead, start + 3600 * SECOND);
        assert_eq!(seen(ahead, start, hour), ahead, "it never goes back");
        // A clock that is behind holds it up.
        assert_eq!(seen(start, start + SECOND, hour), start + SECOND);
        assert_eq!(cutoff(start, start + 40 * DAY, 30), start - 30 * DAY);
        assert_eq!(cutoff(start, start - DAY, 30), start - 31 * DAY);
        assert_eq!(cutoff(i64::MIN, i64::MAX, u32::MAX), i64::MIN);
    }
}
