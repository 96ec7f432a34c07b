//! When memory that requests have used is worth giving back to the system: once most of many are gone.

/// Fewer never held enough to be worth it.
const MANY: usize = 64;
/// The part of the most that is left.
const PART: usize = 4;

/// The most that there were since memory was given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryRelease {
    most: usize,
}

impl MemoryRelease {
    /// Notes how many there are now; true: most of them are gone.
    pub fn is_over(&mut self, now: usize) -> bool {
        self.most = self.most.max(now);
        let over = self.most >= MANY && now <= self.most / PART;
        if over {
            self.most = now;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_once_when_most_of_many_are_gone() {
        let mut ebb = MemoryRelease::default();
        let seen = [0, 63, 0, 64, 17, 16, 16, 0, 1000, 251, 250, 250, 63, 62, 62, 64, 0, 0];
        let over: Vec<usize> =
            seen.into_iter().enumerate().filter(|(_, now)| ebb.is_over(*now)).map(|(nth, _)| nth).collect();
        // 63 are not many; 16 of 64, 250 of 1000, 62 of those 250, 0 of 64.
        assert_eq!(over, [5, 10, 13, 16]);
    }
}
