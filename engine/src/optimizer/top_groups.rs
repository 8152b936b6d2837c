//! `SELECT k, max(x) … GROUP BY k ORDER BY 2 LIMIT n` without keeping all groups, where that gives the right ones.
//!
//! DataFusion's rule keeps the groups with the largest values seen so far, and loses those that have met only NULLs. It is
//! applied where no aggregated value can be NULL.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::topk_aggregation::TopKAggregation;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;

/// DataFusion's rule, for values that cannot be NULL.
#[derive(Debug, Default)]
pub(super) struct TopGroups(TopKAggregation);

impl PhysicalOptimizerRule for TopGroups {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        match may_aggregate_nulls(&plan)? {
            true => Ok(plan),
            false => self.0.optimize(plan, config),
        }
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn may_aggregate_nulls(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut found = false;
    plan.apply(|node| {
        if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
            let input = aggregate.input_schema();
            for function in aggregate.aggr_expr() {
                for argument in function.expressions() {
                    found |= argument.nullable(&input)?;
                }
            }
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}
