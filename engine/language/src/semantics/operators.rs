//! Which function an operator of numbers becomes, and in which types its operands are: PostgreSQL's resolution.
//!
//! Integers stay as wide as the wider operand, a decimal makes the other one a decimal, a double the other one a double. An
//! integer constant is an `integer` where it fits, as in PostgreSQL, not a `bigint`.

use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, Case};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, cast};

use super::arithmetic::{Arithmetic, Operation, type_of};
use super::joined_texts;
use super::number_types::{Class, constant_quotient_scale, quotient_of_sums};
use crate::values::text;

/// The operator as a function; unchanged where it does not take two numbers.
pub(crate) fn binary(binary: BinaryExpr, schema: &DFSchema) -> Result<Expr> {
    let operation = match binary.op {
        Operator::Plus => Operation::Plus,
        Operator::Minus => Operation::Minus,
        Operator::Multiply => Operation::Times,
        Operator::Divide => Operation::Divided,
        Operator::Modulo => Operation::Modulo,
        Operator::BitwiseAnd
        | Operator::BitwiseOr
        | Operator::BitwiseXor
        | Operator::BitwiseShiftLeft
        | Operator::BitwiseShiftRight => {
            let (left, right) = (Box::new(narrow(*binary.left)), Box::new(narrow(*binary.right)));
            return Ok(Expr::BinaryExpr(BinaryExpr { left, right, op: binary.op }));
        }
        Operator::StringConcat => return Ok(joined_texts::binary(binary, schema)),
        _ => return Ok(Expr::BinaryExpr(binary)),
    };
    let (left, right) = (narrow(*binary.left), narrow(*binary.right));
    let unchanged = |left, right| Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), binary.op, Box::new(right))));
    let (of_left, of_right) = match (operand(&left, schema), operand(&right, schema)) {
        (OperandKind::Number(a), OperandKind::Number(b)) => (a, b),
        // A NULL or a text of no type takes that of the other side.
        (OperandKind::Untyped, OperandKind::Number(b)) => (b, b),
        (OperandKind::Number(a), OperandKind::Untyped) => (a, a),
        _ => return unchanged(left, right),
    };
    let both = of_left.with(of_right);
    let (left, right) = match both {
        Class::Decimal(_, _) => (decimal(left, of_left)?, decimal(right, of_right)?),
        other => (converted(left, &other.data_type(), schema)?, converted(right, &other.data_type(), schema)?),
    };
    let digits = match (operation, &left, &right) {
        (Operation::Divided, Expr::Literal(a, _), Expr::Literal(b, _)) => constant_quotient_scale(a, b),
        (Operation::Divided, _, _) if is_sum(&left) || is_sum(&right) => {
            let types = (left.get_type(schema), right.get_type(schema));
            match types {
                (Ok(a), Ok(b)) => quotient_of_sums((&a, is_sum(&left)), (&b, is_sum(&right))),
                _ => None,
            }
        }
        _ => None,
    };
    Ok(Arithmetic::call(operation, digits, vec![left, right]))
}

/// True for a sum, whose type has room for ten digits more than what it adds. Above an aggregation it is a column.
fn is_sum(expr: &Expr) -> bool {
    match expr {
        Expr::Column(column) => column.name.starts_with("sum("),
        Expr::AggregateFunction(call) => call.func.name() == "sum",
        Expr::Alias(alias) => is_sum(&alias.expr),
        Expr::Cast(cast) => is_sum(&cast.expr),
        _ => false,
    }
}

/// `-a` of an integer; others cannot fail.
pub(crate) fn negative(inner: Expr, schema: &DFSchema) -> Result<Expr> {
    // The sign belongs to a constant, as in PostgreSQL: of -(-2147483648) the type is that of 2147483648.
    if let Expr::Literal(ScalarValue::Int64(Some(value)), None) = inner {
        let negated = value.checked_neg().map(|value| narrow(Expr::Literal(ScalarValue::Int64(Some(value)), None)));
        let wide = ScalarValue::Decimal128(Some(-i128::from(value)), 19, 0);
        return Ok(negated.unwrap_or(Expr::Literal(wide, None)));
    }
    let inner = narrow(inner);
    match operand(&inner, schema) {
        // DataFusion negates no NULL of this type.
        OperandKind::Number(Class::Decimal(_, _)) => {
            let minus_one = Box::new(Expr::Literal(ScalarValue::Int32(Some(-1)), None));
            binary(BinaryExpr { left: minus_one, op: Operator::Multiply, right: Box::new(inner) }, schema)
        }
        OperandKind::Number(class @ Class::Integer(_)) => {
            let inner = converted(inner, &class.data_type(), schema)?;
            Ok(Arithmetic::call(Operation::Negate, None, vec![inner]))
        }
        _ if is_interval(&inner, schema) => {
            let nothing = ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::ZERO));
            let (nothing, inner) = (Box::new(Expr::Literal(nothing, None)), Box::new(inner));
            Ok(Expr::BinaryExpr(BinaryExpr { left: nothing, op: Operator::Minus, right: inner }))
        }
        _ => Ok(Expr::Negative(Box::new(inner))),
    }
}

fn is_interval(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Interval(_)))
}

/// The results of a `CASE` in one type: its first would count as the type of all.
pub(crate) fn case(case: Case, schema: &DFSchema) -> Result<Expr> {
    let narrowed = |e: Box<Expr>| Box::new(narrow(*e));
    let mut case = Case {
        when_then_expr: case.when_then_expr.into_iter().map(|(when, then)| (when, narrowed(then))).collect(),
        else_expr: case.else_expr.map(narrowed),
        ..case
    };
    let mut common: Option<Class> = None;
    let mut differ = false;
    for result in case.when_then_expr.iter().map(|(_, then)| then).chain(case.else_expr.iter()) {
        match operand(result, schema) {
            OperandKind::Number(class) => {
                differ |= common.is_some_and(|known| known != class);
                common = Some(common.map_or(class, |known| known.with(class)));
            }
            OperandKind::Untyped => {}
            OperandKind::Other => return Ok(Expr::Case(case)),
        }
    }
    let Some(common) = common.filter(|_| differ) else { return Ok(Expr::Case(case)) };
    let to = common.data_type();
    let convert = |e: Box<Expr>| converted(*e, &to, schema).map(Box::new);
    case.when_then_expr =
        case.when_then_expr.into_iter().map(|(when, then)| Ok((when, convert(then)?))).collect::<Result<_>>()?;
    case.else_expr = case.else_expr.map(convert).transpose()?;
    Ok(Expr::Case(case))
}

/// What an operand is to an operator.
enum OperandKind {
    Number(Class),
    /// NULL, or a text without a type.
    Untyped,
    Other,
}

fn operand(expr: &Expr, schema: &DFSchema) -> OperandKind {
    if let Expr::Literal(ScalarValue::Utf8(Some(text)), None) = expr {
        return if text::double(text).is_ok() { OperandKind::Untyped } else { OperandKind::Other };
    }
    match expr {
        Expr::Literal(value @ (ScalarValue::Int16(_) | ScalarValue::Int32(_) | ScalarValue::Int64(_)), _) => {
            Class::of(&value.data_type()).map_or(OperandKind::Other, OperandKind::Number)
        }
        _ => match type_of(expr, schema) {
            Ok(DataType::Null) => OperandKind::Untyped,
            Ok(data_type) => Class::of(&data_type).map_or(OperandKind::Other, OperandKind::Number),
            // Parameters whose type is not known yet.
            Err(_) => OperandKind::Other,
        },
    }
}

/// An integer constant that is an `integer` in PostgreSQL; anything else as it is. What is above `bigint` is a decimal.
pub(crate) fn narrow(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), None) => match i32::try_from(value) {
            Ok(value) => Expr::Literal(ScalarValue::Int32(Some(value)), None),
            Err(_) => Expr::Literal(ScalarValue::Int64(Some(value)), None),
        },
        Expr::Literal(ScalarValue::UInt64(Some(value)), None) if value > i64::MAX as u64 => {
            Expr::Literal(ScalarValue::Decimal128(Some(i128::from(value)), 20, 0), None)
        }
        other => other,
    }
}

/// A number as a decimal: constants with their digits, columns with as many as their type can have.
fn decimal(expr: Expr, class: Class) -> Result<Expr> {
    let Some((precision, scale)) = class.as_decimal() else { return Ok(expr) };
    Ok(match expr {
        Expr::Literal(value, metadata) if value.data_type().is_integer() && !value.is_null() => {
            let ScalarValue::Int64(Some(value)) = value.cast_to(&DataType::Int64)? else {
                return Ok(Expr::Literal(value, metadata));
            };
            Expr::Literal(whole_decimal(value), metadata)
        }
        Expr::Literal(ScalarValue::Utf8(Some(written)), metadata) => match exact_decimal(&written) {
            Some(value) => Expr::Literal(value, metadata),
            None => cast(Expr::Literal(ScalarValue::Utf8(Some(written)), metadata), class.data_type()),
        },
        other if matches!(class, Class::Decimal(_, _)) && !matches!(other, Expr::Literal(_, _)) => other,
        Expr::Literal(value @ ScalarValue::Decimal128(_, _, _), metadata) => Expr::Literal(value, metadata),
        other => cast(other, DataType::Decimal128(precision, scale)),
    })
}

/// A whole number as a decimal of its own digits.
pub(crate) fn whole_decimal(value: i64) -> ScalarValue {
    let digits = value.unsigned_abs().checked_ilog10().map_or(1, |digits| digits as u8 + 1);
    ScalarValue::Decimal128(Some(i128::from(value)), digits, 0)
}

/// The decimal that a text writes, with its digits; `None` where 38 do not hold it, or it writes none.
pub(crate) fn exact_decimal(written: &str) -> Option<ScalarValue> {
    let (value, scale) = text::exact_decimal(written)?;
    let digits = value.unsigned_abs().checked_ilog10().map_or(1, |digits| digits as u8 + 1);
    Some(ScalarValue::Decimal128(Some(value), digits.max(scale), scale as i8))
}

/// A number in another type that holds it.
pub(crate) fn converted(expr: Expr, to: &DataType, schema: &DFSchema) -> Result<Expr> {
    if let Expr::Literal(value, metadata) = &expr {
        if let (Some(written), DataType::Float64) = (written(value), to)
            && let Ok(value) = text::double(&written)
        {
            return Ok(Expr::Literal(ScalarValue::Float64(Some(value)), metadata.clone()));
        }
        if !matches!(value, ScalarValue::Utf8(_)) {
            return Ok(Expr::Literal(value.cast_to(to)?, metadata.clone()));
        }
    }
    match type_of(&expr, schema) {
        Ok(from) if from == *to => Ok(expr),
        _ => Ok(cast(expr, to.clone())),
    }
}

/// The digits of a decimal constant, from which its double comes out right to the last bit.
fn written(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Decimal128(Some(value), _, scale) if *scale >= 0 => Some(format!("{value}e-{scale}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_decimals_with_their_digits() {
        let of = |text: &str| exact_decimal(text);
        assert_eq!(of("0.000000000001"), Some(ScalarValue::Decimal128(Some(1), 12, 12)));
        assert_eq!(of(" -12.50 "), Some(ScalarValue::Decimal128(Some(-1250), 4, 2)));
        assert_eq!(of("1e3"), Some(ScalarValue::Decimal128(Some(1000), 4, 0)));
        assert_eq!(of("12e-3"), Some(ScalarValue::Decimal128(Some(12), 3, 3)));
        assert_eq!(of("NaN"), None);
        assert_eq!(of("1e50"), None);
    }
}
