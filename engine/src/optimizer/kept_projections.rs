//! What a SELECT computes is computed for the rows that its WHERE keeps.
//!
//! DataFusion moves a projection below a filter where that makes rows narrower, and then computes it for rows that the filter
//! would have removed: a division or a cast fails for a row that the user left out. Projections that compute stay above.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::projection_pushdown::ProjectionPushdown;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, remove_unnecessary_projections};

/// DataFusion's rule, for projections that only name columns and for those that are above no filter.
#[derive(Debug, Default)]
pub(super) struct KeptProjections(ProjectionPushdown);

impl PhysicalOptimizerRule for KeptProjections {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let computes_above_filter =
            plan.exists(|node| Ok(computes(node) && node.exists(|below| Ok(below.is::<FilterExec>()))?))?;
        if !computes_above_filter {
            return self.0.optimize(plan, config);
        }
        plan.transform_down(|node| {
            let stays = computes(&node) && node.children().iter().any(|child| child.is::<FilterExec>());
            match stays {
                true => Ok(Transformed::no(node)),
                false => remove_unnecessary_projections(node),
            }
        })
        .data()
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn computes(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.downcast_ref::<ProjectionExec>()
        .is_some_and(|projection| projection.expr().iter().any(|e| !e.expr.is::<Column>() && !e.expr.is::<Literal>()))
}
