//! Whole rows of tables and subqueries of FROM: as arguments of functions that make JSON (`row_to_json(t)`), as records
//! (`SELECT t FROM t`), and single columns of them (`(t).id`).
//!
//! An argument becomes `whole_row(t.*)`, a record `record_of(t.*)`, whose columns are written out when there is a plan. Values that are
//! JSON stay JSON in `coalesce(json_agg(t), '[]')`.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JoinOperator, ObjectName,
    Query, Select, SetExpr, TableFactor, VisitMut, VisitorMut,
};

use super::ident::normalise;
use super::postgres_operators::{call, take};

/// Functions that take whole rows.
const TAKE_ROWS: [&str; 11] = [
    "to_json",
    "to_jsonb",
    "row_to_json",
    "json_agg",
    "jsonb_agg",
    "json_object_agg",
    "jsonb_object_agg",
    "json_build_object",
    "jsonb_build_object",
    "json_build_array",
    "jsonb_build_array",
];

/// Rewrites all queries of a statement.
pub fn rewrite(statement: &mut DfStatement) {
    match statement {
        DfStatement::Statement(ast) => {
            let _: ControlFlow<()> = ast.visit(&mut Queries);
        }
        DfStatement::Explain(explain) => rewrite(&mut explain.statement),
        _ => {}
    }
}

/// Makes records of a name that no column has and a relation of FROM has. True where it stands for one somewhere.
pub fn take_records(statement: &mut DfStatement, name: &str) -> bool {
    let mut records = Records { name, found: false };
    match statement {
        DfStatement::Statement(ast) => {
            let _: ControlFlow<()> = ast.visit(&mut records);
            records.found
        }
        DfStatement::Explain(explain) => take_records(&mut explain.statement, name),
        _ => false,
    }
}

struct Records<'a> {
    name: &'a str,
    found: bool,
}

impl VisitorMut for Records<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let Query { body, order_by, .. } = query;
        if let SetExpr::Select(select) = body.as_mut() {
            let relations = relations(select);
            if let Some(relation) = relations.iter().find(|relation| relation.name == self.name) {
                let mut names = RecordNames { relation, depth: 0, found: false };
                let _ = select.projection.visit(&mut names);
                let _ = select.selection.visit(&mut names);
                let _ = select.group_by.visit(&mut names);
                let _ = select.having.visit(&mut names);
                let _ = order_by.visit(&mut names);
                self.found |= names.found;
            }
        }
        ControlFlow::Continue(())
    }
}

/// Names in the expressions of one SELECT, not in queries within them.
struct RecordNames<'a> {
    relation: &'a Relation,
    depth: usize,
    found: bool,
}

impl VisitorMut for RecordNames<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0 && matches!(expr, Expr::Identifier(name) if normalise(name) == self.relation.name) {
            *expr = self.relation.all_columns(if self.relation.may_lack { "record_of_or_null" } else { "record_of" });
            self.found = true;
        }
        ControlFlow::Continue(())
    }
}

struct Queries;

impl VisitorMut for Queries {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let Query { body, order_by, .. } = query;
        if let SetExpr::Select(select) = body.as_mut() {
            let relations = relations(select);
            let _ = order_by.visit(&mut Calls { relations: &relations, depth: 0 });
        }
        for_each_select(body);
        ControlFlow::Continue(())
    }
}

fn for_each_select(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            let relations = relations(select);
            let mut calls = Calls { relations: &relations, depth: 0 };
            let _ = select.projection.visit(&mut calls);
            let _ = select.selection.visit(&mut calls);
            let _ = select.having.visit(&mut calls);
        }
        SetExpr::SetOperation { left, right, .. } => {
            for_each_select(left);
            for_each_select(right);
        }
        _ => {}
    }
}

/// What FROM has: the name, how it is qualified, and whether an outer join may leave it without a row.
struct Relation {
    name: String,
    qualifier: ObjectName,
    may_lack: bool,
}

impl Relation {
    /// `function(t.*)`.
    fn all_columns(&self, function: &str) -> Expr {
        let mut all = call(function, []);
        if let Expr::Function(function) = &mut all
            && let FunctionArguments::List(list) = &mut function.args
        {
            list.args.push(FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(self.qualifier.clone())));
        }
        all
    }
}

fn relations(select: &Select) -> Vec<Relation> {
    let mut all = Vec::new();
    for from in &select.from {
        let start = all.len();
        all.extend(relation(&from.relation, false));
        for join in &from.joins {
            let (left, right) = match join.join_operator {
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => (false, true),
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (true, false),
                JoinOperator::FullOuter(_) => (true, true),
                _ => (false, false),
            };
            all[start..].iter_mut().for_each(|relation: &mut Relation| relation.may_lack |= left);
            all.extend(relation(&join.relation, right));
        }
    }
    all
}

fn relation(table: &TableFactor, may_lack: bool) -> Option<Relation> {
    let aliased = |name: &Ident| ObjectName::from(vec![name.clone()]);
    let (name, qualifier) = match table {
        // A function whose rows are single values has no others than those.
        TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. }
            if !gives_rows(&normalise(name.0.last()?.as_ident()?)) =>
        {
            return None;
        }
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::Function { alias: Some(alias), .. } => (alias.name.clone(), aliased(&alias.name)),
        TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
            let name = name.0.last()?.as_ident()?.clone();
            let qualifier = aliased(&name);
            (name, qualifier)
        }
        TableFactor::Table { name, .. } => (name.0.last()?.as_ident()?.clone(), name.clone()),
        _ => return None,
    };
    Some(Relation { name: normalise(&name), qualifier, may_lack })
}

/// Functions whose rows have several columns.
fn gives_rows(function: &str) -> bool {
    let of_json = function.strip_prefix("jsonb_").or_else(|| function.strip_prefix("json_"));
    matches!(of_json, Some("each" | "each_text" | "to_record" | "to_recordset"))
}

/// Calls in the expressions of one SELECT, not in queries within them.
struct Calls<'a> {
    relations: &'a [Relation],
    depth: usize,
}

impl VisitorMut for Calls<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::CompoundFieldAccess { root, access_chain } = expr
            && let (Expr::Nested(row), [AccessExpr::Dot(Expr::Identifier(column))]) =
                (root.as_ref(), access_chain.as_slice())
            && let Expr::Identifier(name) = row.as_ref()
            && self.relations.iter().any(|relation| relation.name == normalise(name))
        {
            *expr = Expr::CompoundIdentifier(vec![name.clone(), column.clone()]);
        } else if self.depth == 0
            && let Expr::Function(function) = expr
            && name_of(function).is_some_and(|name| TAKE_ROWS.contains(&name.as_str()))
            && let FunctionArguments::List(list) = &mut function.args
        {
            list.args.iter_mut().for_each(|argument| self.whole_row(argument));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Some(as_it_is) = coalesced(expr)
        {
            *expr = call(as_it_is, [take(expr)]);
        }
        ControlFlow::Continue(())
    }
}

impl Calls<'_> {
    fn whole_row(&self, argument: &mut FunctionArg) {
        let FunctionArg::Unnamed(argument) = argument else { return };
        let named = |name: &Ident| self.relations.iter().find(|relation| relation.name == normalise(name));
        let relation = match argument {
            FunctionArgExpr::Expr(Expr::Identifier(name)) => named(name),
            FunctionArgExpr::QualifiedWildcard(name) => name.0.last().and_then(|part| part.as_ident()).and_then(named),
            FunctionArgExpr::Expr(row) => {
                if let Some(values) = values_of(row) {
                    *row = call("whole_row", values);
                }
                return;
            }
            _ => None,
        };
        let Some(relation) = relation else { return };
        let function = if relation.may_lack { "whole_row_or_null" } else { "whole_row" };
        *argument = FunctionArgExpr::Expr(relation.all_columns(function));
    }
}

/// The values of `ROW(…)`.
fn values_of(row: &Expr) -> Option<Vec<Expr>> {
    match row {
        Expr::Tuple(values) => Some(values.clone()),
        Expr::Function(function) if name_of(function).as_deref() == Some("row") => {
            let FunctionArguments::List(list) = &function.args else { return None };
            let values = list.args.iter().map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
                _ => None,
            });
            values.collect()
        }
        _ => None,
    }
}

fn name_of(function: &Function) -> Option<String> {
    function.name.0.last().and_then(|part| part.as_ident()).map(normalise)
}

/// What says that `coalesce` of JSON is JSON.
fn coalesced(expr: &Expr) -> Option<&'static str> {
    let Expr::Function(function) = expr else { return None };
    let FunctionArguments::List(list) = &function.args else { return None };
    if name_of(function).as_deref() != Some("coalesce") {
        return None;
    }
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(first)))) = list.args.first() else {
        return None;
    };
    match name_of(first)?.as_str() {
        name if !TAKE_ROWS.contains(&name) => None,
        "to_jsonb" => Some("jsonb_as_it_is"),
        name if name.starts_with("jsonb") => Some("jsonb_as_it_is"),
        _ => Some("json_as_it_is"),
    }
}
