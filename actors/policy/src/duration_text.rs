//! How long something took, in words.

use std::fmt;
use std::time::Duration;

/// "12 ms", "2.6 s": short times in milliseconds, since "0.0 s" tells nothing.
#[derive(Clone, Copy, Debug)]
pub struct DurationText(pub Duration);

impl fmt::Display for DurationText {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            millis @ 0..1000 => write!(to, "{millis} ms"),
            _ => write!(to, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_are_milliseconds() {
        for (micros, words) in
            [(0, "0 ms"), (14_900, "14 ms"), (999_999, "999 ms"), (1_000_000, "1.0 s"), (2_640_000, "2.6 s")]
        {
            assert_eq!(DurationText(Duration::from_micros(micros)).to_string(), words);
        }
    }
}
