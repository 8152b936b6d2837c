//! Aggregates where the rows are: the part of a partial aggregate over a store that can compute it itself becomes SQL.

use std::sync::Arc;

use datafusion::common::Statistics;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode, Partitioning};
use zxq_catalog::Tier;
use zxq_providers::TierStore;

use crate::scan::tier_scan_exec::TierScanExec;

/// Rewrites `Partial(hot ∪ warm ∪ cold)` to `Partial(hot ∪ cold) ∪ (the same states from warm, computed by its database)`.
///
/// The stage above combines partial states and does not mind where each comes from. A store refuses where it cannot
/// prove that its states are the same; then the plan stays as it is.
#[derive(Debug)]
pub(crate) struct PartialAggregates {
    warm: Arc<dyn TierStore>,
}

impl PartialAggregates {
    pub(crate) fn new(warm: Arc<dyn TierStore>) -> Self {
        PartialAggregates { warm }
    }

    fn rewrite(&self, node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(aggregate) = node.downcast_ref::<AggregateExec>() else { return Ok(None) };
        let ordered = !matches!(aggregate.input_order_mode(), InputOrderMode::Linear);
        if *aggregate.mode() != AggregateMode::Partial || ordered || aggregate.limit_options().is_some() {
            return Ok(None);
        }
        let Some(pushdown) = self.warm.pushdown() else { return Ok(None) };
        let Some((filter, scan)) = filter_and_scan(aggregate.input()) else { return Ok(None) };
        let (Some(warm), rest) = scan.split_tier(Tier::Warm) else { return Ok(None) };
        let warm = match filter {
            None => warm,
            // A projection or limit inside the filter changes columns or rows: too rare to follow.
            Some(filter) if filter.projection().is_some() || filter.fetch().is_some() => return Ok(None),
            Some(filter) => match pushdown.exact_filter(&warm, filter.predicate()) {
                Some(filtered) => filtered,
                None => return Ok(None),
            },
        };
        let Some(states) = pushdown.partial_aggregate(aggregate, &warm) else { return Ok(None) };
        let unknown = Statistics::new_unknown(&states.schema());
        let states: Arc<dyn ExecutionPlan> = Arc::new(scan.with_pinned_input(states, unknown));
        let Some(rest) = rest else { return Ok(Some(states)) };
        let input: Arc<dyn ExecutionPlan> = match filter {
            None => rest,
            Some(filter) => Arc::new(FilterExec::try_new(Arc::clone(filter.predicate()), rest)?),
        };
        let remaining = Arc::clone(node).with_new_children(vec![input])?;
        Ok(Some(UnionExec::try_new(vec![remaining, states])?))
    }
}

/// The scan under an aggregate, past round-robin exchanges and at most one filter.
fn filter_and_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<(Option<&FilterExec>, &TierScanExec)> {
    let plan = skip_round_robin(plan);
    if let Some(scan) = plan.downcast_ref::<TierScanExec>() {
        return Some((None, scan));
    }
    let filter = plan.downcast_ref::<FilterExec>()?;
    let scan = skip_round_robin(filter.input()).downcast_ref::<TierScanExec>()?;
    Some((Some(filter), scan))
}

fn skip_round_robin(plan: &Arc<dyn ExecutionPlan>) -> &Arc<dyn ExecutionPlan> {
    match plan.downcast_ref::<RepartitionExec>() {
        Some(exchange) if matches!(exchange.partitioning(), Partitioning::RoundRobinBatch(_)) => exchange.input(),
        _ => plan,
    }
}

impl PhysicalOptimizerRule for PartialAggregates {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|node| match self.rewrite(&node)? {
            Some(rewritten) => {
                Ok(Transformed::new(rewritten, true, datafusion::common::tree_node::TreeNodeRecursion::Jump))
            }
            None => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "zxq_partial_aggregates"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
