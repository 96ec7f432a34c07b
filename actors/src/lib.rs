//! The actors of LLM-Manager.

pub mod process;
