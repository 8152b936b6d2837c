//! What DuckDB hands back, brought to the exact types a plan has promised.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StructArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Decimal128Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::util::display::FormatOptions;

use super::NAME;
use crate::error::{ProviderError, Result};

/// One chunk of a DuckDB result as a batch of `schema`: columns are taken by position.
///
/// # Errors
/// [`ProviderError::Corrupt`] when the columns do not fit: the segment is not what the catalog says it is.
pub(super) fn to_batch(chunk: StructArray, schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = chunk.len();
    let (_, columns, _) = chunk.into_parts();
    if columns.len() != schema.fields().len() {
        return Err(misfit(format!(
            "{} columns came back where {} were asked for",
            columns.len(),
            schema.fields().len()
        )));
    }
    let columns = columns
        .into_iter()
        .zip(schema.fields())
        .map(|(column, field)| to_type(column, field.data_type(), field.name()))
        .collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

fn to_type(column: ArrayRef, wanted: &DataType, name: &str) -> Result<ArrayRef> {
    if column.data_type() == wanted {
        return Ok(column);
    }
    Ok(match (column.data_type(), wanted) {
        (DataType::Timestamp(TimeUnit::Microsecond, None), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            Arc::new(column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(zone.clone()))
        }
        // Buckets of time are computed as microseconds.
        (DataType::Int64, DataType::Timestamp(TimeUnit::Microsecond, _)) => {
            let micros = column.as_primitive::<Int64Type>().reinterpret_cast::<TimestampMicrosecondType>();
            Arc::new(micros.with_data_type(wanted.clone()))
        }
        (DataType::Int64, DataType::Timestamp(TimeUnit::Nanosecond, _)) => {
            let too_far = || misfit(format!("column \"{name}\" came back as an instant that nanoseconds cannot hold"));
            let nanos = column
                .as_primitive::<Int64Type>()
                .try_unary::<_, TimestampNanosecondType, _>(|v: i64| v.checked_mul(1000).ok_or_else(too_far))?;
            Arc::new(nanos.with_data_type(wanted.clone()))
        }
        // A sum: DuckDB always gives 38 digits, DataFusion declares fewer and does not check them in partial states.
        (DataType::Decimal128(_, from), DataType::Decimal128(_, to)) if from == to => {
            Arc::new(column.as_primitive::<Decimal128Type>().clone().with_data_type(wanted.clone()))
        }
        // A sum of integers is a HUGEINT, which crosses as a decimal; DataFusion's own sum wraps around like this.
        (DataType::Decimal128(_, 0), DataType::Int64) => {
            let wrapped: Int64Array = column.as_primitive::<Decimal128Type>().unary(|sum| sum as i64);
            Arc::new(wrapped)
        }
        (from, to) if same_values(from, to) => {
            let options = CastOptions { safe: false, format_options: FormatOptions::default() };
            cast_with_options(&column, to, &options)?
        }
        (from, to) => return Err(misfit(format!("column \"{name}\" came back as {from} where {to} was expected"))),
    })
}

/// Pairs of types that hold the same values in another layout.
fn same_values(from: &DataType, to: &DataType) -> bool {
    crate::database::sql::types::same_kind(from, to) || matches!((from, to), (DataType::Int64, DataType::UInt64))
}

fn misfit(reason: String) -> ProviderError {
    ProviderError::Corrupt { store: NAME, what: "a query result".to_owned(), reason }
}
