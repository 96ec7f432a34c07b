//! TLS towards clients: a certificate from files, which is read again when they change.

mod validity;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use llm_manager_policy::spec::TlsSpec;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{self, CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
};

/// How often the files are looked at. They are read when they have been the same at two looks: they may still be written.
const LOOK: Duration = Duration::from_secs(1);

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// One of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsFile {
    Certificate,
    Key,
}

impl TlsFile {
    /// Its key in `program.tls`.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Certificate => "cert",
            Self::Key => "key",
        }
    }
}

/// What is wrong with one of the two files.
#[derive(Debug)]
pub(crate) struct TlsFileError {
    /// Which one.
    pub(crate) file: TlsFile,
    /// Where it is.
    pub(crate) path: String,
    pub(crate) why: String,
    /// It is there, and this user may not read it.
    pub(crate) is_denied: bool,
}

impl TlsFileError {
    fn new(file: TlsFile, path: &Path, why: &dyn Display) -> Self {
        Self { file, path: path.display().to_string(), why: why.to_string(), is_denied: false }
    }

    /// A PEM file's errors, in words that say what it should be.
    fn of_pem(file: TlsFile, path: &Path, error: &pem::Error) -> Self {
        let is_denied =
            matches!(error, pem::Error::Io(error) if error.kind() == io::ErrorKind::PermissionDenied);
        let why = match error {
            pem::Error::Io(error) => error.to_string(),
            pem::Error::NoItemsFound => "there is no private key in it: it must be a PEM file".to_owned(),
            error => error.to_string(),
        };
        Self { is_denied, ..Self::new(file, path, &why) }
    }
}

impl Display for TlsFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (`program.tls.{}`): {}", self.path, self.file.key(), self.why)
    }
}

/// The certificates of a file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let wrong = |error: &dyn Display| TlsFileError::new(TlsFile::Certificate, path, error);
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(found) if found.is_empty() => Err(wrong(&"there is no certificate in it: it must be a PEM file")),
        Ok(found) => Ok(found),
        Err(error) => Err(TlsFileError::of_pem(TlsFile::Certificate, path, &error)),
    }
}

/// Reads both files. Blocks.
pub(crate) fn read(spec: &TlsSpec) -> Result<Arc<CertifiedKey>, TlsFileError> {
    let chain = certificates(&spec.cert)?;
    let wrong = |error: &dyn Display| TlsFileError::new(TlsFile::Key, &spec.key, error);
    let key = PrivateKeyDer::from_pem_file(&spec.key)
        .map_err(|error| TlsFileError::of_pem(TlsFile::Key, &spec.key, &error))?;
    let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        Error::InconsistentKeys(_) => wrong(&format!("it is not the key of {}", spec.cert.display())),
        error => wrong(&error),
    })?;
    Ok(Arc::new(key))
}

/// When the first certificate of the file ends. Blocks.
pub(crate) fn ends_at(path: &Path) -> Result<Timestamp, TlsFileError> {
    let wrong = |error: &dyn Display| TlsFileError::new(TlsFile::Certificate, path, error);
    let certificate = certificates(path)?.swap_remove(0);
    validity::not_after(&certificate).ok_or_else(|| wrong(&"it is no X.509 certificate"))
}

/// The certificate that clients are shown.
pub(crate) struct ServerCertificate {
    spec: TlsSpec,
    key: ArcSwap<CertifiedKey>,
}

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shown").field(&self.spec.cert).finish()
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key.load_full())
    }
}

impl ServerCertificate {
    /// Reads the files. Blocks.
    pub(crate) fn read(spec: &TlsSpec) -> Result<Arc<Self>, String> {
        Ok(Arc::new(Self {
            spec: spec.clone(),
            key: ArcSwap::new(read(spec).map_err(|wrong| wrong.to_string())?),
        }))
    }

    /// What accepts connections with it.
    pub(crate) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, String> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?;
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads the files again when they have changed, for ever. Files with a mistake change nothing.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut read = look(&self.spec).await;
        let mut before = read;
        loop {
            tokio::time::sleep(LOOK).await;
            let now = look(&self.spec).await;
            // One that is away is being replaced.
            if now.iter().all(Option::is_some) && now == before && now != read {
                read = now;
                let spec = self.spec.clone();
                let fresh = actix_web::rt::task::spawn_blocking(move || self::read(&spec)).await;
                match fresh {
                    Ok(Ok(key)) => {
                        self.key.store(key);
                        log::info!("tls: the new certificate in {} is in force", self.spec.cert.display());
                    }
                    Ok(Err(error)) => log::error!("tls: the former certificate stays in force: {error}"),
                    Err(error) => log::error!("tls: the former certificate stays in force: {error}"),
                }
            }
            before = now;
        }
    }
}

type Look = [Option<(SystemTime, u64)>; 2];

async fn look(spec: &TlsSpec) -> Look {
    let paths = [spec.cert.clone(), spec.key.clone()];
    let looked = actix_web::rt::task::spawn_blocking(move || {
        paths.map(|path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.len()))
        })
    });
    looked.await.unwrap_or_default()
}

/// Takes exactly the certificate that stands in the manager's own file, whoever has signed it and for whatever name.
#[derive(Debug)]
struct Own {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

/// For those who talk to the manager of this configuration: they know its certificate from its file. Blocks.
pub(crate) fn client(spec: &TlsSpec) -> Result<ClientConfig, String> {
    let mut chain = certificates(&spec.cert).map_err(|wrong| wrong.to_string())?;
    let certificate = chain.swap_remove(0);
    let provider = provider();
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    let own = Arc::new(Own { certificate, provider });
    Ok(config.dangerous().with_custom_certificate_verifier(own).with_no_client_auth())
}

impl ServerCertVerifier for Own {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *shown == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(
            message,
            cert,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(
            message,
            cert,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
