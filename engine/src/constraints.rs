//! What a row must satisfy before it enters a table, and what becomes of rows that do not.
//!
//! [`RowChecker`] is the one gate: INSERT, COPY, files and the Rust API all pass it. Reading order: [`row_checker`],
//! [`cast`] (values to column types), [`text_values`] (texts to values), [`problem`] (what is wrong with a row),
//! [`rejects`] (where bad rows go).

mod cast;
mod expressions;
mod problem;
mod rejects;
mod row_checker;
mod text_values;

use arrow::array::ArrayRef;
use zxq_catalog::ColumnDef;

use crate::error::Result;

pub use rejects::{RejectedRow, rejects_batch, rejects_table_def};
pub use row_checker::{Checked, RowChecker};

/// Microseconds since the Unix epoch of a timestamp written as text; a text without a zone is UTC, and one with a zone is
/// local time unless `zoned`. `None` when it is no timestamp.
pub(crate) fn parse_timestamp(text: &str, zoned: bool) -> Option<i64> {
    text_values::timestamp(text, zoned).ok()
}

/// Days since the Unix epoch of a date written as text. `None` when it is no date.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    text_values::date(text).ok()
}

/// True for texts such as `2024-01-02`.
pub(crate) fn is_date_text(text: &str) -> bool {
    text.len() == 10 && text_values::date(text).is_ok()
}

/// Whether a text is a timestamp with a time of day, and if so, whether it names its zone.
pub(crate) fn timestamp_text_has_zone(text: &str) -> Option<bool> {
    text_values::timestamp_zone(text)
}

/// Refuses values of a type that no value of the column's type can come from.
pub(crate) fn check_castable(values: &ArrayRef, column: &ColumnDef) -> Result<()> {
    cast::cast_column(values, column).map(|_| ())
}

/// What to do with rows a table cannot take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum OnError {
    /// Refuse the whole load, naming the first bad row.
    #[default]
    Reject,
    /// Put bad rows into `<table>_rejects` with the reason, and load the rest.
    Quarantine,
}
