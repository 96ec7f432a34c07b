//! Access: who may come in. Keys, names of hosts, origins of pages, sessions of browsers; `enter` is the one way in.

pub(super) mod cors;
mod enter;
pub(super) mod entrance;
pub(super) mod hosts;
pub(super) mod keys;
mod origin;
pub(super) mod sessions;
pub(super) mod wrong_keys;

pub use enter::Access;
pub(crate) use enter::{AccessArea, Caller};
