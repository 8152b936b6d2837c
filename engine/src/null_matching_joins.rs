//! Keeps NULLs on their way to the joins that look at them: `EXCEPT`, `INTERSECT`, `IS NOT DISTINCT FROM`, `NOT IN`.
//!
//! A hash join tells the scans on its other side which keys it has, as a dynamic filter. No comparison lets NULL pass,
//! yet these joins match NULL with NULL, or have to know that there was one. DataFusion 54 sends the filter all the same
//! (apache/datafusion#22964, #23103 and #23126), so a node that lets no filter through is put in the way.

use std::fmt::{self, Formatter};
use std::sync::Arc;

use datafusion::common::NullEquality;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, Statistics};

/// DataFusion's physical optimiser with [`NullMatchingJoins`] before the rule that hands out dynamic filters.
pub(crate) fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let hands_out = rules.iter().position(|rule| rule.name() == "FilterPushdown(Post)").unwrap_or(rules.len());
    rules.insert(hands_out, Arc::new(NullMatchingJoins));
    rules
}

/// Puts a [`NullsPassExec`] below the joins to which NULLs matter.
#[derive(Debug)]
struct NullMatchingJoins;

impl PhysicalOptimizerRule for NullMatchingJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(join) = node.downcast_ref::<HashJoinExec>() else { return Ok(Transformed::no(node)) };
            if join.null_equality() == NullEquality::NullEqualsNothing && !join.null_aware {
                return Ok(Transformed::no(node));
            }
            let probe = Arc::new(NullsPassExec { input: Arc::clone(join.right()) });
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

/// Its input, to which no filter from above gets through.
#[derive(Debug)]
struct NullsPassExec {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for NullsPassExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("NullsPassExec")
    }
}

impl ExecutionPlan for NullsPassExec {
    fn name(&self) -> &str {
        "NullsPassExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 1]>::try_from(children) {
            Ok([input]) => Ok(Arc::new(NullsPassExec { input })),
            Err(_) => Err(DataFusionError::Internal("NullsPassExec has one child".to_owned())),
        }
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        self.input.partition_statistics(partition)
    }
}
