//! TLS towards a server elsewhere: it has to show a certificate that this machine trusts.

use std::io;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A connection in it.
pub(super) type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// The way to one server.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Blocks, the first time: it reads the system's certificates (or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`).
    pub(super) fn to(host: &str) -> Result<Self, String> {
        let config = trusting()?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| format!("{host}: {error}"))?;
        Ok(Self { connector: TlsConnector::from(config), name })
    }

    pub(super) async fn over(&self, stream: TcpStream) -> io::Result<TlsStream> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

/// What trusts whom this machine trusts. Blocks, the first time: it reads the system's certificates.
///
/// # Errors
/// It trusts nobody.
pub fn trusting() -> Result<Arc<ClientConfig>, String> {
    static TRUSTED: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = TRUSTED.get() {
        return Ok(Arc::clone(config));
    }
    let config = Arc::new(read()?);
    Ok(Arc::clone(TRUSTED.get_or_init(|| config)))
}

fn read() -> Result<ClientConfig, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (kept, _) = roots.add_parsable_certificates(found.certs);
    if kept == 0 {
        let why: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
        return Err(format!(
            "this machine trusts no certificate{why}: install its package ca-certificates, or name a file in SSL_CERT_FILE"
        ));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
