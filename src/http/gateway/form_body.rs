//! What the gateway needs to know of a `multipart/form-data` or urlencoded body. The file in it is searched,
//! never copied.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use memchr::memmem;

use super::upstream::Edit;

/// Longest head of a part; a longer one is no form.
const LONGEST_HEAD: usize = 16 * 1024;
/// Parts that are looked at.
const MOST_PARTS: usize = 1000;

/// What a form says about itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MultipartForm<'a> {
    pub(crate) model: Cow<'a, str>,
    /// Where the name lies in the body; `None`: it is not from there.
    model_at: Option<Range<usize>>,
    encoding: Encoding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Multipart,
    Url,
}

/// Why a form is refused. The text is meant for the client.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    #[error("the Content-Type multipart/form-data has no `boundary`")]
    NoBoundary,
    /// The first boundary isn't there.
    #[error("the form has no part: its body lacks the boundary `--{0}` of its Content-Type")]
    NoParts(String),
    /// It ends before its last boundary.
    #[error("the form is cut off: its last boundary is missing")]
    CutOff,
    #[error("the form is broken: {0}")]
    BadPart(&'static str),
    #[error("the form has no field `model`, nor has the query (`?model=NAME`)")]
    NoModel,
    #[error("the form's field `model` is empty")]
    EmptyModel,
    #[error("the form's field `model` is not valid UTF-8")]
    NotUtf8,
}

/// Whether a content type is that of a multipart form.
pub(crate) fn is_multipart(content_type: &str) -> bool {
    essence(content_type).eq_ignore_ascii_case("multipart/form-data")
}

/// Whether a body is a urlencoded form. curl says so of JSON too, which is then read as what it is.
pub(crate) fn is_urlencoded(content_type: &str, body: &[u8]) -> bool {
    essence(content_type).eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|first| !b"{[\"".contains(first))
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Finds the model of a multipart form (RFC 7578). `named` is the model of a form that names none.
pub(crate) fn multipart<'a>(
    content_type: &str,
    body: &'a [u8],
    named: Option<&'a str>,
) -> Result<MultipartForm<'a>, FormError> {
    let boundary = boundary(content_type).ok_or(FormError::NoBoundary)?;
    let delimiter = format!("--{boundary}");
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let mut at = next_delimiter(body, 0, &finder).ok_or(FormError::NoParts(boundary))?.end;
    let mut found = None;
    for _ in 0..MOST_PARTS {
        let Some(head) = head(body, at)? else { break };
        let start = head.end;
        let next = next_delimiter(body, start, &finder).ok_or(FormError::CutOff)?;
        if found.is_none() && is_model(body.get(head.clone()).unwrap_or_default()) {
            found = Some(start..next.start);
            // Nothing behind it matters: a file that is cut off is the backend's to refuse.
            break;
        }
        at = next.end;
    }
    let encoding = Encoding::Multipart;
    let Some(model_at) = found else {
        let model = Cow::Borrowed(named.ok_or(FormError::NoModel)?);
        return Ok(MultipartForm { model, model_at: None, encoding });
    };
    let value = body.get(model_at.clone()).unwrap_or_default();
    let model = std::str::from_utf8(value).map_err(|_| FormError::NotUtf8)?.trim();
    if model.is_empty() {
        return Err(FormError::EmptyModel);
    }
    Ok(MultipartForm { model: Cow::Borrowed(model), model_at: Some(model_at), encoding })
}

/// Finds the model of a urlencoded form.
pub(crate) fn urlencoded<'a>(body: &'a [u8], named: Option<&'a str>) -> Result<MultipartForm<'a>, FormError> {
    let mut at = 0;
    for field in body.split(|byte| *byte == b'&') {
        if let Some(value) = field.strip_prefix(b"model=") {
            let value = std::str::from_utf8(value).map_err(|_| FormError::NotUtf8)?;
            let model = decoded(value.trim_end()).ok_or(FormError::NotUtf8)?;
            if model.is_empty() {
                return Err(FormError::EmptyModel);
            }
            let model_at = Some(at + b"model=".len()..at + field.len());
            return Ok(MultipartForm { model, model_at, encoding: Encoding::Url });
        }
        at += field.len() + 1;
    }
    let model = Cow::Borrowed(named.ok_or(FormError::NoModel)?);
    Ok(MultipartForm { model, model_at: None, encoding: Encoding::Url })
}

/// The value of `model` in a query.
pub(crate) fn in_query(query: &str) -> Option<Cow<'_, str>> {
    let value = query.split('&').find_map(|field| field.strip_prefix("model="))?;
    decoded(value).filter(|name| !name.is_empty())
}

/// The change that gives the model another name. `None` when the body does not name it.
pub(crate) fn rename(form: &MultipartForm<'_>, name: &str) -> Option<Edit> {
    let at = form.model_at.clone()?;
    let new = match form.encoding {
        Encoding::Multipart => Bytes::copy_from_slice(name.as_bytes()),
        Encoding::Url => encoded(name).into(),
    };
    Some(Edit { at, new })
}

/// The query with another name for the model; `None`: it names none.
pub(crate) fn rename_in_query(query: &str, name: &str) -> Option<String> {
    let mut fields: Vec<Cow<'_, str>> = query.split('&').map(Cow::Borrowed).collect();
    let field = fields.iter_mut().find(|field| field.starts_with("model="))?;
    *field = format!("model={}", encoded(name)).into();
    Some(fields.join("&"))
}

/// The text of a part of a URL; `None`: it isn't one.
pub(crate) fn decoded(value: &str) -> Option<Cow<'_, str>> {
    if !value.contains(['%', '+']) {
        return Some(Cow::Borrowed(value));
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The parameter `boundary`, with or without quotes.
fn boundary(content_type: &str) -> Option<String> {
    let parameters = content_type.split(';').skip(1).map(str::trim);
    let value = parameters.filter_map(|parameter| parameter.split_once('=')).find_map(|(name, value)| {
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (!value.is_empty() && value.len() <= 200).then(|| value.to_owned())
}

/// The head of the part whose delimiter ends at `at`, with the empty line; `None`: that was the last delimiter.
fn head(body: &[u8], at: usize) -> Result<Option<Range<usize>>, FormError> {
    let rest = body.get(at..).unwrap_or_default();
    if rest.starts_with(b"--") {
        return Ok(None);
    }
    let line = memchr::memchr(b'\n', rest).ok_or(FormError::CutOff)?;
    let start = at + line + 1;
    let window = &body[start..body.len().min(start + LONGEST_HEAD)];
    if window.starts_with(b"\r\n") {
        return Ok(Some(start..start + 2));
    }
    match memmem::find(window, b"\r\n\r\n") {
        Some(end) => Ok(Some(start..start + end + 4)),
        None if memmem::find(window, b"\n\n").is_some() => {
            Err(FormError::BadPart("its lines end with LF alone, not with CR LF"))
        }
        None if window.len() < LONGEST_HEAD => Err(FormError::CutOff),
        None => Err(FormError::BadPart("the head of a part has no end")),
    }
}

/// The next delimiter from `start` on, with the line break before it, which belongs to it (RFC 2046, 5.1.1).
fn next_delimiter(body: &[u8], start: usize, delimiter: &memmem::Finder<'_>) -> Option<Range<usize>> {
    let mut from = start;
    loop {
        let at = from + delimiter.find(body.get(from..)?)?;
        let end = at + delimiter.needle().len();
        let line = body.get(start..at)?;
        let line_break = if line.ends_with(b"\r\n") { 2 } else { 0 };
        // A preamble is text, of whatever lines.
        let begins_line = line.is_empty() || line_break > 0 || (start == 0 && line.ends_with(b"\n"));
        if begins_line && ends_line(body.get(end..)?) {
            return Some(at - line_break..end);
        }
        from = at + 1;
    }
}

/// Whether nothing more stands in the line of a delimiter: a longer word begins with it otherwise.
fn ends_line(rest: &[u8]) -> bool {
    let rest = rest.strip_prefix(b"--").unwrap_or(rest);
    let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    matches!(rest.get(padding), None | Some(b'\r' | b'\n'))
}

/// Whether the head is that of the field `model`, which is no file.
fn is_model(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let mut parameters =
        disposition.unwrap_or_default().split(';').skip(1).filter_map(|one| one.split_once('='));
    let mut is_model = false;
    let no_file = parameters.all(|(name, value)| {
        is_model |= name.trim().eq_ignore_ascii_case("name") && value.trim().trim_matches('"') == "model";
        !name.trim().eq_ignore_ascii_case("filename")
    });
    is_model && no_file
}

#[cfg(test)]
mod tests;
