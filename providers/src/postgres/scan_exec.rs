//! The plan node that reads segments: one SELECT per output partition.

use std::fmt;
use std::sync::{Arc, Weak};

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
use parking_lot::Mutex;
use zxq_catalog::{Segment, TableDef};

use super::dialect::POSTGRES;
use super::pool::Pool;
use super::snapshot::Group;
use super::stream::{Work, stream};
use crate::error::Result;
use crate::sql::scan::{SqlScan, properties};

/// Below this many rows a second output partition costs more than it gains.
const ROWS_PER_PARTITION: u64 = 100_000;

/// More connections than this for one scan leave too little for others.
const MAX_PARTITIONS: usize = 8;

/// Reads the rows of some segments of one table from PostgreSQL, as one SQL statement per output partition.
///
/// Takes over filters (those it can say in SQL exactly replace DataFusion's), limits and sorting.
#[derive(Debug, Clone)]
pub struct PostgresScanExec {
    pub(super) pool: Arc<Pool>,
    /// The connections of the run that is under way.
    group: Arc<Mutex<Weak<Group>>>,
    pub(super) scan: SqlScan,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl PostgresScanExec {
    /// A scan of these columns of these segments (at least one), in at most `target_partitions` parts.
    pub(super) fn new(
        pool: Arc<Pool>,
        table: Arc<TableDef>,
        segments: Vec<Arc<Segment>>,
        projection: Vec<usize>,
        target_partitions: usize,
    ) -> DataFusionResult<Self> {
        let most = MAX_PARTITIONS.min(target_partitions).min(pool.fair_share());
        let scan = SqlScan::new(&POSTGRES, table, segments, projection, most, ROWS_PER_PARTITION)?;
        let properties = properties(&scan.schema, scan.partitions.len(), None);
        Ok(PostgresScanExec { pool, group: Arc::default(), scan, properties, metrics: ExecutionPlanMetricsSet::new() })
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
        PostgresScanExec { scan: self.scan.limited(fetch), ..self }
    }

    /// The connections that this output partition belongs to: those of the run under way, unless it has had its part in them.
    fn join(&self, partition: usize) -> Arc<Group> {
        let mut current = self.group.lock();
        match current.upgrade().filter(|group| group.claim(partition)) {
            Some(group) => group,
            None => {
                let group = Arc::new(Group::new(Arc::clone(&self.pool), self.scan.partitions.len()));
                group.claim(partition);
                *current = Arc::downgrade(&group);
                group
            }
        }
    }

    /// Another scan of the same rows, which counts its own work.
    fn with_scan(&self, scan: SqlScan) -> Self {
        PostgresScanExec { scan, group: Arc::default(), metrics: ExecutionPlanMetricsSet::new(), ..self.clone() }
    }
}

impl DisplayAs for PostgresScanExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scan.describe("PostgresScanExec", format, f)
    }
}

impl ExecutionPlan for PostgresScanExec {
    fn name(&self) -> &str {
        "PostgresScanExec"
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
            group: self.join(partition),
            partition,
            schema: Arc::clone(&self.scan.schema),
            batch_rows: context.session_config().batch_size(),
            statements: self.scan.statements(partition),
            sums: false,
        };
        Ok(stream(work, metrics))
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
