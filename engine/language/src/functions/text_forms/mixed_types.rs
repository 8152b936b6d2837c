//! Texts beside numbers, dates beside integers: PostgreSQL compares no values of different kinds, and puts them into no one
//! column. Constants in quotes have no type of their own: they take the other's.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};

use crate::error::{EngineError, ErrorKind, type_names};

/// Kinds of values that go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueFamily {
    Text,
    Number,
    Boolean,
    Day,
    TimeOfDay,
    Interval,
}

fn kind_of(data_type: &DataType) -> Option<ValueFamily> {
    Some(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ValueFamily::Text,
        number if number.is_numeric() => ValueFamily::Number,
        DataType::Boolean => ValueFamily::Boolean,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _) => ValueFamily::Day,
        DataType::Time32(_) | DataType::Time64(_) => ValueFamily::TimeOfDay,
        DataType::Interval(_) | DataType::Duration(_) => ValueFamily::Interval,
        DataType::Dictionary(_, inner) => return kind_of(inner),
        _ => return None,
    })
}

/// The kind and the type of an expression that has one; a text constant, a parameter and NULL have none.
fn typed(expr: &Expr, schema: &DFSchema) -> Option<(ValueFamily, DataType)> {
    let data_type = expr.get_type(schema).ok()?;
    let kind = kind_of(&data_type)?;
    match expr {
        Expr::Placeholder(_) => None,
        Expr::Literal(_, _) if kind == ValueFamily::Text => None,
        _ => Some((kind, data_type)),
    }
}

/// The first two that are of different kinds.
fn first_mix<'a>(exprs: impl Iterator<Item = &'a Expr>, schema: &DFSchema) -> Option<(DataType, DataType)> {
    let mut first: Option<(ValueFamily, DataType)> = None;
    for (kind, data_type) in exprs.filter_map(|expr| typed(expr, schema)) {
        match &first {
            Some((other, of_first)) if *other != kind => return Some((of_first.clone(), data_type)),
            Some(_) => {}
            None => first = Some((kind, data_type)),
        }
    }
    None
}

fn no_operator(left: &DataType, symbol: &str, right: &DataType) -> EngineError {
    EngineError::no_operator(format!("{} {symbol} {}", type_names::of(left), type_names::of(right)))
}

/// Refuses comparisons of different kinds.
pub(super) fn check_comparison(binary: &BinaryExpr, schema: &DFSchema) -> Result<()> {
    let symbol = match binary.op {
        Operator::Eq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => "=",
        Operator::NotEq => "<>",
        Operator::Lt => "<",
        Operator::LtEq => "<=",
        Operator::Gt => ">",
        Operator::GtEq => ">=",
        _ => return Ok(()),
    };
    match first_mix([binary.left.as_ref(), binary.right.as_ref()].into_iter(), schema) {
        Some((left, right)) => Err(no_operator(&left, symbol, &right).into()),
        None => Ok(()),
    }
}

/// Refuses the other expressions that compare or join values of different kinds.
pub(super) fn check(expr: &Expr, schema: &DFSchema) -> Result<()> {
    match expr {
        Expr::InList(list) => {
            for item in &list.list {
                if let Some((left, right)) = first_mix([list.expr.as_ref(), item].into_iter(), schema) {
                    return Err(no_operator(&left, "=", &right).into());
                }
            }
        }
        Expr::Between(between) => {
            for (symbol, bound) in [(">=", &between.low), ("<=", &between.high)] {
                if let Some((left, right)) = first_mix([between.expr.as_ref(), bound.as_ref()].into_iter(), schema) {
                    return Err(no_operator(&left, symbol, &right).into());
                }
            }
        }
        Expr::Case(case) => {
            let results = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
            let results = results.chain(case.else_expr.as_deref());
            cannot_be_matched("CASE", first_mix(results, schema))?;
        }
        Expr::ScalarFunction(call) => match call.func.name() {
            name @ ("coalesce" | "greatest" | "least") => {
                cannot_be_matched(&name.to_uppercase(), first_mix(call.args.iter(), schema))?;
            }
            "nullif" => {
                if let Some((left, right)) = first_mix(call.args.iter(), schema) {
                    return Err(no_operator(&left, "=", &right).into());
                }
            }
            _ => {}
        },
        Expr::AggregateFunction(call) if call.func.name() == "count" && call.params.args.len() > 1 => {
            let types = call.params.args.iter().map(|arg| arg.get_type(schema)).collect::<Result<Vec<_>>>()?;
            return Err(crate::functions::overloads::no_such_function("count", &types).into());
        }
        _ => {}
    }
    Ok(())
}

fn cannot_be_matched(what: &str, mix: Option<(DataType, DataType)>) -> Result<()> {
    match mix {
        Some((left, right)) => Err(EngineError::new(
            ErrorKind::DatatypeMismatch,
            format!("{what} types {} and {} cannot be matched", type_names::of(&left), type_names::of(&right)),
        )
        .into()),
        None => Ok(()),
    }
}
