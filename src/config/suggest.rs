//! "Did you mean": the known word nearest to a mistyped one.

/// The one of `known` that `typed` most likely was meant to be.
pub(crate) fn nearest<'k>(typed: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = plain(typed);
    // One slip per three letters: more would propose words that have nothing to do with it.
    let slips = (plain.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&plain, &self::plain(word)), word))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The hint that names the nearest of `known`, or else `otherwise`.
pub(super) fn hint<'k>(
    typed: &str,
    known: impl IntoIterator<Item = &'k str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    nearest(typed, known).map_or_else(otherwise, |word| format!("did you mean `{word}`?"))
}

/// Case and the kind of dash are no slips.
fn plain(word: &str) -> String {
    // The distance takes time in the square of the length, and no key is this long.
    word.chars().take(64).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["alive_time", "aliases", "auto_start"];
        assert_eq!(nearest("alive_tme", known), Some("alive_time"));
        assert_eq!(nearest("Alive-Time", known), Some("alive_time"));
        assert_eq!(nearest("alias", known), None);
        assert_eq!(nearest("aliase", known), Some("aliases"));
        assert_eq!(nearest("temperature", known), None);
        assert_eq!(nearest("", known), None);
    }
}
