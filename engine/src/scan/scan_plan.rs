//! Scan planning, pure: from a table's state, the filters and the tiers asked for, to the segments each tier must read.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Date32Array, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::ToDFSchema;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_expr::create_physical_expr;
use zxq_catalog::{Granularity, PartitionKey, PartitionState, Segment, TableDef, TableState, Tier};
use zxq_providers::pruning::prune;

use crate::scan::day_range::DayRange;

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
    if columns.is_empty() {
        // What is left of `NOT IN (1, NULL)`: NULL, for all partitions.
        return matches!(filter, Expr::Literal(_, _));
    }
    columns.iter().all(|column| is_partition_constant(table, &column.name))
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
    let (decided, other): (Vec<&Expr>, Vec<&Expr>) = filters.iter().partition(|f| is_partition_filter(table, f));
    let decided = conjunction(decided.into_iter().cloned());
    let days = DayRange::of_filters(table, filters);
    let by_partition = !state.has_replicas() && (decided.is_some() || days.is_bounded());
    let ReadSet { mut segments, rows, mut pruned } = match decided {
        decided if by_partition => in_partitions(state, tiers, days, decided.as_ref(), props)?,
        decided => {
            let mut read = ReadSet::whole(state, tiers);
            if let Some(predicate) = decided {
                let keys: Vec<&PartitionKey> = read.segments.iter().map(|segment| &segment.partition).collect();
                let keep = matching_partitions(table, &keys, &predicate, props)?;
                retain(&mut read.segments, &keep, &mut read.pruned);
            }
            read
        }
    };
    let rows_left_out = state.row_count().saturating_sub(rows);
    if let Some(predicate) = conjunction(other.iter().copied().cloned())
        && !segments.is_empty()
    {
        let schema = table.schema();
        let df_schema = Arc::clone(&schema).to_dfschema()?;
        let physical = create_physical_expr(&unqualified(predicate)?, &df_schema, props)?;
        let keep = prune(&schema, &segments, &physical)?;
        retain(&mut segments, &keep, &mut pruned);
    }

    let mut plan = ScanPlan { tiers: Default::default(), exact: other.is_empty(), rows_left_out };
    for segment in segments {
        plan.tiers[segment.tier.index()].segments.push(segment);
    }
    for (part, count) in plan.tiers.iter_mut().zip(pruned) {
        part.pruned = count;
    }
    Ok(plan)
}

/// Segments that hold each row once that the tiers asked for hold, as far as filters have not ruled them out.
struct ReadSet {
    segments: Vec<Arc<Segment>>,
    /// Rows of all of them, also of those that are ruled out.
    rows: u64,
    /// How many are ruled out, by tier.
    pruned: [usize; 3],
}

impl ReadSet {
    fn whole(state: &TableState, tiers: &[Tier]) -> Self {
        let segments = state.read_set(tiers);
        let rows = segments.iter().map(|segment| segment.rows).sum();
        ReadSet { segments, rows, pruned: [0; 3] }
    }
}

/// The read set of a table without replicas, of the partitions that pass: segments of others are not looked at, and neither are
/// partitions of other days.
fn in_partitions(
    state: &TableState,
    tiers: &[Tier],
    days: DayRange,
    predicate: Option<&Expr>,
    props: &ExecutionProps,
) -> DfResult<ReadSet> {
    let is_read = |partition: &PartitionState| tiers.iter().any(|tier| !partition.tier(*tier).is_empty());
    let (keys, partitions): (Vec<&PartitionKey>, Vec<&Arc<PartitionState>>) =
        days.partitions(state).filter(|(_, partition)| is_read(partition)).unzip();
    let keep = match predicate {
        Some(predicate) => matching_partitions(&state.def, &keys, predicate, props)?,
        None => vec![true; keys.len()],
    };
    let kept = || partitions.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(partition, _)| partition);
    let mut read = ReadSet { segments: Vec::new(), rows: 0, pruned: [0; 3] };
    for tier in Tier::ALL.into_iter().filter(|tier| tiers.contains(tier)) {
        let before = read.segments.len();
        read.segments.extend(kept().flat_map(|partition| partition.tier(tier)).cloned());
        // In one order, whatever is ruled out.
        read.segments[before..].sort_unstable_by_key(|segment| segment.id);
        read.pruned[tier.index()] = state.tier(tier).len() - (read.segments.len() - before);
        read.rows += state.tier(tier).totals().owned_rows;
    }
    Ok(read)
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

/// Evaluates a predicate over the values of partitions: exact, because each has one value.
fn matching_partitions(
    table: &TableDef,
    keys: &[&PartitionKey],
    predicate: &Expr,
    props: &ExecutionProps,
) -> DfResult<Vec<bool>> {
    let mut fields = Vec::with_capacity(2);
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(2);
    if let Some(name) = table.partitioning.date_column.as_deref() {
        fields.push(Field::new(name, DataType::Date32, true));
        arrays.push(Arc::new(keys.iter().map(|key| key.period).collect::<Date32Array>()));
    }
    if let Some(name) = table.partitioning.class_column.as_deref() {
        fields.push(Field::new(name, DataType::Utf8View, true));
        arrays.push(Arc::new(keys.iter().map(|key| key.class.as_deref()).collect::<StringViewArray>()));
    }
    let schema = Arc::new(Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(keys.len()));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)?;
    let df_schema = schema.to_dfschema()?;
    let physical = create_physical_expr(&unqualified(predicate.clone())?, &df_schema, props)?;
    let result = physical.evaluate(&batch)?.into_array(keys.len())?;
    if result.data_type().is_null() {
        return Ok(vec![false; keys.len()]);
    }
    let Some(matches) = result.as_any().downcast_ref::<BooleanArray>() else {
        return Ok(vec![true; keys.len()]);
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

#[cfg(test)]
mod tests;
