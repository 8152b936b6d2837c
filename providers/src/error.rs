//! Errors of the tier stores, by what the caller can do.

use std::path::PathBuf;

use datafusion::error::DataFusionError;

/// Result with [`ProviderError`].
pub type Result<T, E = ProviderError> = std::result::Result<T, E>;

/// A boxed cause.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong in a tier store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The memory limit is reached: flush something, or wait.
    #[error("hot tier is full: {used} of {limit} bytes in use, {wanted} more wanted")]
    OutOfMemory {
        /// Bytes in use.
        used: u64,
        /// Most bytes that may be in use.
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
    /// What the store keeps elsewhere was changed by somebody else: put it back, or drop the table. It is not overwritten.
    #[error("{store}: {what} was changed from outside: {reason}")]
    Changed {
        /// Store name.
        store: &'static str,
        /// What was changed.
        what: String,
        /// How.
        reason: String,
    },
    /// A server does not answer, or went away: try again, or look after it.
    #[error("{store}: {what}: {reason}")]
    Unreachable {
        /// Store name.
        store: &'static str,
        /// What was being done.
        what: String,
        /// Why it did not work.
        reason: String,
    },
    /// A server does not let us in, or not do this: correct the configuration or the server's grants.
    #[error("{store}: {what}: {reason}")]
    Refused {
        /// Store name.
        store: &'static str,
        /// What was being done.
        what: String,
        /// Why it was refused.
        reason: String,
    },
    /// Others are in the way: try again.
    #[error("{store}: {what}: {reason}")]
    Busy {
        /// Store name.
        store: &'static str,
        /// What was being done.
        what: String,
        /// Who is in the way.
        reason: String,
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
        source: Cause,
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
    pub fn store(store: &'static str, context: impl Into<String>, source: impl Into<Cause>) -> Self {
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
