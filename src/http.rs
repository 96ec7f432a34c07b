//! The wire: what comes from clients, what goes to backends, and back.

pub mod headers;
pub mod scan;
pub mod upstream;
