//! How long texts of the ledger may be.

/// Longest request id or label that is kept, in bytes.
pub(super) const LONGEST_LABEL: usize = 200;

/// Cuts a text at a character's border.
pub(super) fn cut(text: &mut String, longest: usize) {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    // PostgreSQL's text has no room for it.
    if text.contains('\0') {
        *text = text.replace('\0', "\u{fffd}");
    }
}
