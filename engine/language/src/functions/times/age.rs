//! `age`, `justify_days`, `justify_hours`, `justify_interval` and `isfinite`.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::array::AsArray;
use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit, TimestampMicrosecondType};
use chrono::Utc;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::arithmetic::lengths;
use super::parts::{DAYS_PER_MONTH, MICROS_PER_DAY};
use super::session_zone;
use super::simple::{INTERVAL, TIMESTAMP, all_given, answer, booleans, function, intervals, is_text, no_such};
use crate::functions::out_of_range;
use crate::values::civil::{civil, days_in_month};

const NANOS_PER_DAY: i64 = MICROS_PER_DAY * 1_000;

/// All of them.
pub(super) fn functions() -> Vec<ScalarUDF> {
    fn interval(given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [DataType::Interval(_) | DataType::Duration(_) | DataType::Null] => Ok(vec![INTERVAL]),
            [text] if is_text(text) => Ok(vec![INTERVAL]),
            _ => no_such("justify_interval", given),
        }
    }
    let finite = |given: &[DataType]| match given {
        [DataType::Interval(_)] => Ok(vec![INTERVAL]),
        [DataType::Date32] => Ok(vec![DataType::Date32]),
        [DataType::Timestamp(_, zone)] => Ok(vec![DataType::Timestamp(TimeUnit::Microsecond, zone.clone())]),
        _ => no_such("isfinite", given),
    };
    vec![
        ScalarUDF::from(Age { signature: Signature::user_defined(Volatility::Stable) }),
        function(
            "justify_days",
            interval,
            |_| INTERVAL,
            |arrays| {
                let values = intervals(&arrays[0]);
                lengths(arrays, |row| {
                    let value = values[row];
                    let months = value.months.checked_add(value.days / DAYS_PER_MONTH as i32)?;
                    let days = value.days % DAYS_PER_MONTH as i32;
                    let (months, days) = same_sign(i64::from(months), i64::from(days), DAYS_PER_MONTH);
                    Some(IntervalMonthDayNano::new(i32::try_from(months).ok()?, days as i32, value.nanoseconds))
                })
            },
        ),
        function(
            "justify_hours",
            interval,
            |_| INTERVAL,
            |arrays| {
                let values = intervals(&arrays[0]);
                lengths(arrays, |row| {
                    let value = values[row];
                    let days = i64::from(value.days) + value.nanoseconds / NANOS_PER_DAY;
                    let (days, nanos) = same_sign(days, value.nanoseconds % NANOS_PER_DAY, NANOS_PER_DAY);
                    Some(IntervalMonthDayNano::new(value.months, i32::try_from(days).ok()?, nanos))
                })
            },
        ),
        function(
            "justify_interval",
            interval,
            |_| INTERVAL,
            |arrays| {
                let values = intervals(&arrays[0]);
                lengths(arrays, |row| justified(values[row]))
            },
        ),
        function(
            "isfinite",
            finite,
            |_| DataType::Boolean,
            |arrays| {
                let rows = arrays[0].len();
                let finite: Vec<bool> = match arrays[0].data_type() {
                    DataType::Date32 => {
                        super::simple::days(&arrays[0]).iter().map(|day| !matches!(*day, i32::MAX | i32::MIN)).collect()
                    }
                    DataType::Timestamp(_, _) => {
                        super::simple::micros(&arrays[0]).iter().map(|at| !matches!(*at, i64::MAX | i64::MIN)).collect()
                    }
                    _ => vec![true; rows],
                };
                Ok(booleans(finite, all_given(arrays)))
            },
        ),
    ]
}

/// A part with the sign of the larger unit before it, carried or borrowed.
fn same_sign(whole: i64, part: i64, unit: i64) -> (i64, i64) {
    if whole > 0 && part < 0 {
        (whole - 1, part + unit)
    } else if whole < 0 && part > 0 {
        (whole + 1, part - unit)
    } else {
        (whole, part)
    }
}

fn justified(value: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    let days = i64::from(value.days) + value.nanoseconds / NANOS_PER_DAY;
    let mut nanos = value.nanoseconds % NANOS_PER_DAY;
    let mut months = i64::from(value.months) + days / DAYS_PER_MONTH;
    let mut days = days % DAYS_PER_MONTH;
    if months > 0 && (days < 0 || (days == 0 && nanos < 0)) {
        days += DAYS_PER_MONTH;
        months -= 1;
    } else if months < 0 && (days > 0 || (days == 0 && nanos > 0)) {
        days -= DAYS_PER_MONTH;
        months += 1;
    }
    if days > 0 && nanos < 0 {
        nanos += NANOS_PER_DAY;
        days -= 1;
    } else if days < 0 && nanos > 0 {
        nanos -= NANOS_PER_DAY;
        days += 1;
    }
    Some(IntervalMonthDayNano::new(i32::try_from(months).ok()?, days as i32, nanos))
}

/// `age(later, earlier)`: years, months and days by the calendar; `age(earlier)` until today's midnight.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Age {
    signature: Signature,
}

impl ScalarUDFImpl for Age {
    fn name(&self) -> &str {
        "age"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let is_time = |t: &DataType| {
            matches!(t, DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 | DataType::Null) || is_text(t)
        };
        if !(1..=2).contains(&given.len()) || !given.iter().all(is_time) {
            return no_such("age", given);
        }
        Ok(vec![TIMESTAMP; given.len()])
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    /// With two arguments the answer is always the same, so it may be worked out beforehand; today is when the statement began.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let began = info.query_execution_start_time();
        let (1, Some(began)) = (args.len(), began) else { return Ok(ExprSimplifyResult::Original(args)) };
        let local = session_zone(info.config_options()).to_local(began.timestamp_micros());
        let midnight = local.map(|local| local.div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY);
        let mut both = vec![Expr::Literal(ScalarValue::TimestampMicrosecond(midnight, None), None)];
        both.extend(args);
        let age = ScalarUDF::from(Age { signature: Signature::user_defined(Volatility::Immutable) });
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(age), both))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut given = args.args;
        if given.len() == 1 {
            let now = Utc::now().timestamp_micros();
            let local = session_zone(&args.config_options).to_local(now).ok_or_else(|| out_of_range("timestamp"))?;
            let midnight = local.div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY;
            given.insert(0, ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(Some(midnight), None)));
        }
        answer(&given, args.number_rows, |arrays| -> Result<ArrayRef> {
            let later = arrays[0].as_primitive::<TimestampMicrosecondType>().values();
            let earlier = arrays[1].as_primitive::<TimestampMicrosecondType>().values();
            lengths(arrays, |row| Some(between(later[row], earlier[row])))
        })
    }
}

/// PostgreSQL's `timestamp_age`: field by field, borrowing the days of the earlier time's month.
fn between(later: i64, earlier: i64) -> IntervalMonthDayNano {
    if later < earlier {
        let back = fields_between(earlier, later);
        return IntervalMonthDayNano::new(-back.months, -back.days, -back.nanoseconds);
    }
    fields_between(later, earlier)
}

fn fields_between(later: i64, earlier: i64) -> IntervalMonthDayNano {
    let split = |at: i64| (civil(at.div_euclid(MICROS_PER_DAY)), at.rem_euclid(MICROS_PER_DAY));
    let ((year1, month1, day1), time1) = split(later);
    let ((year2, month2, day2), time2) = split(earlier);
    let mut months = (year1 - year2) * 12 + i64::from(month1) - i64::from(month2);
    let mut days = i64::from(day1) - i64::from(day2);
    let mut time = time1 - time2;
    if time < 0 {
        time += MICROS_PER_DAY;
        days -= 1;
    }
    if days < 0 {
        days += i64::from(days_in_month(year2, month2));
        months -= 1;
    }
    IntervalMonthDayNano::new(months as i32, days as i32, time * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::civil::days_from_civil;

    fn at(year: i64, month: u32, day: u32) -> i64 {
        days_from_civil(year, month, day) * MICROS_PER_DAY
    }

    #[test]
    fn ages_are_counted_by_the_calendar() {
        let age = |later, earlier| between(later, earlier);
        assert_eq!(age(at(2001, 4, 10), at(1957, 6, 13)), IntervalMonthDayNano::new(43 * 12 + 9, 27, 0));
        assert_eq!(age(at(2024, 3, 1), at(2024, 1, 31)), IntervalMonthDayNano::new(1, 1, 0));
        assert_eq!(age(at(2024, 1, 31), at(2024, 3, 1)), IntervalMonthDayNano::new(-1, -1, 0));
    }

    #[test]
    fn signs_are_made_alike() {
        let hour = 3_600_000_000_000;
        let value = justified(IntervalMonthDayNano::new(1, 0, -hour));
        assert_eq!(value, Some(IntervalMonthDayNano::new(0, 29, 23 * hour)));
    }
}
