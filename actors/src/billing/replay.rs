//! Plays the overflow file back into the ledger, in steps.

use super::handle::Core;
use super::overflow::{read_line, with_suffix};
use super::rejected::write_all;
use llm_manager_ledger::{BatchResult, JobProgress, LedgerEvent, StoreError, Writer};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

/// Events of one step.
const BATCH: usize = 1000;
/// No line is that long: what comes is not one of ours.
const LONGEST_LINE: u64 = 64 << 10;

/// What a step has done.
#[derive(Debug)]
pub(super) struct ReplayStep {
    /// What was played back.
    pub(super) events: Arc<Vec<LedgerEvent>>,
    pub(super) written: BatchResult,
    /// Whether there may be more.
    pub(super) step: JobProgress,
}

impl ReplayStep {
    fn of(step: JobProgress) -> Self {
        Self { events: Arc::default(), written: BatchResult::default(), step }
    }
}

/// How far it has got. To begin again from the start is harmless.
#[derive(Debug, Default)]
pub(super) struct Replay {
    segments: Vec<PathBuf>,
    offset: u64,
    damaged: u64,
}

impl Replay {
    /// Writes the next events.
    pub(super) fn step(&mut self, core: &Core, writer: &mut Writer) -> Result<ReplayStep, StoreError> {
        if self.segments.is_empty() {
            self.segments = core.overflow.segments().map_err(StoreError::Other)?;
            (self.offset, self.damaged) = (0, 0);
        }
        let Some(path) = self.segments.first().cloned() else { return Ok(ReplayStep::of(JobProgress::Done)) };
        let io = |error: std::io::Error| StoreError::Other(format!("{}: {error}", path.display()));
        let (events, end, damaged) = match read(&path, self.offset) {
            // A predecessor that was given up has come to its end after all.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                *self = Self::default();
                return Ok(ReplayStep::of(JobProgress::More));
            }
            read => read.map_err(io)?,
        };
        let written = write_all(core, writer, &events)?;
        if events.is_empty() && damaged == 0 && end == self.offset {
            // All of it is in the ledger; now also on the disk.
            writer.checkpoint()?;
            if self.damaged > 0 {
                let aside = with_suffix(&path, ".damaged");
                log::error!("billing: {} damaged lines in {}; kept there", self.damaged, aside.display());
                fs::rename(&path, aside).map_err(io)?;
            } else {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
                    _ => (),
                }
            }
            self.segments.remove(0);
            (self.offset, self.damaged) = (0, 0);
            let done = self.segments.is_empty() && !core.overflow.is_dirty();
            return Ok(ReplayStep::of(if done { JobProgress::Done } else { JobProgress::More }));
        }
        self.offset = end;
        self.damaged += damaged;
        Ok(ReplayStep { events: Arc::new(events), written, step: JobProgress::More })
    }
}

/// The next events from an offset, the offset behind them, and how many lines were damaged.
fn read(path: &PathBuf, offset: u64) -> std::io::Result<(Vec<LedgerEvent>, u64, u64)> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut reader = BufReader::new(file);
    let (mut events, mut end, mut damaged) = (Vec::new(), offset, 0);
    let mut line = Vec::new();
    while events.len() < BATCH {
        line.clear();
        let length = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        end += length as u64;
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if text.is_empty() {
            continue;
        }
        match read_line(text) {
            Some(event) => events.push(event),
            None => damaged += 1,
        }
    }
    Ok((events, end, damaged))
}
