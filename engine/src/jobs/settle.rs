//! Jobs that fail or are stopped: nothing of them became visible, and what they wrote is swept, at once or as soon as the
//! catalog and the stores answer again.
//!
//! The order is the point. That a job is given up is made durable first; only then is anything swept. Until it is durable a
//! next start might judge that the job can be completed, and would find its copies.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use zxq_catalog::{CatalogError, Change, Job, JobId, JobKind, JobPhase, Segment, TableDef, TableId, TableState, Tier};
use zxq_providers::Publication;

use crate::constraints::rejects_table_name;
use crate::error::{EngineError, ErrorKind, Result};
use crate::jobs::publish::Part;
use crate::state::commit::Record;
use crate::state::engine::Engine;
use crate::state::unsettled::{Left, Unsettled};

/// How often what could not be settled is tried again, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Engine {
    /// Gives a job up: records it, sweeps what it has written, drops the tables it made. What cannot be done now is done in
    /// the background as soon as it can, before the next move or load of the table, or at the next start.
    pub(crate) async fn give_up(self: &Arc<Self>, job: &Job, error: &EngineError) {
        match error.kind() {
            // What it wrote belongs to the writer that follows, which judges it.
            ErrorKind::ReadOnly => {
                tracing::error!(job = %job.id, %error, "a job is left to the process that writes now");
                self.job_places.forget(&job.id);
                return;
            }
            ErrorKind::Cancelled => tracing::info!(job = %job.id, "a job was stopped; nothing of it became visible"),
            // Who asked is told; only what is wrong here is for the operator.
            kind if kind.is_of_this_server() => {
                tracing::error!(job = %job.id, %error, "a job failed; nothing of it became visible");
            }
            _ => tracing::info!(job = %job.id, %error, "a job was refused; nothing of it became visible"),
        }
        self.settle_or_keep(Unsettled::given_up(job, error.to_string())).await;
    }

    /// Notes that a job has ended whose effect does not depend on the catalog. Its record is all that can fail.
    pub(crate) async fn note_done(self: &Arc<Self>, job: &mut Job) {
        job.phase = JobPhase::Done;
        job.ended_us = Some(self.now_us());
        job.pending.clear();
        self.settle_or_keep(Unsettled::done(job)).await;
    }

    /// Settles a job, or keeps it to be settled later.
    pub(crate) async fn settle_or_keep(self: &Arc<Self>, mut unsettled: Unsettled) {
        if let Err(error) = self.settle(&mut unsettled).await {
            let what = match unsettled.left {
                Left::Note => "a job is done, and the catalog could not note it",
                Left::Sweep => "what a failed job wrote could not be swept",
                Left::Record => "a failed job could not be recorded as given up: what it wrote stays",
            };
            tracing::warn!(job = %unsettled.job.id, %error, "{what}; it is tried again");
            self.unsettled.lock().push(unsettled);
            self.unsettled_came.notify_one();
        }
    }

    /// Settles what is left of earlier jobs of a table, before a new one: people who query its stores directly must not see
    /// the rows of both. What cannot be settled now is no reason to wait: a move has a newer fence than an earlier one, and a
    /// load is never completed by the next start.
    ///
    /// To be called before the table's locks are taken: it may have to drop a table.
    pub(crate) async fn settle_table(self: &Arc<Self>, table: TableId) {
        self.settle_where(|job| job.table == table).await;
    }

    /// As [`Engine::settle_table`], for all tables.
    pub(crate) async fn settle_all(self: &Arc<Self>) {
        self.settle_where(|_| true).await;
    }

    /// Each stays on the list until it is settled, so that who comes meanwhile waits for it.
    async fn settle_where(self: &Arc<Self>, which: impl Fn(&Job) -> bool) {
        let chosen: Vec<JobId> =
            self.unsettled.lock().iter().filter(|u| which(&u.job)).map(|u| u.job.id.clone()).collect();
        for id in chosen {
            let _one_at_a_time = self.settling.lock().await;
            let found = self.unsettled.lock().iter().find(|u| u.job.id == id).cloned();
            let Some(mut unsettled) = found else { continue };
            let outcome = self.settle(&mut unsettled).await;
            let mut all = self.unsettled.lock();
            all.retain(|u| u.job.id != id);
            match outcome {
                Ok(()) => tracing::info!(job = %id, "what a failed job had left is swept"),
                Err(error) => {
                    tracing::debug!(job = %id, %error, "a failed job still cannot be settled");
                    all.push(unsettled);
                    // What does not answer for this one does not for the next, and whoever waits here waits for each.
                    if error.kind() == ErrorKind::Unreachable {
                        return;
                    }
                }
            }
        }
    }

    async fn settle(self: &Arc<Self>, unsettled: &mut Unsettled) -> Result<()> {
        self.settle_all_of(unsettled).await?;
        self.job_places.forget(&unsettled.job.id);
        Ok(())
    }

    async fn settle_all_of(self: &Arc<Self>, unsettled: &mut Unsettled) -> Result<()> {
        if unsettled.left == Left::Note {
            return Ok(self.catalog.put_job(&unsettled.job).await?);
        }
        if unsettled.left == Left::Record {
            match self.catalog.put_job(&unsettled.job).await {
                Ok(()) => unsettled.left = Left::Sweep,
                // Whatever it was told, the catalog did it: what the job wrote is needed.
                Err(CatalogError::Conflict(reason)) => {
                    tracing::error!(job = %unsettled.job.id, reason, "a job that seemed to fail is done");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        let job = &unsettled.job;
        self.sweep(job, unsettled.interrupted).await?;
        let mut kept = false;
        for table in &job.created {
            kept |= !self.drop_unused(table).await?;
        }
        // A table that it made and that has rows: its rows were in the log before its end could be noted.
        let phase = if kept { JobPhase::Done } else { JobPhase::Failed };
        let error = job.error.clone().filter(|_| !kept);
        let ended = Job { phase, error, ended_us: Some(self.now_us()), pending: Vec::new(), ..job.clone() };
        Ok(self.catalog.put_job(&ended).await?)
    }

    /// Drops everything a job has written. If a store's log names it already, the log is told first. `everywhere`: it is not known
    /// where it has written; else stores that it did not come to are not asked.
    async fn sweep(&self, job: &Job, everywhere: bool) -> Result<()> {
        let undo = JobId(format!("{}-undo", job.id));
        let parts = self.parts_of(job);
        for state in self.tables_of(job) {
            for tier in Tier::ALL {
                let store = self.store(tier);
                let part = parts.iter().find(|part| part.tier == tier && part.table.id == state.def.id);
                if let Some(Part { segments, replaced: back, .. }) = part {
                    // What a store without a log has shown to people is not known: showing it again changes nothing.
                    let is_shown = !back.is_empty() && !store.has_log();
                    if is_shown || store.is_published(&state.def, &job.id).await? {
                        let data_change = back.is_empty() || job.kind == JobKind::Correct;
                        let publication = Publication { job: &undo, added: back, removed: segments, data_change };
                        store.publish(&state.def, &publication).await?;
                    }
                    // Jobs of the same transaction have written some of it, and may have been swept while their store still
                    // listed it.
                    let of_others: Vec<Segment> = segments.iter().filter(|s| s.job != job.id).cloned().collect();
                    if !of_others.is_empty() {
                        store.drop_segments(&state.def.storage_name(), &of_others).await?;
                    }
                }
                if everywhere || self.job_places.has(&job.id, state.def.id, tier) {
                    store.sweep_job(&state.def.storage_name(), &job.id).await?;
                }
            }
        }
        Ok(())
    }

    /// The tables that a job may have written to, of those that are still there.
    fn tables_of(&self, job: &Job) -> Vec<Arc<TableState>> {
        let snapshot = self.snapshot();
        let mut ids: BTreeSet<TableId> = BTreeSet::from([job.table]);
        ids.extend(job.created.iter().map(|def| def.id));
        ids.extend(job.pending.iter().filter_map(|change| match change {
            Change::AddSegment(segment) => Some(segment.table),
            Change::RetireSegment { table, .. } => Some(*table),
            _ => None,
        }));
        // Rejected rows go to a table of their own.
        let rejects = snapshot.table_by_id(job.table).and_then(|s| snapshot.table(&rejects_table_name(&s.def.name)));
        ids.extend(rejects.map(|state| state.def.id));
        ids.into_iter().filter_map(|id| snapshot.table_by_id(id)).cloned().collect()
    }

    /// Drops a table that a failed job has made. False where it holds rows: others use it by now, so it stays.
    ///
    /// # Errors
    /// Where others are using it now: whether they leave rows in it is known later.
    async fn drop_unused(self: &Arc<Self>, def: &TableDef) -> Result<bool> {
        let Some(_alone) = self.locks.try_change_table(def.id) else {
            let text = format!("table {}, which it made, is being used by others", def.name);
            return Err(EngineError::new(ErrorKind::FenceLost, text));
        };
        let dropped = {
            let _no_ingest = self.ingest_gate.write().await;
            match self.snapshot().table_by_id(def.id) {
                Some(state) if state.row_count() > 0 => return Ok(false),
                Some(_) => {
                    self.commit(vec![Change::DropTable(def.id)], Record::default()).await?;
                    true
                }
                None => false,
            }
        };
        self.checkers.forget(def.id);
        if dropped {
            self.collect().await;
        } else {
            // Others dropped it, perhaps while it was still written to.
            for store in &self.stores {
                store.drop_table(&def.storage_name()).await?;
            }
        }
        Ok(true)
    }
}

/// Starts the task that settles what is left of failed jobs. It ends with the engine.
pub(crate) fn start(engine: &Arc<Engine>) {
    let (weak, stop, came) = (Arc::downgrade(engine), engine.stop.clone(), Arc::clone(&engine.unsettled_came));
    tokio::spawn(async move {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = async {
                    came.notified().await;
                    tokio::time::sleep(pause).await;
                } => {}
            }
            let Some(engine) = weak.upgrade() else { return };
            engine.settle_all().await;
            if engine.unsettled.lock().is_empty() {
                pause = FIRST_PAUSE;
            } else {
                pause = (pause * 2).min(LONGEST_PAUSE);
                came.notify_one();
            }
        }
    });
}
