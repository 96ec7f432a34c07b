//! A request that has a connection: whoever holds it drives both, so no other task has to be woken for a byte to pass.

use super::connection::{BackendConnection, Broken};
use super::pool::{Home, Pool};
use super::request_head::WireRequest;
use super::response_head::Arrival;
use super::wire::ConnectionScope;
use super::{Body, Response, UpstreamError};

/// A request on its way to its backend.
#[derive(Debug)]
pub(crate) struct SentRequest {
    connection: Box<BackendConnection>,
    /// The connection has served another request before.
    kept: bool,
    home: Home,
}

impl SentRequest {
    /// On an idle connection, if there is one that lives.
    pub(crate) fn on_kept(
        pool: &mut Pool,
        request: WireRequest,
        home: Home,
    ) -> Result<Self, (WireRequest, Home)> {
        let Some(mut connection) = pool.take() else { return Err((request, home)) };
        connection.ask(request);
        Ok(Self { connection, kept: true, home })
    }

    /// On a connection of its own.
    pub(crate) async fn on_fresh(
        request: WireRequest,
        home: Home,
        ties: ConnectionScope,
    ) -> Result<Self, UpstreamError> {
        let mut connection = Box::new(BackendConnection::open(home.backend.endpoint(), ties).await?);
        connection.ask(request);
        Ok(Self { connection, kept: false, home })
    }

    /// Sends it, and waits for the head of its answer, as long as it takes.
    pub(crate) async fn response(mut self) -> Result<Response, UpstreamError> {
        match self.connection.answer().await {
            Ok(answer) => Ok(self.answered(answer)),
            Err(_) if self.connection.is_orphan() => Err(UpstreamError::Crashed),
            // The backend had closed this connection before it could read any of the request.
            Err(_) if self.kept && !self.connection.heard_anything() && !self.connection.told_anything() => {
                Err(UpstreamError::Unsent)
            }
            Err(Broken::Lost(why)) if self.kept && !self.connection.heard_anything() => {
                Err(UpstreamError::Stale(why))
            }
            Err(Broken::Garbled(why)) => Err(UpstreamError::BadAnswer(why)),
            Err(Broken::Lost(why)) => Err(UpstreamError::BeforeAnswer(why)),
        }
    }

    fn answered(self, arrival: Arrival) -> Response {
        let Arrival { head, size, decoder, first, keeps_connection: _ } = arrival;
        let body = Body::new(size, decoder, first, self.connection, self.home);
        Response { status: head.status, headers: head.headers, body }
    }
}
