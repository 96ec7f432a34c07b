//! The edges of LLM-Manager: what knows YAML, JSON, HTTP and the command line.

pub mod config;
