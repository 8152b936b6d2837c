//! `EXTRACT(field FROM source)`, which is a numeric, and `date_part(field, source)`, a double: with fractions.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef, IntervalMonthDayNano, Time64MicrosecondType, TimeUnit};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::parts::{DAYS_PER_MONTH, MICROS_PER_DAY, MICROS_PER_SECOND};
use super::simple::{
    INTERVAL, TIME, TIMESTAMP, days, failed, intervals, is_text, micros, no_such, timestamptz, type_name,
};
use crate::error::ErrorKind;
use crate::values::civil::{civil, days_from_civil};
use crate::values::zone::Zone;

/// Julian day number of 1970-01-01.
const EPOCH_JULIAN: i64 = 2_440_588;
/// Digits behind the point of a Julian day with a time.
const JULIAN_DIGITS: i8 = 20;

/// Both functions.
pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![extract(), DatePart::new(false).into()]
}

/// `EXTRACT`.
pub(super) fn extract() -> ScalarUDF {
    DatePart::new(true).into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    IsoYear,
    Dow,
    IsoDow,
    Doy,
    Julian,
    Epoch,
    Timezone,
    TimezoneHour,
    TimezoneMinute,
}

impl Part {
    fn named(name: &str) -> Option<Part> {
        use Part::*;
        let lower = name.trim_matches(['\'', '"']).to_ascii_lowercase();
        Some(match lower.as_str() {
            "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond" | "useconds" => Microseconds,
            "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" => Milliseconds,
            "second" | "seconds" | "s" | "sec" | "secs" => Second,
            "minute" | "minutes" | "m" | "min" | "mins" => Minute,
            "hour" | "hours" | "h" | "hr" | "hrs" => Hour,
            "day" | "days" | "d" => Day,
            "week" | "weeks" | "w" => Week,
            "month" | "months" | "mon" | "mons" => Month,
            "quarter" | "qtr" => Quarter,
            "year" | "years" | "y" | "yr" | "yrs" => Year,
            "decade" | "decades" | "dec" | "decs" => Decade,
            "century" | "centuries" | "c" | "cent" => Century,
            "millennium" | "millennia" | "mil" | "mils" | "millenium" => Millennium,
            "isoyear" => IsoYear,
            "dow" => Dow,
            "isodow" => IsoDow,
            "doy" => Doy,
            "julian" | "j" | "jd" => Julian,
            "epoch" => Epoch,
            "timezone" => Timezone,
            "timezone_h" | "timezone_hour" => TimezoneHour,
            "timezone_m" | "timezone_minute" => TimezoneMinute,
            _ => return None,
        })
    }

    /// Digits behind the point.
    fn digits(self, source: &DataType) -> i8 {
        match self {
            Part::Second => 6,
            Part::Epoch if matches!(source, DataType::Date32) => 0,
            Part::Epoch => 6,
            Part::Milliseconds => 3,
            Part::Julian if !matches!(source, DataType::Date32) => JULIAN_DIGITS,
            _ => 0,
        }
    }

    fn is_of_time(self) -> bool {
        matches!(self, Part::Microseconds | Part::Milliseconds | Part::Second | Part::Minute | Part::Hour)
    }

    fn is_of_zone(self) -> bool {
        matches!(self, Part::Timezone | Part::TimezoneHour | Part::TimezoneMinute)
    }

    /// Whether a source has such a part.
    fn is_of(self, source: &DataType) -> bool {
        use Part::*;
        match source {
            DataType::Date32 => !self.is_of_time() && !self.is_of_zone(),
            DataType::Time64(_) => self.is_of_time() || self == Epoch,
            DataType::Interval(_) => {
                !self.is_of_zone() && !matches!(self, Week | IsoYear | Dow | IsoDow | Doy | Julian)
            }
            DataType::Timestamp(_, None) => !self.is_of_zone(),
            _ => true,
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DatePart {
    exact: bool,
    aliases: Vec<String>,
    signature: Signature,
}

impl DatePart {
    fn new(exact: bool) -> Self {
        let aliases = if exact { Vec::new() } else { vec!["datepart".to_owned()] };
        DatePart { exact, aliases, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn part(&self, name: Option<&ScalarValue>, source: &DataType) -> Result<Part> {
        let Some(Some(name)) = name.map(|name| name.try_as_str().flatten()) else {
            return plan_err!("{}: the field must be a constant text", self.name());
        };
        let refused = |kind, what: &str| {
            Err(failed(kind, format!("unit \"{}\" {what} for type {}", name.to_lowercase(), type_name(source))))
        };
        match Part::named(name) {
            None => refused(ErrorKind::InvalidParameter, "not recognized"),
            Some(part) if !part.is_of(source) => refused(ErrorKind::FeatureNotSupported, "not supported"),
            Some(part) => Ok(part),
        }
    }
}

impl ScalarUDFImpl for DatePart {
    fn name(&self) -> &str {
        if self.exact { "extract" } else { "date_part" }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [field, source, zone @ ..] = given else { return no_such(self.name(), given) };
        if !is_text(field) || zone.len() > 1 {
            return no_such(self.name(), given);
        }
        let source = match source {
            DataType::Timestamp(_, None) => TIMESTAMP,
            DataType::Timestamp(_, Some(_)) => timestamptz(),
            DataType::Date32 | DataType::Date64 if self.exact => DataType::Date32,
            // As PostgreSQL, whose date_part of a date is that of its midnight.
            DataType::Date32 | DataType::Date64 => TIMESTAMP,
            DataType::Time32(_) | DataType::Time64(_) => TIME,
            DataType::Interval(_) | DataType::Duration(_) => INTERVAL,
            DataType::Null => TIMESTAMP,
            text if is_text(text) => TIMESTAMP,
            _ => return no_such(self.name(), given),
        };
        let mut types = vec![DataType::Utf8, source];
        types.extend(zone.iter().map(|_| DataType::Utf8));
        Ok(types)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        plan_err!("{} of {} arguments", self.name(), given.len())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [_, source, ..] = args.arg_fields else { return plan_err!("{} takes two arguments", self.name()) };
        let name = args.scalar_arguments.first().copied().flatten();
        if name.is_some_and(ScalarValue::is_null) {
            return Ok(Arc::new(Field::new(self.name(), DataType::Float64, true)));
        }
        let source = self.coerce_types(&[DataType::Utf8, source.data_type().clone()])?.remove(1);
        let part = self.part(name, &source)?;
        let data_type = match (self.exact, part.digits(&source)) {
            (false, _) => DataType::Float64,
            (true, JULIAN_DIGITS) => DataType::Decimal128(38, JULIAN_DIGITS),
            (true, 0) if matches!(part, Part::Microseconds | Part::Epoch | Part::Hour) => DataType::Decimal128(20, 0),
            (true, 0) => DataType::Decimal128(10, 0),
            (true, digits) => DataType::Decimal128(20, digits),
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ColumnarValue::Scalar(name) = &args.args[0] else {
            return plan_err!("{}: the field must be a constant text", self.name());
        };
        if name.is_null() {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(args.return_type())?));
        }
        let zone = match args.args.get(2) {
            Some(ColumnarValue::Scalar(zone)) => {
                zone.try_as_str().flatten().and_then(Zone::of_setting).map_or(Zone::UTC, |(zone, _)| zone)
            }
            _ => Zone::UTC,
        };
        let part = self.part(Some(name), &args.args[1].data_type())?;
        let return_type = args.return_type().clone();
        super::simple::answer(&args.args[1..2], args.number_rows, |arrays| values(part, &arrays[0], zone, &return_type))
    }

    /// `extract(year FROM ts) = 2024` is a range of `ts`, by which scans prune.
    fn preimage(&self, args: &[Expr], lit_expr: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
        let [Expr::Literal(name, _), source] = args else { return Ok(PreimageResult::None) };
        if name.try_as_str().flatten().and_then(Part::named) != Some(Part::Year) {
            return Ok(PreimageResult::None);
        }
        let year = lit_expr.as_literal().and_then(|value| match value.cast_to(&DataType::Float64) {
            Ok(ScalarValue::Float64(Some(year))) if year.fract() == 0.0 && (1.0..9_999.0).contains(&year) => {
                Some(year as i64)
            }
            _ => None,
        });
        let Some(year) = year else { return Ok(PreimageResult::None) };
        let data_type = info.get_data_type(source)?;
        let bound = |year: i64| {
            let days = days_from_civil(year, 1, 1);
            match &data_type {
                DataType::Date32 => Some(ScalarValue::Date32(Some(days as i32))),
                DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                    Some(ScalarValue::TimestampMicrosecond(Some(days * MICROS_PER_DAY), zone.clone()))
                }
                _ => None,
            }
        };
        let (Some(lower), Some(upper)) = (bound(year), bound(year + 1)) else { return Ok(PreimageResult::None) };
        let interval = Box::new(Interval::try_new(lower, upper)?);
        Ok(PreimageResult::Range { expr: source.clone(), interval })
    }
}

/// The part of every value, as whole units of the last digit.
fn values(part: Part, source: &ArrayRef, zone: Zone, return_type: &DataType) -> Result<ArrayRef> {
    let digits = part.digits(source.data_type());
    let each: Box<dyn Fn(usize) -> Option<i128>> = match source.data_type() {
        DataType::Date32 => {
            let values = days(source);
            Box::new(move |row| of_date(part, i64::from(values[row])))
        }
        DataType::Time64(_) => {
            let values = source.as_primitive::<Time64MicrosecondType>().values();
            Box::new(move |row| of_time(part, values[row]))
        }
        DataType::Interval(_) => {
            let values = intervals(source);
            Box::new(move |row| of_interval(part, values[row]))
        }
        DataType::Timestamp(_, label) => {
            let values = micros(source);
            let zone = if label.is_some() { zone } else { Zone::UTC };
            Box::new(move |row| of_timestamp(part, values[row], zone))
        }
        other => return plan_err!("{other} has no fields"),
    };
    let rows = (0..source.len()).map(|row| if source.is_null(row) { None } else { each(row) });
    Ok(match return_type {
        DataType::Float64 => {
            let unit = 10_f64.powi(i32::from(digits));
            Arc::new(rows.map(|value| value.map(|value| value as f64 / unit)).collect::<Float64Array>())
        }
        DataType::Decimal128(precision, scale) => {
            let values = rows.collect::<Decimal128Array>();
            Arc::new(values.with_precision_and_scale(*precision, *scale)?)
        }
        other => return plan_err!("{other} holds no field of a time"),
    })
}

fn of_timestamp(part: Part, moment: i64, zone: Zone) -> Option<i128> {
    let east = match zone.is_utc() {
        true => 0,
        false => i64::from(zone.east_at(moment.div_euclid(MICROS_PER_SECOND))?),
    };
    match part {
        Part::Epoch => return Some(i128::from(moment)),
        Part::Timezone => return Some(i128::from(east)),
        Part::TimezoneHour => return Some(i128::from(east / 3_600)),
        Part::TimezoneMinute => return Some(i128::from(east % 3_600 / 60)),
        _ => {}
    }
    let local = moment.checked_add(east * MICROS_PER_SECOND)?;
    let (day, time) = (local.div_euclid(MICROS_PER_DAY), local.rem_euclid(MICROS_PER_DAY));
    if part.is_of_time() {
        return of_time(part, time);
    }
    if part == Part::Julian {
        let unit = 10_i128.pow(JULIAN_DIGITS as u32);
        let fraction = (i128::from(time) * unit + i128::from(MICROS_PER_DAY / 2)) / i128::from(MICROS_PER_DAY);
        return Some(i128::from(day + EPOCH_JULIAN) * unit + fraction);
    }
    of_date(part, day)
}

fn of_time(part: Part, time: i64) -> Option<i128> {
    Some(i128::from(match part {
        Part::Hour => time / (3_600 * MICROS_PER_SECOND),
        Part::Minute => time / (60 * MICROS_PER_SECOND) % 60,
        Part::Second | Part::Milliseconds | Part::Microseconds => time % (60 * MICROS_PER_SECOND),
        Part::Epoch => time,
        _ => return None,
    }))
}

fn of_date(part: Part, day: i64) -> Option<i128> {
    if matches!(part, Part::Epoch | Part::Julian | Part::Dow | Part::IsoDow) {
        return Some(i128::from(match part {
            Part::Epoch => day * 86_400,
            Part::Julian => day + EPOCH_JULIAN,
            // 1970-01-01 was a Thursday.
            Part::Dow => (day + 4).rem_euclid(7),
            _ => (day + 3).rem_euclid(7) + 1,
        }));
    }
    let (year, month, date) = civil(day);
    // There is no year 0; what comes before year 1 counts backwards from -1.
    let shown = |year: i64| if year > 0 { year } else { year - 1 };
    Some(i128::from(match part {
        Part::Day => i64::from(date),
        Part::Month => i64::from(month),
        Part::Quarter => i64::from(month - 1) / 3 + 1,
        Part::Year => shown(year),
        Part::Doy => day - days_from_civil(year, 1, 1) + 1,
        Part::Decade => year.div_euclid(10),
        Part::Century => counted(year, 100),
        Part::Millennium => counted(year, 1_000),
        Part::Week => iso_week(day).1,
        Part::IsoYear => shown(iso_week(day).0),
        _ => return None,
    }))
}

/// Centuries and millennia begin in the year 1 of their count.
fn counted(year: i64, length: i64) -> i64 {
    if year > 0 { (year + length - 1) / length } else { -((length - year) / length) }
}

/// The ISO year of a day and its week: that of the week's Thursday.
pub(super) fn iso_week(day: i64) -> (i64, i64) {
    let thursday = day - (day + 3).rem_euclid(7) + 3;
    let (year, _, _) = civil(thursday);
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

fn of_interval(part: Part, value: IntervalMonthDayNano) -> Option<i128> {
    let (years, months) = (i64::from(value.months / 12), i64::from(value.months % 12));
    let time = value.nanoseconds / 1_000;
    Some(i128::from(match part {
        Part::Microseconds | Part::Milliseconds | Part::Second => time % (60 * MICROS_PER_SECOND),
        Part::Minute => time / (60 * MICROS_PER_SECOND) % 60,
        Part::Hour => time / (3_600 * MICROS_PER_SECOND),
        Part::Day => i64::from(value.days),
        Part::Month => months,
        Part::Quarter => months / 3 + 1,
        Part::Year => years,
        Part::Decade => years / 10,
        Part::Century => years / 100,
        Part::Millennium => years / 1_000,
        Part::Epoch => {
            // A year here is 365.25 days.
            let days = months * DAYS_PER_MONTH + i64::from(value.days);
            let whole = i128::from(years) * 31_557_600 + i128::from(days) * 86_400;
            return Some(whole * i128::from(MICROS_PER_SECOND) + i128::from(time));
        }
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_dates() {
        let day = days_from_civil(2021, 1, 3);
        assert_eq!(of_date(Part::Week, day), Some(53));
        assert_eq!(of_date(Part::IsoYear, day), Some(2020));
        assert_eq!(of_date(Part::IsoDow, day), Some(7));
        assert_eq!(of_date(Part::Century, days_from_civil(2000, 12, 31)), Some(20));
        assert_eq!(of_date(Part::Century, days_from_civil(0, 1, 1)), Some(-1));
        assert_eq!(of_date(Part::Year, days_from_civil(0, 1, 1)), Some(-1));
    }

    #[test]
    fn seconds_of_intervals_have_their_sign() {
        let value = IntervalMonthDayNano::new(14, -3, -1_500_000_000);
        assert_eq!(of_interval(Part::Second, value), Some(-1_500_000));
        assert_eq!(of_interval(Part::Epoch, value), Some(31_557_600_000_000 + 2 * 2_592_000_000_000 - 259_201_500_000));
    }
}
