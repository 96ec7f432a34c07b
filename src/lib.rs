//! LLM-Manager: one OpenAI-compatible address in front of many local model servers.
//!
//! This crate holds the edges: `cli` and `config` translate what people write, `http` what clients send,
//! `app` puts everything together and takes it down again. What runs is in `llm_manager_actors`, what decides
//! in `llm_manager_policy`.

pub mod app;
pub mod cli;
pub mod config;
mod csv_export;
pub mod http;
mod key_store;
mod limits;
mod logging;
#[cfg(test)]
mod reference;
mod reload;
mod service;
mod sse;
mod tls;
mod traces;
#[cfg(any(feature = "tray", test))]
mod tray;
