//! Paths as people write them.

use super::OsFamily;

/// A path that the system has resolved, as people write it: Windows answers `\\?\D:\x`, which neither `cmd` nor a reader
/// of a configuration wants to see.
#[must_use]
pub fn plain_path(system: OsFamily, path: &str) -> String {
    let Some(rest) = path.strip_prefix(r"\\?\").filter(|_| system == OsFamily::Windows) else {
        return path.to_owned();
    };
    let mut letters = rest.chars();
    let is_drive =
        letters.next().is_some_and(|drive| drive.is_ascii_alphabetic()) && letters.next() == Some(':');
    match rest.strip_prefix(r"UNC\") {
        Some(share) => format!(r"\\{share}"),
        None if is_drive => rest.to_owned(),
        // A volume without a letter has no other name.
        None => path.to_owned(),
    }
}
