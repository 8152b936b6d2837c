//! Errors of the tier stores, by what the caller can do.

use std::path::PathBuf;

use datafusion::error::DataFusionError;

/// Result with [`ProviderError`].
pub type Result<T, E = ProviderError> = std::result::Result<T, E>;

/// A boxed cause.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong in a tier store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The memory limit is reached: flush something, or wait.
    #[error("hot tier is full: {used} of {limit} bytes in use, {wanted} more wanted")]
    OutOfMemory {
        /// Bytes in use.
        used: u64,
        /// The limit.
        limit: u64,
        /// Bytes asked for.
        wanted: u64,
    },
    /// The disk is full. Nothing became visible.
    #[error("no space left on the device while writing {path}")]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// Something that the catalog names is not there; the data directory was changed from outside.
    #[error("{store}: {what} is missing")]
    Missing {
        /// Store name.
        store: &'static str,
        /// The thing that is missing.
        what: String,
    },
    /// Stored bytes are not what was written.
    #[error("{store}: {what} is damaged: {reason}")]
    Corrupt {
        /// Store name.
        store: &'static str,
        /// The file or table.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store cannot do this with this type or option.
    #[error("{store} cannot {what}")]
    Unsupported {
        /// Store name.
        store: &'static str,
        /// What was asked.
        what: String,
    },
    /// The store's own engine failed.
    #[error("{store}: {context}: {source}")]
    Store {
        /// Store name.
        store: &'static str,
        /// What was being done.
        context: String,
        /// The engine's error.
        #[source]
        source: Source,
    },
    /// Arrow failed.
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    /// DataFusion failed.
    #[error(transparent)]
    DataFusion(#[from] DataFusionError),
}

impl ProviderError {
    /// Wraps an engine's error with the store's name and what was being done.
    pub fn store(store: &'static str, context: impl Into<String>, source: impl Into<Source>) -> Self {
        ProviderError::Store { store, context: context.into(), source: source.into() }
    }
}

impl From<ProviderError> for DataFusionError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::DataFusion(inner) => inner,
            ProviderError::Arrow(inner) => DataFusionError::ArrowError(Box::new(inner), None),
            other => DataFusionError::External(Box::new(other)),
        }
    }
}
