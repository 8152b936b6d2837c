//! `INSERT INTO`: gathers the statement's rows and hands them to ingest as one unit.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use zxq_catalog::TableDef;

use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;
use crate::write::gathered::gather;
use crate::write::ingest::IngestReport;

/// The plan that inserts what `input` yields.
pub(crate) fn insert_plan(
    engine: Arc<Engine>,
    table: Arc<TableDef>,
    input: Arc<dyn ExecutionPlan>,
) -> Arc<dyn ExecutionPlan> {
    // NULLs are the row checker's to find: its errors name the table's column and the row.
    let nullable = |f: &Arc<arrow::datatypes::Field>| f.as_ref().clone().with_nullable(true);
    let schema =
        Arc::new(arrow::datatypes::Schema::new(table.row_schema().fields().iter().map(nullable).collect::<Vec<_>>()));
    Arc::new(DataSinkExec::new(input, Arc::new(InsertSink { engine, table, schema }), None))
}

#[derive(Clone)]
struct InsertSink {
    engine: Arc<Engine>,
    table: Arc<TableDef>,
    schema: SchemaRef,
}

impl fmt::Debug for InsertSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InsertSink").field("table", &self.table.name).finish_non_exhaustive()
    }
}

impl DisplayAs for InsertSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InsertSink: table={}", self.table.name)
    }
}

#[async_trait]
impl DataSink for InsertSink {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn write_all(&self, data: SendableRecordBatchStream, context: &Arc<TaskContext>) -> Result<u64> {
        let report = match context.session_config().get_extension::<JobControl>() {
            Some(control) => self.insert(data, context.memory_pool(), &control).await?,
            // A plan that an embedding program runs by itself: what it begins ends as a whole, whatever becomes of the plan.
            None => {
                let (sink, pool) = (self.clone(), Arc::clone(context.memory_pool()));
                let work = move |control: Arc<JobControl>| async move { sink.insert(data, &pool, &control).await };
                self.engine.supervisor.start("INSERT", work).await?
            }
        };
        Ok(report.rows)
    }
}

impl InsertSink {
    async fn insert(
        &self,
        data: SendableRecordBatchStream,
        pool: &Arc<dyn MemoryPool>,
        control: &JobControl,
    ) -> crate::error::Result<IngestReport> {
        // A statement is all or nothing, so its rows become visible together, after the last of them has arrived.
        let mut rows = control.stoppable(gather(data, pool, "INSERT")).await?;
        let batches = std::mem::take(&mut rows.batches);
        self.engine.ingest_checked(self.table.id, batches, "insert", control).await
    }
}
