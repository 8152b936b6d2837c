//! Prepared statements being executed.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use datafusion::scalar::ScalarValue;
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;

use super::{Prepared, PreparedWork};
use crate::error::{EngineError, ErrorKind, Result};
use crate::functions::times::session_zone;
use crate::session::conflict::Conflicting;
use crate::session::explain::Explained;
use crate::session::noted::{finish, logged, note_scans};
use crate::session::parameters::with_values;
use crate::session::returning::{Asked, Returning};
use crate::session::sequences::Asker;
use crate::session::{
    EngineSession, Outcome, audited, constant_rows, current_plan, ddl, insert_statement, numbers_seen, plan_costs,
    row_numbers, sequences,
};
use crate::sql::StatementKind;
use crate::sql::sequences::may_call;
use crate::state::query_log::QueryEntry;
use crate::supervisor::control::JobControl;
use crate::write::insert_sink::{Onlooker, Onlooking, Resolving};

/// One execution of a plan.
struct Execution<'a> {
    session: &'a EngineSession,
    params: Vec<ScalarValue>,
    /// What RETURNING asks of the rows that it inserts.
    asked: Option<Arc<Asked>>,
    /// What becomes of rows that are there already.
    conflict: Option<&'a Arc<Conflicting>>,
    /// Where it is noted.
    entry: &'a Mutex<QueryEntry>,
    control: &'a Arc<JobControl>,
}

impl Prepared {
    /// Runs it with values for its parameters: as it was planned, or anew where what it names has changed since.
    ///
    /// # Errors
    /// What planning and running it find.
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
        if let PreparedWork::Numbered { .. } = &self.work {
            // Who may not run it takes no numbers either.
            self.needs.check(session)?;
            let params = self.typed(&params)?;
            let statement = sequences::with_numbers(session, &self.statement, &params, control).await?;
            let hints: Vec<_> = self.param_types.iter().cloned().map(Some).collect();
            let with_numbers = Box::pin(Prepared::new(session, &statement, &hints, self.light)).await?;
            return Ok(match with_numbers.execute_now(session, params, control).await? {
                Outcome::Rows { schema, stream } => {
                    Outcome::Rows { schema: self.schema.clone().unwrap_or(schema), stream }
                }
                command => command,
            });
        }
        if self.is_still_right(session)? {
            return self.execute_now(session, params, control).await;
        }
        // A table was changed, or is another one by now.
        if let Some(anew) = self.anew(session) {
            return anew.execute_now(session, params, control).await;
        }
        let hints: Vec<_> = self.param_types.iter().cloned().map(Some).collect();
        let anew = Arc::new(Prepared::new(session, &self.statement, &hints, self.light).await?);
        current_plan::same_rows(self.schema.as_ref(), anew.schema.as_ref())?;
        *self.anew.lock() = Some(Arc::clone(&anew));
        anew.execute_now(session, params, control).await
    }

    /// The statement as it was planned after a change, where nothing has changed since.
    pub(in crate::session) fn anew(&self, session: &EngineSession) -> Option<Arc<Prepared>> {
        let anew = self.anew.lock().clone()?;
        anew.is_current(session).then_some(anew)
    }

    async fn execute_now(
        &self,
        session: &EngineSession,
        params: Vec<ScalarValue>,
        control: &Arc<JobControl>,
    ) -> Result<Outcome> {
        let engine = &session.engine;
        let who = session.who();
        let entry = engine.queries.start(&self.shown(), who.session, engine.now_us());
        let outcome = match &self.work {
            PreparedWork::Plan { plan, optimised, returning, conflict, .. } => {
                match self.ready(session, &params, returning.as_ref()) {
                    Ok((params, asked)) => {
                        let conflict = conflict.as_ref();
                        let execution = Execution { session, params, asked, conflict, entry: &entry, control };
                        self.execute_plan(plan, *optimised, execution).await
                    }
                    Err(error) => Err(error),
                }
            }
            PreparedWork::Numbered { .. } => Err(EngineError::internal("a statement without its numbers")),
            PreparedWork::Correction(correcting) => match self.ready(session, &params, correcting.returning.as_ref()) {
                Ok((params, asked)) => Box::pin(correcting.run(session, params, asked, control)).await,
                Err(error) => Err(error),
            },
            PreparedWork::Procedure(procedure) => procedure.run(session, control).await.map(Outcome::from_batch),
            PreparedWork::Command => ddl::run(session, &self.statement, control).await,
        };
        audited::note(engine, &who, self, outcome.as_ref());
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

    /// The parameters as the plan takes them, and what RETURNING asks with them.
    ///
    /// # Errors
    /// Where the session may not do it, and for parameters that are not those of the statement.
    fn ready(
        &self,
        session: &EngineSession,
        params: &[ScalarValue],
        returning: Option<&Returning>,
    ) -> Result<(Vec<ScalarValue>, Option<Arc<Asked>>)> {
        self.needs.check(session)?;
        if params.len() != self.param_types.len() {
            return Err(EngineError::new(
                ErrorKind::InvalidParameter,
                format!("the statement has {} parameters, {} were given", self.param_types.len(), params.len()),
            ));
        }
        let params = self.typed(params)?;
        let ask = |returning: &Returning| returning.ask(&session.context().state(), params.clone());
        let asked = returning.map(ask).transpose()?;
        Ok((params, asked))
    }

    async fn execute_plan(&self, plan: &LogicalPlan, optimised: bool, execution: Execution<'_>) -> Result<Outcome> {
        let Some(explained) = Explained::of(&self.statement) else {
            return self.run_plan(plan, optimised, execution).await;
        };
        let costs = match explained.costs {
            true => plan_costs::of_explained(execution.session, plan, &execution.params).await?,
            false => Vec::new(),
        };
        Ok(match self.run_plan(plan, optimised, execution).await? {
            Outcome::Rows { schema, stream } => Outcome::Rows { schema, stream: explained.shown(stream, costs) },
            command => command,
        })
    }

    async fn run_plan(&self, plan: &LogicalPlan, optimised: bool, execution: Execution<'_>) -> Result<Outcome> {
        let Execution { session, params, asked, conflict, entry, control } = execution;
        let resolver = conflict.map(|conflict| conflict.resolver(session, &params));
        if let Some(answer) = self.look_up(session, &params).await? {
            note_scans(session, vec![answer.report], &mut entry.lock());
            return Ok(self.outcome(answer.rows));
        }
        let state = session.context().state();
        let mut plan = with_values(plan.clone(), &params)?;
        if self.statement.kind() == StatementKind::Insert {
            plan =
                insert_statement::leave_casts_to_checker(plan, &session.engine, session_zone(state.config_options()))?;
        }
        if may_call(self.statement.text()) && row_numbers::has_some(&plan) {
            plan = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
            // A query's job has ended when its rows are read: it is stopped by who reads no more of them.
            let control = if self.job_name().is_none() { &Arc::default() } else { control };
            plan = row_numbers::number(plan, &Arc::new(Asker::new(session, control)))?;
        }
        // What an earlier statement left, had it failed while it was planned, is not this one's.
        session.scan_reports.take();
        let physical = match constant_rows::insert_plan(&plan, &state).await? {
            Some(of_constants) => of_constants,
            None if optimised => state.query_planner().create_physical_plan(&plan, &state).await?,
            None => state.create_physical_plan(&plan).await?,
        };
        note_scans(session, session.scan_reports.take(), &mut entry.lock());
        if self.job_name().is_none() {
            let stream = execute_stream(physical, Arc::new(task_context(&state, state.config().clone())))?;
            let schema = self.schema.clone().unwrap_or_else(|| stream.schema());
            return Ok(Outcome::Rows { schema, stream });
        }
        // Whatever in the plan writes finds the job there.
        let mut config = state.config().clone().with_extension(Arc::clone(control));
        let onlooker = asked.clone().map(|asked| asked as Arc<dyn Onlooker>);
        let onlooker = match &plan {
            LogicalPlan::Dml(dml) => numbers_seen::with(session, dml, onlooker),
            _ => onlooker,
        };
        if let Some(onlooker) = onlooker {
            config.set_extension(Arc::new(Onlooking(onlooker)));
        }
        if let Some(resolver) = resolver {
            config.set_extension(Arc::new(Resolving(resolver)));
        }
        let stream = execute_stream(physical, Arc::new(task_context(&state, config)))?;
        if self.statement.kind() == StatementKind::Insert {
            let inserted = insert_outcome(stream).await?;
            return Ok(asked.map_or(inserted, |asked| asked.outcome()));
        }
        // EXPLAIN ANALYZE of a statement that writes: done before its first row is handed out.
        let schema = self.schema.clone().unwrap_or_else(|| stream.schema());
        let rows: Vec<RecordBatch> = stream.try_collect().await?;
        Ok(Outcome::of_rows(schema, rows))
    }
}

/// What a plan runs with. Functions are in the plan by now: it needs no list of them, which takes long to copy.
pub(in crate::session) fn task_context(state: &SessionState, config: SessionConfig) -> TaskContext {
    let (session, runtime) = (state.session_id().to_owned(), Arc::clone(state.runtime_env()));
    let (scalar, higher, aggregate, window) = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
    TaskContext::new(None, session, config, scalar, higher, aggregate, window, runtime)
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
