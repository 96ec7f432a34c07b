//! The header of a model's file: which architecture it has, and how its answers are pooled.

use std::path::Path;

use llm_manager_policy::memory::{self, Value};

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
        Some(Self::of(&llm_manager_weights::values(path).ok()?))
    }

    fn of(header: &memory::Header) -> Self {
        let architecture = header.architecture().unwrap_or_default().to_owned();
        let pooling = match header.values.get(&format!("{architecture}.pooling_type")) {
            Some(Value::Number(pooling)) => Some(*pooling),
            _ => None,
        };
        Self { architecture, pooling }
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file with an architecture and, perhaps, a pooling type behind a list of words.
    pub(in super::super) fn gguf(architecture: &str, pooling: Option<u64>) -> Vec<u8> {
        let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(7_u64.to_le_bytes());
        bytes.extend((2 + u64::from(pooling.is_some())).to_le_bytes());
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
        let folder = tempfile::tempdir().unwrap();
        for (architecture, pooling, name, mode) in [
            ("qwen3", None, "Qwen3-8B", "Chat"),
            ("bert", None, "x", "Embedding"),
            ("bert", Some(4), "bge-m3", "Reranker"),
            ("qwen3", Some(3), "x", "Embedding"),
            ("llama", Some(0), "x", "Chat"),
            ("qwen3", None, "Qwen3-Embedding-0.6B", "Embedding"),
            ("qwen3", None, "Qwen3-Reranker-4B", "Reranker"),
        ] {
            let path = folder.path().join("model.gguf");
            std::fs::write(&path, gguf(architecture, pooling)).unwrap();
            let header = Header::read(&path).unwrap();
            assert_eq!(header, Header { architecture: architecture.to_owned(), pooling });
            assert_eq!(header.mode(name), mode, "{architecture} {name}");
        }
    }
}
