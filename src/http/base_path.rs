//! The path under which a proxy shows the manager: it is taken off before anything looks at a path.

use actix_http::Request;
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;

/// Takes `base` off the path of a request, if it stands there; requests without it are served as they are.
pub(super) fn take_off<P>(request: &mut Request<P>, base: &str) {
    if base.is_empty() {
        return;
    }
    let uri = &request.head().uri;
    let Some(rest) = uri.path().strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    else {
        return;
    };
    let path = if rest.is_empty() { "/" } else { rest };
    let below = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::from_maybe_shared(bytes::Bytes::from(below)).ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        request.head_mut().uri = uri;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(base: &str, uri: &str) -> String {
        let mut request = Request::new();
        request.head_mut().uri = uri.parse().unwrap();
        take_off(&mut request, base);
        request.head().uri.to_string()
    }

    #[test]
    fn only_the_base_is_taken_off() {
        for (uri, expected) in [
            ("/llm/v1/models?a=b%20c", "/v1/models?a=b%20c"),
            ("/llm", "/"),
            ("/llm/", "/"),
            ("/llm?x", "/?x"),
            ("/llmx/v1", "/llmx/v1"),
            ("/v1/models", "/v1/models"),
            ("/llm/llm", "/llm"),
            ("/llm/a%2Fb", "/a%2Fb"),
            ("http://host:1/llm/v1/models", "http://host:1/v1/models"),
        ] {
            assert_eq!(below("/llm", uri), expected, "{uri}");
        }
        assert_eq!(below("", "/llm/v1"), "/llm/v1");
        assert_eq!(below("/a/b", "/a/b/c"), "/c");
    }
}
