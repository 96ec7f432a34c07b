//! Surge: output that comes faster than its file keeps it.
//!
//! To write what the next piece pushes out again costs more than all the rest. So beyond a measure the pieces of one run are held
//! back, no more of them than a segment of its file holds, and the newest go to the disk once a second.

use jiff::Timestamp;
use llm_manager_process::Pipe;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long pieces are held back at most: so much is lost when the manager is killed in a flood.
const STRETCH: Duration = Duration::from_secs(1);

/// What a backend has printed at one time.
pub(super) struct OutputPiece {
    pub(super) pipe: Pipe,
    pub(super) time: Timestamp,
    pub(super) bytes: Arc<[u8]>,
    /// So many of its bytes are left out.
    pub(super) cut: usize,
}

impl OutputPiece {
    /// What is left of it.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.cut..).unwrap_or_default()
    }
}

/// Of one run.
pub(super) struct OutputSurge {
    since: Instant,
    /// Bytes that went on in this stretch.
    passed: u64,
    held: VecDeque<OutputPiece>,
    held_bytes: u64,
    left_out: u64,
}

impl OutputSurge {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, passed: 0, held: VecDeque::new(), held_bytes: 0, left_out: 0 }
    }

    /// The piece, if it is to be written at once; otherwise it is held back.
    pub(super) fn offer(&mut self, piece: OutputPiece, now: Instant, segment: u64) -> Option<OutputPiece> {
        let size = piece.bytes.len() as u64;
        if self.held.is_empty() {
            if now.duration_since(self.since) >= STRETCH {
                self.since = now;
                self.passed = 0;
            }
            if self.passed + size <= segment / 2 {
                self.passed += size;
                return Some(piece);
            }
        }
        self.held.push_back(piece);
        self.held_bytes += size;
        while self.held_bytes > segment
            && let Some(oldest) = self.held.front_mut()
        {
            let excess = usize::try_from(self.held_bytes - segment).unwrap_or(usize::MAX);
            let cut = oldest.rest().len().min(excess);
            oldest.cut += cut;
            self.held_bytes -= cut as u64;
            self.left_out += cut as u64;
            if oldest.rest().is_empty() {
                self.held.pop_front();
            }
        }
        None
    }

    /// When what is held back has to be written.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.held.is_empty()).then_some(self.since + STRETCH)
    }

    /// What was held back, and how many bytes are left out before it.
    pub(super) fn release(&mut self, now: Instant) -> (u64, VecDeque<OutputPiece>) {
        self.since = now;
        self.passed = self.held_bytes;
        self.held_bytes = 0;
        (std::mem::take(&mut self.left_out), std::mem::take(&mut self.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(size: usize) -> OutputPiece {
        OutputPiece {
            pipe: Pipe::Stdout,
            time: Timestamp::UNIX_EPOCH,
            bytes: vec![b'x'; size].into(),
            cut: 0,
        }
    }

    proptest! {
        /// Nothing is lost without being counted, no more is held than a segment, and a quiet run is never held.
        #[test]
        fn every_byte_is_written_or_counted(steps in prop::collection::vec((1..400_usize, 0..700_u64), 1..60)) {
            let begin = Instant::now();
            let (mut surge, mut now, segment) = (OutputSurge::new(begin), begin, 1000);
            let (mut offered, mut told) = (0, 0);
            for (size, pause) in steps {
                now += Duration::from_millis(pause);
                if surge.due().is_some_and(|due| due <= now) {
                    let (left_out, held) = surge.release(now);
                    told += left_out + held.iter().map(|one| one.rest().len() as u64).sum::<u64>();
                }
                offered += size as u64;
                told += surge.offer(piece(size), now, segment).map_or(0, |one| one.bytes.len() as u64);
                prop_assert!(surge.held_bytes <= segment);
                prop_assert!(surge.due().is_none_or(|due| due <= now + STRETCH));
            }
            let (left_out, held) = surge.release(now);
            told += left_out + held.iter().map(|one| one.rest().len() as u64).sum::<u64>();
            prop_assert_eq!(told, offered);
        }
    }

    #[test]
    fn a_flood_is_held_and_a_second_later_goes_on() {
        let begin = Instant::now();
        let mut surge = OutputSurge::new(begin);
        assert!(surge.offer(piece(500), begin, 1000).is_some());
        assert!((0..4).all(|_| surge.offer(piece(400), begin, 1000).is_none()));
        assert_eq!(surge.due(), Some(begin + STRETCH));
        let (left_out, held) = surge.release(begin + STRETCH);
        assert_eq!((left_out, held.len(), held[0].cut), (600, 3, 200));
        // What was written at once counts for the next second.
        assert!(surge.offer(piece(1), begin + STRETCH, 1000).is_none());
        let later = begin + STRETCH * 2;
        assert_eq!(surge.release(later).1.len(), 1);
        assert!(surge.offer(piece(1), later + STRETCH, 1000).is_some());
    }
}
