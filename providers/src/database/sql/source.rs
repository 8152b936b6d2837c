//! A database that answers the statements of plan nodes, and what a store over one does for its [`crate::TierStore`].

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::DFSchema;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::metrics::BaselineMetrics;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use super::Dialect;
use super::aggregate_exec::SqlAggregateExec;
use super::scan::Statements;
use super::scan_exec::SqlScanExec;
use crate::error::Result;
use crate::tier_store::{Pushdown, ScanRequest};

/// What to run, and what comes back.
pub(crate) struct RowQuery {
    /// The SQL.
    pub(crate) statements: Box<dyn Statements>,
    /// What the rows must look like. Without columns, each statement gives one count, and that many empty rows are sent.
    pub(crate) schema: SchemaRef,
    /// Rows to gather into one batch.
    pub(crate) batch_rows: usize,
    /// True for partial aggregates, whose decimals are not checked against their declared digits.
    pub(crate) sums: bool,
}

/// A database that segments are read from: how its SQL is written, and who runs it.
pub(crate) trait SqlSource: Debug + Send + Sync {
    /// Its SQL.
    fn dialect(&self) -> &'static dyn Dialect;

    /// What EXPLAIN calls a scan.
    fn scan_name(&self) -> &'static str;

    /// What EXPLAIN calls a partial aggregate.
    fn aggregate_name(&self) -> &'static str;

    /// More output partitions than this do not make a scan faster.
    fn max_partitions(&self) -> usize;

    /// Below this many rows a second output partition costs more than it gains.
    fn rows_per_partition(&self) -> u64;

    /// Gets ready to run a plan, perhaps several times. `together` of its output partitions are read at once and see one state
    /// of the database. Nothing is done until one is read.
    fn begin(self: Arc<Self>, together: usize) -> Arc<dyn SqlRun>;
}

/// Runs of one plan node.
pub(crate) trait SqlRun: Debug + Send + Sync {
    /// The rows of one output partition. Work starts when the stream is first polled.
    fn stream(&self, partition: usize, work: RowQuery, metrics: BaselineMetrics) -> SendableRecordBatchStream;
}

/// Plans a scan ([`crate::TierStore::scan`]).
pub(crate) fn plan_scan(source: Arc<dyn SqlSource>, request: ScanRequest<'_>) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = DFSchema::try_from(request.table.schema())?;
    let target = request.state.config().target_partitions();
    let mut scan = SqlScanExec::new(source, request.table, request.segments, request.projection, target)?;
    for filter in request.filters {
        match request.state.create_physical_expr(filter, &schema) {
            Ok(filter) => {
                scan.push_filter(&filter);
            }
            Err(reason) => tracing::debug!(%reason, "a filter stays with DataFusion"),
        }
    }
    Ok(Arc::new(scan.limited(request.limit)))
}

/// What every SQL database computes itself.
pub(crate) struct SqlPushdown;

impl Pushdown for SqlPushdown {
    fn partial_aggregate(
        &self,
        aggregate: &AggregateExec,
        scan: &Arc<dyn ExecutionPlan>,
    ) -> Option<Arc<dyn ExecutionPlan>> {
        let plan = SqlAggregateExec::new(scan.downcast_ref::<SqlScanExec>()?, aggregate)?;
        Some(Arc::new(plan))
    }

    fn exact_filter(
        &self,
        scan: &Arc<dyn ExecutionPlan>,
        filter: &Arc<dyn PhysicalExpr>,
    ) -> Option<Arc<dyn ExecutionPlan>> {
        let scan = scan.downcast_ref::<SqlScanExec>()?.with_exact_filter(filter)?;
        Some(Arc::new(scan))
    }
}
