//! Slurm's word that a job is being ended, in what the job prints: it is there at once, long before the controller is asked again.

use crate::parse;

/// The longest line of Slurm's that matters.
const LONGEST: usize = 512;

/// Listens to the pieces of one job's output.
#[derive(Debug, Default)]
pub(crate) struct EndNotice {
    /// The line that has begun, as far as it matters.
    line: Vec<u8>,
    /// Slurm says it once. Whatever the server prints may look like it.
    heard: bool,
}

impl EndNotice {
    /// Whether the piece has the first such word.
    pub(crate) fn hears_end(&mut self, piece: &[u8], job: u64) -> bool {
        if self.heard {
            return false;
        }
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let room = LONGEST.saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.heard |= parse::tells_end(&String::from_utf8_lossy(&self.line), job);
                self.line.clear();
            }
        }
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORD: &[u8] = b"slurmstepd-n1: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-30T11:14:58 ***\n";

    #[test]
    fn it_is_heard_once_however_it_comes() {
        for size in [1, 7, WORD.len()] {
            let mut ear = EndNotice::default();
            assert!(!ear.hears_end(b"loading\n", 7));
            let heard = WORD.chunks(size).filter(|piece| ear.hears_end(piece, 7)).count();
            assert_eq!(heard, 1, "in pieces of {size}");
            assert!(!ear.hears_end(WORD, 7));
        }
        let mut ear = EndNotice::default();
        assert!(!ear.hears_end(&[b'x'; 100_000], 7) && ear.line.len() <= LONGEST);
        assert!(!ear.hears_end(WORD, 7) && ear.hears_end(WORD, 7), "the first was the end of another line");
    }
}
