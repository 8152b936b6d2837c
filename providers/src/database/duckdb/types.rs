//! Canonical types and values, as DuckDB's SQL spells them.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Datelike};
use datafusion::common::ScalarValue;
use std::sync::Arc;

use super::NAME;
use crate::database::sql::dialect::{decimal_text, float_text, text_literal};
use crate::database::sql::types::{is_utc, same_kind};
use crate::error::{ProviderError, Result};

/// The DuckDB type that holds a canonical type; `None` for a type this store cannot hold.
///
/// A UTC timestamp is a plain `TIMESTAMP`: the bundled DuckDB has no time zones (they live in its ICU extension).
pub(super) fn sql_type(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INTEGER".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal128(precision, scale) if *scale >= 0 && *scale <= *precision as i8 => {
            format!("DECIMAL({precision},{scale})")
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BLOB".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, zone) if zone.as_deref().is_none_or(is_utc) => {
            "TIMESTAMP".to_owned()
        }
        _ => return None,
    })
}

/// As [`sql_type`], or an error that names the column.
pub(super) fn column_sql_type(column: &str, data_type: &DataType) -> Result<String> {
    sql_type(data_type).ok_or_else(|| ProviderError::Unsupported {
        store: NAME,
        what: format!("hold column \"{column}\" of type {data_type}"),
    })
}

/// A value as a SQL literal of exactly this type. `None` when the value is of another type, or cannot be written so that
/// DuckDB reads back the same value (text with a NUL character, dates outside years 1 to 9999).
pub(super) fn literal(value: &ScalarValue, data_type: &DataType) -> Option<String> {
    let sql_type = sql_type(data_type)?;
    if value.is_null() {
        return Some(format!("CAST(NULL AS {sql_type})"));
    }
    if !same_kind(&value.data_type(), data_type) {
        return None;
    }
    Some(match value {
        ScalarValue::Boolean(Some(v)) => v.to_string(),
        ScalarValue::Int16(Some(v)) => v.to_string(),
        ScalarValue::Int32(Some(v)) => v.to_string(),
        ScalarValue::Int64(Some(v)) => v.to_string(),
        // From text, because a bare number would be read as a decimal first and rounded twice.
        ScalarValue::Float32(Some(v)) => format!("CAST('{}' AS FLOAT)", float_text((*v).into(), v.to_string())),
        ScalarValue::Float64(Some(v)) => format!("CAST('{}' AS DOUBLE)", float_text(*v, v.to_string())),
        ScalarValue::Decimal128(Some(v), _, scale) => format!("CAST('{}' AS {sql_type})", decimal_text(*v, *scale)),
        ScalarValue::Date32(Some(days)) => {
            let date = DateTime::from_timestamp(i64::from(*days) * 86_400, 0)?.date_naive();
            (1..=9999).contains(&date.year()).then(|| format!("DATE '{}'", date.format("%Y-%m-%d")))?
        }
        ScalarValue::TimestampMicrosecond(Some(micros), _) => {
            let instant = DateTime::from_timestamp_micros(*micros)?;
            let text = instant.format("%Y-%m-%d %H:%M:%S%.6f");
            (1..=9999).contains(&instant.year()).then(|| format!("TIMESTAMP '{text}'"))?
        }
        ScalarValue::Utf8(Some(v)) | ScalarValue::LargeUtf8(Some(v)) | ScalarValue::Utf8View(Some(v)) => {
            text_literal(v)?
        }
        ScalarValue::Binary(Some(v)) | ScalarValue::LargeBinary(Some(v)) | ScalarValue::BinaryView(Some(v)) => {
            let hex: String = v.iter().map(|byte| format!("{byte:02X}")).collect();
            format!("unhex('{hex}')")
        }
        _ => return None,
    })
}

/// The batch as DuckDB's appender takes it: UTC timestamps lose their zone (see [`sql_type`]), all else stays.
pub(super) fn to_storage(batch: &RecordBatch) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let column = match column.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
                let plain = column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<&str>);
                Arc::new(plain) as ArrayRef
            }
            _ => Arc::clone(column),
        };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Bytes of the batch's values, one after the other. DuckDB compresses, so this is the upper end of what it stores.
pub(super) fn plain_bytes(batch: &RecordBatch) -> u64 {
    let column_bytes = |column: &ArrayRef| -> u64 {
        let rows = column.len() as u64;
        match column.data_type() {
            DataType::Utf8View => column.as_string_view().lengths().map(u64::from).sum::<u64>() + rows,
            DataType::BinaryView => column.as_binary_view().lengths().map(u64::from).sum::<u64>() + rows,
            DataType::Boolean => rows,
            other => other.primitive_width().map_or(0, |width| width as u64 * rows),
        }
    };
    batch.columns().iter().map(column_bytes).sum()
}
