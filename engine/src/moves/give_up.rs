//! Moves and loads that fail: nothing of them became visible, and what they wrote is swept, at once or as soon as the store
//! answers again.

use zxq_catalog::{Change, Job, JobId, JobPhase, Segment, TableDef, Tier};
use zxq_providers::Publication;

use crate::engine::Engine;
use crate::error::{EngineError, ErrorKind, Result};

impl Engine {
    /// Marks a job as failed and sweeps its litter. What cannot be done now is done before the next move or load, at the
    /// next maintenance, or at the next start.
    ///
    /// That the job is given up is recorded first: whoever asked for it is told that it failed, and may do it again. Should a
    /// store have published it all the same and be out of reach now, the next start must undo it, not complete it.
    pub(crate) async fn give_up(&self, job: &mut Job, error: &EngineError) {
        if matches!(error.kind(), ErrorKind::OutcomeUnknown | ErrorKind::ReadOnly) {
            // What it wrote may be visible, or belongs to the writer that follows: the next start decides.
            tracing::error!(job = %job.id, %error, "move or load abandoned; what became of it is found out at the next start");
            return;
        }
        tracing::error!(job = %job.id, %error, "move or load abandoned; nothing became visible");
        job.phase = JobPhase::Copying;
        job.error = Some(error.to_string());
        if let Err(put) = self.catalog.put_job(job).await {
            tracing::warn!(job = %job.id, error = %put, "that the job is given up could not be recorded");
        }
        if let Err(sweep) = self.sweep_given_up(job).await {
            tracing::warn!(job = %job.id, error = %sweep, "litter stays until its store can be reached");
            self.abandoned.lock().await.push(job.clone());
        }
    }

    /// Sweeps what could not be swept when it was given up: a store that was out of reach then may have shown it to those
    /// who query that store directly.
    pub(crate) async fn sweep_abandoned(&self) {
        let mut abandoned = self.abandoned.lock().await;
        let mut left = Vec::new();
        for mut job in std::mem::take(&mut *abandoned) {
            match self.sweep_given_up(&mut job).await {
                Ok(()) => tracing::info!(job = %job.id, "what a failed move or load had left is swept"),
                Err(error) => {
                    tracing::warn!(job = %job.id, %error, "litter of a failed move or load still cannot be swept");
                    left.push(job);
                }
            }
        }
        *abandoned = left;
    }

    async fn sweep_given_up(&self, job: &mut Job) -> Result<()> {
        let state = self.snapshot().table_by_id(job.table).cloned();
        if let Some(state) = state {
            self.sweep(&state.def, job).await?;
        }
        job.phase = JobPhase::Failed;
        job.ended_us = Some(self.now_us());
        job.pending.clear();
        if let Err(put) = self.catalog.put_job(job).await {
            tracing::warn!(job = %job.id, error = %put, "the job's failure could not be recorded");
        }
        Ok(())
    }

    /// The visible segments that a job within one tier is to replace; none for a job between tiers, whose sources are
    /// taken out of their store's log after the flip.
    pub(crate) fn replaced_by(&self, job: &Job) -> Vec<Segment> {
        let snapshot = self.snapshot();
        let Some(state) = snapshot.table_by_id(job.table).filter(|_| job.from == Some(job.to)) else {
            return Vec::new();
        };
        let replaced = job.pending.iter().filter_map(|change| match change {
            Change::RetireSegment { segment, .. } => state.segment(*segment).map(|s| s.as_ref().clone()),
            _ => None,
        });
        replaced.collect()
    }

    /// Drops everything a job has written. If a store's log names it already, the log is told first.
    pub(crate) async fn sweep(&self, table: &TableDef, job: &Job) -> Result<()> {
        let undo = JobId(format!("{}-undo", job.id));
        let replaced = self.replaced_by(job);
        for tier in Tier::ALL {
            let store = self.store(tier);
            let back: Vec<Segment> = replaced.iter().filter(|s| s.tier == tier).cloned().collect();
            let written: Vec<Segment> = job
                .pending
                .iter()
                .filter_map(|change| match change {
                    Change::AddSegment(segment) if segment.tier == tier => Some(segment.as_ref().clone()),
                    _ => None,
                })
                .collect();
            // What a store without a log has shown to people is not known: showing it again changes nothing.
            let is_shown = !back.is_empty() && !store.has_log();
            if !written.is_empty() && (is_shown || store.is_published(table, &job.id).await?) {
                let data_change = back.is_empty();
                let publication = Publication { job: &undo, added: &back, removed: &written, data_change };
                store.publish(table, &publication).await?;
            }
            store.sweep_job(&table.storage_name(), &job.id).await?;
        }
        Ok(())
    }
}
