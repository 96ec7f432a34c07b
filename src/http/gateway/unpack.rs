//! Bodies that are packed: gzip, deflate, zstd or br, unpacked as they come and bounded, for a few bytes may
//! stand for gigabytes.

use super::grow::grow;
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
pub(crate) enum Refused {
    TooLarge { limit: usize, coding: Coding },
    NoMemory,
    Broken { coding: Coding, why: String },
}

impl fmt::Display for Refused {
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
    pub(crate) fn new(coding: Coding, limit: usize) -> Result<Self, Refused> {
        let sink = Sink { bytes: Vec::new(), limit, overflown: false, no_memory: false };
        let engine = match coding {
            Coding::Gzip => Engine::Gzip(Box::new(MultiGzDecoder::new(sink))),
            Coding::Deflate => Engine::Deflate { inflate: Box::default(), sink },
            Coding::Brotli => Engine::Brotli(Box::new(DecompressorWriter::new(sink, BUFFER))),
            Coding::Zstd => {
                let broken = |error: io::Error| Refused::Broken { coding, why: error.to_string() };
                let mut decoder = Decoder::new().map_err(broken)?;
                decoder.set_parameter(DParameter::WindowLogMax(LARGEST_WINDOW)).map_err(broken)?;
                Engine::Zstd { decoder: Box::new(decoder), sink, is_whole: false }
            }
        };
        Ok(Self { coding, engine, begun: false })
    }

    /// The next packed bytes.
    pub(crate) async fn push(&mut self, packed: &[u8]) -> Result<(), Refused> {
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
    pub(crate) fn finish(mut self) -> Result<Bytes, Refused> {
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
    pub(super) fn pass(&mut self, packed: &[u8]) -> Result<Bytes, Refused> {
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
    pub(super) fn end(self) -> Result<Bytes, Refused> {
        if self.begun { self.finish() } else { Ok(Bytes::new()) }
    }

    fn sink(&self) -> &Sink {
        match &self.engine {
            Engine::Gzip(decoder) => decoder.get_ref(),
            Engine::Brotli(decoder) => decoder.get_ref(),
            Engine::Zstd { sink, .. } | Engine::Deflate { sink, .. } => sink,
        }
    }

    fn refused(&self, error: &io::Error) -> Refused {
        let (coding, sink) = (self.coding, self.sink());
        if sink.overflown {
            return Refused::TooLarge { limit: sink.limit, coding };
        }
        if sink.no_memory {
            return Refused::NoMemory;
        }
        Refused::Broken { coding, why: error.to_string() }
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
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    const LIMIT: usize = 4 << 20;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn bare(plain: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(plain: &[u8]) -> Vec<u8> {
        zstd::encode_all(plain, 3).unwrap()
    }

    /// `{"model":"m","stream":true}`, as Node's zlib packs it.
    const BROTLI: &[u8] =
        b"\x1b\x1a\x00\xe0\x8c\xd4\x62\xcd\x19\xee\xd4\x22\x6d\x7b\x7d\x8b\x45\xa7\x15\x91\x64\x12\x5a\
        \x94\x27\xd4\x80\x2b\x24\x94\x73";

    async fn unpack(coding: Coding, packed: &[u8], step: usize) -> Result<Bytes, Refused> {
        let mut unpacker = Unpacker::new(coding, LIMIT)?;
        for chunk in packed.chunks(step.max(1)) {
            unpacker.push(chunk).await?;
        }
        unpacker.finish()
    }

    #[actix_web::test]
    async fn what_was_packed_comes_out_however_it_is_cut() {
        let plain = br#"{"model":"m","stream":true}"#;
        for (coding, packed) in [
            (Coding::Gzip, gzip(plain)),
            (Coding::Deflate, zlib(plain)),
            (Coding::Deflate, bare(plain)),
            (Coding::Zstd, zstd(plain)),
            (Coding::Brotli, BROTLI.to_vec()),
        ] {
            for step in [1, 7, packed.len()] {
                assert_eq!(unpack(coding, &packed, step).await.unwrap().as_ref(), plain, "{coding:?} {step}");
            }
            let cut = unpack(coding, &packed[..packed.len() - 1], 5).await;
            assert!(matches!(cut, Err(Refused::Broken { .. })), "{coding:?}: {cut:?}");
            let wrong = unpack(coding, b"{\"model\":\"m\"}", 50).await;
            assert!(matches!(wrong, Err(Refused::Broken { .. })), "{coding:?}: {wrong:?}");
            assert!(unpack(coding, b"", 1).await.is_err(), "{coding:?}");
        }
        // Several members, and several frames, are one body (RFC 1952, 2.2; RFC 8878, 3).
        let two = [gzip(b"ab"), gzip(b"cd")].concat();
        assert_eq!(unpack(Coding::Gzip, &two, 3).await.unwrap().as_ref(), b"abcd");
        let two = [zstd(b"ab"), zstd(b"cd")].concat();
        assert_eq!(unpack(Coding::Zstd, &two, 3).await.unwrap().as_ref(), b"abcd");
    }

    #[test]
    fn an_answer_comes_out_as_it_goes_in() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let mut unpacker = Unpacker::new(Coding::Gzip, LIMIT).unwrap();
        for event in ["data: one\n\n", "data: two\n\n"] {
            encoder.write_all(event.as_bytes()).unwrap();
            encoder.flush().unwrap();
            let packed = std::mem::take(encoder.get_mut());
            assert_eq!(unpacker.pass(&packed).unwrap(), event.as_bytes());
        }
        let end = encoder.finish().unwrap();
        assert_eq!(unpacker.pass(&end).unwrap(), "");
        assert_eq!(unpacker.finish().unwrap(), "");
    }

    #[actix_web::test]
    async fn a_bomb_is_refused_before_it_goes_off() {
        let plain = vec![b' '; 100 << 20];
        for (coding, packed) in
            [(Coding::Gzip, gzip(&plain)), (Coding::Deflate, zlib(&plain)), (Coding::Zstd, zstd(&plain))]
        {
            let mut unpacker = Unpacker::new(coding, LIMIT).unwrap();
            let pushed = unpacker.push(&packed).await;
            assert!(matches!(pushed, Err(Refused::TooLarge { limit: LIMIT, .. })), "{coding:?}");
            assert!(unpacker.sink().bytes.capacity() <= 2 * LIMIT);
        }
        // A frame that wants a window of 2 GiB.
        let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x00, 0x00];
        assert!(matches!(unpack(Coding::Zstd, &window, 8).await, Err(Refused::Broken { .. })));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(packed: Vec<u8>) {
            actix_rt::System::new().block_on(async {
                for coding in [Coding::Gzip, Coding::Deflate, Coding::Zstd, Coding::Brotli] {
                    drop(unpack(coding, &packed, 9).await);
                }
            });
        }
    }
}
