//! The plan node that reads hot segments.

use std::fmt;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Statistics, internal_err};
use datafusion::error::Result as DfResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::conjunction;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalSortExpr};
use datafusion::physical_expr_common::physical_expr::is_dynamic_physical_expr;
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::projection::{ProjectionExec, all_alias_free_columns};
use datafusion::physical_plan::sort_pushdown::SortOrderPushdownResult;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};
use zxq_catalog::{Segment, TableDef, Value};

use super::bounds::KeyBounds;
use super::layout::{Piece, ScanLayout, row_count};
use super::segment::HotSegment;
use super::stream::{PieceReader, ReadSpec};
use crate::error::Result;
use crate::{pruning, stats};

/// Reads whole hot segments, or the ranges of them that the filters leave, as slices of the stored batches.
///
/// It holds the segments themselves, so what is dropped from the store while it runs stays readable. Filters only leave
/// rows out that cannot pass; whoever needs them exact evaluates them again above.
#[derive(Debug, Clone)]
pub struct HotScanExec {
    spec: ReadSpec,
    segments: Vec<(Arc<HotSegment>, Arc<Segment>)>,
    target_partitions: usize,
    layout: ScanLayout,
    segments_kept: usize,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl HotScanExec {
    pub(crate) fn new(
        table: Arc<TableDef>,
        segments: Vec<(Arc<HotSegment>, Arc<Segment>)>,
        projection: Vec<usize>,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        fetch: Option<usize>,
        target_partitions: usize,
    ) -> Result<Self> {
        let table_schema = table.schema();
        let output = Arc::new(table_schema.project(&projection)?);
        let properties = Arc::new(properties(&output, &[], 1));
        let spec = ReadSpec { table, table_schema, projection, output, filters, dynamic_filters: Vec::new(), fetch };
        let mut scan = HotScanExec {
            spec,
            segments,
            target_partitions,
            layout: ScanLayout { partitions: Vec::new(), ordered: false },
            segments_kept: 0,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
        };
        scan.lay_out()?;
        Ok(scan)
    }

    /// Decides, from the filters that do not change, which rows of which segments to read, and deals them out.
    fn lay_out(&mut self) -> Result<()> {
        let facts: Vec<Arc<Segment>> = self.segments.iter().map(|(_, facts)| Arc::clone(facts)).collect();
        let keep = if self.spec.filters.is_empty() {
            vec![true; facts.len()]
        } else {
            pruning::prune(&self.spec.table_schema, &facts, &conjunction(self.spec.filters.iter().cloned()))?
        };
        let bounds = KeyBounds::of(&self.spec.filters, &self.spec.table_schema);
        let mut pieces = Vec::with_capacity(self.segments.len());
        self.segments_kept = 0;
        for ((segment, facts), _) in self.segments.iter().zip(keep).filter(|(_, keep)| *keep) {
            let before = pieces.len();
            for rows in segment.narrow(&bounds, 0..segment.num_rows()) {
                pieces.push(Piece { segment: Arc::clone(segment), facts: Arc::clone(facts), rows });
            }
            self.segments_kept += usize::from(pieces.len() > before);
        }
        self.layout = ScanLayout::new(pieces, &self.spec.table.sort_by, self.target_partitions);
        self.refresh_properties();
        Ok(())
    }

    fn refresh_properties(&mut self) {
        let order: Vec<(&str, bool)> = if self.layout.ordered {
            self.spec.table.sort_by.iter().map(|name| (name.as_str(), self.has_no_nulls(name))).collect()
        } else {
            Vec::new()
        };
        self.properties = Arc::new(properties(&self.spec.output, &order, self.layout.partitions.len()));
    }

    /// True when no row that is read has a NULL in the column.
    fn has_no_nulls(&self, column: &str) -> bool {
        let mut pieces = self.layout.partitions.iter().flatten();
        pieces.all(|piece| piece.facts.stats.get(column).is_some_and(|stats| stats.null_count == 0))
    }

    /// The filter with its columns' positions in the output turned into positions in the table.
    fn over_table(&self, filter: &Arc<dyn PhysicalExpr>) -> DfResult<Arc<dyn PhysicalExpr>> {
        Arc::clone(filter)
            .transform_down(|expr| {
                let Some(column) = expr.downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
                let Some(index) = self.spec.projection.get(column.index()) else {
                    return internal_err!("filter column {column} is not an output of HotScanExec");
                };
                let name = self.spec.table_schema.field(*index).name();
                Ok(Transformed::yes(Arc::new(Column::new(name, *index)) as Arc<dyn PhysicalExpr>))
            })
            .data()
    }

    fn statistics_of(&self, pieces: &[&Piece]) -> DfResult<Statistics> {
        let mut facts: Vec<Arc<Segment>> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            if facts.last().is_none_or(|last| last.id != piece.facts.id) {
                facts.push(Arc::clone(&piece.facts));
            }
        }
        let rows: usize = pieces.iter().map(|p| p.rows.len()).sum();
        let whole = facts.iter().map(|f| f.rows as usize).sum::<usize>() == rows;
        let exact = whole && self.spec.filters.is_empty() && self.spec.dynamic_filters.is_empty();
        let mut result = stats::statistics(&self.spec.table_schema, &facts, &self.spec.projection, exact);
        // Narrowed by the sort key, the number of rows is still known; whoever plans above needs it to not spread a
        // handful of rows over all processors.
        let count_known = self.spec.dynamic_filters.is_empty() && !self.may_use_index();
        result.num_rows = if count_known { Precision::Exact(rows) } else { Precision::Inexact(rows) };
        if !whole {
            result.calculate_total_byte_size(&self.spec.output);
        }
        Ok(result)
    }

    /// True when a stream may leave out rows by an index.
    fn may_use_index(&self) -> bool {
        let table = &self.spec.table;
        KeyBounds::of(&self.spec.filters, &self.spec.table_schema)
            .equalities()
            .any(|(name, _)| table.lookup.iter().any(|l| l == name) && table.sort_by.first().is_none_or(|s| s != name))
    }

    /// One bound of a column over a segment, to read the most promising segments first.
    fn bound(&self, piece: &Piece, column: &str, descending: bool) -> Option<Value> {
        let stats = piece.facts.stats.get(column).filter(|stats| stats.has_bounds)?;
        if descending { stats.max.clone() } else { stats.min.clone() }
    }
}

/// `sort_by` gives the columns that every output partition is sorted by, and whether they are free of NULLs: rows are then
/// also in the order with NULLs last, the one that `ORDER BY` asks for by default. Only one order is named: of two that
/// begin with the same column DataFusion looks at one, and not always the same one.
fn properties(output: &SchemaRef, sort_by: &[(&str, bool)], partitions: usize) -> PlanProperties {
    let ordering: Vec<PhysicalSortExpr> = sort_by
        .iter()
        .map_while(|(name, no_nulls)| {
            let column = Arc::new(Column::new(name, output.index_of(name).ok()?));
            let options = SortOptions { descending: false, nulls_first: !*no_nulls };
            Some(PhysicalSortExpr::new(column, options))
        })
        .collect();
    let orderings = Some(ordering).filter(|ordering| !ordering.is_empty());
    PlanProperties::new(
        EquivalenceProperties::new_with_orderings(Arc::clone(output), orderings),
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    )
    .with_scheduling_type(SchedulingType::Cooperative)
}

impl DisplayAs for HotScanExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: usize = self.layout.partitions.iter().map(|p| row_count(p)).sum();
        let pruned = self.segments.len() - self.segments_kept;
        if format == DisplayFormatType::TreeRender {
            return write!(f, "segments={}\nrows={rows}", self.segments_kept);
        }
        let columns: Vec<&str> = self.spec.output.fields().iter().map(|field| field.name().as_str()).collect();
        write!(
            f,
            "HotScanExec: segments={}, pruned={pruned}, rows={rows}, partitions={}, projection=[{}]",
            self.segments_kept,
            self.layout.partitions.len(),
            columns.join(", ")
        )?;
        if !self.spec.filters.is_empty() || !self.spec.dynamic_filters.is_empty() {
            let filters: Vec<String> =
                self.spec.filters.iter().chain(&self.spec.dynamic_filters).map(|filter| filter.to_string()).collect();
            write!(f, ", filters=[{}]", filters.join(", "))?;
        }
        if let Some(ordering) = self.properties.output_ordering() {
            write!(f, ", output_ordering=[{ordering}]")?;
        }
        match self.spec.fetch {
            Some(fetch) => write!(f, ", fetch={fetch}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for HotScanExec {
    fn name(&self) -> &str {
        "HotScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("HotScanExec has no children") }
    }

    fn reset_state(self: Arc<Self>) -> DfResult<Arc<dyn ExecutionPlan>> {
        // A dynamic filter of an earlier run would leave out rows of the next one.
        let mut fresh = self.as_ref().clone();
        fresh.spec.dynamic_filters.clear();
        fresh.metrics = ExecutionPlanMetricsSet::new();
        Ok(Arc::new(fresh))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let Some(pieces) = self.layout.partitions.get(partition) else {
            return internal_err!("HotScanExec has no output partition {partition}");
        };
        let reader = PieceReader::new(
            self.spec.clone(),
            pieces.clone(),
            context.session_config().batch_size(),
            BaselineMetrics::new(&self.metrics, partition),
            MetricBuilder::new(&self.metrics).counter("segments_pruned", partition),
        );
        let stream = RecordBatchStreamAdapter::new(Arc::clone(&self.spec.output), futures::stream::iter(reader));
        Ok(Box::pin(cooperative(stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, partition: Option<usize>) -> DfResult<Arc<Statistics>> {
        let (pieces, partitions): (Vec<&Piece>, usize) = match partition {
            None => (self.layout.partitions.iter().flatten().collect(), self.layout.partitions.len()),
            Some(index) => match self.layout.partitions.get(index) {
                Some(pieces) => (pieces.iter().collect(), 1),
                None => return internal_err!("HotScanExec has no output partition {index}"),
            },
        };
        let all = self.statistics_of(&pieces)?;
        Ok(Arc::new(match self.spec.fetch {
            Some(fetch) => all.with_fetch(Some(fetch), 0, partitions)?,
            None => all,
        }))
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        let mut scan = self.clone();
        scan.spec.fetch = limit;
        Some(Arc::new(scan))
    }

    fn fetch(&self) -> Option<usize> {
        self.spec.fetch
    }

    fn try_swapping_with_projection(&self, projection: &ProjectionExec) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
        if !all_alias_free_columns(projection.expr()) {
            return Ok(None);
        }
        let mut wanted = Vec::with_capacity(projection.expr().len());
        for expr in projection.expr() {
            let index = expr.expr.downcast_ref::<Column>().and_then(|column| self.spec.projection.get(column.index()));
            let Some(index) = index else { return Ok(None) };
            wanted.push(*index);
        }
        let mut scan = self.clone();
        scan.spec.output = Arc::new(self.spec.table_schema.project(&wanted)?);
        scan.spec.projection = wanted;
        scan.refresh_properties();
        Ok(Some(Arc::new(scan)))
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        child_pushdown_result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> DfResult<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let offered = child_pushdown_result.parent_filters;
        if self.spec.fetch.is_some() {
            // Rows left out below a limit would make room for others: a filter above a limit must stay there.
            return Ok(FilterPushdownPropagation::with_parent_pushdown_result(vec![PushedDown::No; offered.len()]));
        }
        let mut scan = self.clone();
        let (mut more_static, mut more_dynamic) = (false, false);
        for parent in &offered {
            let filter = self.over_table(&parent.filter)?;
            if is_dynamic_physical_expr(&filter) {
                scan.spec.dynamic_filters.push(filter);
                more_dynamic = true;
            } else if !scan.spec.filters.contains(&filter) {
                scan.spec.filters.push(filter);
                more_static = true;
            }
        }
        // None is promised to be exact: whoever offered it keeps it.
        let answer = FilterPushdownPropagation::with_parent_pushdown_result(vec![PushedDown::No; offered.len()]);
        // After the plan is distributed the output partitions must stay as they are; the streams narrow by themselves.
        if more_static && phase == FilterPushdownPhase::Pre {
            scan.lay_out()?;
        }
        Ok(if more_static || more_dynamic { answer.with_updated_node(Arc::new(scan)) } else { answer })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> DfResult<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        // Which rows a limit keeps may depend on the order they come in, so that order stays.
        let (Some(first), None) = (order.first(), self.spec.fetch) else {
            return Ok(SortOrderPushdownResult::Unsupported);
        };
        let pieces: Vec<Piece> = self.layout.partitions.iter().flatten().cloned().collect();
        let column = first.expr.downcast_ref::<Column>().and_then(|c| self.spec.output.fields().get(c.index()));
        let (Some(column), true) = (column, pieces.len() > 1) else {
            return Ok(SortOrderPushdownResult::Unsupported);
        };
        if self.properties.eq_properties.ordering_satisfy(order.iter().cloned())? {
            return Ok(SortOrderPushdownResult::Unsupported);
        }
        // The rows cannot come sorted, but the segments that most likely hold the first ones can come first: a TopK
        // above then learns its threshold early, and its dynamic filter prunes the rest.
        let descending = first.options.descending;
        let mut keyed: Vec<(Option<Value>, Piece)> =
            pieces.into_iter().map(|p| (self.bound(&p, column.name(), descending), p)).collect();
        keyed.sort_by(|(a, _), (b, _)| match (a, b) {
            (Some(a), Some(b)) => {
                let order = a.compare(b).unwrap_or(std::cmp::Ordering::Equal);
                if descending { order.reverse() } else { order }
            }
            (a, b) => a.is_none().cmp(&b.is_none()),
        });
        let mut scan = self.clone();
        let count = self.layout.partitions.len();
        let mut partitions: Vec<Vec<Piece>> = vec![Vec::new(); count];
        for (number, (_, piece)) in keyed.into_iter().enumerate() {
            if let Some(partition) = partitions.get_mut(number % count) {
                partition.push(piece);
            }
        }
        scan.layout = ScanLayout { partitions, ordered: false };
        scan.refresh_properties();
        Ok(SortOrderPushdownResult::Inexact { inner: Arc::new(scan) })
    }
}

#[cfg(test)]
mod tests;
