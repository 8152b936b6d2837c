//! Partial aggregates computed inside DuckDB.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;

use super::aggregate_exec::DuckDbAggregateExec;
use super::dialect::DUCKDB;
use super::scan_exec::DuckDbScanExec;
use crate::sql::aggregate::selection;
use crate::sql::facts::Facts;

/// A plan with the states that `aggregate` would compute from the rows of `scan`; `None` where that is not proven.
pub(super) fn partial(aggregate: &AggregateExec, scan: &DuckDbScanExec) -> Option<Arc<dyn ExecutionPlan>> {
    if scan.scan.fetch.is_some() {
        return None;
    }
    let segments = scan.scan.segments();
    let selection = selection(aggregate, &scan.schema(), &Facts::new(&DUCKDB, &scan.scan.table, &segments))?;
    Some(Arc::new(DuckDbAggregateExec::new(scan, aggregate, selection)))
}
