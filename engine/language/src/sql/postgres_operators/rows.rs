//! Comparisons of rows, column by column: `(a, b) < (1, 2)`, `(a, b) IN ((1, 2), …)`, `ROW(a, b) IS NULL`.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator,
};

use super::binary;
use crate::sql::budget;

mod rows_in;

/// The comparison of a row as comparisons of its columns; `None` for what is none.
pub(super) fn rewrite(expr: &mut Expr) -> Option<Expr> {
    match expr {
        Expr::BinaryOp { left, op, right } => {
            let (left, right) = (columns_of(left)?, columns_of(right)?);
            if left.len() != right.len() {
                return None;
            }
            compare(left, op, right)
        }
        Expr::InList { expr: row, list, negated } => {
            let row = columns_of(row)?;
            if !row.iter().all(|column| budget::copy(column, list.len())) {
                return None;
            }
            let mut any: Option<Expr> = None;
            for candidate in list.iter_mut() {
                let candidate = columns_of(candidate)?;
                if candidate.len() != row.len() {
                    return None;
                }
                let equal = compare(row.clone(), &BinaryOperator::Eq, candidate)?;
                any = Some(match any {
                    Some(any) => binary(any, BinaryOperator::Or, equal),
                    None => equal,
                });
            }
            let any = Expr::Nested(Box::new(any?));
            Some(match negated {
                true => not(any),
                false => any,
            })
        }
        Expr::InSubquery { expr: row, subquery, negated: false } => {
            let row = columns_of(row)?;
            rows_in::exists(row, subquery)
        }
        Expr::IsNull(row) => all(columns_of(row)?, |column| Expr::IsNull(Box::new(column))),
        Expr::IsNotNull(row) => all(columns_of(row)?, |column| Expr::IsNotNull(Box::new(column))),
        Expr::IsDistinctFrom(left, right) => Some(not(same(left, right)?)),
        Expr::IsNotDistinctFrom(left, right) => same(left, right),
        _ => None,
    }
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) }
}

/// The columns of `(a, b)` and `ROW(a, b)`.
fn columns_of(expr: &mut Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::Tuple(columns) => Some(columns.clone()),
        Expr::Nested(inner) => columns_of(inner).filter(|columns| columns.len() > 1),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("row") => {
            let FunctionArguments::List(list) = &mut function.args else { return None };
            let column = |argument: &mut FunctionArg| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            };
            list.args.iter_mut().map(column).collect()
        }
        _ => None,
    }
    .filter(|columns| !columns.is_empty())
}

fn all(columns: Vec<Expr>, test: impl Fn(Expr) -> Expr) -> Option<Expr> {
    let chain = columns.into_iter().map(test).reduce(|left, right| binary(left, BinaryOperator::And, right))?;
    Some(Expr::Nested(Box::new(chain)))
}

fn same(left: &mut Expr, right: &mut Expr) -> Option<Expr> {
    let (left, right) = (columns_of(left)?, columns_of(right)?);
    if left.len() != right.len() {
        return None;
    }
    let pairs = left.into_iter().zip(right);
    let equal = pairs.map(|(l, r)| Expr::IsNotDistinctFrom(Box::new(l), Box::new(r)));
    let chain = equal.reduce(|left, right| binary(left, BinaryOperator::And, right))?;
    Some(Expr::Nested(Box::new(chain)))
}

fn compare(left: Vec<Expr>, op: &BinaryOperator, right: Vec<Expr>) -> Option<Expr> {
    let strict = match op {
        BinaryOperator::Eq => return joined(left, right, &BinaryOperator::Eq, BinaryOperator::And),
        BinaryOperator::NotEq => return joined(left, right, &BinaryOperator::NotEq, BinaryOperator::Or),
        BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
        BinaryOperator::Gt | BinaryOperator::GtEq => BinaryOperator::Gt,
        _ => return None,
    };
    // The first pair that differs decides; NULL decides nothing, and neither does what comes after it.
    let mut pairs: Vec<(Expr, Expr)> = left.into_iter().zip(right).collect();
    let (l, r) = pairs.pop()?;
    let mut result = binary(l, op.clone(), r);
    while let Some((l, r)) = pairs.pop() {
        if !(budget::copy(&l, 1) && budget::copy(&r, 1)) {
            return None;
        }
        let less = binary(l.clone(), strict.clone(), r.clone());
        let equal = binary(l, BinaryOperator::Eq, r);
        let rest = binary(equal, BinaryOperator::And, Expr::Nested(Box::new(result)));
        result = binary(less, BinaryOperator::Or, rest);
    }
    Some(Expr::Nested(Box::new(result)))
}

fn joined(left: Vec<Expr>, right: Vec<Expr>, op: &BinaryOperator, by: BinaryOperator) -> Option<Expr> {
    let pairs = left.into_iter().zip(right);
    let chain = pairs.map(|(l, r)| binary(l, op.clone(), r)).reduce(|l, r| binary(l, by.clone(), r))?;
    Some(Expr::Nested(Box::new(chain)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::sql::postgres_operators::rewrite;
    use crate::sql::statement::parse_expression;

    #[test]
    fn rows_are_compared_column_by_column() {
        for (row, columns) in [
            ("(a, b) = (1, 2)", "(a = 1 AND b = 2)"),
            ("(a, b) <> (1, 2)", "(a <> 1 OR b <> 2)"),
            ("(a, b) <= (1, 2)", "(a < 1 OR a = 1 AND (b <= 2))"),
            ("ROW(a, b) > ROW(1, 2)", "(a > 1 OR a = 1 AND (b > 2))"),
            ("(a, b) NOT IN ((1, 2), (3, 4))", "NOT ((a = 1 AND b = 2) OR (a = 3 AND b = 4))"),
            ("ROW(a, b) IS NULL", "(a IS NULL AND b IS NULL)"),
            ("(a, b) IS DISTINCT FROM (1, NULL)", "NOT (a IS NOT DISTINCT FROM 1 AND b IS NOT DISTINCT FROM NULL)"),
            ("a = 1", "a = 1"),
        ] {
            let mut expr = parse_expression(row).unwrap();
            rewrite(&mut expr).unwrap();
            assert_eq!(expr.to_string(), columns, "{row}");
        }
    }
}
