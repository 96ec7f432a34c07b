//! How much memory a backend will take, before it has ever run: from the header of its model and the words of its
//! command line.
//!
//! `header` is what a file of weights says, `facts` what that means, `launch` what the command line wants, `estimate`
//! the sum. The formulas and where they come from stand in `docs/concepts/memory.md`.

mod cache;
mod estimate;
mod facts;
mod header;
mod launch;
mod llama;
mod script_command;
mod served;

pub use cache::CacheType;
pub use estimate::{Cards, Estimate, EstimateLine, MIB, MemoryLocation, MemoryPurpose, cards_of, shares};
pub use facts::{Facts, Layer, Unreadable};
pub use header::{Header, Tensor, Value};
pub use launch::{Engine, Launched};
pub use llama::{DraftModel, Llama, LoadedWeights, estimate as llama};
pub use script_command::{expand, script};
pub use served::{Served, estimate as served};
