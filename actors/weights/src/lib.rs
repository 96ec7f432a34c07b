//! Files of weights: what their headers say of the memory that a backend will take, and reading them ahead.
//!
//! Everything here blocks on the disk: call it from a thread that may wait.

mod ahead;
mod files;
mod gguf;
mod look;
mod safetensors;

pub use ahead::{free_ram, read_ahead};
pub use files::files;
pub use gguf::{read as gguf, values};
pub use look::{Unknown, look, look_at};
