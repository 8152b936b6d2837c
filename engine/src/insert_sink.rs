//! `INSERT INTO`: gathers the statement's rows and hands them to ingest as one unit.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use futures::TryStreamExt;
use zxq_catalog::TableDef;

use crate::engine::Engine;

/// The plan that inserts what `input` yields.
pub(crate) fn insert_plan(
    engine: Arc<Engine>,
    table: Arc<TableDef>,
    input: Arc<dyn ExecutionPlan>,
) -> Arc<dyn ExecutionPlan> {
    // NULLs are the row checker's to find: its errors name the table's column and the row.
    let nullable = |f: &Arc<arrow::datatypes::Field>| f.as_ref().clone().with_nullable(true);
    let schema =
        Arc::new(arrow::datatypes::Schema::new(table.schema().fields().iter().map(nullable).collect::<Vec<_>>()));
    Arc::new(DataSinkExec::new(input, Arc::new(InsertSink { engine, table, schema }), None))
}

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

    async fn write_all(&self, data: SendableRecordBatchStream, _context: &Arc<TaskContext>) -> Result<u64> {
        // A statement is all or nothing, so its rows become visible together, after the last of them has arrived.
        let batches: Vec<_> = data.try_collect().await?;
        let report = self.engine.ingest_checked(&self.table.name, batches, "insert").await?;
        Ok(report.rows)
    }
}
