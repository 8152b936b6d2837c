//! Operators and forms of expressions that DataFusion's planner has no plan for, as calls of functions and as forms that it
//! has: `|/ x`, `@ x`, `~x`, `x COLLATE "C"`, `x LIKE ANY (…)`, `x = ANY (…)`, comparisons of rows, parts of arrays.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName, Subscript, UnaryOperator, Value,
};

use crate::error::{EngineError, ErrorKind};
use crate::sql::budget;
use crate::values::array_text;

mod overlaps;
mod rows;

/// The function behind `x operator ANY (array)`; its arguments are the operator, the value and the array.
pub const ANY_OF: &str = "any_of";
/// The function behind `x operator ALL (array)`.
pub const ALL_OF: &str = "all_of";
/// The function behind `array[n]`.
pub(crate) const ARRAY_ITEM: &str = "array_item";
/// The function behind `array[low:high]`.
pub(crate) const ARRAY_PART: &str = "array_part";

/// A call of a function.
pub(crate) fn call(name: &str, arguments: impl IntoIterator<Item = Expr>) -> Expr {
    let args = arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// Rewrites one node of an expression; what it does not know stays as it is.
///
/// # Errors
/// Collations that are not known.
pub(crate) fn rewrite(expr: &mut Expr) -> Result<(), EngineError> {
    while rewrite_once(expr)? {}
    Ok(())
}

/// True where something was put in the place of the node.
fn rewrite_once(expr: &mut Expr) -> Result<bool, EngineError> {
    let replaced = match expr {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => bind_minus(inner),
        Expr::UnaryOp { op, expr: inner } => unary(*op, inner),
        Expr::Collate { expr: inner, collation } => {
            check_collation(collation)?;
            Some(take(inner))
        }
        Expr::Like { negated, any: true, expr: left, pattern, .. } => {
            let operator = if *negated { BinaryOperator::PGNotLikeMatch } else { BinaryOperator::PGLikeMatch };
            Some(quantified(take(left), &operator, take(pattern), true))
        }
        Expr::ILike { negated, any: true, expr: left, pattern, .. } => {
            let operator = if *negated { BinaryOperator::PGNotILikeMatch } else { BinaryOperator::PGILikeMatch };
            Some(quantified(take(left), &operator, take(pattern), true))
        }
        Expr::Like { escape_char: Some(escape), pattern, .. }
        | Expr::ILike { escape_char: Some(escape), pattern, .. }
            if escape.value == Value::SingleQuotedString(String::new()) =>
        {
            // Without an escape character a backslash is one.
            **pattern = call("like_escape", [take(pattern), Expr::Value(escape.clone())]);
            clear_escape(expr);
            None
        }
        Expr::Like { escape_char: Some(escape), .. } | Expr::ILike { escape_char: Some(escape), .. } if matches!(&escape.value, Value::SingleQuotedString(text) if text.chars().count() > 1) =>
        {
            let error = EngineError::new(ErrorKind::InvalidEscape, "invalid escape string");
            return Err(error.with_hint("Escape string must be empty or one character."));
        }
        Expr::SimilarTo { escape_char, pattern, expr: text, negated } => {
            let mut arguments = vec![take(pattern)];
            arguments.extend(escape_char.take().map(Expr::Value));
            let pattern = call("similar_to_escape", arguments);
            let op = if *negated { BinaryOperator::PGRegexNotMatch } else { BinaryOperator::PGRegexMatch };
            Some(Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(take(text)), op, right: Box::new(pattern) })))
        }
        Expr::AnyOp { left, compare_op, right, .. } if !is_query(right) => {
            Some(quantified(take(left), &compare_op.clone(), take(right), true))
        }
        Expr::AllOp { left, compare_op, right } if !is_query(right) => {
            Some(quantified(take(left), &compare_op.clone(), take(right), false))
        }
        Expr::Substring { expr: text, substring_from: Some(from), substring_for, .. } => {
            let mut arguments = vec![take(text), take(from)];
            arguments.extend(substring_for.as_mut().map(|length| take(length)));
            Some(call("substring", arguments))
        }
        Expr::CompoundFieldAccess { root, access_chain } => subscripts(root, access_chain),
        Expr::BinaryOp { left, op: BinaryOperator::Overlaps, right } => overlaps::overlaps(left, right),
        // The operators that LIKE and ILIKE stand for, as postgres_fdw writes them.
        Expr::BinaryOp {
            left,
            op:
                op @ (BinaryOperator::PGLikeMatch
                | BinaryOperator::PGNotLikeMatch
                | BinaryOperator::PGILikeMatch
                | BinaryOperator::PGNotILikeMatch),
            right,
        } => {
            let operator = op.clone();
            Some(Expr::Nested(Box::new(compare(take(left), &operator, take(right)))))
        }
        _ => rows::rewrite(expr),
    };
    let changed = replaced.is_some();
    if let Some(replaced) = replaced {
        *expr = replaced;
    }
    Ok(changed)
}

/// Takes an expression out of the tree.
pub(crate) fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Value(Value::Null.into()))
}

fn clear_escape(expr: &mut Expr) {
    if let Expr::Like { escape_char, .. } | Expr::ILike { escape_char, .. } = expr {
        *escape_char = None;
    }
}

fn is_query(expr: &Expr) -> bool {
    match expr {
        Expr::Subquery(_) => true,
        Expr::Nested(inner) => is_query(inner),
        _ => false,
    }
}

/// `-2 ^ 2` is `(-2) ^ 2` in PostgreSQL; the parser reads `-(2 ^ 2)`.
fn bind_minus(inner: &mut Expr) -> Option<Expr> {
    let Expr::BinaryOp { left, op: BinaryOperator::PGExp, right } = inner else { return None };
    let mut base = take(left);
    let negative =
        bind_minus(&mut base).unwrap_or_else(|| Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(base) });
    Some(Expr::BinaryOp { left: Box::new(negative), op: BinaryOperator::PGExp, right: Box::new(take(right)) })
}

fn unary(op: UnaryOperator, inner: &mut Expr) -> Option<Expr> {
    let name = match op {
        UnaryOperator::PGSquareRoot => "sqrt",
        UnaryOperator::PGCubeRoot => "cbrt",
        UnaryOperator::PGAbs => "abs",
        UnaryOperator::BitwiseNot => "bitwise_not",
        _ => return None,
    };
    let argument = take(inner);
    let argument = match op {
        // These operators take doubles only.
        UnaryOperator::PGSquareRoot => Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(Expr::Nested(Box::new(argument))),
            data_type: DataType::Double(ExactNumberInfo::None),
            array: false,
            format: None,
        },
        _ => argument,
    };
    Some(call(name, [argument]))
}

fn check_collation(collation: &ObjectName) -> Result<(), EngineError> {
    let parts: Vec<String> = collation.0.iter().filter_map(|part| part.as_ident()).map(super::normalise).collect();
    let known = match parts.as_slice() {
        [name] => is_known(name),
        [schema, name] => schema == "pg_catalog" && is_known(name),
        _ => false,
    };
    if known {
        return Ok(());
    }
    let name = parts.join(".");
    let error = EngineError::new(
        ErrorKind::UndefinedObject,
        format!("collation \"{name}\" for encoding \"UTF8\" does not exist"),
    );
    Err(error.about_name(name).with_hint("Texts are ordered by their bytes: COLLATE \"C\" says so"))
}

fn is_known(name: &str) -> bool {
    matches!(name, "C" | "POSIX" | "default" | "ucs_basic" | "C.UTF-8" | "C.utf8")
}

/// `x operator ANY (array)`: one comparison for each element where the array is written out, else a function's.
fn quantified(left: Expr, operator: &BinaryOperator, right: Expr, any: bool) -> Expr {
    if let Some(elements) = elements_of(&right) {
        return spelled_out(left, operator, elements, any);
    }
    let symbol = Expr::Value(Value::SingleQuotedString(operator.to_string()).into());
    call(if any { ANY_OF } else { ALL_OF }, [symbol, left, strip(right)])
}

fn strip(expr: Expr) -> Expr {
    match expr {
        Expr::Nested(inner) => strip(*inner),
        other => other,
    }
}

/// The elements of `ARRAY[…]` and of `'{…}'`; `None` for others, and for an array without any.
fn elements_of(array: &Expr) -> Option<Vec<Expr>> {
    match array {
        Expr::Nested(inner) => elements_of(inner),
        Expr::Array(Array { elem, .. }) if !elem.is_empty() => {
            (!elem.iter().any(|element| matches!(element, Expr::Array(_)))).then(|| elem.clone())
        }
        Expr::Value(value) => {
            let Value::SingleQuotedString(text) = &value.value else { return None };
            let elements = array_text::elements(text)?;
            let literal =
                |element: Option<String>| Expr::Value(element.map_or(Value::Null, Value::SingleQuotedString).into());
            (!elements.is_empty()).then(|| elements.into_iter().map(literal).collect())
        }
        _ => None,
    }
}

fn spelled_out(left: Expr, operator: &BinaryOperator, elements: Vec<Expr>, any: bool) -> Expr {
    let negated = match (operator, any) {
        (BinaryOperator::Eq, true) => Some(false),
        (BinaryOperator::NotEq, false) => Some(true),
        _ => None,
    };
    if let Some(negated) = negated {
        return Expr::Nested(Box::new(Expr::InList { expr: Box::new(left), list: elements, negated }));
    }
    if !budget::copy(&left, elements.len()) {
        return left;
    }
    let joined = if any { BinaryOperator::Or } else { BinaryOperator::And };
    let compared = elements.into_iter().map(|element| compare(left.clone(), operator, element));
    let chain = compared.reduce(|left, right| binary(left, joined.clone(), right));
    chain.map_or_else(|| Expr::Value(Value::Null.into()), |chain| Expr::Nested(Box::new(chain)))
}

pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn compare(left: Expr, operator: &BinaryOperator, right: Expr) -> Expr {
    let (expr, pattern) = (Box::new(left), Box::new(right));
    match operator {
        BinaryOperator::PGLikeMatch => Expr::Like { negated: false, any: false, expr, pattern, escape_char: None },
        BinaryOperator::PGNotLikeMatch => Expr::Like { negated: true, any: false, expr, pattern, escape_char: None },
        BinaryOperator::PGILikeMatch => Expr::ILike { negated: false, any: false, expr, pattern, escape_char: None },
        BinaryOperator::PGNotILikeMatch => Expr::ILike { negated: true, any: false, expr, pattern, escape_char: None },
        other => Expr::BinaryOp { left: expr, op: other.clone(), right: pattern },
    }
}

/// `a[1]`, `a[2:3]`, `a[:2]` of arrays. What is asked for by a name is no array's.
fn subscripts(root: &mut Expr, chain: &mut [AccessExpr]) -> Option<Expr> {
    let of_arrays = chain.iter().all(|access| match access {
        AccessExpr::Subscript(Subscript::Index { index }) => !is_text(index),
        AccessExpr::Subscript(Subscript::Slice { stride, .. }) => stride.is_none(),
        AccessExpr::Dot(_) => false,
    });
    if !of_arrays {
        return None;
    }
    let mut result = strip(take(root));
    for access in chain {
        result = match access {
            AccessExpr::Subscript(Subscript::Index { index }) => call(ARRAY_ITEM, [result, take(index)]),
            AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, .. }) => {
                let bound = |bound: &mut Option<Expr>, open: i64| match bound {
                    Some(bound) => take(bound),
                    None => Expr::Value(Value::Number(open.to_string(), false).into()),
                };
                let (low, high) = (bound(lower_bound, 1), bound(upper_bound, i64::from(i32::MAX)));
                call(ARRAY_PART, [result, low, high])
            }
            AccessExpr::Dot(_) => return None,
        };
    }
    Some(result)
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}
