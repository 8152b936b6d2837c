//! Canonical types and values, as PostgreSQL's SQL spells them.

use arrow::datatypes::{DataType, TimeUnit};
use chrono::{DateTime, Datelike};
use datafusion::common::ScalarValue;
use tokio_postgres::types::Type;

use super::NAME;
use crate::database::sql::dialect::{decimal_text, float_text, text_literal};
use crate::database::sql::types::{is_utc, same_kind};
use crate::error::{ProviderError, Result};

/// The PostgreSQL type that holds a canonical type, as `format_type` spells it; `None` for one this store cannot hold.
pub(super) fn sql_type(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double precision".to_owned(),
        DataType::Decimal128(precision, scale) if *scale >= 0 && *scale <= *precision as i8 => {
            format!("numeric({precision},{scale})")
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "bytea".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp without time zone".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if is_utc(zone) => "timestamp with time zone".to_owned(),
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

/// True where values of the wire type are decoded to the Arrow type. Sums of integers come as `numeric`, buckets of time may
/// be wanted in nanoseconds, counts without a sign.
pub(super) fn comes_as(wire: &Type, wanted: &DataType) -> bool {
    let is = |types: &[Type]| types.contains(wire);
    match wanted {
        DataType::Boolean => is(&[Type::BOOL]),
        DataType::Int16 => is(&[Type::INT2]),
        DataType::Int32 => is(&[Type::INT4]),
        DataType::Int64 => is(&[Type::INT8, Type::NUMERIC]),
        DataType::UInt64 => is(&[Type::INT8]),
        DataType::Float32 => is(&[Type::FLOAT4]),
        DataType::Float64 => is(&[Type::FLOAT8]),
        DataType::Decimal128(_, _) => is(&[Type::NUMERIC]),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => is(&[Type::TEXT, Type::VARCHAR, Type::BPCHAR]),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => is(&[Type::BYTEA]),
        DataType::Date32 => is(&[Type::DATE]),
        DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, None) => is(&[Type::TIMESTAMP]),
        DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, Some(_)) => is(&[Type::TIMESTAMPTZ]),
        _ => false,
    }
}

/// A value as a SQL literal of exactly this type. `None` when the value is of another type, or cannot be written so that
/// PostgreSQL reads back the same value (text with a NUL character, dates outside years 1 to 9999).
pub(super) fn literal(value: &ScalarValue, data_type: &DataType) -> Option<String> {
    let sql_type = sql_type(data_type)?;
    let collation = if sql_type == "text" { " COLLATE \"C\"" } else { "" };
    let typed = |text: &str| format!("CAST({text} AS {sql_type}){collation}");
    if value.is_null() {
        return Some(typed("NULL"));
    }
    if !same_kind(&value.data_type(), data_type) {
        return None;
    }
    // From text, because a bare number would get a type of its own first.
    let quoted = |text: String| typed(&format!("'{text}'"));
    Some(match value {
        ScalarValue::Boolean(Some(v)) => v.to_string(),
        ScalarValue::Int16(Some(v)) => quoted(v.to_string()),
        ScalarValue::Int32(Some(v)) => quoted(v.to_string()),
        ScalarValue::Int64(Some(v)) => quoted(v.to_string()),
        ScalarValue::Float32(Some(v)) => quoted(float_text((*v).into(), format!("{v:e}"))),
        ScalarValue::Float64(Some(v)) => quoted(float_text(*v, format!("{v:e}"))),
        ScalarValue::Decimal128(Some(v), _, scale) => quoted(decimal_text(*v, *scale)),
        ScalarValue::Date32(Some(days)) => {
            let date = DateTime::from_timestamp(i64::from(*days) * 86_400, 0)?.date_naive();
            (1..=9999).contains(&date.year()).then(|| quoted(date.format("%Y-%m-%d").to_string()))?
        }
        ScalarValue::TimestampMicrosecond(Some(micros), zone) => instant(*micros, zone.is_some())?,
        ScalarValue::Utf8(Some(v)) | ScalarValue::LargeUtf8(Some(v)) | ScalarValue::Utf8View(Some(v)) => {
            typed(&text_literal(v)?)
        }
        ScalarValue::Binary(Some(v)) | ScalarValue::LargeBinary(Some(v)) | ScalarValue::BinaryView(Some(v)) => {
            let hex: String = v.iter().map(|byte| format!("{byte:02x}")).collect();
            quoted(format!("\\x{hex}"))
        }
        _ => return None,
    })
}

/// An instant, microseconds since 1970, as a literal; `None` outside years 1 to 9999.
pub(super) fn instant(micros: i64, zoned: bool) -> Option<String> {
    let instant = DateTime::from_timestamp_micros(micros)?;
    let text = instant.format("%Y-%m-%d %H:%M:%S%.6f");
    (1..=9999).contains(&instant.year()).then(|| match zoned {
        true => format!("CAST('{text}+00' AS timestamp with time zone)"),
        false => format!("CAST('{text}' AS timestamp without time zone)"),
    })
}
