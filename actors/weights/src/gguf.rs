//! The header of a GGUF file, of all its parts.
//!
//! Our own reader, since those on crates.io (2026-11) don't fit: gguf-rs brings a command line, a logger and
//! `serde_json/arbitrary_precision`, which would change every number of this program; ggus wants the whole file mapped,
//! which needs `unsafe` and ends the process when a file on a network share shrinks. Files come from strangers: every
//! length is bounded, and nothing is allocated because a file says so.

use llm_manager_policy::memory::{Header, Tensor, Value};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A name or a text that is kept.
const LONGEST_TEXT: u64 = 1 << 16;
/// A list that is kept: one entry per layer, say. Vocabularies are longer.
const LONGEST_LIST: u64 = 4096;
const MOST_VALUES: u64 = 1 << 16;
const MOST_TENSORS: u64 = 1 << 18;
/// Words of a vocabulary.
const MOST_TEXTS: u64 = 1 << 24;
const MOST_PARTS: u64 = 1000;
/// Where a file doesn't say how its tensors are aligned.
const ALIGNMENT: u64 = 32;

/// What the file at `path` says, and its further parts if it is the first of several.
///
/// # Errors
/// It can't be read, or isn't what it says it is: the sentence names the file.
pub fn read(path: &Path) -> Result<Header, String> {
    let mut header = one(path)?;
    let parts = match header.values.get("split.count") {
        Some(Value::Number(parts)) if *parts > 1 => *parts,
        _ => return Ok(header),
    };
    if parts > MOST_PARTS {
        return Err(format!("{}: says that it is one of {parts} parts", path.display()));
    }
    for number in 2..=parts {
        let part = part(path, number, parts).ok_or_else(|| {
            format!(
                "{}: is one of {parts} parts, but isn't called `NAME-00001-of-{parts:05}.gguf`, so the others can't be found",
                path.display()
            )
        })?;
        header.tensors.extend(one(&part)?.tensors);
    }
    Ok(header)
}

/// Where the part with this number is, beside the first.
pub(crate) fn part(first: &Path, number: u64, parts: u64) -> Option<PathBuf> {
    let name = first.file_name()?.to_str()?;
    let stem = name.strip_suffix(&format!("-00001-of-{parts:05}.gguf"))?;
    Some(first.with_file_name(format!("{stem}-{number:05}-of-{parts:05}.gguf")))
}

fn one(path: &Path) -> Result<Header, String> {
    let told = |error: io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(told)?;
    let size = file.metadata().map_err(told)?.len();
    parse(BufReader::new(file), size).map_err(told)
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// What the file at `path` says of itself, without its tensors and its further parts: quick, for a look at many files.
///
/// # Errors
/// It can't be read, or isn't what it says it is: the sentence names the file.
pub fn values(path: &Path) -> Result<Header, String> {
    let told = |error: io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(told)?;
    let size = file.metadata().map_err(told)?.len();
    Bytes { source: BufReader::new(file), size, at: 0 }.head().map(|(header, _)| header).map_err(told)
}

/// A header from `source`, which has `size` bytes.
pub(crate) fn parse(source: impl Read + Seek, size: u64) -> io::Result<Header> {
    let mut bytes = Bytes { source, size, at: 0 };
    let (mut header, tensors) = bytes.head()?;
    let mut places = Vec::new();
    for _ in 0..tensors {
        let name = bytes.text()?;
        let dimensions = bytes.number(4)?;
        if dimensions > 8 {
            return Err(wrong(format!("says that tensor {name:?} has {dimensions} dimensions")));
        }
        bytes.skip(dimensions * 8 + 4)?;
        places.push((bytes.number(8)?, name));
    }
    let alignment = match header.values.get("general.alignment") {
        Some(Value::Number(alignment)) if alignment.is_power_of_two() => *alignment,
        _ => ALIGNMENT,
    };
    let data = size.saturating_sub(bytes.at.div_ceil(alignment).saturating_mul(alignment));
    header.tensors = sizes(places, data)?;
    Ok(header)
}

/// A tensor ends where the next begins, whatever its type: so the sum is never more than the file.
fn sizes(mut places: Vec<(u64, String)>, data: u64) -> io::Result<Vec<Tensor>> {
    places.sort();
    let mut ends = places.iter().skip(1).map(|(at, _)| *at).collect::<Vec<_>>();
    ends.push(data);
    let sized = places.into_iter().zip(ends).map(|((at, name), end)| {
        if at > data {
            return Err(wrong(format!("ends before tensor {name:?}: it isn't whole")));
        }
        Ok(Tensor { name, bytes: end.saturating_sub(at) })
    });
    sized.collect()
}

struct Bytes<R> {
    source: R,
    size: u64,
    at: u64,
}

impl<R: Read + Seek> Bytes<R> {
    /// The values, and how many tensors follow.
    fn head(&mut self) -> io::Result<(Header, u64)> {
        if self.array::<4>()? != *b"GGUF" {
            return Err(wrong("is no GGUF file"));
        }
        let version = self.number(4)?;
        if !(2..=3).contains(&version) {
            return Err(wrong(format!("is GGUF of version {version}, which isn't known here")));
        }
        let (tensors, values) = (self.number(8)?, self.number(8)?);
        if tensors > MOST_TENSORS || values > MOST_VALUES {
            return Err(wrong(format!("says that it has {tensors} tensors and {values} values")));
        }
        let mut header = Header::default();
        for _ in 0..values {
            let key = self.text()?;
            let kind = self.number(4)?;
            if let Some(value) = self.value(kind)? {
                header.values.insert(key, value);
            }
        }
        Ok((header, tensors))
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut array = [0; N];
        self.source.read_exact(&mut array).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => wrong("ends within its header: it isn't whole"),
            _ => error,
        })?;
        self.at += N as u64;
        Ok(array)
    }

    /// Little-endian.
    fn number(&mut self, size: u64) -> io::Result<u64> {
        Ok(match size {
            1 => u64::from(self.array::<1>()?[0]),
            2 => u64::from(u16::from_le_bytes(self.array()?)),
            4 => u64::from(u32::from_le_bytes(self.array()?)),
            _ => u64::from_le_bytes(self.array()?),
        })
    }

    fn skip(&mut self, count: u64) -> io::Result<()> {
        if count > self.size.saturating_sub(self.at) {
            return Err(wrong("ends within its header: it isn't whole"));
        }
        let count_signed = i64::try_from(count).map_err(|_| wrong("is too long"))?;
        self.at += count;
        // Within its buffer a `BufReader` would read it all again after a plain `seek`.
        if count < 1 << 12 {
            let mut rest = count;
            let mut scratch = [0; 256];
            while rest > 0 {
                let step = rest.min(scratch.len() as u64);
                let (taken, _) = scratch.split_at_mut(usize::try_from(step).unwrap_or(0));
                self.source.read_exact(taken)?;
                rest -= step;
            }
            return Ok(());
        }
        self.source.seek(SeekFrom::Current(count_signed)).map(|_| ())
    }

    fn text(&mut self) -> io::Result<String> {
        let length = self.number(8)?;
        if length > LONGEST_TEXT {
            return Err(wrong(format!("has a name of {length} bytes")));
        }
        let mut text = Vec::new();
        (&mut self.source).take(length).read_to_end(&mut text)?;
        if text.len() as u64 != length {
            return Err(wrong("ends within its header: it isn't whole"));
        }
        self.at += length;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// A value, if it is one that is kept.
    fn value(&mut self, kind: u64) -> io::Result<Option<Value>> {
        match kind {
            8 => {
                let length = self.number(8)?;
                if length > 1024 {
                    // A chat template.
                    self.skip(length)?;
                    return Ok(None);
                }
                let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
                self.source
                    .read_exact(&mut text)
                    .map_err(|_| wrong("ends within its header: it isn't whole"))?;
                self.at += length;
                Ok(Some(Value::Text(String::from_utf8_lossy(&text).into_owned())))
            }
            9 => self.list(),
            _ => self.scalar(kind).map(|number| number.map(Value::Number)),
        }
    }

    /// A whole number that isn't negative, or a flag.
    fn scalar(&mut self, kind: u64) -> io::Result<Option<u64>> {
        let size = size_of(kind)?;
        let number = self.number(size)?;
        let is_negative = matches!(kind, 1 | 3 | 5 | 11) && number >> (size * 8 - 1) == 1;
        let is_float = matches!(kind, 6 | 12);
        Ok((!is_float && !is_negative).then_some(number))
    }

    fn list(&mut self) -> io::Result<Option<Value>> {
        let (kind, count) = (self.number(4)?, self.number(8)?);
        match kind {
            8 if count > MOST_TEXTS => Err(wrong(format!("has a list of {count} texts"))),
            8 => {
                for _ in 0..count {
                    let length = self.number(8)?;
                    self.skip(length)?;
                }
                Ok(None)
            }
            9 => Err(wrong("has lists within lists, which nothing here reads")),
            _ if count > LONGEST_LIST => {
                let bytes =
                    size_of(kind)?.checked_mul(count).ok_or_else(|| wrong("has a list without end"))?;
                self.skip(bytes)?;
                Ok(None)
            }
            _ => {
                let mut numbers = Vec::new();
                for _ in 0..count {
                    numbers.push(self.scalar(kind)?.unwrap_or(0));
                }
                Ok(Some(Value::Numbers(numbers)))
            }
        }
    }
}

/// Bytes of a scalar.
fn size_of(kind: u64) -> io::Result<u64> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(wrong(format!("has a value of kind {kind}, which isn't known here"))),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }

    /// A file with an architecture, a list of words, a list of numbers, and two tensors of 64 and 32 bytes.
    pub(crate) fn file(parts: u64) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(2_u64.to_le_bytes());
        bytes.extend(5_u64.to_le_bytes());
        bytes.extend([text("general.architecture"), 8_u32.to_le_bytes().to_vec(), text("llama")].concat());
        bytes.extend([text("words"), 9_u32.to_le_bytes().to_vec(), 8_u32.to_le_bytes().to_vec()].concat());
        bytes.extend([&2_u64.to_le_bytes()[..], &text("a"), &text(&"b".repeat(5000))].concat());
        bytes.extend(
            [text("llama.heads"), 9_u32.to_le_bytes().to_vec(), 5_u32.to_le_bytes().to_vec()].concat(),
        );
        bytes.extend(2_u64.to_le_bytes());
        bytes.extend([4_i32.to_le_bytes(), (-1_i32).to_le_bytes()].concat());
        bytes.extend(
            [text("llama.scale"), 6_u32.to_le_bytes().to_vec(), 1.0_f32.to_le_bytes().to_vec()].concat(),
        );
        bytes.extend([text("split.count"), 4_u32.to_le_bytes().to_vec()].concat());
        bytes.extend((parts as u32).to_le_bytes());
        for (name, at) in [("blk.0.attn_q.weight", 64_u64), ("token_embd.weight", 0)] {
            bytes.extend([text(name), 1_u32.to_le_bytes().to_vec()].concat());
            bytes.extend([&16_u64.to_le_bytes()[..], &0_u32.to_le_bytes(), &at.to_le_bytes()].concat());
        }
        bytes.resize(bytes.len().div_ceil(32) * 32 + 96, 0);
        bytes
    }

    fn parsed(bytes: &[u8]) -> io::Result<Header> {
        parse(Cursor::new(bytes), bytes.len() as u64)
    }

    #[test]
    fn values_and_the_sizes_of_tensors_are_read() {
        let header = parsed(&file(1)).unwrap();
        assert_eq!(header.architecture(), Some("llama"));
        assert_eq!(header.values["llama.heads"], Value::Numbers(vec![4, 0]));
        assert!(!header.values.contains_key("words") && !header.values.contains_key("llama.scale"));
        let sizes: Vec<_> = header.tensors.iter().map(|one| (one.name.as_str(), one.bytes)).collect();
        assert_eq!(sizes, [("token_embd.weight", 64), ("blk.0.attn_q.weight", 32)]);
    }

    #[test]
    fn all_parts_of_a_file_are_read_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let first = folder.path().join("m-00001-of-00002.gguf");
        std::fs::write(&first, file(2)).unwrap();
        let error = read(&first).unwrap_err();
        assert!(error.contains("m-00002-of-00002.gguf"), "{error}");
        std::fs::write(folder.path().join("m-00002-of-00002.gguf"), file(2)).unwrap();
        assert_eq!(read(&first).unwrap().bytes(), 192);
        let other = folder.path().join("other.gguf");
        std::fs::write(&other, file(2)).unwrap();
        assert!(read(&other).unwrap_err().contains("is one of 2 parts, but isn't called"));
        std::fs::write(&other, file(4_000_000)).unwrap();
        assert!(read(&other).unwrap_err().contains("one of 4000000 parts"));
    }

    #[test]
    fn a_file_that_ends_early_or_lies_is_an_error() {
        let whole = file(1);
        for end in 0..whole.len() - 96 {
            assert!(parsed(&whole[..end]).is_err(), "{end}");
        }
        let huge = [&b"GGUF\x03\0\0\0"[..], &[0xff; 64]].concat();
        assert!(parsed(&huge).unwrap_err().to_string().contains("tensors"));
        let mut long = whole.clone();
        long[24..32].copy_from_slice(&(1_u64 << 60).to_le_bytes());
        assert!(parsed(&long).unwrap_err().to_string().contains("a name of"));
        assert!(parsed(b"PK\x03\x04").unwrap_err().to_string().contains("no GGUF file"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_weigh_more_than_the_file(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut bytes = file(1);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(header) = parsed(&bytes) {
                prop_assert!(header.bytes() <= bytes.len() as u64);
                let _ = llm_manager_policy::memory::Facts::of(&header);
            }
        }
    }
}
