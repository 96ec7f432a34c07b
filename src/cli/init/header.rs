//! The header of a model's file: which architecture it has, how its answers are pooled, and whether it is a model at all.

use std::path::Path;

use llm_manager_policy::memory::{self, Value};

/// `pooling_type` of a model that ranks.
const RANK: u64 = 4;
/// Architectures of GGUF files that draw: llama-server doesn't know them (b10434).
const DRAWS: [&str; 12] = [
    "aura",
    "cosmos",
    "flux",
    "hidream",
    "hyvid",
    "ltxv",
    "lumina2",
    "qwen_image",
    "sd1",
    "sd3",
    "sdxl",
    "wan",
];

/// What a file can be used for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It is a model with this mode.
    Model(&'static str),
    /// It lets a model see or hear.
    Projector,
    /// Nobody would look for a model in it: figures of a quantisation, a vocabulary.
    Nothing,
    /// Something that somebody may miss, and why it is left out.
    LeftOut(&'static str),
}

/// What a header says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ModelHeader {
    pub(super) architecture: String,
    /// `general.type`; files of before 2024 have none.
    pub(super) kind: Option<String>,
    /// Whether the model turns text into one vector or one rank.
    pub(super) pooling: Option<u64>,
}

impl ModelHeader {
    /// The header of the GGUF file at `path`, or what is wrong with it.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        Ok(Self::of(&llm_manager_weights::values(path)?))
    }

    fn of(header: &memory::Header) -> Self {
        let architecture = header.architecture().unwrap_or_default().to_owned();
        let pooling = match header.values.get(&format!("{architecture}.pooling_type")) {
            Some(Value::Number(pooling)) => Some(*pooling),
            _ => None,
        };
        let kind = match header.values.get("general.type") {
            Some(Value::Text(kind)) => Some(kind.clone()),
            _ => None,
        };
        Self { architecture, kind, pooling }
    }

    /// What a GGUF file with this header and this name is for.
    pub(super) fn usage(&self, name: &str) -> Use {
        match self.kind.as_deref() {
            Some("adapter") => return Use::LeftOut("it is an adapter: give it to its model with `--lora`"),
            Some("imatrix" | "vocab") => return Use::Nothing,
            Some("mmproj") => return Use::Projector,
            _ => {}
        }
        match self.architecture.as_str() {
            "" => Use::LeftOut("its header names no architecture"),
            "clip" => Use::Projector,
            "imatrix" => Use::Nothing,
            draws if DRAWS.contains(&draws) => Use::LeftOut("it makes images, and llama-server doesn't"),
            _ => Use::Model(self.mode(name)),
        }
    }

    /// The mode of a model with this header and this name.
    pub(super) fn mode(&self, name: &str) -> &'static str {
        let name = name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if self.pooling == Some(RANK) || has(&["rerank"]) {
            "Reranker"
        } else if self.pooling.is_some_and(|pooling| pooling > 0)
            || self.architecture.contains("bert")
            || self.architecture == "t5encoder"
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
            ("t5encoder", None, "t5xxl", "Embedding"),
        ] {
            let path = folder.path().join("model.gguf");
            std::fs::write(&path, gguf(architecture, pooling)).unwrap();
            let header = ModelHeader::read(&path).unwrap();
            assert_eq!(header, ModelHeader { architecture: architecture.to_owned(), kind: None, pooling });
            assert_eq!(header.mode(name), mode, "{architecture} {name}");
        }
    }

    #[test]
    fn not_every_file_is_a_model() {
        let usage = |architecture: &str, kind: Option<&str>| {
            ModelHeader {
                architecture: architecture.to_owned(),
                kind: kind.map(str::to_owned),
                pooling: None,
            }
            .usage("x")
        };
        assert_eq!(usage("llama", Some("model")), Use::Model("Chat"));
        assert_eq!(usage("llama", Some("something new")), Use::Model("Chat"));
        assert_eq!((usage("clip", None), usage("x", Some("mmproj"))), (Use::Projector, Use::Projector));
        assert_eq!((usage("imatrix", None), usage("", Some("imatrix"))), (Use::Nothing, Use::Nothing));
        for (architecture, kind) in [("llama", Some("adapter")), ("flux", None), ("", None)] {
            assert!(matches!(usage(architecture, kind), Use::LeftOut(_)), "{architecture} {kind:?}");
        }
    }
}
