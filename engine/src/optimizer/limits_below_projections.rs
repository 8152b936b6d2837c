//! A limit below the projection it stands on: `ORDER BY id OFFSET 4` in a subquery whose query does not read `id`.
//!
//! DataFusion takes a sort away whose order nobody above it has any more, and looks at the projection below a limit, not at the
//! sort below that: which rows are skipped then is by chance. Below the projection, the limit stands on the sort itself.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;

/// Puts limits below projections.
#[derive(Debug)]
pub(crate) struct LimitsBelowProjections;

impl PhysicalOptimizerRule for LimitsBelowProjections {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|node| {
            let Some(limit) = node.downcast_ref::<GlobalLimitExec>() else { return Ok(Transformed::no(node)) };
            let Some(projection) = limit.input().downcast_ref::<ProjectionExec>() else {
                return Ok(Transformed::no(node));
            };
            let below = GlobalLimitExec::new(Arc::clone(projection.input()), limit.skip(), limit.fetch());
            let above = Arc::clone(limit.input()).with_new_children(vec![Arc::new(below)])?;
            Ok(Transformed::yes(above))
        })
        .data()
    }

    fn name(&self) -> &str {
        "zxq_limits_below_projections"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
