//! Walks through a JSON document byte by byte, cut anywhere, and hands over the numbers and texts at the
//! places of [`super::paths`]. Keeps no more than the way down to them; never allocates, never recurses.

use super::paths::{Dialect, Field, Node};
use super::report::Draft;

/// A longer key is none of ours, a longer number none either. Keys with escapes are none of ours too: no
/// engine writes its field names so.
pub(super) const MAX_TEXT: usize = 40;

/// Levels of objects and arrays on the way to a field. What is skipped may be of any depth.
const MAX_DEPTH: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Walker {
    state: State,
    frames: [Frame; MAX_DEPTH],
    depth: usize,
    /// Brackets that are open within the value being skipped.
    skipped: u64,
    /// The place of the value that comes next or is being read.
    node: Node,
    /// The key or the number being read.
    text: Text,
}

#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    node: Node,
    object: bool,
    /// Of the item being read, in an array.
    index: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// After `{`: a key or `}`.
    FirstKey,
    /// After `,` in an object.
    NextKey,
    Key,
    KeyEscape,
    Colon,
    Value,
    /// After `[`: a value or `]`.
    FirstItem,
    /// At the first byte of a text that matters.
    TextStart,
    String,
    Escape,
    Scalar,
    AfterValue,
    /// In an object or array in which nothing matters.
    Skip,
    End,
    Failed,
}

#[derive(Debug)]
struct Text {
    bytes: [u8; MAX_TEXT],
    /// Beyond `MAX_TEXT`: it was too long, or had an escape.
    len: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self { bytes: [0; MAX_TEXT], len: 0 }
    }
}

impl Text {
    fn add(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        } else {
            self.spoil();
        }
    }

    fn spoil(&mut self) {
        self.len = MAX_TEXT + 1;
    }

    fn get(&self) -> Option<&[u8]> {
        self.bytes.get(..self.len)
    }
}

impl Walker {
    pub(super) fn ended(&self) -> bool {
        self.state == State::End
    }

    pub(super) fn failed(&self) -> bool {
        self.state == State::Failed
    }

    /// Ready for the next document.
    pub(super) fn reset(&mut self) {
        self.state = State::Start;
        self.depth = 0;
        self.skipped = 0;
    }

    /// `offset` is where `bytes` begin in the caller's chunk.
    pub(super) fn feed(&mut self, bytes: &[u8], offset: usize, dialect: &Dialect, draft: &mut Draft) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let rest = bytes.get(at..).unwrap_or_default();
            match self.state {
                State::Failed => return,
                State::String => {
                    let plain = find(rest, |byte| (byte == b'"') | (byte == b'\\'));
                    at += plain;
                    match bytes.get(at) {
                        None => return,
                        Some(b'"') => {
                            if self.node == Node::Text {
                                draft.text_ends(offset + at);
                            }
                            self.state = if self.skipped > 0 { State::Skip } else { State::AfterValue };
                        }
                        Some(_) => self.state = State::Escape,
                    }
                }
                State::Skip => {
                    at += find(rest, |byte| (byte == b'"') | is_bracket(byte));
                    match bytes.get(at) {
                        None => return,
                        Some(b'"') => self.state = State::String,
                        Some(b'{' | b'[') => self.skipped += 1,
                        Some(_) => {
                            self.skipped -= 1;
                            if self.skipped == 0 {
                                self.state = State::AfterValue;
                            }
                        }
                    }
                }
                State::Key => {
                    let plain = rest.iter().position(|&byte| byte == b'"' || byte == b'\\');
                    let end = plain.unwrap_or(rest.len());
                    self.text.add(rest.get(..end).unwrap_or_default());
                    at += end;
                    match bytes.get(at) {
                        None => return,
                        Some(b'"') => self.end_key(dialect),
                        Some(_) => {
                            self.text.spoil();
                            self.state = State::KeyEscape;
                        }
                    }
                }
                State::KeyEscape => self.state = State::Key,
                State::Escape => self.state = State::String,
                State::TextStart => {
                    if byte != b'"' {
                        draft.text_begins(offset + at);
                    }
                    self.state = State::String;
                    continue;
                }
                State::Scalar => {
                    let end = rest.iter().position(|&byte| !is_scalar(byte)).unwrap_or(rest.len());
                    if matches!(self.node, Node::Count(_)) {
                        self.text.add(rest.get(..end).unwrap_or_default());
                    }
                    at += end;
                    if at < bytes.len() {
                        self.end_scalar(draft);
                    }
                    continue;
                }
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {}
                State::Start if matches!(byte, b'{' | b'[') => {
                    self.node = dialect.root();
                    self.open(byte == b'{', dialect, draft);
                }
                State::FirstKey if byte == b'}' => self.close(draft),
                State::FirstKey | State::NextKey if byte == b'"' => {
                    self.text.len = 0;
                    self.state = State::Key;
                }
                State::Colon if byte == b':' => self.state = State::Value,
                State::FirstItem if byte == b']' => self.close(draft),
                State::Value | State::FirstItem => self.begin_value(byte, dialect, draft),
                State::AfterValue => self.after_value(byte, dialect, draft),
                State::Start | State::FirstKey | State::NextKey | State::Colon | State::End => {
                    self.state = State::Failed;
                }
            }
            at += 1;
        }
    }

    fn top(&self) -> Frame {
        self.depth.checked_sub(1).and_then(|top| self.frames.get(top)).copied().unwrap_or_default()
    }

    fn end_key(&mut self, dialect: &Dialect) {
        self.node = match self.text.get() {
            Some(key) => dialect.child(self.top().node, self.depth - 1, key),
            None => Node::Other,
        };
        self.state = State::Colon;
    }

    fn begin_item(&mut self, index: u32, dialect: &Dialect) {
        let node = self.top().node;
        self.node = match node {
            Node::Pointers(_) => dialect.child(node, self.depth - 1, index.to_string().as_bytes()),
            _ => dialect.child(node, self.depth - 1, b""),
        };
    }

    fn begin_value(&mut self, byte: u8, dialect: &Dialect, draft: &mut Draft) {
        match byte {
            b'{' | b'[' => self.open(byte == b'{', dialect, draft),
            b'"' => self.state = if self.node == Node::Text { State::TextStart } else { State::String },
            b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.text.len = 0;
                if matches!(self.node, Node::Count(_)) {
                    self.text.add(&[byte]);
                }
                self.state = State::Scalar;
            }
            _ => self.state = State::Failed,
        }
    }

    fn end_scalar(&mut self, draft: &mut Draft) {
        if let (Node::Count(field), Some(text)) = (self.node, self.text.get()) {
            draft.number(field, count(field, text), matches!(self.top().node, Node::Pointers(_)));
        }
        self.state = State::AfterValue;
    }

    fn after_value(&mut self, byte: u8, dialect: &Dialect, draft: &mut Draft) {
        let object = self.top().object;
        match byte {
            b',' if object => self.state = State::NextKey,
            b',' => {
                let top = self.depth - 1;
                if let Some(frame) = self.frames.get_mut(top) {
                    frame.index = frame.index.saturating_add(1);
                    let index = frame.index;
                    self.begin_item(index, dialect);
                }
                self.state = State::Value;
            }
            b'}' if object => self.close(draft),
            b']' if !object => self.close(draft),
            _ => self.state = State::Failed,
        }
    }

    fn open(&mut self, object: bool, dialect: &Dialect, draft: &mut Draft) {
        let node = self.node;
        let wanted = match node {
            Node::Choices | Node::ToolCalls => !object,
            Node::Pointers(_) => true,
            _ => object && node.is_container(),
        };
        match self.frames.get_mut(self.depth) {
            Some(frame) if wanted => *frame = Frame { node, object, index: 0 },
            _ if self.depth == 0 => {
                // A document that is a list as a whole has no counts.
                self.state = State::Failed;
                return;
            }
            _ => {
                self.skipped = 1;
                self.state = State::Skip;
                return;
            }
        }
        self.depth += 1;
        if node.is_report() {
            draft.begins(node);
        }
        if object {
            self.state = State::FirstKey;
        } else {
            self.state = State::FirstItem;
            self.begin_item(0, dialect);
        }
    }

    fn close(&mut self, draft: &mut Draft) {
        let node = self.top().node;
        if node.is_report() {
            draft.ends(node);
        }
        self.depth -= 1;
        self.state = if self.depth == 0 { State::End } else { State::AfterValue };
    }
}

fn is_bracket(byte: u8) -> bool {
    // `{` and `[` differ in one bit, `}` and `]` in the same.
    let folded = byte | 0x20;
    (folded == b'{') | (folded == b'}')
}

fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Where the first such byte is, or the length.
pub(super) fn find(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> usize {
    const BLOCK: usize = 32;
    const SHORT: usize = 16;
    // Most strings are short.
    if let Some(at) = bytes.iter().take(SHORT).position(|&byte| wanted(byte)) {
        return at;
    }
    let mut from = bytes.len().min(SHORT);
    let (blocks, _) = bytes.get(from..).unwrap_or_default().as_chunks::<BLOCK>();
    for block in blocks {
        // Without a branch for each byte the compiler compares the whole block at once.
        if block.iter().fold(false, |found, &byte| found | wanted(byte)) {
            break;
        }
        from += BLOCK;
    }
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().position(|&byte| wanted(byte)).unwrap_or(rest.len())
}

/// A count of tokens, or a time in microseconds.
fn count(field: Field, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    if matches!(field, Field::PromptMs | Field::PredictedMs) {
        let microseconds = text.parse::<f64>().ok()? * 1000.0;
        // Beyond 2^53 a float is no exact number any more.
        return (microseconds < 9e15).then(|| microseconds.round() as u64);
    }
    // Cohere writes its counts as floats.
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0') => {
            whole
        }
        Some(_) => return None,
        None => text,
    };
    if !whole.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    whole.parse().ok().filter(|&count| i64::try_from(count).is_ok())
}
