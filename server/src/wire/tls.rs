//! TLS: the server's certificate from files, which are read again when they have changed.
//!
//! [`identity`] makes what handshakes need of the files; [`certificate`] reads what is said in certificates.

pub(crate) mod certificate;
pub(crate) mod identity;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use identity::Identity;

/// The files, and what is asked of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// PEM file of the server's certificate, followed by those of the authorities between it and the root.
    pub certificate: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
    /// PEM file of the authorities whose certificates clients may log in with.
    pub client_ca: Option<PathBuf>,
    /// Refuse clients that do not encrypt, also those of this machine.
    pub require: bool,
}

/// Why TLS files cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file is not there, or cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file holds nothing of what it should.
    #[error("{} holds no {what} in PEM format", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// Others may read the key.
    #[error("the private key {} can be read by others: chmod 600 it (640 where it belongs to root)", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// What is in the files does not serve.
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The server's side of TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    options: TlsOptions,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    /// The files as they were when they were last looked at.
    stamps: Stamps,
    /// What the last good ones hold.
    identity: Arc<Identity>,
}

/// What changes when a file is replaced or written: its time, its length, its number on the disk.
type Stamps = Vec<Option<(SystemTime, u64, u64)>>;

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Any [`TlsError`]: a server whose certificate is wrong does not start.
    pub(crate) fn open(options: TlsOptions) -> Result<Tls, TlsError> {
        let stamps = stamps(&options);
        let identity = Arc::new(Identity::load(&options)?);
        Ok(Tls { options, current: Mutex::new(Current { stamps, identity }) })
    }

    /// True when clients that do not encrypt are refused.
    pub(crate) fn is_required(&self) -> bool {
        self.options.require
    }

    /// True when clients may log in with certificates.
    pub(crate) fn knows_clients(&self) -> bool {
        self.options.client_ca.is_some()
    }

    /// What the next handshake is done with: of the files as they are now, or the last good ones.
    pub(crate) fn identity(&self) -> Arc<Identity> {
        let now = stamps(&self.options);
        let mut current = self.current.lock();
        if now != current.stamps {
            // Kept also where they are wrong, half written perhaps: they are read again once they change again.
            current.stamps = now;
            match Identity::load(&self.options) {
                Ok(identity) => {
                    tracing::info!(certificate = %self.options.certificate.display(), "the TLS certificate was renewed");
                    current.identity = Arc::new(identity);
                }
                Err(error) => tracing::warn!(%error, "the TLS files have changed: the old certificate stays in use"),
            }
        }
        Arc::clone(&current.identity)
    }
}

/// The stamps of all files. Looking costs some microseconds, a handshake a thousand times that.
fn stamps(options: &TlsOptions) -> Stamps {
    let files = [Some(&options.certificate), Some(&options.key), options.client_ca.as_ref()];
    files.into_iter().flatten().map(|file| stamp(file)).collect()
}

fn stamp(file: &Path) -> Option<(SystemTime, u64, u64)> {
    let metadata = std::fs::metadata(file).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let number = 0;
    Some((metadata.modified().ok()?, metadata.len(), number))
}
