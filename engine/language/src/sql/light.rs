//! Which statements need hardly any work, whatever they are given: a client that asks whether the server is there is answered
//! however busy the others keep it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, FunctionArguments, SetExpr, Statement as Ast, visit_expressions};

use crate::sql::{Statement, StatementKind};

/// Longest text of a light statement, in bytes.
const LONGEST: usize = 1_000;

/// True for a short `SELECT` of constants, parameters and operators, without tables and without functions that take arguments.
pub fn is_light(statement: &Statement) -> bool {
    let (StatementKind::Query, Some(Ast::Query(query))) = (statement.kind(), statement.ast()) else { return false };
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    if statement.text().len() > LONGEST || query.with.is_some() || !select.from.is_empty() {
        return false;
    }
    let needs_work = |expr: &Expr| match expr {
        Expr::Function(function) => match &function.args {
            FunctionArguments::None => false,
            FunctionArguments::Subquery(_) => true,
            FunctionArguments::List(list) => !list.args.is_empty(),
        },
        Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => true,
        _ => false,
    };
    let visit = |expr: &Expr| if needs_work(expr) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    visit_expressions(query, visit).is_continue()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sql::parse;

    #[test]
    fn what_asks_for_nothing_is_light() {
        for sql in ["SELECT 1", "select $1::int + 1 AS x", "SELECT now(), current_date", "SELECT 'a' || 'b' WHERE true"]
        {
            assert!(is_light(&parse(sql).unwrap()[0]), "{sql}");
        }
        for sql in [
            "SELECT * FROM t",
            "SELECT repeat('a', 100000000)",
            "SELECT (SELECT count(*) FROM t)",
            "SELECT 1 WHERE EXISTS (SELECT 1)",
            "SELECT 1 UNION ALL SELECT 2",
            "WITH x AS (SELECT 1) SELECT 1",
            "SELECT ARRAY(SELECT 1)",
            "SELECT unnest FROM unnest(ARRAY[1])",
            "INSERT INTO t VALUES (1)",
            "EXPLAIN SELECT 1",
        ] {
            assert!(!is_light(&parse(sql).unwrap()[0]), "{sql}");
        }
        let long = format!("SELECT {}", vec!["1"; 1_000].join(", "));
        assert!(!is_light(&parse(&long).unwrap()[0]));
    }
}
