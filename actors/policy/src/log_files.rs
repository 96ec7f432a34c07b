//! Which logs of runs are kept: bounded in bytes, all of them together, and in age.

/// What is kept of one run's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptLog {
    /// The run's number; a later run has a larger one.
    pub run: i64,
    /// Bytes of its files.
    pub bytes: u64,
    /// Seconds since something was last written to them.
    pub age: u64,
    /// It still runs.
    pub live: bool,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// Of all runs together.
    pub bytes: u64,
    /// Seconds since the last line.
    pub age: u64,
}

impl LogBounds {
    /// The most that one run may keep while so many are running: however much they print, together they leave room for
    /// the logs of runs that have ended.
    pub fn share(&self, live: usize) -> u64 {
        self.bytes / (u64::try_from(live).unwrap_or(u64::MAX).max(1).saturating_add(1))
    }

    /// The runs whose logs go: the old ones, and then the oldest until the rest fits. Those that still run stay.
    pub fn too_much(&self, kept: &[KeptLog]) -> Vec<i64> {
        let mut ended: Vec<&KeptLog> = kept.iter().filter(|one| !one.live).collect();
        ended.sort_by_key(|one| one.run);
        let mut bytes = kept.iter().fold(0_u64, |sum, one| sum.saturating_add(one.bytes));
        let mut doomed = Vec::new();
        for one in ended {
            if one.age > self.age || bytes > self.bytes {
                bytes = bytes.saturating_sub(one.bytes);
                doomed.push(one.run);
            }
        }
        doomed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ended(run: i64, bytes: u64, age: u64) -> KeptLog {
        KeptLog { run, bytes, age, live: false }
    }

    #[test]
    fn the_oldest_go_first_and_only_as_many_as_need_be() {
        let bounds = LogBounds { bytes: 100, age: 1000 };
        let kept = [ended(3, 40, 1), ended(1, 40, 3), ended(2, 40, 2)];
        assert_eq!(bounds.too_much(&kept), [1]);
        assert!(bounds.too_much(&kept[..2]).is_empty());
        assert!(LogBounds { bytes: 120, ..bounds }.too_much(&kept).is_empty(), "they fill it");
        assert_eq!(bounds.too_much(&[ended(1, 1, 1001), ended(2, 1, 1000)]), [1]);
    }

    #[test]
    fn all_that_run_and_those_that_ended_have_equal_shares() {
        let bounds = LogBounds { bytes: 900, age: 0 };
        assert_eq!([0, 1, 2, 8].map(|live| bounds.share(live)), [450, 450, 300, 100]);
    }

    proptest! {
        #[test]
        fn what_is_left_fits_and_nothing_live_goes(
            runs in prop::collection::vec((0_u64..200, 0_u64..2000, any::<bool>()), 0..40),
            bytes in 0_u64..500,
        ) {
            let bounds = LogBounds { bytes, age: 1000 };
            let kept: Vec<KeptLog> = (1..)
                .zip(runs)
                .map(|(run, (bytes, age, live))| KeptLog { run, bytes, age, live })
                .collect();
            let doomed = bounds.too_much(&kept);
            let left: Vec<&KeptLog> = kept.iter().filter(|one| !doomed.contains(&one.run)).collect();
            let live: u64 = kept.iter().filter(|one| one.live).map(|one| one.bytes).sum();
            prop_assert!(kept.iter().all(|one| !one.live || !doomed.contains(&one.run)));
            prop_assert!(left.iter().map(|one| one.bytes).sum::<u64>() <= bytes.max(live));
            prop_assert!(left.iter().all(|one| one.live || one.age <= 1000));
        }

        #[test]
        fn the_shares_of_all_that_run_fit(bytes in 0_u64..1 << 40, live in 1_usize..1000) {
            let bounds = LogBounds { bytes, age: 0 };
            prop_assert!(bounds.share(live) * live as u64 <= bytes);
        }
    }
}
