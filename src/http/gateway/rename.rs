//! `rewrite_model`: the answer's `model` becomes the name that was asked for. A key of that name in JSON, wherever it
//! stands and however the bytes are cut; text in strings has its quotes escaped, so it can't be taken for one.

use actix_web::body::{BodySize, MessageBody};
use bytes::{Bytes, BytesMut};
use memchr::memmem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

const KEY: &[u8] = b"\"model\"";
/// A longer name is none.
const LONGEST: usize = 4096;

/// Renames the model in an answer.
#[derive(Debug)]
pub(crate) struct Renamer {
    /// The name, as JSON.
    name: String,
    /// The end of what came, which may be the beginning of the key and its value.
    held: BytesMut,
}

/// What comes behind the key.
enum Value {
    /// A text, up to here.
    Text(usize, usize),
    /// Something else.
    Other,
    /// It is not all there.
    Unfinished,
}

impl Renamer {
    /// To this name.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: serde_json::Value::from(name).to_string(), held: BytesMut::new() }
    }

    /// The next bytes; what can't be told yet is held back.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Bytes {
        self.held.extend_from_slice(chunk);
        let mut out = BytesMut::with_capacity(self.held.len() + self.name.len());
        let mut done = 0;
        let mut from = 0;
        while let Some(found) = self.held.get(from..).and_then(|rest| memmem::find(rest, KEY)) {
            let key = from + found;
            match value(&self.held, key + KEY.len()) {
                Value::Text(start, end) => {
                    out.extend_from_slice(&self.held[done..start]);
                    out.extend_from_slice(self.name.as_bytes());
                    (done, from) = (end, end);
                }
                Value::Other => from = key + KEY.len(),
                Value::Unfinished if self.held.len() - key > LONGEST => from = key + KEY.len(),
                Value::Unfinished => {
                    out.extend_from_slice(&self.held[done..key]);
                    self.held = self.held.split_off(key);
                    return out.freeze();
                }
            }
        }
        let keep = beginning_of_key(&self.held[from..]);
        let end = self.held.len() - keep;
        out.extend_from_slice(&self.held[done..end]);
        self.held = self.held.split_off(end);
        out.freeze()
    }

    /// What was held back at the end.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.held.split().freeze()
    }
}

/// An answer in which the model is renamed.
pub(crate) struct RenamedBody<B> {
    answer: Pin<Box<B>>,
    /// Until the end.
    renamer: Option<Renamer>,
}

impl<B> RenamedBody<B> {
    pub(crate) fn new(answer: B, renamer: Renamer) -> Self {
        Self { answer: Box::pin(answer), renamer: Some(renamer) }
    }
}

impl<B: MessageBody> MessageBody for RenamedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        match self.answer.size() {
            // The name may be shorter, or longer.
            BodySize::Sized(length) if length > 0 => BodySize::Stream,
            size => size,
        }
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, B::Error>>> {
        let body = self.get_mut();
        loop {
            let Some(renamer) = &mut body.renamer else { return Poll::Ready(None) };
            let bytes = match ready!(body.answer.as_mut().poll_next(context)) {
                Some(Ok(chunk)) => renamer.push(&chunk),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    let rest = renamer.finish();
                    body.renamer = None;
                    return Poll::Ready((!rest.is_empty()).then_some(Ok(rest)));
                }
            };
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(bytes)));
            }
        }
    }
}

fn value(bytes: &[u8], from: usize) -> Value {
    let space = |byte: &u8| byte.is_ascii_whitespace();
    let skip = |from: usize| {
        bytes.get(from..).map_or(from, |rest| from + rest.iter().take_while(|b| space(b)).count())
    };
    let colon = skip(from);
    match bytes.get(colon) {
        None => return Value::Unfinished,
        Some(b':') => {}
        Some(_) => return Value::Other,
    }
    let start = skip(colon + 1);
    match bytes.get(start) {
        None => return Value::Unfinished,
        Some(b'"') => {}
        Some(_) => return Value::Other,
    }
    let mut at = start + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return Value::Text(start, at + 1);
        }
        at += 2;
    }
    Value::Unfinished
}

/// How many bytes at the end may begin the key.
fn beginning_of_key(bytes: &[u8]) -> usize {
    (1..KEY.len()).rev().find(|length| bytes.ends_with(&KEY[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn renamed(text: &str, step: usize) -> String {
        let mut renamer = Renamer::new("my \"model\"");
        let mut out = Vec::new();
        for chunk in text.as_bytes().chunks(step.max(1)) {
            out.extend_from_slice(&renamer.push(chunk));
        }
        out.extend_from_slice(&renamer.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_model_is_renamed_wherever_it_stands() {
        let text = "data: {\"id\":1,\"model\" : \"org/M\\\"x\",\"response\":{\"model\":\"org/M\"},\"c\":\"say \\\"model\\\":\\\"no\\\"\"}\n\n\
                    {\"model\":null,\"models\":\"x\",\"model\":7,\"x\":\"model\"}";
        let wanted = "data: {\"id\":1,\"model\" : \"my \\\"model\\\"\",\"response\":{\"model\":\"my \\\"model\\\"\"},\
                      \"c\":\"say \\\"model\\\":\\\"no\\\"\"}\n\n{\"model\":null,\"models\":\"x\",\"model\":7,\"x\":\"model\"}";
        for step in [1, 2, 5, 7, 1000] {
            assert_eq!(renamed(text, step), wanted, "{step}");
        }
    }

    proptest! {
        #[test]
        fn other_bytes_pass(text in "[\"model:, x\\\\]{0,60}", step in 1_usize..9) {
            let whole = renamed(&text, usize::MAX);
            prop_assert_eq!(renamed(&text, step), whole.clone());
            if !text.contains("\"model\"") {
                prop_assert_eq!(whole, text);
            }
        }
    }
}
