//! Where the answers of a mode of `modes:` have their counts.

use super::fields::{Field, JsonPlace, MAX_TEXT};
use std::fmt;

/// Where a custom answer has its counts: JSON pointers (RFC 6901), compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointers {
    pub(super) paths: Vec<(Vec<String>, Field)>,
}

/// Why a JSON pointer can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPointer {
    /// It is empty or doesn't begin with `/`.
    NoSlash,
    /// A `~` is not followed by `0` or `1`.
    Escape,
    /// It goes deeper than 12 levels.
    TooDeep,
    /// A key in it is longer than 40 bytes.
    TooLong,
}

impl fmt::Display for BadPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSlash => "a JSON pointer begins with `/`",
            Self::Escape => "`~` in a JSON pointer is written `~0`, `/` in a key `~1`",
            Self::TooDeep => "a JSON pointer may be 12 levels deep",
            Self::TooLong => "a key in a JSON pointer may be 40 bytes long",
        })
    }
}

impl std::error::Error for BadPointer {}

impl Pointers {
    /// Counts at `pointer`: see [`crate::usage`] for what they mean.
    pub fn input(self, pointer: &str) -> Result<Self, BadPointer> {
        self.with(pointer, Field::Input)
    }

    pub fn cached(self, pointer: &str) -> Result<Self, BadPointer> {
        self.with(pointer, Field::Cached)
    }

    pub fn output(self, pointer: &str) -> Result<Self, BadPointer> {
        self.with(pointer, Field::Output)
    }

    /// The text in an event of a stream, by which tokens are counted when no counts come.
    pub fn text(self, pointer: &str) -> Result<Self, BadPointer> {
        self.with(pointer, Field::Text)
    }

    fn with(mut self, pointer: &str, field: Field) -> Result<Self, BadPointer> {
        let rest = pointer.strip_prefix('/').ok_or(BadPointer::NoSlash)?;
        let path = rest.split('/').map(unescape).collect::<Result<Vec<_>, _>>()?;
        if path.len() > 12 {
            return Err(BadPointer::TooDeep);
        }
        if path.iter().any(|key| key.len() > MAX_TEXT) {
            return Err(BadPointer::TooLong);
        }
        self.paths.retain(|(_, other)| *other != field);
        self.paths.push((path, field));
        Ok(self)
    }

    /// The paths of `among` (one bit each) that go on with this key at this depth.
    pub(super) fn narrow(&self, among: u8, depth: usize, key: &[u8]) -> JsonPlace {
        let mut left = 0;
        for (nth, (path, field)) in self.paths.iter().enumerate() {
            let bit = 1 << nth;
            if among & bit != 0 && path.get(depth).is_some_and(|part| part.as_bytes() == key) {
                if path.len() == depth + 1 {
                    return if *field == Field::Text { JsonPlace::Text } else { JsonPlace::Count(*field) };
                }
                left |= bit;
            }
        }
        if left == 0 { JsonPlace::Other } else { JsonPlace::Pointers(left) }
    }
}

fn unescape(part: &str) -> Result<String, BadPointer> {
    let mut rest = part.chars();
    let mut key = String::with_capacity(part.len());
    while let Some(letter) = rest.next() {
        key.push(match letter {
            '~' => match rest.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err(BadPointer::Escape),
            },
            _ => letter,
        });
    }
    Ok(key)
}
