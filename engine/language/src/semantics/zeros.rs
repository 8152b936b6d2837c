//! -0 and 0 are one number: where doubles are compared, and where they are keys.
//!
//! Arrow orders -0 before 0. A comparison with a constant zero keeps its column as it is, so that segments are pruned and
//! stores take it over: `x >= 0` becomes `x >= -0`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Alias, BinaryExpr, InList, ScalarFunction};
use datafusion::logical_expr::{
    Aggregate, Between, ColumnarValue, Distinct, Expr, Join, LogicalPlan, Operator, Projection, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::arithmetic::type_of;

/// Wraps a double so that it is never -0; anything else as it is.
pub(crate) fn without_sign(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    if matches!(expr, Expr::Literal(_, _)) || !is_double(&expr, schema) {
        return Ok(expr);
    }
    Ok(match expr {
        Expr::Alias(Alias { expr, relation, name, metadata }) => {
            Expr::Alias(Alias { expr: Box::new(wrapped(*expr)), relation, name, metadata })
        }
        other => wrapped(other),
    })
}

fn wrapped(expr: Expr) -> Expr {
    let already = matches!(&expr, Expr::ScalarFunction(call) if call.func.inner().is::<WithoutSign>());
    if already {
        return expr;
    }
    let function = Arc::new(ScalarUDF::from(WithoutSign::default()));
    Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![expr]))
}

fn is_double(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(type_of(expr, schema), Ok(DataType::Float32 | DataType::Float64))
}

/// The constant with the other sign, if it is a zero of a double.
fn zero(expr: &Expr, negative: bool) -> Option<Expr> {
    let sign = if negative { -1.0 } else { 1.0 };
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(value)), metadata) if *value == 0.0 => {
            Some(Expr::Literal(ScalarValue::Float64(Some(0.0 * sign)), metadata.clone()))
        }
        Expr::Literal(ScalarValue::Float32(Some(value)), metadata) if *value == 0.0 => {
            Some(Expr::Literal(ScalarValue::Float32(Some(0.0 * sign as f32)), metadata.clone()))
        }
        Expr::Literal(value, metadata) if is_exact_zero(value) => {
            Some(Expr::Literal(ScalarValue::Float64(Some(0.0 * sign)), metadata.clone()))
        }
        _ => None,
    }
}

fn is_exact_zero(value: &ScalarValue) -> bool {
    matches!(value, ScalarValue::Int16(Some(0)) | ScalarValue::Int32(Some(0)) | ScalarValue::Int64(Some(0)))
}

fn comparison(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// A comparison of doubles to which both zeros are one.
pub(crate) fn compared(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() => {
            if !is_double(&left, schema) && !is_double(&right, schema) {
                return Ok(comparison(*left, op, *right));
            }
            if zero(&right, false).is_some() {
                return Ok(with_zero(*left, op, &right));
            }
            if zero(&left, false).is_some()
                && let Some(op) = op.swap()
            {
                return Ok(with_zero(*right, op, &left));
            }
            if matches!(*left, Expr::Literal(_, _)) || matches!(*right, Expr::Literal(_, _)) {
                return Ok(comparison(*left, op, *right));
            }
            Ok(comparison(without_sign(*left, schema)?, op, without_sign(*right, schema)?))
        }
        Expr::Between(Between { expr, negated, low, high }) if is_double(&expr, schema) => {
            let low = zero(&low, true).map_or(low, Box::new);
            let high = zero(&high, false).map_or(high, Box::new);
            Ok(Expr::Between(Between { expr, negated, low, high }))
        }
        Expr::InList(InList { expr, mut list, negated }) if is_double(&expr, schema) => {
            if let Some(at) = list.iter().position(|item| zero(item, true).is_some()) {
                let zeros = [zero(&list[at], true), zero(&list[at], false)];
                list.remove(at);
                list.extend(zeros.into_iter().flatten());
            }
            Ok(Expr::InList(InList { expr, list, negated }))
        }
        other => Ok(other),
    }
}

/// `x op 0`, in which -0 lies just before 0.
fn with_zero(x: Expr, op: Operator, constant: &Expr) -> Expr {
    let (Some(minus), Some(plus)) = (zero(constant, true), zero(constant, false)) else {
        return comparison(x, op, constant.clone());
    };
    match op {
        Operator::Eq => comparison(x.clone(), Operator::GtEq, minus).and(comparison(x, Operator::LtEq, plus)),
        Operator::NotEq => comparison(x.clone(), Operator::Lt, minus).or(comparison(x, Operator::Gt, plus)),
        Operator::Lt | Operator::GtEq => comparison(x, op, minus),
        Operator::Gt | Operator::LtEq => comparison(x, op, plus),
        _ => comparison(wrapped(x), op, plus),
    }
}

/// Keys of groups, of DISTINCT, of joins, and those of an order that others follow: after the last it makes no difference.
pub(crate) fn keys(plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.iter().any(|key| is_double(key, schema)) => {
            let group_expr = aggregate.group_expr.into_iter().map(|key| named(key, schema)).collect::<Result<_>>()?;
            LogicalPlan::Aggregate(Aggregate::try_new(aggregate.input, group_expr, aggregate.aggr_expr)?)
        }
        LogicalPlan::Distinct(Distinct::All(input))
            if input.schema().fields().iter().any(|field| field.data_type().is_floating()) =>
        {
            let columns = input.schema().columns().into_iter().map(Expr::Column);
            let columns = columns.map(|column| named(column, input.schema())).collect::<Result<Vec<_>>>()?;
            let input = LogicalPlan::Projection(Projection::try_new(columns, input)?);
            LogicalPlan::Distinct(Distinct::All(Arc::new(input)))
        }
        LogicalPlan::Sort(mut sort) if sort.expr.len() > 1 => {
            let last = sort.expr.len() - 1;
            for key in &mut sort.expr[..last] {
                key.expr = without_sign(std::mem::take(&mut key.expr), schema)?;
            }
            LogicalPlan::Sort(sort)
        }
        LogicalPlan::Join(mut join) if join.on.iter().any(|(a, b)| is_double(a, schema) || is_double(b, schema)) => {
            let on = std::mem::take(&mut join.on);
            let on = on.into_iter().map(|(a, b)| Ok((without_sign(a, schema)?, without_sign(b, schema)?)));
            LogicalPlan::Join(Join { on: on.collect::<Result<_>>()?, ..join })
        }
        other => other,
    })
}

/// The key under the name that it had.
fn named(key: Expr, schema: &DFSchema) -> Result<Expr> {
    if !is_double(&key, schema) {
        return Ok(key);
    }
    let (relation, name) = key.qualified_name();
    Ok(match without_sign(key, schema)? {
        alias @ Expr::Alias(_) => alias,
        other => other.alias_qualified(relation, name),
    })
}

/// A double without the sign of zero, and with one NaN.
#[derive(Debug, PartialEq, Eq, Hash)]
struct WithoutSign {
    signature: Signature,
}

impl Default for WithoutSign {
    fn default() -> Self {
        WithoutSign { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for WithoutSign {
    fn name(&self) -> &str {
        "without_sign_of_zero"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given.first().cloned().unwrap_or(DataType::Float64))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(match &args.args[0] {
            ColumnarValue::Array(values) => ColumnarValue::Array(normal(values)),
            ColumnarValue::Scalar(value) => {
                ColumnarValue::Scalar(ScalarValue::try_from_array(&normal(&value.to_array()?), 0)?)
            }
        })
    }
}

fn normal(values: &ArrayRef) -> ArrayRef {
    if let Some(values) = values.as_primitive_opt::<Float64Type>() {
        return Arc::new(values.unary::<_, Float64Type>(|v| if v.is_nan() { f64::NAN } else { v + 0.0 }));
    }
    match values.as_primitive_opt::<Float32Type>() {
        Some(values) => Arc::new(values.unary::<_, Float32Type>(|v| if v.is_nan() { f32::NAN } else { v + 0.0 })),
        None => Arc::clone(values),
    }
}
