//! Which model a request names, wherever it says so, and what of it must be changed for the backend.

use super::account::Question;
use super::form_body::{self, MultipartForm};
use super::scan::{self, BodyScan, ScanError};
use super::upstream::{Edit, Payload};
use crate::http::error::{ApiError, ApiErrorKind};
use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use bytes::Bytes;
use llm_manager_policy::endpoints::Endpoint;
use std::borrow::Cow;

/// What a request says about itself.
#[derive(Debug)]
pub(crate) enum RequestedModel<'a> {
    /// A JSON object.
    Json(BodyScan<'a>),
    Form(MultipartForm<'a>),
    /// The query alone; the body is the backend's to understand.
    Query(Cow<'a, str>),
}

impl<'a> RequestedModel<'a> {
    /// Reads it from the body, or else from the query.
    pub(crate) fn read(request: &'a HttpRequest, body: &'a [u8]) -> Result<Self, ApiError> {
        let kind = content_type(request.headers());
        let query = || form_body::in_query(request.query_string());
        let invalid = |message: String| ApiError::new(ApiErrorKind::InvalidRequest, message);
        if form_body::is_multipart(kind) {
            let form = form_body::multipart(kind, body, None);
            return of_form(form, query).map_err(|error| invalid(error.to_string()));
        }
        if form_body::is_urlencoded(kind, body) {
            let form = form_body::urlencoded(body, None);
            return of_form(form, query).map_err(|error| invalid(error.to_string()));
        }
        let error = match scan::scan(body, None) {
            Ok(scan) => return Ok(Self::Json(scan)),
            Err(error) => error,
        };
        let Some(named) = query() else { return Err(invalid(error.to_string())) };
        match error {
            ScanError::NoModel => scan::scan(body, Some("")).map(|mut scan| {
                scan.model = named;
                Self::Json(scan)
            }),
            ScanError::Empty => Ok(Self::Query(named)),
            // Raw audio, for example; what says that it is JSON must be JSON.
            _ if !kind.is_empty() && !kind.to_ascii_lowercase().contains("json") => Ok(Self::Query(named)),
            error => Err(error),
        }
        .map_err(|error| invalid(error.to_string()))
    }

    /// The name or alias that the client used.
    pub(crate) fn model(&self) -> &str {
        match self {
            Self::Json(scan) => &scan.model,
            Self::Form(form) => &form.model,
            Self::Query(model) => model,
        }
    }

    /// Whether the client wants a stream.
    pub(super) fn wants_stream(&self) -> bool {
        matches!(self, Self::Json(scan) if scan.stream)
    }

    /// Whether its answer may be a stream, as the engine reads it.
    pub(super) fn may_stream(&self) -> bool {
        matches!(self, Self::Json(scan) if scan.may_stream)
    }

    /// What it asks with, for the ledger.
    pub(super) fn question(&self, body: &Bytes) -> Question<'_> {
        match self {
            Self::Json(scan) => Question::of(body, &scan.model, scan.may_stream),
            Self::Form(_) | Self::Query(_) => Question::unread(self.model()),
        }
    }

    /// The change that asks for usage, where the endpoint does not send it by itself.
    pub(crate) fn ask_for_usage(&self, endpoint: &Endpoint) -> Option<Edit> {
        match self {
            Self::Json(scan) if endpoint.usage_on_request => scan::ask_for_usage(scan),
            _ => None,
        }
    }

    /// The changes that make a stream of a plain request.
    pub(super) fn as_stream(&self, body: &[u8], endpoint: &Endpoint) -> Option<Vec<Edit>> {
        match self {
            Self::Json(scan) => scan::as_stream(scan, body, endpoint.usage_on_request),
            Self::Form(_) | Self::Query(_) => None,
        }
    }

    /// The body for a backend that knows the model by another name, with the other changes.
    pub(crate) fn payload(&self, body: &Bytes, changes: &[Edit], name: Option<&str>) -> Payload {
        let rename = name.filter(|name| *name != self.model()).and_then(|name| match self {
            Self::Json(scan) => scan::rename(scan, name),
            Self::Form(form) => form_body::rename(form, name),
            Self::Query(_) => None,
        });
        let edits: Vec<Edit> = rename.into_iter().chain(changes.iter().cloned()).collect();
        if edits.is_empty() { body.clone().into() } else { Payload::edited(body, edits) }
    }
}

fn of_form<'a>(
    form: Result<MultipartForm<'a>, form_body::FormError>,
    query: impl Fn() -> Option<Cow<'a, str>>,
) -> Result<RequestedModel<'a>, form_body::FormError> {
    match form {
        Err(form_body::FormError::NoModel) => {
            query().map(RequestedModel::Query).ok_or(form_body::FormError::NoModel)
        }
        form => form.map(RequestedModel::Form),
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn read(uri: &str, kind: &'static str, body: &[u8]) -> Result<(String, &'static str), String> {
        let request = TestRequest::post().uri(uri).insert_header((CONTENT_TYPE, kind)).to_http_request();
        let read = RequestedModel::read(&request, body);
        read.map(|asked| {
            let from = match asked {
                RequestedModel::Json(_) => "json",
                RequestedModel::Form(_) => "form",
                RequestedModel::Query(_) => "query",
            };
            (asked.model().to_owned(), from)
        })
        .map_err(|error| error.message.to_string())
    }

    #[test]
    fn the_model_is_found_wherever_it_is_named() {
        let form = b"--X\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--X--\r\n";
        let file =
            b"--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n\xff\r\n--X--\r\n";
        let multipart = "multipart/form-data; boundary=X";
        let url = "application/x-www-form-urlencoded";
        for (uri, kind, body, wanted) in [
            ("/x", "application/json", &b"{\"model\":\"m\"}"[..], ("m", "json")),
            ("/x?model=q", "application/json", b"{\"model\":\"m\"}", ("m", "json")),
            ("/x?model=q", "application/json", b"{\"content\":\"c\"}", ("q", "json")),
            ("/x", url, b"{\"model\":\"m\"}", ("m", "json")),
            ("/x", url, b"a=b&model=m", ("m", "form")),
            ("/x?model=q", url, b"a=b", ("q", "query")),
            ("/x", multipart, form, ("m", "form")),
            ("/x?model=q%2F1", multipart, file, ("q/1", "query")),
            ("/x?model=q", "", b"", ("q", "query")),
            ("/x?model=q", "audio/wav", b"RIFF\xff", ("q", "query")),
        ] {
            let wanted = (wanted.0.to_owned(), wanted.1);
            assert_eq!(read(uri, kind, body), Ok(wanted), "{uri} {kind}");
        }
        for (uri, kind, body, says) in [
            ("/x", multipart, &file[..], "no field `model`"),
            ("/x?model=q", "application/json", b"{\"a\":", "not valid JSON"),
            ("/x?model=q", "application/json", b"{\"model\":\"\"}", "`model` is empty"),
            ("/x", "audio/wav", b"RIFF\xff", "not valid UTF-8"),
            ("/x", "", b"", "no body"),
        ] {
            let error = read(uri, kind, body).unwrap_err();
            assert!(error.contains(says), "{uri} {kind}: {error}");
        }
    }
}
