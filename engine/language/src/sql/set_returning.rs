//! Functions that return rows, as `unnest` of functions that return arrays: `regexp_matches`, `regexp_split_to_table`,
//! `string_to_table`, `generate_subscripts`, and those of JSON.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, TableAlias, TableAliasColumnDef, TableFactor, Visit,
    VisitMut, Visitor, VisitorMut,
};

use super::ident::normalise;
use super::json_rows;
use super::postgres_operators::{call, take};

/// Functions that return rows, and those that return the same as an array.
const AS_ARRAYS: [(&str, &str); 4] = [
    ("regexp_matches", "regexp_matches_all"),
    ("regexp_split_to_table", "regexp_split_to_array"),
    ("string_to_table", "string_to_array"),
    ("generate_subscripts", "array_subscripts"),
];

/// Rewrites all calls of a statement.
pub fn rewrite(statement: &mut DfStatement) {
    match statement {
        DfStatement::Statement(ast) => {
            let mut bare = BareNames::default();
            let _: ControlFlow<()> = Visit::visit(ast.as_ref(), &mut bare);
            let _: ControlFlow<()> = VisitMut::visit(ast.as_mut(), &mut Calls { bare });
        }
        DfStatement::Explain(explain) => rewrite(&mut explain.statement),
        _ => {}
    }
}

/// Names that stand alone in expressions.
#[derive(Default)]
struct BareNames {
    names: HashSet<String>,
}

impl Visitor for BareNames {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr {
            self.names.insert(normalise(name));
        }
        ControlFlow::Continue(())
    }
}

struct Calls {
    bare: BareNames,
}

impl VisitorMut for Calls {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        json_rows::in_expression(expr);
        rewrite_call(expr);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        if let Some(rows) = json_rows::in_from(table, |name| self.bare.names.contains(name)) {
            *table = rows;
        } else if let Some(unnest) = as_unnest(table) {
            *table = unnest;
        }
        ControlFlow::Continue(())
    }
}

fn as_array(name: &ObjectName) -> Option<&'static str> {
    let name = name.0.last().and_then(|part| part.as_ident())?;
    AS_ARRAYS.iter().find(|(rows, _)| name.value.eq_ignore_ascii_case(rows)).map(|(_, array)| *array)
}

/// A call among the columns of a SELECT, as `unnest` of an array.
fn rewrite_call(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    if let Some(array) = as_array(&function.name) {
        function.name = ObjectName::from(vec![Ident::new(array)]);
        *expr = call("unnest", [take(expr)]);
    }
}

/// A call in FROM, as `UNNEST` of an array.
fn as_unnest(table: &mut TableFactor) -> Option<TableFactor> {
    let (name, args, alias, with_ordinality) = match table {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => {
            (name, &mut args.args, alias, *with_ordinality)
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } => (name, args, alias, *with_ordinality),
        _ => return None,
    };
    let name_of_rows = name.0.last().and_then(|part| part.as_ident()).cloned()?;
    let array = as_array(name)?;
    let arguments: Option<Vec<Expr>> = args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect();
    // Without an alias the rows and their column have the function's name.
    let mut alias = alias.take().unwrap_or_else(|| named(name_of_rows));
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
    Some(TableFactor::UNNEST {
        alias: Some(alias),
        array_exprs: vec![call(array, arguments?)],
        with_offset: false,
        with_offset_alias: None,
        with_ordinality,
    })
}

fn named(name: Ident) -> TableAlias {
    TableAlias { explicit: true, name, columns: Vec::new(), at: None }
}
