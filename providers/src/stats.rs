//! Exact column statistics of segments, and what DataFusion makes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute;
use arrow::datatypes::{
    ArrowNumericType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Schema, TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::record_batch::RecordBatch;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use zxq_catalog::{ColumnStats, Segment, Value};

use crate::error::Result;
use crate::scalar;

#[cfg(test)]
pub(crate) mod tests;

/// Longest text kept as a bound, bytes. Longer extremes are left out (a shortened one would not be exact).
const MAX_TEXT_BOUND: usize = 64;

/// Exact statistics of every column over all the batches together.
///
/// A column has no bounds when NaN was seen, when `-0.0` makes its extremes depend on how zeros compare, when an extreme
/// text is longer than 64 bytes, and for types without a [`Value`].
///
/// # Errors
/// When an Arrow kernel fails.
pub fn column_stats(batches: &[RecordBatch]) -> Result<BTreeMap<String, ColumnStats>> {
    let mut all: BTreeMap<String, ColumnStats> = BTreeMap::new();
    for batch in batches {
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let next = array_stats(column.as_ref())?;
            match all.get_mut(field.name()) {
                Some(known) => known.widen(&next),
                None => {
                    all.insert(field.name().clone(), next);
                }
            }
        }
    }
    for stats in all.values_mut() {
        let too_long = |v: &Option<Value>| matches!(v, Some(Value::Text(text)) if text.len() > MAX_TEXT_BOUND);
        if too_long(&stats.min) || too_long(&stats.max) {
            (stats.min, stats.max, stats.has_bounds) = (None, None, false);
        }
    }
    Ok(all)
}

fn array_stats(array: &dyn Array) -> Result<ColumnStats> {
    let bounds = bounds(array)?;
    let (has_bounds, (min, max)) = (bounds.is_some(), bounds.unwrap_or_default());
    Ok(ColumnStats { min, max, null_count: array.logical_null_count() as u64, has_bounds })
}

type Bounds = (Option<Value>, Option<Value>);

/// The extremes, or `None` when they are not known exactly.
fn bounds(array: &dyn Array) -> Result<Option<Bounds>> {
    let known = match array.data_type() {
        DataType::Boolean => {
            let array = array.as_boolean();
            (compute::min_boolean(array).map(Value::Bool), compute::max_boolean(array).map(Value::Bool))
        }
        DataType::Int8 => integers::<Int8Type>(array.as_primitive()),
        DataType::Int16 => integers::<Int16Type>(array.as_primitive()),
        DataType::Int32 => integers::<Int32Type>(array.as_primitive()),
        DataType::Int64 => integers::<Int64Type>(array.as_primitive()),
        DataType::UInt8 => integers::<UInt8Type>(array.as_primitive()),
        DataType::UInt16 => integers::<UInt16Type>(array.as_primitive()),
        DataType::UInt32 => integers::<UInt32Type>(array.as_primitive()),
        DataType::UInt64 => {
            let array = array.as_primitive::<UInt64Type>();
            match compute::max(array).map(i64::try_from) {
                Some(Err(_)) => return Ok(None),
                max => {
                    let min = compute::min(array).and_then(|v| i64::try_from(v).ok());
                    (min.map(Value::Int), max.and_then(|v| v.ok()).map(Value::Int))
                }
            }
        }
        DataType::Float32 => return Ok(floats::<Float32Type>(array.as_primitive(), f64::from)),
        DataType::Float64 => return Ok(floats::<Float64Type>(array.as_primitive(), |v| v)),
        DataType::Decimal128(_, _) => extremes::<Decimal128Type>(array.as_primitive(), Value::Decimal),
        DataType::Date32 => extremes::<Date32Type>(array.as_primitive(), Value::Date),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            extremes::<TimestampMicrosecondType>(array.as_primitive(), Value::TimestampMicros)
        }
        DataType::Utf8View => {
            let array = array.as_string_view();
            (text(compute::min_string_view(array)), text(compute::max_string_view(array)))
        }
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            (text(compute::min_string(array)), text(compute::max_string(array)))
        }
        DataType::LargeUtf8 => {
            let array = array.as_string::<i64>();
            (text(compute::min_string(array)), text(compute::max_string(array)))
        }
        DataType::Dictionary(_, values) if values.is_string() => {
            let plain = compute::cast(array, &DataType::Utf8View)?;
            return bounds(plain.as_ref());
        }
        _ => return Ok(None),
    };
    Ok(Some(known))
}

fn text(value: Option<&str>) -> Option<Value> {
    value.map(|v| Value::Text(v.to_owned()))
}

fn integers<T: ArrowNumericType>(array: &PrimitiveArray<T>) -> Bounds
where
    i64: From<T::Native>,
{
    extremes(array, |v| Value::Int(v.into()))
}

fn extremes<T: ArrowNumericType>(array: &PrimitiveArray<T>, value: impl Fn(T::Native) -> Value) -> Bounds {
    (compute::min(array).map(&value), compute::max(array).map(&value))
}

fn floats<T>(array: &PrimitiveArray<T>, widen: impl Fn(T::Native) -> f64) -> Option<Bounds>
where
    T: ArrowPrimitiveType,
{
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut nan, mut negative_zero, mut seen) = (false, false, false);
    let mut take = |v: T::Native| {
        let v = widen(v);
        nan |= v.is_nan();
        negative_zero |= v == 0.0 && v.is_sign_negative();
        seen = true;
        min = if v < min { v } else { min };
        max = if v > max { v } else { max };
    };
    if array.null_count() == 0 {
        array.values().iter().copied().for_each(&mut take);
    } else {
        array.iter().flatten().for_each(&mut take);
    }
    // Arrow orders -0.0 below 0.0, SQL and DuckDB hold them equal: as an extreme, either sign could prune wrongly.
    if nan || (negative_zero && (min == 0.0 || max == 0.0)) {
        return None;
    }
    Some(if seen { (Some(Value::Float(min)), Some(Value::Float(max))) } else { (None, None) })
}

/// DataFusion's statistics of all rows of the segments together.
///
/// `schema` is the table's schema and `projection` the positions of the columns wanted, in order. `exact` says whether
/// a plan that returns exactly these rows is described; otherwise everything is marked as an estimate. Columns that some
/// segment knows nothing about stay absent.
pub fn statistics(schema: &Schema, segments: &[Arc<Segment>], projection: &[usize], exact: bool) -> Statistics {
    statistics_from(schema, Sums::of(segments), projection, exact, |name| ColumnStats::over(name, segments))
}

/// Rows and bytes of segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Number of rows.
    pub rows: u64,
    /// What they take where they are stored.
    pub bytes: u64,
}

impl Sums {
    /// Those of these segments.
    pub fn of(segments: &[Arc<Segment>]) -> Self {
        let add = |sums: Sums, segment: &Arc<Segment>| Sums {
            rows: sums.rows + segment.rows,
            bytes: sums.bytes + segment.bytes,
        };
        segments.iter().fold(Sums::default(), add)
    }
}

/// As [`statistics`], where sums and columns' statistics are known: `column` gives those of a column by its name, and `None` where
/// they are not known or not needed.
pub fn statistics_from(
    schema: &Schema,
    sums: Sums,
    projection: &[usize],
    exact: bool,
    column: impl Fn(&str) -> Option<ColumnStats>,
) -> Statistics {
    let rows = usize::try_from(sums.rows).unwrap_or(usize::MAX);
    let columns: Vec<ColumnStatistics> = projection
        .iter()
        .map(|index| {
            let field = schema.fields().get(*index);
            let known =
                field.and_then(|field| Some(column_statistics(&column(field.name())?, field.data_type(), rows)));
            known.unwrap_or_else(ColumnStatistics::new_unknown)
        })
        .collect();
    let share = projection.len() as f64 / schema.fields().len().max(1) as f64;
    let fixed_width: Option<usize> = projection
        .iter()
        .map(|index| schema.fields().get(*index).and_then(|f| f.data_type().primitive_width()))
        .try_fold(0, |sum: usize, width| Some(sum + width?));
    let bytes = fixed_width.map_or((sums.bytes as f64 * share) as usize, |width| width * rows);
    let result = Statistics {
        num_rows: Precision::Exact(rows),
        total_byte_size: Precision::Inexact(bytes),
        column_statistics: columns,
    };
    if exact { result } else { result.to_inexact() }
}

fn column_statistics(total: &ColumnStats, data_type: &DataType, rows: usize) -> ColumnStatistics {
    let bound = |value: &Option<Value>| -> Precision<ScalarValue> {
        if !total.has_bounds {
            return Precision::Absent;
        }
        value.as_ref().and_then(|v| scalar::to_scalar(v, data_type)).map_or(Precision::Absent, Precision::Exact)
    };
    ColumnStatistics {
        null_count: Precision::Exact(total.null_count as usize),
        max_value: bound(&total.max),
        // DataFusion counts the values between the bounds in 64 bits, and fails with an internal error where a column
        // spans all of them: a column that reaches down to the smallest integer keeps that to itself.
        min_value: bound(
            &total.min.clone().filter(|min| !matches!(min, Value::Int(i64::MIN) | Value::TimestampMicros(i64::MIN))),
        ),
        sum_value: Precision::Absent,
        distinct_count: Precision::Absent,
        byte_size: data_type.primitive_width().map_or(Precision::Absent, |width| Precision::Exact(width * rows)),
    }
}
