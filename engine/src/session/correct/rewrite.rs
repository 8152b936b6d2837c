//! The rows of some segments, without those that a correction is about, and those as what they become.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatchOptions, UInt64Array, new_null_array};
use arrow::compute::{filter_record_batch, take, take_record_batch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use zxq_catalog::TableDef;

use super::found::Found;
use crate::constraints::RowChecker;
use crate::error::Result;
use crate::scan::kept_columns::seen_rows;
use crate::sql::Becomes;
use crate::write::private_rows::as_given;

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
        let given = self.given(table, &take_record_batch(kept, &hits)?, found, &values)?;
        let became = self.checker.check(&given, 1)?;
        let returned = self.returns.then(|| became.clone());
        Ok(TakenApart { stay, became: Some(became), returned, count })
    }

    /// The rows, in the form of stores, with what is assigned to them, as a statement gives them.
    fn given(&self, table: &TableDef, kept: &RecordBatch, found: &Found, values: &UInt64Array) -> Result<RecordBatch> {
        let given = as_given(table, kept)?;
        let mut fields: Vec<FieldRef> = given.schema().fields().to_vec();
        let mut columns = given.columns().to_vec();
        let places = table.columns.iter().enumerate().filter(|(_, column)| column.generated.is_none());
        for (at, (place, _)) in places.enumerate() {
            let Some(assigned) = self.assigned.iter().position(|assigned| *assigned == place) else { continue };
            let value = match found.values[assigned].data_type() {
                // A column of NULLs without a type would be taken for one that is left out.
                DataType::Null => new_null_array(fields[at].data_type(), values.len()),
                _ => take(&found.values[assigned], values, None)?,
            };
            fields[at] = Arc::new(Field::new(fields[at].name(), value.data_type().clone(), true));
            columns[at] = value;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(given.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
    }
}
