//! `(from, until) OVERLAPS (from, until)`, as comparisons of the ends; an interval in the place of an end is a length.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};

use super::{binary, call};
use crate::sql::budget;

/// How often an end stands in the comparisons.
const COPIES: usize = 6;

/// The comparisons; `None` where these are no periods of two ends each.
pub(super) fn overlaps(left: &Expr, right: &Expr) -> Option<Expr> {
    if !(budget::copy(left, COPIES) && budget::copy(right, COPIES)) {
        return None;
    }
    let (first, second) = (Period::of(left)?, Period::of(right)?);
    // One begins before the other ends; a period of no length lies where it begins.
    let before = |one: &Period, other: &Period| {
        and(compared(&one.from, BinaryOperator::Gt, &other.from), compared(&one.from, BinaryOperator::Lt, &other.until))
    };
    let same = compared(&first.from, BinaryOperator::Eq, &second.from);
    Some(Expr::Nested(Box::new(or(or(before(&first, &second), before(&second, &first)), same))))
}

struct Period {
    from: Expr,
    until: Expr,
}

impl Period {
    fn of(expr: &Expr) -> Option<Period> {
        let Expr::Tuple(ends) = expr else { return None };
        let [from, until] = ends.as_slice() else { return None };
        let until = match until {
            Expr::Interval(_) => Expr::Nested(Box::new(binary(from.clone(), BinaryOperator::Plus, until.clone()))),
            _ => until.clone(),
        };
        let ends = [from.clone(), until];
        Some(Period { from: call("least", ends.clone()), until: call("greatest", ends) })
    }
}

fn compared(left: &Expr, op: BinaryOperator, right: &Expr) -> Expr {
    Expr::Nested(Box::new(binary(left.clone(), op, right.clone())))
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::Nested(Box::new(binary(left, BinaryOperator::And, right)))
}

fn or(left: Expr, right: Expr) -> Expr {
    Expr::Nested(Box::new(binary(left, BinaryOperator::Or, right)))
}
