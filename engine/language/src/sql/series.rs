//! `generate_series` and `unnest`, as PostgreSQL has them: in a select list each row becomes as many as there are values, in
//! FROM they may read columns of the tables before them, and `WITH ORDINALITY` numbers their rows.
//!
//! DataFusion has `unnest` in a select list. A series is `unnest` of an array; in FROM it is a lateral subquery of that form.
//! A series of integers between constants stays DataFusion's, which counts without an array.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, Select, SelectItem, SetExpr,
    TableAlias, TableFactor, UnaryOperator, Value, VisitMut, VisitorMut,
};

use super::postgres_operators::{call, take};
use super::query_forms::has_arguments;
use super::statement::parse_expression;
use crate::error::{EngineError, ErrorKind, Result};

/// The function that gives a series as an array.
const ARRAY: &str = "series_array";

/// Rewrites all calls of a statement.
///
/// # Errors
/// Calls where rows cannot be returned.
pub fn rewrite(statement: &mut DfStatement) -> Result<()> {
    let flow = match statement {
        DfStatement::Statement(ast) => ast.visit(&mut Series),
        DfStatement::Explain(explain) => return rewrite(&mut explain.statement),
        _ => ControlFlow::Continue(()),
    };
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Series;

impl VisitorMut for Series {
    type Break = EngineError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<EngineError> {
        for_each_select(&mut query.body, &mut select_list)
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<EngineError> {
        if let Some(rows) = as_subquery(table) {
            *table = rows;
        }
        ControlFlow::Continue(())
    }
}

type Flow = ControlFlow<EngineError>;

fn for_each_select(body: &mut SetExpr, each: &mut impl FnMut(&mut Select) -> Flow) -> Flow {
    match body {
        SetExpr::Select(select) => each(select),
        SetExpr::SetOperation { left, right, .. } => {
            for_each_select(left, each)?;
            for_each_select(right, each)
        }
        _ => ControlFlow::Continue(()),
    }
}

fn select_list(select: &mut Select) -> Flow {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            expr.visit(&mut Calls { depth: 0, inside: Vec::new(), refused: None })?;
        }
    }
    for (clause, expr) in [("WHERE", &mut select.selection), ("HAVING", &mut select.having)] {
        if let Some(expr) = expr {
            expr.visit(&mut Calls { depth: 0, inside: Vec::new(), refused: Some(clause) })?;
        }
    }
    ControlFlow::Continue(())
}

/// Calls in an expression of one SELECT, not in queries within it.
struct Calls {
    depth: usize,
    /// What the expression stands in, that takes no rows.
    inside: Vec<&'static str>,
    refused: Option<&'static str>,
}

impl VisitorMut for Calls {
    type Break = EngineError;

    fn pre_visit_query(&mut self, _: &mut Query) -> Flow {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> Flow {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        if let Some(place) = takes_no_rows(expr) {
            self.inside.push(place);
        }
        if (is_series_call(expr) || is_call_of(expr, "unnest"))
            && let Some(place) = self.refused.or(self.inside.last().copied())
        {
            let message = format!("set-returning functions are not allowed in {place}");
            return ControlFlow::Break(EngineError::new(ErrorKind::FeatureNotSupported, message));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        if takes_no_rows(expr).is_some() {
            self.inside.pop();
        }
        if is_series_call(expr)
            && let Expr::Function(function) = expr
        {
            function.name = ObjectName::from(vec![Ident::new(ARRAY)]);
            interval_step(expr);
            *expr = call("unnest", [take(expr)]);
        }
        ControlFlow::Continue(())
    }
}

fn takes_no_rows(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::Case { .. } => Some("CASE"),
        Expr::Function(function) if is_named(&function.name, "coalesce") => Some("COALESCE"),
        Expr::Function(function) => {
            const AGGREGATES: [&str; 9] =
                ["sum", "count", "min", "max", "avg", "array_agg", "string_agg", "bool_and", "bool_or"];
            let aggregate = function.over.is_none() && AGGREGATES.iter().any(|name| is_named(&function.name, name));
            aggregate.then_some("aggregate function calls")
        }
        _ => None,
    }
}

fn is_named(name: &ObjectName, wanted: &str) -> bool {
    name.0.last().and_then(|part| part.as_ident()).is_some_and(|ident| ident.value.eq_ignore_ascii_case(wanted))
}

fn is_call_of(expr: &Expr, wanted: &str) -> bool {
    matches!(expr, Expr::Function(f) if is_named(&f.name, wanted) && f.over.is_none() && has_arguments(&f.args))
}

fn is_series_call(expr: &Expr) -> bool {
    is_call_of(expr, "generate_series")
}

/// A step that is written as a text is an interval: numbers have no quotes.
fn interval_step(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    let datafusion::sql::sqlparser::ast::FunctionArguments::List(list) = &mut function.args else { return };
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(step))) = list.args.get_mut(2)
        && matches!(step, Expr::Value(v) if matches!(v.value, Value::SingleQuotedString(_)))
    {
        *step = Expr::Cast {
            kind: CastKind::DoubleColon,
            expr: Box::new(take(step)),
            data_type: DataType::Interval { fields: None, precision: None },
            array: false,
            format: None,
        };
    }
}

/// `LATERAL (SELECT unnest(…) AS x)` for a call in FROM; `None` for what DataFusion takes as it is.
fn as_subquery(table: &mut TableFactor) -> Option<TableFactor> {
    let (name, arrays, alias, with_ordinality) = match table {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. }
            if is_named(name, "generate_series") =>
        {
            ("generate_series", vec![series_of(&args.args)?], alias, *with_ordinality)
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } if is_named(name, "generate_series") => {
            ("generate_series", vec![series_of(args)?], alias, *with_ordinality)
        }
        TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_ordinality, .. } => {
            ("unnest", array_exprs.clone(), alias, *with_ordinality)
        }
        _ => return None,
    };
    let constant = arrays.iter().all(is_constant);
    let plain = match name {
        "unnest" => constant,
        _ => constant && counts_integers(&arrays[0]),
    };
    if plain && !with_ordinality {
        return None;
    }
    let given = alias.take().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new(name),
        columns: Vec::new(),
        at: None,
    });
    let own = |at: usize| match arrays.len() {
        1 => given.name.clone(),
        _ => Ident::new(format!("{name}_{at}")),
    };
    let columns: Vec<(Expr, Expr, Ident)> = arrays
        .iter()
        .enumerate()
        .map(|(at, array)| {
            let name = given.columns.get(at).map_or_else(|| own(at), |column| column.name.clone());
            (call("unnest", [array.clone()]), array.clone(), name)
        })
        .collect();
    rows_in_from(columns, given, with_ordinality)
}

/// `(SELECT … AS x, … AS y)` in FROM, of columns that each are `unnest` of an array, with that array and the column's name;
/// `LATERAL` where the arrays name columns. The alias may name the column of `WITH ORDINALITY` behind the others.
pub(super) fn rows_in_from(
    columns: Vec<(Expr, Expr, Ident)>,
    mut alias: TableAlias,
    with_ordinality: bool,
) -> Option<TableFactor> {
    let constant = columns.iter().all(|(_, array, _)| is_constant(array));
    let ordinality = alias.columns.drain(..).nth(columns.len()).map(|column| column.name);
    let (mut items, mut arrays) = (Vec::new(), Vec::new());
    for (rows, array, name) in columns {
        items.push((rows, name));
        arrays.push(array);
    }
    if with_ordinality {
        let mut lengths = arrays.iter().map(|array| call("cardinality", [array.clone()]));
        let longest = if arrays.len() == 1 { lengths.next_back()? } else { call("greatest", lengths) };
        let first = Expr::Value(Value::Number("1".to_owned(), false).into());
        let length = Expr::Cast {
            kind: CastKind::DoubleColon,
            expr: Box::new(longest),
            data_type: DataType::BigInt(None),
            array: false,
            format: None,
        };
        let name = ordinality.unwrap_or_else(|| Ident::new("ordinality"));
        items.push((call("unnest", [call(ARRAY, [first, length])]), name));
    }
    let Expr::Subquery(mut subquery) = parse_expression("(SELECT 1)").ok()? else { return None };
    let SetExpr::Select(select) = subquery.body.as_mut() else { return None };
    select.projection = items.into_iter().map(|(expr, alias)| SelectItem::ExprWithAlias { expr, alias }).collect();
    Some(TableFactor::Derived { lateral: !constant, subquery, alias: Some(alias), sample: None })
}

/// The array of a call's values.
fn series_of(args: &[FunctionArg]) -> Option<Expr> {
    let arguments: Option<Vec<Expr>> = args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect();
    let mut array = call(ARRAY, arguments?);
    interval_step(&mut array);
    Some(array)
}

/// True for expressions that name no column.
pub(super) fn is_constant(expr: &Expr) -> bool {
    struct Names;
    impl datafusion::sql::sqlparser::ast::Visitor for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    datafusion::sql::sqlparser::ast::Visit::visit(expr, &mut Names).is_continue()
}

/// True for a call whose arguments are integers written out.
fn counts_integers(array: &Expr) -> bool {
    let Expr::Function(function) = array else { return false };
    let datafusion::sql::sqlparser::ast::FunctionArguments::List(list) = &function.args else { return false };
    fn integer(expr: &Expr) -> bool {
        match expr {
            Expr::Value(value) => matches!(&value.value, Value::Number(digits, _) if !digits.contains(['.', 'e', 'E'])),
            Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => integer(expr),
            _ => false,
        }
    }
    // A step of zero is an error of ours.
    let zero = matches!(list.args.get(2), Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(v))))
        if matches!(&v.value, Value::Number(digits, _) if digits.bytes().all(|b| b == b'0')));
    !zero
        && list
            .args
            .iter()
            .all(|argument| matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if integer(expr)))
}
