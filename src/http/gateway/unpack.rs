//! Bodies that are packed: gzip, deflate, zstd or br, unpacked as they come and bounded, for a few bytes may
//! stand for gigabytes.

use super::body_buffer::grow;
use brotli_decompressor::DecompressorWriter;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use std::fmt;
use std::io::{self, Write};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// So much is unpacked before others of this thread get their turn.
const TURN: usize = 1 << 20;
/// So much of the packed bytes is taken at once: what comes out of it can be a thousand times as much.
pub(super) const BITE: usize = 1024;
const BUFFER: usize = 64 * 1024;
/// Largest window of zstd, as a power of two: 8 MiB (RFC 9659).
const LARGEST_WINDOW: u32 = 23;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
    Zstd,
    Brotli,
}

impl Coding {
    /// By its name in `Content-Encoding`.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let names = [
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("zstd", Self::Zstd),
            ("br", Self::Brotli),
        ];
        names.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, coding)| coding)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
            Self::Brotli => "br",
        }
    }
}

/// Why a packed body is refused.
#[derive(Debug)]
pub(crate) enum UnpackError {
    TooLarge { limit: usize, coding: Coding },
    NoMemory,
    Broken { coding: Coding, why: String },
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit, coding } => {
                write!(f, "its {} unpacks to more than {} MiB at once", coding.name(), limit >> 20)
            }
            Self::NoMemory => f.write_str("there is no memory to unpack it"),
            Self::Broken { coding, why } => write!(f, "its {} is broken: {why}", coding.name()),
        }
    }
}

/// Unpacks a body.
pub(crate) struct Unpacker {
    coding: Coding,
    engine: Engine,
    /// Some of an answer has come.
    begun: bool,
}

enum Engine {
    Gzip(Box<MultiGzDecoder<Sink>>),
    Deflate { inflate: Box<Inflate>, sink: Sink },
    Brotli(Box<DecompressorWriter<Sink>>),
    Zstd { decoder: Box<Decoder<'static>>, sink: Sink, is_whole: bool },
}

/// Where the bytes go, up to a limit.
struct Sink {
    bytes: Vec<u8>,
    limit: usize,
    overflown: bool,
    no_memory: bool,
}

impl Write for Sink {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > self.limit {
            self.overflown = true;
            return Err(io::Error::other("too large"));
        }
        if grow(&mut self.bytes, more.len(), 0).is_err() {
            self.no_memory = true;
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unpacker {
    /// For a body of this coding that has at most `limit` bytes when it is unpacked.
    pub(crate) fn new(coding: Coding, limit: usize) -> Result<Self, UnpackError> {
        let sink = Sink { bytes: Vec::new(), limit, overflown: false, no_memory: false };
        let engine = match coding {
            Coding::Gzip => Engine::Gzip(Box::new(MultiGzDecoder::new(sink))),
            Coding::Deflate => Engine::Deflate { inflate: Box::default(), sink },
            Coding::Brotli => Engine::Brotli(Box::new(DecompressorWriter::new(sink, BUFFER))),
            Coding::Zstd => {
                let broken = |error: io::Error| UnpackError::Broken { coding, why: error.to_string() };
                let mut decoder = Decoder::new().map_err(broken)?;
                decoder.set_parameter(DParameter::WindowLogMax(LARGEST_WINDOW)).map_err(broken)?;
                Engine::Zstd { decoder: Box::new(decoder), sink, is_whole: false }
            }
        };
        Ok(Self { coding, engine, begun: false })
    }

    /// The next packed bytes.
    pub(crate) async fn push(&mut self, packed: &[u8]) -> Result<(), UnpackError> {
        let mut told = self.sink().bytes.len();
        for bite in packed.chunks(BITE) {
            let written = self.engine.write(bite);
            written.map_err(|error| self.refused(&error))?;
            if self.sink().bytes.len() - told >= TURN {
                told = self.sink().bytes.len();
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// The whole body; an error if its end is missing.
    pub(crate) fn finish(mut self) -> Result<Bytes, UnpackError> {
        let finished = self.engine.finish();
        finished.map_err(|error| self.refused(&error))?;
        let sink = match &mut self.engine {
            Engine::Gzip(decoder) => decoder.get_mut(),
            Engine::Brotli(decoder) => decoder.get_mut(),
            Engine::Zstd { sink, .. } | Engine::Deflate { sink, .. } => sink,
        };
        Ok(std::mem::take(&mut sink.bytes).into())
    }

    /// The next packed bytes of an answer; what has come out of them so far. Few at a time: see `BITE`.
    pub(super) fn pass(&mut self, packed: &[u8]) -> Result<Bytes, UnpackError> {
        self.begun = true;
        let written = self.engine.write(packed).and_then(|()| self.engine.flush());
        written.map_err(|error| self.refused(&error))?;
        let sink = match &mut self.engine {
            Engine::Gzip(decoder) => decoder.get_mut(),
            Engine::Brotli(decoder) => decoder.get_mut(),
            Engine::Zstd { sink, .. } | Engine::Deflate { sink, .. } => sink,
        };
        Ok(std::mem::take(&mut sink.bytes).into())
    }

    /// The rest of an answer. Nothing at all is whole: so is the answer to HEAD.
    pub(super) fn end(self) -> Result<Bytes, UnpackError> {
        if self.begun { self.finish() } else { Ok(Bytes::new()) }
    }

    fn sink(&self) -> &Sink {
        match &self.engine {
            Engine::Gzip(decoder) => decoder.get_ref(),
            Engine::Brotli(decoder) => decoder.get_ref(),
            Engine::Zstd { sink, .. } | Engine::Deflate { sink, .. } => sink,
        }
    }

    fn refused(&self, error: &io::Error) -> UnpackError {
        let (coding, sink) = (self.coding, self.sink());
        if sink.overflown {
            return UnpackError::TooLarge { limit: sink.limit, coding };
        }
        if sink.no_memory {
            return UnpackError::NoMemory;
        }
        UnpackError::Broken { coding, why: error.to_string() }
    }
}

impl Engine {
    fn write(&mut self, packed: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.write_all(packed),
            Self::Deflate { inflate, sink } => inflate.write(packed, sink),
            Self::Brotli(decoder) => decoder.write_all(packed),
            Self::Zstd { decoder, sink, is_whole } => {
                let mut input = InBuffer::around(packed);
                let mut buffer = [0; BUFFER];
                loop {
                    let mut output = OutBuffer::around(&mut buffer[..]);
                    // 0: a frame has ended, and all that was in it has come out.
                    let hint = decoder.run(&mut input, &mut output)?;
                    *is_whole = hint == 0;
                    let written = output.as_slice();
                    let was_full = written.len() == BUFFER;
                    sink.write_all(written)?;
                    if input.pos() == packed.len() && !was_full {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// What has come is not kept back until more comes.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.flush(),
            Self::Brotli(decoder) => decoder.flush(),
            Self::Deflate { .. } | Self::Zstd { .. } => Ok(()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        let cut_off = || io::Error::other("it is cut off");
        match self {
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Brotli(decoder) => decoder.close().map_err(|_| cut_off()),
            Self::Zstd { is_whole, .. } => is_whole.then_some(()).ok_or_else(cut_off),
            Self::Deflate { inflate, .. } => inflate.is_whole.then_some(()).ok_or_else(cut_off),
        }
    }
}

/// `deflate` is zlib's format (RFC 9110, 8.4.1.2), but some send the bare one: its first two bytes tell.
#[derive(Default)]
struct Inflate {
    first: Vec<u8>,
    decoder: Option<Decompress>,
    is_whole: bool,
}

impl Inflate {
    fn write(&mut self, packed: &[u8], sink: &mut Sink) -> io::Result<()> {
        if let Some(decoder) = &mut self.decoder {
            return Self::run(decoder, packed, sink, &mut self.is_whole);
        }
        self.first.extend_from_slice(packed);
        let [method, flags, ..] = self.first[..] else { return Ok(()) };
        let with_head = method & 0x0f == 8 && u16::from_be_bytes([method, flags]) % 31 == 0;
        let decoder = self.decoder.insert(Decompress::new(with_head));
        Self::run(decoder, &std::mem::take(&mut self.first), sink, &mut self.is_whole)
    }

    fn run(decoder: &mut Decompress, packed: &[u8], sink: &mut Sink, is_whole: &mut bool) -> io::Result<()> {
        let mut buffer = [0; BUFFER];
        let mut rest = packed;
        // What follows the end is nobody's.
        while !*is_whole {
            let (taken, given) = (decoder.total_in(), decoder.total_out());
            let status = decoder.decompress(rest, &mut buffer, FlushDecompress::None)?;
            let taken = usize::try_from(decoder.total_in() - taken).unwrap_or(rest.len());
            let given = usize::try_from(decoder.total_out() - given).unwrap_or(BUFFER);
            sink.write_all(buffer.get(..given).unwrap_or_default())?;
            rest = rest.get(taken..).unwrap_or_default();
            *is_whole = status == Status::StreamEnd;
            if rest.is_empty() && given < BUFFER || (taken, given) == (0, 0) {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
