//! What `init` finds.

use std::path::PathBuf;

/// A device with memory.
#[derive(Clone, Debug)]
pub(super) struct FoundDevice {
    pub(super) name: String,
    pub(super) total_mib: u64,
    pub(super) is_gpu: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    pub(super) devices: Vec<FoundDevice>,
    /// Graphics cards whose memory nothing here can read: the vendor's name.
    pub(super) other_cards: Vec<&'static str>,
    pub(super) llama_server: Option<PathBuf>,
    pub(super) vllm: Option<PathBuf>,
    pub(super) models: Vec<FoundModel>,
    /// What looks like a model and isn't offered, with the reason.
    pub(super) left_out: Vec<String>,
    /// The folders that were looked into.
    pub(super) folders: Vec<PathBuf>,
}

/// A model on this machine's disk.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FoundModel {
    pub(super) name: String,
    /// A GGUF file, or a folder with safetensors.
    pub(super) path: PathBuf,
    pub(super) format: WeightFormat,
    pub(super) bytes: u64,
    pub(super) mode: &'static str,
    /// The projector of a model that sees images.
    pub(super) projector: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WeightFormat {
    Gguf,
    Safetensors,
}

impl FoundModel {
    /// The size of the file and a tenth, in MiB: a first guess, without the context.
    pub(super) fn memory_mib(&self) -> u64 {
        (self.bytes / 10 * 11).div_ceil(1 << 20).max(1)
    }
}
