//! The actors of LLM-Manager.
