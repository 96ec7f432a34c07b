//! Built without TLS, which has C in it: a server elsewhere is reached by http only.

use std::io;
use tokio::net::TcpStream;

/// There is none.
pub(super) enum Tls {}

/// Never made.
pub(super) type TlsStream = TcpStream;

impl Tls {
    pub(super) fn to(_: &str) -> Result<Self, String> {
        Err("this program was built without TLS: only http addresses can be reached".to_owned())
    }

    #[expect(clippy::unused_async, reason = "as with TLS")]
    pub(super) async fn over(&self, _: TcpStream) -> io::Result<TlsStream> {
        match *self {}
    }
}
