//! The columns of a file: which types they have there, and the rows in those types.
//!
//! What other programs read well: plain texts and bytes, times in microseconds, moments in UTC. What Parquet lacks is a text,
//! as in zxq's own files.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use crate::error::{EngineError, ErrorKind, Result};
use crate::export::ExportFormat;
use crate::values::kept::to_kept;

/// The columns of a file of such rows. Every column may hold NULL there.
///
/// # Errors
/// [`ErrorKind::DuplicateColumn`] for two columns of one name; [`ErrorKind::InvalidDefinition`] for rows without columns;
/// [`ErrorKind::FeatureNotSupported`] for a type that the format does not have.
pub(super) fn file_schema(format: ExportFormat, names: &[String], rows: &Schema) -> Result<SchemaRef> {
    if names.is_empty() || names.len() != rows.fields().len() {
        let message = format!("a file of {} needs at least one column", format.name());
        return Err(EngineError::new(ErrorKind::InvalidDefinition, message));
    }
    let mut fields = Vec::with_capacity(names.len());
    for (place, (name, field)) in names.iter().zip(rows.fields()).enumerate() {
        if names.iter().take(place).any(|other| other == name) {
            let message =
                format!("two columns are called \"{name}\": {} readers need names that differ", format.name());
            return Err(EngineError::new(ErrorKind::DuplicateColumn, message)
                .with_hint("Give one of them another name with AS."));
        }
        let data_type = in_file(field.data_type(), format, true).ok_or_else(|| {
            let message =
                format!("column \"{name}\" is {}, which cannot be written as {}", field.data_type(), format.name());
            EngineError::new(ErrorKind::FeatureNotSupported, message).with_hint("Cast it to text.")
        })?;
        fields.push(Field::new(name, data_type, true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The type of a column, or within one, in a file; `None` where there is none.
fn in_file(data_type: &DataType, format: ExportFormat, outermost: bool) -> Option<DataType> {
    let is_parquet = matches!(format, ExportFormat::Parquet(_));
    let micros = TimeUnit::Microsecond;
    Some(match data_type {
        DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Float16 => DataType::Float32,
        DataType::Date64 | DataType::Timestamp(_, None) => DataType::Timestamp(micros, None),
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(micros, Some("UTC".into())),
        // Parquet has intervals, but none of microseconds, and few readers.
        DataType::Interval(_) | DataType::Duration(_) if is_parquet => return outermost.then_some(DataType::Utf8),
        DataType::Dictionary(_, values) => in_file(values, format, outermost)?,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            let name = if is_parquet { "element" } else { "item" };
            let item = in_file(item.data_type(), format, false)?;
            DataType::List(Arc::new(Field::new(name, item, true)))
        }
        DataType::Struct(fields) => {
            let field = |field: &FieldRef| {
                Some(Arc::new(Field::new(field.name(), in_file(field.data_type(), format, false)?, true)))
            };
            DataType::Struct(fields.iter().map(field).collect::<Option<Fields>>()?)
        }
        DataType::Union(..) | DataType::RunEndEncoded(..) | DataType::ListView(_) | DataType::LargeListView(_) => {
            return None;
        }
        same => same.clone(),
    })
}

/// The rows in the types of the file.
///
/// # Errors
/// For values that do not fit.
pub(super) fn rows_in_file(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(values, field)| values_as(values, field));
    Ok(RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)?)
}

fn values_as(values: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    match (values.data_type(), field.data_type()) {
        (same, wanted) if same == wanted => Ok(Arc::clone(values)),
        (DataType::Interval(_) | DataType::Duration(_), DataType::Utf8) => {
            let intervals = cast(values, &DataType::Interval(IntervalUnit::MonthDayNano))?;
            cast(&to_kept(&intervals)?, &DataType::Utf8)
        }
        (_, wanted) => cast_with_options(values, wanted, &CastOptions { safe: false, ..CastOptions::default() }),
    }
}
