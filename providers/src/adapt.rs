//! Brings a batch to a table's canonical schema, and times to its microseconds.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::util::display::FormatOptions;

use crate::error::Result;

#[cfg(test)]
mod tests;

/// The batch with exactly the target's columns, in its order and types: columns are found by name and cast where their
/// type differs, missing nullable columns become NULL, columns the target does not name are left out.
///
/// # Errors
/// [`ArrowError::SchemaError`] naming a missing or NULL-holding column that the target declares NOT NULL;
/// [`ArrowError::CastError`] for a value that does not fit (a cast never turns one into NULL).
pub fn adapt_batch(batch: &RecordBatch, target: &SchemaRef) -> Result<RecordBatch> {
    if Arc::ptr_eq(&batch.schema(), target) || batch.schema() == *target {
        return Ok(batch.clone());
    }
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    let source = batch.schema();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(target.fields().len());
    for field in target.fields() {
        let column = match source.index_of(field.name()) {
            Ok(index) => {
                let column = batch.column(index);
                if column.data_type() == field.data_type() {
                    Arc::clone(column)
                } else {
                    cast_with_options(&in_micros(column)?, field.data_type(), &options)?
                }
            }
            Err(_) => new_null_array(field.data_type(), batch.num_rows()),
        };
        if !field.is_nullable() && column.logical_null_count() > 0 {
            return Err(
                ArrowError::SchemaError(format!("column \"{}\" is NOT NULL but has NULLs", field.name())).into()
            );
        }
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(target), columns, &options)?)
}

/// Times of any unit in microseconds, under the same zone's name. Nanoseconds go down, before 1970 too, so that no time
/// moves into the next day; other types come back as they are.
///
/// # Errors
/// [`ArrowError::CastError`] for a time that microseconds cannot hold.
pub fn in_micros(values: &ArrayRef) -> std::result::Result<ArrayRef, ArrowError> {
    let DataType::Timestamp(unit, zone) = values.data_type() else { return Ok(Arc::clone(values)) };
    let micros: PrimitiveArray<TimestampMicrosecondType> = match unit {
        TimeUnit::Microsecond => return Ok(Arc::clone(values)),
        TimeUnit::Nanosecond => {
            values.as_primitive::<TimestampNanosecondType>().unary(|nanoseconds| nanoseconds.div_euclid(1_000))
        }
        TimeUnit::Millisecond => multiplied(values.as_primitive::<TimestampMillisecondType>(), 1_000)?,
        TimeUnit::Second => multiplied(values.as_primitive::<TimestampSecondType>(), 1_000_000)?,
    };
    Ok(Arc::new(micros.with_timezone_opt(zone.clone())))
}

fn multiplied<T: ArrowPrimitiveType<Native = i64>>(
    values: &PrimitiveArray<T>,
    by: i64,
) -> std::result::Result<PrimitiveArray<TimestampMicrosecondType>, ArrowError> {
    values.try_unary(|value| {
        let text = || ArrowError::CastError(format!("a time of {value} is out of the range of microseconds"));
        value.checked_mul(by).ok_or_else(text)
    })
}
