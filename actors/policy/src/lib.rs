//! The decisions of LLM-Manager, as pure functions.
//!
//! This crate depends on `std` alone: no clock, no process, no socket, no randomness. Whoever calls a
//! function passes in the time; whoever reads its answer carries it out.

mod json_skim;
pub mod modes;
pub mod spec;
pub mod sse;
