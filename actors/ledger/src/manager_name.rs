//! This manager's name, for another one that is refused because of it.

/// Who holds the ledger, in `meta`.
pub(super) const HOLDER: &str = "manager";

/// This manager, for people.
pub(super) fn own_name() -> String {
    let host = sysinfo::System::host_name().unwrap_or_else(|| "an unknown host".to_owned());
    let now = jiff::Timestamp::now();
    format!("pid {} on {host}, since {now:.0}", std::process::id())
}

/// Tells this process from all others, also from one of the same number on another machine.
#[cfg(feature = "postgres")]
pub(super) fn own_mark() -> &'static str {
    use std::hash::{BuildHasher, Hasher};
    static MARK: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    MARK.get_or_init(|| {
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        format!("{}-{:08x}", std::process::id(), random & 0xffff_ffff)
    })
}
