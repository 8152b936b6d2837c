//! Values between the catalog ([`Value`]), Arrow arrays and DataFusion ([`ScalarValue`]).

use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
    PrimitiveArray,
};
use arrow::datatypes::{
    ArrowDictionaryKeyType, DataType, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::common::ScalarValue;
use zxq_catalog::{ColumnDef, Value};

use crate::error::{ProviderError, Result};

mod array;
#[cfg(test)]
mod tests;

pub(crate) use array::array_of;

/// The scalar of exactly `data_type` with this value; `None` when the value does not fit the type.
pub fn to_scalar(value: &Value, data_type: &DataType) -> Option<ScalarValue> {
    match (value, data_type) {
        (Value::Bool(v), DataType::Boolean) => Some(ScalarValue::Boolean(Some(*v))),
        (Value::Int(v), DataType::Int8) => i8::try_from(*v).ok().map(|v| ScalarValue::Int8(Some(v))),
        (Value::Int(v), DataType::Int16) => i16::try_from(*v).ok().map(|v| ScalarValue::Int16(Some(v))),
        (Value::Int(v), DataType::Int32) => i32::try_from(*v).ok().map(|v| ScalarValue::Int32(Some(v))),
        (Value::Int(v), DataType::Int64) => Some(ScalarValue::Int64(Some(*v))),
        (Value::Int(v), DataType::UInt8) => u8::try_from(*v).ok().map(|v| ScalarValue::UInt8(Some(v))),
        (Value::Int(v), DataType::UInt16) => u16::try_from(*v).ok().map(|v| ScalarValue::UInt16(Some(v))),
        (Value::Int(v), DataType::UInt32) => u32::try_from(*v).ok().map(|v| ScalarValue::UInt32(Some(v))),
        (Value::Int(v), DataType::UInt64) => u64::try_from(*v).ok().map(|v| ScalarValue::UInt64(Some(v))),
        (Value::Float(v), DataType::Float32) => exact_f32(*v).map(|v| ScalarValue::Float32(Some(v))),
        (Value::Float(v), DataType::Float64) => Some(ScalarValue::Float64(Some(*v))),
        (Value::Decimal(v), DataType::Decimal128(precision, scale)) => {
            Some(ScalarValue::Decimal128(Some(*v), *precision, *scale))
        }
        (Value::Date(v), DataType::Date32) => Some(ScalarValue::Date32(Some(*v))),
        (Value::TimestampMicros(v), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            Some(ScalarValue::TimestampMicrosecond(Some(*v), zone.clone()))
        }
        (Value::Text(v), DataType::Utf8View) => Some(ScalarValue::Utf8View(Some(v.clone()))),
        (Value::Text(v), DataType::Utf8) => Some(ScalarValue::Utf8(Some(v.clone()))),
        (Value::Text(v), DataType::LargeUtf8) => Some(ScalarValue::LargeUtf8(Some(v.clone()))),
        _ => None,
    }
}

fn exact_f32(value: f64) -> Option<f32> {
    let narrow = value as f32;
    (f64::from(narrow) == value).then_some(narrow)
}

/// The NULL of a type.
///
/// # Errors
/// When DataFusion has no scalar for the type.
pub fn null_scalar(data_type: &DataType) -> Result<ScalarValue> {
    Ok(ScalarValue::try_new_null(data_type)?)
}

/// The value of a scalar; `None` when it is NULL, NaN, or of a type that [`Value`] cannot hold exactly.
pub fn from_scalar(scalar: &ScalarValue) -> Option<Value> {
    match scalar {
        ScalarValue::Boolean(v) => v.map(Value::Bool),
        ScalarValue::Int8(v) => v.map(|v| Value::Int(v.into())),
        ScalarValue::Int16(v) => v.map(|v| Value::Int(v.into())),
        ScalarValue::Int32(v) => v.map(|v| Value::Int(v.into())),
        ScalarValue::Int64(v) => v.map(Value::Int),
        ScalarValue::UInt8(v) => v.map(|v| Value::Int(v.into())),
        ScalarValue::UInt16(v) => v.map(|v| Value::Int(v.into())),
        ScalarValue::UInt32(v) => v.map(|v| Value::Int(v.into())),
        ScalarValue::UInt64(v) => v.and_then(|v| i64::try_from(v).ok()).map(Value::Int),
        ScalarValue::Float32(v) => v.filter(|v| !v.is_nan()).map(|v| Value::Float(v.into())),
        ScalarValue::Float64(v) => v.filter(|v| !v.is_nan()).map(Value::Float),
        ScalarValue::Decimal128(v, _, _) => v.map(Value::Decimal),
        ScalarValue::Date32(v) => v.map(Value::Date),
        ScalarValue::TimestampMicrosecond(v, _) => v.map(Value::TimestampMicros),
        ScalarValue::Utf8(v) | ScalarValue::LargeUtf8(v) | ScalarValue::Utf8View(v) => v.clone().map(Value::Text),
        ScalarValue::Dictionary(_, inner) => from_scalar(inner),
        _ => None,
    }
}

/// The value at a row; `None` when it is NULL, NaN, out of range, or of a type that [`Value`] cannot hold exactly.
pub fn value_at(array: &dyn Array, row: usize) -> Option<Value> {
    if row >= array.len() || array.is_null(row) {
        return None;
    }
    let any = array.as_any();
    match array.data_type() {
        DataType::Boolean => any.downcast_ref::<BooleanArray>().map(|a| Value::Bool(a.value(row))),
        DataType::Int8 => integer::<Int8Type>(array, row),
        DataType::Int16 => integer::<Int16Type>(array, row),
        DataType::Int32 => integer::<Int32Type>(array, row),
        DataType::Int64 => integer::<Int64Type>(array, row),
        DataType::UInt8 => integer::<UInt8Type>(array, row),
        DataType::UInt16 => integer::<UInt16Type>(array, row),
        DataType::UInt32 => integer::<UInt32Type>(array, row),
        DataType::UInt64 => integer::<UInt64Type>(array, row),
        DataType::Float32 => any
            .downcast_ref::<Float32Array>()
            .map(|a| a.value(row))
            .filter(|v| !v.is_nan())
            .map(|v| Value::Float(v.into())),
        DataType::Float64 => {
            any.downcast_ref::<Float64Array>().map(|a| a.value(row)).filter(|v| !v.is_nan()).map(Value::Float)
        }
        DataType::Decimal128(_, _) => any.downcast_ref::<Decimal128Array>().map(|a| Value::Decimal(a.value(row))),
        DataType::Date32 => any.downcast_ref::<Date32Array>().map(|a| Value::Date(a.value(row))),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            array.as_primitive_opt::<TimestampMicrosecondType>().map(|a| Value::TimestampMicros(a.value(row)))
        }
        DataType::Utf8View => array.as_string_view_opt().map(|a| Value::Text(a.value(row).to_owned())),
        DataType::Utf8 => array.as_string_opt::<i32>().map(|a| Value::Text(a.value(row).to_owned())),
        DataType::LargeUtf8 => array.as_string_opt::<i64>().map(|a| Value::Text(a.value(row).to_owned())),
        DataType::Dictionary(key, _) => match key.as_ref() {
            DataType::Int8 => dictionary::<Int8Type>(array, row),
            DataType::Int16 => dictionary::<Int16Type>(array, row),
            DataType::Int32 => dictionary::<Int32Type>(array, row),
            DataType::Int64 => dictionary::<Int64Type>(array, row),
            DataType::UInt8 => dictionary::<UInt8Type>(array, row),
            DataType::UInt16 => dictionary::<UInt16Type>(array, row),
            DataType::UInt32 => dictionary::<UInt32Type>(array, row),
            DataType::UInt64 => dictionary::<UInt64Type>(array, row),
            _ => None,
        },
        _ => None,
    }
}

fn integer<T>(array: &dyn Array, row: usize) -> Option<Value>
where
    T: arrow::datatypes::ArrowPrimitiveType,
    i64: TryFrom<T::Native>,
{
    let array = array.as_any().downcast_ref::<PrimitiveArray<T>>()?;
    i64::try_from(array.value(row)).ok().map(Value::Int)
}

fn dictionary<K: ArrowDictionaryKeyType>(array: &dyn Array, row: usize) -> Option<Value> {
    let array = array.as_any().downcast_ref::<DictionaryArray<K>>()?;
    value_at(array.values().as_ref(), array.key(row)?)
}

/// What rows written before this column existed hold in it: its default where that is a constant, NULL without one.
///
/// # Errors
/// [`ProviderError::Unsupported`] when the default is an expression (`now()`), whose value for old rows nobody recorded.
pub fn constant_default(column: &ColumnDef) -> Result<ScalarValue> {
    let Some(text) = column.default.as_deref().map(str::trim).filter(|t| !t.eq_ignore_ascii_case("null")) else {
        return null_scalar(&column.data_type);
    };
    let unsupported = || ProviderError::Unsupported {
        store: "column default",
        what: format!(
            "give \"{}\" a value in rows written before the column existed: its default {text} is not a constant",
            column.name
        ),
    };
    let literal = literal_text(text).ok_or_else(unsupported)?;
    ScalarValue::try_from_string(literal, &column.data_type).map_err(|_| unsupported())
}

/// The text of a SQL literal: a number, a quoted string with or without a type before it or a cast after it, a boolean.
fn literal_text(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if lower == "true" || lower == "false" {
        return Some(lower);
    }
    if let Some(open) = text.find('\'') {
        let prefix = text.get(..open)?.trim();
        if !prefix.chars().all(|c| c.is_ascii_alphabetic() || c == ' ') {
            return None;
        }
        let rest = text.get(open + 1..)?;
        let close = rest.rfind('\'')?;
        let suffix = rest.get(close + 1..)?.trim();
        if !(suffix.is_empty() || suffix.starts_with("::")) {
            return None;
        }
        let inner = rest.get(..close)?;
        if inner.replace("''", "").contains('\'') {
            return None;
        }
        return Some(inner.replace("''", "'"));
    }
    let number = text.split("::").next()?.trim();
    let unwrapped = number.strip_prefix('(').and_then(|n| n.strip_suffix(')')).unwrap_or(number).trim();
    unwrapped.parse::<f64>().ok().filter(|v| v.is_finite()).map(|_| unwrapped.to_owned())
}
