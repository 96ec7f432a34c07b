//! What is known where people come in.

use super::enter::Access;
use llm_manager_policy::proxies::Network;
use std::sync::Arc;

/// What `access` is given, and who signs in or opens the dashboard.
#[derive(Clone)]
pub struct Entrance {
    /// Who may come in.
    pub access: Arc<Access>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<[Network]>,
    /// What a proxy puts before all paths; empty: nothing.
    pub base_path: Arc<str>,
    /// True: clients come over TLS.
    pub tls: bool,
}
