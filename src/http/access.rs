//! Access: who may come in. Keys, names of hosts, origins of pages, sessions of browsers.

pub(super) mod cors;
pub(super) mod hosts;
pub(super) mod keys;
pub(super) mod sessions;
