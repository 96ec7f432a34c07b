//! Front: what stands between a client's connection and the application. A plain request, as almost all are (HTTP/1.1, kept
//! alive, with a body of a known length), is read and answered here; a connection with anything else goes to actix's
//! dispatcher, which has larger buffers and a timer for each request.

mod dialogue;
mod request;
mod response;
#[cfg(test)]
mod tests;

use super::connection::ClientConnection;
use super::pipeline::PipelinedConnection;
use actix_http::error::DispatchError;
use actix_http::{Protocol, Request, Response};
use actix_service::Service;
use actix_web::body::BoxBody;
pub(super) use dialogue::{ClientPatience, ServerEnding, Shared};
use dialogue::{Dialogue, DialogueEnd};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// Serves one client until it leaves, or the server ends.
pub(super) async fn serve<S, H>(
    shared: Rc<Shared<S, H>>,
    stream: TcpStream,
    write_timeout: Duration,
    tls: Option<TlsAcceptor>,
) -> Result<(), DispatchError>
where
    S: Service<Request>,
    S::Response: Into<Response<BoxBody>>,
    S::Error: Into<Response<BoxBody>>,
    S::Future: Unpin,
    H: Service<(PipelinedConnection, Protocol, Option<SocketAddr>), Response = (), Error = DispatchError>,
{
    let peer = stream.peer_addr().ok();
    let accepted = ClientConnection::accept(stream, write_timeout, tls).await;
    let mut dialogue = match accepted {
        Ok(connection) => Box::new(Dialogue::new(Rc::clone(&shared), connection, peer)),
        Err(error) => {
            let from = peer.map_or_else(String::new, |peer| format!(" from {}", peer.ip()));
            log::debug!("tls: a connection{from} failed: {error}");
            return Err(error.into());
        }
    };
    match poll_fn(|context| dialogue.poll(context)).await? {
        DialogueEnd::Closed => Ok(()),
        // On the heap: it is several times as large as what most connections need.
        DialogueEnd::Other => {
            Box::pin(shared.dispatcher.call((dialogue.rest(), Protocol::Http1, peer))).await
        }
    }
}
