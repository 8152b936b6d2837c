//! `interval * number`, `number * interval` and `interval / number`, as in PostgreSQL: parts of a month become days (of 30
//! each), parts of a day become time.

use std::sync::Arc;

use arrow::array::{Array, AsArray, DurationMicrosecondArray, IntervalMonthDayNanoArray};
use arrow::datatypes::{DataType, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use arrow::error::ArrowError;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::sql::depth;

const DAYS_PER_MONTH: f64 = 30.0;
const SECONDS_PER_DAY: f64 = 86_400.0;
const MICROS_PER_SECOND: f64 = 1e6;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Makes [`IntervalTimes`] of the operators, which DataFusion does not plan between these types.
#[derive(Debug)]
pub(super) struct IntervalTimesPlanner;

impl ExprPlanner for IntervalTimesPlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let operation = match expr.op {
            BinaryOperator::Multiply => Operation::Times,
            BinaryOperator::Divide => Operation::Divided,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        let arguments = if is_length(&left) && is_number(&right) {
            vec![expr.left, expr.right]
        } else if is_number(&left) && is_length(&right) && operation == Operation::Times {
            vec![expr.right, expr.left]
        } else {
            return Ok(PlannerResult::Original(expr));
        };
        depth::check_calls(&arguments)?;
        let function = Arc::new(ScalarUDF::from(IntervalTimes::new(operation)));
        Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments))))
    }
}

/// The difference of two times is a length too.
fn is_length(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_) | DataType::Duration(_))
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || data_type.is_null()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Times,
    Divided,
}

/// An interval, times or divided by a number.
#[derive(Debug, PartialEq, Eq, Hash)]
struct IntervalTimes {
    operation: Operation,
    signature: Signature,
}

impl IntervalTimes {
    fn new(operation: Operation) -> Self {
        IntervalTimes { operation, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for IntervalTimes {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Times => "interval_times",
            Operation::Divided => "interval_divided",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [DataType::Duration(_), number] if is_number(number) => {
                Ok(vec![DataType::Duration(TimeUnit::Microsecond), DataType::Float64])
            }
            [length, number] if is_length(length) && is_number(number) => {
                Ok(vec![DataType::Interval(IntervalUnit::MonthDayNano), DataType::Float64])
            }
            _ => plan_err!("{} takes an interval and a number", self.name()),
        }
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let intervals = match arrays[0].data_type() {
            DataType::Duration(_) => &with_days(arrays[0].as_primitive())?,
            _ => arrays[0].as_primitive::<IntervalMonthDayNanoType>(),
        };
        let numbers = arrays[1].as_primitive::<Float64Type>();
        let results = (0..intervals.len()).map(|row| {
            if intervals.is_null(row) || numbers.is_null(row) {
                return Ok(None);
            }
            let (interval, number) = (intervals.value(row), numbers.value(row));
            let result = match self.operation {
                Operation::Divided if number == 0.0 => return Err(ArrowError::DivideByZero.into()),
                Operation::Divided => scale(interval, |part| part / number, None),
                Operation::Times => scale(interval, |part| part * number, Some(number)),
            };
            result.map(Some).ok_or_else(|| super::out_of_range("interval"))
        });
        let results = results.collect::<Result<IntervalMonthDayNanoArray>>()?;
        Ok(match all_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&results, 0)?),
            false => ColumnarValue::Array(Arc::new(results)),
        })
    }
}

/// Differences of times as PostgreSQL has them: days of 24 hours, and the rest.
fn with_days(lengths: &DurationMicrosecondArray) -> Result<IntervalMonthDayNanoArray> {
    let split = |micros: i64| {
        let days = i32::try_from(micros / MICROS_PER_DAY).map_err(|_| super::out_of_range("interval"))?;
        Ok(IntervalMonthDayNano::new(0, days, micros % MICROS_PER_DAY * 1_000))
    };
    lengths.iter().map(|micros| micros.map(split).transpose()).collect()
}

/// An interval's part, as `interval / number` is. `None` out of range.
pub(super) fn divided(interval: IntervalMonthDayNano, by: f64) -> Option<IntervalMonthDayNano> {
    scale(interval, |part| part / by, None)
}

/// PostgreSQL's `interval_mul` and `interval_div`. A whole factor needs no rounding. `None` out of range.
fn scale(interval: IntervalMonthDayNano, by: impl Fn(f64) -> f64, factor: Option<f64>) -> Option<IntervalMonthDayNano> {
    if let Some(whole) = factor.and_then(whole) {
        return Some(IntervalMonthDayNano::new(
            interval.months.checked_mul(i32::try_from(whole).ok()?)?,
            interval.days.checked_mul(i32::try_from(whole).ok()?)?,
            interval.nanoseconds.checked_mul(whole)?,
        ));
    }
    let (months, days) = (by(f64::from(interval.months)), by(f64::from(interval.days)));
    let days_of_months = to_micro((months - months.trunc()) * DAYS_PER_MONTH);
    let mut seconds = to_micro((days - days.trunc() + days_of_months - days_of_months.trunc()) * SECONDS_PER_DAY);
    let mut whole_days = days.trunc() + days_of_months.trunc();
    if seconds.abs() >= SECONDS_PER_DAY {
        let more = (seconds / SECONDS_PER_DAY).trunc();
        whole_days += more;
        seconds -= more * SECONDS_PER_DAY;
    }
    let micros = (by(interval.nanoseconds as f64 / 1e3) + seconds * MICROS_PER_SECOND).round_ties_even();
    let micros = within(micros, i64::MIN as f64, i64::MAX as f64)? as i64;
    let months = within(months.trunc(), f64::from(i32::MIN), f64::from(i32::MAX))? as i32;
    let days = within(whole_days, f64::from(i32::MIN), f64::from(i32::MAX))? as i32;
    Some(IntervalMonthDayNano::new(months, days, micros.checked_mul(1_000)?))
}

fn whole(factor: f64) -> Option<i64> {
    (factor.fract() == 0.0 && factor.abs() <= f64::from(i32::MAX)).then_some(factor as i64)
}

fn to_micro(value: f64) -> f64 {
    (value * 1e6).round_ties_even() / 1e6
}

fn within(value: f64, least: f64, most: f64) -> Option<f64> {
    (value >= least && value <= most).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(interval: (i32, i32, i64), factor: f64) -> Option<(i32, i32, i64)> {
        let interval = IntervalMonthDayNano::new(interval.0, interval.1, interval.2);
        scale(interval, |part| part * factor, Some(factor)).map(|i| (i.months, i.days, i.nanoseconds))
    }

    #[test]
    fn whole_factors_are_exact() {
        assert_eq!(times((1, 2, 3), 3.0), Some((3, 6, 9)));
        assert_eq!(times((1, 2, 3), -1.0), Some((-1, -2, -3)));
        assert_eq!(times((0, 0, i64::MAX / 2), 2.0), Some((0, 0, i64::MAX - 1)));
        assert_eq!(times((0, 0, i64::MAX / 2), 3.0), None);
        assert_eq!(times((i32::MAX, 0, 0), 2.0), None);
    }

    #[test]
    fn parts_go_down_to_the_next_unit() {
        const HOUR: i64 = 3_600_000_000_000;
        assert_eq!(times((1, 0, 0), 0.5), Some((0, 15, 0)));
        assert_eq!(times((0, 1, 0), 0.5), Some((0, 0, 12 * HOUR)));
        // As PostgreSQL: `interval '1 mon 1 day' * 1.5` is `1 mon 16 days 12:00:00`.
        assert_eq!(times((1, 1, 0), 1.5), Some((1, 16, 12 * HOUR)));
        assert_eq!(times((0, 0, HOUR), 1.5), Some((0, 0, HOUR + HOUR / 2)));
        assert_eq!(times((0, 0, HOUR), f64::NAN), None);
        assert_eq!(times((0, 0, HOUR), f64::INFINITY), None);
    }
}
