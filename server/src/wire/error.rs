//! What a client is told when something fails, and the notices it gets when nothing does.

use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::messages::PgWireBackendMessage;
use zxq_engine::{BrokenRule, EngineError, ErrorKind, LanguageError};

use crate::sqlstate::{self, SqlState};

/// Longest message sent, in characters: clients refuse messages above 30 kB.
const MESSAGE_CHARS: usize = 8_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The statement failed.
    Error,
    /// The connection ends.
    Fatal,
    /// The statement went well, and there is something to know.
    Notice,
    /// The statement went well, and probably did not do what was wanted.
    Warning,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
            Severity::Notice => "NOTICE",
            Severity::Warning => "WARNING",
        }
    }
}

/// An error or a notice as it goes out.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct WireError {
    /// How bad it is.
    pub(crate) severity: Severity,
    /// The SQLSTATE.
    pub(crate) code: SqlState,
    /// What is wrong.
    pub(crate) message: String,
    /// More about it.
    pub(crate) detail: Option<String>,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// Where in the text the client sent: a byte offset, counted from 0.
    pub(crate) offset: Option<usize>,
    /// What was being done: `COPY t, line 3, column a: "x"`.
    pub(crate) context: Option<String>,
    /// The rule of a table that a row breaks.
    pub(crate) broken: Option<Box<BrokenRule>>,
}

impl WireError {
    /// An error with the given code.
    pub(crate) fn new(code: SqlState, message: impl Into<String>) -> Self {
        let message = message.into();
        WireError {
            severity: Severity::Error,
            code,
            message,
            detail: None,
            hint: None,
            offset: None,
            context: None,
            broken: None,
        }
    }

    /// The client broke the protocol.
    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        WireError::new(sqlstate::PROTOCOL_VIOLATION, message)
    }

    /// The text is not SQL.
    pub(crate) fn syntax(message: impl Into<String>) -> Self {
        WireError::new(sqlstate::SYNTAX_ERROR, message)
    }

    /// Valid SQL that zxq does not do.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        WireError::new(sqlstate::FEATURE_NOT_SUPPORTED, message)
    }

    /// A value does not fit.
    pub(crate) fn out_of_range(message: impl Into<String>) -> Self {
        WireError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, message)
    }

    /// A limit of the server was passed.
    pub(crate) fn too_many(message: impl Into<String>) -> Self {
        WireError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, message)
    }

    /// Bytes that are no text.
    pub(crate) fn not_utf8(message: impl Into<String>) -> Self {
        WireError::new(sqlstate::CHARACTER_NOT_IN_REPERTOIRE, message)
    }

    /// A bug in zxq.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        WireError::new(sqlstate::INTERNAL_ERROR, message)
    }

    /// Something to know.
    pub(crate) fn notice(message: impl Into<String>) -> Self {
        WireError { severity: Severity::Notice, ..WireError::new(sqlstate::SUCCESSFUL_COMPLETION, message) }
    }

    /// Something to worry about.
    pub(crate) fn warning(code: SqlState, message: impl Into<String>) -> Self {
        WireError { severity: Severity::Warning, ..WireError::new(code, message) }
    }

    /// The same, ending the connection.
    #[must_use]
    pub(crate) fn fatal(mut self) -> Self {
        self.severity = Severity::Fatal;
        self
    }

    /// The same with what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with more about it.
    #[must_use]
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same, pointing at a byte of the text the client sent.
    #[must_use]
    pub(crate) fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The same with what was being done.
    #[must_use]
    pub(crate) fn within(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }

    /// The same for those who pass on errors of the engine; it comes back as it is.
    pub(crate) fn for_engine(self) -> EngineError {
        EngineError::new(ErrorKind::InvalidFile, self.message.clone()).with_source(self)
    }

    /// The same of a text that stands so many bytes behind the start of the text the client sent.
    #[must_use]
    pub(crate) fn behind(mut self, bytes: usize) -> Self {
        self.offset = self.offset.map(|offset| offset + bytes);
        self
    }

    /// The message that goes out. `query` is the text the offset points into.
    pub(crate) fn message(&self, query: &str) -> PgWireBackendMessage {
        let message = self.message.chars().take(MESSAGE_CHARS).collect();
        let mut info = ErrorInfo::new(self.severity.name().to_owned(), self.code.to_owned(), message);
        info.severity_nonlocalized = Some(self.severity.name().to_owned());
        info.detail = self.detail.clone();
        info.hint = self.hint.clone();
        info.where_context = self.context.clone();
        info.position =
            self.offset.and_then(|offset| query.get(..offset)).map(|before| (before.chars().count() + 1).to_string());
        if let Some(broken) = &self.broken {
            let (schema, table) = broken.table.split_once('.').unwrap_or(("public", &broken.table));
            info.schema = Some(schema.to_owned());
            info.table = Some(table.to_owned());
            info.column = broken.column.clone();
            info.constraint = broken.constraint.clone();
        }
        match self.severity {
            Severity::Error | Severity::Fatal => PgWireBackendMessage::ErrorResponse(info.into()),
            Severity::Notice | Severity::Warning => PgWireBackendMessage::NoticeResponse(info.into()),
        }
    }
}

impl From<EngineError> for WireError {
    fn from(error: EngineError) -> Self {
        if let Some(ours) = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<WireError>()) {
            return ours.clone();
        }
        let hint = error.hint().map(str::to_owned);
        let broken = error.bad_row().and_then(|row| row.broken.clone()).map(Box::new);
        WireError { hint, broken, ..WireError::new(sqlstate::of(error.kind()), error.to_string()) }
    }
}

impl From<LanguageError> for WireError {
    fn from(error: LanguageError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<datafusion::error::DataFusionError> for WireError {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<datafusion::arrow::error::ArrowError> for WireError {
    fn from(error: datafusion::arrow::error::ArrowError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<PgWireError> for WireError {
    fn from(error: PgWireError) -> Self {
        WireError::protocol(error.to_string()).fatal()
    }
}

/// Why a connection's work stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The client has to be told; the connection lives on unless it is fatal.
    #[error(transparent)]
    Failed(#[from] WireError),
    /// The client is gone.
    #[error("the connection is closed: {0}")]
    Gone(#[from] std::io::Error),
}

impl Stop {
    /// The same of a statement that stands so many bytes behind the start of the text the client sent.
    #[must_use]
    pub(crate) fn behind(self, bytes: usize) -> Self {
        match self {
            Stop::Failed(error) => Stop::Failed(error.behind(bytes)),
            gone => gone,
        }
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Stop::Failed(error.into())
    }
}

impl From<datafusion::error::DataFusionError> for Stop {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        Stop::Failed(error.into())
    }
}

impl From<PgWireError> for Stop {
    fn from(error: PgWireError) -> Self {
        match error {
            PgWireError::IoError(error) => Stop::Gone(error),
            other => Stop::Failed(other.into()),
        }
    }
}
