//! The plan node that reads segments: one SELECT per output partition.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Statistics;
use datafusion::config::ConfigOptions;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_plan::filter_pushdown::{ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties, SortOrderPushdownResult,
};
use zxq_catalog::{Segment, TableDef};

use super::database::Database;
use super::dialect::DUCKDB;
use super::stream::{DuckDbStream, Work};
use crate::error::Result;
use crate::sql::scan::{SqlScan, properties};

/// Below this many rows a second output partition costs more than it gains.
const ROWS_PER_PARTITION: u64 = 500_000;

/// More output partitions than this only compete: DuckDB runs each statement on all its threads already. Two let one
/// statement's rows be converted while the other's are computed.
const MAX_PARTITIONS: usize = 2;

/// Reads the rows of some segments of one table from DuckDB, as one SQL statement per output partition.
///
/// Takes over filters (those it can say in SQL exactly replace DataFusion's), limits and sorting.
#[derive(Debug, Clone)]
pub struct DuckDbScanExec {
    pub(super) database: Arc<Database>,
    pub(super) scan: SqlScan,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl DuckDbScanExec {
    /// A scan of these columns of these segments (at least one), in at most `target_partitions` parts.
    pub(super) fn new(
        database: Arc<Database>,
        table: Arc<TableDef>,
        segments: Vec<Arc<Segment>>,
        projection: Vec<usize>,
        target_partitions: usize,
    ) -> DataFusionResult<Self> {
        let most = MAX_PARTITIONS.min(target_partitions);
        let scan = SqlScan::new(&DUCKDB, table, segments, projection, most, ROWS_PER_PARTITION)?;
        let properties = properties(&scan.schema, scan.partitions.len(), None);
        Ok(DuckDbScanExec { database, scan, properties, metrics: ExecutionPlanMetricsSet::new() })
    }

    /// The SQL that one output partition sends, as far as it is known before the plan runs.
    ///
    /// # Errors
    /// When a segment's location is not one of this store.
    pub fn sql(&self, partition: usize) -> Result<String> {
        self.scan.sql(partition)
    }

    /// The same with the filter in its SQL if all of it can be said there. `None` when it cannot, or when rows have been
    /// limited already.
    pub(super) fn with_exact_filter(&self, filter: &Arc<dyn PhysicalExpr>) -> Option<Self> {
        self.scan.with_exact_filter(filter).map(|scan| self.with_scan(scan))
    }

    /// Adds as much of the filter to the SQL as can be said there; true when that is all of it.
    pub(super) fn push_filter(&mut self, filter: &Arc<dyn PhysicalExpr>) -> bool {
        self.scan.push_filter(filter)
    }

    /// Limits each output partition's rows.
    pub(super) fn limited(self, fetch: Option<usize>) -> Self {
        DuckDbScanExec { scan: self.scan.limited(fetch), ..self }
    }

    /// Another scan of the same rows, which counts its own work.
    fn with_scan(&self, scan: SqlScan) -> Self {
        DuckDbScanExec { scan, metrics: ExecutionPlanMetricsSet::new(), ..self.clone() }
    }
}

impl DisplayAs for DuckDbScanExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scan.describe("DuckDbScanExec", format, f)
    }
}

impl ExecutionPlan for DuckDbScanExec {
    fn name(&self) -> &str {
        "DuckDbScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let work = Work {
            database: Arc::clone(&self.database),
            schema: Arc::clone(&self.scan.schema),
            batch_rows: context.session_config().batch_size(),
            statements: self.scan.statements(partition),
        };
        Ok(Box::pin(DuckDbStream::new(work, metrics)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, partition: Option<usize>) -> DataFusionResult<Arc<Statistics>> {
        Ok(Arc::new(self.scan.statistics(partition)?))
    }

    fn fetch(&self) -> Option<usize> {
        self.scan.fetch
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(self.with_scan(self.scan.clone().limited(limit))))
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        child_pushdown_result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> DataFusionResult<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let (scan, answers) = self.scan.take_filters(child_pushdown_result);
        let propagation = FilterPushdownPropagation::with_parent_pushdown_result(answers);
        Ok(match scan {
            Some(scan) => {
                let node: Arc<dyn ExecutionPlan> = Arc::new(self.with_scan(scan));
                propagation.with_updated_node(node)
            }
            None => propagation,
        })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> DataFusionResult<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        let Some((scan, ordering)) = self.scan.sorted(order) else {
            return Ok(SortOrderPushdownResult::Unsupported);
        };
        let mut sorted = self.with_scan(scan);
        sorted.properties = properties(&sorted.scan.schema, sorted.scan.partitions.len(), Some(ordering));
        Ok(SortOrderPushdownResult::Exact { inner: Arc::new(sorted) })
    }
}
