//! Pressure: where hot is full, or nearly, what policy would move next leaves it at once, and whoever waits for room is told.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::moves::maintenance::ends_all;
use crate::moves::plan::{PlannedMove, for_room};
use crate::moves::together::steps;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;

/// Starts the task that makes room in hot when it is asked to, unless nothing moves by itself. It ends with the engine.
pub(crate) fn start(engine: &Arc<Engine>) {
    if engine.config.policy.maintenance_interval.is_zero() {
        return;
    }
    let (weak, stop, room) = (Arc::downgrade(engine), engine.stop.clone(), Arc::clone(&engine.room));
    tokio::spawn(async move {
        loop {
            let wish = tokio::select! {
                () = stop.cancelled() => return,
                wish = room.wish() => wish,
            };
            let Some(engine) = weak.upgrade() else { return };
            let runs = Arc::clone(&engine);
            let run =
                engine.supervisor.start("pressure", move |control| async move { runs.flush_for_room(&control).await });
            drop(engine);
            room.answer(wish, run.await.unwrap_or_else(|error| Some(error.to_string())));
        }
    });
}

impl Engine {
    /// Moves rows out of hot until there is the room that is asked for. Says why nothing could be moved, where room is needed
    /// and nothing was.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`], and where this process may not write any more. The moves before it stay done.
    async fn flush_for_room(self: &Arc<Self>, control: &JobControl) -> Result<Option<String>> {
        self.collect_hot().await;
        let most = self.hot_threshold().min(self.hot.limit().saturating_sub(self.room.wanted()));
        let used = self.hot.used();
        if used <= most {
            return Ok(None);
        }
        let visible = self.visible_hot_bytes();
        let mut moves = for_room(&self.snapshot(), &self.config, self.now_us());
        let now_us = self.now_us();
        let may_try = |planned: &PlannedMove| self.backoff.may_try(planned.table, &planned.partition, now_us);
        if self.room.wanted() == 0 {
            moves.retain(may_try);
        } else {
            // Somebody waits: what has failed lately is tried all the same, after the others.
            moves.sort_by_key(|planned| !may_try(planned));
        }
        let problem = self.flush(&moves, most, control).await?;
        self.collect_hot().await;
        if self.hot.used() <= most || self.visible_hot_bytes() < visible {
            return Ok(None);
        }
        Ok(Some(problem.unwrap_or_else(|| self.what_fills_hot())))
    }

    /// Carries out moves out of hot, one after the other, until it is within `most`, or will be once readers end. Gives the last
    /// problem that there was.
    async fn flush(self: &Arc<Self>, moves: &[PlannedMove], most: u64, control: &JobControl) -> Result<Option<String>> {
        let mut problem = None;
        let mut away = HashSet::new();
        let too_many = self.hot.used().saturating_sub(most);
        let mut moved = 0;
        let mut steps = VecDeque::from(steps(moves));
        while let Some(step) = steps.pop_front() {
            let Some(planned) = step.first().copied() else { continue };
            if self.hot.used() <= most || moved >= too_many {
                break;
            }
            if away.contains(&planned.to) {
                continue;
            }
            self.check_write()?;
            control.check()?;
            self.settle_table(planned.table).await;
            // Who changes the table may be waiting for the load that waits for this room.
            let Some(used) = self.locks.try_use_table(planned.table) else {
                problem = Some(format!("table {} is being altered or dropped", planned.table_name));
                continue;
            };
            // A transaction that corrects the table may itself be waiting for this room.
            let Some(alone) = control.wait(self.locks.move_uncorrected(planned.table)).await? else {
                problem = Some(format!("a transaction corrects rows of table {}", planned.table_name));
                continue;
            };
            match self.run_step_of((used, alone), &step, control).await {
                Ok(_) => {
                    for planned in step {
                        self.backoff.worked(planned.table, &planned.partition);
                        moved += planned.bytes;
                    }
                }
                Err(error) if ends_all(&error) => return Err(error),
                Err(error) if step.len() > 1 && error.kind() != ErrorKind::Unreachable => {
                    tracing::warn!(%error, "partitions could not leave hot together: each moves on its own");
                    step.into_iter().rev().for_each(|planned| steps.push_front(vec![planned]));
                }
                Err(error) => {
                    tracing::error!(%error, "rows could not leave hot, which is full");
                    for planned in &step {
                        self.backoff.failed(planned.table, &planned.partition, self.now_us());
                    }
                    if error.kind() == ErrorKind::Unreachable {
                        away.insert(planned.to);
                    }
                    problem = Some(error.to_string());
                }
            }
        }
        Ok(problem)
    }

    /// Why nothing can be moved out of hot, where nothing went wrong.
    fn what_fills_hot(&self) -> String {
        let held = self.hot.used().saturating_sub(self.visible_hot_bytes());
        format!(
            "{held} bytes of it belong to transactions, to statements under way, and to readers of rows that have moved or \
             were merged"
        )
    }
}
