//! `INSERT` as PostgreSQL has it: `DEFAULT` among the values, fewer values than columns, generated columns, and values
//! cast to their columns by the rules of [`crate::constraints`] instead of a query's.

use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::logical_plan::Values;
use datafusion::logical_expr::{DmlStatement, Expr, ExprSchemable, LogicalPlan, Projection};
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast;
use zxq_catalog::TableDef;

use crate::constraints::RowChecker;
use crate::constraints::numbers::is_numbered;
use crate::error::{EngineError, ErrorKind, Result};
use crate::functions::text_beside_times::value_in;
use crate::scan::tiered_table::TieredTable;
use crate::session::EngineSession;
use crate::session::temporary::{TEMPORARY, TemporaryTable};
use crate::sql;
use crate::sql::relations::parts;
use crate::state::engine::Engine;
use crate::values::zone::Zone;

fn syntax(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorKind::Syntax, message)
}

/// Spells an INSERT out: names its columns, writes defaults in place of `DEFAULT`, leaves out generated columns that
/// are given as `DEFAULT`. What is not an INSERT, or into no table of ours, stays as it is.
///
/// # Errors
/// Unknown columns, values for generated columns, and lists that do not fit together.
pub(crate) fn spell_out(session: &EngineSession, statement: &mut DfStatement) -> Result<()> {
    let engine = &session.engine;
    let Some(insert) = insert_of(statement) else { return Ok(()) };
    let ast::TableObject::TableName(name) = &insert.table else { return Ok(()) };
    if let [schema, table] = parts(name).as_slice()
        && schema == TEMPORARY
        && let Some(table) = session.names.temporaries.table(table)
    {
        return spell_columns_out(insert, table.checker());
    }
    let Ok(name) = sql::table_name(name) else { return Ok(()) };
    let snapshot = engine.snapshot();
    let Some(table) = snapshot.table(&name) else { return Ok(()) };
    engine.own_table(&name)?;
    let checker = engine.checkers.of(&table.def)?;
    spell_columns_out(insert, &checker)
}

/// The INSERT that a statement is.
pub(crate) fn insert_of(statement: &mut DfStatement) -> Option<&mut ast::Insert> {
    let DfStatement::Statement(statement) = statement else { return None };
    match statement.as_mut() {
        ast::Statement::Insert(insert) => Some(insert),
        ast::Statement::Query(query) => match query.body.as_mut() {
            ast::SetExpr::Insert(ast::Statement::Insert(insert)) => Some(insert),
            _ => None,
        },
        _ => None,
    }
}

fn spell_columns_out(insert: &mut ast::Insert, checker: &RowChecker) -> Result<()> {
    let def = checker.table();
    let mut columns: Vec<String> = Vec::with_capacity(insert.columns.len());
    for name in &insert.columns {
        let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
            return Err(syntax(format!("a column of {} was expected, not {name}", def.name)));
        };
        columns.push(sql::normalise(ident));
    }
    if insert.source.is_none() {
        // INSERT INTO t DEFAULT VALUES
        insert.source = Some(Box::new(default_row(def.columns.len())?));
    }
    let rows = match insert.source.as_mut().map(|query| query.body.as_mut()) {
        Some(ast::SetExpr::Values(values)) => Some(&mut values.rows),
        _ => None,
    };
    if let Some(rows) = rows {
        let width = rows.first().map_or(0, |row| row.content.len());
        if rows.iter().any(|row| row.content.len() != width) {
            return Err(syntax("VALUES lists must all be the same length"));
        }
        if columns.is_empty() {
            columns.extend(def.columns.iter().take(width).map(|c| c.name.clone()));
        }
        if width > columns.len() {
            return Err(syntax(format!(
                "INSERT has more expressions ({width}) than target columns ({})",
                columns.len()
            )));
        }
        if width < columns.len() {
            return Err(syntax(format!(
                "INSERT has more target columns ({}) than expressions ({width})",
                columns.len()
            )));
        }
        leave_out_generated(&mut columns, rows, def);
        write_defaults(&columns, rows, def)?;
    }
    if !columns.is_empty() {
        checker.check_insert_columns(&columns)?;
    }
    insert.columns = columns.into_iter().map(|name| ast::ObjectName::from(vec![quoted(name)])).collect();
    Ok(())
}

/// `VALUES (DEFAULT, …)`, with so many columns.
fn default_row(columns: usize) -> Result<ast::Query> {
    let text = format!("VALUES ({})", vec!["DEFAULT"; columns].join(", "));
    match sql::parse(&text)?.pop().and_then(|statement| statement.ast().cloned()) {
        Some(ast::Statement::Query(query)) => Ok(*query),
        _ => Err(EngineError::internal("VALUES made no query")),
    }
}

fn quoted(name: String) -> ast::Ident {
    ast::Ident::with_quote('"', name)
}

fn leave_out_generated(columns: &mut Vec<String>, rows: &mut [ast::Parens<Vec<ast::Expr>>], def: &TableDef) {
    for position in (0..columns.len()).rev() {
        let generated = def.column(&columns[position]).is_some_and(|c| c.generated.is_some() || is_numbered(c));
        // One column has to stay, or there would be no rows to tell.
        if generated
            && columns.len() > 1
            && rows.iter().all(|row| row.content.get(position).is_some_and(sql::is_default))
        {
            columns.remove(position);
            for row in rows.iter_mut() {
                row.content.remove(position);
            }
        }
    }
}

fn write_defaults(columns: &[String], rows: &mut [ast::Parens<Vec<ast::Expr>>], def: &TableDef) -> Result<()> {
    for row in rows {
        for (name, expr) in columns.iter().zip(&mut row.content) {
            if sql::is_default(expr) {
                if def.column(name).is_some_and(is_numbered) {
                    let message = format!(
                        "DEFAULT for some rows of column \"{name}\", which is numbered, is not supported: leave the column out"
                    );
                    return Err(EngineError::new(ErrorKind::FeatureNotSupported, message));
                }
                *expr = match def.column(name).and_then(|c| c.default.as_deref()) {
                    Some(default) => ast::Expr::Nested(Box::new(sql::statement::parse_expression(default)?)),
                    None => ast::Expr::Value(ast::Value::Null.into()),
                };
            }
        }
    }
    Ok(())
}

/// The planned INSERT, with casts to the columns' types left to the row checker, whose errors name column and value:
/// constants of `VALUES` are cast here, what a query yields when it comes.
///
/// # Errors
/// A constant that does not fit its column.
pub(crate) fn leave_casts_to_checker(plan: LogicalPlan, engine: &Arc<Engine>, zone: Zone) -> Result<LogicalPlan> {
    let LogicalPlan::Dml(dml) = plan else { return Ok(plan) };
    let Some(def) = target(&dml) else { return Ok(LogicalPlan::Dml(dml)) };
    let checker = engine.checkers.of(&def)?;
    let input = dml.input.as_ref().clone().transform_down(|node| {
        let LogicalPlan::Projection(projection) = node else { return Ok(Transformed::no(node)) };
        let is_values = matches!(projection.input.as_ref(), LogicalPlan::Values(_));
        let input = match projection.input.as_ref() {
            LogicalPlan::Values(values) => {
                Arc::new(LogicalPlan::Values(fit_values(values, &projection.expr, &checker, zone)?))
            }
            _ => Arc::clone(&projection.input),
        };
        // Local times of a query become moments, and moments local times, where the session's zone is known, not in the checker.
        let is_moved = |expr: &Expr| becomes_moment(expr) || becomes_local(expr, projection.input.schema());
        let stays = |expr: &Expr| !is_values && !zone.is_utc() && is_moved(expr);
        let stripped = |expr: Expr| if stays(&expr) { expr } else { without_cast(expr, projection.input.schema()) };
        let exprs = projection.expr.into_iter().map(stripped).collect();
        let stripped = LogicalPlan::Projection(Projection::try_new(exprs, input)?);
        // Only the topmost projection is INSERT's own.
        Ok(Transformed::new(stripped, true, datafusion::common::tree_node::TreeNodeRecursion::Stop))
    })?;
    Ok(LogicalPlan::Dml(DmlStatement::new(dml.table_name, dml.target, dml.op, Arc::new(input.data))))
}

fn target(dml: &DmlStatement) -> Option<Arc<TableDef>> {
    let provider = source_as_provider(&dml.target).ok()?;
    let any: &dyn std::any::Any = provider.as_ref();
    let temporary = any.downcast_ref::<TemporaryTable>().map(|table| Arc::clone(table.definition()));
    temporary.or_else(|| any.downcast_ref::<TieredTable>().map(|table| Arc::clone(table.definition())))
}

/// `CAST(column AS type) AS name` to `column AS name`, but for a column of NULLs: without a type it would be taken for one that is
/// left out, as `CAST(NULL AS type)` is, which becomes `NULL`.
fn without_cast(expr: Expr, input: &DFSchema) -> Expr {
    match expr {
        Expr::Alias(mut alias) => {
            if let Expr::Cast(cast) = alias.expr.as_ref() {
                match cast.expr.as_ref() {
                    Expr::Column(column) if input.field_from_column(column).is_ok_and(|f| !f.data_type().is_null()) => {
                        alias.expr = cast.expr.clone();
                    }
                    Expr::Literal(ScalarValue::Null, _) => alias.expr = cast.expr.clone(),
                    _ => {}
                }
            } else if matches!(alias.expr.as_ref(), Expr::Literal(value, _) if value.is_null()) {
                *alias.expr = Expr::Literal(ScalarValue::Null, None);
            }
            Expr::Alias(alias)
        }
        other => other,
    }
}

/// Casts the constants of `VALUES` to the types of the columns they go to.
fn fit_values(
    values: &Values,
    targets: &[Expr],
    checker: &RowChecker,
    zone: Zone,
) -> datafusion::error::Result<Values> {
    let mut rows = values.values.clone();
    for (position, field) in values.schema.fields().iter().enumerate() {
        let goes_to = targets.iter().find_map(|expr| match expr {
            Expr::Alias(alias) => match alias.expr.as_ref() {
                Expr::Column(column) if column.name == *field.name() => Some(alias.name.as_str()),
                Expr::Cast(cast) => match cast.expr.as_ref() {
                    Expr::Column(column) if column.name == *field.name() => Some(alias.name.as_str()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        });
        let Some(name) = goes_to else { continue };
        for row in &mut rows {
            if let Some(cell) = row.get_mut(position)
                && let Some(constant) = constant(cell, field.data_type())
            {
                let column = checker.table().column(name).map(|column| &column.data_type);
                let local = column.and_then(|column| local_moment(constant, column, zone)).transpose()?;
                *cell = Expr::Literal(fit(local.as_ref().unwrap_or(constant), name, checker)?, None);
            } else if let Some(cell) = row.get(position) {
                refuse_time_as_number(cell, name, checker)?;
            }
        }
    }
    let nullable: Vec<_> = values
        .schema
        .iter()
        .map(|(qualifier, field)| (qualifier.cloned(), Arc::new(field.as_ref().clone().with_nullable(true))))
        .collect();
    let schema = DFSchema::new_with_metadata(nullable, values.schema.as_ref().metadata().clone())?;
    Ok(Values { schema: Arc::new(schema), values: rows })
}

/// A time does not become a number, which the cast that was put around it would make of it.
fn refuse_time_as_number(cell: &Expr, column: &str, checker: &RowChecker) -> datafusion::error::Result<()> {
    let cell = cell.clone().unalias();
    let Expr::Cast(cast) = &cell else { return Ok(()) };
    let from = cast.expr.get_type(&DFSchema::empty())?;
    if (from.is_temporal() || matches!(from, DataType::Interval(_))) && cast.field.data_type().is_numeric() {
        let values = arrow::array::new_empty_array(&from);
        let batch = RecordBatch::try_from_iter_with_nullable([(column, values, true)])?;
        checker.cast_one(&batch)?;
    }
    Ok(())
}

/// The moment that a time without a zone is, for a column of moments. `None` where the zone makes no difference.
fn local_moment(constant: &ScalarValue, column: &DataType, zone: Zone) -> Option<Result<ScalarValue>> {
    if zone.is_utc() || !matches!(column, DataType::Timestamp(_, Some(_))) {
        return None;
    }
    if let Some(Some(text)) = constant.try_as_str() {
        return Some(value_in(text, column, zone).map_err(EngineError::from));
    }
    let local = match constant {
        ScalarValue::TimestampMicrosecond(Some(local), None) => *local,
        ScalarValue::Date32(Some(day)) => i64::from(*day) * 86_400_000_000,
        _ => return None,
    };
    let moment =
        zone.from_local(local).map(|moment| ScalarValue::TimestampMicrosecond(Some(moment), Some("UTC".into())));
    Some(moment.ok_or_else(|| EngineError::new(ErrorKind::DatetimeOutOfRange, "timestamp out of range")))
}

/// True for `CAST(… AS TIMESTAMPTZ) AS name`.
fn becomes_moment(expr: &Expr) -> bool {
    let Expr::Alias(alias) = expr else { return false };
    matches!(alias.expr.as_ref(), Expr::Cast(cast) if matches!(cast.field.data_type(), DataType::Timestamp(_, Some(_))))
}

/// True for a moment that is cast to something else.
fn becomes_local(expr: &Expr, input: &DFSchema) -> bool {
    let Expr::Alias(alias) = expr else { return false };
    matches!(alias.expr.as_ref(), Expr::Cast(cast) if matches!(cast.expr.get_type(input), Ok(DataType::Timestamp(_, Some(_)))))
}

/// The constant that a cell is, before it was cast to its column's type.
fn constant<'a>(cell: &'a Expr, column_type: &DataType) -> Option<&'a ScalarValue> {
    match cell {
        Expr::Literal(value, _) => Some(value),
        Expr::Cast(cast) if cast.field.data_type() == column_type => match cast.expr.as_ref() {
            Expr::Literal(value, _) => Some(value),
            _ => None,
        },
        Expr::Alias(alias) => constant(&alias.expr, column_type),
        _ => None,
    }
}

fn fit(constant: &ScalarValue, column: &str, checker: &RowChecker) -> Result<ScalarValue> {
    let values = constant.to_array_of_size(1)?;
    let batch = RecordBatch::try_from_iter_with_nullable([(column, values, true)])?;
    let fitted = checker.cast_one(&batch)?;
    Ok(ScalarValue::try_from_array(&fitted, 0)?)
}
