//! Long chains of AND and OR as trees that are as deep as the logarithm of their length, with the same conditions in the same
//! order. The parser nests each condition one level deeper than the next, and what plans them goes through all that are
//! within at each: lists of keys that programs write as `id = 1 OR id = 2 OR …` would take time by the square of their length.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};

/// Conditions of a chain that stays as it was written.
const SHORT: usize = 32;

/// Puts the chain that an expression is the last link of into such a tree. Others stay as they are.
pub(super) fn rewrite(expr: &mut Expr) {
    let Some(op) = joined_by(expr) else { return };
    let mut conditions = 1;
    let mut link = &*expr;
    while let Expr::BinaryOp { left, op: this, .. } = link
        && *this == op
    {
        conditions += 1;
        link = left.as_ref();
    }
    if conditions > SHORT {
        let chain = std::mem::replace(expr, Expr::Value(Value::Null.into()));
        *expr = tree(conditions_of(chain, &op), &op);
    }
}

fn joined_by(expr: &Expr) -> Option<BinaryOperator> {
    match expr {
        Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => Some(op.clone()),
        _ => None,
    }
}

/// In the order in which they are written.
fn conditions_of(mut chain: Expr, op: &BinaryOperator) -> Vec<Expr> {
    let mut conditions = Vec::new();
    loop {
        match chain {
            Expr::BinaryOp { left, op: this, right } if this == *op => {
                conditions.push(*right);
                chain = *left;
            }
            first => {
                conditions.push(first);
                conditions.reverse();
                return conditions;
            }
        }
    }
}

/// Neighbours are joined in pairs until one is left.
fn tree(mut parts: Vec<Expr>, op: &BinaryOperator) -> Expr {
    while parts.len() > 1 {
        let mut pairs = Vec::with_capacity(parts.len().div_ceil(2));
        let mut rest = parts.into_iter();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) },
                None => left,
            });
        }
        parts = pairs;
    }
    parts.pop().unwrap_or(Expr::Value(Value::Null.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn parsed(sql: &str) -> Expr {
        Parser::new(&PostgreSqlDialect {}).try_with_sql(sql).unwrap().parse_expr().unwrap()
    }

    fn depth(expr: &Expr) -> usize {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::Or, right } => 1 + depth(left).max(depth(right)),
            _ => 0,
        }
    }

    #[test]
    fn long_chains_are_shallow_and_say_the_same() {
        let sql = (0..1_000).map(|at| format!("a = {at} AND b")).collect::<Vec<_>>().join(" OR ");
        let mut expr = parsed(&sql);
        assert_eq!(depth(&expr), 999);
        rewrite(&mut expr);
        assert_eq!(depth(&expr), 10);
        assert_eq!(expr.to_string(), sql);
    }

    #[test]
    fn short_chains_and_others_stay() {
        for sql in ["a OR b AND c OR d", "a + b + c", "NOT a"] {
            let mut expr = parsed(sql);
            rewrite(&mut expr);
            assert_eq!(expr, parsed(sql));
        }
    }
}
