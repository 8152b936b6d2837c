//! Keeps NULLs on their way to the joins that look at them: `EXCEPT`, `INTERSECT`, `IS NOT DISTINCT FROM`, `NOT IN`.
//!
//! A hash join tells the scans on its other side which keys it has, as a dynamic filter. No comparison lets NULL pass,
//! yet these joins match NULL with NULL, or have to know that there was one. DataFusion 54 sends the filter all the same
//! (apache/datafusion#22964, #23103 and #23126), so a node that lets no filter through is put in the way.

use std::sync::Arc;

use datafusion::common::NullEquality;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;

use crate::optimizer::pass_through::{Pass, PassThroughExec};

/// DataFusion's physical optimiser with [`NullMatchingJoins`] before the rule that hands out dynamic filters.
pub(crate) fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let hands_out = rules.iter().position(|rule| rule.name() == "FilterPushdown(Post)").unwrap_or(rules.len());
    rules.insert(hands_out, Arc::new(NullMatchingJoins));
    rules
}

/// Puts a [`NullsPass`] below the joins to which NULLs matter.
#[derive(Debug)]
struct NullMatchingJoins;

impl PhysicalOptimizerRule for NullMatchingJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(join) = node.downcast_ref::<HashJoinExec>() else { return Ok(Transformed::no(node)) };
            if join.null_equality() == NullEquality::NullEqualsNothing && !join.null_aware {
                return Ok(Transformed::no(node));
            }
            let probe = Arc::new(PassThroughExec::new(NullsPass, Arc::clone(join.right())));
            let children = vec![Arc::clone(join.left()), probe as Arc<dyn ExecutionPlan>];
            Ok(Transformed::yes(node.with_new_children(children)?))
        })
        .data()
    }

    fn name(&self) -> &str {
        "zxq_null_matching_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Lets no filter through, and all rows.
#[derive(Debug, Clone, Copy)]
struct NullsPass;

impl Pass for NullsPass {
    const NAME: &'static str = "NullsPassExec";
    const KEEPS_ROWS: bool = true;
}
