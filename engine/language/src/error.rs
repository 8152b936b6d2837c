//! Errors of the language, by what the caller can do.
//!
//! [`EngineError`] is this crate's own. [`ErrorKind`] lists the kinds of all failures that a user can meet, those of the
//! storage above too, so that one table can give each its SQLSTATE. What DataFusion and Arrow report is put into words of users
//! by `told`; [`unwrapped`](mod@unwrapped) takes off what they wrap around the errors of others, for the crates that know those.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

mod kind;
mod no_such_function;
mod plain_words;
mod subject;
mod told;
pub mod type_names;
pub mod unwrapped;

pub use kind::ErrorKind;
pub use subject::Subject;
use unwrapped::{Cause, Unwrapped, unwrapped, within};

/// Result with [`EngineError`].
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// A place in the text of a statement, both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line of the statement.
    pub line: u64,
    /// The character of that line.
    pub column: u64,
}

/// One failure: its kind, a message that names the thing and the fix, and the cause.
#[derive(Debug, thiserror::Error)]
pub struct EngineError {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    place: Option<Place>,
    subject: Option<Box<Subject>>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.place {
            Some(Place { line, column }) => write!(f, " (line {line}, column {column})"),
            None => Ok(()),
        }
    }
}

impl EngineError {
    /// A failure of the given kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        EngineError { kind, message: message.into(), hint: None, place: None, subject: None, source: None }
    }

    /// A bug: something that cannot be.
    pub fn internal(message: impl Into<String>) -> Self {
        EngineError::new(ErrorKind::Internal, message)
    }

    /// The same failure with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The same failure, with where in the statement it is.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// Where in the statement it is, where that is known. It stands behind the message when the error is written as a whole.
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// The same failure with words put before its message: which file, which row.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// A copy, for whom the failure itself does not belong to; the cause cannot be copied.
    #[must_use]
    pub fn without_source(&self) -> Self {
        EngineError {
            kind: self.kind,
            message: self.message.clone(),
            hint: self.hint.clone(),
            place: self.place,
            subject: self.subject.clone(),
            source: None,
        }
    }

    /// What an error was that others handed on in a box: one of this crate's, one of DataFusion's, or one that nobody knows.
    pub fn from_boxed(inner: Box<dyn Error + Send + Sync>) -> Self {
        let inner = match inner.downcast::<EngineError>() {
            Ok(ours) => return *ours,
            Err(inner) => inner,
        };
        match inner.downcast::<DataFusionError>() {
            Ok(df) => (*df).into(),
            Err(inner) => EngineError::new(ErrorKind::Internal, inner.to_string()).with_source(inner),
        }
    }

    /// An error that several streams gave, such as those of one build side.
    pub fn from_shared(inner: Arc<DataFusionError>) -> Self {
        let error = match within::<EngineError>(inner.as_ref()) {
            Some(ours) => ours.without_source(),
            None => told::told(&inner),
        };
        error.with_source(DataFusionError::Shared(inner))
    }
}

impl From<ArrowError> for EngineError {
    fn from(error: ArrowError) -> Self {
        if let ArrowError::ExternalError(inner) = error {
            return EngineError::from_boxed(inner);
        }
        told::told_by_arrow(&error).with_source(error)
    }
}

impl From<DataFusionError> for EngineError {
    fn from(error: DataFusionError) -> Self {
        let Unwrapped { cause, contexts } = unwrapped(error);
        let ours = match cause {
            Cause::Own(error) => error,
            Cause::HandedOn(inner) => EngineError::from_boxed(inner),
            Cause::Shared(inner) => EngineError::from_shared(inner),
        };
        contexts.into_iter().fold(ours, |error, context| error.context(context))
    }
}

impl From<EngineError> for DataFusionError {
    fn from(error: EngineError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}
