//! Forms of queries that DataFusion's planner lacks or gets wrong, rewritten into forms that it has; and forms of other
//! systems, refused in plain words.
//!
//! - `OVER (w ORDER BY …)` and `WINDOW w2 AS (w …)` take over what `w` says.
//! - `FETCH FIRST n ROWS WITH TIES` becomes a condition on the rank.
//! - `WITH RECURSIVE r (n) AS (SELECT 1 UNION …)` names the columns where they begin.
//! - `DISTINCT ON` takes positions, and its columns in the order that `ORDER BY` has them in.
//! - `LIMIT '2'` and `LIMIT 1.6` are numbers of rows.
//! - texts in `VALUES` beside values with a type are of that type.
//! - `VALUES` within an `INSERT … SELECT` are queries of constants.
//! - `ORDER BY` takes names and positions of computed columns of the result.

mod result_order;
mod subquery_names;
mod values;

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Distinct, Expr, Fetch, FunctionArguments, Ident, JoinOperator, LimitClause,
    NamedWindowExpr, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableFactor,
    TableWithJoins, UnaryOperator, Value, Values, VisitMut, VisitorMut, WindowSpec, WindowType,
};

use super::alias_columns;
use super::ident::normalise;
use super::statement::parse_expression;
use super::using_columns::{Names, name_of};
use crate::error::{EngineError, ErrorKind, Result};

/// Rewrites all queries of a statement.
///
/// # Errors
/// What PostgreSQL refuses, and what zxq does not do.
pub fn rewrite(statement: &mut DfStatement) -> Result<()> {
    let flow = match statement {
        DfStatement::Statement(ast) => ast.visit(&mut Queries::default()),
        DfStatement::Explain(explain) => return rewrite(&mut explain.statement),
        _ => ControlFlow::Continue(()),
    };
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

#[derive(Default)]
struct Queries {
    /// The next query is the one whose rows an INSERT takes.
    is_inserted: bool,
    /// It is one within an INSERT.
    within_insert: bool,
}

impl VisitorMut for Queries {
    type Break = EngineError;

    fn pre_visit_statement(&mut self, statement: &mut Statement) -> ControlFlow<EngineError> {
        if matches!(statement, Statement::Insert(_)) {
            self.is_inserted = true;
            self.within_insert = true;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<EngineError> {
        let is_inserted = std::mem::take(&mut self.is_inserted);
        // The planner would give all VALUES within an INSERT the columns of its table.
        if self.within_insert && !(is_inserted && matches!(query.body.as_ref(), SetExpr::Values(_))) {
            values::as_selects(&mut query.body);
        }
        match rewrite_query(query, is_inserted) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<EngineError> {
        if let TableFactor::Derived { subquery, alias: Some(alias), .. } = table {
            alias_columns::settle(subquery, alias);
        }
        match refuse_table(table) {
            Some(what) => ControlFlow::Break(unsupported(what)),
            None => ControlFlow::Continue(()),
        }
    }
}

fn unsupported(what: &str) -> EngineError {
    EngineError::new(ErrorKind::FeatureNotSupported, format!("{what} is not supported"))
}

/// `is_inserted`: its rows go into a table, each cell as it is.
fn rewrite_query(query: &mut Query, is_inserted: bool) -> Result<()> {
    let writes = |body: &SetExpr| {
        matches!(body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_))
    };
    if query.with.iter().flat_map(|with| &with.cte_tables).any(|cte| writes(&cte.query.body)) {
        return Err(unsupported("a statement that changes rows within WITH")
            .with_hint("Write one statement after the other in one transaction: BEGIN; …; COMMIT."));
    }
    if let Some(with) = &mut query.with
        && with.recursive
    {
        for cte in &mut with.cte_tables {
            let names: Vec<Ident> = cte.alias.columns.iter().map(|column| column.name.clone()).collect();
            if !names.is_empty() {
                name_columns(&mut cte.query.body, &names);
            }
        }
    } else if let Some(with) = &mut query.with {
        with.cte_tables.iter_mut().for_each(|cte| alias_columns::settle(&mut cte.query, &mut cte.alias));
    }
    for_each_select(&mut query.body, &mut |select| {
        refuse_clauses(select)?;
        subquery_names::give(select);
        inherit_windows(select, None)
    })?;
    if !is_inserted {
        for_each_values(&mut query.body, &mut values::give_types);
    }
    let order = match &mut query.order_by {
        Some(OrderBy { kind: OrderByKind::Expressions(order), .. }) => order.as_mut_slice(),
        _ => &mut [],
    };
    if let SetExpr::Select(select) = query.body.as_mut() {
        for item in order.iter_mut() {
            inherit_windows(select, Some(&mut item.expr))?;
            if let Expr::Value(value) = &item.expr
                && matches!(value.value, Value::SingleQuotedString(_))
            {
                return Err(EngineError::new(ErrorKind::Syntax, "non-integer constant in ORDER BY"));
            }
        }
        result_order::write_out(select, order);
        distinct_on(select, order)?;
        input_columns(select, order);
    }
    if query.fetch.as_ref().is_some_and(|fetch| fetch.with_ties) {
        with_ties(query)?;
    }
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
            if !limit_by.is_empty() {
                return Err(unsupported("LIMIT … BY"));
            }
            for rows in [limit.as_mut(), offset.as_mut().map(|offset| &mut offset.value)].into_iter().flatten() {
                row_count(rows)?;
            }
        }
        Some(LimitClause::OffsetCommaLimit { .. }) => {
            return Err(EngineError::new(ErrorKind::Syntax, "LIMIT #,# is not supported: use LIMIT and OFFSET"));
        }
        None => {}
    }
    Ok(())
}

fn for_each_select(body: &mut SetExpr, each: &mut impl FnMut(&mut Select) -> Result<()>) -> Result<()> {
    match body {
        SetExpr::Select(select) => each(select),
        SetExpr::SetOperation { left, right, .. } => {
            for_each_select(left, each)?;
            for_each_select(right, each)
        }
        _ => Ok(()),
    }
}

fn for_each_values(body: &mut SetExpr, each: &mut impl FnMut(&mut Values)) {
    match body {
        SetExpr::Values(values) => each(values),
        SetExpr::SetOperation { left, right, .. } => {
            for_each_values(left, each);
            for_each_values(right, each);
        }
        _ => {}
    }
}

/// Clauses of other systems.
fn refuse_clauses(select: &Select) -> Result<()> {
    let refused = [
        (select.top.is_some(), "TOP (use LIMIT)"),
        (select.into.is_some(), "SELECT INTO (use CREATE TABLE … AS)"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (select.prewhere.is_some(), "PREWHERE"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
    ];
    if let Some((_, what)) = refused.iter().find(|(given, _)| *given) {
        return Err(unsupported(what));
    }
    let joins = select.from.iter().flat_map(|TableWithJoins { joins, .. }| joins);
    for join in joins {
        match &join.join_operator {
            JoinOperator::AsOf { .. } => {
                return Err(EngineError::new(
                    ErrorKind::FeatureNotSupported,
                    "ASOF JOIN is not supported: use LEFT JOIN LATERAL (SELECT … ORDER BY … DESC LIMIT 1) x ON true",
                ));
            }
            JoinOperator::CrossApply | JoinOperator::OuterApply => return Err(unsupported("APPLY")),
            JoinOperator::StraightJoin(_) => return Err(unsupported("STRAIGHT_JOIN")),
            _ => {}
        }
    }
    Ok(())
}

/// What stands in FROM and is of other systems, or of PostgreSQL and not done.
fn refuse_table(table: &TableFactor) -> Option<&'static str> {
    match table {
        TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
            Some("TABLESAMPLE")
        }
        TableFactor::Table { version: Some(_), .. } => Some("a table as of a time"),
        TableFactor::Pivot { .. } => Some("PIVOT"),
        TableFactor::Unpivot { .. } => Some("UNPIVOT"),
        TableFactor::MatchRecognize { .. } => Some("MATCH_RECOGNIZE"),
        TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => Some("JSON_TABLE"),
        _ => None,
    }
}

/// Windows that begin with another one's name take over its partitions and its order.
fn inherit_windows(select: &mut Select, order: Option<&mut Expr>) -> Result<()> {
    let mut known: Vec<(String, WindowSpec)> = Vec::new();
    for definition in &mut select.named_window {
        if let NamedWindowExpr::WindowSpec(spec) = &mut definition.1 {
            inherit(spec, &known)?;
            known.push((normalise(&definition.0), spec.clone()));
        }
    }
    let mut windows = Windows { known, depth: 0 };
    let flow = match order {
        Some(expr) => expr.visit(&mut windows),
        None => match select.projection.visit(&mut windows) {
            ControlFlow::Continue(()) => select.qualify.visit(&mut windows),
            stopped => stopped,
        },
    };
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn inherit(spec: &mut WindowSpec, known: &[(String, WindowSpec)]) -> Result<()> {
    let Some(name) = spec.window_name.take() else { return Ok(()) };
    let name = normalise(&name);
    let Some((_, base)) = known.iter().find(|(known, _)| *known == name) else {
        let message = format!("window \"{name}\" does not exist");
        return Err(EngineError::new(ErrorKind::UndefinedObject, message).about_name(name));
    };
    if !spec.partition_by.is_empty() {
        let message = format!("cannot override PARTITION BY clause of window \"{name}\"");
        return Err(EngineError::new(ErrorKind::Windowing, message));
    }
    if !spec.order_by.is_empty() && !base.order_by.is_empty() {
        let message = format!("cannot override ORDER BY clause of window \"{name}\"");
        return Err(EngineError::new(ErrorKind::Windowing, message));
    }
    if base.window_frame.is_some() {
        let message = format!("cannot copy window \"{name}\" because it has a frame clause");
        return Err(EngineError::new(ErrorKind::Windowing, message));
    }
    spec.partition_by.clone_from(&base.partition_by);
    if spec.order_by.is_empty() {
        spec.order_by.clone_from(&base.order_by);
    }
    Ok(())
}

/// Visits expressions of one SELECT, not those of queries within them.
struct Windows {
    known: Vec<(String, WindowSpec)>,
    depth: usize,
}

impl VisitorMut for Windows {
    type Break = EngineError;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<EngineError> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<EngineError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<EngineError> {
        if self.depth == 0
            && let Expr::Function(function) = expr
            && let Some(WindowType::WindowSpec(spec)) = &mut function.over
            && let Err(error) = inherit(spec, &self.known)
        {
            return ControlFlow::Break(error);
        }
        ControlFlow::Continue(())
    }
}

/// Gives the columns of the first SELECT these names.
fn name_columns(body: &mut SetExpr, names: &[Ident]) {
    match body {
        SetExpr::SetOperation { left, .. } => name_columns(left, names),
        SetExpr::Query(query) => name_columns(&mut query.body, names),
        SetExpr::Select(select) if select.projection.len() == names.len() => {
            for (item, name) in select.projection.iter_mut().zip(names) {
                let expr = match item {
                    SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr.clone(),
                    _ => continue,
                };
                *item = SelectItem::ExprWithAlias { expr, alias: name.clone() };
            }
        }
        SetExpr::Values(Values { rows, .. }) if rows.len() == 1 && rows[0].len() == names.len() => {
            if let Ok(Expr::Subquery(query)) = parse_expression("(SELECT 1)")
                && let SetExpr::Select(mut select) = *query.body
            {
                select.projection = std::mem::take(&mut rows[0].content)
                    .into_iter()
                    .zip(names)
                    .map(|(expr, name)| SelectItem::ExprWithAlias { expr, alias: name.clone() })
                    .collect();
                *body = SetExpr::Select(select);
            }
        }
        _ => {}
    }
}

/// The expression that a position or a name of the result stands for.
pub(super) fn of_result<'a>(expr: &'a Expr, select: &'a Select) -> Option<&'a Expr> {
    match expr {
        Expr::Value(value) => {
            let Value::Number(digits, _) = &value.value else { return Some(expr) };
            let position: usize = digits.parse().ok()?;
            match select.projection.get(position.checked_sub(1)?)? {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
                _ => None,
            }
        }
        Expr::Identifier(name) => {
            let aliased = select.projection.iter().find_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } if normalise(alias) == normalise(name) => Some(expr),
                _ => None,
            });
            Some(aliased.unwrap_or(expr))
        }
        _ => Some(expr),
    }
}

/// `DISTINCT ON` in the order of `ORDER BY`, with positions put into words.
fn distinct_on(select: &mut Select, order: &mut [OrderByExpr]) -> Result<()> {
    let Some(Distinct::On(given)) = &select.distinct else { return Ok(()) };
    let wrong = || {
        EngineError::new(
            ErrorKind::InvalidColumnReference,
            "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
        )
    };
    let mut on: Vec<Expr> = Vec::new();
    for expr in given {
        let expr = of_result(expr, select).cloned().ok_or_else(wrong)?;
        if !on.contains(&expr) {
            on.push(expr);
        }
    }
    let mut in_order: Vec<Expr> = Vec::new();
    for item in order.iter_mut() {
        let expr = of_result(&item.expr, select).cloned().ok_or_else(wrong)?;
        if in_order.len() == on.len() {
            break;
        }
        let Some(found) = on.iter().find(|o| **o == expr).cloned() else { return Err(wrong()) };
        if !in_order.contains(&found) {
            in_order.push(found);
        }
        item.expr = expr;
    }
    // With fewer columns in ORDER BY the others follow.
    for expr in on {
        if !in_order.contains(&expr) {
            in_order.push(expr);
        }
    }
    select.distinct = Some(Distinct::On(in_order));
    Ok(())
}

/// In an expression of ORDER BY names are those of the table, not of the result: `SELECT v AS id … ORDER BY id + 1`.
fn input_columns(select: &Select, order: &mut [OrderByExpr]) {
    let [TableWithJoins { relation, joins }] = select.from.as_slice() else { return };
    let (Some(relation), true) = (name_of(relation), joins.is_empty()) else { return };
    let mut columns = Vec::new();
    for item in &select.projection {
        if let SelectItem::ExprWithAlias { expr, alias } = item
            && !matches!(expr, Expr::Identifier(name) if normalise(name) == normalise(alias))
        {
            columns.push((normalise(alias), Expr::CompoundIdentifier(vec![relation.clone(), alias.clone()])));
        }
    }
    for item in order {
        if !matches!(item.expr, Expr::Identifier(_)) {
            let _: ControlFlow<()> = item.expr.visit(&mut Names::new(&columns));
        }
    }
}

/// `FETCH FIRST n ROWS WITH TIES` as `QUALIFY rank() OVER (ORDER BY …) <= n`.
fn with_ties(query: &mut Query) -> Result<()> {
    let Some(OrderBy { kind: OrderByKind::Expressions(order), .. }) = &query.order_by else {
        return Err(EngineError::new(ErrorKind::Syntax, "WITH TIES cannot be specified without ORDER BY clause"));
    };
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(unsupported("WITH TIES behind UNION, INTERSECT, EXCEPT or VALUES"));
    };
    if select.distinct.is_some() || select.qualify.is_some() {
        return Err(unsupported("WITH TIES beside DISTINCT or QUALIFY"));
    }
    let Some(Fetch { quantity, percent: false, .. }) = query.fetch.take() else {
        return Err(unsupported("FETCH … PERCENT"));
    };
    let mut order_by = order.clone();
    for item in &mut order_by {
        let expr = of_result(&item.expr, select).cloned();
        item.expr = expr.ok_or_else(|| unsupported("WITH TIES behind a position of a wildcard"))?;
    }
    let mut last = quantity.map_or_else(|| parse_expression("1"), Ok)?;
    row_count(&mut last)?;
    if let Some(LimitClause::LimitOffset { offset: Some(offset), .. }) = &query.limit_clause {
        last = Expr::BinaryOp {
            left: Box::new(last),
            op: BinaryOperator::Plus,
            right: Box::new(Expr::Nested(Box::new(offset.value.clone()))),
        };
    }
    let mut rank = parse_expression("rank() OVER (ORDER BY 1)")?;
    if let Expr::Function(function) = &mut rank
        && let Some(WindowType::WindowSpec(spec)) = &mut function.over
    {
        spec.order_by = order_by;
    }
    select.qualify = Some(Expr::BinaryOp { left: Box::new(rank), op: BinaryOperator::LtEq, right: Box::new(last) });
    Ok(())
}

/// A number of rows: texts and decimals become integers, what is negative or names a column is refused.
fn row_count(expr: &mut Expr) -> Result<()> {
    match expr {
        Expr::Value(value) => {
            let digits = match &value.value {
                Value::SingleQuotedString(text) => text.trim().to_owned(),
                Value::Number(digits, _) if digits.contains(['.', 'e', 'E']) => digits.clone(),
                _ => return Ok(()),
            };
            let number: f64 =
                digits.parse().map_err(|_| EngineError::no_value(ErrorKind::InvalidText, "bigint", &digits))?;
            value.value = Value::Number(format!("{}", number.round_ties_even() as i64), false);
            Ok(())
        }
        Expr::UnaryOp { op: UnaryOperator::Minus, .. } => Ok(()),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => Err(EngineError::new(
            ErrorKind::InvalidColumnReference,
            "argument of LIMIT or OFFSET must not contain variables",
        )),
        Expr::Subquery(_) => Err(unsupported("a subquery in LIMIT or OFFSET")),
        Expr::Nested(inner) => row_count(inner),
        // Clients spell the types of their parameters out; it is a bigint whatever it was.
        Expr::Cast { expr: inner, data_type, .. } if is_integer(data_type) => {
            row_count(inner)?;
            *expr = std::mem::replace(inner, Expr::Value(Value::Null.into()));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn is_integer(data_type: &DataType) -> bool {
    use DataType::{BigInt, Int, Int2, Int4, Int8, Integer, SmallInt};
    matches!(data_type, SmallInt(_) | Int2(_) | Int(_) | Integer(_) | Int4(_) | BigInt(_) | Int8(_))
}

/// True for a call with arguments in parentheses.
pub(super) fn has_arguments(arguments: &FunctionArguments) -> bool {
    matches!(arguments, FunctionArguments::List(list) if !list.args.is_empty())
}
