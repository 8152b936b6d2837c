//! `time_bucket(width, time [, origin])`, and `time_bucket(width, time, zone [, origin [, offset]])`, whose buckets begin in a
//! zone's local time.
//!
//! Like DataFusion's `date_bin` it keeps the order of its input, so that grouping sorted data by bucket needs no sort.
//! Unlike it, buckets count from Monday 2000-01-03 (so a week starts on Monday), widths may be written as text, dates
//! stay dates, and times are never multiplied out to nanoseconds.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, IntervalMonthDayNano, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::error::ErrorKind;
use crate::values::civil::{add_months, civil};
use crate::values::counted::counted;
use crate::values::interval::parse_interval;
use crate::values::zone::Zone;

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
        if !(2..=5).contains(&given.len()) {
            return plan_err!(
                "time_bucket takes a width, a time and perhaps a time zone and an origin, not {}",
                counted(given.len() as u64, "argument")
            );
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
        for origin in given.iter().skip(2) {
            types.push(match origin {
                DataType::Interval(_) => interval.clone(),
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
        let zone = zone_of(args.args.get(2), args.args.len())?;
        let zoned = matches!(args.args[1].data_type(), DataType::Timestamp(_, Some(_)));
        let local = match zone {
            Some(_) if !zoned => {
                return exec_err!("time_bucket: a time zone belongs to a TIMESTAMPTZ, not to other times");
            }
            Some(Some(zone)) if !zone.is_utc() => Some(zone),
            _ => None,
        };
        let origin = match args.args.get(if zone.is_some() { 3 } else { 2 }) {
            // Behind a time zone, NULL stands for what is not given.
            Some(ColumnarValue::Scalar(value)) if zone.is_some() && value.is_null() => width.default_origin(),
            Some(origin) => match origin_of(origin, &width)? {
                Some(moment) => match (local, origin.data_type()) {
                    (Some(zone), DataType::Timestamp(_, _)) => {
                        zone.to_local(moment).ok_or_else(|| super::out_of_range("timestamp"))?
                    }
                    _ => moment,
                },
                None => return Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(args.return_type())?)),
            },
            None => width.default_origin(),
        };
        let origin = match args.args.get(4) {
            Some(offset) => origin.saturating_add(offset_of(offset)?),
            None => origin,
        };
        let bucketed = |times: &ArrayRef| match local {
            Some(zone) => bucket_local(times, &width, origin, zone),
            None => bucket_array(times, &width, origin),
        };
        match &args.args[1] {
            ColumnarValue::Array(times) => Ok(ColumnarValue::Array(bucketed(times)?)),
            ColumnarValue::Scalar(time) => {
                let bucket = bucketed(&time.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&bucket, 0)?))
            }
        }
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        let constant = |i: usize| input.get(i).is_none_or(|p| p.sort_properties == SortProperties::Singleton);
        // In local time, an hour that comes twice goes back.
        Ok(if input.len() <= 3 && constant(0) && constant(2) {
            input[1].sort_properties
        } else {
            SortProperties::Unordered
        })
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

/// The time zone that the third argument names: `None` where it is an origin, `Some(None)` for NULL before others.
fn zone_of(argument: Option<&ColumnarValue>, arguments: usize) -> Result<Option<Option<Zone>>> {
    let Some(ColumnarValue::Scalar(value)) = argument else { return Ok(None) };
    match value.try_as_str() {
        Some(Some(text)) => match Zone::parse(text) {
            Some(zone) => Ok(Some(Some(zone))),
            None if crate::values::parse_timestamp(text, true).is_some() && arguments == 3 => Ok(None),
            None => {
                Err(super::times::failed(ErrorKind::InvalidParameter, format!("time zone \"{text}\" not recognized")))
            }
        },
        _ if value.is_null() && arguments > 3 => Ok(Some(None)),
        _ => Ok(None),
    }
}

/// Microseconds of an offset.
fn offset_of(argument: &ColumnarValue) -> Result<i64> {
    let interval = match constant(argument, "offset")? {
        ScalarValue::IntervalMonthDayNano(Some(interval)) => Some(interval),
        ScalarValue::Utf8(Some(text)) => parse_interval(&text),
        _ => return Ok(0),
    };
    match interval.filter(|interval| interval.months == 0).and_then(micros_of) {
        Some(micros) => Ok(micros),
        None => exec_err!("time_bucket: the offset must be an interval without months"),
    }
}

/// Buckets of local time.
fn bucket_local(times: &ArrayRef, width: &Width, origin: i64, zone: Zone) -> Result<ArrayRef> {
    let too_far = || super::out_of_range("timestamp");
    let micros = times.as_primitive::<TimestampMicrosecondType>();
    let local =
        micros.try_unary::<_, TimestampMicrosecondType, _>(|micros| zone.to_local(micros).ok_or_else(too_far))?;
    let starts = bucket_all(&local, width, origin, |micros| micros, |micros| micros)?;
    let moments =
        starts.try_unary::<_, TimestampMicrosecondType, _>(|start| zone.from_local(start).ok_or_else(too_far))?;
    Ok(Arc::new(moments.with_data_type(times.data_type().clone())))
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
        ScalarValue::Utf8(Some(text)) => match crate::values::parse_timestamp(&text, true) {
            Some(micros) => Some(micros),
            None => {
                return exec_err!("time_bucket: {text:?} is no timestamp");
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
            // Months after the origin, on the last day where a month is shorter: no bucket begins after its times.
            let (day, time) = (origin.div_euclid(MICROS_PER_DAY), origin.rem_euclid(MICROS_PER_DAY));
            let (year, month, _) = civil(micros.div_euclid(MICROS_PER_DAY));
            let (from_year, from_month, _) = civil(day);
            let months = (year - from_year) * 12 + i64::from(month) - i64::from(from_month);
            let mut index = months.div_euclid(i64::from(width));
            let at = |index: i64| -> Option<i64> {
                add_months(day, index.checked_mul(i64::from(width))?).checked_mul(MICROS_PER_DAY)?.checked_add(time)
            };
            if at(index)? > micros {
                index -= 1;
            }
            Some((at(index)?, at(index + 1)?))
        }
    }
}
