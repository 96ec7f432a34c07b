//! One OpenAI-compatible address for many local model servers: the edges of the program.

pub mod http;
