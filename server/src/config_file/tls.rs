//! The section `tls`: the server's certificate.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::serve::TlsOptions;

/// What the section may say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    #[serde(default)]
    require: bool,
}

impl RawTls {
    /// The options; files that are named by relative paths lie in the folder of the configuration file.
    pub(super) fn read(self, folder: &Path) -> TlsOptions {
        TlsOptions {
            certificate: folder.join(self.certificate),
            key: folder.join(self.key),
            client_ca: self.client_ca.map(|file| folder.join(file)),
            require: self.require,
        }
    }
}
