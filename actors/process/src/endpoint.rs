//! Where a backend is reached, and what every request to it carries: made once per run, shared by all who ask it.

mod stream;

pub use stream::Stream;

use http::header::{HOST, HeaderMap, HeaderValue};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// Where a backend is reached.
pub struct Endpoint {
    address: SocketAddr,
    /// For the header `Host`.
    host: HeaderValue,
}

impl Endpoint {
    /// A backend of this machine.
    pub fn local(address: SocketAddr) -> Self {
        let host = HeaderValue::from_str(&address.to_string());
        Self { address, host: host.unwrap_or(HeaderValue::from_static("localhost")) }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where a backend of this machine listens; `None`: it is somewhere else.
    pub fn local_address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    /// What stands in the header `Host`.
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Gives a request what it needs to be taken there.
    pub fn dress(&self, headers: &mut HeaderMap) {
        headers.insert(HOST, self.host.clone());
    }

    /// Opens a connection. How long that may take is the caller's business.
    ///
    /// # Errors
    /// Nobody listens there, or it can't be reached.
    pub async fn connect(&self) -> io::Result<Stream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(Stream::Plain(stream))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}
