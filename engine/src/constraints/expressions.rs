//! DEFAULT, GENERATED and CHECK texts, compiled.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use chrono::{DateTime, Utc};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::execution::SessionState;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::sql::sqlparser::ast::ExprWithAlias;
use zxq_catalog::ColumnDef;
use zxq_language::functions::{declared, text_forms, times};
use zxq_language::semantics::analyzer;
use zxq_language::sql::postgres_forms::rewrite_expression;
use zxq_language::sql::statement::parse_expression;

use crate::constraints::cast::cast_column;
use crate::error::{EngineError, ErrorKind, Result};

/// A DEFAULT, ready to fill a column.
#[derive(Debug, Clone)]
pub(super) enum DefaultValue {
    /// The same for every row, in the column's type.
    Constant(ScalarValue),
    /// Evaluated for every batch: `now()`, `random()`.
    Expression(Box<Expr>),
}

/// An expression over a table's columns.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) physical: Arc<dyn PhysicalExpr>,
    /// Names of the columns it reads, in order.
    pub(super) columns: Vec<String>,
}

/// The logical form of an expression text; it may use the columns of `schema`.
fn logical(state: &SessionState, schema: &DFSchema, text: &str) -> Result<Expr> {
    let mut parsed = parse_expression(text)?;
    rewrite_expression(&mut parsed)?;
    let expr = state.create_logical_expr_from_sql_expr(ExprWithAlias { expr: parsed, alias: None }, schema)?;
    let foreign = expr.exists(|e| {
        Ok(matches!(
            e,
            Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::Placeholder(_)
        ))
    })?;
    if foreign {
        return Err(EngineError::new(
            ErrorKind::InvalidDefinition,
            "it may use the row's columns and scalar functions, but no aggregates, windows, subqueries or parameters",
        ));
    }
    let expr = text_forms::rewrite(expr, schema)?;
    let expr = declared::rewrite(times::rewrite(expr, schema)?, schema)?;
    Ok(analyzer::rewrite(expr, schema)?)
}

/// True when the expression gives the same result whenever it is asked.
fn is_immutable(expr: &Expr) -> Result<bool> {
    let changing = expr.exists(|e| {
        Ok(match e {
            Expr::ScalarFunction(function) => function.func.signature().volatility != Volatility::Immutable,
            Expr::ScalarVariable(_, _) => true,
            _ => false,
        })
    })?;
    Ok(!changing)
}

fn simplified(expr: Expr, schema: &DFSchema, config: &Arc<ConfigOptions>, now: Option<DateTime<Utc>>) -> Result<Expr> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(config))
        .with_query_execution_start_time(now)
        .build();
    let simplifier = ExprSimplifier::new(context);
    let coerced = simplifier.coerce(expr, schema)?;
    Ok(simplifier.simplify(coerced)?)
}

/// Compiles a column's DEFAULT.
pub(super) fn compile_default(column: &ColumnDef, state: &SessionState) -> Result<Option<DefaultValue>> {
    let Some(text) = &column.default else { return Ok(None) };
    let of_column = |e: EngineError| e.context(format!("DEFAULT of column \"{}\"", column.name));
    let nothing = DFSchema::empty();
    let expr = logical(state, &nothing, text).map_err(of_column)?;
    if !is_immutable(&expr)? {
        return Ok(Some(DefaultValue::Expression(Box::new(expr))));
    }
    match simplified(expr, &nothing, state.config_options(), None).map_err(of_column)? {
        Expr::Literal(value, _) => {
            let values = value.to_array().map_err(|e| of_column(e.into()))?;
            let casted = cast_column(&values, column).map_err(of_column)?;
            if let Some((_, problem)) = casted.bad.first() {
                return Err(of_column(EngineError::new(
                    problem.kind(),
                    format!("{text} is no value of type {}", column.sql_type),
                )));
            }
            Ok(Some(DefaultValue::Constant(ScalarValue::try_from_array(&casted.values, 0)?)))
        }
        other => Ok(Some(DefaultValue::Expression(Box::new(other)))),
    }
}

/// Compiles an expression over the table's columns: a CHECK or a generated column.
pub(super) fn compile(state: &SessionState, schema: &Schema, what: &str, text: &str) -> Result<(Compiled, DataType)> {
    let described = |e: EngineError| e.context(what);
    let df_schema = DFSchema::try_from(schema.clone())?;
    let expr = logical(state, &df_schema, text).map_err(described)?;
    if !is_immutable(&expr)? {
        return Err(described(EngineError::new(
            ErrorKind::InvalidDefinition,
            "it may only use functions whose result depends on their arguments alone (not now(), random(), …)",
        )));
    }
    let mut columns: Vec<String> = expr.column_refs().into_iter().map(|c| c.name.clone()).collect();
    columns.sort_by_key(|name| schema.index_of(name).unwrap_or(usize::MAX));
    let expr = simplified(expr, &df_schema, state.config_options(), None).map_err(described)?;
    let physical = create_physical_expr(&expr, &df_schema, state.execution_props()).map_err(|e| described(e.into()))?;
    let data_type = physical.data_type(schema).map_err(|e| described(e.into()))?;
    Ok((Compiled { physical, columns }, data_type))
}

/// Values of a DEFAULT for `rows` rows.
pub(super) fn evaluate_default(expr: &Expr, rows: usize, config: &Arc<ConfigOptions>, now_us: i64) -> Result<ArrayRef> {
    let nothing = DFSchema::empty();
    let expr = simplified(expr.clone(), &nothing, config, DateTime::from_timestamp_micros(now_us))?;
    let physical = create_physical_expr(&expr, &nothing, &ExecutionProps::new())?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
    Ok(physical.evaluate(&batch)?.into_array(rows)?)
}

/// A row on which an expression failed.
pub(super) struct FailedRow {
    pub(super) row: usize,
    pub(super) error: EngineError,
}

impl Compiled {
    /// Values for every row. When the expression fails (division by zero), the rows it fails on are found by halving,
    /// and are NULL in the result.
    pub(super) fn evaluate(&self, batch: &RecordBatch) -> Result<(ArrayRef, Vec<FailedRow>)> {
        if batch.num_rows() == 0 {
            return Ok((self.values(batch)?, Vec::new()));
        }
        match self.values(batch) {
            Ok(values) => Ok((values, Vec::new())),
            Err(_) => {
                let mut pieces = Vec::new();
                let mut failed = Vec::new();
                self.evaluate_halves(batch, 0, &mut pieces, &mut failed)?;
                let refs: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
                Ok((arrow::compute::concat(&refs)?, failed))
            }
        }
    }

    fn values(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        Ok(self.physical.evaluate(batch)?.into_array(batch.num_rows())?)
    }

    fn evaluate_halves(
        &self,
        batch: &RecordBatch,
        first: usize,
        pieces: &mut Vec<ArrayRef>,
        failed: &mut Vec<FailedRow>,
    ) -> Result<()> {
        let rows = batch.num_rows();
        match self.values(batch) {
            Ok(values) => pieces.push(values),
            Err(error) if rows <= 1 => {
                failed.push(FailedRow { row: first, error });
                let data_type = self.physical.data_type(batch.schema_ref())?;
                pieces.push(arrow::array::new_null_array(&data_type, rows));
            }
            Err(_) => {
                let half = rows / 2;
                self.evaluate_halves(&batch.slice(0, half), first, pieces, failed)?;
                self.evaluate_halves(&batch.slice(half, rows - half), first + half, pieces, failed)?;
            }
        }
        Ok(())
    }

    /// The rows on which a CHECK is false. NULL passes.
    pub(super) fn false_rows(&self, batch: &RecordBatch) -> Result<(Vec<usize>, Vec<FailedRow>)> {
        let (values, failed) = self.evaluate(batch)?;
        let flags = values.as_boolean();
        if flags.false_count() == 0 {
            return Ok((Vec::new(), failed));
        }
        Ok((false_positions(flags), failed))
    }
}

fn false_positions(flags: &BooleanArray) -> Vec<usize> {
    (0..flags.len()).filter(|row| flags.is_valid(*row) && !flags.value(*row)).collect()
}
