//! Constants in quotes among the arguments of `coalesce` and its like: they are of the type of the others, `coalesce(ts, '2024-03-10')`.
//! Done to statements that cannot be planned otherwise: which type that is is known once there is a plan (`functions::text_as`).

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value, VisitMut, VisitorMut,
};

use super::budget;
use super::ident::normalise;
use super::postgres_operators::{call, take};

/// What gives a text the type of the value before it; nobody needs to call it.
pub(crate) const NAME: &str = "zxq_text_as";

/// Functions whose arguments are of one type.
pub const OF_ONE_TYPE: [&str; 4] = ["coalesce", "greatest", "least", "nullif"];

/// Marks such texts. True where there is one.
pub fn rewrite(statement: &mut DfStatement) -> bool {
    match statement {
        DfStatement::Statement(ast) => {
            let mut texts = Texts { found: false };
            let _: ControlFlow<()> = ast.visit(&mut texts);
            texts.found
        }
        DfStatement::Explain(explain) => rewrite(&mut explain.statement),
        _ => false,
    }
}

struct Texts {
    found: bool,
}

impl VisitorMut for Texts {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.0.last().and_then(|part| part.as_ident()).map(normalise);
        let FunctionArguments::List(list) = &mut function.args else { return ControlFlow::Continue(()) };
        if !name.is_some_and(|name| OF_ONE_TYPE.contains(&name.as_str())) {
            return ControlFlow::Continue(());
        }
        let is_typed = |argument: &FunctionArg| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => (!is_text(argument)).then(|| argument.clone()),
            _ => None,
        };
        let Some(beside) = list.args.iter().find_map(is_typed) else { return ControlFlow::Continue(()) };
        for argument in &mut list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument
                && is_text(argument)
                && budget::copy(&beside, 1)
            {
                *argument = call(NAME, [beside.clone(), take(argument)]);
                self.found = true;
            }
        }
        ControlFlow::Continue(())
    }
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sql::parse;

    #[test]
    fn texts_are_marked_with_what_they_stand_beside() {
        let mut statement =
            parse("SELECT coalesce(a, 'x'), least('x', 'y'), concat(a, 'x')").unwrap().remove(0).into_parsed();
        assert!(rewrite(&mut statement));
        assert_eq!(statement.to_string(), "SELECT coalesce(a, zxq_text_as(a, 'x')), least('x', 'y'), concat(a, 'x')");
        assert!(!rewrite(&mut parse("SELECT coalesce(a, b)").unwrap().remove(0).into_parsed()));
    }
}
