//! Rows of which nothing is read but how many they are: what `count(*)` and `SELECT 1` need of a table. The catalog knows it.

use std::fmt::{self, Formatter};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::stream;

/// Gives so many rows without columns.
#[derive(Debug, Clone)]
pub(crate) struct CountedRowsExec {
    rows: usize,
    properties: Arc<PlanProperties>,
}

impl CountedRowsExec {
    pub(crate) fn new(rows: usize) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(Schema::empty())),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        CountedRowsExec { rows, properties: Arc::new(properties) }
    }

    /// What is known of them.
    pub(crate) fn statistics(&self) -> Statistics {
        Statistics { num_rows: Precision::Exact(self.rows), ..Statistics::new_unknown(&self.schema()) }
    }
}

impl DisplayAs for CountedRowsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "CountedRowsExec: rows={}", self.rows)
    }
}

impl ExecutionPlan for CountedRowsExec {
    fn name(&self) -> &str {
        "CountedRowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema: SchemaRef = self.schema();
        let most = context.session_config().batch_size().max(1);
        let batches = stream::unfold(self.rows, move |left| {
            let schema = Arc::clone(&schema);
            async move {
                let rows = left.min(most);
                let options = RecordBatchOptions::new().with_row_count(Some(rows));
                let batch = || Ok(RecordBatch::try_new_with_options(schema, Vec::new(), &options)?);
                (rows > 0).then(|| (batch(), left - rows))
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }

    fn partition_statistics(&self, _: Option<usize>) -> Result<Arc<Statistics>> {
        Ok(Arc::new(self.statistics()))
    }
}
