//! What is wrong with a row.

use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;
use zxq_catalog::TableDef;

use crate::error::{BadRow, BrokenRule, ErrorKind};
use crate::values::CastProblem;

/// Longest value shown in a message, characters.
const SHOWN_CHARS: usize = 120;

/// What is wrong with one row. Kept small: rows by the million may be bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A value does not fit its column.
    Cast { column: usize, problem: CastProblem },
    /// NULL in a NOT NULL column.
    Null { column: usize },
    /// A CHECK is false. Names the columns it reads.
    Check { check: usize },
    /// An expression failed on this row: division by zero, overflow.
    Failed { what: String, kind: ErrorKind, message: String },
}

impl Problem {
    /// Where it is, with the row counted from 0 within the batch. `original` holds the row as it came.
    pub(crate) fn place(&self, def: &TableDef, original: &RecordBatch, row: usize) -> BadRow {
        let number = row as u64;
        match self {
            Problem::Cast { column, .. } => {
                let name = &def.columns[*column].name;
                let is_null = original.column_by_name(name).is_none_or(|values| values.is_null(row));
                let value = if is_null { None } else { shown_value(original, name, row) };
                BadRow { number, column: Some(name.clone()), value, broken: None }
            }
            Problem::Null { .. } | Problem::Check { .. } | Problem::Failed { .. } => {
                BadRow { number, column: None, value: None, broken: self.broken(def) }
            }
        }
    }

    /// The table's rule that is broken, if it is one.
    fn broken(&self, def: &TableDef) -> Option<BrokenRule> {
        let (column, constraint) = match self {
            Problem::Null { column } => (Some(def.columns.get(*column)?.name.clone()), None),
            Problem::Check { check } => (None, Some(def.checks.get(*check)?.name.clone())),
            Problem::Cast { .. } | Problem::Failed { .. } => return None,
        };
        Some(BrokenRule { table: def.name.clone(), column, constraint })
    }

    /// The kind of error, and a message in PostgreSQL's words. `original` holds the row as it came.
    pub(crate) fn describe(
        &self,
        def: &TableDef,
        check_columns: &[Vec<String>],
        original: &RecordBatch,
        row: usize,
    ) -> (ErrorKind, String) {
        match self {
            Problem::Cast { column, problem } => {
                let column = &def.columns[*column];
                let value = shown_value(original, &column.name, row).unwrap_or_else(|| column.default_text());
                let (name, kind) = (&column.name, &column.sql_type);
                let is_time = column.row_type().is_temporal();
                match problem {
                    CastProblem::Overflow if is_time => (
                        ErrorKind::DatetimeOutOfRange,
                        format!("date/time field value out of range: \"{value}\", column \"{name}\""),
                    ),
                    CastProblem::Invalid if is_time => (
                        ErrorKind::InvalidDatetime,
                        format!("invalid input syntax for type {kind}: \"{value}\", column \"{name}\""),
                    ),
                    CastProblem::Overflow if kind.starts_with("DECIMAL") => (
                        ErrorKind::NumericOutOfRange,
                        format!("numeric field overflow: column \"{name}\" {kind} cannot hold {value}"),
                    ),
                    CastProblem::Overflow => (
                        ErrorKind::NumericOutOfRange,
                        format!("value \"{value}\" is out of range for type {kind}: column \"{name}\""),
                    ),
                    CastProblem::Invalid => (
                        ErrorKind::InvalidText,
                        format!("invalid input syntax for type {kind}: \"{value}\", column \"{name}\""),
                    ),
                    CastProblem::TooLong => (
                        ErrorKind::StringTooLong,
                        format!("value too long for type {kind}: column \"{name}\", value \"{value}\""),
                    ),
                }
            }
            Problem::Null { column } => (
                ErrorKind::NotNullViolation,
                format!(
                    "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                    def.columns[*column].name, def.name
                ),
            ),
            Problem::Check { check } => {
                let values: Vec<String> = check_columns
                    .get(*check)
                    .into_iter()
                    .flatten()
                    .filter_map(|name| shown_value(original, name, row).map(|value| format!("{name} = {value}")))
                    .collect();
                let check = &def.checks[*check];
                let mut message = format!(
                    "new row for relation \"{}\" violates check constraint \"{}\": CHECK ({})",
                    def.name, check.name, check.expression
                );
                if !values.is_empty() {
                    message.push_str(&format!(", {}", values.join(", ")));
                }
                (ErrorKind::CheckViolation, message)
            }
            Problem::Failed { what, kind, message } => (*kind, format!("{what}: {message}")),
        }
    }
}

/// A row's value as it came, shortened; `None` when the column was not supplied.
fn shown_value(original: &RecordBatch, column: &str, row: usize) -> Option<String> {
    let values = original.column_by_name(column)?;
    if values.is_null(row) {
        return Some("NULL".to_owned());
    }
    let text = array_value_to_string(values, row).ok()?;
    Some(match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    })
}

trait DefaultText {
    fn default_text(&self) -> String;
}

impl DefaultText for zxq_catalog::ColumnDef {
    fn default_text(&self) -> String {
        match self.default.as_ref().or(self.generated.as_ref()) {
            Some(expression) => format!("the value of {expression}"),
            None => "its value".to_owned(),
        }
    }
}
