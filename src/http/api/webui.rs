//! The dashboard: the files that `npm run build` left in `webui/dist`, as parts of the program.
//!
//! Names with a hash in them never change and are kept by browsers for ever; all others are asked for again,
//! and answered with 304 while their hash is the same. A page that a person opens gets `index.html`, which
//! knows its own paths. Files are public: what they show, they ask of `/api`, which wants the key.

use crate::http::access::AccessArea;
use crate::http::access::entrance::Entrance;
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::gateway::forwarding::Forwarding;
use crate::http::state::{Current, RequestState};
use actix_web::guard::GuardContext;
use actix_web::http::header::{self, ContentEncoding, HeaderMap, HeaderName};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, Resource, ResponseError, guard, web};
use flate2::read::GzDecoder;
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io::Read;

/// Everything in `webui/dist`; in debug builds it is read from there at each request.
#[derive(RustEmbed)]
#[folder = "webui/dist"]
#[allow_missing = true]
struct Files;

const INDEX: &str = "index.html";

/// No inline script or style, nothing from another host, and no frame around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; media-src blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'self'; \
    form-action 'self'; frame-ancestors 'none'";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>LLM-Manager</title>\
    <h1>LLM-Manager is running, without its dashboard</h1>\
    <p>This program was built in a checkout without the built dashboard. With Node.js 20.19 or later:\
    <pre>cd webui\nnpm ci\nnpm run build\ncd ..\ncargo build --release</pre>\
    <p><code>make run</code> does all of it. The OpenAI side (<a href=\"/v1/models\">/v1/models</a>) and the \
    management API (<a href=\"/api/models\">/api/models</a>) work without it.\
    <p>此程序编译时没有构建网页面板。安装 Node.js 20.19 或更高版本后执行以上命令即可。</html>";

/// Files, and the pages that people open.
pub(crate) fn pages() -> Resource {
    web::resource("/{path:.*}").guard(guard::fn_guard(is_ours)).to(serve)
}

/// GET of a file that there is, or of a page by a browser; everything else is the API's.
fn is_ours(context: &GuardContext<'_>) -> bool {
    let head = context.head();
    let path = head.uri.path();
    let name = path.trim_start_matches('/');
    let first = name.split('/').next().unwrap_or_default();
    if !matches!(head.method, Method::GET | Method::HEAD) || matches!(first, "api" | "v1") {
        return false;
    }
    let endpoint = context
        .app_data::<Current<Forwarding>>()
        .is_some_and(|current| current.now().endpoints.contains(path));
    !endpoint && (name.is_empty() || file(name).is_some() || wants_page(&head.headers))
}

fn wants_page(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).any(|value| value.to_str().is_ok_and(|text| text.contains("text/html")))
}

/// What is sent of a file of the dashboard.
struct Found {
    data: Cow<'static, [u8]>,
    hash: [u8; 32],
    /// Only its gzip form is kept.
    packed: bool,
}

impl Found {
    fn new(file: EmbeddedFile, packed: bool) -> Self {
        let hash = file.metadata.sha256_hash();
        Self { data: file.data, hash, packed }
    }
}

/// A file by its name in the URL.
fn file(name: &str) -> Option<Found> {
    if name.is_empty() || name.ends_with(".gz") {
        return None;
    }
    let plain = Files::get(name).map(|file| Found::new(file, false));
    plain.or_else(|| Files::get(&format!("{name}.gz")).map(|file| Found::new(file, true)))
}

async fn serve(request: HttpRequest, shared: RequestState<Entrance>) -> HttpResponse {
    if let Err(error) = shared.access.enter(request.headers(), AccessArea::Page) {
        return error.error_response();
    }
    let name = request.path().trim_start_matches('/');
    match file(name) {
        Some(found) if name == INDEX => answer(&request, name, based(found, &shared.base_path)),
        Some(found) => answer(&request, name, found),
        None if name.starts_with("assets/") => plain(StatusCode::NOT_FOUND).body("no such file"),
        None => match file(INDEX) {
            Some(index) => answer(&request, INDEX, based(index, &shared.base_path)),
            None => plain(StatusCode::OK).content_type("text/html; charset=utf-8").body(NOT_BUILT),
        },
    }
}

/// The page that says where the manager's paths begin: all that it loads is relative to that. It isn't kept packed.
fn based(index: Found, base: &str) -> Found {
    if base.is_empty() || index.packed {
        return index;
    }
    let text = String::from_utf8_lossy(&index.data).replacen(
        "<base href=\"/\"",
        &format!("<base href=\"{base}/\""),
        1,
    );
    let hash = Sha256::digest(&text).into();
    Found { data: text.into_bytes().into(), hash, packed: false }
}

fn answer(request: &HttpRequest, name: &str, found: Found) -> HttpResponse {
    let mut response = plain(StatusCode::OK);
    response.insert_header((header::CONTENT_TYPE, content_type(name)));
    response.insert_header((header::VARY, "Accept-Encoding"));
    let forever = name.starts_with("assets/");
    let cache = if forever { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.insert_header((header::CACHE_CONTROL, cache));
    let sent_packed = found.packed && accepts_gzip(request.headers());
    if sent_packed {
        response.insert_header(ContentEncoding::Gzip);
    }
    let tag = etag(&found.hash, found.packed && !sent_packed);
    response.insert_header((header::ETAG, tag.as_str()));
    let known = request.headers().get_all(header::IF_NONE_MATCH);
    if known.filter_map(|value| value.to_str().ok()).any(|tags| tags == "*" || tags.contains(&tag)) {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    if sent_packed || !found.packed {
        return response.body(found.data.into_owned());
    }
    match unpacked(&found.data) {
        Ok(text) => response.body(text),
        Err(error) => ApiError::new(ApiErrorKind::Internal, format!("{name}: can't be unpacked: {error}"))
            .error_response(),
    }
}

/// For the few clients that don't accept gzip: a few milliseconds for the largest file.
fn unpacked(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut text)?;
    Ok(text)
}

/// An answer with the headers that every page and file has.
fn plain(status: StatusCode) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"))
        .insert_header((HeaderName::from_static("cross-origin-opener-policy"), "same-origin"));
    response
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip")
            && !matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

/// The two forms of a file are two things for a cache.
fn etag(hash: &[u8], unpacked: bool) -> String {
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let form = if unpacked { "-plain" } else { "" };
    format!("\"{hex}{form}\"")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn accepting(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        assert!(accepts_gzip(&accepting("gzip, deflate, br")));
        assert!(accepts_gzip(&accepting("br;q=1.0, GZIP;q=0.5")));
        assert!(!accepts_gzip(&accepting("br, deflate")));
        assert!(!accepts_gzip(&accepting("gzip;q=0")));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn scripts_have_a_type_that_browsers_run() {
        assert_eq!(content_type("assets/index-abc.js"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("favicon.svg"), "image/svg+xml");
        assert_eq!(content_type("odd"), "application/octet-stream");
    }

    #[test]
    fn a_tag_is_quoted_and_short_and_that_of_one_form() {
        assert_eq!(etag(&[0xab; 32], false), format!("\"{}\"", "ab".repeat(16)));
        assert_ne!(etag(&[0xab; 32], true), etag(&[0xab; 32], false));
    }

    #[actix_web::test]
    async fn what_is_kept_packed_arrives_for_every_client() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(b"let a = 1").unwrap();
        let packed = packed.finish().unwrap();
        let kept = || Found { data: packed.clone().into(), hash: [7; 32], packed: true };
        for (accepted, body) in [("gzip", packed.clone()), ("identity", b"let a = 1".to_vec())] {
            let request =
                TestRequest::get().insert_header((header::ACCEPT_ENCODING, accepted)).to_http_request();
            let response = answer(&request, "assets/a.js", kept());
            let coding = response.headers().get(header::CONTENT_ENCODING).is_some();
            assert_eq!(coding, accepted == "gzip");
            assert_eq!(to_bytes(response.into_body()).await.unwrap(), body, "{accepted}");
        }
    }
}
