//! Keeps files where the plan put them, when their order counts.
//!
//! DataFusion lets the output partitions of a scan take over each other's files, unless the scan has to keep its order.
//! It says so itself where a scan declares an order, but its rule for limits (54.1) takes that back below an
//! `ORDER BY … LIMIT`: then a partition that is merged as sorted may hold two files, one after the other, and rows are
//! lost behind the limit.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

/// Makes every scan of files that declares an order keep it. Has to run after all of DataFusion's rules.
#[derive(Debug)]
pub(crate) struct KeepFileOrder;

impl PhysicalOptimizerRule for KeepFileOrder {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let declares = node.downcast_ref::<DataSourceExec>().is_some_and(|scan| {
                let files = scan.data_source().downcast_ref::<FileScanConfig>();
                files.is_some_and(|files| !files.output_ordering.is_empty() && !files.preserve_order)
            });
            match node.with_preserve_order(true) {
                Some(ordered) if declares => Ok(Transformed::yes(ordered)),
                _ => Ok(Transformed::no(node)),
            }
        })
        .data()
    }

    fn name(&self) -> &str {
        "zxq_keep_file_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
