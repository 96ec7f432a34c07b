//! Files of weights: what their headers say of the memory that a backend will take, and reading them ahead.
//!
//! Everything here blocks on the disk: call it from a thread that may wait.

mod estimate;
mod files;
mod gguf;
mod page_cache;
mod safetensors;

pub use estimate::{Unknown, look, look_at};
pub use files::files;
pub use gguf::{read as gguf, values};
pub use page_cache::{free_ram, read_ahead};
