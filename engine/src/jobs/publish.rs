//! From segments that are written to rows that are visible: the store's own log, then the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use zxq_catalog::{Change, Job, JobId, JobPhase, LineageEntry, Segment, TableDef, TableId, Tier};
use zxq_providers::Publication;

use crate::error::Result;
use crate::state::commit::Record;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;

/// Segments that a job adds to one table in one tier.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) table: Arc<TableDef>,
    pub(crate) tier: Tier,
    pub(crate) segments: Vec<Segment>,
}

impl Engine {
    /// Steps 4 and 5 of the protocol, shared by moves and loads. From the record `durable` on the job is not stopped any more.
    ///
    /// # Errors
    /// Where the job was asked to stop before, or a step fails: then it has to be given up.
    pub(crate) async fn publish_and_flip(
        self: &Arc<Self>,
        job: &mut Job,
        changes: Vec<Change>,
        lineage: Vec<LineageEntry>,
        control: &JobControl,
    ) -> Result<()> {
        let _finishing = control.must_finish()?;
        job.phase = JobPhase::Durable;
        job.pending = changes.clone();
        self.catalog.put_job(job).await?;
        // A rewrite stays within its tier: nobody sees both its sources and its result, or neither.
        let removed = self.replaced_by(job);
        for part in self.parts_of(job) {
            let data_change = removed.is_empty();
            let publication = Publication { job: &job.id, added: &part.segments, removed: &removed, data_change };
            self.store(part.tier).publish(&part.table, &publication).await?;
        }
        let done = Job { phase: JobPhase::Done, ended_us: Some(self.now_us()), pending: Vec::new(), ..job.clone() };
        let fences = match &job.partition {
            Some(partition) => vec![(job.table, partition.clone(), job.fence)],
            None => Vec::new(),
        };
        self.commit(changes, Record { jobs: vec![done.clone()], fences, lineage }).await?;
        *job = done;
        self.job_places.forget(&job.id);
        Ok(())
    }

    /// What a job's flip adds, by table and tier. Tables that are gone have taken their part with them.
    pub(crate) fn parts_of(&self, job: &Job) -> Vec<Part> {
        let snapshot = self.snapshot();
        let mut parts: BTreeMap<(TableId, Tier), Part> = BTreeMap::new();
        for change in &job.pending {
            let Change::AddSegment(segment) = change else { continue };
            let Some(state) = snapshot.table_by_id(segment.table) else { continue };
            parts
                .entry((segment.table, segment.tier))
                .or_insert_with(|| Part { table: Arc::clone(&state.def), tier: segment.tier, segments: Vec::new() })
                .segments
                .push(segment.as_ref().clone());
        }
        parts.into_values().collect()
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
}
