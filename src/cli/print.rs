//! What the command line prints. Much of it are the words of backends and clients: a terminal is shown their colours, and
//! whatever else it would obey as text. What goes into a file or another program is left as it is.

use crate::logging::is_obeyed;
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

/// What `print` fails with when nobody reads any more (`| head`): that is no failure.
pub(super) const READER_GONE: &str = "the reader of standard output has gone";

/// Prints a text and a line end.
pub(super) fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout();
    let text = if out.is_terminal() { shown(text) } else { text.into() };
    writeln!(out, "{text}").map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => READER_GONE.to_owned(),
        _ => format!("standard output: {error}"),
    })
}

/// The same text for standard error.
pub(super) fn aside(text: &str) -> Cow<'_, str> {
    if io::stderr().is_terminal() { shown(text) } else { text.into() }
}

/// A text that a terminal can only show, in its colours.
fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = colour(rest).unwrap_or(letter.len_utf8());
        let (piece, after) = rest.split_at(length);
        if length == letter.len_utf8() && is_obeyed(letter) {
            out.extend(letter.escape_debug());
        } else {
            out.push_str(piece);
        }
        rest = after;
    }
    out.into()
}

/// The length of the colour that this text begins with: `ESC [ 1 ; 31 m`.
fn colour(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\x1b[")?;
    let end = numbers.find(|letter: char| !letter.is_ascii_digit() && letter != ';')?;
    (numbers.as_bytes().get(end) == Some(&b'm')).then_some(end + 3)
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_terminal_shows_colours_and_obeys_nothing_else() {
        for (text, expected) in [
            ("plain\n\tand 中文", "plain\n\tand 中文"),
            ("\x1b[1;31mred\x1b[0m \x1b[mplain", "\x1b[1;31mred\x1b[0m \x1b[mplain"),
            ("\x1b[2Jcleared \x1b]0;title\x07", "\\u{1b}[2Jcleared \\u{1b}]0;title\\u{7}"),
            ("50%\r100%\x1b", "50%\\r100%\\u{1b}"),
            ("\x1b[1;31", "\\u{1b}[1;31"),
            ("turned\u{202e}round", "turned\\u{202e}round"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
}
