//! Corrections of a session's own table: its rows are in memory, and replaced as a whole.

use std::sync::Arc;

use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;

use super::Correcting;
use super::found::Found;
use super::rewrite::Rewriting;
use crate::error::Result;
use crate::session::EngineSession;
use crate::session::prepared::execution::task_context;
use crate::session::temporary::TemporaryTable;
use crate::supervisor::control::JobControl;
use crate::values::kept::to_kept;
use crate::write::gathered::gather;
use crate::write::insert_sink::Onlooker;

impl Correcting {
    /// Corrects rows of a temporary table: all, or none. Returns how many.
    pub(super) async fn correct_temporary(
        &self,
        session: &EngineSession,
        table: &TemporaryTable,
        plan: LogicalPlan,
        asked: Option<&dyn Onlooker>,
        control: &JobControl,
    ) -> Result<u64> {
        let state = session.context().state();
        let physical = state.create_physical_plan(&plan).await?;
        let pool = &state.runtime_env().memory_pool;
        let stream = execute_stream(physical, Arc::new(task_context(&state, state.config().clone())))?;
        let answer = control.stoppable(gather(stream, pool, self.word())).await?;
        let schema = table.definition().row_schema();
        let memory = MemoryConsumer::new("corrected rows").register(pool);
        let mut found = Found::new(&schema, &answer.batches, self.joins, memory)?;
        if found.count == 0 {
            return Ok(0);
        }
        let rewriting = Rewriting {
            becomes: self.becomes,
            checker: table.checker(),
            assigned: &self.assigned,
            returns: asked.is_some(),
        };
        let kept_schema = table.definition().schema();
        let (mut rows, mut returned, mut count) = (Vec::new(), Vec::new(), 0);
        for seen in table.rows() {
            let columns = seen.columns().iter().zip(&table.definition().columns);
            let kept = columns.map(|(values, column)| match column.is_converted() {
                true => to_kept(values),
                false => Ok(Arc::clone(values)),
            });
            let kept = kept.collect::<Result<Vec<_>, ArrowError>>()?;
            let kept = RecordBatch::try_new(Arc::clone(&kept_schema), kept)?;
            let apart = rewriting.take_apart(&kept, &mut found)?;
            count += apart.count as u64;
            rows.push(apart.stay);
            rows.extend(apart.became);
            returned.extend(apart.returned);
        }
        found.check_all_taken()?;
        if let Some(asked) = asked {
            control.stoppable(asked.see(table.definition(), &returned)).await?;
        }
        let _finishing = control.must_finish()?;
        table.replace_checked(&rows)?;
        Ok(count)
    }
}
