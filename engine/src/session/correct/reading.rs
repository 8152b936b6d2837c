//! What a correction reads: its query, over one snapshot, and over as many segments of its table as are asked about.

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::logical_expr::{LogicalPlan, TableScan};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use zxq_catalog::{Segment, SegmentId, TableDef};

use super::Correcting;
use super::found::Found;
use crate::error::{EngineError, ErrorKind, Result};
use crate::scan::tier_scan_exec::TierScanExec;
use crate::scan::tiered_table::TieredTable;
use crate::session::prepared::execution::task_context;
use crate::state::engine::Engine;
use crate::state::pins::Pin;
use crate::supervisor::control::JobControl;
use crate::write::gathered::gather;

/// What a statement runs with.
#[derive(Clone, Copy)]
pub(super) struct Running<'a> {
    pub(super) correcting: &'a Correcting,
    pub(super) engine: &'a Arc<Engine>,
    pub(super) state: &'a SessionState,
    /// The query, with the values of its parameters.
    pub(super) plan: &'a LogicalPlan,
    pub(super) control: &'a JobControl,
}

/// A statement and the snapshot that it reads.
pub(super) struct Reading<'a> {
    pub(super) running: Running<'a>,
    /// The table as it is defined there, which nobody changes meanwhile.
    pub(super) table: Arc<TableDef>,
    pub(super) pin: Arc<Pin>,
}

impl<'a> Reading<'a> {
    /// # Errors
    /// [`ErrorKind::FenceLost`] where the table is not as it was when the statement was planned.
    pub(super) fn of(running: Running<'a>, pin: Arc<Pin>) -> Result<Self> {
        let planned = running.correcting.target.definition();
        let table = match pin.snapshot().table_by_id(planned.id) {
            Some(state) if state.def.columns == planned.columns => Arc::clone(&state.def),
            Some(_) => {
                let text = format!("table \"{}\" was altered meanwhile: try again", planned.name);
                return Err(EngineError::new(ErrorKind::FenceLost, text));
            }
            None => return Err(EngineError::no_relation(&planned.name)),
        };
        Ok(Reading { running, table, pin })
    }

    /// The segments that may hold rows that the statement is about, by what is known of them; owners all.
    ///
    /// # Errors
    /// What planning finds.
    pub(super) async fn candidates(&self) -> Result<Vec<Arc<Segment>>> {
        let Some(state) = self.pin.snapshot().table_by_id(self.table.id) else { return Ok(Vec::new()) };
        let owners = || state.owners().cloned();
        if self.running.correcting.is_of_all || owners().next().is_none() {
            return Ok(owners().collect());
        }
        // A pin of its own tells its scans from others of the same table; segments are listed anew only to leave replicas out.
        let pin = match state.has_replicas() {
            true => self.pin_of(owners().collect()),
            false => self.pin.over(self.pin.snapshot().as_ref().clone()),
        };
        let physical = self.running.state.create_physical_plan(&self.query_over(&pin)?).await?;
        let mut found = Vec::new();
        scanned(&physical, &pin, &mut found, &mut HashSet::new());
        Ok(found)
    }

    /// The rows that the statement is about, of these segments.
    ///
    /// # Errors
    /// What the query says.
    pub(super) async fn find(&self, segments: &[Arc<Segment>]) -> Result<Found> {
        let Running { correcting, state, control, .. } = self.running;
        let pool = &state.runtime_env().memory_pool;
        let memory = MemoryConsumer::new("corrected rows").register(pool);
        let plan = self.query_over(&self.pin_of(segments.to_vec()))?;
        let physical = control.stoppable(state.create_physical_plan(&plan)).await?;
        let context = Arc::new(task_context(state, state.config().clone()));
        let rows = gather(execute_stream(physical, context)?, pool, correcting.word());
        let answer = control.stoppable(rows).await?;
        Found::new(&self.table.row_schema(), &answer.batches, correcting.joins, memory)
    }

    /// What the statement reads, with no other segments of the table than these.
    fn pin_of(&self, segments: Vec<Arc<Segment>>) -> Arc<Pin> {
        self.pin.over(self.pin.snapshot().with_only(self.table.id, segments))
    }

    /// The query, over that snapshot of the table that is corrected, and the statement's of all others and of that one where it is named once more.
    fn query_over(&self, only: &Arc<Pin>) -> Result<LogicalPlan> {
        let target = self.running.plan.clone().transform_down(|node| match scan_of(&node) {
            // The first one in FROM.
            Some((scan, table)) if table.definition().id == self.table.id => {
                Ok(Transformed::new(over(scan, &table, only), true, TreeNodeRecursion::Stop))
            }
            _ => Ok(Transformed::no(node)),
        })?;
        let all = target.data.transform_down_with_subqueries(|node| match scan_of(&node) {
            Some((scan, table)) if !table.is_pinned() => Ok(Transformed::yes(over(scan, &table, &self.pin))),
            _ => Ok(Transformed::no(node)),
        })?;
        Ok(all.data)
    }
}

/// A scan of one of our tables, and that table.
pub(in crate::session) fn scan_of(node: &LogicalPlan) -> Option<(TableScan, TieredTable)> {
    let LogicalPlan::TableScan(scan) = node else { return None };
    let provider = source_as_provider(&scan.source).ok()?;
    let any: &dyn Any = provider.as_ref();
    any.downcast_ref::<TieredTable>().map(|table| (scan.clone(), table.clone()))
}

fn over(scan: TableScan, table: &TieredTable, pin: &Arc<Pin>) -> LogicalPlan {
    LogicalPlan::TableScan(TableScan { source: provider_as_source(Arc::new(table.pinned(pin))), ..scan })
}

/// The segments that scans under this pin read.
fn scanned(
    plan: &Arc<dyn ExecutionPlan>,
    pin: &Arc<Pin>,
    found: &mut Vec<Arc<Segment>>,
    seen: &mut HashSet<SegmentId>,
) {
    if let Some(scan) = plan.downcast_ref::<TierScanExec>()
        && scan.is_under(pin)
    {
        found.extend(scan.segments().iter().filter(|segment| seen.insert(segment.id)).cloned());
    }
    for child in plan.children() {
        scanned(child, pin, found, seen);
    }
}
