//! Mask: hides the secrets of the configuration in what backends print.

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use arc_swap::ArcSwap;
use std::borrow::Cow;
use std::sync::Arc;

/// What stands for a secret.
const STARS: &str = "***";
/// A shorter secret is part of too many words.
const SHORTEST: usize = 4;

/// Secrets, and how to find all of them in one pass. A reload brings more of them.
#[derive(Default)]
pub struct Mask(ArcSwap<Known>);

/// The secrets of one moment.
#[derive(Default)]
struct Known {
    secrets: Vec<String>,
    finder: Option<AhoCorasick>,
    stars: Vec<&'static str>,
    longest: usize,
}

impl Mask {
    /// Hides these from now on. An error says why it can't.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Result<Self, BuildError> {
        let mask = Self::default();
        mask.learn(secrets)?;
        Ok(mask)
    }

    /// Hides these, too. Those before are kept: a backend that was started with one may still print it.
    pub fn learn(&self, secrets: impl IntoIterator<Item = String>) -> Result<(), BuildError> {
        let known = self.0.load();
        let fresh = secrets.into_iter().filter(|secret| secret.len() >= SHORTEST);
        let mut secrets: Vec<String> = known.secrets.iter().cloned().chain(fresh).collect();
        secrets.sort();
        secrets.dedup();
        if secrets.len() == known.secrets.len() {
            return Ok(());
        }
        let longest = secrets.iter().map(String::len).max().unwrap_or_default();
        // One secret may begin with another: the whole of it is hidden.
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&secrets)?;
        let stars = vec![STARS; secrets.len()];
        self.0.store(Arc::new(Known { secrets, finder: Some(finder), stars, longest }));
        Ok(())
    }

    /// The same line without secrets.
    pub fn hide_in(&self, line: &mut String) {
        let known = self.0.load();
        if let Some(finder) = &known.finder
            && finder.is_match(line.as_str())
        {
            *line = finder.replace_all(line, &known.stars);
        }
    }

    /// The same bytes without secrets.
    pub fn hide<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let known = self.0.load();
        match &known.finder {
            Some(finder) if finder.is_match(bytes) => {
                Cow::Owned(finder.replace_all_bytes(bytes, &known.stars))
            }
            _ => Cow::Borrowed(bytes),
        }
    }

    /// Bytes at the end of a cut line that may be the beginning of a secret.
    pub fn overlap(&self) -> usize {
        self.0.load().longest.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let mask = Mask::new(["sk-1".to_owned(), "sk-1234".to_owned(), "no".to_owned()]).unwrap();
        let mut line = "key=sk-1234, other=sk-1, no and not".to_owned();
        mask.hide_in(&mut line);
        assert_eq!(line, "key=***, other=***, no and not");
        assert_eq!(mask.hide(b"\xffsk-12345").as_ref(), b"\xff***5");
        assert_eq!(mask.overlap(), 6);
        mask.learn(["sk-of-a-reload".to_owned()]).unwrap();
        assert_eq!(mask.hide(b"sk-1 sk-of-a-reload").as_ref(), b"*** ***");
        assert_eq!(Mask::new([]).unwrap().hide(b"sk-1").as_ref(), b"sk-1");
    }
}
