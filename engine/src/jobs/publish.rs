//! From segments that are written to rows that are visible: the store's own log, then the catalog.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use zxq_catalog::{Change, Job, JobId, JobKind, JobPhase, LineageEntry, Segment, SegmentId, TableDef, TableId, Tier};
use zxq_providers::Publication;

use crate::error::Result;
use crate::state::commit::Record;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;

/// What a job's flip changes of one table in one tier.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) table: Arc<TableDef>,
    pub(crate) tier: Tier,
    /// Segments that come.
    pub(crate) segments: Vec<Segment>,
    /// Visible segments in whose place they come; none for a job between tiers, whose sources are taken out of their store's log
    /// after the flip.
    pub(crate) replaced: Vec<Segment>,
}

impl Part {
    fn new(table: &Arc<TableDef>, tier: Tier) -> Self {
        Part { table: Arc::clone(table), tier, segments: Vec::new(), replaced: Vec::new() }
    }
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
        self.publish_and_flip_with(job, &[], changes, lineage, control).await
    }

    /// As [`Engine::publish_and_flip`], of several jobs that become done together, of which the first one does it.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn publish_and_flip_with(
        self: &Arc<Self>,
        job: &mut Job,
        others: &[Job],
        changes: Vec<Change>,
        lineage: Vec<LineageEntry>,
        control: &JobControl,
    ) -> Result<()> {
        let _finishing = control.must_finish()?;
        job.phase = JobPhase::Durable;
        job.pending = changes.clone();
        self.catalog.put_job(job).await?;
        // What replaces others stays within its tier: nobody sees both, or neither.
        for part in self.parts_of(job) {
            let data_change = part.replaced.is_empty() || job.kind == JobKind::Correct;
            let publication = Publication { job: &job.id, added: &part.segments, removed: &part.replaced, data_change };
            self.store(part.tier).publish(&part.table, &publication).await?;
        }
        let ended = |job: &Job| Job {
            phase: JobPhase::Done,
            ended_us: Some(self.now_us()),
            pending: Vec::new(),
            ..job.clone()
        };
        let done = ended(job);
        let fences = job.leased().map(|partition| (job.table, partition.clone(), job.fence)).collect();
        let jobs = std::iter::once(done.clone()).chain(others.iter().map(ended)).collect();
        self.commit(changes, Record { jobs, fences, lineage }).await?;
        *job = done;
        for job in std::iter::once(&*job).chain(others) {
            self.job_places.forget(&job.id);
        }
        Ok(())
    }

    /// What a job's flip changes, by table and tier. Tables that are gone have taken their part with them, and what comes and goes
    /// in the same flip is nobody's.
    pub(crate) fn parts_of(&self, job: &Job) -> Vec<Part> {
        let snapshot = self.snapshot();
        let replaces = job.kind == JobKind::Correct || job.from == Some(job.to);
        let retired = |change: &Change| match change {
            Change::RetireSegment { table, segment } => Some((*table, *segment)),
            _ => None,
        };
        let gone: HashSet<(TableId, SegmentId)> = job.pending.iter().filter_map(retired).collect();
        let mut parts: BTreeMap<(TableId, Tier), Part> = BTreeMap::new();
        let mut part = |table: TableId, tier: Tier, change: &dyn Fn(&mut Part)| {
            if let Some(state) = snapshot.table_by_id(table) {
                change(parts.entry((table, tier)).or_insert_with(|| Part::new(&state.def, tier)));
            }
        };
        for change in &job.pending {
            match change {
                Change::AddSegment(segment) if !gone.contains(&(segment.table, segment.id)) => {
                    part(segment.table, segment.tier, &|part| part.segments.push(segment.as_ref().clone()));
                }
                Change::RetireSegment { table, segment } if replaces => {
                    let there = snapshot.table_by_id(*table).and_then(|state| state.segment(*segment));
                    // Hot shows nothing to others.
                    if let Some(there) = there.filter(|there| there.tier != Tier::Hot) {
                        part(*table, there.tier, &|part| part.replaced.push(there.as_ref().clone()));
                    }
                }
                _ => {}
            }
        }
        parts.into_values().collect()
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
