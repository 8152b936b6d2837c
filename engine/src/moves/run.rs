//! Carrying out one move: lease, seal, copy, durable, flip. Collecting comes later.

use std::sync::Arc;

use zxq_catalog::{Change, Job, JobId, JobKind, JobPhase, LineageEntry, Role, Segment, TableDef, Tier};
use zxq_providers::Publication;

use crate::commit::Record;
use crate::engine::Engine;
use crate::error::{EngineError, ErrorKind, Result};
use crate::ingest::hot_lsn;
use crate::moves::plan::{Action, PlannedMove};

impl Engine {
    /// Carries out one planned move. Returns the rows that changed place; 0 when there was nothing left to move.
    pub(crate) async fn run_move(self: &Arc<Self>, planned: &PlannedMove) -> Result<u64> {
        self.check_write()?;
        let _one_at_a_time = self.moving.lock().await;
        self.sweep_abandoned().await;
        match planned.action {
            Action::DropReplica => return self.drop_replicas(planned).await,
            Action::Delete => return self.delete_partition(planned).await,
            Action::Move | Action::Promote | Action::Rewrite => {}
        }
        let fence = self.catalog.lease(planned.table, &planned.partition).await?;
        let mut job = Job {
            id: JobId::new(),
            kind: match planned.action {
                Action::Promote => JobKind::Promote,
                Action::Rewrite => JobKind::Compact,
                _ => JobKind::Move,
            },
            table: planned.table,
            partition: Some(planned.partition.clone()),
            from: Some(planned.from),
            to: planned.to,
            phase: JobPhase::Copying,
            fence,
            rows: 0,
            started_us: self.now_us(),
            ended_us: None,
            error: None,
            pending: Vec::new(),
        };
        self.catalog.put_job(&job).await?;
        let outcome = match planned.action {
            Action::Promote => self.promote(planned, &mut job).await,
            _ => self.move_owner(planned, &mut job).await,
        };
        match outcome {
            Ok(rows) => {
                self.collect().await?;
                Ok(rows)
            }
            Err(error) => {
                self.give_up(&mut job, &error).await;
                let place = format!(
                    "moving {} {} from {} to {}",
                    planned.table_name, planned.partition_text, planned.from, planned.to
                );
                Err(error.context(place))
            }
        }
    }

    async fn move_owner(self: &Arc<Self>, planned: &PlannedMove, job: &mut Job) -> Result<u64> {
        // Sealing matters for hot only: segments of other tiers never change.
        let (seal, snapshot) = self.seal(planned.table, &planned.partition).await;
        let Some(state) = snapshot.table_by_id(planned.table) else { return Ok(0) };
        let sources: Vec<Arc<Segment>> = state
            .tier(planned.from)
            .iter()
            .filter(|s| s.is_owner() && s.partition == planned.partition)
            .cloned()
            .collect();
        if sources.is_empty() {
            job.phase = JobPhase::Done;
            job.ended_us = Some(self.now_us());
            self.catalog.put_job(job).await?;
            return Ok(0);
        }
        let table = &state.def;
        let copied = self.copy_segments(table, &sources, &planned.partition, planned.to, &job.id).await?;
        self.check_read_back(table, &copied.segments).await?;

        let mut changes: Vec<Change> =
            copied.segments.iter().map(|s| Change::AddSegment(Box::new(s.clone()))).collect();
        changes.extend(sources.iter().map(|s| Change::RetireSegment { table: table.id, segment: s.id }));
        if planned.from == Tier::Hot {
            let lsn = sources.iter().map(|s| hot_lsn(s)).max().unwrap_or(0);
            changes.push(Change::CoverWal { table: table.id, partition: planned.partition.clone(), lsn });
        }
        job.rows = copied.rows;
        let from: Vec<u64> = sources.iter().map(|s| s.id).collect();
        let lineage = self.lineage_of(&copied.segments, &job.id, &from, &[]);
        self.publish_and_flip(table, job, copied.segments, changes, lineage).await?;
        drop(seal);
        if planned.from != Tier::Hot && planned.from != planned.to {
            let removed: Vec<Segment> = sources.iter().map(|s| s.as_ref().clone()).collect();
            let id = JobId(format!("{}-source", job.id));
            let publication = Publication { job: &id, added: &[], removed: &removed, data_change: true };
            // The flip is done: if this fails, collection does it again before the files go.
            if let Err(error) = self.store(planned.from).publish(table, &publication).await {
                tracing::warn!(job = %job.id, %error, "the source's own log still names moved files");
            }
        }
        Ok(job.rows)
    }

    /// Steps 4 and 5 of the protocol, shared by moves and loads: the store's own log, then the catalog.
    pub(crate) async fn publish_and_flip(
        self: &Arc<Self>,
        table: &TableDef,
        job: &mut Job,
        added: Vec<Segment>,
        changes: Vec<Change>,
        lineage: Vec<LineageEntry>,
    ) -> Result<()> {
        job.phase = JobPhase::Durable;
        job.pending = changes.clone();
        self.catalog.put_job(job).await?;
        let removed = self.replaced_by(job);
        for tier in Tier::ALL {
            let part: Vec<Segment> = added.iter().filter(|s| s.tier == tier).cloned().collect();
            if !part.is_empty() {
                // A rewrite stays within its tier: nobody sees both its sources and its result, or neither.
                let data_change = removed.is_empty();
                let publication = Publication { job: &job.id, added: &part, removed: &removed, data_change };
                self.store(tier).publish(table, &publication).await?;
            }
        }
        let done = Job { phase: JobPhase::Done, ended_us: Some(self.now_us()), pending: Vec::new(), ..job.clone() };
        let fences = match &job.partition {
            Some(partition) => vec![(job.table, partition.clone(), job.fence)],
            None => Vec::new(),
        };
        self.commit(changes, Record { jobs: vec![done.clone()], fences, lineage }).await?;
        *job = done;
        Ok(())
    }

    /// Where segments came from, for the catalog.
    pub(crate) fn lineage_of(
        &self,
        segments: &[Segment],
        job: &JobId,
        from_segments: &[u64],
        from_files: &[String],
    ) -> Vec<LineageEntry> {
        let at_us = self.now_us();
        segments
            .iter()
            .map(|s| LineageEntry {
                segment: s.id,
                job: job.clone(),
                from_segments: from_segments.to_vec(),
                from_files: from_files.to_vec(),
                at_us,
            })
            .collect()
    }

    async fn check_read_back(self: &Arc<Self>, table: &Arc<TableDef>, written: &[Segment]) -> Result<()> {
        let segments: Vec<Arc<Segment>> = written.iter().cloned().map(Arc::new).collect();
        let rows: u64 = written.iter().map(|s| s.rows).sum();
        let hash = written.iter().fold(zxq_catalog::RowHash::default(), |sum, s| sum.combine(s.hash));
        let (rows_read, hash_read) = self.read_back(table, segments).await?;
        if (rows, hash) == (rows_read, hash_read) {
            return Ok(());
        }
        Err(EngineError::new(
            ErrorKind::DataCorrupted,
            format!("the copy reads back as {rows_read} rows with hash {hash_read}; {rows} with {hash} were written"),
        ))
    }

    /// Adds replicas in hot. Their owners stay, so there is nothing to lose: the catalog store is not involved.
    async fn promote(self: &Arc<Self>, planned: &PlannedMove, job: &mut Job) -> Result<u64> {
        let snapshot = self.snapshot();
        let Some(state) = snapshot.table_by_id(planned.table) else { return Ok(0) };
        let sources: Vec<Arc<Segment>> =
            planned.segments.iter().filter_map(|id| state.segment(*id)).filter(|s| s.is_owner()).cloned().collect();
        if sources.is_empty() {
            return Ok(0);
        }
        let table = &state.def;
        let copied = self.copy_segments(table, &sources, &planned.partition, Tier::Hot, &job.id).await?;
        let owners: Vec<u64> = sources.iter().map(|s| s.id).collect();
        let replaced = state.tier(Tier::Hot).iter().filter(|s| match &s.role {
            Role::ReplicaOf(of) => of.iter().any(|owner| owners.contains(owner)),
            Role::Owner => false,
        });
        let mut changes: Vec<Change> =
            replaced.map(|s| Change::RetireSegment { table: table.id, segment: s.id }).collect();
        changes.extend(
            copied
                .segments
                .into_iter()
                .map(|s| Change::AddSegment(Box::new(Segment { role: Role::ReplicaOf(owners.clone()), ..s }))),
        );
        self.commit_hot(&changes).await?;
        job.phase = JobPhase::Done;
        job.rows = copied.rows;
        job.ended_us = Some(self.now_us());
        self.catalog.put_job(job).await?;
        Ok(copied.rows)
    }

    /// Retention: the partition's rows in one tier go, in one commit.
    async fn delete_partition(self: &Arc<Self>, planned: &PlannedMove) -> Result<u64> {
        let fence = self.catalog.lease(planned.table, &planned.partition).await?;
        let (seal, snapshot) = self.seal(planned.table, &planned.partition).await;
        let Some(state) = snapshot.table_by_id(planned.table) else { return Ok(0) };
        let gone: Vec<Segment> = state
            .tier(planned.from)
            .iter()
            .filter(|s| s.is_owner() && s.partition == planned.partition)
            .map(|s| s.as_ref().clone())
            .collect();
        let mut changes: Vec<Change> =
            gone.iter().map(|s| Change::RetireSegment { table: planned.table, segment: s.id }).collect();
        if planned.from == Tier::Hot {
            let lsn = gone.iter().map(hot_lsn).max().unwrap_or(0);
            changes.push(Change::CoverWal { table: planned.table, partition: planned.partition.clone(), lsn });
        }
        let fences = vec![(planned.table, planned.partition.clone(), fence)];
        self.commit(changes, Record { fences, ..Record::default() }).await?;
        drop(seal);
        self.collect().await?;
        Ok(gone.iter().map(|s| s.rows).sum())
    }

    async fn drop_replicas(self: &Arc<Self>, planned: &PlannedMove) -> Result<u64> {
        let changes: Vec<Change> =
            planned.segments.iter().map(|id| Change::RetireSegment { table: planned.table, segment: *id }).collect();
        self.commit_hot(&changes).await?;
        self.collect_hot().await?;
        Ok(planned.rows)
    }
}
