//! Parts of expressions that DataFusion leaves out of the names of columns, brackets and casts, put into calls of a function
//! that keeps them in (`functions::told_apart`). Done to statements that cannot be planned otherwise, as
//! `SELECT sum((a + b) * c), sum(a + b * c)`: two sums of one name.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{Expr, Value, VisitMut, VisitorMut};

use crate::sql::postgres_operators::call;

/// What the function is called; nobody needs to call it.
pub(crate) const NAME: &str = "zxq_told_apart";

/// Wraps those parts, everywhere in a statement.
pub fn rewrite(statement: &mut DfStatement) {
    match statement {
        DfStatement::Statement(ast) => {
            let _: ControlFlow<()> = ast.visit(&mut Parts);
        }
        DfStatement::Explain(explain) => rewrite(&mut explain.statement),
        _ => {}
    }
}

struct Parts;

impl VisitorMut for Parts {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if is_left_out(expr) {
            let part = std::mem::replace(expr, Expr::Value(Value::Null.into()));
            *expr = call(NAME, [part]);
        }
        ControlFlow::Continue(())
    }
}

/// True for calculations in brackets, and for casts of what has a type already: a constant or a parameter takes its own from
/// the cast.
fn is_left_out(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => matches!(inner.as_ref(), Expr::BinaryOp { .. }),
        Expr::Cast { expr: inner, .. } => !matches!(inner.as_ref(), Expr::Value(_)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::sql::parse;

    fn rewritten(sql: &str) -> String {
        let mut statement = parse(sql).unwrap().remove(0).parsed().clone();
        rewrite(&mut statement);
        statement.to_string()
    }

    #[test]
    fn brackets_and_casts_are_wrapped() {
        assert_eq!(
            rewritten("SELECT sum((a + b) * c), sum(a::INT) FROM t GROUP BY (a), $1::INT, '1'::TEXT"),
            "SELECT sum(zxq_told_apart((a + b)) * c), sum(zxq_told_apart(a::INT)) FROM t GROUP BY (a), $1::INT, '1'::TEXT"
        );
        assert_eq!(
            rewritten("SELECT ((a + b) * c) FROM t"),
            "SELECT zxq_told_apart((zxq_told_apart((a + b)) * c)) FROM t"
        );
    }
}
