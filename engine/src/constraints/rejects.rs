//! Where bad rows go: `<table>_rejects`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use arrow::json::LineDelimitedWriter;
use arrow::json::writer::WriterBuilder;
use arrow::record_batch::RecordBatch;
use zxq_catalog::{ColumnDef, TableDef};

use crate::error::{EngineError, Result};
use crate::sql::types::timestamptz;

/// One row a table could not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// Its place in the source, from 1: the line of a CSV file, else the row.
    pub row_number: u64,
    /// What is wrong with it.
    pub reason: String,
    /// The row as it came: JSON, or the raw line where it could not be read as columns.
    pub row: String,
}

/// The name of the table for a table's bad rows.
pub fn rejects_table_name(table: &str) -> String {
    format!("{table}_rejects")
}

/// The definition of `<table>_rejects`; its id is 0.
pub fn rejects_table_def(def: &TableDef) -> TableDef {
    let column = |name: &str, data_type: DataType, sql_type: &str| ColumnDef {
        nullable: false,
        ..ColumnDef::new(name, data_type, sql_type)
    };
    let columns = vec![
        column("rejected_at", timestamptz(), "TIMESTAMPTZ"),
        column("source", DataType::Utf8View, "TEXT"),
        column("row_number", DataType::Int64, "BIGINT"),
        column("reason", DataType::Utf8View, "TEXT"),
        column("row", DataType::Utf8View, "TEXT"),
    ];
    TableDef {
        owner: def.owner,
        time_column: Some("rejected_at".to_owned()),
        sort_by: vec!["rejected_at".to_owned(), "source".to_owned(), "row_number".to_owned()],
        ..TableDef::new(0, rejects_table_name(&def.name), columns)
    }
}

/// Rejected rows as rows of [`rejects_table_def`]. `rejected_at_us` is microseconds since the Unix epoch, UTC.
///
/// # Errors
/// None that a correct build can give; Arrow's own checks.
pub fn rejects_batch(rejected: &[RejectedRow], source: &str, rejected_at_us: i64) -> Result<RecordBatch> {
    let rows = rejected.len();
    let texts = |f: fn(&RejectedRow) -> &str| -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(rejected.iter().map(f)))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("rejected_at", Arc::new(TimestampMicrosecondArray::from(vec![rejected_at_us; rows]).with_timezone("UTC"))),
        ("source", Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(source, rows)))),
        ("row_number", Arc::new(Int64Array::from_iter_values(rejected.iter().map(|r| r.row_number as i64)))),
        ("reason", texts(|r| &r.reason)),
        ("row", texts(|r| &r.row)),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// Rows as JSON objects, NULLs included.
pub(super) fn json_rows(batch: &RecordBatch) -> Result<Vec<String>> {
    let mut out = Vec::new();
    let mut writer: LineDelimitedWriter<_> = WriterBuilder::new().with_explicit_nulls(true).build(&mut out);
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    let text = String::from_utf8(out).map_err(|e| EngineError::internal(format!("JSON is not UTF-8: {e}")))?;
    Ok(text.lines().map(str::to_owned).collect())
}
