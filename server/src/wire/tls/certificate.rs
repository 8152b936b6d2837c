//! What certificates say: who somebody is, until when, and by which signature.

use ring::digest;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Tag, Tagged};

/// "CN" in a name.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// What is of interest in a certificate.
#[derive(Debug)]
pub(crate) struct Read {
    /// How it was signed.
    signature: ObjectIdentifier,
    /// The one common name of whom it is about; `None` when there is none, or several.
    pub(crate) common_name: Option<String>,
    /// Whether its time is over.
    pub(crate) expiry: Expiry,
}

/// Whether a certificate still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// It does.
    Valid,
    /// Its time is over.
    Passed,
}

/// Reads a certificate.
///
/// # Errors
/// What is wrong with its bytes.
pub(crate) fn read(certificate: &CertificateDer<'_>) -> Result<Read, String> {
    let read = Certificate::from_der(certificate).map_err(|error| format!("it is no X.509 certificate: {error}"))?;
    let tbs = read.tbs_certificate;
    let mut names = tbs.subject.0.iter().flat_map(|part| part.0.iter()).filter(|part| part.oid == COMMON_NAME);
    let common_name = match (names.next(), names.next()) {
        (Some(name), None) => text(&name.value),
        _ => None,
    };
    let over = tbs.validity.not_after.to_system_time() < std::time::SystemTime::now();
    let expiry = if over { Expiry::Passed } else { Expiry::Valid };
    Ok(Read { signature: read.signature_algorithm.oid, common_name, expiry })
}

/// A text of ASCII or UTF-8. A NUL in it would cut it short for others who read it, so it counts as no name.
fn text(value: &x509_cert::der::Any) -> Option<String> {
    let is_text = matches!(value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String);
    let text = std::str::from_utf8(value.value()).ok()?;
    (is_text && !text.is_empty() && !text.contains('\0')).then(|| text.to_owned())
}

/// The certificate's hash that log-ins are bound to: by the hash function of its signature, or SHA-256 where that is MD5 or
/// SHA-1 (RFC 5929). `None` where the signature has no such function, as Ed25519.
pub(crate) fn end_point(certificate: &CertificateDer<'_>, read: &Read) -> Option<Vec<u8>> {
    let algorithm = match read.signature.to_string().as_str() {
        // RSA, then ECDSA, with SHA-256; and what counts as such: RSA with MD5 and SHA-1, ECDSA with SHA-1.
        "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.3.2"
        | "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.10045.4.1" => &digest::SHA256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &digest::SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}
