//! Functions of one value in FROM, as a table of one row: `SELECT * FROM upper('x') u`.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, SelectItem, SetExpr, TableAlias, TableFactor, VisitMut, VisitorMut,
};

use super::ident::normalise;
use super::postgres_operators::call;
use super::series::is_constant;
use super::statement::parse_expression;

/// Functions whose rows are not one value.
const GIVE_ROWS: [&str; 3] = ["generate_series", "range", "unnest"];

/// Rewrites those that are left when functions that give rows have become something else.
pub fn rewrite(statement: &mut DfStatement) {
    match statement {
        DfStatement::Statement(ast) => {
            let _: ControlFlow<()> = ast.visit(&mut Tables);
        }
        DfStatement::Explain(explain) => rewrite(&mut explain.statement),
        _ => {}
    }
}

struct Tables;

impl VisitorMut for Tables {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        if let Some(row) = as_row(table) {
            *table = row;
        }
        ControlFlow::Continue(())
    }
}

fn as_row(table: &mut TableFactor) -> Option<TableFactor> {
    let (name, args, alias) = match table {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality: false, .. } => (name, &args.args, alias),
        TableFactor::Function { name, args, alias, with_ordinality: false, .. } => (name, &*args, alias),
        _ => return None,
    };
    let ident = name.0.last()?.as_ident()?;
    if GIVE_ROWS.contains(&normalise(ident).as_str()) {
        return None;
    }
    let arguments: Option<Vec<Expr>> = args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect();
    let arguments = arguments?;
    let constant = arguments.iter().all(is_constant);
    let mut value = call("", arguments);
    if let Expr::Function(function) = &mut value {
        function.name = name.clone();
    }
    let mut alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: ident.clone(),
        columns: Vec::new(),
        at: None,
    });
    let column = alias.columns.drain(..).next().map_or_else(|| alias.name.clone(), |column| column.name);
    let Expr::Subquery(mut subquery) = parse_expression("(SELECT 1)").ok()? else { return None };
    let SetExpr::Select(select) = subquery.body.as_mut() else { return None };
    select.projection = vec![SelectItem::ExprWithAlias { expr: value, alias: column }];
    Some(TableFactor::Derived { lateral: !constant, subquery, alias: Some(alias), sample: None })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sql::parse;

    #[test]
    fn a_function_is_a_table_of_one_row() {
        let rewritten = |text: &str| {
            let mut statement = parse(text).unwrap().remove(0).into_parsed();
            rewrite(&mut statement);
            statement.to_string()
        };
        assert_eq!(rewritten("SELECT * FROM upper('x')"), "SELECT * FROM (SELECT upper('x') AS upper) AS upper");
        assert_eq!(rewritten("SELECT * FROM abs(-1) a (b)"), "SELECT * FROM (SELECT abs(-1) AS b) a");
        assert_eq!(rewritten("SELECT * FROM t, abs(t.a) x"), "SELECT * FROM t, LATERAL (SELECT abs(t.a) AS x) x");
        assert_eq!(rewritten("SELECT * FROM range(3)"), "SELECT * FROM range(3)");
    }
}
