//! Constants in quotes beside numbers, booleans and arrays: they have no type of their own and take the other side's, as in
//! PostgreSQL: `id = ' 40 '`, `'5' + 1`, `ok = 'yes'`, `ok IN ('t', 'f')`.
//!
//! What is no value of that type is refused when the statement is planned, with PostgreSQL's error.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{InList, Placeholder};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Between, Expr, ExprSchemable};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::number_types::Class;
use super::operators::{exact_decimal, narrow};
use crate::error::{EngineError, ErrorKind, type_names};
use crate::functions::declared::read_array;
use crate::values::{CastProblem, text};

/// Gives such constants their types where operators are planned: DataFusion refuses some of these before any rule runs.
#[derive(Debug)]
pub(crate) struct UntypedTexts;

impl ExprPlanner for UntypedTexts {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        let use_of = match op {
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo => Use::Computed,
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => Use::Compared,
            BinaryOperator::StringConcat => {
                let (left, right) = (text_parameter(left), text_parameter(right));
                return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
            }
            // What arrays hold and share.
            BinaryOperator::AtArrow | BinaryOperator::ArrowAt | BinaryOperator::PGOverlap => Use::Compared,
            _ => return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right })),
        };
        let (left, right) = match op {
            BinaryOperator::Plus => {
                let left = interval_parameter(left, &right, schema);
                let right = interval_parameter(right, &left, schema);
                (left, right)
            }
            _ => (left, right),
        };
        if use_of == Use::Compared {
            match (array_type(&left, schema), array_type(&right, schema)) {
                (Some(array), None) if is_untyped(&right) => {
                    let right = read_array(right, array);
                    return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
                }
                (None, Some(array)) if is_untyped(&left) => {
                    let left = read_array(left, array);
                    return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
                }
                _ => {}
            }
        }
        let (left, right) = if is_untyped(&left) {
            (typed(left, side(&right, schema), use_of)?, right)
        } else if is_untyped(&right) {
            let right = typed(right, side(&left, schema), use_of)?;
            (left, right)
        } else {
            (left, right)
        };
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

/// The same for `IN (…)` and `BETWEEN`, which are planned without being asked about.
pub(crate) fn listed(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    match expr {
        Expr::InList(InList { expr, list, negated }) if list.iter().any(is_untyped) => {
            let of = list.iter().filter(|item| !is_untyped(item)).fold(side(&expr, schema), |of, item| {
                match (of, side(item, schema)) {
                    (Some(Side::Number(a)), Some(Side::Number(b))) => Some(Side::Number(a.with(b))),
                    (of, _) => of,
                }
            });
            let list = list.into_iter().map(|item| typed(item, of, Use::Compared)).collect::<Result<Vec<Expr>>>()?;
            Ok(Expr::InList(InList { expr, list, negated }))
        }
        Expr::Between(Between { expr, negated, low, high }) if is_untyped(&low) || is_untyped(&high) => {
            let of = side(&expr, schema);
            let low = Box::new(typed(*low, of, Use::Compared)?);
            let high = Box::new(typed(*high, of, Use::Compared)?);
            Ok(Expr::Between(Between { expr, negated, low, high }))
        }
        other => Ok(other),
    }
}

/// What is done with a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Computed,
    Compared,
}

/// What stands beside a constant.
#[derive(Debug, Clone, Copy)]
enum Side {
    Number(Class),
    Boolean,
}

/// `None` for what is neither, and for parameters whose type is not known yet.
fn side(expr: &Expr, schema: &DFSchema) -> Option<Side> {
    let data_type = match expr {
        Expr::Literal(ScalarValue::Int64(_) | ScalarValue::UInt64(_), None) => narrow(expr.clone()).get_type(schema),
        other => other.get_type(schema),
    };
    match data_type.ok()? {
        DataType::Boolean => Some(Side::Boolean),
        number => Class::of(&number).map(Side::Number),
    }
}

/// What is added to a time is an interval, where nothing gives a parameter another type.
fn interval_parameter(expr: Expr, beside: &Expr, schema: &DFSchema) -> Expr {
    match expr {
        Expr::Placeholder(Placeholder { id, field: None })
            if matches!(beside.get_type(schema), Ok(DataType::Timestamp(..))) =>
        {
            let interval = Arc::new(Field::new("", DataType::Interval(IntervalUnit::MonthDayNano), true));
            Expr::Placeholder(Placeholder::new_with_field(id, Some(interval)))
        }
        other => other,
    }
}

/// Beside `||` a parameter that nothing gives a type is a text.
fn text_parameter(expr: Expr) -> Expr {
    match expr {
        Expr::Placeholder(Placeholder { id, field: None }) => {
            let text = Arc::new(Field::new("", DataType::Utf8View, true));
            Expr::Placeholder(Placeholder::new_with_field(id, Some(text)))
        }
        other => other,
    }
}

fn array_type(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    expr.get_type(schema).ok().filter(|data_type| matches!(data_type, DataType::List(_)))
}

fn is_untyped(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Utf8(Some(_)), None))
}

/// The constant as a value of the other side's type; anything else as it is.
fn typed(expr: Expr, beside: Option<Side>, use_of: Use) -> Result<Expr> {
    let Expr::Literal(ScalarValue::Utf8(Some(written)), None) = &expr else { return Ok(expr) };
    let (value, name) = match beside {
        Some(Side::Number(class)) => (number(written, class, use_of), type_names::of(&class.data_type())),
        Some(Side::Boolean) if use_of == Use::Compared => {
            let value = text::boolean(written).map(|value| Some(ScalarValue::Boolean(Some(value))));
            (value, "boolean".to_owned())
        }
        _ => return Ok(expr),
    };
    match value {
        Ok(Some(value)) => Ok(Expr::Literal(value, None)),
        Ok(None) => Ok(expr),
        Err(CastProblem::Overflow) => {
            let message = format!("value \"{written}\" is out of range for type {name}");
            Err(EngineError::new(ErrorKind::NumericOutOfRange, message).about_value(written).into())
        }
        Err(_) => Err(EngineError::no_value(ErrorKind::InvalidText, &name, written).into()),
    }
}

/// `None` for a decimal that 38 digits do not hold: that is left to those who know what becomes of it.
fn number(written: &str, class: Class, use_of: Use) -> Result<Option<ScalarValue>, CastProblem> {
    let value = match class {
        Class::Integer(16) => ScalarValue::Int16(Some(text::integer(written)?)),
        Class::Integer(32) => ScalarValue::Int32(Some(text::integer(written)?)),
        Class::Integer(_) => ScalarValue::Int64(Some(text::integer(written)?)),
        Class::Real => ScalarValue::Float32(Some(text::real(written)?)),
        Class::Double => ScalarValue::Float64(Some(text::double(written)?)),
        Class::Decimal(_, _) => match exact_decimal(written) {
            Some(value) if use_of == Use::Compared => as_column(value, class),
            Some(value) => value,
            None => return text::double(written).map(|_| None),
        },
    };
    Ok(Some(value))
}

/// A decimal in the very type of the column, where that holds it: then nothing has to be cast row by row.
fn as_column(value: ScalarValue, class: Class) -> ScalarValue {
    let (ScalarValue::Decimal128(_, _, scale), Class::Decimal(_, wanted)) = (&value, class) else { return value };
    if *scale > wanted {
        return value;
    }
    match value.cast_to(&class.data_type()) {
        Ok(same) if !same.is_null() => same,
        _ => value,
    }
}
