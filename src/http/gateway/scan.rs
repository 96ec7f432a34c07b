//! What the gateway needs to know of a request body, read without building a tree of it, and the splice
//! that asks the backend for usage.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::upstream::Edit;

#[cfg(test)]
mod tests;

/// Like `serde_json`, which refuses deeper bodies when it builds a tree.
const MAX_DEPTH: usize = 128;

/// What a body says about itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BodyScan<'a> {
    pub model: Cow<'a, str>,
    /// Where the value of `model` lies in the body; `None`: it is not from there.
    pub model_at: Option<Range<usize>>,
    /// The client wants a stream, in JSON's own word for it.
    pub stream: bool,
    /// It is `true`, or what engines in Python take for it (`1`, `"true"`; vLLM, SGLang), while others don't (llama.cpp).
    pub may_stream: bool,
    /// Where the value of `stream` lies in the body.
    pub stream_at: Option<Range<usize>>,
    /// The client asks for usage in its stream itself.
    pub wants_usage: bool,
    /// Where the value of `stream_options` lies in the body.
    pub stream_options: Option<Range<usize>>,
    splice: Splice,
}

/// How to ask for usage.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Splice {
    /// Nothing to do, or not ours to repair.
    Leave,
    /// Behind the `{` of the body, which ends here.
    NewOptions(usize),
    /// In place of `stream_options: null`.
    Options(Range<usize>),
    /// Behind the `{` of the options, which ends here; the flag: other options follow.
    NewFlag(usize, bool),
    /// In place of the value of `include_usage`.
    Flag(Range<usize>),
}

/// Why a body is refused. The text is meant for the client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error("the request has no body: a JSON object with a `model` is wanted, or `?model=NAME` in the query")]
    Empty,
    #[error(
        "the body is multipart/form-data, and its Content-Type does not say so: send `Content-Type: \
         multipart/form-data; boundary=...`"
    )]
    Multipart,
    #[error("the body is compressed, and no header says so: send `Content-Encoding: {0}`")]
    Packed(&'static str),
    #[error("the body is UTF-16: send JSON in UTF-8")]
    Utf16,
    #[error("the body is not valid UTF-8 at line {line} column {column}")]
    NotUtf8 { line: usize, column: usize },
    #[error("the body is {0}: a JSON object is wanted")]
    NotAnObject(&'static str),
    /// Not JSON; says where.
    #[error("the body is not valid JSON: {0}")]
    Json(serde_json::Error),
    #[error("the body has no `model`, nor has the query (`?model=NAME`)")]
    NoModel,
    #[error("`model` is {found} at line {line} column {column}: a string is wanted")]
    ModelNotAString { found: &'static str, line: usize, column: usize },
    #[error("`model` is empty")]
    EmptyModel,
    #[error("the body is nested deeper than {MAX_DEPTH} at line {line} column {column}")]
    TooDeep { line: usize, column: usize },
}

/// The keys that matter, as they are written; of a key that comes twice the last one holds, as it does for the
/// engines.
#[derive(Default)]
struct Body<'a> {
    model: Option<&'a RawValue>,
    stream: Option<&'a RawValue>,
    stream_options: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Model,
    Stream,
    StreamOptions,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Body<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys(PhantomData))
    }
}

struct Keys<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for Keys<'a> {
    type Value = Body<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Body<'a>, M::Error> {
        let mut body = Body::default();
        while let Some(key) = map.next_key()? {
            let place = match key {
                Key::Model => &mut body.model,
                Key::Stream => &mut body.stream,
                Key::StreamOptions => &mut body.stream_options,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            // `null` is a value too, and its place is wanted.
            *place = Some(map.next_value::<&RawValue>()?);
        }
        Ok(body)
    }
}

#[derive(Deserialize)]
struct Options<'a> {
    #[serde(borrow, default, deserialize_with = "raw")]
    include_usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// An `Option` of its own would swallow `null`, whose place is wanted too.
fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads what routing needs; everything else in the body is only checked to be JSON. `named` is the model of a
/// body that names none.
pub(crate) fn scan<'a>(body: &'a [u8], named: Option<&'a str>) -> Result<BodyScan<'a>, ScanError> {
    let text = std::str::from_utf8(body).map_err(|error| not_utf8(body, error.valid_up_to()))?;
    let start = body.iter().position(|byte| !is_space(*byte)).ok_or(ScanError::Empty)?;
    let first = text.get(start..).unwrap_or_default();
    if !first.starts_with('{') {
        return Err(no_object(first));
    }
    check_depth(body)?;
    let parsed: Body<'_> = serde_json::from_str(text).map_err(ScanError::Json)?;
    let (model, model_at) = match (parsed.model, named) {
        (None, Some(named)) => (Cow::Borrowed(named), None),
        (value, _) => model(body, value)?,
    };
    let stream = parsed.stream.is_some_and(|value| value.get() == "true");
    let may_stream = parsed.stream.is_some_and(|value| is_true_in_python(value.get()));
    let stream_at = parsed.stream.map(|value| place(body, value.get()));
    let stream_options = parsed.stream_options.map(|value| place(body, value.get()));
    let (wants_usage, splice) = match parsed.stream_options {
        None => (false, Splice::NewOptions(start + 1)),
        Some(value) => options(body, value.get()),
    };
    Ok(BodyScan { model, model_at, stream, may_stream, stream_at, wants_usage, stream_options, splice })
}

/// The change that puts `"stream_options":{"include_usage":true}` into the body. `None` when the client does not
/// stream, asks itself, or says something there that the backend should refuse.
/// For the endpoints that know the option: chat completions and completions.
pub(crate) fn ask_for_usage(scan: &BodyScan<'_>) -> Option<Edit> {
    if !scan.may_stream || scan.wants_usage {
        return None;
    }
    let (at, new) = match &scan.splice {
        Splice::Leave => return None,
        Splice::NewOptions(at) => (*at..*at, r#""stream_options":{"include_usage":true},"#),
        Splice::Options(place) => (place.clone(), r#"{"include_usage":true}"#),
        Splice::NewFlag(at, true) => (*at..*at, r#""include_usage":true,"#),
        Splice::NewFlag(at, false) => (*at..*at, r#""include_usage":true"#),
        Splice::Flag(place) => (place.clone(), "true"),
    };
    Some(Edit { at, new: Bytes::from_static(new.as_bytes()) })
}

/// The changes that make a stream with usage of a plain request: for endpoints whose stream says it only when asked,
/// `usage`. `None` when it is one, or says something about streams that only the backend may judge.
pub(crate) fn as_stream(scan: &BodyScan<'_>, body: &[u8], usage: bool) -> Option<Vec<Edit>> {
    // A body that doesn't name its model may be empty.
    if scan.stream || scan.model_at.is_none() {
        return None;
    }
    let options = match (&scan.splice, usage) {
        (Splice::NewOptions(_), true) => r#""stream_options":{"include_usage":true},"#,
        (Splice::NewOptions(_), false) => "",
        _ => return None,
    };
    let Splice::NewOptions(at) = scan.splice else { return None };
    match &scan.stream_at {
        None => {
            let new = format!(r#""stream":true,{options}"#).into();
            Some(vec![Edit { at: at..at, new }])
        }
        Some(place) if matches!(body.get(place.clone()), Some(b"false" | b"null")) => Some(vec![
            Edit { at: at..at, new: Bytes::from_static(options.as_bytes()) },
            Edit { at: place.clone(), new: Bytes::from_static(b"true") },
        ]),
        Some(_) => None,
    }
}

/// The change that gives the model another name. `None` when the body does not name it.
pub(crate) fn rename(scan: &BodyScan<'_>, name: &str) -> Option<Edit> {
    let at = scan.model_at.clone()?;
    Some(Edit { at, new: serde_json::Value::from(name).to_string().into() })
}

/// As pydantic reads a flag.
fn is_true_in_python(value: &str) -> bool {
    let words = ["true", "1", "1.0", "\"true\"", "\"1\"", "\"t\"", "\"yes\"", "\"y\"", "\"on\""];
    words.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// What has bytes that are no text is most often something else, whose header is missing.
fn not_utf8(body: &[u8], at: usize) -> ScanError {
    match body {
        [b'-', b'-', ..] => return ScanError::Multipart,
        [0x1f, 0x8b, ..] => return ScanError::Packed("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return ScanError::Packed("zstd"),
        _ => {}
    }
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
        return ScanError::Utf16;
    }
    let (line, column) = position(body, at);
    ScanError::NotUtf8 { line, column }
}

fn model<'a>(
    body: &[u8],
    value: Option<&'a RawValue>,
) -> Result<(Cow<'a, str>, Option<Range<usize>>), ScanError> {
    let value = value.ok_or(ScanError::NoModel)?.get();
    let at = place(body, value);
    if !value.starts_with('"') {
        let (line, column) = position(body, at.start);
        return Err(ScanError::ModelNotAString { found: kind(value), line, column });
    }
    let Text(model) = serde_json::from_str(value).map_err(ScanError::Json)?;
    if model.is_empty() { Err(ScanError::EmptyModel) } else { Ok((model, Some(at))) }
}

/// Whether these options ask for usage already, and else how to make them.
fn options(body: &[u8], value: &str) -> (bool, Splice) {
    let whole = place(body, value);
    if value == "null" {
        return (false, Splice::Options(whole));
    }
    if !value.starts_with('{') {
        return (false, Splice::Leave);
    }
    let flag = match serde_json::from_str::<Options<'_>>(value) {
        Ok(options) => options.include_usage.map(RawValue::get),
        Err(_) => return (false, Splice::Leave),
    };
    match flag {
        Some("true") => (true, Splice::Leave),
        Some(flag @ ("false" | "null")) => (false, Splice::Flag(place(body, flag))),
        Some(_) => (false, Splice::Leave),
        None => {
            let others = value.bytes().skip(1).find(|byte| !is_space(*byte)) != Some(b'}');
            (false, Splice::NewFlag(whole.start + 1, others))
        }
    }
}

/// Where `part`, which was borrowed from `body`, lies in it.
fn place(body: &[u8], part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
    start..start + part.len()
}

fn no_object(text: &str) -> ScanError {
    if text.starts_with("--") {
        return ScanError::Multipart;
    }
    // Whatever is JSON but no object is named as what it is; the rest gets the parser's own words.
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => ScanError::NotAnObject(kind(text)),
        Err(error) => ScanError::Json(error),
    }
}

fn kind(value: &str) -> &'static str {
    match value.bytes().next() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Skipping a value costs `serde_json` no stack, so it does not count how deep values lie in each other;
/// backends do mind.
fn check_depth(body: &[u8]) -> Result<(), ScanError> {
    // Most bodies have too few brackets, which takes a look at many bytes at once.
    if memchr::memchr2_iter(b'{', b'[', body).nth(MAX_DEPTH).is_none() {
        return Ok(());
    }
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        match byte {
            b'"' => at = end_of_string(body, at + 1),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    let (line, column) = position(body, at);
                    return Err(ScanError::TooDeep { line, column });
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Where the quote lies that ends the string which begins at `at`.
fn end_of_string(body: &[u8], mut at: usize) -> usize {
    while let Some(found) = body.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if body.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    body.len()
}

/// Line and column, from 1, of a place in the body.
fn position(body: &[u8], at: usize) -> (usize, usize) {
    let before = body.get(..at).unwrap_or(body);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
