//! Forms: what the gateway needs to know of a `multipart/form-data` or urlencoded body. The file in it is searched,
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
pub(crate) struct Form<'a> {
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
) -> Result<Form<'a>, FormError> {
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
        return Ok(Form { model, model_at: None, encoding });
    };
    let value = body.get(model_at.clone()).unwrap_or_default();
    let model = std::str::from_utf8(value).map_err(|_| FormError::NotUtf8)?.trim();
    if model.is_empty() {
        return Err(FormError::EmptyModel);
    }
    Ok(Form { model: Cow::Borrowed(model), model_at: Some(model_at), encoding })
}

/// Finds the model of a urlencoded form.
pub(crate) fn urlencoded<'a>(body: &'a [u8], named: Option<&'a str>) -> Result<Form<'a>, FormError> {
    let mut at = 0;
    for field in body.split(|byte| *byte == b'&') {
        if let Some(value) = field.strip_prefix(b"model=") {
            let value = std::str::from_utf8(value).map_err(|_| FormError::NotUtf8)?;
            let model = decoded(value.trim_end()).ok_or(FormError::NotUtf8)?;
            if model.is_empty() {
                return Err(FormError::EmptyModel);
            }
            let model_at = Some(at + b"model=".len()..at + field.len());
            return Ok(Form { model, model_at, encoding: Encoding::Url });
        }
        at += field.len() + 1;
    }
    let model = Cow::Borrowed(named.ok_or(FormError::NoModel)?);
    Ok(Form { model, model_at: None, encoding: Encoding::Url })
}

/// The value of `model` in a query.
pub(crate) fn in_query(query: &str) -> Option<Cow<'_, str>> {
    let value = query.split('&').find_map(|field| field.strip_prefix("model="))?;
    decoded(value).filter(|name| !name.is_empty())
}

/// The change that gives the model another name. `None` when the body does not name it.
pub(crate) fn rename(form: &Form<'_>, name: &str) -> Option<Edit> {
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TYPE: &str = "multipart/form-data; boundary=X";

    fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (head, value) in parts {
            body.extend_from_slice(b"--X\r\nContent-Disposition: form-data; ");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(b"\r\n\r\n");
            body.extend_from_slice(value);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--X--\r\n");
        body
    }

    fn edited(body: &[u8], edit: Edit) -> Vec<u8> {
        let mut body = body.to_vec();
        body.splice(edit.at, edit.new);
        body
    }

    #[test]
    fn the_model_is_found_wherever_it_stands() {
        let file: &[u8] = b"RIFF\xff\xfe\r\n--Y\r\n\r\n--\x00\x80";
        for parts in [
            vec![("name=\"model\"", b"whisper".as_slice()), ("name=\"file\"; filename=\"model\"", file)],
            vec![
                ("name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav", file),
                ("name=model", b"whisper"),
            ],
            // Longer words that begin with the delimiter.
            vec![
                ("name=\"file\"; filename=\"f\"", b"\r\n--XY\r\n\r\nno\r\n--X--Z\r\n--X-\r\n".as_slice()),
                ("name=\"model\"", b"whisper"),
            ],
            vec![
                ("name=\"model\"; filename=\"x\"", b"no"),
                ("name=\"e\"", b""),
                ("name=\"model\"", b"whisper\n"),
            ],
        ] {
            let body = form(&parts);
            let found = multipart(TYPE, &body, None).unwrap();
            assert_eq!(found.model, "whisper");
            let renamed = edited(&body, rename(&found, "large-v3").unwrap());
            assert_eq!(multipart(TYPE, &renamed, None).unwrap().model, "large-v3");
        }
    }

    #[test]
    fn a_boundary_may_be_quoted_and_a_preamble_come_first() {
        let mut body = b"never mind --X\r\n".to_vec();
        body.extend(form(&[("name=\"model\"", b"m")]));
        for kind in ["Multipart/Form-Data;charset=utf-8; BOUNDARY=\"X\"", "multipart/form-data;boundary=X "] {
            assert!(is_multipart(kind));
            assert_eq!(multipart(kind, &body, None).unwrap().model, "m");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let fails = |kind: &str, body: &[u8]| multipart(kind, body, None).unwrap_err();
        let whole = form(&[("name=\"file\"; filename=\"f\"", b"x"), ("name=\"model\"", b"m")]);
        assert_eq!(fails("multipart/form-data", &whole), FormError::NoBoundary);
        assert_eq!(fails("multipart/form-data; boundary=Z", &whole), FormError::NoParts("Z".to_owned()));
        assert_eq!(fails(TYPE, b""), FormError::NoParts("X".to_owned()));
        assert_eq!(fails(TYPE, &whole[..whole.len() / 3]), FormError::CutOff);
        let unix = String::from_utf8(whole.clone()).unwrap().replace("\r\n", "\n");
        assert!(fails(TYPE, unix.as_bytes()).to_string().contains("CR LF"));
        assert_eq!(fails(TYPE, &form(&[("name=\"file\"", b"x")])), FormError::NoModel);
        assert_eq!(fails(TYPE, &form(&[("name=\"model\"", b" ")])), FormError::EmptyModel);
        assert_eq!(fails(TYPE, &form(&[("name=\"model\"", b"\xff")])), FormError::NotUtf8);
        let long = form(&[(&"x".repeat(LONGEST_HEAD + 9), b"x")]);
        assert!(matches!(fails(TYPE, &long), FormError::BadPart(_)));
        let unnamed = form(&[("name=\"file\"", b"x")]);
        let found = multipart(TYPE, &unnamed, Some("named")).unwrap();
        assert_eq!((&*found.model, rename(&found, "x")), ("named", None));
    }

    #[test]
    fn urlencoded_forms_and_queries_name_models() {
        let body = b"prompt=a+b&model=org%2FM+1&n=2";
        let found = urlencoded(body, None).unwrap();
        assert_eq!(found.model, "org/M 1");
        assert_eq!(edited(body, rename(&found, "a b&c").unwrap()), b"prompt=a+b&model=a%20b%26c&n=2");
        assert_eq!(urlencoded(b"a=b", None), Err(FormError::NoModel));
        assert_eq!(in_query("x=1&model=a%2Db"), Some("a-b".into()));
        assert_eq!(in_query("models=1&model="), None);
        assert_eq!(in_query("model=%ff"), None);
        assert_eq!(rename_in_query("x=1&model=a&y", "b c"), Some("x=1&model=b%20c&y".to_owned()));
        assert_eq!(rename_in_query("x=1", "b"), None);
        let url = "application/x-www-form-urlencoded";
        assert!(is_urlencoded(url, b"model=m") && !is_urlencoded(url, b" {\"model\":1}"));
        assert!(!is_urlencoded("application/json", b"model=m") && !is_urlencoded(url, b""));
    }

    proptest! {
        #[test]
        fn any_file_may_come_first(file: Vec<u8>, name in "[a-z/é-]{1,12}") {
            prop_assume!(memmem::find(&file, b"--X").is_none());
            let body = form(&[("name=\"file\"; filename=\"f\"", &file), ("name=\"model\"", name.as_bytes())]);
            let found = multipart(TYPE, &body, None).unwrap();
            prop_assert_eq!(&*found.model, &name);
            let renamed = edited(&body, rename(&found, "other").unwrap());
            let wanted = form(&[("name=\"file\"; filename=\"f\"", &file), ("name=\"model\"", b"other")]);
            prop_assert_eq!(renamed, wanted);
        }

        #[test]
        fn arbitrary_bytes_never_panic(body: Vec<u8>, damage: Vec<(usize, u8)>) {
            drop(multipart(TYPE, &body, None));
            drop(urlencoded(&body, None));
            let mut body = form(&[("name=\"file\"", b"x"), ("name=\"model\"", b"m")]);
            for (at, byte) in damage {
                let at = at % body.len();
                body[at] = byte;
            }
            drop(multipart(TYPE, &body, None));
        }
    }
}
