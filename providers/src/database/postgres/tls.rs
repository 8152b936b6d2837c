//! TLS as `sslmode` asks for it.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;
use zxq_catalog::postgres_address::{PostgresAddress, SslMode};

use super::NAME;
use crate::error::{ProviderError, Result};

/// What encrypts connections. It is used only where `sslmode` wants TLS and the server speaks it.
///
/// # Errors
/// [`ProviderError::Refused`] when certificates are to be checked and there are none to check them with.
pub(super) fn connector(address: &PostgresAddress) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| ProviderError::store(NAME, "setting up TLS", e))?;
    let authorities = match address.ssl_mode() {
        SslMode::VerifyFull => {
            let config = builder.with_root_certificates(roots(address.ssl_root())?).with_no_client_auth();
            return Ok(MakeRustlsConnect::new(config));
        }
        SslMode::VerifyCa => {
            let roots = Arc::new(roots(address.ssl_root())?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            Some(verifier.map_err(|e| ProviderError::store(NAME, "setting up TLS", e))?)
        }
        SslMode::Disable | SslMode::Allow | SslMode::Prefer | SslMode::Require => None,
    };
    let verifier = Arc::new(Lenient { authorities, provider });
    let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn roots(file: Option<&Path>) -> Result<RootCertStore> {
    let refused = |reason: String| ProviderError::Refused {
        store: NAME,
        what: match file {
            Some(path) => format!("sslrootcert {} cannot be used", path.display()),
            None => "this machine has no root certificates to check the server's with".to_owned(),
        },
        reason,
    };
    let mut roots = RootCertStore::empty();
    match file {
        Some(path) => {
            let certificates = CertificateDer::pem_file_iter(path).map_err(|e| refused(e.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|e| refused(e.to_string()))?;
                roots.add(certificate).map_err(|e| refused(e.to_string()))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(refused("name a PEM file with sslrootcert=FILE".to_owned()));
    }
    Ok(roots)
}

/// Looks at a server less closely than rustls does by itself.
#[derive(Debug)]
struct Lenient {
    /// Whose certificates are taken, whichever host they name: `sslmode=verify-ca`. `None` takes any certificate: encryption
    /// without a look at who is there, which is what `sslmode=require` and `prefer` mean.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Lenient {
    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        // The name is looked at last: all the rest is in order then.
        match authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}
