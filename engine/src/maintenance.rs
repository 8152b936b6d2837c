//! The scheduler: carries out what the age and capacity policies ask for, then collects.

use std::sync::Arc;

use zxq_catalog::{Segment, TableDef, Tier};

use crate::engine::Engine;
use crate::error::Result;
use crate::moves::plan::{PlannedMove, by_policy};

/// Starts the scheduler, unless its interval is zero. It ends with the engine.
pub(crate) fn start(engine: &Arc<Engine>) {
    let interval = engine.config.policy.maintenance_interval;
    if interval.is_zero() {
        return;
    }
    let weak = Arc::downgrade(engine);
    let stop = engine.stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
            let Some(engine) = weak.upgrade() else { return };
            if let Err(error) = engine.maintain(false).await {
                tracing::error!(%error, "maintenance stopped early; it will be tried again");
            }
        }
    });
}

impl Engine {
    /// What the policies ask for now; carried out unless it is a dry run.
    ///
    /// # Errors
    /// The first failing move's; the moves before it stay done, the others are tried at the next run.
    pub(crate) async fn maintain(self: &Arc<Self>, dry_run: bool) -> Result<Vec<PlannedMove>> {
        let hot_bytes = self.store(Tier::Hot).bytes_used().await?;
        let is_due = |table: &TableDef, segment: &Segment, age| self.store(segment.tier).is_due(table, segment, age);
        let moves = by_policy(&self.snapshot(), &self.config, hot_bytes, self.now_us(), &is_due);
        if !dry_run {
            self.check_write()?;
            self.sweep_abandoned().await;
            for planned in &moves {
                if self.is_closed() {
                    break;
                }
                self.run_move(planned).await?;
            }
            self.collect().await?;
        }
        Ok(moves)
    }
}
