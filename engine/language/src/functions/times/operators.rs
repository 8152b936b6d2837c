//! `+` and `-` between dates, times, intervals and numbers of days, with the types that PostgreSQL gives them.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Placeholder, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, ScalarUDF, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::simple::{INTERVAL, TIMESTAMP, timestamptz};
use super::{arithmetic, fields};
use crate::functions::text_beside_times::value_in;
use crate::sql::depth;
use crate::values::zone::Zone;

/// Plans the operators, and `EXTRACT`.
#[derive(Debug)]
pub(crate) struct TimesOperators;

/// What an operand is to `+` and `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeOperand {
    Date,
    Local,
    Moment,
    Time,
    Interval,
    Days,
    /// A text or a parameter without a type yet.
    Unknown,
    Other,
}

impl ExprPlanner for TimesOperators {
    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(call(fields::extract(), args)))
    }

    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let plus = match expr.op {
            BinaryOperator::Plus => true,
            BinaryOperator::Minus => false,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let (a, b) = (kind(&expr.left, schema), kind(&expr.right, schema));
        let a = known(a, b, plus, true);
        let b = known(b, a, plus, false);
        let RawBinaryExpr { op, left, right } = expr;
        let (left, right) = (typed(left, a)?, typed(right, b)?);
        use TimeOperand::{Date, Days, Interval, Local, Moment, Time};
        let planned = match (a, b) {
            (Date, Interval) => arithmetic_of(cast(left, TIMESTAMP), plus, right),
            (Interval, Date) if plus => arithmetic_of(cast(right, TIMESTAMP), true, left),
            (Local | Moment, Interval) => arithmetic_of(left, plus, right),
            (Interval, Local | Moment) if plus => arithmetic_of(right, true, left),
            (Date, Days) => call(arithmetic::date_plus(plus), vec![left, right]),
            (Days, Date) if plus => call(arithmetic::date_plus(true), vec![right, left]),
            (Date, Date) if !plus => call(arithmetic::date_difference(), vec![left, right]),
            (Date, Time) => call(arithmetic::local_plus_time(plus), vec![cast(left, TIMESTAMP), right]),
            (Time, Date) if plus => call(arithmetic::local_plus_time(true), vec![cast(right, TIMESTAMP), left]),
            (Local | Moment, Time) => call(arithmetic::local_plus_time(plus), vec![left, right]),
            (Time, Local | Moment) if plus => call(arithmetic::local_plus_time(true), vec![right, left]),
            (Time, Interval) => call(arithmetic::time_plus(plus), vec![left, right]),
            (Interval, Time) if plus => call(arithmetic::time_plus(true), vec![right, left]),
            (Interval, Interval) => call(arithmetic::interval_plus(plus), vec![left, right]),
            (Time, Time) if !plus => call(arithmetic::time_difference(), vec![left, right]),
            (Date | Local | Moment, Date | Local | Moment) if !plus => {
                // A date becomes what the other side is.
                let to = |other: TimeOperand| if other == Moment { timestamptz() } else { TIMESTAMP };
                let left = if a == Date { cast(left, to(b)) } else { left };
                let right = if b == Date { cast(right, to(a)) } else { right };
                call(arithmetic::timestamp_difference(), vec![left, right])
            }
            _ => return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right })),
        };
        if let Expr::ScalarFunction(call) = &planned {
            depth::check_calls(&call.args)?;
        }
        Ok(PlannerResult::Planned(planned))
    }
}

fn kind(expr: &Expr, schema: &DFSchema) -> TimeOperand {
    match expr {
        Expr::Placeholder(Placeholder { field: None, .. }) => return TimeOperand::Unknown,
        Expr::Literal(value, _) if matches!(value.try_as_str(), Some(Some(_))) => return TimeOperand::Unknown,
        _ => {}
    }
    match expr.get_type(schema) {
        Ok(DataType::Date32) => TimeOperand::Date,
        Ok(DataType::Timestamp(_, None)) => TimeOperand::Local,
        Ok(DataType::Timestamp(_, Some(_))) => TimeOperand::Moment,
        Ok(DataType::Time64(_)) => TimeOperand::Time,
        Ok(DataType::Interval(_)) => TimeOperand::Interval,
        Ok(integer) if integer.is_integer() => TimeOperand::Days,
        _ => TimeOperand::Other,
    }
}

/// What an operand without a type is beside the other one: PostgreSQL takes the same type where there is such an operator.
fn known(unknown: TimeOperand, other: TimeOperand, plus: bool, left: bool) -> TimeOperand {
    if unknown != TimeOperand::Unknown {
        return unknown;
    }
    match (other, plus) {
        (TimeOperand::Interval, _) => TimeOperand::Interval,
        (TimeOperand::Local | TimeOperand::Moment, true) => TimeOperand::Interval,
        (TimeOperand::Date | TimeOperand::Local | TimeOperand::Moment | TimeOperand::Time, false) => other,
        (TimeOperand::Date, true) => TimeOperand::Days,
        (TimeOperand::Time, true) if left => TimeOperand::Date,
        (TimeOperand::Time, true) => TimeOperand::Interval,
        _ => TimeOperand::Unknown,
    }
}

/// The operand in the type that was found for it.
fn typed(expr: Expr, kind: TimeOperand) -> Result<Expr> {
    let data_type = match kind {
        TimeOperand::Date => DataType::Date32,
        TimeOperand::Local => TIMESTAMP,
        TimeOperand::Moment => timestamptz(),
        TimeOperand::Time => super::simple::TIME,
        TimeOperand::Interval => INTERVAL,
        TimeOperand::Days => DataType::Int32,
        TimeOperand::Unknown | TimeOperand::Other => return Ok(expr),
    };
    Ok(match expr {
        Expr::Placeholder(Placeholder { id, field: None }) => {
            let field = arrow::datatypes::Field::new("", data_type, true);
            Expr::Placeholder(Placeholder { id, field: Some(Arc::new(field)) })
        }
        Expr::Literal(value, metadata) => match value.try_as_str() {
            // Moments are read where the session's zone is known.
            Some(Some(_)) if kind == TimeOperand::Moment => cast(Expr::Literal(value, metadata), data_type),
            Some(Some(text)) if kind == TimeOperand::Days => match text.trim().parse::<i32>() {
                Ok(days) => Expr::Literal(ScalarValue::Int32(Some(days)), metadata),
                Err(_) => cast(Expr::Literal(value, metadata), data_type),
            },
            Some(Some(text)) => Expr::Literal(value_in(text, &data_type, Zone::UTC)?, metadata),
            _ => Expr::Literal(value, metadata),
        },
        other => other,
    })
}

fn arithmetic_of(time: Expr, plus: bool, interval: Expr) -> Expr {
    let op = if plus { Operator::Plus } else { Operator::Minus };
    Expr::BinaryExpr(BinaryExpr::new(Box::new(time), op, Box::new(interval)))
}

fn call(function: ScalarUDF, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), args))
}
