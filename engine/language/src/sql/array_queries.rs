//! `ARRAY(SELECT …)`: the rows of a query as an array, in the order of the query; no rows are an empty array.
//!
//! It becomes `coalesce((SELECT array_agg(value ORDER BY key, …) FROM (SELECT …) rows(value, key, …)), ARRAY[])`: what the query is
//! ordered by stands beside its values, since the order of a subquery is not that of an aggregate over it.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, Ident, OrderBy, OrderByKind, OrderByOptions, Query, SelectItem, SetExpr, TableFactor,
    VisitMut, VisitorMut,
};

use super::budget;
use super::ident::normalise;
use super::postgres_operators::call;
use super::query_forms::of_result;
use super::statement::parse_expression;

/// Rewrites all of a statement.
pub fn rewrite(statement: &mut DfStatement) {
    match statement {
        DfStatement::Statement(ast) => {
            let _: ControlFlow<()> = ast.visit(&mut Arrays);
        }
        DfStatement::Explain(explain) => rewrite(&mut explain.statement),
        _ => {}
    }
}

struct Arrays;

impl VisitorMut for Arrays {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && function.name.0.last().and_then(|part| part.as_ident()).is_some_and(|name| normalise(name) == "array")
            && let FunctionArguments::Subquery(query) = &function.args
            && let Some(array) = array_of(query.as_ref().clone())
        {
            *expr = array;
        }
        ControlFlow::Continue(())
    }
}

fn array_of(mut query: Query) -> Option<Expr> {
    let keys = keys_of(&mut query)?;
    let columns: String = (1..=keys.beside).map(|at| format!(", \"array key {at}\"")).collect();
    let order: Vec<String> = keys
        .options
        .iter()
        .enumerate()
        .map(|(at, options)| match keys.beside {
            0 => format!("\"array value\"{options}"),
            _ => format!("\"array key {}\"{options}", at + 1),
        })
        .collect();
    let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
    let text = format!(
        "(SELECT array_agg(\"array value\"{order}) FROM (SELECT 1) AS \"array rows\" (\"array value\"{columns}))"
    );
    let Expr::Subquery(mut gathered) = parse_expression(&text).ok()? else { return None };
    let SetExpr::Select(select) = gathered.body.as_mut() else { return None };
    let TableFactor::Derived { subquery, .. } = &mut select.from.first_mut()?.relation else { return None };
    **subquery = query;
    Some(call("coalesce", [Expr::Subquery(gathered), parse_expression("ARRAY[]").ok()?]))
}

/// What a query is ordered by.
struct Keys {
    options: Vec<OrderByOptions>,
    /// How many stand beside the values; none where the values are the key.
    beside: usize,
}

/// Puts what the query is ordered by beside its values. `None` for a form that is not known.
fn keys_of(query: &mut Query) -> Option<Keys> {
    let Query { body, order_by, .. } = query;
    let order = match order_by {
        None => return Some(Keys { options: Vec::new(), beside: 0 }),
        Some(OrderBy { kind: OrderByKind::Expressions(order), interpolate: None }) => order,
        Some(_) => return None,
    };
    match body.as_mut() {
        SetExpr::Select(select) if select.distinct.is_none() => {
            let mut keys = Vec::with_capacity(order.len());
            for item in order.iter() {
                // It stands twice then, with what nests in it.
                let key = of_result(&item.expr, select).filter(|key| budget::copy(key, 2))?;
                keys.push((key.clone(), item.options));
            }
            for (at, (expr, _)) in keys.iter().enumerate() {
                let alias = Ident::with_quote('"', format!("array key {}", at + 1));
                select.projection.push(SelectItem::ExprWithAlias { expr: expr.clone(), alias });
            }
            let options: Vec<OrderByOptions> = keys.into_iter().map(|(_, options)| options).collect();
            Some(Keys { beside: options.len(), options })
        }
        // There it can only be the values that are ordered by.
        _ => Some(Keys { options: order.iter().take(1).map(|item| item.options).collect(), beside: 0 }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::error::ErrorKind;
    use crate::sql::parse;

    fn rewritten(text: &str) -> String {
        let mut statement = parse(text).unwrap().remove(0).into_parsed();
        rewrite(&mut statement);
        statement.to_string()
    }

    #[test]
    fn the_order_of_the_query_is_that_of_the_array() {
        assert_eq!(
            rewritten("SELECT ARRAY(SELECT a FROM t ORDER BY b DESC, 1 LIMIT 2)"),
            "SELECT coalesce((SELECT array_agg(\"array value\" ORDER BY \"array key 1\" DESC, \"array key 2\") FROM (SELECT a, b AS \
             \"array key 1\", a AS \"array key 2\" FROM t ORDER BY b DESC, 1 LIMIT 2) AS \"array rows\" (\"array value\", \"array key 1\", \
             \"array key 2\")), ARRAY[])"
        );
        assert_eq!(
            rewritten("SELECT ARRAY(SELECT DISTINCT a FROM t ORDER BY a)"),
            "SELECT coalesce((SELECT array_agg(\"array value\" ORDER BY \"array value\") FROM (SELECT DISTINCT a FROM t ORDER BY a) \
             AS \"array rows\" (\"array value\")), ARRAY[])"
        );
        assert_eq!(
            rewritten("SELECT ARRAY(VALUES (1))"),
            "SELECT coalesce((SELECT array_agg(\"array value\") FROM (VALUES (1)) AS \"array rows\" (\"array value\")), ARRAY[])"
        );
    }

    #[test]
    fn what_would_be_copied_again_and_again_is_refused() {
        let nested = |times: usize| {
            let text = format!("SELECT {}1{}", "array(SELECT 1 ORDER BY ".repeat(times), ")".repeat(times));
            let mut statement = parse(&text).unwrap().remove(0).into_parsed();
            budget::within(0, || {
                rewrite(&mut statement);
                Ok(())
            })
        };
        assert_eq!(nested(30).unwrap_err().kind(), ErrorKind::LimitExceeded);
        assert!(nested(6).is_ok());
    }
}
