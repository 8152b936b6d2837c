//! `UPDATE` and `DELETE` as queries: which rows of the table they are about, and what becomes of those.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, BinaryOperator, CastKind, Delete, Expr, FromTable, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, SelectItem, SetExpr, Statement as Ast, TableFactor,
    TableWithJoins, Update, UpdateTableFromKind, Value, With,
};
use zxq_catalog::{ColumnDef, TableDef};

use super::ident::{is_default, normalise};
use super::relations::parts;
use super::statement::{parse, parse_expression, type_named};
use crate::error::{EngineError, ErrorKind, Result};

/// What becomes of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Becomes {
    /// Other rows: `UPDATE`.
    Changed,
    /// Nothing: `DELETE`.
    Deleted,
}

/// An `UPDATE` or a `DELETE`, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct RowCorrection {
    /// What becomes of the rows.
    pub becomes: Becomes,
    /// The table, as it is written.
    pub target: ObjectName,
    alias: Option<Ident>,
    pub(super) with: Option<With>,
    /// What stands behind FROM, or USING.
    others: Vec<TableWithJoins>,
    selection: Option<Expr>,
    pub(super) assignments: Vec<(String, Expr)>,
    returning: Option<Vec<SelectItem>>,
}

/// The query of a correction, which gives the columns of the rows that it is about, then one for each column that is assigned to.
#[derive(Debug, Clone)]
pub struct CorrectionQuery {
    /// The query.
    pub query: DfStatement,
    /// The columns that are assigned to, by their places in the table.
    pub assigned: Vec<usize>,
}

impl RowCorrection {
    /// Takes a statement apart; `None` where it is neither.
    ///
    /// # Errors
    /// [`ErrorKind::FeatureNotSupported`] for forms that PostgreSQL does not have either.
    pub fn of(statement: &DfStatement) -> Result<Option<Self>> {
        let DfStatement::Statement(ast) = statement else { return Ok(None) };
        let (with, ast) = match ast.as_ref() {
            Ast::Query(query) => match query.body.as_ref() {
                SetExpr::Update(ast) | SetExpr::Delete(ast) => (query.with.clone(), ast),
                _ => return Ok(None),
            },
            ast => (None, ast),
        };
        match ast {
            Ast::Update(update) => Self::of_update(update, with).map(Some),
            Ast::Delete(delete) => Self::of_delete(delete, with).map(Some),
            _ => Ok(None),
        }
    }

    fn of_update(update: &Update, with: Option<With>) -> Result<Self> {
        if update.or.is_some() || update.output.is_some() || !update.order_by.is_empty() || update.limit.is_some() {
            return Err(unknown_form("UPDATE"));
        }
        let (target, alias) = target_of(&update.table, "UPDATE")?;
        let others = match &update.from {
            None => Vec::new(),
            Some(UpdateTableFromKind::AfterSet(from)) => from.clone(),
            Some(UpdateTableFromKind::BeforeSet(_)) => return Err(unknown_form("UPDATE")),
        };
        let assignments = assignments_of(&update.assignments)?;
        Ok(RowCorrection {
            becomes: Becomes::Changed,
            target,
            alias,
            with,
            others,
            selection: update.selection.clone(),
            assignments,
            returning: update.returning.clone(),
        })
    }

    fn of_delete(delete: &Delete, with: Option<With>) -> Result<Self> {
        let is_known =
            delete.tables.is_empty() && delete.output.is_none() && delete.order_by.is_empty() && delete.limit.is_none();
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let ([table], true) = (from.as_slice(), is_known) else { return Err(unknown_form("DELETE")) };
        let (target, alias) = target_of(table, "DELETE")?;
        Ok(RowCorrection {
            becomes: Becomes::Deleted,
            target,
            alias,
            with,
            others: delete.using.clone().unwrap_or_default(),
            selection: delete.selection.clone(),
            assignments: Vec::new(),
            returning: delete.returning.clone(),
        })
    }

    /// Only rows of which this is true, too.
    pub(super) fn and_where(&mut self, condition: Expr) {
        let nested = |expr| Box::new(Expr::Nested(Box::new(expr)));
        self.selection = Some(match self.selection.take() {
            Some(before) => Expr::BinaryOp { left: nested(before), op: BinaryOperator::And, right: nested(condition) },
            None => condition,
        });
    }

    /// True where other tables stand beside the one that is corrected: a row may then be found several times.
    pub fn joins(&self) -> bool {
        !self.others.is_empty()
    }

    /// True where every row of the table is meant.
    pub fn is_of_all(&self) -> bool {
        self.selection.is_none() && self.others.is_empty()
    }

    /// The query that finds the rows of the table and computes what they become.
    ///
    /// # Errors
    /// [`ErrorKind::UndefinedColumn`]; [`ErrorKind::GeneratedAlways`] for a column that is computed from others.
    pub fn query(&self, table: &TableDef) -> Result<CorrectionQuery> {
        let qualifier = match &self.alias {
            Some(alias) => alias.clone(),
            None => Ident::with_quote('"', parts(&self.target).pop().unwrap_or_default()),
        };
        let name = |kind: &str, place: usize| Ident::with_quote('"', format!("{kind} {place}"));
        let mut items: Vec<SelectItem> = Vec::with_capacity(table.columns.len() + self.assignments.len());
        for (place, column) in table.columns.iter().enumerate() {
            let own = Ident::with_quote('"', column.name.clone());
            let expr = Expr::CompoundIdentifier(vec![qualifier.clone(), own]);
            items.push(SelectItem::ExprWithAlias { expr, alias: name("old", place) });
        }
        let mut assigned = Vec::with_capacity(self.assignments.len());
        for (column, value) in &self.assignments {
            let place = table.column_index(column).ok_or_else(|| {
                let message = format!("column \"{column}\" of relation \"{}\" does not exist", table.name);
                EngineError::new(ErrorKind::UndefinedColumn, message).about_name(column)
            })?;
            let column = &table.columns[place];
            if column.generated.is_some() {
                if is_default(value) {
                    continue;
                }
                let message = format!("column \"{}\" can only be updated to DEFAULT", column.name);
                return Err(EngineError::new(ErrorKind::GeneratedAlways, message)
                    .with_hint("It is computed from other columns"));
            }
            items.push(SelectItem::ExprWithAlias { expr: becomes(column, value)?, alias: name("new", place) });
            assigned.push(place);
        }
        let mut from = vec![self.own_table()?];
        from.extend(self.others.iter().cloned());
        let mut query = query_of(items, from)?;
        query.with.clone_from(&self.with);
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.selection.clone_from(&self.selection);
        }
        Ok(CorrectionQuery { query: DfStatement::Statement(Box::new(Ast::Query(Box::new(query)))), assigned })
    }

    /// The query over the corrected rows that RETURNING is; `None` where nothing is returned.
    ///
    /// # Errors
    /// None but bugs.
    pub fn returning(&self) -> Result<Option<DfStatement>> {
        let Some(items) = &self.returning else { return Ok(None) };
        let query = query_of(items.clone(), vec![self.own_table()?])?;
        Ok(Some(DfStatement::Statement(Box::new(Ast::Query(Box::new(query))))))
    }

    fn own_table(&self) -> Result<TableWithJoins> {
        let alias = self.alias.as_ref().map_or_else(String::new, |alias| format!(" AS {alias}"));
        let template = template(&format!("SELECT 1 FROM {}{alias}", self.target))?;
        match *template.body {
            SetExpr::Select(mut select) if select.from.len() == 1 => Ok(select.from.remove(0)),
            _ => Err(EngineError::internal("a table became another form")),
        }
    }
}

/// What SET assigns: columns, by their names, and values.
pub(super) fn assignments_of(set: &[Assignment]) -> Result<Vec<(String, Expr)>> {
    let mut assignments = Vec::with_capacity(set.len());
    for assignment in set {
        match &assignment.target {
            AssignmentTarget::ColumnName(name) => assignments.push((column_of(name)?, assignment.value.clone())),
            AssignmentTarget::Tuple(names) => {
                let values = values_of(&assignment.value, names.len())?;
                for (name, value) in names.iter().zip(values) {
                    assignments.push((column_of(name)?, value));
                }
            }
        }
    }
    let mut seen = BTreeSet::new();
    if let Some((twice, _)) = assignments.iter().find(|(name, _)| !seen.insert(name.as_str())) {
        let message = format!("multiple assignments to same column \"{twice}\"");
        return Err(EngineError::new(ErrorKind::Syntax, message));
    }
    Ok(assignments)
}

/// What is assigned, in the type of its column where nothing else says which type it has: the checks of rows do the rest, as they do
/// for INSERT. Moments are made where the session's time zone is known.
fn becomes(column: &ColumnDef, value: &Expr) -> Result<Expr> {
    let value = match is_default(value) {
        false => value.clone(),
        true => match &column.default {
            Some(default) => Expr::Nested(Box::new(parse_expression(default)?)),
            None => Expr::Value(Value::Null.into()),
        },
    };
    let bare = {
        let mut bare = &value;
        while let Expr::Nested(inner) = bare {
            bare = inner;
        }
        matches!(bare, Expr::Value(value) if matches!(value.value, Value::Null | Value::Placeholder(_)))
    };
    if !bare && !matches!(column.data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Time64(_)) {
        return Ok(value);
    }
    // A cast cuts texts that are too long, which an assignment refuses.
    let type_name = if column.max_chars.is_some() { "TEXT" } else { column.sql_type.as_str() };
    Ok(Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Nested(Box::new(value))),
        data_type: type_named(type_name)?,
        array: false,
        format: None,
    })
}

/// The values for so many columns.
fn values_of(value: &Expr, count: usize) -> Result<Vec<Expr>> {
    let of_row = |function: &Function| match &function.args {
        FunctionArguments::List(list) if function.name.to_string().eq_ignore_ascii_case("row") => {
            let value = |arg: &FunctionArg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            };
            list.args.iter().map(value).collect::<Option<Vec<_>>>()
        }
        _ => None,
    };
    let values = match value {
        Expr::Tuple(values) => Some(values.clone()),
        Expr::Nested(one) => Some(vec![one.as_ref().clone()]),
        Expr::Function(function) => of_row(function),
        Expr::Subquery(query) => columns_of(query),
        _ => None,
    };
    let Some(values) = values else {
        let message = "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression";
        return Err(EngineError::new(ErrorKind::FeatureNotSupported, message));
    };
    if values.len() != count {
        return Err(EngineError::new(ErrorKind::Syntax, "number of columns does not match number of values"));
    }
    Ok(values)
}

/// A query of one row as a query for each of its columns.
fn columns_of(query: &Query) -> Option<Vec<Expr>> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let is_one = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    if !select.projection.iter().all(is_one) {
        return None;
    }
    let of_column = |item: &SelectItem| {
        let mut query = query.clone();
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection = vec![item.clone()];
        }
        Expr::Subquery(Box::new(query))
    };
    Some(select.projection.iter().map(of_column).collect())
}

fn column_of(name: &ObjectName) -> Result<String> {
    match parts(name).as_slice() {
        [column] => Ok(column.clone()),
        // As PostgreSQL, which takes it for a field of a column.
        [first, ..] => {
            let message = format!("column \"{first}\" does not exist");
            Err(EngineError::new(ErrorKind::UndefinedColumn, message)
                .with_hint("SET target columns cannot be qualified with the relation name."))
        }
        [] => Err(EngineError::internal("a column without a name")),
    }
}

fn target_of(table: &TableWithJoins, what: &str) -> Result<(ObjectName, Option<Ident>)> {
    match &table.relation {
        TableFactor::Table { name, alias, args: None, .. } if table.joins.is_empty() => {
            let alias = alias.as_ref().map(|alias| Ident::with_quote('"', normalise(&alias.name)));
            Ok((name.clone(), alias))
        }
        _ => Err(unknown_form(what)),
    }
}

fn query_of(projection: Vec<SelectItem>, from: Vec<TableWithJoins>) -> Result<Query> {
    let mut query = template("SELECT 1")?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = projection;
        select.from = from;
    }
    Ok(query)
}

fn template(text: &str) -> Result<Query> {
    match parse(text)?.pop().map(super::Statement::into_parsed) {
        Some(DfStatement::Statement(ast)) => match *ast {
            Ast::Query(query) => Ok(*query),
            _ => Err(EngineError::internal("a query became another statement")),
        },
        _ => Err(EngineError::internal("a query became another statement")),
    }
}

fn unknown_form(what: &str) -> EngineError {
    let message = format!("this form of {what} is not supported: write it as PostgreSQL has it, of one table");
    EngineError::new(ErrorKind::FeatureNotSupported, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn table() -> TableDef {
        let Ast::CreateTable(create) = parse(
            "CREATE TABLE t (id BIGINT, name VARCHAR(9) DEFAULT 'x', at TIMESTAMPTZ, twice BIGINT GENERATED ALWAYS AS (id * 2) STORED)",
        )
        .unwrap()
        .pop()
        .and_then(|statement| statement.ast().cloned())
        .unwrap() else {
            unreachable!("it is parsed above")
        };
        crate::sql::create_table(&create).unwrap()
    }

    fn correction(text: &str) -> Result<RowCorrection> {
        Ok(RowCorrection::of(&parse(text)?.pop().unwrap().into_parsed())?.unwrap())
    }

    fn query(text: &str) -> Result<(String, Vec<usize>)> {
        let CorrectionQuery { query, assigned } = correction(text)?.query(&table())?;
        let text = query.to_string();
        let (_, new) = text.split_once("\"old 3\"").unwrap();
        Ok((new.trim_start_matches(", ").trim().to_owned(), assigned))
    }

    #[test]
    fn an_update_is_a_query_of_what_becomes_of_rows() {
        assert_eq!(
            query("UPDATE t SET id = id + 1, name = DEFAULT WHERE id > 3").unwrap(),
            ("id + 1 AS \"new 0\", ('x') AS \"new 1\" FROM t WHERE id > 3".to_owned(), vec![0, 1])
        );
        assert_eq!(
            query("UPDATE public.t AS u SET name = $1, at = '2024-01-01' FROM v WHERE v.id = u.id").unwrap().0,
            "CAST(($1) AS TEXT) AS \"new 1\", CAST(('2024-01-01') AS TIMESTAMPTZ) AS \"new 2\" FROM public.t AS \"u\", v WHERE v.id \
             = u.id"
        );
        assert_eq!(
            query("WITH w AS (SELECT 1 AS k) UPDATE t SET (id, name) = (SELECT k, 'a' FROM w)").unwrap(),
            ("(SELECT k FROM w) AS \"new 0\", (SELECT 'a' FROM w) AS \"new 1\" FROM t".to_owned(), vec![0, 1])
        );
        assert_eq!(query("UPDATE t SET (id, name) = ROW(1, 'b'), twice = DEFAULT").unwrap().1, [0, 1]);
    }

    #[test]
    fn a_delete_is_a_query_of_its_rows() {
        assert_eq!(query("DELETE FROM t USING v WHERE v.id = t.id").unwrap().0, "FROM t, v WHERE v.id = t.id");
        let all = correction("DELETE FROM t").unwrap();
        assert!(all.is_of_all() && all.becomes == Becomes::Deleted && all.returning().unwrap().is_none());
        let returning = correction("DELETE FROM t d WHERE id = 1 RETURNING *, id").unwrap().returning().unwrap();
        assert_eq!(returning.unwrap().to_string(), "SELECT *, id FROM t AS \"d\"");
    }

    #[test]
    fn what_cannot_be_assigned_is_refused() {
        for (text, kind) in [
            ("UPDATE t SET nothing = 1", ErrorKind::UndefinedColumn),
            ("UPDATE t SET t.id = 1", ErrorKind::UndefinedColumn),
            ("UPDATE t SET twice = 1", ErrorKind::GeneratedAlways),
            ("UPDATE t SET id = 1, id = 2", ErrorKind::Syntax),
            ("UPDATE t SET (id, name) = (1, 'a', 2)", ErrorKind::Syntax),
            ("UPDATE t SET (id, name) = 1", ErrorKind::FeatureNotSupported),
        ] {
            assert_eq!(query(text).unwrap_err().kind(), kind, "{text}");
        }
    }
}
