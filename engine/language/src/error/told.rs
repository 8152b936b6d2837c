//! What DataFusion and Arrow report, with kinds and in words of users.

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;

use super::{EngineError, ErrorKind, plain_words};

/// What is said of one of Arrow's own errors.
pub(super) fn told_by_arrow(error: &ArrowError) -> EngineError {
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

/// What is said of one of DataFusion's errors.
pub(super) fn told(error: &DataFusionError) -> EngineError {
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
pub(super) fn kind_of_plan_text(text: &str) -> ErrorKind {
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
