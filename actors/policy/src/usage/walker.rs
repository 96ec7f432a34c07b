//! Walks through a JSON document byte by byte, cut anywhere, and tells a [`DocumentUsage`] of the numbers, texts and marks at the
//! places of [`super::paths`]. Keeps no more than the way down to them; never recurses, and allocates for errors only.

use super::document_usage::DocumentUsage;
use super::fields::{EventKind, JsonPlace, MAX_TEXT, count};
use super::paths::Dialect;
use crate::byte_search;

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
    node: JsonPlace,
    /// The key or the number being read.
    text: Text,
    /// Where the newest key of the root began, and the comma before it.
    key_at: u64,
    comma_at: u64,
    /// Where the number being read began.
    number_at: u64,
    /// The text being read is a thought.
    thinks: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    node: JsonPlace,
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
    /// So far the same as in `[DONE]`.
    Done(u8),
    Failed,
    /// It began with something that begins no document.
    Foreign,
}

/// The last event of OpenAI's streams.
const DONE: &[u8] = b"[DONE]";

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
    /// A whole object has been read.
    pub(super) fn ended(&self) -> bool {
        self.state == State::End
    }

    /// There is more than white space.
    pub(super) fn has_begun(&self) -> bool {
        self.state != State::Start
    }

    pub(super) fn failed(&self) -> bool {
        matches!(self.state, State::Failed | State::Foreign)
    }

    /// It is no JSON from its first byte on.
    pub(super) fn is_foreign(&self) -> bool {
        self.state == State::Foreign
    }

    /// It is an object so far.
    pub(super) fn is_object(&self) -> bool {
        !matches!(self.state, State::Failed | State::Foreign | State::Done(_))
    }

    /// It was `[DONE]`.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done(DONE.len() as u8)
    }

    /// Ready for the next document.
    pub(super) fn reset(&mut self) {
        self.state = State::Start;
        self.depth = 0;
        self.skipped = 0;
    }

    /// `base` is where `bytes` begin in the whole answer.
    pub(super) fn feed(&mut self, bytes: &[u8], base: u64, dialect: &Dialect, draft: &mut DocumentUsage) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let rest = bytes.get(at..).unwrap_or_default();
            let here = base + at as u64;
            match self.state {
                State::Failed | State::Foreign => return,
                State::String => {
                    let plain = byte_search::quote(rest);
                    self.read_string(rest.get(..plain).unwrap_or_default(), draft);
                    at += plain;
                    match bytes.get(at) {
                        None => return,
                        Some(b'"') => self.end_string(here + plain as u64, dialect, draft),
                        Some(_) => self.state = State::Escape,
                    }
                }
                State::Skip => {
                    at += byte_search::bracket(rest);
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
                    let end = byte_search::quote(rest);
                    let plain = rest.get(..end).unwrap_or_default();
                    at += end;
                    match bytes.get(at) {
                        // Most keys come whole, and their colon with them.
                        Some(b'"') if self.text.len == 0 && end <= MAX_TEXT => {
                            self.find_place(Some(plain), dialect);
                            if bytes.get(at + 1) == Some(&b':') {
                                at += 1;
                                self.state = State::Value;
                            }
                        }
                        last => {
                            self.text.add(plain);
                            match last {
                                None => return,
                                Some(b'"') => self.find_place(None, dialect),
                                Some(_) => {
                                    self.text.spoil();
                                    self.state = State::KeyEscape;
                                }
                            }
                        }
                    }
                }
                State::KeyEscape => self.state = State::Key,
                State::Escape => {
                    self.read_escape(byte, draft);
                    self.state = State::String;
                }
                State::TextStart => {
                    if byte != b'"' {
                        draft.text_begins(here);
                        draft.thought_told |= self.thinks;
                    }
                    self.state = State::String;
                    continue;
                }
                State::Scalar => {
                    let end = rest.iter().position(|&byte| !is_scalar(byte)).unwrap_or(rest.len());
                    if self.reads_scalar() {
                        self.text.add(rest.get(..end).unwrap_or_default());
                    }
                    at += end;
                    if at < bytes.len() {
                        self.end_scalar(base + at as u64, draft);
                    }
                    continue;
                }
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {}
                State::Start if byte == b'{' => {
                    self.node = dialect.root();
                    self.open(true, here, dialect, draft);
                }
                // A byte order mark.
                State::Start if matches!(byte, 0xef | 0xbb | 0xbf) => {}
                State::Start if byte == b'[' => self.state = State::Done(1),
                State::Done(matched) if DONE.get(usize::from(matched)) == Some(&byte) => {
                    self.state = State::Done(matched + 1);
                }
                State::Done(1) if matches!(dialect, Dialect::Pointers(_)) => {
                    // A list, into which a pointer may lead.
                    self.node = dialect.root();
                    self.open(false, here, dialect, draft);
                    continue;
                }
                State::FirstKey if byte == b'}' => self.close(true, here, draft),
                State::FirstKey | State::NextKey if byte == b'"' => self.begin_key(here),
                State::Colon if byte == b':' => self.state = State::Value,
                State::FirstItem if byte == b']' => self.close(true, here, draft),
                State::Value | State::FirstItem => self.begin_value(byte, here, dialect, draft),
                State::AfterValue => {
                    self.after_value(byte, here, dialect, draft);
                    if self.state == State::NextKey && bytes.get(at + 1) == Some(&b'"') {
                        at += 1;
                        self.begin_key(here + 1);
                    }
                }
                State::Start => self.state = State::Foreign,
                State::FirstKey | State::NextKey | State::Colon | State::End | State::Done(_) => {
                    self.state = State::Failed;
                }
            }
            at += 1;
        }
    }

    fn top(&self) -> Frame {
        self.depth.checked_sub(1).and_then(|top| self.frames.get(top)).copied().unwrap_or_default()
    }

    fn begin_key(&mut self, here: u64) {
        self.text.len = 0;
        self.state = State::Key;
        if self.depth == 1 {
            self.key_at = here;
        }
    }

    /// A key has ended. `key`: where it isn't in `text`.
    fn find_place(&mut self, key: Option<&[u8]>, dialect: &Dialect) {
        self.node = match key.or_else(|| self.text.get()) {
            Some(key) => dialect.child(self.top().node, self.depth - 1, key),
            None => JsonPlace::Other,
        };
        self.state = State::Colon;
    }

    fn begin_item(&mut self, index: u32, dialect: &Dialect) {
        let node = self.top().node;
        // Where an item lies matters to pointers alone.
        let key = if matches!(node, JsonPlace::Pointers(_)) { index.to_string() } else { String::new() };
        self.node = dialect.child(node, self.depth - 1, key.as_bytes());
    }

    fn begin_value(&mut self, byte: u8, here: u64, dialect: &Dialect, draft: &mut DocumentUsage) {
        if self.depth == 1 && byte != b'n' {
            draft.given(self.node, byte, self.key_at, self.comma_at);
        }
        self.thinks = self.node == JsonPlace::Thought;
        if self.thinks {
            self.node = if draft.thought_told { JsonPlace::Other } else { JsonPlace::Text };
        }
        match byte {
            b'{' | b'[' => self.open(byte == b'{', here, dialect, draft),
            b'"' => {
                self.text.len = 0;
                draft.string_begins(self.node);
                self.state = if self.node == JsonPlace::Text { State::TextStart } else { State::String };
            }
            b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                self.number_at = here;
                self.text.len = 0;
                if self.reads_scalar() {
                    self.text.add(&[byte]);
                }
                self.state = State::Scalar;
            }
            _ => self.state = State::Failed,
        }
    }

    fn read_string(&mut self, plain: &[u8], draft: &mut DocumentUsage) {
        if self.skipped > 0 {
            return;
        }
        match self.node {
            JsonPlace::Text => draft.text_bytes = draft.text_bytes.wrapping_add(plain.len() as u64),
            JsonPlace::Kind | JsonPlace::Finish | JsonPlace::Count(_) => self.text.add(plain),
            JsonPlace::Words => draft.words.add(plain),
            JsonPlace::Error => {
                // An empty text is no error.
                draft.error |= !plain.is_empty();
                draft.words.add(plain);
            }
            _ => {}
        }
    }

    /// The byte behind a backslash. A `\u` and its four digits are about three bytes of UTF-8.
    fn read_escape(&mut self, byte: u8, draft: &mut DocumentUsage) {
        if self.skipped > 0 {
            return;
        }
        match self.node {
            JsonPlace::Text if byte == b'u' => draft.text_bytes = draft.text_bytes.wrapping_sub(1),
            JsonPlace::Text => draft.text_bytes = draft.text_bytes.wrapping_add(1),
            JsonPlace::Kind | JsonPlace::Finish | JsonPlace::Count(_) => self.text.spoil(),
            JsonPlace::Words | JsonPlace::Error => draft.words.add(&[b'\\', byte]),
            _ => {}
        }
    }

    fn end_string(&mut self, here: u64, dialect: &Dialect, draft: &mut DocumentUsage) {
        if self.skipped > 0 {
            self.state = State::Skip;
            return;
        }
        match self.node {
            JsonPlace::Text => draft.text_ends(here),
            JsonPlace::Kind => match dialect.kind(self.text.get().unwrap_or_default()) {
                // `type` and `object` may both be there.
                EventKind::Other => {}
                kind => draft.kind = kind,
            },
            // LMDeploy, routers; vLLM and SGLang, when they give a request up.
            JsonPlace::Finish => {
                if let Some(reason @ (b"error" | b"abort")) = self.text.get() {
                    draft.choice_fails(reason);
                }
            }
            // A count in quotes is one; other words are none.
            JsonPlace::Count(field) => {
                if let Some(value) = self.text.get().and_then(count) {
                    draft.number(field, Some(value), matches!(self.top().node, JsonPlace::Pointers(_)));
                }
            }
            _ => {}
        }
        self.state = State::AfterValue;
    }

    fn reads_scalar(&self) -> bool {
        matches!(self.node, JsonPlace::Count(_) | JsonPlace::Error)
    }

    fn end_scalar(&mut self, here: u64, draft: &mut DocumentUsage) {
        let mut told = None;
        if let (JsonPlace::Count(field), Some(text)) = (self.node, self.text.get()) {
            let value = count(text);
            draft.number(field, value, matches!(self.top().node, JsonPlace::Pointers(_)));
            told = Some(field);
        }
        if let (JsonPlace::Error, Some(text)) = (self.node, self.text.get()) {
            draft.error |= is_something(text);
        }
        draft.numbers.number(self.number_at, here, told);
        self.state = State::AfterValue;
    }

    fn after_value(&mut self, byte: u8, here: u64, dialect: &Dialect, draft: &mut DocumentUsage) {
        if self.depth == 1 {
            if byte == b',' {
                self.comma_at = here;
            }
            draft.usage_place.ends(here, byte == b',');
        }
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
            b'}' if object => self.close(false, here, draft),
            b']' if !object => self.close(false, here, draft),
            _ => self.state = State::Failed,
        }
    }

    fn open(&mut self, object: bool, here: u64, dialect: &Dialect, draft: &mut DocumentUsage) {
        let node = self.node;
        let wanted = match node {
            JsonPlace::Choices | JsonPlace::ToolCalls | JsonPlace::Blocks | JsonPlace::Text => !object,
            JsonPlace::Pointers(_) | JsonPlace::Error => true,
            _ => object && node.is_container(),
        };
        let index = self.top().index;
        match self.frames.get_mut(self.depth) {
            Some(frame) if wanted => *frame = Frame { node, object, index: 0 },
            _ => {
                self.skipped = 1;
                self.state = State::Skip;
                return;
            }
        }
        self.depth += 1;
        // A list of no errors is none.
        if object || node != JsonPlace::Error {
            draft.opens(node, index, here);
        }
        if object {
            self.state = State::FirstKey;
        } else {
            self.state = State::FirstItem;
            self.begin_item(0, dialect);
        }
    }

    /// `empty`: there is nothing in it.
    fn close(&mut self, empty: bool, here: u64, draft: &mut DocumentUsage) {
        draft.closes(self.top().node, empty, here);
        self.depth -= 1;
        self.state = if self.depth == 0 { State::End } else { State::AfterValue };
    }
}

/// `true`, or a code that isn't 0.
fn is_something(scalar: &[u8]) -> bool {
    scalar == b"true" || scalar.iter().any(|byte| matches!(byte, b'1'..=b'9'))
}

fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}
