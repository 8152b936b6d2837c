//! Certificates that openssl makes when a test runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An authority, and the folder with all that it has signed.
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// A new authority; its own certificate is `ca.pem` in the folder.
    pub fn new(folder: &Path) -> Self {
        std::fs::create_dir(folder).unwrap();
        let authority = Authority { folder: folder.to_owned() };
        let subject = ["-x509", "-days", "3650", "-subj", "/CN=an authority of tests"];
        authority.openssl(&[&["req"], &NEW_KEY[..], &subject, &["-keyout", "ca.key", "-out", "ca.pem"]].concat());
        authority
    }

    /// Signs a certificate for a name: `NAME.pem` and `NAME.key`. `extensions` is a line of openssl's configuration.
    pub fn sign(&self, name: &str, extensions: &str) {
        std::fs::write(self.folder.join("extensions"), extensions).unwrap();
        let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        let request_args = ["-subj", &subject, "-keyout", &key, "-out", &request];
        self.openssl(&[&["req", "-new"], &NEW_KEY[..], &request_args].concat());
        let authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650"];
        let files = ["-in", &request, "-out", &certificate, "-extfile", "extensions"];
        self.openssl(&[&["x509", "-req"], &authority[..], &files].concat());
    }

    /// Signs `server.pem` for this machine.
    pub fn with_server(folder: &Path) -> Self {
        let authority = Authority::new(folder);
        authority.sign("server", "subjectAltName=DNS:localhost,IP:127.0.0.1");
        authority
    }

    /// One of its files, as an argument.
    pub fn file(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    fn openssl(&self, args: &[&str]) {
        let output = Command::new("openssl")
            .args(args)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A key of an elliptic curve: made in no time.
const NEW_KEY: [&str; 5] = ["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
