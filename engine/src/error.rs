//! Errors of the engine, by what the caller can do.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use zxq_catalog::CatalogError;
use zxq_providers::ProviderError;

mod kind;
mod no_such_function;
mod plain_words;
mod subject;
pub(crate) mod type_names;

pub use kind::ErrorKind;
pub use subject::Subject;

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

/// Which row of what was read is bad, and which value of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Its number, as the source counts: lines of a text, rows of anything else.
    pub number: u64,
    /// The column, where it is one.
    pub column: Option<String>,
    /// The value as it came, shortened; `None` where it was NULL or is not known.
    pub value: Option<String>,
}

/// One failure: its kind, a message that names the thing and the fix, and the cause.
#[derive(Debug, thiserror::Error)]
pub struct EngineError {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    place: Option<Place>,
    subject: Option<Box<Subject>>,
    bad_row: Option<Box<BadRow>>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
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
        let message = message.into();
        EngineError { kind, message, hint: None, place: None, subject: None, bad_row: None, source: None }
    }

    /// The same failure with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
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
        &self.message
    }

    /// The same failure with words put before its message: which file, which row.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// A bug: something that cannot be.
    pub fn internal(message: impl Into<String>) -> Self {
        EngineError::new(ErrorKind::Internal, message)
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
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
        if let ArrowError::ExternalError(inner) = error {
            return from_boxed(inner);
        }
        told_by_arrow(&error).with_source(error)
    }
}

/// What is said of one of Arrow's own errors.
fn told_by_arrow(error: &ArrowError) -> EngineError {
    let (kind, message) = match error {
        ArrowError::DivideByZero => (ErrorKind::DivisionByZero, "division by zero".to_owned()),
        ArrowError::ArithmeticOverflow(text) => (ErrorKind::NumericOutOfRange, format!("number out of range: {text}")),
        ArrowError::CastError(text) | ArrowError::InvalidArgumentError(text) if is_too_many_digits(text) => {
            let message = "numeric value out of range: it has more than 38 digits";
            (ErrorKind::NumericOutOfRange, message.to_owned())
        }
        ArrowError::CastError(text) | ArrowError::ParseError(text) => (ErrorKind::InvalidText, text.clone()),
        ArrowError::InvalidArgumentError(text) => (ErrorKind::InvalidParameter, text.clone()),
        other => (ErrorKind::Internal, other.to_string()),
    };
    EngineError::new(kind, message)
}

/// A decimal that its type, the widest there is, does not hold.
fn is_too_many_digits(text: &str) -> bool {
    text.starts_with("Cannot cast to Decimal128(38") || text.contains("to store in a Decimal128 of precision 38")
}

/// Finds the engine's or a store's own error inside a wrapper.
fn from_boxed(inner: Box<dyn std::error::Error + Send + Sync>) -> EngineError {
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
        Err(inner) => EngineError::new(ErrorKind::Internal, inner.to_string()).with_source(inner),
    }
}

impl From<DataFusionError> for EngineError {
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(inner) => from_boxed(inner),
            DataFusionError::ArrowError(inner, _) => (*inner).into(),
            DataFusionError::Context(context, inner) => {
                let ours: EngineError = (*inner).into();
                // Which rule of the optimiser came across a mistake is nothing to a user.
                let of_a_rule =
                    ["apply_function_rewrites", "type_coercion", "postgres_semantics"].contains(&context.as_str());
                if context.is_empty() || context.starts_with("Optimizer rule ") || of_a_rule {
                    ours
                } else {
                    ours.context(context)
                }
            }
            DataFusionError::Diagnostic(_, inner) => (*inner).into(),
            DataFusionError::Collection(mut errors) if !errors.is_empty() => errors.swap_remove(0).into(),
            DataFusionError::Shared(inner) => shared(inner),
            other => told(&other).with_source(other),
        }
    }
}

/// An error that several streams gave, such as those of one build side.
fn shared(inner: Arc<DataFusionError>) -> EngineError {
    let inner = match Arc::try_unwrap(inner) {
        Ok(only) => return only.into(),
        Err(inner) => inner,
    };
    let error = match ours_within(inner.as_ref()) {
        Some(EngineError { kind, message, hint, place, subject, bad_row, .. }) => EngineError {
            kind: *kind,
            message: message.clone(),
            hint: hint.clone(),
            place: *place,
            subject: subject.clone(),
            bad_row: bad_row.clone(),
            source: None,
        },
        None => told(&inner),
    };
    error.with_source(DataFusionError::Shared(inner))
}

/// The engine's own error that others were wrapped around.
fn ours_within<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a EngineError> {
    let mut error = Some(error);
    while let Some(this) = error {
        if let Some(ours) = this.downcast_ref::<EngineError>() {
            return Some(ours);
        }
        error = this.source();
    }
    None
}

impl From<EngineError> for DataFusionError {
    fn from(error: EngineError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

/// What is said of one of DataFusion's errors.
fn told(error: &DataFusionError) -> EngineError {
    match error {
        // Several streams share it, so that it cannot be taken out.
        DataFusionError::ArrowError(inner, _) => return told_by_arrow(inner),
        DataFusionError::SchemaError(inner, _) => return told_by_schema(inner),
        DataFusionError::Shared(inner) => match inner.find_root() {
            DataFusionError::Shared(_) | DataFusionError::External(_) => {}
            root => return told(root),
        },
        _ => {}
    }
    if let Some(told) = plain_words::reworded(error) {
        return told;
    }
    if let DataFusionError::Plan(text) = error
        && let Some(told) = missing_in_plan(text)
    {
        return told;
    }
    EngineError::new(kind_of(error), message_of(error))
}

fn kind_of(error: &DataFusionError) -> ErrorKind {
    match error {
        DataFusionError::SQL(_, _) => ErrorKind::Syntax,
        DataFusionError::NotImplemented(_) => ErrorKind::FeatureNotSupported,
        DataFusionError::ResourcesExhausted(_) => ErrorKind::OutOfMemory,
        DataFusionError::Plan(text) => kind_of_plan_text(text),
        DataFusionError::Execution(text) if text.contains("ivide by zero") => ErrorKind::DivisionByZero,
        DataFusionError::Execution(_) | DataFusionError::Configuration(_) => ErrorKind::InvalidParameter,
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => ErrorKind::Io,
        DataFusionError::ParquetError(_) => ErrorKind::DataCorrupted,
        _ => ErrorKind::Internal,
    }
}

/// DataFusion's planner reports most mistakes as text; these are the ones that have a code of their own in Postgres.
fn kind_of_plan_text(text: &str) -> ErrorKind {
    let lower = text.to_ascii_lowercase();
    if lower.contains("table") && lower.contains("not found") {
        ErrorKind::UndefinedTable
    } else if lower.contains("invalid function") || lower.contains("no function matches") {
        ErrorKind::UndefinedFunction
    } else if lower.contains("column") && lower.contains("not found") || lower.contains("no field named") {
        ErrorKind::UndefinedColumn
    } else if lower.contains("coerce") || lower.contains("type mismatch") || lower.contains("must be of the same type")
    {
        ErrorKind::DatatypeMismatch
    } else if lower.contains("already exists") {
        ErrorKind::DuplicateTable
    } else {
        ErrorKind::Syntax
    }
}

fn message_of(error: &DataFusionError) -> String {
    if let DataFusionError::Shared(inner) = error {
        return message_of(inner);
    }
    let text = error.strip_backtrace();
    for prefix in [
        "Error during planning: ",
        "Execution error: ",
        "SQL error: ",
        "Schema error: ",
        "Invalid or Unsupported Configuration: ",
        "This feature is not implemented: ",
    ] {
        if let Some(rest) = text.strip_prefix(prefix) {
            return rest.to_owned();
        }
    }
    text
}

/// The relation that qualifies a column, where there is none of that name.
fn missing_relation<'a>(field: &'a Column, valid_fields: &[Column]) -> Option<&'a str> {
    let relation = field.relation.as_ref()?.table();
    let is_there = valid_fields.iter().any(|valid| valid.relation.as_ref().is_some_and(|r| r.table() == relation));
    (!is_there && !valid_fields.is_empty()).then_some(relation)
}

/// What is said of columns that are not there, or there twice.
fn told_by_schema(error: &SchemaError) -> EngineError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            if let Some(relation) = missing_relation(field, valid_fields) {
                let message = format!("missing FROM-clause entry for table \"{relation}\"");
                return EngineError::new(ErrorKind::UndefinedTable, message).about_name(relation);
            }
            let known: Vec<&str> = valid_fields.iter().map(|c| c.name.as_str()).take(SHOWN_COLUMNS).collect();
            let (name, shown) = match &field.relation {
                Some(relation) => {
                    let name = format!("{}.{}", relation.table(), field.name);
                    (name.clone(), name)
                }
                None => (field.name.clone(), format!("\"{}\"", field.name)),
            };
            let message = match known.is_empty() {
                true => format!("column {shown} does not exist"),
                false => format!("column {shown} does not exist; there are {}", known.join(", ")),
            };
            EngineError::new(ErrorKind::UndefinedColumn, message).about_name(name)
        }
        SchemaError::AmbiguousReference { field } => {
            let message = format!("column reference \"{}\" is ambiguous", field.name);
            EngineError::new(ErrorKind::AmbiguousColumn, message).about_name(&field.name)
        }
        SchemaError::DuplicateQualifiedField { qualifier, .. } => {
            let message = format!("table name \"{}\" specified more than once", qualifier.table());
            EngineError::new(ErrorKind::DuplicateAlias, message)
        }
        other @ SchemaError::DuplicateUnqualifiedField { .. } => {
            EngineError::new(ErrorKind::DuplicateColumn, other.to_string())
        }
    }
}

/// Most columns that a message lists.
const SHOWN_COLUMNS: usize = 20;

/// `table 'zxq.public.x' not found` as `relation "x" does not exist`, and its like.
fn missing_in_plan(text: &str) -> Option<EngineError> {
    if let Some((name, _)) = text.strip_prefix("table '").and_then(|rest| rest.split_once("' not found")) {
        let name = name.strip_prefix("zxq.").unwrap_or(name);
        return Some(EngineError::no_relation(name.strip_prefix("public.").unwrap_or(name)));
    }
    if let Some((name, rest)) = text.strip_prefix("Invalid function '").and_then(|rest| rest.split_once('\'')) {
        let hint = rest.trim_start_matches('.').trim();
        let gap = if hint.is_empty() { "" } else { ": " };
        let message = format!("function {name} does not exist{gap}{hint}");
        return Some(EngineError::new(ErrorKind::UndefinedFunction, message).about_name(name));
    }
    None
}
