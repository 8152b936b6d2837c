//! A data directory with the configuration that its servers run with, and what else every test of a killed program begins with.

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::server::Server;

/// Little memory, nothing that moves by itself.
const LITTLE: &str = "\
maintenance_interval: 0
threads: 2
hot:
  memory_limit: 128MiB
  wal_segment_size: 1MiB
warm:
  memory_limit: 128MiB
  threads: 1
";

/// A folder of its own, which goes with it.
pub(crate) struct Directory(TempDir);

impl Directory {
    /// With little memory, and these lines more in the configuration.
    pub(crate) fn little(more: &str) -> Directory {
        Directory::with(&format!("{LITTLE}{more}"))
    }

    /// With this configuration.
    pub(crate) fn with(settings: &str) -> Directory {
        let directory = Directory(tempfile::tempdir().unwrap());
        std::fs::write(directory.config(), settings).unwrap();
        directory
    }

    /// What lies beside the data directory: files to load, for one.
    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    fn config(&self) -> PathBuf {
        self.folder().join("storage.yaml")
    }

    /// Starts a server on it and waits for its ready line.
    pub(crate) fn start(&self) -> Server {
        Server::start(&self.data(), &self.config())
    }
}

/// What clients run on.
pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Chance, printed as `ZXQ_SEED`, which repeats it (not to the millisecond).
pub(crate) fn chance(test: &str) -> StdRng {
    let given = std::env::var("ZXQ_SEED").ok().map(|seed| seed.parse().expect("ZXQ_SEED is a number"));
    let seed = given.unwrap_or_else(rand::random::<u64>);
    eprintln!("{test}: ZXQ_SEED={seed}");
    StdRng::seed_from_u64(seed)
}
