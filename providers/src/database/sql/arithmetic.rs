//! What is summed: columns, and products, sums and differences of them, as SQL.
//!
//! What overflows is an error here and there, but none rounds anything, and errors differ. So an expression goes into SQL only
//! where statistics prove that neither overflow nor a non-finite float can occur.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal};
use datafusion::physical_plan::PhysicalExpr;
use zxq_catalog::Value;

use super::dialect::quote;
use super::facts::Facts;
use super::types::is_float;

/// Floats beyond this may reach infinity when many are added.
const FLOAT_LIMIT: f64 = 1e280;

/// 10^38: DuckDB's decimals, the sums of its integers, and the decimals of Arrow stay below.
const DECIMAL_LIMIT: u128 = 100_000_000_000_000_000_000_000_000_000_000_000_000;

/// The largest absolute value a term can take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Magnitude {
    /// Of an integer, or of the unscaled integer of a decimal.
    Exact(u128),
    /// Of a float that is neither NaN nor infinite.
    Float(f64),
}

/// A number that the database computes exactly as DataFusion does.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    /// SQL.
    pub(crate) sql: String,
    /// Positions in the table of the columns it reads.
    pub(crate) columns: BTreeSet<usize>,
    /// The type DataFusion gives it.
    pub(crate) data_type: DataType,
    /// How large it can get.
    pub(crate) magnitude: Magnitude,
}

impl Term {
    /// True when the sum over that many rows cannot overflow in either engine.
    pub(crate) fn sum_is_safe(&self, rows: u64) -> bool {
        match self.magnitude {
            Magnitude::Exact(most) => most.checked_mul(u128::from(rows)).is_some_and(|sum| sum < DECIMAL_LIMIT),
            Magnitude::Float(most) => most * (rows as f64) < FLOAT_LIMIT,
        }
    }
}

/// The expression as a term; `None` where it is not on the list or not proven safe. `schema` is the one that the
/// expression's columns are positions in.
pub(crate) fn term(expr: &Arc<dyn PhysicalExpr>, schema: &Schema, facts: &Facts) -> Option<Term> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        let (position, data_type) = facts.column(column.name())?;
        let values = facts.extremes(column.name())?;
        let magnitude = largest(&values, data_type)?;
        let columns = BTreeSet::from([position]);
        return Some(Term { sql: quote(column.name()), columns, data_type: data_type.clone(), magnitude });
    }
    if let Some(constant) = expr.downcast_ref::<Literal>() {
        return constant_term(constant.value(), facts);
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return widened(term(cast.expr(), schema, facts)?, cast.cast_type(), facts);
    }
    let data_type = expr.data_type(schema).ok()?;
    let (left, op, right) = operator(expr)?;
    combined(term(left, schema, facts)?, op, term(right, schema, facts)?, data_type)
}

/// An operator between its operands.
type Operation<'a> = (&'a Arc<dyn PhysicalExpr>, Operator, &'a Arc<dyn PhysicalExpr>);

/// DataFusion's operator, or the engine's function of that name.
fn operator(expr: &Arc<dyn PhysicalExpr>) -> Option<Operation<'_>> {
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        return Some((binary.left(), *binary.op(), binary.right()));
    }
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let [left, right] = call.args() else { return None };
    let op = match call.name() {
        "+" => Operator::Plus,
        "-" => Operator::Minus,
        "*" => Operator::Multiply,
        _ => return None,
    };
    Some((left, op, right))
}

fn largest(values: &[Value], data_type: &DataType) -> Option<Magnitude> {
    let magnitudes = values.iter().map(|value| {
        Some(match value {
            Value::Int(v) => Magnitude::Exact(u128::from(v.unsigned_abs())),
            Value::Decimal(v) => Magnitude::Exact(v.unsigned_abs()),
            Value::Float(v) if v.is_finite() => Magnitude::Float(v.abs()),
            _ => return None,
        })
    });
    let nothing = if is_float(data_type) { Magnitude::Float(0.0) } else { Magnitude::Exact(0) };
    magnitudes.collect::<Option<Vec<Magnitude>>>()?.into_iter().try_fold(nothing, |a, b| match (a, b) {
        (Magnitude::Exact(a), Magnitude::Exact(b)) => Some(Magnitude::Exact(a.max(b))),
        (Magnitude::Float(a), Magnitude::Float(b)) => Some(Magnitude::Float(a.max(b))),
        _ => None,
    })
}

fn constant_term(value: &ScalarValue, facts: &Facts) -> Option<Term> {
    let data_type = value.data_type();
    let known = crate::scalar::from_scalar(value)?;
    let magnitude = largest(&[known], &data_type)?;
    // Written with its type: the database would otherwise choose the narrowest one for the product.
    let sql = match facts.dialect.literal(value, &data_type)? {
        cast if cast.starts_with("CAST") => cast,
        bare => format!("CAST({bare} AS {})", facts.dialect.sql_type(&data_type)?),
    };
    Some(Term { sql, columns: BTreeSet::new(), data_type, magnitude })
}

/// The term in a wider type that holds every one of its values.
fn widened(term: Term, to: &DataType, facts: &Facts) -> Option<Term> {
    use DataType::{Decimal128, Float32, Float64, Int16, Int32, Int64};
    let magnitude = match (&term.data_type, to, term.magnitude) {
        (from, to, magnitude) if from == to => magnitude,
        (Int16, Int32 | Int64, magnitude) | (Int32, Int64, magnitude) | (Float32, Float64, magnitude) => magnitude,
        (Int16 | Int32 | Int64, Float64, Magnitude::Exact(most)) => Magnitude::Float(most as f64),
        (Int16 | Int32 | Int64, Decimal128(precision, scale), Magnitude::Exact(most)) => {
            rescaled(most, *precision, *scale)?
        }
        (Decimal128(_, from), Decimal128(precision, to), Magnitude::Exact(most)) if to >= from => {
            rescaled(most, *precision, to - from)?
        }
        _ => return None,
    };
    let sql = format!("CAST({} AS {})", term.sql, facts.dialect.sql_type(to)?);
    Some(Term { sql, data_type: to.clone(), magnitude, ..term })
}

fn rescaled(most: u128, precision: u8, digits: i8) -> Option<Magnitude> {
    let most = most.checked_mul(10_u128.checked_pow(u32::try_from(digits).ok()?)?)?;
    (most < 10_u128.checked_pow(u32::from(precision))?).then_some(Magnitude::Exact(most))
}

fn combined(left: Term, op: Operator, right: Term, data_type: DataType) -> Option<Term> {
    let sign = match op {
        Operator::Plus => "+",
        Operator::Minus => "-",
        Operator::Multiply => "*",
        _ => return None,
    };
    let magnitude = match (left.magnitude, right.magnitude) {
        (Magnitude::Float(a), Magnitude::Float(b)) if left.data_type == right.data_type => {
            let most = if op == Operator::Multiply { a * b } else { a + b };
            let limit = if data_type == DataType::Float32 { 1e38 } else { FLOAT_LIMIT };
            (data_type == left.data_type && most < limit).then_some(Magnitude::Float(most))?
        }
        (Magnitude::Exact(a), Magnitude::Exact(b)) => {
            let scale = exact_scale(op, &left.data_type, &right.data_type)?;
            let most = match op {
                Operator::Multiply => a.checked_mul(b)?,
                _ => aligned(a, &left.data_type, scale)?.checked_add(aligned(b, &right.data_type, scale)?)?,
            };
            fits(most, scale, &data_type).then_some(Magnitude::Exact(most))?
        }
        _ => return None,
    };
    Some(Term {
        sql: format!("({} {sign} {})", left.sql, right.sql),
        columns: left.columns.union(&right.columns).copied().collect(),
        data_type,
        magnitude,
    })
}

/// Digits after the point of the exact result, 0 for integers; `None` for operands that the engines treat differently.
fn exact_scale(op: Operator, left: &DataType, right: &DataType) -> Option<i8> {
    match (left, right) {
        (DataType::Decimal128(_, a), DataType::Decimal128(_, b)) => match op {
            Operator::Multiply => a.checked_add(*b).filter(|scale| *scale <= 38),
            _ => Some(*a.max(b)),
        },
        (a, b) if a == b && a.is_signed_integer() => Some(0),
        _ => None,
    }
}

fn aligned(most: u128, data_type: &DataType, scale: i8) -> Option<u128> {
    let own = match data_type {
        DataType::Decimal128(_, own) => *own,
        _ => 0,
    };
    most.checked_mul(10_u128.checked_pow(u32::try_from(scale - own).ok()?)?)
}

fn fits(most: u128, scale: i8, data_type: &DataType) -> bool {
    let limit = match data_type {
        DataType::Int16 => i16::MAX as u128,
        DataType::Int32 => i32::MAX as u128,
        DataType::Int64 => i64::MAX as u128,
        DataType::Decimal128(precision, own) if *own == scale => match 10_u128.checked_pow(u32::from(*precision)) {
            Some(limit) => limit - 1,
            None => return false,
        },
        _ => return false,
    };
    most <= limit
}
