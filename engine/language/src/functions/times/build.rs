//! Times from their parts: `make_date`, `make_time`, `make_timestamp`, `make_timestamptz`, `make_interval`, and
//! `to_timestamp` of seconds.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, Time64MicrosecondArray};
use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ScalarUDF;

use super::arithmetic::{lengths, timestamps};
use super::parts::MICROS_PER_DAY;
use super::simple::{
    INTERVAL, TIME, TIMESTAMP, all_given, doubles, failed, function, integers, is_text, no_such, timestamptz,
};
use crate::error::ErrorKind;
use crate::values::civil::{days_from_civil, days_in_month};
use crate::values::text::TIMESTAMPS;
use crate::values::zone::Zone;

/// All of them.
pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![make_date(), make_time(), make_timestamp(), make_timestamptz(), make_interval()]
}

/// So many integers, then perhaps a double and a text.
fn numbers(name: &str, given: &[DataType], integers: usize, double: bool) -> Result<Vec<DataType>> {
    let count = integers + usize::from(double);
    let is_number = |t: &DataType| t.is_numeric() || t.is_null();
    if given.len() != count || !given.iter().all(is_number) {
        return no_such(name, given);
    }
    let mut types = vec![DataType::Int64; integers];
    types.extend(double.then_some(DataType::Float64));
    Ok(types)
}

fn out_of_range(what: &str, shown: String) -> DataFusionError {
    failed(ErrorKind::DatetimeOutOfRange, format!("{what} field value out of range: {shown}"))
}

/// Days of a date; years before Christ are negative, as there is no year 0.
fn days(year: i64, month: i64, day: i64) -> Result<i64> {
    let wrong = || out_of_range("date", format!("{year}-{month:02}-{day:02}"));
    let astronomical = if year < 0 { year + 1 } else { year };
    let month32 = u32::try_from(month).ok().filter(|month| (1..=12).contains(month)).ok_or_else(wrong)?;
    let within = year != 0 && (-4_713..=5_874_897).contains(&astronomical);
    let length = if within { days_in_month(astronomical, month32) } else { 0 };
    let day32 = u32::try_from(day).ok().filter(|day| *day >= 1 && *day <= length).ok_or_else(wrong)?;
    Ok(days_from_civil(astronomical, month32, day32))
}

fn micros_of_day(hour: i64, minute: i64, second: f64) -> Result<i64> {
    let whole_day = hour == 24 && minute == 0 && second == 0.0;
    if !((0..24).contains(&hour) || whole_day) || !(0..60).contains(&minute) || !(0.0..=60.0).contains(&second) {
        return Err(out_of_range("time", format!("{hour}:{minute:02}:{second}")));
    }
    Ok((hour * 60 + minute) * 60_000_000 + (second * 1e6).round_ties_even() as i64)
}

fn make_date() -> ScalarUDF {
    function(
        "make_date",
        |given| numbers("make_date", given, 3, false),
        |_| DataType::Date32,
        |arrays| {
            let (years, months, dates) = (integers(&arrays[0]), integers(&arrays[1]), integers(&arrays[2]));
            let nulls = all_given(arrays);
            let values = (0..years.len()).map(|row| match nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                true => Ok(0),
                false => Ok(days(years[row], months[row], dates[row])? as i32),
            });
            let values = values.collect::<Result<Vec<i32>>>()?;
            Ok(Arc::new(Date32Array::new(values.into(), nulls)))
        },
    )
}

fn make_time() -> ScalarUDF {
    function(
        "make_time",
        |given| numbers("make_time", given, 2, true),
        |_| TIME,
        |arrays| {
            let (hours, minutes, seconds) = (integers(&arrays[0]), integers(&arrays[1]), doubles(&arrays[2]));
            let nulls = all_given(arrays);
            let values = (0..hours.len()).map(|row| match nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                true => Ok(0),
                false => micros_of_day(hours[row], minutes[row], seconds[row]),
            });
            let values = values.collect::<Result<Vec<i64>>>()?;
            Ok(Arc::new(Time64MicrosecondArray::new(values.into(), nulls)))
        },
    )
}

/// Local microseconds of each row that is whole.
fn locals(arrays: &[ArrayRef]) -> Result<Vec<i64>> {
    let nulls = all_given(arrays);
    let part = |at: usize| integers(&arrays[at]);
    let seconds = doubles(&arrays[5]);
    let values = (0..seconds.len()).map(|row| {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return Ok(0);
        }
        let day = days(part(0)[row], part(1)[row], part(2)[row])?;
        let time = micros_of_day(part(3)[row], part(4)[row], seconds[row])?;
        let local = day.checked_mul(MICROS_PER_DAY).and_then(|day| day.checked_add(time));
        local.filter(|local| TIMESTAMPS.contains(local)).ok_or_else(|| crate::functions::out_of_range("timestamp"))
    });
    values.collect()
}

fn make_timestamp() -> ScalarUDF {
    function(
        "make_timestamp",
        |given| numbers("make_timestamp", given, 5, true),
        |_| TIMESTAMP,
        |arrays| {
            let locals = locals(arrays)?;
            Ok(Arc::new(timestamps(arrays, |row| Some(locals[row]))?))
        },
    )
}

fn make_timestamptz() -> ScalarUDF {
    fn types(given: &[DataType]) -> Result<Vec<DataType>> {
        let (parts, zone) = given.split_at(given.len().min(6));
        let mut types = numbers("make_timestamptz", parts, 5, true)?;
        match zone {
            [] => {}
            [zone] if is_text(zone) => types.push(DataType::Utf8),
            _ => return no_such("make_timestamptz", given),
        }
        Ok(types)
    }
    function(
        "make_timestamptz",
        types,
        |_| timestamptz(),
        |arrays| {
            let locals = locals(&arrays[..6])?;
            let zones = match arrays.get(6) {
                None => None,
                Some(names) => {
                    let zone = |name: Option<&str>| match name {
                        None => Ok(Zone::UTC),
                        Some(name) => {
                            let zone = Zone::parse(name).or_else(|| Zone::of_setting(name).map(|(zone, _)| zone));
                            zone.ok_or_else(|| {
                                failed(ErrorKind::InvalidParameter, format!("time zone \"{name}\" not recognized"))
                            })
                        }
                    };
                    Some(names.as_string::<i32>().iter().map(zone).collect::<Result<Vec<Zone>>>()?)
                }
            };
            let moments = timestamps(arrays, |row| match &zones {
                Some(zones) => zones[row].from_local(locals[row]),
                None => Some(locals[row]),
            })?;
            Ok(Arc::new(moments.with_timezone("UTC")))
        },
    )
}

fn make_interval() -> ScalarUDF {
    fn types(given: &[DataType]) -> Result<Vec<DataType>> {
        let is_number = |t: &DataType| t.is_numeric() || t.is_null();
        if given.len() > 7 || !given.iter().all(is_number) {
            return no_such("make_interval", given);
        }
        Ok((0..given.len()).map(|at| if at == 6 { DataType::Float64 } else { DataType::Int64 }).collect())
    }
    function(
        "make_interval",
        types,
        |_| INTERVAL,
        |arrays| {
            let part = |at: usize, row: usize| arrays.get(at).map_or(0, |array| integers(array)[row]);
            lengths(arrays, |row| {
                let months = part(0, row).checked_mul(12)?.checked_add(part(1, row))?;
                let days = part(2, row).checked_mul(7)?.checked_add(part(3, row))?;
                let minutes = part(4, row).checked_mul(60)?.checked_add(part(5, row))?;
                let seconds = arrays.get(6).map_or(0.0, |array| doubles(array)[row]);
                let fraction = (seconds * 1e6).round_ties_even();
                let fraction = (fraction.abs() < 9e15).then_some(fraction as i64)?;
                let micros = minutes.checked_mul(60_000_000)?.checked_add(fraction)?;
                Some(IntervalMonthDayNano::new(
                    i32::try_from(months).ok()?,
                    i32::try_from(days).ok()?,
                    micros.checked_mul(1_000)?,
                ))
            })
        },
    )
}

/// The moment of so many seconds since 1970. `None` out of range.
pub(super) fn moment_of_seconds(seconds: f64) -> Option<i64> {
    if seconds == f64::INFINITY {
        return Some(i64::MAX);
    }
    if seconds == f64::NEG_INFINITY {
        return Some(i64::MIN);
    }
    let whole = seconds.floor();
    let micros = (whole.abs() < 1e13).then_some(whole as i64)?.checked_mul(1_000_000)?;
    let fraction = ((seconds - whole) * 1e6).round_ties_even() as i64;
    micros.checked_add(fraction).filter(|micros| TIMESTAMPS.contains(micros))
}
