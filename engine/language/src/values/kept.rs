//! Values of types that stores do not have, in the form in which they are kept: times of day as microseconds, intervals and
//! arrays as texts that PostgreSQL reads.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray, StringViewBuilder};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit};
use arrow::error::ArrowError;

use crate::values::array_text;
use crate::values::interval::parse_interval;

const NANOS_PER_MICRO: i64 = 1_000;
const MICROS_PER_SECOND: u64 = 1_000_000;

/// Values as they are kept.
pub fn to_kept(values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match values.data_type() {
        DataType::Time64(_) => cast(values, &DataType::Int64),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let intervals = values.as_primitive::<IntervalMonthDayNanoType>();
            let mut texts = StringViewBuilder::with_capacity(intervals.len());
            for interval in intervals {
                texts.append_option(interval.map(interval_text));
            }
            Ok(Arc::new(texts.finish()))
        }
        DataType::List(_) => array_text::texts(values),
        _ => Ok(Arc::clone(values)),
    }
}

/// Kept values as rows have them.
///
/// # Errors
/// For a text that [`to_kept`] has not written.
pub fn from_kept(values: &ArrayRef, row_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let damaged = |what: &str| ArrowError::ParseError(format!("a kept text is no {what}"));
    match row_type {
        same if same == values.data_type() => Ok(Arc::clone(values)),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let texts = cast(values, &DataType::Utf8View)?;
            let parsed = texts.as_string_view().iter().map(|text| match text {
                None => Ok(None),
                Some(text) => parse_interval(text).map(Some).ok_or_else(|| damaged("interval")),
            });
            Ok(Arc::new(parsed.collect::<Result<IntervalMonthDayNanoArray, _>>()?))
        }
        DataType::List(item) => {
            let (lists, bad) = array_text::lists(values, item)?;
            if bad.is_empty() { Ok(lists) } else { Err(damaged("array")) }
        }
        // What is no value of the type is damage, not NULL.
        other => cast_with_options(values, other, &CastOptions { safe: false, ..CastOptions::default() }),
    }
}

/// An interval with all its parts: `14 mons -3 days 04:00:00.000005`. Parts of a microsecond are rounded away.
pub(crate) fn interval_text(interval: IntervalMonthDayNano) -> String {
    let half = NANOS_PER_MICRO / 2 * interval.nanoseconds.signum();
    let micros = interval.nanoseconds.saturating_add(half) / NANOS_PER_MICRO;
    let sign = if micros < 0 { "-" } else { "" };
    let size = micros.unsigned_abs();
    let (seconds, micros) = (size / MICROS_PER_SECOND, size % MICROS_PER_SECOND);
    format!(
        "{} mons {} days {sign}{:02}:{:02}:{:02}.{micros:06}",
        interval.months,
        interval.days,
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::Time64MicrosecondArray;
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn values_come_back_as_they_were_kept() {
        let intervals = [(14, -3, 4 * 3_600_000_000_000), (0, 0, -1_000), (-1, 2, 0), (0, 0, 900_000_000_000_001_000)];
        let intervals: IntervalMonthDayNanoArray =
            intervals.iter().map(|(m, d, n)| Some(IntervalMonthDayNano::new(*m, *d, *n))).chain([None]).collect();
        let times: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![Some(0), None, Some(86_400_000_000)]));
        let intervals: ArrayRef = Arc::new(intervals);
        for values in [intervals, times] {
            let kept = to_kept(&values).unwrap();
            assert_ne!(kept.data_type(), values.data_type());
            assert_eq!(&from_kept(&kept, values.data_type()).unwrap(), &values);
        }
        assert_eq!(interval_text(IntervalMonthDayNano::new(0, 1, -1_500)), "0 mons 1 days -00:00:00.000002");
        let time = DataType::Time64(TimeUnit::Microsecond);
        assert!(from_kept(&(Arc::new(arrow::array::StringViewArray::from(vec!["x"])) as ArrayRef), &time).is_err());
    }
}
