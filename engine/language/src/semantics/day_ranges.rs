//! `ts::date = '2024-01-02'` becomes `ts >= '2024-01-02' AND ts < '2024-01-03'`, where rows are filtered by it.
//!
//! What a filter says of the day, DataFusion takes for what the time itself is, midnight, and forgets what it knew of the time
//! (`CastExpr::propagate_constraints`; of the casts that reach it, only this one loses anything). `ts` then counts as the same
//! in all rows of a day, and ORDER BY ts is left out; and where it compares the days with another column, it may take more rows
//! to remain than there were, and fails with that. So no day of a time is left that it could look at: compared with anything
//! but a constant, one side is hidden. Scans, too, know the times of a column and not its days.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::{BinaryExpr, ScalarFunction};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, Filter, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Rewrites such comparisons, when constants are known.
#[derive(Debug)]
pub struct DayRanges;

impl OptimizerRule for DayRanges {
    fn name(&self) -> &str {
        "day_ranges"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        filter(plan)
    }
}

/// The same for a plan that was optimised before its parameters had values.
pub fn with_values(plan: LogicalPlan) -> Result<LogicalPlan> {
    Ok(plan.transform_up_with_subqueries(filter)?.data)
}

fn filter(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Filter(Filter { predicate, input, .. }) = plan else { return Ok(Transformed::no(plan)) };
    let rewritten = predicate.transform_up(|e| Ok(compared(e, input.schema())))?;
    let filter = Filter::try_new(rewritten.data, input)?;
    Ok(Transformed::new_transformed(LogicalPlan::Filter(filter), rewritten.transformed))
}

fn compared(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return Transformed::no(expr) };
    let range = match (is_day(&left, schema), is_day(&right, schema)) {
        (true, false) => range(&left, op, &right, schema),
        (false, true) => op.swap().and_then(|op| range(&right, op, &left, schema)),
        (true, true) => None,
        (false, false) if is_comparison(op) && (holds_day(&left, schema) || holds_day(&right, schema)) => None,
        (false, false) => return Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
    };
    if let Some(range) = range {
        return Transformed::yes(range);
    }
    // A parameter will have a value, see [`with_values`].
    let waits = is_hidden(&left) || is_hidden(&right) || has_parameter(&left) || has_parameter(&right);
    let left = if waits { left } else { Box::new(hidden(*left)) };
    Transformed::new_transformed(Expr::BinaryExpr(BinaryExpr { left, op, right }), !waits)
}

fn has_parameter(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::Placeholder(_)))).unwrap_or(false)
}

/// True for a time that is cast to a date.
fn is_day(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::Cast(cast) => {
            *cast.field.data_type() == DataType::Date32
                && matches!(cast.expr.get_type(schema), Ok(DataType::Timestamp(_, _)))
        }
        _ => false,
    }
}

fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// True for what is computed from such a day: a day beside a time is cast to a time again.
fn holds_day(expr: &Expr, schema: &DFSchema) -> bool {
    expr.exists(|part| Ok(is_day(part, schema))).unwrap_or(false)
}

/// The times of which the day compares so with a constant. `None` where it is none, or its days are beyond all times.
fn range(day: &Expr, op: Operator, constant: &Expr, schema: &DFSchema) -> Option<Expr> {
    let (Expr::Cast(cast), Expr::Literal(ScalarValue::Date32(Some(date)), _)) = (day, constant) else { return None };
    let time = || cast.expr.as_ref().clone();
    let zone = match (cast.expr.as_ref(), cast.expr.get_type(schema)) {
        (Expr::Column(_), Ok(DataType::Timestamp(TimeUnit::Microsecond, zone))) => zone,
        _ => return None,
    };
    if zone.as_deref().is_some_and(|zone| zone != "UTC") {
        return None;
    }
    let midnight = |day: i64| {
        let micros = day.checked_mul(MICROS_PER_DAY)?;
        Some(Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), zone.clone()), None))
    };
    let (first, next) = (midnight(i64::from(*date))?, midnight(i64::from(*date) + 1)?);
    Some(match op {
        Operator::Eq => time().gt_eq(first).and(time().lt(next)),
        Operator::NotEq => time().lt(first).or(time().gt_eq(next)),
        Operator::Lt => time().lt(first),
        Operator::LtEq => time().lt(next),
        Operator::Gt => time().gt_eq(next),
        Operator::GtEq => time().gt_eq(first),
        _ => return None,
    })
}

/// The same value, of which nothing is known.
fn hidden(expr: Expr) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::from(Same { signature })), vec![expr]))
}

fn is_hidden(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.inner().is::<Same>())
}

/// A function that gives its argument.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Same {
    signature: Signature,
}

impl ScalarUDFImpl for Same {
    fn name(&self) -> &str {
        "same"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        match given {
            [same] => Ok(same.clone()),
            _ => internal_err!("same takes one argument"),
        }
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.pop() {
            Some(same) => Ok(same),
            None => internal_err!("same takes one argument"),
        }
    }
}
