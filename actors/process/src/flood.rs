//! Output that comes faster than anybody reads it.
//!
//! To cut it into lines and to hand these on costs more than to keep it: a backend that prints 50 MB in a second would
//! keep the manager from its work, for lines that the ring forgets at once. So beyond a measure only the newest bytes go
//! that way, behind a line that says how many are missing there. The keeper has them all; without one nothing is left out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::line_splitter::{OutputLine, Splitter};

/// So much goes the way of lines at once, after a quieter time.
const BURST: usize = 512 * 1024;
/// So much goes that way again after each stretch of time.
const MEASURE: usize = 64 * 1024;
const STRETCH: Duration = Duration::from_millis(100);
/// The newest bytes that are held back, at least.
const HELD: usize = 64 * 1024;

/// What was held back of one stream.
pub(super) struct OutputFlood {
    stretch: Instant,
    /// Bytes that may go on.
    allowance: usize,
    held: VecDeque<Arc<[u8]>>,
    held_bytes: usize,
    /// Bytes that were left out.
    missing: u64,
}

impl Default for OutputFlood {
    fn default() -> Self {
        Self { stretch: Instant::now(), allowance: BURST, held: VecDeque::new(), held_bytes: 0, missing: 0 }
    }
}

impl OutputFlood {
    /// Holds the bytes back, if there are too many: true.
    pub(super) fn takes(&mut self, bytes: &Arc<[u8]>) -> bool {
        let now = Instant::now();
        if self.held.is_empty() {
            let stretches = now.duration_since(self.stretch).as_millis() / STRETCH.as_millis();
            if stretches > 0 {
                self.stretch = now;
                let earned = usize::try_from(stretches).unwrap_or(usize::MAX).saturating_mul(MEASURE);
                self.allowance = self.allowance.saturating_add(earned).min(BURST);
            }
            if self.allowance > 0 {
                self.allowance = self.allowance.saturating_sub(bytes.len());
                return false;
            }
        }
        self.held.push_back(Arc::clone(bytes));
        self.held_bytes += bytes.len();
        while let Some(oldest) = self.held.front().map(|oldest| oldest.len())
            && self.held_bytes - oldest >= HELD
        {
            self.held.pop_front();
            self.held_bytes -= oldest;
            self.missing += oldest as u64;
        }
        true
    }

    /// Whether what is held back may go on: a stream that never pauses is shown all the same.
    pub(super) fn is_due(&self) -> bool {
        self.stretch.elapsed() >= STRETCH
    }

    /// Resolves when what is held back may go on.
    pub(super) async fn ebbs(&self) {
        if self.held.is_empty() {
            return std::future::pending().await;
        }
        sleep_until(self.stretch + STRETCH).await;
    }

    /// Lets go what is held back.
    pub(super) fn release(&mut self, splitter: &mut Splitter, lines: &mut Vec<OutputLine>) {
        // What goes on now is what the stretch was worth.
        self.stretch = Instant::now();
        let mut rest = self.held_bytes.saturating_sub(HELD);
        self.missing += rest as u64;
        if self.missing > 0 {
            lines.extend(splitter.take_partial());
            let missing = std::mem::take(&mut self.missing);
            let text = format!("... {missing} bytes are left out here; the log of the run has more ...");
            lines.push(OutputLine { text, overwritten: false });
            // What is left of the line that was cut is no line.
            let first = self.held.front();
            let first = first.map_or(&[][..], |bytes| &bytes[rest..]);
            let end = first.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            rest += end.map_or(0, |end| end + 1);
        }
        for bytes in self.held.drain(..) {
            splitter.feed(&bytes[std::mem::take(&mut rest)..], lines);
        }
        self.held_bytes = 0;
    }
}
