//! Access: who may come in. Keys, names of hosts, sessions of browsers.

pub(super) mod hosts;
pub(super) mod keys;
pub(super) mod sessions;
