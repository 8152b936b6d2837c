//! The plan node that reads segments: one SELECT per output partition.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::config::ConfigOptions;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, Partitioning, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties, SortOrderPushdownResult,
};
use zxq_catalog::{Segment, TableDef};

use super::database::Database;
use super::facts::Facts;
use super::filter::{Predicate, translate};
use super::names::quote;
use super::sql::Select;
use super::stream::{DuckDbStream, Statement, Statements, Work};
use super::types::{is_float, sql_type};
use crate::error::Result;
use crate::pruning::prune;
use crate::stats;

/// Segments per statement while a dynamic filter may still grow stronger: it is read again before each statement.
const SEGMENTS_BETWEEN_FILTERS: usize = 16;

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
    pub(super) table: Arc<TableDef>,
    /// Segments of each output partition.
    pub(super) partitions: Vec<Vec<Arc<Segment>>>,
    projection: Vec<usize>,
    schema: SchemaRef,
    pub(super) filters: Vec<Predicate>,
    /// Filters that other parts of the plan tighten while it runs.
    dynamic: Vec<Arc<dyn PhysicalExpr>>,
    /// `ORDER BY …`, or nothing.
    order: String,
    pub(super) fetch: Option<usize>,
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
        let schema = Arc::new(table.schema().project(&projection)?);
        let partitions = split(segments, target_partitions);
        let properties = properties(&schema, partitions.len(), None);
        Ok(DuckDbScanExec {
            database,
            table,
            partitions,
            projection,
            schema,
            filters: Vec::new(),
            dynamic: Vec::new(),
            order: String::new(),
            fetch: None,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The SQL that one output partition sends, as far as it is known before the plan runs.
    ///
    /// # Errors
    /// When a segment's location is not one of this store.
    pub fn sql(&self, partition: usize) -> Result<String> {
        let segments = self.partitions.get(partition).map(Vec::as_slice).unwrap_or_default();
        self.with_select(&[], self.fetch, |select| select.sql(segments))
    }

    /// All segments.
    pub(super) fn segments(&self) -> Vec<&Arc<Segment>> {
        self.partitions.iter().flatten().collect()
    }

    /// Adds the filter to the SQL if all of it can be said there. `None` when it cannot, or when rows have been limited
    /// already.
    pub(super) fn with_exact_filter(&self, filter: &Arc<dyn PhysicalExpr>) -> Option<Self> {
        if self.fetch.is_some() {
            return None;
        }
        let segments = self.segments();
        let predicate = translate(filter, &Facts::new(&self.table, &segments)).filter(|p| p.exact)?;
        let mut scan = self.renewed();
        scan.add_filter(predicate);
        Some(scan)
    }

    /// Adds as much of the filter to the SQL as can be said there; true when that is all of it.
    pub(super) fn push_filter(&mut self, filter: &Arc<dyn PhysicalExpr>) -> bool {
        let segments = self.segments();
        let predicate = translate(filter, &Facts::new(&self.table, &segments));
        let exact = predicate.as_ref().is_some_and(|p| p.exact);
        if let Some(predicate) = predicate {
            self.add_filter(predicate);
        }
        exact
    }

    fn add_filter(&mut self, predicate: Predicate) {
        if predicate.sql != "true" && !self.filters.iter().any(|f| f.sql == predicate.sql) {
            self.filters.push(predicate);
        }
    }

    /// Limits each output partition's rows.
    pub(super) fn limited(mut self, fetch: Option<usize>) -> Self {
        self.fetch = fetch;
        self
    }

    /// A copy that counts its own work.
    fn renewed(&self) -> Self {
        DuckDbScanExec { metrics: ExecutionPlanMetricsSet::new(), ..self.clone() }
    }

    fn with_select<T>(
        &self,
        more: &[Predicate],
        limit: Option<usize>,
        render: impl FnOnce(Select<'_>) -> Result<T>,
    ) -> Result<T> {
        let counting = self.projection.is_empty();
        let expressions: Vec<String> = match counting {
            true => vec!["count(*)".to_owned()],
            false => self.schema.fields().iter().map(|f| quote(f.name())).collect(),
        };
        let columns: BTreeSet<usize> = self.projection.iter().copied().collect();
        let filters: Vec<Predicate> = self.filters.iter().chain(more).cloned().collect();
        render(Select {
            table: &self.table,
            expressions: &expressions,
            columns: &columns,
            filters: &filters,
            tail: &self.order,
            // A count is one row; its limit is applied to what it counts, when the rows are made.
            limit: limit.filter(|_| !counting),
        })
    }

    fn order_by(&self, order: &[PhysicalSortExpr]) -> Option<String> {
        let mut keys = Vec::with_capacity(order.len());
        for key in order {
            let column = key.expr.downcast_ref::<Column>()?;
            let (_, data_type) = Facts::new(&self.table, &[]).column(column.name())?;
            // DuckDB holds the two zeros equal and sorts NaN its own way.
            if is_float(data_type) || sql_type(data_type).is_none() {
                return None;
            }
            let direction = if key.options.descending { "DESC" } else { "ASC" };
            let nulls = if key.options.nulls_first { "FIRST" } else { "LAST" };
            keys.push(format!("{} {direction} NULLS {nulls}", quote(column.name())));
        }
        (!keys.is_empty()).then(|| format!("ORDER BY {}", keys.join(", ")))
    }
}

/// Splits segments into output partitions of about equal numbers of rows.
fn split(segments: Vec<Arc<Segment>>, target_partitions: usize) -> Vec<Vec<Arc<Segment>>> {
    let rows: u64 = segments.iter().map(|s| s.rows).sum();
    let worth = usize::try_from(rows / ROWS_PER_PARTITION).unwrap_or(usize::MAX);
    let count = worth.min(MAX_PARTITIONS).min(target_partitions).min(segments.len()).max(1);
    if count == 1 {
        return vec![segments];
    }
    let mut partitions: Vec<(u64, Vec<Arc<Segment>>)> = vec![(0, Vec::new()); count];
    for segment in segments {
        if let Some((rows, list)) = partitions.iter_mut().min_by_key(|(rows, _)| *rows) {
            *rows += segment.rows;
            list.push(segment);
        }
    }
    partitions.into_iter().map(|(_, list)| list).collect()
}

/// Properties of a leaf that reads DuckDB.
pub(super) fn properties(schema: &SchemaRef, partitions: usize, order: Option<LexOrdering>) -> Arc<PlanProperties> {
    let equivalence = EquivalenceProperties::new_with_orderings(Arc::clone(schema), order);
    let properties = PlanProperties::new(
        equivalence,
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    );
    // The stream reads a tokio channel, which takes part in tokio's budget.
    Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative))
}

impl DisplayAs for DuckDbScanExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments = self.segments();
        let sql = self.with_select(&[], self.fetch, |select| select.shown(&segments)).map_err(|_| fmt::Error)?;
        match format {
            DisplayFormatType::TreeRender => write!(f, "segments={}\nsql={sql}", segments.len()),
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "DuckDbScanExec: segments={}, statements={}", segments.len(), self.partitions.len())?;
                if !self.dynamic.is_empty() {
                    let filters: Vec<String> = self.dynamic.iter().map(ToString::to_string).collect();
                    write!(f, ", dynamic_filters=[{}]", filters.join(", "))?;
                }
                write!(f, ", sql=[{sql}]")
            }
        }
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
            schema: Arc::clone(&self.schema),
            batch_rows: context.session_config().batch_size(),
            statements: Box::new(ScanStatements { scan: self.clone(), partition, next_segment: 0 }),
        };
        Ok(Box::pin(DuckDbStream::new(work, metrics)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, partition: Option<usize>) -> DataFusionResult<Arc<Statistics>> {
        let segments: Vec<Arc<Segment>> = match partition {
            Some(partition) => self.partitions.get(partition).cloned().unwrap_or_default(),
            None => self.segments().into_iter().cloned().collect(),
        };
        let exact = self.filters.is_empty() && self.dynamic.is_empty();
        let statistics = stats::statistics(&self.table.schema(), &segments, &self.projection, exact);
        let parts = if partition.is_some() { 1 } else { self.partitions.len() };
        Ok(Arc::new(match self.fetch {
            Some(fetch) => statistics.with_fetch(Some(fetch), 0, parts)?,
            None => statistics,
        }))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(self.renewed().limited(limit)))
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        child_pushdown_result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> DataFusionResult<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let offered = child_pushdown_result.parent_filters;
        if self.fetch.is_some() || offered.is_empty() {
            // A filter above a limit must not move below it.
            return Ok(FilterPushdownPropagation::with_parent_pushdown_result(vec![PushedDown::No; offered.len()]));
        }
        let mut scan = self.renewed();
        let mut answers = Vec::with_capacity(offered.len());
        for filter in offered {
            let filter = filter.filter;
            let is_dynamic = datafusion::physical_expr_common::physical_expr::is_dynamic_physical_expr(&filter);
            if is_dynamic {
                scan.dynamic.push(filter);
                answers.push(PushedDown::No);
            } else {
                answers.push(if scan.push_filter(&filter) { PushedDown::Yes } else { PushedDown::No });
            }
        }
        let node: Arc<dyn ExecutionPlan> = Arc::new(scan);
        Ok(FilterPushdownPropagation::with_parent_pushdown_result(answers).with_updated_node(node))
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> DataFusionResult<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        let (Some(order_by), Some(ordering), None) =
            (self.order_by(order), LexOrdering::new(order.iter().cloned()), self.fetch)
        else {
            return Ok(SortOrderPushdownResult::Unsupported);
        };
        let mut scan = self.renewed();
        scan.order = order_by;
        scan.properties = properties(&scan.schema, scan.partitions.len(), Some(ordering));
        Ok(SortOrderPushdownResult::Exact { inner: Arc::new(scan) })
    }
}

/// The statements of one output partition: one, unless dynamic filters are read again on the way.
struct ScanStatements {
    scan: DuckDbScanExec,
    partition: usize,
    next_segment: usize,
}

impl Statements for ScanStatements {
    fn next(&mut self, rows_so_far: usize) -> Result<Option<Statement>> {
        let scan = &self.scan;
        let all = scan.partitions.get(self.partition).map(Vec::as_slice).unwrap_or_default();
        let left = scan.fetch.map(|fetch| fetch.saturating_sub(rows_so_far));
        if left == Some(0) {
            return Ok(None);
        }
        loop {
            let rest = all.get(self.next_segment..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(None);
            }
            let at_once = scan.dynamic.is_empty() || !scan.order.is_empty();
            let size = if at_once { rest.len() } else { rest.len().min(SEGMENTS_BETWEEN_FILTERS) };
            self.next_segment += size;
            let mut segments = rest.get(..size).unwrap_or_default().to_vec();
            let mut more = Vec::new();
            for filter in &scan.dynamic {
                let keep = prune(&scan.schema, &segments, filter)?;
                let mut keep = keep.into_iter();
                segments.retain(|_| keep.next().unwrap_or(true));
                let kept: Vec<&Arc<Segment>> = segments.iter().collect();
                more.extend(translate(filter, &Facts::new(&scan.table, &kept)));
            }
            if segments.is_empty() {
                continue;
            }
            let rows: u64 = segments.iter().map(|s| s.rows).sum();
            let whole = scan.filters.is_empty() && more.is_empty() && left.is_none();
            return Ok(Some(Statement {
                sql: scan.with_select(&more, left, |select| select.sql(&segments))?,
                expected_rows: whole.then(|| usize::try_from(rows).unwrap_or(usize::MAX)),
                most_rows: left,
            }));
        }
    }
}
