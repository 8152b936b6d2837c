//! Comparing stored keys with values, and finding ranges of sorted rows by binary search.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use zxq_catalog::Value;

/// Compares the stored value at `row` with `value`, NULL being less than every value. `None` when the column's type and
/// the value's kind do not match.
pub(crate) fn compare_at(array: &ArrayRef, row: usize, value: &Value) -> Option<Ordering> {
    if row >= array.len() {
        return None;
    }
    if array.is_null(row) {
        return Some(Ordering::Less);
    }
    match (array.data_type(), value) {
        (DataType::Utf8View, Value::Text(v)) => Some(array.as_string_view().value(row).cmp(v)),
        (DataType::Timestamp(TimeUnit::Microsecond, _), Value::TimestampMicros(v)) => {
            Some(array.as_primitive::<TimestampMicrosecondType>().value(row).cmp(v))
        }
        (DataType::Date32, Value::Date(v)) => Some(array.as_primitive::<Date32Type>().value(row).cmp(v)),
        (DataType::Int64, Value::Int(v)) => Some(array.as_primitive::<Int64Type>().value(row).cmp(v)),
        (DataType::Int32, Value::Int(v)) => Some(i64::from(array.as_primitive::<Int32Type>().value(row)).cmp(v)),
        (DataType::Int16, Value::Int(v)) => Some(i64::from(array.as_primitive::<Int16Type>().value(row)).cmp(v)),
        (DataType::Decimal128(_, _), Value::Decimal(v)) => {
            Some(array.as_primitive::<Decimal128Type>().value(row).cmp(v))
        }
        // Total order, as rows are sorted by it: -0.0 before 0.0, NaN last.
        (DataType::Float64, Value::Float(v)) => Some(array.as_primitive::<Float64Type>().value(row).total_cmp(v)),
        (DataType::Float32, Value::Float(v)) => {
            Some(f64::from(array.as_primitive::<Float32Type>().value(row)).total_cmp(v))
        }
        (DataType::Boolean, Value::Bool(v)) => {
            array.as_any().downcast_ref::<BooleanArray>().map(|array| array.value(row).cmp(v))
        }
        _ => None,
    }
}

/// One end of a range of values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bound {
    pub(crate) value: Value,
    pub(crate) inclusive: bool,
}

/// The first row in `rows` for which `before` is false, given that it is true for a prefix. `None` when a comparison
/// was not possible.
pub(crate) fn partition_point(rows: Range<usize>, before: impl Fn(usize) -> Option<bool>) -> Option<usize> {
    let (mut low, mut high) = (rows.start, rows.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Some(low)
}

/// The part of `rows`, sorted by the key that `compare` looks at, between two bounds. NULLs come first: a lower bound
/// leaves them out, without one they stay. `None` when a comparison was not possible.
pub(crate) fn search(
    rows: Range<usize>,
    lower: Option<&Bound>,
    upper: Option<&Bound>,
    compare: impl Fn(usize, &Value) -> Option<Ordering>,
) -> Option<Range<usize>> {
    let start = match lower {
        Some(bound) => partition_point(rows.clone(), |row| {
            let order = compare(row, &bound.value)?;
            Some(if bound.inclusive { order.is_lt() } else { order.is_le() })
        })?,
        None => rows.start,
    };
    let end = match upper {
        Some(bound) => partition_point(start..rows.end, |row| {
            let order = compare(row, &bound.value)?;
            Some(if bound.inclusive { order.is_le() } else { order.is_lt() })
        })?,
        None => rows.end,
    };
    Some(start..end.max(start))
}
