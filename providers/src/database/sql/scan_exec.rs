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

use super::scan::{SqlScan, properties};
use super::source::{RowQuery, SqlRun, SqlSource};

/// A limit up to which one connection reads everything: several would first have to agree on a snapshot.
const FEW_ROWS: usize = 10_000;

/// Reads the rows of some segments of one table from a database, as one SQL statement per output partition.
///
/// Takes over filters (those it can say in SQL exactly replace DataFusion's), limits and sorting.
#[derive(Debug, Clone)]
pub(crate) struct SqlScanExec {
    pub(super) source: Arc<dyn SqlSource>,
    /// The run that is under way, or the next one.
    run: Arc<dyn SqlRun>,
    pub(super) scan: SqlScan,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl SqlScanExec {
    /// A scan of these columns of these segments (at least one), in at most `target_partitions` parts.
    pub(crate) fn new(
        source: Arc<dyn SqlSource>,
        table: Arc<TableDef>,
        segments: Vec<Arc<Segment>>,
        projection: Vec<usize>,
        target_partitions: usize,
    ) -> DataFusionResult<Self> {
        let most = source.max_partitions().min(target_partitions);
        let scan = SqlScan::new(source.dialect(), table, segments, projection, most, source.rows_per_partition())?;
        let properties = properties(&scan.schema, scan.partitions.len(), None);
        let run = Arc::clone(&source).begin(scan.partitions.len());
        Ok(SqlScanExec { source, run, scan, properties, metrics: ExecutionPlanMetricsSet::new() })
    }

    /// The SQL that one output partition sends, as far as it is known before the plan runs.
    ///
    /// # Errors
    /// When a segment's location is not one of this store.
    #[cfg(test)]
    pub(crate) fn sql(&self, partition: usize) -> crate::Result<String> {
        self.scan.sql(partition)
    }

    /// The same with the filter in its SQL if all of it can be said there. `None` when it cannot, or when rows have been
    /// limited already.
    pub(crate) fn with_exact_filter(&self, filter: &Arc<dyn PhysicalExpr>) -> Option<Self> {
        self.scan.with_exact_filter(filter).map(|scan| self.with_scan(scan))
    }

    /// Adds as much of the filter to the SQL as can be said there; true when that is all of it.
    pub(crate) fn push_filter(&mut self, filter: &Arc<dyn PhysicalExpr>) -> bool {
        self.scan.push_filter(filter)
    }

    /// Limits each output partition's rows.
    pub(crate) fn limited(self, fetch: Option<usize>) -> Self {
        SqlScanExec { scan: self.scan.limited(fetch), ..self }
    }

    /// Another scan of the same rows, which counts its own work.
    fn with_scan(&self, scan: SqlScan) -> Self {
        // Few rows come from few segments: not worth connections that agree on a snapshot first.
        let together = if scan.fetch.is_some_and(|fetch| fetch <= FEW_ROWS) { 1 } else { scan.partitions.len() };
        let run = Arc::clone(&self.source).begin(together);
        SqlScanExec { scan, run, metrics: ExecutionPlanMetricsSet::new(), ..self.clone() }
    }
}

impl DisplayAs for SqlScanExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scan.describe(self.source.scan_name(), format, f)
    }
}

impl ExecutionPlan for SqlScanExec {
    fn name(&self) -> &str {
        self.source.scan_name()
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
        let work = RowQuery {
            schema: Arc::clone(&self.scan.schema),
            batch_rows: context.session_config().batch_size(),
            statements: self.scan.statements(partition),
            sums: false,
        };
        Ok(self.run.stream(partition, work, metrics))
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
