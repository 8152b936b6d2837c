//! Carrying out one move: lease, seal, copy, durable, flip. Collecting comes later.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard};
use zxq_catalog::{Change, Job, JobId, JobKind, JobPhase, Role, Segment, TableDef, TableState, Tier};
use zxq_providers::Publication;

use crate::error::{EngineError, ErrorKind, Result};
use crate::jobs::caught::caught;
use crate::moves::plan::{Action, PlannedMove};
use crate::moves::retention;
use crate::state::commit::Record;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;
use crate::values::counted::counted;
use crate::write::ingest::hot_lsn;

impl Engine {
    /// Carries out one planned move, of a table that is in use already, and that nobody else moves. Returns the rows that changed
    /// place; 0 when there was nothing left to move.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] when the job was asked to stop in time. Whatever the error, the rows are where they were.
    pub(super) async fn run_move(
        self: &Arc<Self>,
        _held: (OwnedRwLockReadGuard<()>, OwnedMutexGuard<()>),
        planned: &PlannedMove,
        control: &JobControl,
    ) -> Result<u64> {
        let snapshot = self.snapshot();
        if snapshot.table_by_id(planned.table).is_none() {
            return Ok(0);
        }
        if planned.action == Action::DropReplica {
            return self.drop_replicas(planned).await;
        }
        let fence = self.catalog.lease(planned.table, &planned.partition).await?;
        let kind = match planned.action {
            Action::Promote => JobKind::Promote,
            Action::Rewrite => JobKind::Rewrite,
            Action::Delete => JobKind::Delete,
            Action::Move | Action::DropReplica => JobKind::Move,
        };
        let mut job = Job {
            partition: Some(planned.partition.clone()),
            from: Some(planned.from),
            fence,
            reason: Some(planned.reason.clone()),
            ..Job::begin(kind, planned.table, planned.to, self.now_us())
        };
        let outcome = match (self.catalog.put_job(&job).await, planned.action) {
            (Err(error), _) => Err(error.into()),
            (Ok(()), Action::Promote) => caught(self.promote(planned, &mut job, control)).await,
            (Ok(()), Action::Delete) => caught(self.delete_expired(planned, &mut job, control)).await,
            (Ok(()), Action::Move | Action::Rewrite | Action::DropReplica) => {
                caught(self.move_owner(planned, &mut job, control)).await
            }
        };
        self.end_move(&mut job, outcome, &planned.partition_text, &planned.table_name, control).await
    }

    /// What follows a move's last step, or its failure.
    pub(super) async fn end_move(
        self: &Arc<Self>,
        job: &mut Job,
        outcome: Result<u64>,
        partitions: &str,
        table: &str,
        control: &JobControl,
    ) -> Result<u64> {
        match outcome {
            Ok(rows) => {
                if job.phase != JobPhase::Done {
                    self.note_done(job).await;
                }
                // Who asked it to stop need not wait for this; it is done the next time.
                if control.check().is_ok() {
                    self.collect().await;
                }
                Ok(rows)
            }
            Err(error) => {
                let from = job.from.map_or_else(String::new, |from| format!(" from {from}"));
                let place = format!("moving {table} {partitions}{from} to {}", job.to);
                self.give_up(job, &error).await;
                Err(error.context(place))
            }
        }
    }

    async fn move_owner(self: &Arc<Self>, planned: &PlannedMove, job: &mut Job, control: &JobControl) -> Result<u64> {
        // Sealing matters for hot only: segments of other tiers never change.
        let (seal, snapshot) = control.wait(self.seal(planned.table, &planned.partition)).await?;
        let Some(state) = snapshot.table_by_id(planned.table) else { return Ok(0) };
        let sources = owners(state, planned);
        if sources.is_empty() {
            return Ok(0);
        }
        let table = &state.def;
        let copied = self.copy_segments(table, &sources, &planned.partition, planned.to, &job.id, control).await?;
        control.stoppable(self.check_read_back(table, &copied.segments)).await?;

        let mut changes: Vec<Change> =
            copied.segments.iter().map(|s| Change::AddSegment(Box::new(s.clone()))).collect();
        changes.extend(retired(&sources));
        if planned.from == Tier::Hot {
            let lsn = sources.iter().map(|s| hot_lsn(s)).max().unwrap_or(0);
            changes.push(Change::CoverWal { table: table.id, partition: planned.partition.clone(), lsn });
        }
        job.rows = copied.rows;
        let from: Vec<u64> = sources.iter().map(|s| s.id).collect();
        let lineage = self.lineage_of(&copied.segments, &job.id, &from, &[]);
        self.publish_and_flip(job, changes, lineage, control).await?;
        drop(seal);
        if planned.from != planned.to {
            self.take_out_of_log(table, planned.from, &job.id, &sources).await;
        }
        Ok(job.rows)
    }

    /// Takes moved segments out of their store's own log, after the flip: if this fails, collection does it again before the files
    /// go.
    pub(super) async fn take_out_of_log(&self, table: &TableDef, from: Tier, job: &JobId, moved: &[Arc<Segment>]) {
        if from == Tier::Hot {
            return;
        }
        let removed: Vec<Segment> = moved.iter().map(|segment| segment.as_ref().clone()).collect();
        let id = JobId(format!("{job}-source"));
        let publication = Publication { job: &id, added: &[], removed: &removed, data_change: true };
        if let Err(error) = self.store(from).publish(table, &publication).await {
            tracing::warn!(%job, %error, "the source's own log still names moved files");
        }
    }

    /// Reads written segments of one tier back, and compares.
    ///
    /// # Errors
    /// [`ErrorKind::DataCorrupted`].
    pub(crate) async fn check_read_back(self: &Arc<Self>, table: &Arc<TableDef>, written: &[Segment]) -> Result<()> {
        let segments: Vec<Arc<Segment>> = written.iter().cloned().map(Arc::new).collect();
        let rows: u64 = written.iter().map(|s| s.rows).sum();
        let hash = written.iter().fold(zxq_catalog::RowHash::default(), |sum, s| sum.combine(s.hash));
        let (rows_read, hash_read) = self.read_back(table, segments).await?;
        if (rows, hash) == (rows_read, hash_read) {
            return Ok(());
        }
        Err(EngineError::new(
            ErrorKind::DataCorrupted,
            format!(
                "the copy reads back as {} with hash {hash_read}; {rows} with {hash} were written",
                counted(rows_read, "row")
            ),
        ))
    }

    /// Adds replicas in hot. Their owners stay, so there is nothing to lose: the catalog store is not involved.
    async fn promote(self: &Arc<Self>, planned: &PlannedMove, job: &mut Job, control: &JobControl) -> Result<u64> {
        let snapshot = self.snapshot();
        let Some(state) = snapshot.table_by_id(planned.table) else { return Ok(0) };
        let sources: Vec<Arc<Segment>> =
            planned.segments.iter().filter_map(|id| state.segment(*id)).filter(|s| s.is_owner()).cloned().collect();
        if sources.is_empty() {
            return Ok(0);
        }
        let table = &state.def;
        let copied = self.copy_segments(table, &sources, &planned.partition, Tier::Hot, &job.id, control).await?;
        let owners: Vec<u64> = sources.iter().map(|s| s.id).collect();
        let replicas: BTreeSet<u64> = owners.iter().flat_map(|owner| state.replicas_of(*owner)).collect();
        let replaced: Vec<Arc<Segment>> =
            replicas.iter().filter_map(|id| state.tier(Tier::Hot).get(*id)).cloned().collect();
        let mut changes = retired(&replaced);
        changes.extend(
            copied
                .segments
                .into_iter()
                .map(|s| Change::AddSegment(Box::new(Segment { role: Role::ReplicaOf(owners.clone()), ..s }))),
        );
        let _finishing = control.must_finish()?;
        self.commit_hot(&changes).await?;
        job.rows = copied.rows;
        Ok(copied.rows)
    }

    /// Retention: rows of the partition in one tier go, in one commit. Those that were planned, if they are still too old now
    /// that nobody else may move them; rows that came since stay for the next plan.
    async fn delete_expired(
        self: &Arc<Self>,
        planned: &PlannedMove,
        job: &mut Job,
        control: &JobControl,
    ) -> Result<u64> {
        let (seal, snapshot) = control.wait(self.seal(planned.table, &planned.partition)).await?;
        let Some(state) = snapshot.table_by_id(planned.table) else { return Ok(0) };
        let gone = retention::expired(state, planned, &self.config, self.now_us());
        if gone.is_empty() {
            return Ok(0);
        }
        let mut changes = retired(&gone);
        if planned.from == Tier::Hot {
            let lsn = gone.iter().map(|s| hot_lsn(s)).max().unwrap_or(0);
            changes.push(Change::CoverWal { table: planned.table, partition: planned.partition.clone(), lsn });
        }
        let _finishing = control.must_finish()?;
        job.rows = gone.iter().map(|s| s.rows).sum();
        let done = Job { phase: JobPhase::Done, ended_us: Some(self.now_us()), ..job.clone() };
        let fences = vec![(planned.table, planned.partition.clone(), job.fence)];
        self.commit(changes, Record { fences, jobs: vec![done.clone()], ..Record::default() }).await?;
        *job = done;
        drop(seal);
        Ok(job.rows)
    }

    async fn drop_replicas(self: &Arc<Self>, planned: &PlannedMove) -> Result<u64> {
        let snapshot = self.snapshot();
        let there = |id: &&u64| snapshot.table_by_id(planned.table).is_some_and(|state| state.segment(**id).is_some());
        let changes: Vec<Change> = planned
            .segments
            .iter()
            .filter(there)
            .map(|id| Change::RetireSegment { table: planned.table, segment: *id })
            .collect();
        self.commit_hot(&changes).await?;
        self.collect_hot().await;
        Ok(planned.rows)
    }
}

/// The owners that a planned move finds in its tier by now.
pub(crate) fn owners(state: &TableState, planned: &PlannedMove) -> Vec<Arc<Segment>> {
    let partition = state.partition(&planned.partition);
    partition.map(|partition| partition.tier(planned.from).owners().cloned().collect()).unwrap_or_default()
}

pub(super) fn retired(segments: &[Arc<Segment>]) -> Vec<Change> {
    segments.iter().map(|s| Change::RetireSegment { table: s.table, segment: s.id }).collect()
}
