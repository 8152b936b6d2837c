//! Which rows of a view somebody sees: those about tables that are theirs to know of.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use zxq_catalog::Snapshot;

use crate::error::{EngineError, Result};
use crate::roles::rights::Rights;

/// The column by which views name a table.
const TABLE: &str = "table_name";

/// The rows that are about tables of which it may be known. Of a table that is gone only those learn who see all.
pub(super) fn visible(rows: RecordBatch, snapshot: &Snapshot, rights: &Rights) -> Result<RecordBatch> {
    if rights.sees_all() {
        return Ok(rows);
    }
    let Some(tables) = rows.column_by_name(TABLE) else { return Ok(rows) };
    let names = tables.as_string_view_opt().ok_or_else(|| EngineError::internal("a table's name is no text"))?;
    let seen: BTreeSet<&str> =
        snapshot.tables.values().filter(|table| rights.sees(&table.def)).map(|table| table.def.name.as_str()).collect();
    let keep: BooleanArray =
        (0..names.len()).map(|at| Some(!names.is_null(at) && seen.contains(names.value(at)))).collect();
    Ok(filter_record_batch(&rows, &keep)?)
}
