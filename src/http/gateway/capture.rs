//! What a model with `capture: true` has kept of a request: in the words of the wire, without its secrets.

use super::exchange::Exchange;
use llm_manager_actors::captures::{CaptureDraft, CaptureHead, CapturedBody};
use llm_manager_actors::model::ModelHandle;
use llm_manager_ledger::RequestRow;
use llm_manager_policy::capture;

/// Begins to keep a request, where its model wants that.
pub(super) fn begin(
    exchange: &Exchange,
    model: &ModelHandle,
    endpoint: &str,
    row: &RequestRow,
    body: &[u8],
) -> Option<Box<CaptureDraft>> {
    let request = &exchange.request;
    let uri = request.uri();
    let path = uri.path_and_query().map_or_else(|| uri.path(), |whole| whole.as_str());
    let head = CaptureHead {
        request_id: row.request_id.clone(),
        model: model.spec.name.clone(),
        endpoint: endpoint.to_owned(),
        method: request.method().to_string(),
        path: capture::path(path).into_owned(),
        started_us: row.started_us,
        request: CapturedBody { headers: headers(request.headers()), ..CapturedBody::default() },
        ..CaptureHead::default()
    };
    exchange.shared.captures.begin(head, body)
}

/// Headers as they may be kept.
pub(super) fn headers<'a, N, V>(headers: impl IntoIterator<Item = (N, V)>) -> Vec<(String, String)>
where
    N: std::borrow::Borrow<actix_web::http::header::HeaderName> + 'a,
    V: std::borrow::Borrow<actix_web::http::header::HeaderValue> + 'a,
{
    let kept = headers.into_iter().map(|(name, value)| {
        let (name, value) = (name.borrow(), String::from_utf8_lossy(value.borrow().as_bytes()).into_owned());
        let shown = capture::header(name.as_str(), &value).to_owned();
        (name.as_str().to_owned(), shown)
    });
    kept.collect()
}
