//! `ctid`, the place of a row, in conditions: programs that read a table in parts ask for one range of places after the
//! other. Rows have no place here that stays, so all of them stand in the first: one of the ranges has them all.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr, Value, VisitMut, VisitorMut};

use super::ident::normalise;

/// Where all rows stand: page and number.
const PLACE: (u64, u64) = (0, 1);

/// Decides the conditions on `ctid` of a statement.
pub fn rewrite(statement: &mut DfStatement) {
    if let DfStatement::Statement(ast) = statement {
        let _: ControlFlow<()> = ast.visit(&mut Conditions);
    }
}

struct Conditions;

impl VisitorMut for Conditions {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(truth) = decided(expr) {
            *expr = Expr::Value(Value::Boolean(truth).into());
        }
        ControlFlow::Continue(())
    }
}

fn decided(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Between { expr, negated, low, high } if is_place(expr) => {
            Some((place(low)? <= PLACE && PLACE <= place(high)?) != *negated)
        }
        Expr::BinaryOp { left, op, right } if is_place(left) => compare(PLACE, op, place(right)?),
        Expr::BinaryOp { left, op, right } if is_place(right) => compare(place(left)?, op, PLACE),
        _ => None,
    }
}

fn compare(left: (u64, u64), op: &BinaryOperator, right: (u64, u64)) -> Option<bool> {
    Some(match op {
        BinaryOperator::Eq => left == right,
        BinaryOperator::NotEq => left != right,
        BinaryOperator::Lt => left < right,
        BinaryOperator::LtEq => left <= right,
        BinaryOperator::Gt => left > right,
        BinaryOperator::GtEq => left >= right,
        _ => return None,
    })
}

/// `ctid` and `t.ctid`.
fn is_place(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(ident) => normalise(ident) == "ctid",
        Expr::CompoundIdentifier(idents) => idents.last().is_some_and(|ident| normalise(ident) == "ctid"),
        _ => false,
    }
}

/// The place that `'(0,1)'::tid` is.
fn place(expr: &Expr) -> Option<(u64, u64)> {
    let Expr::Cast { expr, data_type: DataType::Custom(name, _), .. } = expr else { return None };
    let Expr::Value(value) = expr.as_ref() else { return None };
    let Value::SingleQuotedString(text) = &value.value else { return None };
    if !name.to_string().eq_ignore_ascii_case("tid") {
        return None;
    }
    let (page, number) = text.trim().strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    Some((page.trim().parse().ok()?, number.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sql::parse;

    #[test]
    fn every_row_is_in_exactly_one_range() {
        for (condition, truth) in [
            ("ctid BETWEEN '(0,0)'::tid AND '(1000,0)'::tid", "true"),
            ("ctid BETWEEN '(1000,0)'::tid AND '(4294967295,0)'::tid", "false"),
            ("t.ctid NOT BETWEEN '(0,0)'::tid AND '(1,0)'::tid", "false"),
            ("ctid >= '(0,0)'::tid", "true"),
            ("'(3,0)'::tid <= ctid", "false"),
            ("ctid < CAST('(0,1)' AS tid)", "false"),
        ] {
            let mut statement = parse(&format!("SELECT a FROM t WHERE {condition}")).unwrap().remove(0).into_parsed();
            rewrite(&mut statement);
            let DfStatement::Statement(ast) = statement else { unreachable!() };
            assert_eq!(ast.to_string(), format!("SELECT a FROM t WHERE {truth}"), "{condition}");
        }
    }
}
