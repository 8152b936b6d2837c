//! What DataFusion and Arrow report, with kinds and in words of users.

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;

use super::{ErrorKind, no_such_function, plain_words};

/// The kind of one of Arrow's own errors, and what is said of it.
pub(super) fn told_by_arrow(error: &ArrowError) -> (ErrorKind, String) {
    match error {
        ArrowError::DivideByZero => (ErrorKind::DivisionByZero, "division by zero".to_owned()),
        ArrowError::ArithmeticOverflow(text) => (ErrorKind::NumericOutOfRange, format!("number out of range: {text}")),
        ArrowError::CastError(text) | ArrowError::InvalidArgumentError(text) if is_too_many_digits(text) => {
            let message = "numeric value out of range: it has more than 38 digits";
            (ErrorKind::NumericOutOfRange, message.to_owned())
        }
        ArrowError::CastError(text) | ArrowError::ParseError(text) => (ErrorKind::InvalidText, text.clone()),
        ArrowError::InvalidArgumentError(text) => (ErrorKind::InvalidParameter, text.clone()),
        other => (ErrorKind::Internal, other.to_string()),
    }
}

/// A decimal that its type, the widest there is, does not hold.
fn is_too_many_digits(text: &str) -> bool {
    text.starts_with("Cannot cast to Decimal128(38") || text.contains("to store in a Decimal128 of precision 38")
}

/// The kind of one of DataFusion's errors, and what is said of it.
pub(super) fn told(error: &DataFusionError) -> (ErrorKind, String) {
    // Several streams share it, so that it cannot be taken out.
    if let DataFusionError::ArrowError(inner, _) = error {
        return told_by_arrow(inner);
    }
    if let Some(told) = plain_words::reworded(error) {
        return told;
    }
    if let DataFusionError::Plan(text) = error
        && let Some(told) = no_such_function::in_words_of_postgres(text)
    {
        return told;
    }
    (kind_of(error), message_of(error))
}

fn kind_of(error: &DataFusionError) -> ErrorKind {
    match error {
        DataFusionError::SQL(_, _) => ErrorKind::Syntax,
        DataFusionError::NotImplemented(_) => ErrorKind::FeatureNotSupported,
        DataFusionError::ResourcesExhausted(_) => ErrorKind::OutOfMemory,
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::AmbiguousReference { .. } => ErrorKind::AmbiguousColumn,
            SchemaError::DuplicateQualifiedField { .. } => ErrorKind::DuplicateAlias,
            SchemaError::DuplicateUnqualifiedField { .. } => ErrorKind::DuplicateColumn,
            SchemaError::FieldNotFound { field, valid_fields } if missing_relation(field, valid_fields).is_some() => {
                ErrorKind::UndefinedTable
            }
            SchemaError::FieldNotFound { .. } => ErrorKind::UndefinedColumn,
        },
        DataFusionError::Plan(text) => kind_of_plan_text(text),
        DataFusionError::Execution(text) if text.contains("ivide by zero") => ErrorKind::DivisionByZero,
        DataFusionError::Execution(_) | DataFusionError::Configuration(_) => ErrorKind::InvalidParameter,
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => ErrorKind::Io,
        DataFusionError::ParquetError(_) => ErrorKind::DataCorrupted,
        DataFusionError::Shared(inner) => match inner.find_root() {
            DataFusionError::Shared(_) | DataFusionError::External(_) => ErrorKind::Internal,
            root => told(root).0,
        },
        _ => ErrorKind::Internal,
    }
}

/// DataFusion's planner reports most mistakes as text; these are the ones that have a code of their own in Postgres.
pub(super) fn kind_of_plan_text(text: &str) -> ErrorKind {
    if let Some((kind, _)) = no_such_function::in_words_of_postgres(text) {
        return kind;
    }
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
    match error {
        DataFusionError::SchemaError(inner, _) => return message_of_schema(inner),
        DataFusionError::Plan(text) => {
            if let Some(message) = in_words_of_postgres(text) {
                return message;
            }
        }
        DataFusionError::Shared(inner) => return told(inner).1,
        _ => {}
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

fn message_of_schema(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            if let Some(relation) = missing_relation(field, valid_fields) {
                return format!("missing FROM-clause entry for table \"{relation}\"");
            }
            let known: Vec<&str> = valid_fields.iter().map(|c| c.name.as_str()).take(SHOWN_COLUMNS).collect();
            let name = match &field.relation {
                Some(relation) => format!("{}.{}", relation.table(), field.name),
                None => format!("\"{}\"", field.name),
            };
            match known.is_empty() {
                true => format!("column {name} does not exist"),
                false => format!("column {name} does not exist; there are {}", known.join(", ")),
            }
        }
        SchemaError::AmbiguousReference { field } => format!("column reference \"{}\" is ambiguous", field.name),
        SchemaError::DuplicateQualifiedField { qualifier, .. } => {
            format!("table name \"{}\" specified more than once", qualifier.table())
        }
        other => other.to_string(),
    }
}

/// Most columns that a message lists.
const SHOWN_COLUMNS: usize = 20;

/// `table 'zxq.public.x' not found` as `relation "x" does not exist`, and its like.
fn in_words_of_postgres(text: &str) -> Option<String> {
    if let Some((name, _)) = text.strip_prefix("table '").and_then(|rest| rest.split_once("' not found")) {
        let name = name.strip_prefix("zxq.").unwrap_or(name);
        let name = name.strip_prefix("public.").unwrap_or(name);
        return Some(format!("relation \"{name}\" does not exist"));
    }
    if let Some((name, rest)) = text.strip_prefix("Invalid function '").and_then(|rest| rest.split_once('\'')) {
        let hint = rest.trim_start_matches('.').trim();
        let gap = if hint.is_empty() { "" } else { ": " };
        return Some(format!("function {name} does not exist{gap}{hint}"));
    }
    None
}
