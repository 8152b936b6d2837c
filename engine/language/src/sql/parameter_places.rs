//! Parameters in places that tell their type: arguments of functions, conditions, subscripts. PostgreSQL takes the type from the
//! function; here such a parameter is cast to it, which tells clients and plans alike.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, SetExpr, Subscript,
    UnaryOperator, Value, VisitMut, VisitorMut,
};

use super::ident::normalise;
use super::postgres_operators::take;
use super::statement::parse_expression;

/// Functions with the types of their arguments, in order; `_` where a parameter's is told otherwise.
const FUNCTIONS: [(&str, &[&str]); 34] = [
    ("ceil", &["FLOAT8"]),
    ("ceiling", &["FLOAT8"]),
    ("chr", &["INT"]),
    ("cos", &["FLOAT8"]),
    ("date_part", &["TEXT"]),
    ("date_trunc", &["TEXT"]),
    ("exp", &["FLOAT8"]),
    ("floor", &["FLOAT8"]),
    ("initcap", &["TEXT"]),
    ("lag", &["_", "INT"]),
    ("lead", &["_", "INT"]),
    ("left", &["TEXT", "INT"]),
    ("ln", &["FLOAT8"]),
    ("lpad", &["TEXT", "INT", "TEXT"]),
    ("make_date", &["INT", "INT", "INT"]),
    ("nth_value", &["_", "INT"]),
    ("ntile", &["INT"]),
    ("pg_sleep", &["FLOAT8"]),
    ("pow", &["FLOAT8", "FLOAT8"]),
    ("power", &["FLOAT8", "FLOAT8"]),
    ("repeat", &["TEXT", "INT"]),
    ("right", &["TEXT", "INT"]),
    ("rpad", &["TEXT", "INT", "TEXT"]),
    ("sin", &["FLOAT8"]),
    ("split_part", &["TEXT", "TEXT", "INT"]),
    ("sqrt", &["FLOAT8"]),
    ("starts_with", &["TEXT", "TEXT"]),
    ("strpos", &["TEXT", "TEXT"]),
    ("substr", &["_", "INT", "INT"]),
    ("to_char", &["_", "TEXT"]),
    ("to_date", &["TEXT", "TEXT"]),
    ("to_number", &["TEXT", "TEXT"]),
    ("to_timestamp", &["FLOAT8"]),
    ("upper", &["TEXT"]),
];

/// Casts the parameters of a statement.
pub fn rewrite(statement: &mut DfStatement) {
    match statement {
        DfStatement::Statement(ast) => {
            let _: ControlFlow<()> = ast.visit(&mut Places);
        }
        DfStatement::Explain(explain) => rewrite(&mut explain.statement),
        _ => {}
    }
}

struct Places;

impl VisitorMut for Places {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.selection.iter_mut().chain(&mut select.having).for_each(|condition| cast(condition, "BOOLEAN"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => arguments(function),
            Expr::Substring { substring_from, substring_for, .. } => {
                substring_from.iter_mut().chain(substring_for).for_each(|place| cast(place, "INT"));
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => cast(inner, "BOOLEAN"),
            Expr::Case { operand: None, conditions, .. } => {
                conditions.iter_mut().for_each(|when| cast(&mut when.condition, "BOOLEAN"));
            }
            Expr::CompoundFieldAccess { access_chain, .. } => {
                for access in access_chain {
                    if let AccessExpr::Subscript(Subscript::Index { index }) = access {
                        cast(index, "INT");
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn arguments(function: &mut Function) {
    let Some(name) = function.name.0.last().and_then(|part| part.as_ident()).map(normalise) else { return };
    let FunctionArguments::List(list) = &mut function.args else { return };
    let types = match FUNCTIONS.binary_search_by(|(known, _)| (*known).cmp(name.as_str())) {
        // With a template its argument is a text.
        Ok(_) if name == "to_timestamp" && list.args.len() != 1 => return,
        Ok(at) => FUNCTIONS[at].1,
        Err(_) => return,
    };
    for (argument, type_name) in list.args.iter_mut().zip(types) {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument
            && *type_name != "_"
        {
            cast(argument, type_name);
        }
    }
}

/// Casts a parameter that stands there alone.
fn cast(expr: &mut Expr, type_name: &str) {
    if matches!(expr, Expr::Value(value) if matches!(value.value, Value::Placeholder(_)))
        && let Ok(Expr::Cast { kind, data_type, array, format, .. }) = parse_expression(&format!("NULL::{type_name}"))
    {
        *expr = Expr::Cast { kind, expr: Box::new(take(expr)), data_type, array, format };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sql::parse;

    #[test]
    fn functions_are_found() {
        assert!(FUNCTIONS.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn a_parameter_has_the_type_of_its_place() {
        let rewritten = |text: &str| {
            let mut statement = parse(text).unwrap().remove(0).into_parsed();
            rewrite(&mut statement);
            statement.to_string()
        };
        assert_eq!(
            rewritten("SELECT pg_sleep($1), left(a, $2), b[$3], to_timestamp($4, $5) FROM t WHERE $6"),
            "SELECT pg_sleep($1::FLOAT8), left(a, $2::INT), b[$3::INT], to_timestamp($4, $5) FROM t WHERE $6::BOOLEAN"
        );
        assert_eq!(
            rewritten("SELECT CASE WHEN $1 THEN 1 END, NOT $2, substring(a FROM $3), substr(a, $4 + 1)"),
            "SELECT CASE WHEN $1::BOOLEAN THEN 1 END, NOT $2::BOOLEAN, SUBSTRING(a FROM $3::INT), SUBSTR(a, $4 + 1)"
        );
    }
}
