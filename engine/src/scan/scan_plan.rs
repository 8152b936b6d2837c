//! Scan planning, pure: from a table's state, the filters and the tiers asked for, to the segments each tier must read.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::ToDFSchema;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_expr::create_physical_expr;
use zxq_catalog::{Granularity, Segment, TableDef, TableState, Tier};
use zxq_providers::pruning::prune;

/// What one tier contributes to a scan.
#[derive(Debug, Clone, Default)]
pub(crate) struct TierPart {
    /// Segments to read.
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Segments of the tier's read set that cannot hold a matching row.
    pub(crate) pruned: usize,
}

/// What a scan will read.
#[derive(Debug, Clone)]
pub(crate) struct ScanPlan {
    /// By [`Tier::index`].
    pub(crate) tiers: [TierPart; 3],
    /// Every row of the kept segments matches the filters.
    pub(crate) exact: bool,
    /// Rows of the table that the tier hint leaves out, before filters.
    pub(crate) rows_left_out: u64,
}

impl ScanPlan {
    /// All segments kept, fastest tier first.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.tiers.iter().flat_map(|part| part.segments.iter())
    }
}

/// True when the filter is decided by the catalog alone: it uses only columns of which each partition holds one value.
pub(crate) fn is_partition_filter(table: &TableDef, filter: &Expr) -> bool {
    if filter.is_volatile() {
        return false;
    }
    let columns = filter.column_refs();
    !columns.is_empty() && columns.iter().all(|column| is_partition_constant(table, &column.name))
}

/// True when every partition holds exactly one value of the column.
pub(crate) fn is_partition_constant(table: &TableDef, column: &str) -> bool {
    let partitioning = &table.partitioning;
    partitioning.class_column.as_deref() == Some(column)
        || (partitioning.granularity == Granularity::Day && partitioning.date_column.as_deref() == Some(column))
}

/// Plans the scan of one table.
///
/// # Errors
/// Only for filters that DataFusion cannot plan.
pub(crate) fn plan_scan(
    state: &TableState,
    filters: &[Expr],
    tiers: &[Tier],
    props: &ExecutionProps,
) -> DfResult<ScanPlan> {
    let table = &state.def;
    let mut read_set = state.read_set(tiers);
    let total = state.row_count();
    let rows_left_out = total.saturating_sub(read_set.iter().map(|s| s.rows).sum());
    let (decided, other): (Vec<&Expr>, Vec<&Expr>) = filters.iter().partition(|f| is_partition_filter(table, f));
    let mut pruned = [0_usize; 3];

    if let Some(predicate) = conjunction(decided.into_iter().cloned()) {
        let keep = matching_partitions(table, &read_set, &predicate, props)?;
        retain(&mut read_set, &keep, &mut pruned);
    }
    if let Some(predicate) = conjunction(other.iter().copied().cloned())
        && !read_set.is_empty()
    {
        let schema = table.schema();
        let df_schema = Arc::clone(&schema).to_dfschema()?;
        let physical = create_physical_expr(&unqualified(predicate)?, &df_schema, props)?;
        let keep = prune(&schema, &read_set, &physical)?;
        retain(&mut read_set, &keep, &mut pruned);
    }

    let mut plan = ScanPlan { tiers: Default::default(), exact: other.is_empty(), rows_left_out };
    for segment in read_set {
        plan.tiers[segment.tier.index()].segments.push(segment);
    }
    for (part, count) in plan.tiers.iter_mut().zip(pruned) {
        part.pruned = count;
    }
    Ok(plan)
}

fn retain(segments: &mut Vec<Arc<Segment>>, keep: &[bool], pruned: &mut [usize; 3]) {
    let mut index = 0;
    segments.retain(|segment| {
        let kept = keep.get(index).copied().unwrap_or(true);
        index += 1;
        if !kept {
            pruned[segment.tier.index()] += 1;
        }
        kept
    });
}

/// Evaluates a predicate over the partition values of each segment: exact, because each has one value.
fn matching_partitions(
    table: &TableDef,
    segments: &[Arc<Segment>],
    predicate: &Expr,
    props: &ExecutionProps,
) -> DfResult<Vec<bool>> {
    let mut fields = Vec::with_capacity(2);
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(2);
    if let Some(name) = table.partitioning.date_column.as_deref() {
        fields.push(Field::new(name, DataType::Date32, true));
        arrays.push(Arc::new(segments.iter().map(|s| s.partition.period).collect::<Date32Array>()));
    }
    if let Some(name) = table.partitioning.class_column.as_deref() {
        fields.push(Field::new(name, DataType::Utf8View, true));
        arrays.push(Arc::new(segments.iter().map(|s| s.partition.class.as_deref()).collect::<StringViewArray>()));
    }
    let schema = Arc::new(Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(segments.len()));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)?;
    let df_schema = schema.to_dfschema()?;
    let physical = create_physical_expr(&unqualified(predicate.clone())?, &df_schema, props)?;
    let result = physical.evaluate(&batch)?.into_array(segments.len())?;
    let Some(matches) = result.as_any().downcast_ref::<BooleanArray>() else {
        return Ok(vec![true; segments.len()]);
    };
    Ok(matches.iter().map(|m| m == Some(true)).collect())
}

/// The same expression without table qualifiers, to be planned against the table's own schema.
pub(crate) fn unqualified(expr: Expr) -> DfResult<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    expr.transform(|e| match e {
        Expr::Column(mut column) if column.relation.is_some() => {
            column.relation = None;
            Ok(Transformed::yes(Expr::Column(column)))
        }
        other => Ok(Transformed::no(other)),
    })
    .map(|t| t.data)
}
