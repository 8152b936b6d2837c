//! Physical planning: pins one snapshot for the whole statement, then plans as DataFusion does.

use std::cell::LazyCell;
use std::fmt;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use datafusion::common::tree_node::Transformed;
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::{LogicalPlan, TableScan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};

use crate::scan::tiered_table::TieredTable;
use crate::state::engine::Engine;
use crate::state::pins::Pin;
use crate::write::transaction::CurrentTransaction;

/// Every table of a statement is read at one epoch (within a transaction together with what that has written), whether the statement came over the wire, from a prepared plan or
/// from an embedding program's `SessionContext`: this is the one place they all pass.
pub(crate) struct PinningPlanner {
    engine: Weak<Engine>,
    inner: DefaultPhysicalPlanner,
}

impl fmt::Debug for PinningPlanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinningPlanner")
    }
}

impl PinningPlanner {
    pub(crate) fn new(engine: Weak<Engine>) -> Self {
        PinningPlanner { engine, inner: DefaultPhysicalPlanner::default() }
    }
}

#[async_trait]
impl QueryPlanner for PinningPlanner {
    async fn create_physical_plan(
        &self,
        logical_plan: &LogicalPlan,
        session_state: &SessionState,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(engine) = self.engine.upgrade() else {
            return self.inner.create_physical_plan(logical_plan, session_state).await;
        };
        let pinned = {
            let current = session_state.config().get_extension::<CurrentTransaction>();
            let transaction = current.and_then(|current| current.get());
            let pin = transaction.as_ref().map_or_else(|| engine.pin(), |transaction| transaction.pin());
            pin.check()?;
            // Only where a table is read it matters what the transaction has written.
            let seen = LazyCell::new(|| transaction.map_or_else(|| Arc::clone(&pin), |own| own.over(&pin)));
            pin_scans(logical_plan.clone(), &seen)?
        };
        self.inner.create_physical_plan(&pinned, session_state).await
    }
}

/// The plan with every scan of a zxq table reading the pinned snapshot, but for those that a correction has pinned already.
fn pin_scans(plan: LogicalPlan, pin: &LazyCell<Arc<Pin>, impl FnOnce() -> Arc<Pin>>) -> Result<LogicalPlan> {
    plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = &node else {
            return Ok(Transformed::no(node));
        };
        let Ok(provider) = source_as_provider(&scan.source) else {
            return Ok(Transformed::no(node));
        };
        let any: &dyn std::any::Any = provider.as_ref();
        match any.downcast_ref::<TieredTable>().filter(|table| !table.is_pinned()) {
            Some(table) => Ok(Transformed::yes(LogicalPlan::TableScan(TableScan {
                source: provider_as_source(Arc::new(table.pinned(pin))),
                ..scan.clone()
            }))),
            None => Ok(Transformed::no(node)),
        }
    })
    .map(|transformed| transformed.data)
}
