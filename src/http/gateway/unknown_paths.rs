//! Paths that lead nowhere, and methods that aren't taken: what is said of them.

use crate::config::suggest;
use crate::http::api::openapi;
use crate::http::error::{ApiError, ApiErrorKind, quoted};
use crate::http::gateway::forwarding::Forwarding;
use actix_web::HttpRequest;
use actix_web::http::Method;
use llm_manager_policy::endpoints::{Endpoint, UPSTREAM, tidy};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The manager's own routes, as the description of the API lists them: path to methods.
static ROUTES: LazyLock<BTreeMap<String, Vec<String>>> = LazyLock::new(|| {
    let text: Value = serde_json::from_str(openapi::TEXT).unwrap_or_default();
    let paths = text.get("paths").and_then(Value::as_object).into_iter().flatten();
    let methods = |item: &Value| {
        let names = item.as_object().into_iter().flatten().map(|(name, _)| name.to_ascii_uppercase());
        names.collect()
    };
    paths.map(|(path, item)| (path.clone(), methods(item))).collect()
});

/// What a path that isn't an endpoint leads to all the same.
pub(crate) enum Elsewhere<'a> {
    /// `GET /v1/models` in another spelling.
    Models,
    /// `GET /v1/models/{id}` likewise.
    Model(&'a str),
}

/// The list of models under a path that has no `/v1`, two of them, or a slash too many. The path is tidy.
pub(crate) fn elsewhere(path: &str) -> Option<Elsewhere<'_>> {
    let rest = path.strip_prefix("/v1/").or_else(|| path.strip_prefix('/'))?;
    match rest.strip_prefix("models")? {
        "" => Some(Elsewhere::Models),
        rest => rest.strip_prefix('/').map(Elsewhere::Model),
    }
}

/// Whether a path is one of Ollama's that change its models.
pub(crate) fn is_of_ollama(path: &str) -> bool {
    let rest = path.strip_prefix("/api/").unwrap_or_default();
    matches!(rest, "pull" | "push" | "create" | "copy" | "delete") || rest.starts_with("blobs/")
}

/// No route has this path.
pub(crate) fn unknown(shared: &Forwarding, request: &HttpRequest) -> ApiError {
    let path = request.path();
    if is_of_ollama(path) {
        let message = format!(
            "Ollama's `{}` is not served: the models are those of the configuration, and `GET /api/tags` lists them",
            quoted(path)
        );
        return ApiError::new(ApiErrorKind::UnknownEndpoint, message);
    }
    if tidy(path) == UPSTREAM {
        let message = "`/upstream` wants a model and a path: did you mean `/upstream/MODEL/PATH`?";
        return ApiError::new(ApiErrorKind::UnknownEndpoint, message);
    }
    let served = shared.endpoints.paths().filter(|path| !path.contains('{'));
    let known = served.chain(ROUTES.keys().map(String::as_str)).filter(|known| !known.contains('{'));
    let served = shared.endpoints.paths().filter(|path| !path.contains('{'));
    let tidied = tidy(path);
    let message = match nearest(&tidied, known).or_else(|| alike(&tidied, served)) {
        Some(nearest) => format!("`{}` is not an endpoint; did you mean `{nearest}`?", quoted(path)),
        None if path.starts_with("/api/") => format!(
            "{} {} is not part of the management API; `GET /api/openapi.json` describes it",
            request.method(),
            quoted(path)
        ),
        None => format!(
            "`{}` is not an endpoint of any mode; did you mean the backend's own, `/upstream/MODEL{}`? A mode serves it \
             once it is listed under `modes` in the configuration",
            quoted(path),
            quoted(path)
        ),
    };
    ApiError::new(ApiErrorKind::UnknownEndpoint, message)
}

/// The known path that was most likely meant. Paths begin alike, so slips count where they differ.
fn nearest<'k>(path: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let known: Vec<&str> = known.collect();
    let prefixes = ["/v1", "/api", ""];
    prefixes.into_iter().find_map(|prefix| {
        let typed = path.strip_prefix(prefix)?;
        let ends = known.iter().filter_map(|known| known.strip_prefix(prefix)).filter(|end| !end.is_empty());
        let end = suggest::nearest(typed, ends)?;
        known.iter().find(|known| known.strip_prefix(prefix) == Some(end)).copied()
    })
}

/// An endpoint that goes on where the path stops (`/v1/chat`), or the shortest that ends as it does
/// (`/v1/engines/x/completions`, `/completion`).
fn alike<'k>(path: &str, served: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let served: Vec<&str> = served.collect();
    let typed = path.strip_prefix("/v1").unwrap_or(path);
    let goes_on = |known: &&&str| {
        let known = known.strip_prefix("/v1").unwrap_or(known);
        known.strip_prefix(typed).is_some_and(|rest| rest.starts_with('/'))
    };
    if let Some(longer) = served.iter().find(goes_on).filter(|_| !typed.is_empty()) {
        return Some(longer);
    }
    let last = |path: &'k str| path.rsplit('/').next().unwrap_or_default();
    let end = suggest::nearest(typed.rsplit('/').next()?, served.iter().map(|known| last(known)))?;
    served.into_iter().filter(|known| last(known) == end).min_by_key(|known| known.len())
}

/// The endpoint does not take this method.
pub(crate) fn not_taken(endpoint: &Endpoint, method: &Method) -> ApiError {
    refused(&endpoint.path, method, Some(endpoint.allow()))
}

/// A route of the manager's own does not take this method.
pub(crate) fn wrong_method(request: &HttpRequest) -> ApiError {
    let pattern = request.match_pattern().unwrap_or_default().replace(":.+}", "}");
    let methods = ROUTES.get(&pattern).map(|methods| {
        let head = methods.iter().any(|method| method == "GET").then_some("HEAD");
        methods.iter().map(String::as_str).chain(head).collect::<Vec<_>>().join(", ")
    });
    refused(request.path(), request.method(), methods)
}

fn refused(path: &str, method: &Method, allow: Option<String>) -> ApiError {
    let takes = allow.as_deref().unwrap_or("another method");
    let message = format!("`{}` takes {takes}, not {method}", quoted(path));
    ApiError { allow: allow.map(Into::into), ..ApiError::new(ApiErrorKind::MethodNotAllowed, message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_manager_policy::endpoints::Endpoints;
    use llm_manager_policy::modes::built_in;

    #[test]
    fn a_slip_in_a_path_is_recognised() {
        let all = Endpoints::new(&built_in());
        let known =
            || all.paths().chain(ROUTES.keys().map(String::as_str)).filter(|path| !path.contains('{'));
        for (typed, meant) in [
            ("/v1/chat/completion", "/v1/chat/completions"),
            ("/V1/Chat/Completions", "/v1/chat/completions"),
            ("/v1/embedding", "/v1/embeddings"),
            ("/v1/response", "/v1/responses"),
            ("/v1/audio/transcription", "/v1/audio/transcriptions"),
            ("/api/model", "/api/models"),
            ("/metric", "/metrics"),
            ("/tokenise", "/tokenize"),
        ] {
            assert_eq!(nearest(typed, known()), Some(meant), "{typed}");
        }
        for nonsense in ["/favicon.ico", "/v1/nonsense", "/wp-login.php", "/v1/files", "/"] {
            assert_eq!(nearest(nonsense, known()), None, "{nonsense}");
        }
    }

    #[test]
    fn a_path_that_is_half_right_is_recognised() {
        let all = Endpoints::new(&built_in());
        let served = || all.paths().filter(|path| !path.contains('{'));
        for (typed, meant) in [
            ("/v1/chat", "/v1/chat/completions"),
            ("/audio", "/v1/audio/transcriptions"),
            ("/v1/engines/x/completions", "/v1/completions"),
            ("/completion", "/v1/completions"),
            ("/embed", "/v2/embed"),
            ("/embedding", "/v1/embeddings"),
        ] {
            assert_eq!(alike(typed, served()), Some(meant), "{typed}");
        }
        for nonsense in ["/", "/v1", "/v1/nonsense", "/props", "/v1/files", "/wp-login.php", "/v1/chats/x"] {
            assert_eq!(alike(nonsense, served()), None, "{nonsense}");
        }
        for (path, theirs) in [("/api/pull", true), ("/api/blobs/sha256:1", true), ("/api/models", false)] {
            assert_eq!(is_of_ollama(path), theirs, "{path}");
        }
    }

    #[test]
    fn every_route_of_the_description_has_methods() {
        assert!(ROUTES.len() > 30 && ROUTES.values().all(|methods| !methods.is_empty()));
        assert_eq!(ROUTES["/api/config"], ["GET", "PUT"]);
    }

    #[test]
    fn the_list_of_models_is_found_under_other_names() {
        assert!(matches!(elsewhere("/models"), Some(Elsewhere::Models)));
        assert!(matches!(elsewhere("/v1/models"), Some(Elsewhere::Models)));
        assert!(matches!(elsewhere("/v1/models/a/b"), Some(Elsewhere::Model("a/b"))));
        assert!(elsewhere("/v1/modelsx").is_none() && elsewhere("/").is_none() && elsewhere("/x").is_none());
    }
}
