//! `array_agg(DISTINCT x)` and its like without an order of their own: PostgreSQL sorts the values to tell which are the same, and
//! people rely on the order. `string_agg(DISTINCT x, ',')` becomes a text of such an array.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Ident, ObjectName, OrderByExpr, OrderByOptions, VisitMut, VisitorMut,
};

use super::budget;
use super::ident::normalise;
use super::postgres_operators::{call, take};

/// Aggregates whose value shows the order of what they aggregate.
const SHOW_ORDER: [&str; 3] = ["array_agg", "json_agg", "jsonb_agg"];

/// Rewrites all of a statement.
pub fn rewrite(statement: &mut DfStatement) {
    match statement {
        DfStatement::Statement(ast) => {
            let _: ControlFlow<()> = ast.visit(&mut Aggregates);
        }
        DfStatement::Explain(explain) => rewrite(&mut explain.statement),
        _ => {}
    }
}

struct Aggregates;

impl VisitorMut for Aggregates {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.0.last().and_then(|part| part.as_ident()).map(normalise);
        match name.as_deref() {
            Some(name) if SHOW_ORDER.contains(&name) => {
                sort_distinct(function);
            }
            Some("string_agg") => {
                if let Some(text) = joined(function) {
                    *expr = text;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Sorts by the first argument, where values are told apart and nothing says in which order they come. The argument, where they are.
fn sort_distinct(function: &mut Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &mut function.args else { return None };
    let is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct) && function.over.is_none();
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = list.args.first() else { return None };
    // It stands three times then at most, with what nests in it.
    let value = Some(value).filter(|value| is_distinct && budget::copy(value, 2)).cloned()?;
    let is_ordered = list.clauses.iter().any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_)));
    if !is_ordered {
        let options = OrderByOptions { asc: None, nulls_first: None };
        let key = OrderByExpr { expr: value.clone(), options, with_fill: None };
        list.clauses.push(FunctionArgumentClause::OrderBy(vec![key]));
    }
    Some(value)
}

/// `array_to_string(array_agg(DISTINCT x ORDER BY x) FILTER (WHERE x IS NOT NULL), ',')` for `string_agg(DISTINCT x, ',')`.
fn joined(function: &mut Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(separator))] = list.args.as_slice() else { return None };
    let separator = separator.clone();
    let value = sort_distinct(function)?;
    let known = Box::new(Expr::IsNotNull(Box::new(Expr::Nested(Box::new(value)))));
    function.filter = Some(match function.filter.take() {
        Some(filter) => {
            Box::new(Expr::BinaryOp { left: Box::new(Expr::Nested(filter)), op: BinaryOperator::And, right: known })
        }
        None => known,
    });
    function.name = ObjectName::from(vec![Ident::new("array_agg")]);
    if let FunctionArguments::List(list) = &mut function.args {
        list.args.truncate(1);
    }
    let mut array = Expr::Function(function.clone());
    Some(call("array_to_string", [take(&mut array), separator]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::error::ErrorKind;
    use crate::sql::parse;

    #[test]
    fn values_that_are_told_apart_are_sorted() {
        let rewritten = |text: &str| {
            let mut statement = parse(text).unwrap().remove(0).into_parsed();
            rewrite(&mut statement);
            statement.to_string()
        };
        assert_eq!(rewritten("SELECT array_agg(DISTINCT a)"), "SELECT array_agg(DISTINCT a ORDER BY a)");
        assert_eq!(
            rewritten("SELECT string_agg(DISTINCT a, ',') FILTER (WHERE b > 1)"),
            "SELECT array_to_string(array_agg(DISTINCT a ORDER BY a) FILTER (WHERE (b > 1) AND (a) IS NOT NULL), ',')"
        );
        for same in ["SELECT array_agg(a)", "SELECT json_agg(DISTINCT a ORDER BY a DESC)", "SELECT string_agg(a, ',')"]
        {
            assert_eq!(rewritten(same), same);
        }
    }

    #[test]
    fn what_would_be_copied_again_and_again_is_refused() {
        let nested = |times: usize| {
            let text = format!("SELECT {}1{}", "array_agg(DISTINCT ".repeat(times), ")".repeat(times));
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
