//! Prepared statements: planned once, executed many times.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use parking_lot::Mutex;

use crate::call::Procedure;
use crate::ddl;
use crate::engine::Engine;
use crate::error::{EngineError, ErrorKind, Result};
use crate::insert_statement;
use crate::query_log::QueryEntry;
use crate::session::{EngineSession, Outcome, positional};
use crate::sql::output_names::{lay_over, output_names};
use crate::sql::{Statement, StatementKind, postgres_forms};
use crate::tier_scan_exec::ScanReport;

/// A planned statement.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The statement.
    pub statement: Statement,
    /// Types of `$1 …`, in order.
    pub param_types: Vec<DataType>,
    /// Schema of its rows; `None` when it returns none.
    pub schema: Option<SchemaRef>,
    work: Work,
}

#[derive(Debug, Clone)]
enum Work {
    /// A plan; `optimised` says that it need not be optimised again.
    Plan { plan: Box<LogicalPlan>, optimised: bool },
    /// A `CALL`.
    Procedure(Procedure),
    /// DDL and settings, planned when executed.
    Command,
}

impl Prepared {
    pub(crate) async fn new(
        session: &EngineSession,
        statement: &Statement,
        hints: &[Option<DataType>],
    ) -> Result<Prepared> {
        let bare = |work, schema| Prepared { statement: statement.clone(), param_types: Vec::new(), schema, work };
        match statement.kind() {
            StatementKind::Query
            | StatementKind::Explain
            | StatementKind::Insert
            | StatementKind::Show
            | StatementKind::Describe => {}
            StatementKind::Call => {
                let procedure = Procedure::parse(statement)?;
                let schema = procedure.schema();
                return Ok(bare(Work::Procedure(procedure), Some(schema)));
            }
            _ => return Ok(bare(Work::Command, None)),
        }
        let state = session.context().state();
        let plan = plan_statement(session, &state, statement).await?;
        let inferred = plan.get_parameter_types()?;
        let param_types = parameter_types(&inferred, hints)?;
        let is_rows = statement.kind() != StatementKind::Insert;
        // Types are settled by the analyser.
        let is_query = statement.kind() == StatementKind::Query;
        let optimised = is_query && is_repeatable(&plan);
        let plan = if optimised {
            state.optimize(&plan)?
        } else if is_query {
            state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?
        } else {
            plan
        };
        let schema = is_rows.then(|| named_as_in_postgres(statement, plan.schema().as_arrow()));
        let work = Work::Plan { plan: Box::new(plan), optimised };
        Ok(Prepared { statement: statement.clone(), param_types, schema, work })
    }

    pub(crate) async fn execute(&self, session: &EngineSession, params: Vec<ScalarValue>) -> Result<Outcome> {
        let engine = &session.engine;
        if engine.is_closed() {
            return Err(EngineError::new(ErrorKind::ShuttingDown, "the engine is shutting down"));
        }
        let entry = engine.queries.start(self.statement.text(), engine.now_us());
        let outcome = match &self.work {
            Work::Plan { plan, optimised } => self.execute_plan(session, plan, *optimised, params, &entry).await,
            Work::Procedure(procedure) => procedure.run(session).await.map(Outcome::from_batch),
            Work::Command => ddl::run(session, &self.statement).await,
        };
        match outcome {
            Ok(Outcome::Rows { schema, stream }) => {
                let stream = logged(stream, Arc::clone(engine), entry);
                Ok(Outcome::Rows { schema, stream })
            }
            Ok(command) => {
                finish(&entry, engine, None);
                Ok(command)
            }
            Err(error) => {
                finish(&entry, engine, Some(error.to_string()));
                Err(error)
            }
        }
    }

    async fn execute_plan(
        &self,
        session: &EngineSession,
        plan: &LogicalPlan,
        optimised: bool,
        params: Vec<ScalarValue>,
        entry: &Mutex<QueryEntry>,
    ) -> Result<Outcome> {
        if params.len() != self.param_types.len() {
            return Err(EngineError::new(
                ErrorKind::InvalidParameter,
                format!("the statement has {} parameters, {} were given", self.param_types.len(), params.len()),
            ));
        }
        let state = session.context().state();
        let mut plan = plan.clone();
        if !params.is_empty() {
            let typed: Vec<ScalarValue> = params
                .into_iter()
                .zip(&self.param_types)
                .map(
                    |(value, data_type)| {
                        if &value.data_type() == data_type { Ok(value) } else { value.cast_to(data_type) }
                    },
                )
                .collect::<datafusion::error::Result<_>>()?;
            plan = plan.replace_params_with_values(&positional(typed))?;
        }
        if self.statement.kind() == StatementKind::Insert {
            plan = insert_statement::leave_casts_to_checker(plan, &session.engine)?;
        }
        // What an earlier statement left, had it failed while it was planned, is not this one's.
        session.scan_reports.take();
        let physical = if optimised {
            state.query_planner().create_physical_plan(&plan, &state).await?
        } else {
            state.create_physical_plan(&plan).await?
        };
        note_scans(session, session.scan_reports.take(), &mut entry.lock());
        let stream = execute_stream(physical, session.context().task_ctx())?;
        if self.statement.kind() == StatementKind::Insert {
            return insert_outcome(stream).await;
        }
        let schema = self.schema.clone().unwrap_or_else(|| stream.schema());
        Ok(Outcome::Rows { schema, stream })
    }
}

/// Plans a statement, in the forms that DataFusion takes.
async fn plan_statement(session: &EngineSession, state: &SessionState, statement: &Statement) -> Result<LogicalPlan> {
    let mut parsed = statement.parsed().clone();
    postgres_forms::rewrite(&mut parsed)?;
    if statement.kind() == StatementKind::Insert {
        insert_statement::spell_out(&session.engine, &mut parsed)?;
    }
    match state.statement_to_plan(parsed.clone()).await {
        Err(error) if error.to_string().contains("unique expression names") => {
            postgres_forms::tell_columns_apart(&mut parsed)?;
            Ok(state.statement_to_plan(parsed).await?)
        }
        planned => Ok(planned?),
    }
}

/// A plan's schema under the names that PostgreSQL gives the columns.
fn named_as_in_postgres(statement: &Statement, planned: &Schema) -> SchemaRef {
    let fields: Vec<&str> = planned.fields().iter().map(|f| f.name().as_str()).collect();
    match output_names(statement.parsed()).and_then(|names| lay_over(&names, &fields)) {
        Some(names) => Arc::new(Schema::new_with_metadata(
            planned
                .fields()
                .iter()
                .zip(names)
                .map(|(field, name)| field.as_ref().clone().with_name(name))
                .collect::<Vec<_>>(),
            planned.metadata().clone(),
        )),
        None => Arc::new(planned.clone()),
    }
}

/// DataFusion's INSERT yields one row with the count.
async fn insert_outcome(mut stream: SendableRecordBatchStream) -> Result<Outcome> {
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let counts = batch.column(0).as_any().downcast_ref::<arrow::array::UInt64Array>();
        rows += counts.map_or(0, |c| c.iter().flatten().sum::<u64>());
    }
    Ok(Outcome::Command { tag: format!("INSERT 0 {rows}") })
}

/// The types of `$1 …` in order: what the planner inferred, else what the client declared, else text.
fn parameter_types(inferred: &HashMap<String, Option<DataType>>, hints: &[Option<DataType>]) -> Result<Vec<DataType>> {
    let mut count = hints.len();
    for name in inferred.keys() {
        let number: usize =
            name.strip_prefix('$').and_then(|n| n.parse().ok()).filter(|n| *n > 0).ok_or_else(|| {
                EngineError::new(ErrorKind::Syntax, format!("parameter {name} is not of the form $1"))
            })?;
        count = count.max(number);
    }
    Ok((1..=count)
        .map(|number| {
            inferred
                .get(&format!("${number}"))
                .cloned()
                .flatten()
                .or_else(|| hints.get(number - 1).cloned().flatten())
                .unwrap_or(DataType::Utf8View)
        })
        .collect())
}

/// True when the optimised plan stays right: it calls nothing that the optimiser folds into today's value, as `now()`.
fn is_repeatable(plan: &LogicalPlan) -> bool {
    let mut repeatable = true;
    let visited = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                if let Expr::ScalarFunction(f) = e
                    && f.func.signature().volatility != Volatility::Immutable
                {
                    repeatable = false;
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    visited.is_ok() && repeatable
}

/// Tells the query log, and where a tier hint leaves rows out also the user, what a statement reads.
fn note_scans(session: &EngineSession, reports: Vec<ScanReport>, entry: &mut QueryEntry) {
    for report in reports {
        entry.epoch = Some(report.epoch);
        for (total, (kept, _)) in entry.segments.iter_mut().zip(report.segments) {
            *total += kept as u64;
        }
        entry.rows_left_out += report.rows_left_out;
        if report.rows_left_out > 0 {
            session.notice(format!(
                "{} rows of {} lie in tiers that this statement does not read",
                report.rows_left_out, report.table
            ));
        }
        let elsewhere = session.engine.node.as_ref().and_then(|node| node.hot_elsewhere(report.table_id));
        if let Some((rows, writer)) = elsewhere {
            entry.rows_left_out += rows;
            session.notice(format!("about {rows} rows of {} lie in the memory of {writer} only", report.table));
        }
    }
}

/// The stream, with its rows counted and its end noted in the query log; dropped early counts as an end too.
fn logged(
    stream: SendableRecordBatchStream,
    engine: Arc<Engine>,
    entry: Arc<Mutex<QueryEntry>>,
) -> SendableRecordBatchStream {
    let schema = stream.schema();
    let mut guard = FinishOnDrop { engine, entry, done: AtomicBool::new(false) };
    let counted = stream.map(move |batch| {
        let guard = &mut guard;
        match &batch {
            Ok(batch) => guard.entry.lock().rows += batch.num_rows() as u64,
            Err(error) => {
                guard.done.store(true, Ordering::Relaxed);
                finish(&guard.entry, &guard.engine, Some(error.to_string()));
            }
        }
        batch
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, counted))
}

struct FinishOnDrop {
    engine: Arc<Engine>,
    entry: Arc<Mutex<QueryEntry>>,
    done: AtomicBool,
}

impl Drop for FinishOnDrop {
    fn drop(&mut self) {
        if !self.done.load(Ordering::Relaxed) {
            finish(&self.entry, &self.engine, None);
        }
    }
}

fn finish(entry: &Mutex<QueryEntry>, engine: &Engine, error: Option<String>) {
    let mut entry = entry.lock();
    entry.elapsed_us = Some(engine.now_us().saturating_sub(entry.started_us));
    entry.error = error;
}
