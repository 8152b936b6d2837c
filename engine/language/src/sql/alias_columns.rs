//! Columns that an alias names: `(SELECT "A" FROM t) AS s(x)`, `WITH s(x) AS (SELECT "A" FROM t)`.
//!
//! DataFusion finds the columns that it gives those names to by the ones that they have, and reads these as if they were
//! written in SQL: `A` is then `a`, another column or none. So columns whose names would be read otherwise get others first.

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef,
};

use super::ident::normalise;
use super::output_names::expr_name;

/// Makes the columns of a query such that DataFusion finds them when it names them after the alias.
pub(super) fn settle(query: &mut Query, alias: &mut TableAlias) {
    let ordered = query.order_by.is_some();
    name_the_rest(&query.body, alias);
    let Some(select) = first_select(&mut query.body) else { return };
    if alias.columns.is_empty() || select.projection.len() != alias.columns.len() {
        return;
    }
    let names: Vec<Option<String>> = select.projection.iter().map(name_of).collect();
    let wanted = alias.columns.iter().map(|column| Some(normalise(&column.name)));
    if names.iter().cloned().eq(wanted) {
        // They have these names.
        alias.columns.clear();
        return;
    }
    // An order may be by a name that the query gives.
    if ordered {
        return;
    }
    for (at, (item, name)) in select.projection.iter_mut().zip(names).enumerate() {
        if name.is_none_or(|name| is_found(&name)) {
            continue;
        }
        let expr = match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr.clone(),
            _ => continue,
        };
        *item = SelectItem::ExprWithAlias { expr, alias: Ident::new(format!("named_{}", at + 1)) };
    }
}

/// An alias may name the first columns only; the others keep their names.
fn name_the_rest(body: &SetExpr, alias: &mut TableAlias) {
    let named = alias.columns.len();
    let rest: Option<Vec<String>> = match body {
        _ if named == 0 => return,
        SetExpr::Values(values) => {
            let width = values.rows.first().map_or(0, |row| row.content.len());
            Some((named..width).map(|at| format!("column{}", at + 1)).collect())
        }
        SetExpr::Select(select) => select.projection.iter().skip(named).map(shown_name).collect(),
        _ => return,
    };
    for name in rest.into_iter().flatten() {
        alias.columns.push(TableAliasColumnDef { name: Ident::with_quote('"', name), data_type: None });
    }
}

fn shown_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(normalise(alias)),
        SelectItem::UnnamedExpr(expr) => expr_name(expr),
        _ => None,
    }
}

/// The SELECT that names the columns.
fn first_select(body: &mut SetExpr) -> Option<&mut Select> {
    match body {
        SetExpr::Select(select) => Some(select.as_mut()),
        SetExpr::SetOperation { left, .. } => first_select(left),
        SetExpr::Query(query) => first_select(&mut query.body),
        _ => None,
    }
}

/// The name that a column has from what is written; `None` where it has another, or none.
fn name_of(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(normalise(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(normalise(ident)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(normalise),
        _ => None,
    }
}

/// True for a name that is read as itself.
fn is_found(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use datafusion::sql::sqlparser::ast::TableFactor;

    use super::*;
    use crate::sql::statement::parse_expression;

    fn settled(from: &str) -> String {
        let Expr::Subquery(mut query) = parse_expression(&format!("(SELECT 1 FROM {from})")).unwrap() else {
            panic!("no query: {from}")
        };
        let select = first_select(&mut query.body).unwrap();
        let TableFactor::Derived { subquery, alias: Some(alias), .. } = &mut select.from[0].relation else {
            panic!("no subquery: {from}")
        };
        settle(subquery, alias);
        select.from[0].to_string()
    }

    #[test]
    fn columns_are_found_by_their_names() {
        for (written, expected) in [
            (r#"(SELECT "A", a FROM t) AS s ("A", a)"#, r#"(SELECT "A", a FROM t) AS s"#),
            (r#"(SELECT "A", t.a FROM t) AS s (x, y)"#, r#"(SELECT "A" AS named_1, t.a FROM t) AS s (x, y)"#),
            (r#"(SELECT 1 AS "b.c" UNION SELECT 2) AS s (x)"#, "(SELECT 1 AS named_1 UNION SELECT 2) AS s (x)"),
            (r#"(SELECT "A" FROM t ORDER BY "A") AS s ("A")"#, r#"(SELECT "A" FROM t ORDER BY "A") AS s"#),
            ("(SELECT a + 1 FROM t) AS s (x)", "(SELECT a + 1 FROM t) AS s (x)"),
            ("(SELECT * FROM t) AS s (x)", "(SELECT * FROM t) AS s (x)"),
            (r#"(SELECT a, b, c AS "D" FROM t) AS s (x)"#, r#"(SELECT a, b, c AS named_3 FROM t) AS s (x, "b", "D")"#),
            ("(VALUES (1, 2)) AS s (x)", r#"(VALUES (1, 2)) AS s (x, "column2")"#),
        ] {
            assert_eq!(settled(written), expected);
        }
    }
}
