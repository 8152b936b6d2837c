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

pub use expressions::constant_default;
pub use rejects::{RejectedRow, rejects_batch, rejects_table_def, rejects_table_name};
pub use row_checker::{Checked, RowChecker};

/// Microseconds since the Unix epoch of a timestamp written as text; a text without a zone is UTC. `None` when it is no
/// timestamp.
pub(crate) fn parse_timestamp_utc(text: &str) -> Option<i64> {
    text_values::timestamp(text, true).ok()
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
