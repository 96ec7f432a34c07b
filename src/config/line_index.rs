//! Where in the text a key is: `serde_yaml` gives values without lines, so a second parser reads lines without
//! values.

use std::collections::HashMap;
use std::fmt;

use saphyr_parser::{Event, Parser};

use super::yaml_document::YamlDocument;

/// Keys from the top of the file down to a value; an item of a list is `[0]`, `[1]`, ...
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct KeyPath(Vec<String>);

/// The line of every key and list item.
#[derive(Debug, Default)]
pub(super) struct LineIndex {
    first: HashMap<KeyPath, usize>,
    /// Keys that stand in the same mapping a second time: path, line there, line of the first.
    pub(super) duplicates: Vec<(KeyPath, usize, usize)>,
    /// Where a second document begins.
    pub(super) second_document: Option<usize>,
    /// What stands there, word for word.
    pub(super) source: YamlDocument,
}

/// A list or mapping that the parser is inside of.
enum Open {
    Items { next: usize },
    Entries { awaits_value: bool },
}

impl KeyPath {
    pub(super) fn key(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.0.push(key.to_owned());
        path
    }

    pub(super) fn item(&self, index: usize) -> Self {
        self.key(&format!("[{index}]"))
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            if index > 0 && !segment.starts_with('[') {
                f.write_str(".")?;
            }
            // A key is any text: a line break or an escape sequence in it must not reach the terminal.
            write!(f, "{}", segment.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\""))?;
        }
        Ok(())
    }
}

impl LineIndex {
    /// Indexes `text`, as far as it is YAML.
    pub(super) fn of(text: &str) -> Self {
        let mut lines = Self::default();
        let mut path = KeyPath::default();
        let mut open: Vec<Open> = Vec::new();
        let mut is_second = false;
        let mut parser = Parser::new_from_str(text);
        while let Some(Ok((event, span))) = parser.next_event() {
            let line = span.start.line();
            if !matches!(event, Event::DocumentStart(_) if is_second) {
                lines.source.event(&event);
            }
            match event {
                Event::Scalar(text, ..) => lines.node(&mut path, &mut open, line, Some(&text)),
                // An alias stands for a value that is somewhere else: it has one line of its own.
                Event::Alias(_) => lines.node(&mut path, &mut open, line, None),
                Event::SequenceStart(..) => {
                    lines.begin(&mut path, &mut open, line, Open::Items { next: 0 });
                }
                Event::MappingStart(..) => {
                    lines.begin(&mut path, &mut open, line, Open::Entries { awaits_value: false });
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                    close_value(&mut path, &mut open);
                }
                Event::DocumentStart(_) if is_second => {
                    lines.second_document = Some(line);
                    break;
                }
                Event::DocumentStart(_) => is_second = true,
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        lines
    }

    /// The line of `path`, or of the nearest thing around it that has one.
    pub(super) fn line(&self, path: &KeyPath) -> Option<usize> {
        let mut path = path.clone();
        loop {
            if let Some(line) = self.first.get(&path) {
                return Some(*line);
            }
            path.0.pop()?;
        }
    }

    /// A scalar or an alias: a key, a value or an item.
    fn node(&mut self, path: &mut KeyPath, open: &mut [Open], line: usize, text: Option<&str>) {
        if let Some(Open::Entries { awaits_value: awaits_value @ false }) = open.last_mut() {
            *awaits_value = true;
            path.0.push(text.unwrap_or("*").to_owned());
            self.note(path, line);
        } else {
            self.note_item(path, open, line);
            close_value(path, open);
        }
    }

    /// A list or mapping begins; as a key of a mapping it has no name that a path could use.
    fn begin(&mut self, path: &mut KeyPath, open: &mut Vec<Open>, line: usize, what: Open) {
        if matches!(open.last(), Some(Open::Entries { awaits_value: false })) {
            path.0.push("?".to_owned());
        } else {
            self.note_item(path, open, line);
        }
        open.push(what);
    }

    fn note_item(&mut self, path: &mut KeyPath, open: &mut [Open], line: usize) {
        if let Some(Open::Items { next }) = open.last_mut() {
            path.0.push(format!("[{next}]"));
            *next += 1;
            self.first.entry(path.clone()).or_insert(line);
        }
    }

    fn note(&mut self, path: &KeyPath, line: usize) {
        match self.first.get(path) {
            // The second of two mappings repeats the keys of the first: only it is told.
            Some(_)
                if self
                    .duplicates
                    .iter()
                    .any(|(outer, ..)| path.0.starts_with(&outer.0) && path != outer) => {}
            Some(first) => self.duplicates.push((path.clone(), line, *first)),
            None => {
                self.first.insert(path.clone(), line);
            }
        }
    }
}

/// After a value or item has ended, its key or index leaves the path; after a complex key, it stays for the value.
fn close_value(path: &mut KeyPath, open: &mut [Open]) {
    match open.last_mut() {
        Some(Open::Items { .. }) => {
            path.0.pop();
        }
        Some(Open::Entries { awaits_value }) => {
            *awaits_value = !*awaits_value;
            if !*awaits_value {
                path.0.pop();
            }
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, keys: &[&str]) -> Option<usize> {
        let path = keys.iter().fold(KeyPath::default(), |path, key| path.key(key));
        LineIndex::of(text).line(&path)
    }

    #[test]
    fn keys_and_items_have_their_lines() {
        let text = "a:\n  b: 1\n  c:\n    - x\n    - {d: 2,\n       e: 3}\nf: [1,\n  2]\n";
        for (keys, expected) in [
            (&["a"][..], 1),
            (&["a", "b"], 2),
            (&["a", "c"], 3),
            (&["a", "c", "[0]"], 4),
            (&["a", "c", "[1]"], 5),
            (&["a", "c", "[1]", "e"], 6),
            (&["f", "[1]"], 8),
            (&["a", "no such key"], 1),
        ] {
            assert_eq!(line(text, keys), Some(expected), "{keys:?}");
        }
        assert_eq!(line(text, &["z"]), None);
    }

    #[test]
    fn a_key_that_is_a_list_does_not_shift_the_others() {
        let text = "? [1, {x: 2}]\n: {y: 3}\nb:\n  c: 1\n";
        assert_eq!(line(text, &["b"]), Some(3));
        assert_eq!(line(text, &["b", "c"]), Some(4));
        assert_eq!(line(text, &["y"]), None);
    }

    #[test]
    fn the_same_key_in_two_mappings_is_no_duplicate() {
        let lines = LineIndex::of("a: {x: 1}\nb: {x: 1}\nc: [{x: 1}, {x: 1}]\n");
        assert!(lines.duplicates.is_empty(), "{:?}", lines.duplicates);
        let lines = LineIndex::of("a:\n  x: 1\n  y: &k 2\n  x: *k\n");
        assert_eq!(lines.duplicates, [(KeyPath::default().key("a").key("x"), 4, 2)]);
    }
}
