//! Buckets of time as group keys: `date_bin`, `date_trunc` and `time_bucket` of a timestamp column.
//!
//! The width and origin are read from the call's arguments, and then checked: the call itself is evaluated on instants
//! across the segments' range and must give what the SQL will give. Whatever a function of that name really does, a
//! bucket that is not of fixed width or begins elsewhere stays with DataFusion.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray, new_null_array};
use arrow::compute::kernels::cast_utils::parse_interval_month_day_nano;
use arrow::datatypes::{DataType, Schema, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType};
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_plan::PhysicalExpr;
use zxq_catalog::Value;

use super::dialect::quote;
use super::facts::Facts;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// 1970-01-01 was a Thursday; weeks begin on Mondays.
const MONDAY: i64 = 4 * DAY;
/// Timestamps and origins beyond this (about the year 73,000) could overflow on the way.
const LIMIT: i64 = 1 << 61;
/// What 64 bits of nanoseconds can hold, in microseconds: DataFusion's `date_bin` computes in nanoseconds.
const NANOS_LIMIT: i64 = i64::MAX / 1000;
/// Monday 2000-01-03: where `time_bucket` counts from unless told otherwise.
const BUCKET_ORIGIN: i64 = 10_959 * DAY;

/// Buckets of fixed width of one timestamp column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bucket<'a> {
    /// The column, as SQL.
    pub(crate) column: &'a str,
    /// Its type, a timestamp.
    pub(crate) data_type: &'a DataType,
    /// Width, microseconds.
    pub(crate) width: i64,
    /// The beginning of one bucket, microseconds since 1970.
    pub(crate) origin: i64,
    /// No instant lies before it, microseconds since 1970.
    pub(crate) earliest: i64,
}

/// The call as SQL that gives the bucket, and the position of the column it reads.
pub(crate) fn bucket(expr: &Arc<dyn PhysicalExpr>, schema: &Schema, facts: &Facts) -> Option<(String, usize)> {
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let (first, second) = (call.args().first()?, call.args().get(1)?);
    let (column, in_nanos) = time_column(second)?;
    let (position, data_type) = facts.column(column.name())?;
    let DataType::Timestamp(TimeUnit::Microsecond, zone) = data_type else { return None };
    let unit = if in_nanos { TimeUnit::Nanosecond } else { TimeUnit::Microsecond };
    let wanted = DataType::Timestamp(unit, zone.clone());
    if second.data_type(schema).ok()? != wanted || expr.data_type(schema).ok()? != wanted {
        return None;
    }
    let constant = |arg: &Arc<dyn PhysicalExpr>| arg.downcast_ref::<Literal>().map(|l| l.value().clone());
    let (width, origin) = match call.name() {
        "date_trunc" => truncation(&constant(first)?)?,
        "date_bin" | "time_bucket" => match call.args().get(2) {
            Some(origin) => (interval(&constant(first)?)?, instant(&constant(origin)?)?),
            None if call.name() == "time_bucket" => (interval(&constant(first)?)?, BUCKET_ORIGIN),
            None => (interval(&constant(first)?)?, 0),
        },
        _ => return None,
    };
    let extremes = facts.extremes(column.name())?.into_iter().map(|value| match value {
        Value::TimestampMicros(v) => Some(v),
        _ => None,
    });
    let extremes = extremes.collect::<Option<Vec<i64>>>()?;
    let bounded = extremes.iter().chain([&width, &origin]).all(|v| (-LIMIT..LIMIT).contains(v));
    let in_nanos_range = |t: i64| (width - NANOS_LIMIT..=NANOS_LIMIT).contains(&t);
    let bounded = bounded && (call.name() != "date_bin" && !in_nanos || extremes.iter().copied().all(in_nanos_range));
    if width <= 0 || !bounded || !agrees(expr, schema, column.index(), &extremes, width, origin)? {
        return None;
    }
    let earliest = extremes.iter().min().copied().unwrap_or(0);
    let name = quote(column.name());
    let sql = facts.dialect.bucket(&Bucket { column: &name, data_type, width, origin, earliest })?;
    Some((sql, position))
}

/// The column, and whether it is cast to nanoseconds: DataFusion's `date_bin` asks for them where there is a time zone.
fn time_column(expr: &Arc<dyn PhysicalExpr>) -> Option<(&Column, bool)> {
    let Some(cast) = expr.downcast_ref::<CastExpr>() else {
        return expr.downcast_ref::<Column>().map(|column| (column, false));
    };
    let to_nanos = matches!(cast.cast_type(), DataType::Timestamp(TimeUnit::Nanosecond, _));
    cast.expr().downcast_ref::<Column>().filter(|_| to_nanos).map(|column| (column, true))
}

fn truncation(unit: &ScalarValue) -> Option<(i64, i64)> {
    let unit = match unit {
        ScalarValue::Utf8(Some(u)) | ScalarValue::LargeUtf8(Some(u)) | ScalarValue::Utf8View(Some(u)) => u,
        _ => return None,
    };
    Some(match unit.to_ascii_lowercase().as_str() {
        "microsecond" => (1, 0),
        "millisecond" => (1000, 0),
        "second" => (SECOND, 0),
        "minute" => (60 * SECOND, 0),
        "hour" => (3600 * SECOND, 0),
        "day" => (DAY, 0),
        "week" => (7 * DAY, MONDAY),
        _ => return None,
    })
}

fn interval(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::IntervalMonthDayNano(Some(v)) if v.months == 0 && v.nanoseconds % 1000 == 0 => {
            i64::from(v.days).checked_mul(DAY)?.checked_add(v.nanoseconds / 1000)
        }
        ScalarValue::IntervalDayTime(Some(v)) => {
            i64::from(v.days).checked_mul(DAY)?.checked_add(i64::from(v.milliseconds) * 1000)
        }
        // `time_bucket` takes widths as text.
        ScalarValue::Utf8(Some(text)) => {
            let parsed = parse_interval_month_day_nano(text).ok()?;
            interval(&ScalarValue::IntervalMonthDayNano(Some(parsed)))
        }
        _ => None,
    }
}

fn instant(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::TimestampNanosecond(Some(v), _) if v % 1000 == 0 => Some(v / 1000),
        ScalarValue::TimestampMicrosecond(Some(v), _) => Some(*v),
        ScalarValue::TimestampMillisecond(Some(v), _) => v.checked_mul(1000),
        ScalarValue::TimestampSecond(Some(v), _) => v.checked_mul(SECOND),
        _ => None,
    }
}

/// Evaluates the real expression on probes and compares. `None` when it cannot be evaluated.
fn agrees(
    expr: &Arc<dyn PhysicalExpr>,
    schema: &Schema,
    index: usize,
    extremes: &[i64],
    width: i64,
    origin: i64,
) -> Option<bool> {
    let floor = |t: i64| t - (t - origin).rem_euclid(width);
    let (low, high) = (extremes.iter().min().copied().unwrap_or(0), extremes.iter().max().copied().unwrap_or(0));
    let mut probes = vec![low, high, low.midpoint(high)];
    for at in [low, high, 0] {
        let start = floor(at);
        probes.extend([start - 1, start, start + 1, start + width - 1, start + width]);
    }
    // Only what occurs must agree.
    probes.retain(|p| (low..=high).contains(p));
    let count = probes.len();
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(position, field)| match field.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, zone) if position == index => {
                Arc::new(TimestampMicrosecondArray::from(probes.clone()).with_timezone_opt(zone.clone())) as ArrayRef
            }
            other => new_null_array(other, count),
        })
        .collect();
    let fields: Vec<_> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).ok()?;
    let given = expr.evaluate(&batch).ok()?.into_array(count).ok()?;
    let (values, scale) = match given.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            (given.as_primitive_opt::<TimestampNanosecondType>()?.values(), 1000)
        }
        _ => (given.as_primitive_opt::<TimestampMicrosecondType>()?.values(), 1),
    };
    let equal = |(got, t): (&i64, &i64)| floor(*t).checked_mul(scale) == Some(*got);
    Some(given.null_count() == 0 && values.iter().zip(&probes).all(equal))
}
