//! The dashboard: the files that `npm run build` left in `webui/dist`, as parts of the program.
//!
//! Names with a hash in them never change and are kept by browsers for ever; all others are asked for again,
//! and answered with 304 while their hash is the same. A page that a person opens gets `index.html`, which
//! knows its own paths. Files are public: what they show, they ask of `/api`, which wants the key.

use crate::http::access::Door;
use crate::http::state::{InForce, Now};
use actix_web::guard::GuardContext;
use actix_web::http::header::{self, ContentEncoding, HeaderMap, HeaderName};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, Resource, ResponseError, guard, web};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

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
    <p>This program was built in a checkout where the dashboard had not been built. With Node.js 20.19 or later:\
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
    let endpoint = context.app_data::<InForce>().is_some_and(|shared| shared.now().endpoints.contains(path));
    !endpoint && (name.is_empty() || file(name).is_some() || wants_page(&head.headers))
}

fn wants_page(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).any(|value| value.to_str().is_ok_and(|text| text.contains("text/html")))
}

/// A file by its name in the URL; the compressed twins are not for asking.
fn file(name: &str) -> Option<EmbeddedFile> {
    if name.is_empty() || name.ends_with(".gz") { None } else { Files::get(name) }
}

async fn serve(request: HttpRequest, shared: Now) -> HttpResponse {
    if let Err(error) = shared.access.enter(request.headers(), Door::Page) {
        return error.error_response();
    }
    let name = request.path().trim_start_matches('/');
    match file(name) {
        Some(found) if name == INDEX => answer(&request, name, based(found, &shared.base_path)),
        Some(found) => answer(&request, name, found.into()),
        None if name.starts_with("assets/") => plain(StatusCode::NOT_FOUND).body("no such file"),
        None => match Files::get(INDEX) {
            Some(index) => answer(&request, INDEX, based(index, &shared.base_path)),
            None => plain(StatusCode::OK).content_type("text/html; charset=utf-8").body(NOT_BUILT),
        },
    }
}

/// What is sent of a file.
struct Content {
    data: Cow<'static, [u8]>,
    hash: [u8; 32],
    /// It is not as it lies in the program, where it lies compressed, too.
    changed: bool,
}

impl From<EmbeddedFile> for Content {
    fn from(file: EmbeddedFile) -> Self {
        let hash = file.metadata.sha256_hash();
        Self { data: file.data, hash, changed: false }
    }
}

/// The page that says where the manager's paths begin: all that it loads is relative to that.
fn based(index: EmbeddedFile, base: &str) -> Content {
    if base.is_empty() {
        return index.into();
    }
    let text = String::from_utf8_lossy(&index.data).replacen(
        "<base href=\"/\"",
        &format!("<base href=\"{base}/\""),
        1,
    );
    let hash = Sha256::digest(&text).into();
    Content { data: text.into_bytes().into(), hash, changed: true }
}

fn answer(request: &HttpRequest, name: &str, found: Content) -> HttpResponse {
    let zipped = (!found.changed && accepts_gzip(request.headers()))
        .then(|| Files::get(&format!("{name}.gz")))
        .flatten();
    let mut response = plain(StatusCode::OK);
    response.insert_header((header::CONTENT_TYPE, content_type(name)));
    response.insert_header((header::VARY, "Accept-Encoding"));
    let forever = name.starts_with("assets/");
    let cache = if forever { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.insert_header((header::CACHE_CONTROL, cache));
    let body = match zipped {
        Some(zipped) => {
            response.insert_header(ContentEncoding::Gzip);
            Content::from(zipped)
        }
        None => found,
    };
    let tag = etag(&body.hash);
    response.insert_header((header::ETAG, tag.as_str()));
    let known = request.headers().get_all(header::IF_NONE_MATCH);
    if known.filter_map(|value| value.to_str().ok()).any(|tags| tags == "*" || tags.contains(&tag)) {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    response.body(body.data.into_owned())
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

fn etag(hash: &[u8]) -> String {
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
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
    use actix_web::http::header::HeaderValue;

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
    fn a_tag_is_quoted_and_short() {
        assert_eq!(etag(&[0xab; 32]), format!("\"{}\"", "ab".repeat(16)));
    }
}
