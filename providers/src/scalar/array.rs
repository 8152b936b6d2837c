//! Many values of one type as an array.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use zxq_catalog::Value;

use super::to_scalar;

/// The values as an array of `data_type`: NULL for those that are missing or do not fit the type, as [`to_scalar`] says. `None` for
/// a type that has no array of scalars.
pub(crate) fn array_of<'a>(values: impl Iterator<Item = Option<&'a Value>>, data_type: &DataType) -> Option<ArrayRef> {
    // The common types without a scalar for each value, which would copy texts once more.
    Some(match data_type {
        DataType::Int64 => {
            let number = |value: Option<&Value>| match value {
                Some(Value::Int(number)) => Some(*number),
                _ => None,
            };
            Arc::new(values.map(number).collect::<Int64Array>())
        }
        DataType::Float64 => {
            let number = |value: Option<&Value>| match value {
                Some(Value::Float(number)) => Some(*number),
                _ => None,
            };
            Arc::new(values.map(number).collect::<Float64Array>())
        }
        DataType::Decimal128(precision, scale) => {
            let number = |value: Option<&Value>| match value {
                Some(Value::Decimal(number)) => Some(*number),
                _ => None,
            };
            let array = values.map(number).collect::<Decimal128Array>();
            Arc::new(array.with_precision_and_scale(*precision, *scale).ok()?)
        }
        DataType::Date32 => {
            let day = |value: Option<&Value>| match value {
                Some(Value::Date(day)) => Some(*day),
                _ => None,
            };
            Arc::new(values.map(day).collect::<Date32Array>())
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let time = |value: Option<&Value>| match value {
                Some(Value::TimestampMicros(time)) => Some(*time),
                _ => None,
            };
            Arc::new(values.map(time).collect::<TimestampMicrosecondArray>().with_timezone_opt(zone.clone()))
        }
        DataType::Utf8View => {
            let text = |value: Option<&'a Value>| match value {
                Some(Value::Text(text)) => Some(text.as_str()),
                _ => None,
            };
            Arc::new(values.map(text).collect::<StringViewArray>())
        }
        _ => {
            let null = ScalarValue::try_new_null(data_type).ok()?;
            let scalar = |value: Option<&Value>| {
                value.and_then(|value| to_scalar(value, data_type)).unwrap_or_else(|| null.clone())
            };
            ScalarValue::iter_to_array(values.map(scalar)).ok()?
        }
    })
}
