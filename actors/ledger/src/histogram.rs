//! How many requests took how long, as a short text that can be added up.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Bins of time: four to each doubling, so a quantile is within a tenth of the truth.
fn bin_of(micros: i64) -> i64 {
    let value = micros.max(1).cast_unsigned();
    let power = value.ilog2();
    // The two bits after the highest one.
    let part = if power >= 2 { (value >> (power - 2)) & 3 } else { (value << (2 - power)) & 3 };
    i64::from(power) * 4 + part.cast_signed()
}

/// The middle of a bin.
pub(super) fn middle_of(bin: i64) -> i64 {
    let (power, part) = (bin.div_euclid(4).clamp(0, 60), bin.rem_euclid(4));
    let width = (1_i64 << power) as f64 / 4.0;
    (width * (4.0 + part as f64 + 0.5)) as i64
}

/// Counts by bin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Histogram {
    durations: BTreeMap<i64, i64>,
    first_bytes: BTreeMap<i64, i64>,
}

/// What the one writer has written last, by level, start and facet: it needn't be read again.
pub(super) type HistogramCache = HashMap<[i64; 3], Histogram>;

impl Histogram {
    /// Counts a request; one that had no answer (it was refused, or its client left before) says nothing of speed.
    pub(super) fn add(&mut self, duration_us: i64, first_byte_us: Option<i64>) {
        let Some(first_byte) = first_byte_us else { return };
        *self.durations.entry(bin_of(duration_us)).or_default() += 1;
        *self.first_bytes.entry(bin_of(first_byte)).or_default() += 1;
    }

    /// Adds another one.
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in
            [(&mut self.durations, &other.durations), (&mut self.first_bytes, &other.first_bytes)]
        {
            for (bin, count) in theirs {
                *mine.entry(*bin).or_default() += count;
            }
        }
    }

    /// From the text that `Display` makes.
    pub(super) fn parse(text: &str) -> Self {
        let (durations, first_bytes) = text.split_once('|').unwrap_or((text, ""));
        let counts = |text: &str| {
            let pairs = text.split(' ').filter_map(|pair| pair.split_once(':'));
            pairs.filter_map(|(bin, count)| Some((bin.parse().ok()?, count.parse().ok()?))).collect()
        };
        Self { durations: counts(durations), first_bytes: counts(first_bytes) }
    }

    /// The middles of the bins from start to end, and their counts.
    pub(super) fn durations(&self) -> Vec<(i64, i64)> {
        self.durations.iter().map(|(bin, count)| (middle_of(*bin), *count)).collect()
    }

    /// The same for the times to the first byte.
    pub(super) fn first_bytes(&self) -> Vec<(i64, i64)> {
        self.first_bytes.iter().map(|(bin, count)| (middle_of(*bin), *count)).collect()
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (separator, counts) in [("", &self.durations), ("|", &self.first_bytes)] {
            f.write_str(separator)?;
            for (nth, (bin, count)) in counts.iter().enumerate() {
                write!(f, "{}{bin}:{count}", if nth > 0 { " " } else { "" })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bin_is_near_the_time(time in 4_i64..1 << 50) {
            let middle = middle_of(bin_of(time));
            prop_assert!((middle - time).abs() <= time / 8 + 1, "{time} {middle}");
        }

        #[test]
        fn its_text_is_itself(times in prop::collection::vec((0_i64..1 << 40, prop::option::of(0_i64..1 << 40)), 0..50)) {
            let (mut all, mut half) = (Histogram::default(), Histogram::default());
            for (nth, (duration, first_byte)) in times.iter().enumerate() {
                all.add(*duration, *first_byte);
                if nth % 2 == 0 {
                    half.add(*duration, *first_byte);
                }
            }
            prop_assert_eq!(&Histogram::parse(&all.to_string()), &all);
            let mut rest = Histogram::default();
            for (duration, first_byte) in times.iter().skip(1).step_by(2) {
                rest.add(*duration, *first_byte);
            }
            half.merge(&rest);
            prop_assert_eq!(half, all);
        }
    }
}
