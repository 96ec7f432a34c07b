//! The answer to a request as the server sends it: the backend's status and headers, and a body on the way.

use super::account::RequestAccount;
use super::exchange::Exchange;
use super::forward::BackendResponse;
use super::headers;
use super::rename::{RenamedBody, Renamer};
use super::response_body::{ResponseBody, served};
use actix_http::ConnectionType;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::Version;
use actix_web::{HttpRequest, HttpResponse};

/// The answer to a request.
pub(crate) fn respond(
    exchange: &Exchange,
    reply: BackendResponse,
    account: RequestAccount,
    rename: Option<Renamer>,
) -> HttpResponse {
    let request = &exchange.request;
    let status = reply.response.status;
    let served_by = account.served_by();
    let (headers, answer) = ResponseBody::new(reply, exchange.id.clone(), account);
    let rename = rename.filter(|_| headers::is_readable(&headers));
    answer.watched_by(request);
    let body = match rename {
        Some(renamer) => BoxBody::new(RenamedBody::new(answer, renamer)),
        None => served(answer, request),
    };
    let mut response = HttpResponse::with_body(status, body);
    let told = response.headers_mut();
    for (name, value) in headers {
        told.append(name, value);
    }
    // Another manager may be the backend: what it says of itself is not said of us.
    for (name, value) in served_by.into_iter().flatten() {
        headers::put(told, name, value);
    }
    unchunked(request, &mut response);
    response
}

/// HTTP/1.0 knows no chunks: the end of the connection is the end of the body (RFC 9112, 6.1).
pub(crate) fn unchunked<B: MessageBody>(request: &HttpRequest, response: &mut HttpResponse<B>) {
    if request.version() < Version::HTTP_11 && matches!(response.body().size(), BodySize::Stream) {
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
}
