//! What a row must satisfy before it enters a table, and what becomes of rows that do not.
//!
//! [`RowChecker`] is the one gate: INSERT, COPY, files and the Rust API all pass it. Reading order: [`row_checker`],
//! [`cast`] (values to column types, with [`declared`] for what is text in a form of its own), [`problem`] (what is wrong with a row),
//! [`rejects`] (where bad rows go).

mod cast;
mod declared;
mod expressions;
pub(crate) mod numbers;
mod problem;
mod rejects;
mod row_checker;

use std::str::FromStr;

use arrow::array::ArrayRef;
use zxq_catalog::ColumnDef;

use crate::error::{EngineError, ErrorKind, Result};

pub use rejects::{RejectedRow, rejects_batch, rejects_table_def, rejects_table_name};
pub use row_checker::{Checked, RowChecker};

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

impl FromStr for OnError {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "reject" => Ok(OnError::Reject),
            "quarantine" => Ok(OnError::Quarantine),
            _ => Err(EngineError::new(
                ErrorKind::InvalidParameter,
                format!("on_error cannot be {text:?}: use reject or quarantine"),
            )),
        }
    }
}
