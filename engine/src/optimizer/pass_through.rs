//! A plan node that hands its input on as it is, but for what one pass does to it.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, Statistics};

/// What is done on the way.
pub(super) trait Pass: Debug + Copy + Send + Sync + 'static {
    /// The node's name in EXPLAIN.
    const NAME: &'static str;
    /// Every row is handed on, so that what is known of the input is known of the output.
    const KEEPS_ROWS: bool;

    /// The stream that is handed on.
    fn stream(self, input: SendableRecordBatchStream) -> SendableRecordBatchStream {
        input
    }
}

/// Its input after a pass. Columns, order and partitions stay; no filter from above gets through.
#[derive(Debug)]
pub(super) struct PassThroughExec<P> {
    pass: P,
    input: Arc<dyn ExecutionPlan>,
}

impl<P: Pass> PassThroughExec<P> {
    pub(super) fn new(pass: P, input: Arc<dyn ExecutionPlan>) -> Self {
        PassThroughExec { pass, input }
    }
}

impl<P: Pass> DisplayAs for PassThroughExec<P> {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(P::NAME)
    }
}

impl<P: Pass> ExecutionPlan for PassThroughExec<P> {
    fn name(&self) -> &str {
        P::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 1]>::try_from(children) {
            Ok([input]) => Ok(Arc::new(PassThroughExec { pass: self.pass, input })),
            Err(_) => Err(DataFusionError::Internal(format!("{} has one child", P::NAME))),
        }
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Ok(self.pass.stream(self.input.execute(partition, context)?))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        if P::KEEPS_ROWS {
            self.input.partition_statistics(partition)
        } else {
            Ok(Arc::new(Statistics::new_unknown(&self.schema())))
        }
    }
}
