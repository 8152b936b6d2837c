//! Errors of the engine, by what the caller can do.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use zxq_catalog::CatalogError;
use zxq_language::error::unwrapped::{Cause, Unwrapped, unwrapped, within};
use zxq_providers::ProviderError;

pub use zxq_language::error::{EngineError as LanguageError, ErrorKind, Place, Subject};

#[cfg(test)]
mod tests;

/// Result with [`EngineError`].
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// Which row of what was read is bad, and which value of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Its number, as the source counts: lines of a text, rows of anything else.
    pub number: u64,
    /// The column, where it is one.
    pub column: Option<String>,
    /// The value as it came, shortened; `None` where it was NULL or is not known.
    pub value: Option<String>,
    /// The rule that the row breaks, where it is one of its table's.
    pub broken: Option<BrokenRule>,
}

/// A rule of a table that a row does not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRule {
    /// The table's name, behind that of its schema where it has one of its own.
    pub table: String,
    /// The column that must not be NULL.
    pub column: Option<String>,
    /// The constraint's name.
    pub constraint: Option<String>,
}

/// One failure: its kind, a message that names the thing and the fix, and the cause; where it is one row's, also which.
#[derive(Debug)]
pub struct EngineError {
    /// What there is to say, as errors of the language say it, of which most failures are.
    said: LanguageError,
    bad_row: Option<Box<BadRow>>,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.said, f)
    }
}

impl Error for EngineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.said.source()
    }
}

impl EngineError {
    /// A failure of the given kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        LanguageError::new(kind, message).into()
    }

    /// The same failure with its cause.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        EngineError { said: self.said.with_source(source), ..self }
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        EngineError { said: self.said.with_hint(hint), ..self }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.said.hint()
    }

    /// The same failure, with where in the statement it is.
    #[must_use]
    pub fn at(self, place: Option<Place>) -> Self {
        EngineError { said: self.said.at(place), ..self }
    }

    /// Where in the statement it is, where that is known. It stands behind the message when the error is written as a whole.
    pub fn place(&self) -> Option<Place> {
        self.said.place()
    }

    /// What of the statement is wrong, where that is known and the place is not.
    pub fn subject(&self) -> Option<&Subject> {
        self.said.subject()
    }

    /// The same failure, of this name.
    #[must_use]
    pub fn about_name(self, name: impl Into<String>) -> Self {
        EngineError { said: self.said.about_name(name), ..self }
    }

    /// There is no such relation.
    pub fn no_relation(name: &str) -> Self {
        LanguageError::no_relation(name).into()
    }

    /// There is no function of this name for arguments of these types.
    pub fn no_function(name: &str, arguments: &str) -> Self {
        LanguageError::no_function(name, arguments).into()
    }

    /// The same failure, with the row that is bad.
    #[must_use]
    pub fn in_row(mut self, bad_row: BadRow) -> Self {
        self.bad_row = Some(Box::new(bad_row));
        self
    }

    /// The row that is bad, where it is one row's failure.
    pub fn bad_row(&self) -> Option<&BadRow> {
        self.bad_row.as_deref()
    }

    /// The same failure, with the row counted in another way.
    #[must_use]
    pub(crate) fn renumbered(mut self, number: impl FnOnce(u64) -> u64) -> Self {
        if let Some(bad_row) = &mut self.bad_row {
            bad_row.number = number(bad_row.number);
        }
        self
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        self.said.message()
    }

    /// The same failure with words put before its message: which file, which row.
    #[must_use]
    pub fn context(self, context: impl fmt::Display) -> Self {
        EngineError { said: self.said.context(context), ..self }
    }

    /// A bug: something that cannot be.
    pub fn internal(message: impl Into<String>) -> Self {
        LanguageError::internal(message).into()
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.said.kind()
    }

    /// An I/O failure while doing something to a path.
    pub fn io(doing: impl fmt::Display, error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::FileNotFound,
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::DiskFull,
            _ => ErrorKind::Io,
        };
        EngineError::new(kind, format!("{doing}: {error}")).with_source(error)
    }
}

impl From<LanguageError> for EngineError {
    fn from(error: LanguageError) -> Self {
        EngineError { said: error, bad_row: None }
    }
}

impl From<CatalogError> for EngineError {
    fn from(error: CatalogError) -> Self {
        let kind = match &error {
            CatalogError::InvalidDefinition(_) => ErrorKind::InvalidDefinition,
            CatalogError::TableNotFound(_) => ErrorKind::UndefinedTable,
            CatalogError::TableExists(_) => ErrorKind::DuplicateTable,
            CatalogError::UnknownTier(_) => ErrorKind::InvalidParameter,
            CatalogError::Fenced { .. } => ErrorKind::FenceLost,
            CatalogError::Corrupt(_) => ErrorKind::DataCorrupted,
            CatalogError::NotWriter { .. } => ErrorKind::ReadOnly,
            CatalogError::OutcomeUnknown(_) => ErrorKind::OutcomeUnknown,
            CatalogError::Store { .. } | CatalogError::Unreachable { .. } | CatalogError::Refused { .. } => {
                ErrorKind::Io
            }
            _ => ErrorKind::Internal,
        };
        EngineError::new(kind, error.to_string()).with_source(error)
    }
}

impl From<ProviderError> for EngineError {
    fn from(error: ProviderError) -> Self {
        let kind = match &error {
            ProviderError::OutOfMemory { .. } => ErrorKind::OutOfMemory,
            ProviderError::DiskFull { .. } => ErrorKind::DiskFull,
            ProviderError::Missing { .. } | ProviderError::Corrupt { .. } | ProviderError::Changed { .. } => {
                ErrorKind::DataCorrupted
            }
            ProviderError::Unsupported { .. } => ErrorKind::FeatureNotSupported,
            ProviderError::Unreachable { .. } => ErrorKind::Unreachable,
            ProviderError::Store { .. } | ProviderError::Refused { .. } | ProviderError::Busy { .. } => ErrorKind::Io,
            ProviderError::Arrow(_) | ProviderError::DataFusion(_) => {
                return match error {
                    ProviderError::Arrow(inner) => inner.into(),
                    ProviderError::DataFusion(inner) => inner.into(),
                    other => EngineError::internal(other.to_string()),
                };
            }
            _ => ErrorKind::Internal,
        };
        EngineError::new(kind, error.to_string()).with_source(error)
    }
}

impl From<ArrowError> for EngineError {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::ExternalError(inner) => from_boxed(inner),
            own => LanguageError::from(own).into(),
        }
    }
}

/// Finds the engine's or a store's own error inside a wrapper.
fn from_boxed(inner: Box<dyn Error + Send + Sync>) -> EngineError {
    let inner = match inner.downcast::<EngineError>() {
        Ok(ours) => return *ours,
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<ProviderError>() {
        Ok(ours) => return (*ours).into(),
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<CatalogError>() {
        Ok(ours) => return (*ours).into(),
        Err(inner) => inner,
    };
    match inner.downcast::<DataFusionError>() {
        Ok(df) => (*df).into(),
        Err(inner) => LanguageError::from_boxed(inner).into(),
    }
}

impl From<DataFusionError> for EngineError {
    fn from(error: DataFusionError) -> Self {
        let Unwrapped { cause, contexts } = unwrapped(error);
        let ours = match cause {
            Cause::Own(error) => error.into(),
            Cause::HandedOn(inner) => from_boxed(inner),
            Cause::Shared(inner) => shared(inner),
        };
        contexts.into_iter().fold(ours, |error, context| error.context(context))
    }
}

/// An error that several streams gave, such as those of one build side.
fn shared(inner: Arc<DataFusionError>) -> EngineError {
    match within::<EngineError>(inner.as_ref()) {
        Some(EngineError { said, bad_row }) => {
            let ours = EngineError { said: said.without_source(), bad_row: bad_row.clone() };
            ours.with_source(DataFusionError::Shared(inner))
        }
        None => LanguageError::from_shared(inner).into(),
    }
}

impl From<EngineError> for DataFusionError {
    fn from(error: EngineError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}
