//! What handshakes are done with: certificate, key, and the authorities of clients.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use pgwire::tokio::TlsAcceptor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::certificate::{self, Expiry};
use super::{TlsError, TlsOptions};

/// What a client that begins with TLS at once, without asking, must say that it wants (ALPN).
pub(crate) const PROTOCOL: &[u8] = b"postgresql";

/// What the server shows, and whom it lets in.
pub(crate) struct Identity {
    /// Does the handshakes.
    pub(crate) acceptor: TlsAcceptor,
    /// What a client binds its log-in to (`tls-server-end-point`, RFC 5929), where the certificate's signature allows it.
    pub(crate) binding: Option<Vec<u8>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("binding", &self.binding).finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads the files.
    pub(super) fn load(options: &TlsOptions) -> Result<Identity, TlsError> {
        let chain = certificates(&options.certificate)?;
        let key = private_key(&options.key)?;
        let unusable = |path: &Path, reason: String| TlsError::Unusable { path: path.to_owned(), reason };
        let binding = match chain.first() {
            Some(own) => {
                let read = certificate::read(own).map_err(|reason| unusable(&options.certificate, reason))?;
                match read.expiry {
                    Expiry::Valid => {}
                    Expiry::Passed => tracing::warn!("the TLS certificate has expired: clients that check it go away"),
                }
                certificate::end_point(own, &read)
            }
            None => None,
        };
        // The same cryptography that connections to PostgreSQL and to buckets use.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| unusable(&options.certificate, e.to_string()))?;
        let builder = match &options.client_ca {
            Some(path) => builder.with_client_cert_verifier(client_verifier(path, provider)?),
            None => builder.with_no_client_auth(),
        };
        let mut config =
            builder.with_single_cert(chain, key).map_err(|e| unusable(&options.certificate, in_words(&e)))?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // Each connection shows and checks certificates anew; connections are few and live long.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Identity { acceptor: TlsAcceptor::from(Arc::new(config)), binding })
    }
}

/// What people make of it: a certificate and a key that belong to two pairs.
fn in_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => "the certificate does not belong to the private key".to_owned(),
        other => other.to_string(),
    }
}

/// Clients may show a certificate; one that does is checked.
fn client_verifier(
    path: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let unusable = |reason: String| TlsError::Unusable { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        roots.add(authority).map_err(|e| unusable(e.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|e| unusable(e.to_string()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, PemError> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(found) if found.is_empty() => Err(TlsError::Empty { path: path.to_owned(), what: "certificate" }),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(path, "certificate", error)),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    if is_exposed(path) {
        return Err(TlsError::Exposed { path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(path, "private key without a passphrase", error))
}

fn unreadable(path: &Path, what: &'static str, error: PemError) -> TlsError {
    let path = path.to_owned();
    match error {
        PemError::NoItemsFound => TlsError::Empty { path, what },
        PemError::Io(error) => TlsError::Unreadable { path, reason: error.to_string() },
        other => TlsError::Unreadable { path, reason: other.to_string() },
    }
}

/// True for a key that more than its owner may read, by PostgreSQL's rule: the group of a key that belongs to root may.
#[cfg(unix)]
fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = std::fs::metadata(path) else { return false };
    let others = if metadata.uid() == 0 { 0o027 } else { 0o077 };
    metadata.mode() & others != 0
}

/// Who may read a file is said in other ways here.
#[cfg(not(unix))]
fn is_exposed(_path: &Path) -> bool {
    false
}
