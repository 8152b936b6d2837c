//! The scheduler: carries out what the age and capacity policies ask for, then collects.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use zxq_catalog::{Segment, TableDef, Tier};

use crate::error::{EngineError, ErrorKind, Result};
use crate::moves::plan::{PlannedMove, by_policy};
use crate::moves::together::steps;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;

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
            let runs = Arc::clone(&engine);
            let run = engine.supervisor.start("maintenance", move |control| async move {
                let now_us = runs.now_us();
                let mut moves = runs.planned_by_policy().await?;
                moves.retain(|planned| runs.backoff.may_try(planned.table, &planned.partition, now_us));
                // A transaction that corrects a table may take its time: the others do not wait for it.
                moves.retain(|planned| !runs.locks.is_corrected(planned.table));
                runs.maintain(&moves, &control).await
            });
            drop(engine);
            match run.await {
                // Each move that failed has said so.
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::ShuttingDown | ErrorKind::Cancelled) => {}
                Err(error) => tracing::error!(%error, "maintenance could not begin; it will be tried again"),
            }
        }
    });
}

/// What became of several moves.
#[derive(Debug, Default)]
pub(crate) struct MovesDone {
    /// Moves tried.
    tried: usize,
    /// Moves that were not tried, since a store on their way had not answered.
    left: usize,
    /// Of those that failed, how many, and the first one's error.
    failed: usize,
    first: Option<EngineError>,
}

impl MovesDone {
    /// The failure of all, in one: what failed says so after the others were tried.
    ///
    /// # Errors
    /// The first move's that failed.
    pub(crate) fn into_result(self) -> Result<()> {
        match self.first {
            None => Ok(()),
            Some(error) if self.tried + self.left == 1 => Err(error),
            Some(error) => {
                let all = self.tried + self.left;
                let left = if self.left == 0 { String::new() } else { format!(" and {} were not tried", self.left) };
                let text =
                    format!("{} of {all} moves failed{left} (zxq.moves says why), the first of them", self.failed);
                Err(error.context(text))
            }
        }
    }
}

impl Engine {
    /// What the policies ask for now.
    ///
    /// # Errors
    /// Where hot cannot say how full it is.
    pub(crate) async fn planned_by_policy(&self) -> Result<Vec<PlannedMove>> {
        let hot_bytes = self.store(Tier::Hot).bytes_used().await?;
        let is_due = |table: &TableDef, segment: &Segment, age| self.store(segment.tier).is_due(table, segment, age);
        Ok(by_policy(&self.snapshot(), &self.config, hot_bytes, self.now_us(), &is_due))
    }

    /// Carries out moves, then drops what is not needed any more.
    ///
    /// # Errors
    /// As [`Engine::run_moves`].
    pub(crate) async fn maintain(self: &Arc<Self>, moves: &[PlannedMove], control: &JobControl) -> Result<MovesDone> {
        self.check_write()?;
        self.settle_all().await;
        let done = self.run_moves(moves, control).await?;
        self.collect().await;
        Ok(done)
    }

    /// Carries out moves one after the other, small ones together. One that fails holds up none of the others, unless a store
    /// does not answer: it is not asked again for each partition that goes the same way.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`], and where this process may not write any more. The moves before it stay done.
    pub(crate) async fn run_moves(self: &Arc<Self>, moves: &[PlannedMove], control: &JobControl) -> Result<MovesDone> {
        let mut done = MovesDone::default();
        let mut away = HashSet::new();
        let mut steps = VecDeque::from(steps(moves));
        while let Some(step) = steps.pop_front() {
            let Some(way) = step.first().map(|first| (first.from, first.to)) else { continue };
            if away.contains(&way) {
                done.left += step.len();
                continue;
            }
            match self.run_step(&step, control).await {
                Ok(_) => {
                    done.tried += step.len();
                    step.iter().for_each(|planned| self.backoff.worked(planned.table, &planned.partition));
                }
                Err(error) if ends_all(&error) => return Err(error),
                Err(error) if step.len() > 1 && error.kind() != ErrorKind::Unreachable => {
                    // Which of them it is that cannot move is known when each has been tried.
                    tracing::warn!(%error, "partitions could not be moved together: each moves on its own");
                    step.into_iter().rev().for_each(|planned| steps.push_front(vec![planned]));
                }
                Err(error) => {
                    done.tried += step.len();
                    done.failed += step.len();
                    let pauses = step
                        .iter()
                        .map(|planned| self.backoff.failed(planned.table, &planned.partition, self.now_us()));
                    let pause = pauses.max().unwrap_or_default();
                    tracing::error!(%error, "a move failed; maintenance leaves it alone for {}", in_words(pause));
                    if error.kind() == ErrorKind::Unreachable {
                        away.insert(way);
                    }
                    done.first.get_or_insert(error);
                }
            }
        }
        Ok(done)
    }
}

/// True where no other move is tried: nobody wants it, or may do it, any more.
pub(super) fn ends_all(error: &EngineError) -> bool {
    matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::ShuttingDown | ErrorKind::ReadOnly)
}

fn in_words(pause: Duration) -> String {
    format!("{} min", pause.as_secs() / 60)
}
