//! The first bytes of a GGUF file: which architecture it has, and how its answers are pooled.

use std::io::Read;
use std::path::Path;

/// The keys that are looked for come first; a vocabulary of megabytes follows.
const MOST_BYTES: u64 = 1 << 20;
/// How many keys are read at most.
const MOST_KEYS: u64 = 256;
/// `pooling_type` of a model that ranks.
const RANK: u64 = 4;

/// What a header says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) architecture: String,
    /// Whether the model turns text into one vector or one rank.
    pub(super) pooling: Option<u64>,
}

impl Header {
    /// The header of the file at `path`, if it is GGUF.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let mut bytes = Vec::new();
        std::fs::File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        (bytes.take(4)? == b"GGUF").then_some(())?;
        bytes.number(4)?;
        bytes.number(8)?;
        let keys = bytes.number(8)?;
        let mut header = Self::default();
        for _ in 0..keys.min(MOST_KEYS) {
            // A header that ends early, or in a vocabulary, has told what it has to tell.
            if bytes.entry(&mut header).is_none() {
                break;
            }
        }
        Some(header)
    }

    /// The mode of a model with this header and this name.
    pub(super) fn mode(&self, name: &str) -> &'static str {
        let name = name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if self.pooling == Some(RANK) || has(&["rerank"]) {
            "Reranker"
        } else if self.pooling.is_some_and(|pooling| pooling > 0)
            || self.architecture.contains("bert")
            || has(&["embed", "bge-", "e5-", "gte-", "minilm"])
        {
            "Embedding"
        } else {
            "Chat"
        }
    }
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// Little-endian.
    fn number(&mut self, size: u64) -> Option<u64> {
        Some(self.take(size)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number(8)?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    fn entry(&mut self, header: &mut Header) -> Option<()> {
        let key = self.text()?;
        let kind = self.number(4)?;
        match kind {
            8 => {
                let value = self.text()?;
                if key == "general.architecture" {
                    value.clone_into(&mut header.architecture);
                }
            }
            9 => {
                let (kind, count) = (self.number(4)?, self.number(8)?);
                if kind == 8 {
                    for _ in 0..count {
                        self.text()?;
                    }
                } else {
                    self.take(size_of(kind)?.checked_mul(count)?)?;
                }
            }
            _ => {
                let value = self.number(size_of(kind)?)?;
                if key.ends_with(".pooling_type") {
                    header.pooling = Some(value);
                }
            }
        }
        Some(())
    }
}

/// The bytes of a scalar.
fn size_of(kind: u64) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file with an architecture and, perhaps, a pooling type behind a list of words.
    pub(in super::super) fn gguf(architecture: &str, pooling: Option<u64>) -> Vec<u8> {
        let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(7_u64.to_le_bytes());
        bytes.extend(3_u64.to_le_bytes());
        bytes.extend(
            [text("general.architecture"), 8_u32.to_le_bytes().to_vec(), text(architecture)].concat(),
        );
        bytes.extend(
            [text("general.tags"), 9_u32.to_le_bytes().to_vec(), 8_u32.to_le_bytes().to_vec()].concat(),
        );
        bytes.extend([&2_u64.to_le_bytes()[..], &text("a"), &text("bc")].concat());
        if let Some(pooling) = pooling {
            bytes.extend(text(&format!("{architecture}.pooling_type")));
            bytes.extend([4_u32.to_le_bytes(), (pooling as u32).to_le_bytes()].concat());
        }
        bytes
    }

    #[test]
    fn the_header_says_what_a_model_is_for() {
        for (architecture, pooling, name, mode) in [
            ("qwen3", None, "Qwen3-8B", "Chat"),
            ("bert", None, "x", "Embedding"),
            ("bert", Some(4), "bge-m3", "Reranker"),
            ("qwen3", Some(3), "x", "Embedding"),
            ("llama", Some(0), "x", "Chat"),
            ("qwen3", None, "Qwen3-Embedding-0.6B", "Embedding"),
            ("qwen3", None, "Qwen3-Reranker-4B", "Reranker"),
        ] {
            let header = Header::parse(&gguf(architecture, pooling)).unwrap();
            assert_eq!(header, Header { architecture: architecture.to_owned(), pooling });
            assert_eq!(header.mode(name), mode, "{architecture} {name}");
        }
    }

    #[test]
    fn half_a_file_and_no_gguf_are_no_reason_to_stop() {
        let whole = gguf("bert", Some(4));
        for end in 0..whole.len() {
            let _ = Header::parse(&whole[..end]);
        }
        assert_eq!(Header::parse(b"PK\x03\x04"), None);
        let mut huge = b"GGUF\x03\0\0\0".to_vec();
        huge.extend([0xff; 64]);
        assert_eq!(Header::parse(&huge), Some(Header::default()));
    }
}
