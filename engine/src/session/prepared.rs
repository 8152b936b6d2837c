//! Prepared statements: planned once, executed many times.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, Statement as LogicalStatement, Volatility};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{Ident, Statement as Ast};
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;

use crate::error::{EngineError, ErrorKind, Result};
use crate::functions::times::session_zone;
use crate::scan::tier_scan_exec::ScanReport;
use crate::semantics::quotients;
use crate::semantics::type_names::is_bare_numeric;
use crate::session::call::Procedure;
use crate::session::current_plan;
use crate::session::ddl;
use crate::session::described;
use crate::session::explain::Explained;
use crate::session::insert_statement;
use crate::session::names::Resolved;
use crate::session::output_schema::named_as_in_postgres;
use crate::session::parameters::{Settled, contradict, is_misread, settle};
use crate::session::{EngineSession, Outcome, positional};
use crate::sql::statement::EXPLAIN_AS_JSON;
use crate::sql::{
    self, Statement, StatementKind, postgres_forms, query_forms, row_places, series, set_returning, using_columns,
};
use crate::state::engine::Engine;
use crate::state::query_log::QueryEntry;
use crate::supervisor::control::JobControl;
use crate::values::counted::counted;
use crate::values::zone::Zone;

/// A planned statement.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The statement as it was parsed.
    pub statement: Arc<Statement>,
    /// Types of `$1 …`, in order.
    pub param_types: Vec<DataType>,
    /// The same with what they are declared as.
    pub param_fields: Vec<FieldRef>,
    /// Schema of its rows; `None` when it returns none.
    pub schema: Option<SchemaRef>,
    work: PreparedWork,
    /// The session's time zone when it was planned.
    time_zone: Option<String>,
    /// What its names meant then.
    names: Resolved,
}

#[derive(Debug, Clone)]
enum PreparedWork {
    /// A plan; `optimised` says that it need not be optimised again, `changes` that it writes.
    Plan { plan: Arc<LogicalPlan>, optimised: bool, changes: bool },
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
        let bare = |work, schema| Prepared {
            statement: Arc::new(statement.clone()),
            param_types: Vec::new(),
            param_fields: Vec::new(),
            schema,
            work,
            time_zone: None,
            names: Resolved::default(),
        };
        if statement.kind() == StatementKind::CreateExternalTable {
            session.check_makes_tables_of_files()?;
        }
        match statement.kind() {
            StatementKind::Query
            | StatementKind::Explain
            | StatementKind::Insert
            | StatementKind::Show
            | StatementKind::Describe => {}
            StatementKind::Call => {
                let procedure = Procedure::parse(statement)?;
                let schema = procedure.schema();
                return Ok(bare(PreparedWork::Procedure(procedure), Some(schema)));
            }
            _ => return Ok(bare(PreparedWork::Command, None)),
        }
        let state = session.context().state();
        if let Some(zone) = &state.config_options().execution.time_zone
            && Zone::of_setting(zone).is_none()
        {
            let message = format!("time zone \"{zone}\" not recognized");
            return Err(EngineError::new(ErrorKind::InvalidParameter, message));
        }
        let (meant, names) = match described::as_query(session, statement)? {
            Some(query) => session.resolve(&query)?,
            None => session.resolve(statement)?,
        };
        let Settled { plan, fields: param_fields } = plan_with_types(session, &state, &meant, hints).await?;
        if contains(&plan, |node| matches!(node, LogicalPlan::Copy(_))) {
            session.check_writes_files()?;
        }
        let param_types = param_fields.iter().map(|field| field.data_type().clone()).collect();
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
        let schema = match Explained::of(statement) {
            Some(explained) => Some(explained.schema()),
            None => is_rows.then(|| {
                let named = named_as_in_postgres(statement, plan.schema().as_arrow());
                if is_query { quotients::mark(&plan, &named) } else { named }
            }),
        };
        let changes = writes(&plan);
        let work = PreparedWork::Plan { plan: Arc::new(plan), optimised, changes };
        let time_zone = state.config_options().execution.time_zone.clone();
        let statement = Arc::new(statement.clone());
        Ok(Prepared { statement, param_types, param_fields, schema, work, time_zone, names })
    }

    /// True for a parameter, counted from 0, that is cast to `numeric` without digits: its value keeps its own.
    pub fn keeps_digits(&self, parameter: usize) -> bool {
        self.param_fields.get(parameter).is_some_and(|field| is_bare_numeric(field))
    }

    /// True where executing it changes something: rows, definitions, or where rows lie.
    pub fn changes(&self) -> bool {
        self.job_name().is_some()
    }

    /// What the statement is called as a job; `None` for one that changes nothing.
    pub(crate) fn job_name(&self) -> Option<&'static str> {
        match &self.work {
            PreparedWork::Plan { changes: false, .. } => None,
            PreparedWork::Plan { .. } => Some("INSERT"),
            PreparedWork::Procedure(_) => Some("CALL"),
            PreparedWork::Command => match self.statement.kind() {
                StatementKind::Set | StatementKind::Reset => None,
                _ => Some("DDL"),
            },
        }
    }

    /// The physical plan of a query without parameters, for a statement that makes a table of its rows.
    ///
    /// # Errors
    /// What planning finds.
    pub(crate) async fn physical(&self, session: &EngineSession) -> Result<Arc<dyn ExecutionPlan>> {
        let (PreparedWork::Plan { plan, optimised, .. }, []) = (&self.work, self.param_types.as_slice()) else {
            return Err(EngineError::new(ErrorKind::UndefinedParameter, "there is no parameter $1"));
        };
        let state = session.context().state();
        Ok(match optimised {
            true => state.query_planner().create_physical_plan(plan, &state).await?,
            false => state.create_physical_plan(plan).await?,
        })
    }

    pub(crate) async fn execute(
        &self,
        session: &EngineSession,
        params: Vec<ScalarValue>,
        control: &Arc<JobControl>,
    ) -> Result<Outcome> {
        let engine = &session.engine;
        if engine.is_closed() {
            return Err(EngineError::new(ErrorKind::ShuttingDown, "the engine is shutting down"));
        }
        if let PreparedWork::Plan { plan, .. } = &self.work
            && !(current_plan::is_current(engine, plan)?
                && self.time_zone == session.time_zone()
                && self.names.is_current(session))
        {
            // A table was changed, or is another one by now.
            let hints: Vec<_> = self.param_types.iter().cloned().map(Some).collect();
            let anew = Prepared::new(session, &self.statement, &hints).await?;
            current_plan::same_rows(self.schema.as_ref(), anew.schema.as_ref())?;
            return anew.execute_now(session, params, control).await;
        }
        self.execute_now(session, params, control).await
    }

    async fn execute_now(
        &self,
        session: &EngineSession,
        params: Vec<ScalarValue>,
        control: &Arc<JobControl>,
    ) -> Result<Outcome> {
        let engine = &session.engine;
        let entry = engine.queries.start(self.statement.text(), engine.now_us());
        let outcome = match &self.work {
            PreparedWork::Plan { plan, optimised, .. } => {
                self.execute_plan(session, plan, *optimised, params, &entry, control).await
            }
            PreparedWork::Procedure(procedure) => procedure.run(session, control).await.map(Outcome::from_batch),
            PreparedWork::Command => ddl::run(session, &self.statement, control).await,
        };
        match outcome {
            Ok(Outcome::Rows { schema, stream }) => {
                let stream = match Explained::of(&self.statement) {
                    Some(explained) => explained.shown(stream),
                    None => stream,
                };
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
        control: &Arc<JobControl>,
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
            plan =
                insert_statement::leave_casts_to_checker(plan, &session.engine, session_zone(state.config_options()))?;
        }
        // What an earlier statement left, had it failed while it was planned, is not this one's.
        session.scan_reports.take();
        let physical = if optimised {
            state.query_planner().create_physical_plan(&plan, &state).await?
        } else {
            state.create_physical_plan(&plan).await?
        };
        note_scans(session, session.scan_reports.take(), &mut entry.lock());
        if self.job_name().is_none() {
            let stream = execute_stream(physical, session.context().task_ctx())?;
            let schema = self.schema.clone().unwrap_or_else(|| stream.schema());
            return Ok(Outcome::Rows { schema, stream });
        }
        // Whatever in the plan writes finds the job there.
        let config = state.config().clone().with_extension(Arc::clone(control));
        let context = TaskContext::from(&state).with_session_config(config);
        let stream = execute_stream(physical, Arc::new(context))?;
        if self.statement.kind() == StatementKind::Insert {
            return insert_outcome(stream).await;
        }
        // EXPLAIN ANALYZE of a statement that writes: done before its first row is handed out.
        let schema = self.schema.clone().unwrap_or_else(|| stream.schema());
        let rows: Vec<RecordBatch> = stream.try_collect().await?;
        let planned = rows.first().map_or_else(|| Arc::clone(&schema), |batch| batch.schema());
        let stream = RecordBatchStreamAdapter::new(planned, futures::stream::iter(rows.into_iter().map(Ok)));
        Ok(Outcome::Rows { schema, stream: Box::pin(stream) })
    }
}

/// Plans a statement and settles the types of its parameters: what stands beside them says, or, where that says something of
/// another kind than the client declared, or nothing that can be planned, what the client declared.
async fn plan_with_types(
    session: &EngineSession,
    state: &SessionState,
    statement: &Statement,
    hints: &[Option<DataType>],
) -> Result<Settled> {
    let settled = plan_statement(session, state, statement, None).await.and_then(|plan| settle(plan, hints));
    let declared: Option<Vec<DataType>> = hints.iter().cloned().collect();
    let Some(declared) = declared.filter(|declared| !declared.is_empty()) else { return settled };
    match &settled {
        Ok(settled) if !contradict(&settled.fields, &declared) && !is_misread(&settled.plan)? => {}
        _ => {
            let plan = plan_statement(session, state, statement, Some(&declared)).await?;
            if let LogicalPlan::Statement(LogicalStatement::Prepare(prepare)) = plan {
                return Ok(Settled { plan: Arc::unwrap_or_clone(prepare.input), fields: prepare.fields });
            }
        }
    }
    settled
}

/// Plans a statement, in the forms that DataFusion takes; with the types of all parameters, as a `PREPARE`.
async fn plan_statement(
    session: &EngineSession,
    state: &SessionState,
    statement: &Statement,
    declared: Option<&[DataType]>,
) -> Result<LogicalPlan> {
    let mut parsed = statement.parsed().clone();
    if let DfStatement::Explain(explain) = &mut parsed {
        explain.format = explain.format.take().filter(|format| format != EXPLAIN_AS_JSON);
    }
    query_forms::rewrite(&mut parsed)?;
    using_columns::rewrite(&mut parsed);
    set_returning::rewrite(&mut parsed);
    series::rewrite(&mut parsed)?;
    postgres_forms::rewrite(&mut parsed)?;
    row_places::rewrite(&mut parsed);
    if statement.kind() == StatementKind::Insert {
        insert_statement::spell_out(session, &mut parsed)?;
    }
    let prepared = |parsed: DfStatement| match declared {
        Some(declared) => as_prepare(parsed, declared),
        None => Ok(parsed),
    };
    match state.statement_to_plan(prepared(parsed.clone())?).await {
        Err(error) if error.to_string().contains("unique expression names") => {
            postgres_forms::tell_columns_apart(&mut parsed)?;
            Ok(state.statement_to_plan(prepared(parsed)?).await?)
        }
        planned => Ok(planned?),
    }
}

/// `PREPARE p (types) AS statement`, where it is one that can be prepared so.
fn as_prepare(parsed: DfStatement, declared: &[DataType]) -> Result<DfStatement> {
    let DfStatement::Statement(statement) = parsed else { return Ok(parsed) };
    let data_types = declared.iter().map(sql::type_in_sql).collect::<Result<Vec<_>>>()?;
    Ok(DfStatement::Statement(Box::new(Ast::Prepare { name: Ident::new("p"), data_types, statement })))
}

/// True for a plan that changes something when it is executed.
fn writes(plan: &LogicalPlan) -> bool {
    contains(plan, |node| matches!(node, LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Copy(_)))
}

/// True where a node of the plan, or of a subquery in it, is such a one.
fn contains(plan: &LogicalPlan, wanted: impl Fn(&LogicalPlan) -> bool) -> bool {
    let mut found = false;
    let visited = plan.apply_with_subqueries(|node| {
        found |= wanted(node);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found || visited.is_err()
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

fn lie(rows: u64) -> &'static str {
    if rows == 1 { "lies" } else { "lie" }
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
            let rows = counted(report.rows_left_out, "row");
            let lie = lie(report.rows_left_out);
            session.notice(format!("{rows} of {} {lie} in tiers that this statement does not read", report.table));
        }
        let elsewhere = session.engine.node.as_ref().and_then(|node| node.hot_elsewhere(report.table_id));
        if let Some((rows, writer)) = elsewhere {
            entry.rows_left_out += rows;
            let (count, lie) = (counted(rows, "row"), lie(rows));
            session.notice(format!("about {count} of {} {lie} in the memory of {writer} only", report.table));
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
