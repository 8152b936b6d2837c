//! Functions behind `+` and `-` of times, and `date_bin`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int32Array, IntervalMonthDayNanoArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, IntervalMonthDayNano, Time64MicrosecondType, TimestampMicrosecondType};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::parts::{self, MICROS_PER_DAY};
use super::simple::{
    INTERVAL, TIME, TIMESTAMP, all_given, answer, days, failed, function, integers, intervals, is_text, micros,
    no_such, timestamptz,
};
use crate::error::ErrorKind;
use crate::functions::out_of_range;
use crate::values::zone::Zone;

/// A moment plus or minus an interval, by a zone's calendar.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ZonedPlus {
    zone: Zone,
    minus: bool,
    signature: Signature,
}

impl ZonedPlus {
    pub(super) fn new(zone: Zone, minus: bool) -> Self {
        ZonedPlus { zone, minus, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ZonedPlus {
    fn name(&self) -> &str {
        if self.minus { "timestamptz_minus" } else { "timestamptz_plus" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, _given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(vec![timestamptz(), INTERVAL])
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(timestamptz())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        answer(&args.args, args.number_rows, |arrays| {
            let (moments, lengths) = (micros(&arrays[0]), intervals(&arrays[1]));
            let moved = timestamps(arrays, |row| {
                let length = if self.minus { parts::negated(lengths[row])? } else { lengths[row] };
                parts::plus_zoned(moments[row], length, self.zone)
            })?;
            Ok(Arc::new(moved.with_timezone("UTC")))
        })
    }
}

/// One timestamp per row that has all its arguments.
pub(super) fn timestamps(
    arrays: &[ArrayRef],
    value: impl Fn(usize) -> Option<i64>,
) -> Result<TimestampMicrosecondArray> {
    let nulls = all_given(arrays);
    let rows = arrays.first().map_or(0, |array| array.len());
    let values = (0..rows).map(|row| {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return Ok(0);
        }
        value(row).ok_or_else(|| out_of_range("timestamp"))
    });
    let values = values.collect::<Result<Vec<i64>>>()?;
    Ok(TimestampMicrosecondArray::new(values.into(), nulls))
}

/// One interval per row that has all its arguments.
pub(super) fn lengths(arrays: &[ArrayRef], value: impl Fn(usize) -> Option<IntervalMonthDayNano>) -> Result<ArrayRef> {
    let nulls = all_given(arrays);
    let rows = arrays.first().map_or(0, |array| array.len());
    let values = (0..rows).map(|row| {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return Ok(IntervalMonthDayNano::new(0, 0, 0));
        }
        value(row).ok_or_else(|| out_of_range("interval"))
    });
    let values = values.collect::<Result<Vec<IntervalMonthDayNano>>>()?;
    Ok(Arc::new(IntervalMonthDayNanoArray::new(values.into(), nulls)))
}

/// `date + integer` and `date - integer`.
pub(super) fn date_plus(plus: bool) -> ScalarUDF {
    fn run(arrays: &[ArrayRef], sign: i64) -> Result<ArrayRef> {
        let (dates, counts) = (days(&arrays[0]), integers(&arrays[1]));
        let nulls = all_given(arrays);
        let values = (0..dates.len()).map(|row| {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                return Ok(0);
            }
            let moved = counts[row].checked_mul(sign).and_then(|count| count.checked_add(i64::from(dates[row])));
            let within = moved.filter(|days| (-2_440_588..=2_145_042_541).contains(days));
            within.map(|days| days as i32).ok_or_else(|| out_of_range("date"))
        });
        let values = values.collect::<Result<Vec<i32>>>()?;
        Ok(Arc::new(Date32Array::new(values.into(), nulls)))
    }
    let types = |_: &[DataType]| Ok(vec![DataType::Date32, DataType::Int64]);
    if plus {
        function("date_plus", types, |_| DataType::Date32, |arrays| run(arrays, 1))
    } else {
        function("date_minus", types, |_| DataType::Date32, |arrays| run(arrays, -1))
    }
}

/// `date - date`: days.
pub(super) fn date_difference() -> ScalarUDF {
    function(
        "date_difference",
        |_| Ok(vec![DataType::Date32, DataType::Date32]),
        |_| DataType::Int32,
        |arrays| {
            let (left, right) = (days(&arrays[0]), days(&arrays[1]));
            let nulls = all_given(arrays);
            let values: Vec<i32> = left.iter().zip(right).map(|(l, r)| l.wrapping_sub(*r)).collect();
            Ok(Arc::new(Int32Array::new(values.into(), nulls)))
        },
    )
}

/// `timestamp ± time`.
pub(super) fn local_plus_time(plus: bool) -> ScalarUDF {
    fn run(arrays: &[ArrayRef], sign: i64) -> Result<ArrayRef> {
        let moments = micros(&arrays[0]);
        let times = arrays[1].as_primitive::<Time64MicrosecondType>().values();
        let DataType::Timestamp(_, zone) = arrays[0].data_type() else { return plan_err!("no timestamp") };
        let moved = timestamps(arrays, |row| moments[row].checked_add(times[row] * sign))?;
        Ok(Arc::new(moved.with_timezone_opt(zone.clone())))
    }
    fn types(given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(vec![given[0].clone(), TIME])
    }
    if plus {
        function("timestamp_plus_time", types, |given| given[0].clone(), |arrays| run(arrays, 1))
    } else {
        function("timestamp_minus_time", types, |given| given[0].clone(), |arrays| run(arrays, -1))
    }
}

/// `time ± interval`: a time of day again; months and days make no difference.
pub(super) fn time_plus(plus: bool) -> ScalarUDF {
    fn run(arrays: &[ArrayRef], sign: i64) -> Result<ArrayRef> {
        let times = arrays[0].as_primitive::<Time64MicrosecondType>().values();
        let lengths = intervals(&arrays[1]);
        let values = times.iter().zip(lengths).map(|(time, length)| {
            let moved = i128::from(*time) + i128::from(sign) * i128::from(length.nanoseconds / 1_000);
            moved.rem_euclid(i128::from(MICROS_PER_DAY)) as i64
        });
        let values: Vec<i64> = values.collect();
        Ok(Arc::new(Time64MicrosecondArray::new(values.into(), all_given(arrays))))
    }
    let types = |_: &[DataType]| Ok(vec![TIME, INTERVAL]);
    if plus {
        function("time_plus", types, |_| TIME, |arrays| run(arrays, 1))
    } else {
        function("time_minus", types, |_| TIME, |arrays| run(arrays, -1))
    }
}

/// `time - time`.
pub(super) fn time_difference() -> ScalarUDF {
    function(
        "time_difference",
        |_| Ok(vec![TIME, TIME]),
        |_| INTERVAL,
        |arrays| {
            let left = arrays[0].as_primitive::<Time64MicrosecondType>().values();
            let right = arrays[1].as_primitive::<Time64MicrosecondType>().values();
            lengths(arrays, |row| {
                Some(IntervalMonthDayNano::new(0, 0, left[row].checked_sub(right[row])?.checked_mul(1_000)?))
            })
        },
    )
}

/// `interval ± interval`.
pub(super) fn interval_plus(plus: bool) -> ScalarUDF {
    let types = |_: &[DataType]| Ok(vec![INTERVAL, INTERVAL]);
    if plus {
        function(
            "interval_plus",
            types,
            |_| INTERVAL,
            |arrays| {
                let (left, right) = (intervals(&arrays[0]), intervals(&arrays[1]));
                lengths(arrays, |row| parts::sum(left[row], right[row]))
            },
        )
    } else {
        function(
            "interval_minus",
            types,
            |_| INTERVAL,
            |arrays| {
                let (left, right) = (intervals(&arrays[0]), intervals(&arrays[1]));
                lengths(arrays, |row| parts::sum(left[row], parts::negated(right[row])?))
            },
        )
    }
}

/// `timestamp - timestamp`: days of 24 hours, and the rest.
pub(super) fn timestamp_difference() -> ScalarUDF {
    fn types(given: &[DataType]) -> Result<Vec<DataType>> {
        let zoned = given.iter().any(|t| matches!(t, DataType::Timestamp(_, Some(_))));
        let both = if zoned { timestamptz() } else { TIMESTAMP };
        Ok(vec![both.clone(), both])
    }
    function(
        "timestamp_difference",
        types,
        |_| INTERVAL,
        |arrays| {
            let left = arrays[0].as_primitive::<TimestampMicrosecondType>().values();
            let right = arrays[1].as_primitive::<TimestampMicrosecondType>().values();
            lengths(arrays, |row| parts::of_micros(left[row].checked_sub(right[row])?))
        },
    )
}

/// `date_bin(stride, time, origin)`.
pub(super) fn date_bin() -> ScalarUDF {
    fn types(given: &[DataType]) -> Result<Vec<DataType>> {
        let [stride, time, origin @ ..] = given else { return no_such("date_bin", given) };
        if !(matches!(stride, DataType::Interval(_)) || is_text(stride) || stride.is_null()) || origin.len() > 1 {
            return no_such("date_bin", given);
        }
        let time = match time {
            DataType::Timestamp(_, Some(_)) => timestamptz(),
            DataType::Timestamp(_, None) | DataType::Null => TIMESTAMP,
            DataType::Date32 => timestamptz(),
            text if is_text(text) => TIMESTAMP,
            _ => return no_such("date_bin", given),
        };
        let mut types = vec![INTERVAL, time.clone()];
        types.extend(origin.iter().map(|_| time.clone()));
        Ok(types)
    }
    function(
        "date_bin",
        types,
        |given| given[1].clone(),
        |arrays| {
            let (strides, times) = (intervals(&arrays[0]), micros(&arrays[1]));
            let origins = arrays.get(2).map(micros);
            let DataType::Timestamp(_, zone) = arrays[1].data_type() else { return plan_err!("no timestamp") };
            let nulls = all_given(arrays);
            if let Some(stride) = strides.iter().enumerate().find_map(|(row, stride)| {
                let given = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                (given && (stride.months != 0 || parts::length(*stride) <= 0)).then_some(stride)
            }) {
                return Err(match stride.months {
                    0 => failed(ErrorKind::DatetimeOutOfRange, "stride must be greater than zero"),
                    _ => failed(
                        ErrorKind::FeatureNotSupported,
                        "timestamps cannot be binned into intervals containing months or years",
                    ),
                });
            }
            let bins = timestamps(arrays, |row| {
                let stride = i64::try_from(parts::length(strides[row])).ok()?;
                let origin = origins.map_or(0, |origins| origins[row]);
                let from = times[row].checked_sub(origin)?;
                from.div_euclid(stride).checked_mul(stride)?.checked_add(origin)
            })?;
            Ok(Arc::new(bins.with_timezone_opt(zone.clone())))
        },
    )
}
