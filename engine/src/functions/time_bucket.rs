//! `time_bucket(width, time [, origin])`.
//!
//! Like DataFusion's `date_bin` it keeps the order of its input, so that grouping sorted data by bucket needs no sort.
//! Unlike it, buckets count from Monday 2000-01-03 (so a week starts on Monday), widths may be written as text, dates
//! stay dates, and times are never multiplied out to nanoseconds.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, IntervalMonthDayNano, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::functions::interval_text::parse_interval;

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Monday 2000-01-03, microseconds since the epoch: where buckets of days, hours and so on count from.
const DEFAULT_ORIGIN: i64 = 946_857_600_000_000;
/// 2000-01-01: where buckets of months count from.
const MONTH_ORIGIN: i64 = 946_684_800_000_000;

/// Implements `time_bucket`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TimeBucket {
    signature: Signature,
}

impl Default for TimeBucket {
    fn default() -> Self {
        TimeBucket { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let interval = DataType::Interval(IntervalUnit::MonthDayNano);
        let is_text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        if !(2..=3).contains(&given.len()) {
            return plan_err!("time_bucket takes a width, a time and perhaps an origin, not {} arguments", given.len());
        }
        let width = match &given[0] {
            DataType::Interval(_) => interval.clone(),
            text if is_text(text) => DataType::Utf8,
            other => return plan_err!("time_bucket: the width must be an interval such as '5 minutes', not {other}"),
        };
        let time = match &given[1] {
            DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            DataType::Date32 | DataType::Date64 => DataType::Date32,
            DataType::Null => DataType::Timestamp(TimeUnit::Microsecond, None),
            text if is_text(text) => DataType::Timestamp(TimeUnit::Microsecond, None),
            other => return plan_err!("time_bucket: the time must be a timestamp or a date, not {other}"),
        };
        let mut types = vec![width, time.clone()];
        if let Some(origin) = given.get(2) {
            types.push(match origin {
                DataType::Interval(_) => interval,
                DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 | DataType::Null => match &time {
                    DataType::Date32 => DataType::Timestamp(TimeUnit::Microsecond, None),
                    timestamp => timestamp.clone(),
                },
                text if is_text(text) => DataType::Utf8,
                other => {
                    return plan_err!(
                        "time_bucket: the origin must be a timestamp, a date or an interval, not {other}"
                    );
                }
            });
        }
        Ok(types)
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[1].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(width) = width_of(&args.args[0])? else {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(args.return_type())?));
        };
        let origin = match args.args.get(2) {
            Some(origin) => match origin_of(origin, &width)? {
                Some(origin) => origin,
                None => return Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(args.return_type())?)),
            },
            None => width.default_origin(),
        };
        match &args.args[1] {
            ColumnarValue::Array(times) => Ok(ColumnarValue::Array(bucket_array(times, &width, origin)?)),
            ColumnarValue::Scalar(time) => {
                let bucket = bucket_array(&time.to_array()?, &width, origin)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&bucket, 0)?))
            }
        }
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        let constant = |i: usize| input.get(i).is_none_or(|p| p.sort_properties == SortProperties::Singleton);
        Ok(if constant(0) && constant(2) { input[1].sort_properties } else { SortProperties::Unordered })
    }
}

/// How wide a bucket is.
pub(super) enum Width {
    Micros(i64),
    Months(i32),
}

impl Width {
    pub(super) fn default_origin(&self) -> i64 {
        match self {
            Width::Micros(_) => DEFAULT_ORIGIN,
            Width::Months(_) => MONTH_ORIGIN,
        }
    }
}

/// `None` for NULL.
fn width_of(argument: &ColumnarValue) -> Result<Option<Width>> {
    let interval = match constant(argument, "width")? {
        ScalarValue::IntervalMonthDayNano(interval) => interval,
        ScalarValue::Utf8(Some(text)) => match parse_interval(&text) {
            Some(interval) => Some(interval),
            None => return exec_err!("time_bucket: {text:?} is no interval, write '5 minutes', '1 day' or '1 month'"),
        },
        _ => None,
    };
    let Some(interval) = interval else { return Ok(None) };
    if interval.months != 0 {
        if interval.days != 0 || interval.nanoseconds != 0 {
            return exec_err!("time_bucket: a width of months cannot have days or hours as well");
        }
        if interval.months < 0 {
            return exec_err!("time_bucket: the width must be more than zero");
        }
        return Ok(Some(Width::Months(interval.months)));
    }
    match micros_of(interval) {
        Some(micros) if micros > 0 => Ok(Some(Width::Micros(micros))),
        _ => exec_err!("time_bucket: the width must be at least a microsecond and less than 290,000 years"),
    }
}

fn micros_of(interval: IntervalMonthDayNano) -> Option<i64> {
    i64::from(interval.days).checked_mul(MICROS_PER_DAY)?.checked_add(interval.nanoseconds / 1_000)
}

/// The origin in microseconds; an interval moves the usual origin. `None` for NULL.
fn origin_of(argument: &ColumnarValue, width: &Width) -> Result<Option<i64>> {
    Ok(match constant(argument, "origin")? {
        ScalarValue::TimestampMicrosecond(micros, _) => micros,
        ScalarValue::IntervalMonthDayNano(Some(offset)) => {
            if offset.months != 0 {
                return exec_err!("time_bucket: an offset cannot have months");
            }
            micros_of(offset).and_then(|offset| width.default_origin().checked_add(offset))
        }
        ScalarValue::Utf8(Some(text)) => match crate::constraints::parse_timestamp(&text, true) {
            Some(micros) => Some(micros),
            None => {
                return exec_err!(
                    "time_bucket: {text:?} is no timestamp; the third argument is the origin, and time zones are not \
                     supported there (times are UTC)"
                );
            }
        },
        _ => None,
    })
}

fn constant(argument: &ColumnarValue, what: &str) -> Result<ScalarValue> {
    match argument {
        ColumnarValue::Scalar(value) => Ok(value.clone()),
        ColumnarValue::Array(values) if values.len() == 1 => ScalarValue::try_from_array(values, 0),
        ColumnarValue::Array(_) => exec_err!("time_bucket: the {what} must be a constant, not a column"),
    }
}

fn bucket_array(times: &ArrayRef, width: &Width, origin: i64) -> Result<ArrayRef> {
    Ok(match times.data_type() {
        DataType::Date32 => {
            let dates = times.as_primitive::<Date32Type>();
            let starts = bucket_all(
                dates,
                width,
                origin,
                |day| i64::from(day) * MICROS_PER_DAY,
                |micros| micros.div_euclid(MICROS_PER_DAY) as i32,
            )?;
            Arc::new(starts)
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = times.as_primitive::<TimestampMicrosecondType>();
            let starts = bucket_all(micros, width, origin, |micros| micros, |micros| micros)?;
            Arc::new(starts.with_timezone_opt(zone.clone()))
        }
        other => return exec_err!("time_bucket cannot take values of type {other}"),
    })
}

/// Neighbouring rows mostly share a bucket, so its bounds are worked out once and kept.
pub(super) fn bucket_all<T: ArrowPrimitiveType>(
    times: &PrimitiveArray<T>,
    width: &Width,
    origin: i64,
    to_micros: impl Fn(T::Native) -> i64,
    from_micros: impl Fn(i64) -> T::Native,
) -> Result<PrimitiveArray<T>> {
    let (mut start, mut end, mut value) = (0_i64, 0_i64, T::Native::default());
    let mut starts = Vec::with_capacity(times.len());
    for (row, time) in times.values().iter().enumerate() {
        let micros = to_micros(*time);
        if micros < start || micros >= end {
            if times.is_null(row) {
                starts.push(T::Native::default());
                continue;
            }
            (start, end) = match bucket(micros, width, origin) {
                Some(bounds) => bounds,
                None => return Err(super::out_of_range("timestamp")),
            };
            value = from_micros(start);
        }
        starts.push(value);
    }
    Ok(PrimitiveArray::new(starts.into(), times.nulls().cloned()))
}

/// First microsecond of the bucket, and first one after it.
fn bucket(micros: i64, width: &Width, origin: i64) -> Option<(i64, i64)> {
    match *width {
        Width::Micros(width) => {
            let start = micros.checked_sub(origin)?.div_euclid(width).checked_mul(width)?.checked_add(origin)?;
            Some((start, start.saturating_add(width)))
        }
        Width::Months(width) => {
            let (date, from) = (date_of(micros)?, date_of(origin)?);
            // The origin's day and time of day shift every bucket by the same amount.
            let shift = origin - micros_of_month(month_number(from))?;
            let months = i64::from(month_number(date)) - i64::from(month_number(from));
            let mut index = months.div_euclid(i64::from(width));
            let at = |index: i64| -> Option<i64> {
                let month = i64::from(month_number(from)) + index * i64::from(width);
                micros_of_month(i32::try_from(month).ok()?)?.checked_add(shift)
            };
            if at(index)? > micros {
                index -= 1;
            }
            Some((at(index)?, at(index + 1)?))
        }
    }
}

fn date_of(micros: i64) -> Option<NaiveDate> {
    DateTime::from_timestamp_micros(micros).map(|t| t.date_naive())
}

/// Months since the year 0.
fn month_number(date: NaiveDate) -> i32 {
    date.year() * 12 + date.month0() as i32
}

fn micros_of_month(month: i32) -> Option<i64> {
    let first = NaiveDate::from_ymd_opt(month.div_euclid(12), month.rem_euclid(12) as u32 + 1, 1)?;
    first.and_hms_opt(0, 0, 0).map(|t| t.and_utc().timestamp_micros())
}
