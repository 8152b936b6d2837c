#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use ring::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

use super::certificate::{self, Expiry};
use super::{Tls, TlsError, TlsOptions};

/// A certificate that has signed itself, `NAME.pem` with `NAME.key`.
fn make(folder: &Path, name: &str, kind: &[&str], subject: &str) -> CertificateDer<'static> {
    let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    let output = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "3650", "-multivalue-rdn", "-utf8", "-subj", subject, "-newkey"])
        .args(kind)
        .args([Path::new("-keyout"), &key, Path::new("-out"), &certificate])
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    CertificateDer::from_pem_file(certificate).unwrap()
}

const P256: [&str; 3] = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

#[test]
fn what_log_ins_are_bound_to_depends_on_the_signature() {
    let folder = TempDir::new().unwrap();
    let bound_to = |name: &str, kind: &[&str]| {
        let certificate = make(folder.path(), name, kind, "/CN=x");
        let read = certificate::read(&certificate).unwrap();
        (certificate::end_point(&certificate, &read), certificate)
    };
    let cases: [(&[&str], &digest::Algorithm); 5] = [
        (&["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], &digest::SHA256),
        (&["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-sha384"], &digest::SHA384),
        (&["rsa:2048", "-sha256"], &digest::SHA256),
        (&["rsa:2048", "-sha512"], &digest::SHA512),
        // What is broken does not count as a hash here.
        (&["rsa:2048", "-sha1"], &digest::SHA256),
    ];
    for (kind, algorithm) in cases {
        let (bound, certificate) = bound_to("x", kind);
        assert_eq!(bound.unwrap(), digest::digest(algorithm, &certificate).as_ref(), "{kind:?}");
    }
    assert_eq!(bound_to("x", &["ed25519"]).0, None);
}

#[test]
fn a_certificate_is_about_one_name() {
    let folder = TempDir::new().unwrap();
    let name = |subject: &str| {
        let read = certificate::read(&make(folder.path(), "x", &P256, subject)).unwrap();
        assert_eq!(read.expiry, Expiry::Valid);
        read.common_name
    };
    assert_eq!(name("/O=zxq/CN=alice").as_deref(), Some("alice"));
    assert_eq!(name("/CN=Zo\u{eb}").as_deref(), Some("Zo\u{eb}"));
    assert_eq!(name("/O=zxq"), None);
    assert_eq!(name("/CN=alice/CN=bob"), None);
    assert_eq!(name("/CN=alice+CN=bob"), None);
    assert!(certificate::read(&CertificateDer::from(&b"no certificate"[..])).is_err());
}

#[test]
fn the_last_good_files_stay_in_use() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    make(folder, "a", &P256, "/CN=a");
    make(folder, "b", &P256, "/CN=b");
    let options = TlsOptions {
        certificate: folder.join("a.pem"),
        key: folder.join("a.key"),
        client_ca: Some(folder.join("b.pem")),
        require: false,
    };
    let tls = Tls::open(options).unwrap();
    assert!(tls.knows_clients() && !tls.is_required());
    let first = tls.identity().binding.clone().unwrap();
    assert_eq!(tls.identity().binding, Some(first.clone()));
    let replace = |with: &str, what: &str| std::fs::rename(folder.join(with), folder.join(what)).unwrap();
    replace("b.key", "a.key");
    assert_eq!(tls.identity().binding, Some(first.clone()), "the new key does not fit the old certificate");
    std::fs::copy(folder.join("b.pem"), folder.join("c.pem")).unwrap();
    replace("c.pem", "a.pem");
    let second = tls.identity().binding.clone().unwrap();
    assert_ne!(second, first);
    std::fs::remove_file(folder.join("a.pem")).unwrap();
    assert_eq!(tls.identity().binding, Some(second));
}

#[test]
fn wrong_files_are_named() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    make(folder, "a", &P256, "/CN=a");
    make(folder, "b", &P256, "/CN=b");
    std::fs::write(folder.join("empty"), "").unwrap();
    let open = |certificate: &str, key: &str, client_ca: Option<&str>| {
        let options = TlsOptions {
            certificate: folder.join(certificate),
            key: folder.join(key),
            client_ca: client_ca.map(|name| folder.join(name)),
            require: false,
        };
        Tls::open(options).map(|_| ()).expect_err("it is refused")
    };
    assert!(matches!(open("none", "a.key", None), TlsError::Unreadable { path, .. } if path.ends_with("none")));
    assert!(matches!(open("a.pem", "none", None), TlsError::Unreadable { path, .. } if path.ends_with("none")));
    assert!(matches!(open("empty", "a.key", None), TlsError::Empty { path, .. } if path.ends_with("empty")));
    assert!(matches!(open("a.pem", "a.pem", None), TlsError::Empty { .. } | TlsError::Exposed { .. }));
    assert!(matches!(open("a.pem", "a.key", Some("empty")), TlsError::Empty { path, .. } if path.ends_with("empty")));
    let error = open("a.pem", "b.key", None);
    assert!(error.to_string().contains("does not belong to the private key"), "{error}");
}
