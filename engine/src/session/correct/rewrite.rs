//! The rows of some segments, without those that a correction is about, and those as what they become.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatchOptions, UInt64Array, new_null_array};
use arrow::compute::{filter_record_batch, take, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use zxq_catalog::TableDef;

use super::found::Found;
use crate::constraints::RowChecker;
use crate::error::Result;
use crate::scan::kept_columns::seen_rows;
use crate::sql::Becomes;

/// What a correction makes of rows.
pub(super) struct Rewriting<'a> {
    pub(super) becomes: Becomes,
    pub(super) checker: &'a RowChecker,
    pub(super) assigned: &'a [usize],
    /// The corrected rows are asked for.
    pub(super) returns: bool,
}

/// Rows taken apart.
pub(super) struct TakenApart {
    /// Rows that stay as they are, in the form of stores.
    pub(super) stay: RecordBatch,
    /// What the others became, likewise; none for rows that were deleted.
    pub(super) became: Option<RecordBatch>,
    /// What RETURNING sees, likewise.
    pub(super) returned: Option<RecordBatch>,
    /// How many were corrected.
    pub(super) count: usize,
}

impl Rewriting<'_> {
    /// Takes rows of the table, in the form of stores, apart.
    ///
    /// # Errors
    /// A row that cannot become what it is to become.
    pub(super) fn take_apart(&self, kept: &RecordBatch, found: &mut Found) -> Result<TakenApart> {
        let table = self.checker.table();
        let seen = seen_rows(&table.row_schema(), kept)?;
        let places = found.take(&seen)?;
        let hits: UInt64Array =
            places.iter().enumerate().filter(|(_, place)| place.is_some()).map(|(row, _)| row as u64).collect();
        let count = hits.len();
        if count == 0 {
            return Ok(TakenApart { stay: kept.clone(), became: None, returned: None, count });
        }
        let stays: BooleanArray = places.iter().map(|place| Some(place.is_none())).collect();
        let stay = filter_record_batch(kept, &stays)?;
        if self.becomes == Becomes::Deleted {
            let returned = if self.returns { Some(take_record_batch(kept, &hits)?) } else { None };
            return Ok(TakenApart { stay, became: None, returned, count });
        }
        let values: UInt64Array = places.iter().flatten().map(|place| *place as u64).collect();
        let given = self.given(table, &take_record_batch(&seen, &hits)?, found, &values)?;
        let became = self.checker.check(&given, 1)?;
        let returned = self.returns.then(|| became.clone());
        Ok(TakenApart { stay, became: Some(became), returned, count })
    }

    /// The rows with what is assigned to them, as a statement gives them: without the columns that are computed.
    fn given(&self, table: &TableDef, seen: &RecordBatch, found: &Found, values: &UInt64Array) -> Result<RecordBatch> {
        let mut fields = Vec::with_capacity(table.columns.len());
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(table.columns.len());
        for (place, column) in table.columns.iter().enumerate().filter(|(_, column)| column.generated.is_none()) {
            let field = column.row_field().with_nullable(true);
            let Some(at) = self.assigned.iter().position(|assigned| *assigned == place) else {
                fields.push(field);
                columns.push(Arc::clone(seen.column(place)));
                continue;
            };
            let value = match found.values[at].data_type() {
                // A column of NULLs without a type would be taken for one that is left out.
                DataType::Null => new_null_array(field.data_type(), values.len()),
                _ => take(&found.values[at], values, None)?,
            };
            fields.push(Field::new(field.name(), value.data_type().clone(), true));
            columns.push(value);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(seen.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
    }
}
