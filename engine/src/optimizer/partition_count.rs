//! Answers counts that the catalog knows without reading a row: `SELECT trade_date, count(*) … GROUP BY trade_date`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::scalar::ScalarValue;
use zxq_catalog::Value;
use zxq_providers::scalar::{null_scalar, to_scalar};

use crate::scan::tier_scan_exec::TierScanExec;

/// Replaces an aggregate by its result where grouping columns are constant in every segment and the aggregates are
/// `count(*)`, `count(column)`, `min` or `max` of columns whose bounds the catalog knows exactly.
///
/// Without grouping columns DataFusion's own `AggregateStatistics` does the same from the scan's statistics.
#[derive(Debug)]
pub(crate) struct PartitionCounts;

impl PhysicalOptimizerRule for PartitionCounts {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|node| match answer(&node)? {
            Some(answer) => Ok(Transformed::yes(answer)),
            None => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "zxq_partition_counts"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn answer(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(last) = node.downcast_ref::<AggregateExec>() else { return Ok(None) };
    // The first stage sees the scan's columns; a final stage above it only combines.
    let first = match last.mode() {
        AggregateMode::Single | AggregateMode::SinglePartitioned => last,
        AggregateMode::Final | AggregateMode::FinalPartitioned => {
            match skip_exchanges(last.input()).downcast_ref::<AggregateExec>() {
                Some(partial) if *partial.mode() == AggregateMode::Partial => partial,
                _ => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    if last.limit_options().is_some() || first.group_expr().is_empty() || !first.group_expr().is_single() {
        return Ok(None);
    }
    if first.filter_expr().iter().any(Option::is_some) {
        return Ok(None);
    }
    let Some((scan, columns)) = scan_under(first.input()) else { return Ok(None) };
    if !scan.is_exact() {
        return Ok(None);
    }
    let name_of = |column: &Column| columns.get(column.index()).cloned().flatten();
    let mut keys = Vec::new();
    for (expr, _) in first.group_expr().expr() {
        match expr.downcast_ref::<Column>().and_then(name_of) {
            Some(name) => keys.push(name),
            None => return Ok(None),
        }
    }
    let mut measures = Vec::new();
    for aggregate in first.aggr_expr() {
        if aggregate.is_distinct() || !aggregate.order_bys().is_empty() {
            return Ok(None);
        }
        let argument = match aggregate.expressions().as_slice() {
            [one] => one.downcast_ref::<Column>().map(name_of),
            _ => return Ok(None),
        };
        let is_literal = aggregate.expressions().first().is_some_and(is_non_null_literal);
        let measure = match (aggregate.fun().name(), argument) {
            ("count", None) if is_literal => Measure::Rows,
            ("count", Some(Some(name))) => Measure::NonNull(name),
            ("min", Some(Some(name))) => Measure::Min(name),
            ("max", Some(Some(name))) => Measure::Max(name),
            _ => return Ok(None),
        };
        measures.push(measure);
    }
    let Some(groups) = gather(scan, &keys, &measures) else { return Ok(None) };
    let Some(batch) = to_batch(&last.schema(), &groups, keys.len())? else { return Ok(None) };
    let schema = batch.schema();
    Ok(Some(MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None)?))
}

fn is_non_null_literal(expr: &Arc<dyn datafusion::physical_expr::PhysicalExpr>) -> bool {
    expr.downcast_ref::<datafusion::physical_expr::expressions::Literal>().is_some_and(|l| !l.value().is_null())
}

enum Measure {
    Rows,
    NonNull(String),
    Min(String),
    Max(String),
}

#[derive(Clone)]
enum Known {
    Count(u64),
    Bound(Option<Value>),
}

/// A group's key and what is known of it.
type Group = (Vec<Option<Value>>, Vec<Known>);

fn skip_exchanges(plan: &Arc<dyn ExecutionPlan>) -> &Arc<dyn ExecutionPlan> {
    let exchange = plan.is::<RepartitionExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.name() == "CoalesceBatchesExec"
        || plan.name() == "SortPreservingMergeExec";
    match plan.children().as_slice() {
        // One with a limit lets only some rows through.
        [child] if exchange && plan.fetch().is_none() => skip_exchanges(child),
        _ => plan,
    }
}

/// The scan below exchanges and plain column projections, and the scan's column behind each output column.
fn scan_under(plan: &Arc<dyn ExecutionPlan>) -> Option<(&TierScanExec, Vec<Option<String>>)> {
    let plan = skip_exchanges(plan);
    if let Some(scan) = plan.downcast_ref::<TierScanExec>() {
        let names = scan.schema().fields().iter().map(|f| Some(f.name().clone())).collect();
        return Some((scan, names));
    }
    let projection = plan.downcast_ref::<ProjectionExec>()?;
    let (scan, below) = scan_under(projection.input())?;
    let names = projection
        .expr()
        .iter()
        .map(|p| p.expr.downcast_ref::<Column>().and_then(|c| below.get(c.index()).cloned().flatten()))
        .collect();
    Some((scan, names))
}

/// Group key to measures; `None` when a segment does not know one of them.
fn gather(scan: &TierScanExec, keys: &[String], measures: &[Measure]) -> Option<Vec<Group>> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for segment in scan.segments() {
        let mut key = Vec::with_capacity(keys.len());
        for name in keys {
            let stats = segment.stats.get(name)?;
            let constant = stats.has_bounds
                && ((stats.null_count == segment.rows) || (stats.null_count == 0 && stats.min == stats.max));
            if !constant {
                return None;
            }
            key.push(stats.min.clone());
        }
        let mut values = Vec::with_capacity(measures.len());
        for measure in measures {
            values.push(match measure {
                Measure::Rows => Known::Count(segment.rows),
                Measure::NonNull(name) => Known::Count(segment.rows - segment.stats.get(name)?.null_count),
                Measure::Min(name) => Known::Bound(bounded(segment, name)?.min.clone()),
                Measure::Max(name) => Known::Bound(bounded(segment, name)?.max.clone()),
            });
        }
        match groups.entry(format!("{key:?}")) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert((key, values));
            }
            std::collections::btree_map::Entry::Occupied(mut slot) => {
                for ((known, more), measure) in slot.get_mut().1.iter_mut().zip(values).zip(measures) {
                    combine(known, more, measure)?;
                }
            }
        }
    }
    Some(groups.into_values().collect())
}

fn bounded<'a>(segment: &'a zxq_catalog::Segment, name: &str) -> Option<&'a zxq_catalog::ColumnStats> {
    segment.stats.get(name).filter(|s| s.has_bounds)
}

fn combine(known: &mut Known, more: Known, measure: &Measure) -> Option<()> {
    match (known, more) {
        (Known::Count(total), Known::Count(n)) => *total += n,
        (Known::Bound(slot), Known::Bound(other)) => {
            let better = match (&*slot, &other) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(a), Some(b)) => {
                    let order = b.compare(a)?;
                    if matches!(measure, Measure::Min(_)) { order.is_lt() } else { order.is_gt() }
                }
            };
            if better {
                *slot = other;
            }
        }
        _ => return None,
    }
    Some(())
}

fn to_batch(schema: &SchemaRef, groups: &[Group], keys: usize) -> Result<Option<RecordBatch>> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        let data_type = field.data_type();
        let scalar = |value: &Option<Value>| match value {
            Some(value) => to_scalar(value, data_type),
            None => null_scalar(data_type).ok(),
        };
        if index >= keys && groups.iter().all(|(_, known)| matches!(known.get(index - keys), Some(Known::Count(_)))) {
            let counts = groups.iter().map(|(_, known)| match known.get(index - keys) {
                Some(Known::Count(n)) => i64::try_from(*n).unwrap_or(i64::MAX),
                _ => 0,
            });
            columns.push(Arc::new(counts.collect::<Int64Array>()));
            continue;
        }
        let scalars: Option<Vec<ScalarValue>> = groups
            .iter()
            .map(|(key, known)| match index.checked_sub(keys).map(|i| known.get(i)) {
                None => key.get(index).and_then(scalar),
                Some(Some(Known::Bound(bound))) => scalar(bound),
                _ => None,
            })
            .collect();
        match scalars {
            Some(scalars) if !scalars.is_empty() => columns.push(ScalarValue::iter_to_array(scalars)?),
            Some(_) => columns.push(arrow::array::new_empty_array(data_type)),
            None => return Ok(None),
        }
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns).ok())
}
