//! Names and positions in ORDER BY that stand for what a column of the result computes.

use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr, OrderByExpr, Select, SelectItem, Value};

use crate::sql::budget;
use crate::sql::ident::normalise;
use crate::sql::output_names::expr_name;

/// A name alone in ORDER BY is that of a column of the result before one of a table: `SELECT size::text … ORDER BY size`. And where rows
/// are grouped the planner knows no positions of what has no name: `SELECT coalesce(a, 'none') … GROUP BY a ORDER BY 1`.
pub(super) fn write_out(select: &Select, order: &mut [OrderByExpr]) {
    let is_plain = |expr: &Expr| matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_));
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    if select
        .projection
        .iter()
        .any(|item| !matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }))
    {
        return;
    }
    for item in order {
        let named: Option<&Expr> = match &item.expr {
            Expr::Identifier(name) => {
                let name = normalise(name);
                let mut called = select.projection.iter().filter(|item| match item {
                    SelectItem::UnnamedExpr(expr) => expr_name(expr).is_some_and(|own| own == name),
                    SelectItem::ExprWithAlias { alias, .. } => normalise(alias) == name,
                    _ => false,
                });
                match (called.next(), called.next()) {
                    (Some(SelectItem::UnnamedExpr(expr)), None) => Some(expr),
                    _ => None,
                }
            }
            Expr::Value(value) if is_grouped => match &value.value {
                Value::Number(digits, _) => {
                    let position = digits.parse::<usize>().ok().and_then(|position| position.checked_sub(1));
                    match position.and_then(|position| select.projection.get(position)) {
                        Some(SelectItem::UnnamedExpr(expr)) => Some(expr),
                        _ => None,
                    }
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(expr) = named.filter(|expr| !is_plain(expr))
            && budget::copy(expr, 1)
        {
            item.expr = expr.clone();
        }
    }
}
