//! Corrections of a transaction: rows that it changes or deletes, of segments that everybody sees or of its own.
//!
//! Segments never change. A correction takes whole ones away and brings others in their place, which nobody but the transaction
//! sees. Each statement writes them as a job of its own, so that what it leaves is swept when it fails, or when a savepoint or the
//! transaction is rolled back. COMMIT flips all of them in one commit of the catalog, together with the rows that the transaction has
//! inserted: those do not go to the log then, which no other commit can be joined to, but to warm.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedRwLockReadGuard;
use zxq_catalog::{Change, Job, JobKind, LineageEntry, PartitionKey, Segment, SegmentId, TableDef, TableId, Tier};

use crate::error::{EngineError, ErrorKind, Result};
use crate::jobs::caught::caught;
use crate::jobs::segment_writers::SegmentWriters;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;
use crate::supervisor::table_locks::Correcting;
use crate::write::ingest::{Seals, hot_lsn};
use crate::write::private_rows::dropped;
use crate::write::transaction::{Ended, PrivateRows, Transaction};

/// The tier that corrected rows of hot go to, and inserted ones beside them: hot keeps its rows by a log of its own.
pub(crate) const CORRECTED_HOT: Tier = Tier::Warm;

/// How long a transaction that corrects a table waits for another one's: each may be waiting for the other.
const DEADLOCK: Duration = Duration::from_secs(10);

/// Segments that go of which each segment that comes is said to be made of.
const FEW_SOURCES: usize = 64;

/// What one statement has corrected of one table.
#[derive(Debug, Clone)]
pub(crate) struct Correction {
    /// The job that wrote its segments.
    pub(crate) job: Job,
    /// Segments that go: visible ones, and the transaction's own.
    pub(crate) gone: Vec<Arc<Segment>>,
    /// Segments that come.
    pub(crate) written: Vec<Arc<Segment>>,
    /// Segments that come and that the transaction does not see: rows that others inserted since its snapshot, and that leave hot
    /// together with those of their partition.
    pub(crate) unseen: Vec<Arc<Segment>>,
}

/// A table that a transaction corrects: until it ends nobody else corrects, moves or alters it.
#[derive(Debug)]
pub(crate) struct Held {
    table: TableId,
    _used: OwnedRwLockReadGuard<()>,
    _alone: Correcting,
    /// Hot segments that it has taken away stay as they are until it ends.
    seals: Vec<Seals>,
    /// It is held until then, whether or not anything of it is corrected.
    kept: bool,
}

/// All that a transaction has corrected.
#[derive(Debug, Default)]
pub(crate) struct Corrections {
    pub(crate) done: Vec<Correction>,
    pub(crate) held: Vec<Held>,
}

impl Corrections {
    /// Segments that are not there any more for the transaction.
    pub(crate) fn gone(&self) -> Vec<Arc<Segment>> {
        self.done.iter().flat_map(|correction| &correction.gone).map(Arc::clone).collect()
    }

    /// The ids of those.
    pub(crate) fn gone_ids(&self) -> HashSet<SegmentId> {
        self.done.iter().flat_map(|correction| &correction.gone).map(|segment| segment.id).collect()
    }

    /// Segments that the transaction sees in their place, whether or not a later correction took them away.
    pub(crate) fn written(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.done.iter().flat_map(|correction| &correction.written)
    }

    /// True for a table that is held.
    pub(crate) fn hold(&self, table: TableId) -> bool {
        self.held.iter().any(|held| held.table == table)
    }

    /// True for a partition whose hot segments stay as they are.
    pub(crate) fn seal(&self, table: TableId, partition: &PartitionKey) -> bool {
        let mut held = self.held.iter().filter(|held| held.table == table);
        held.any(|held| held.seals.iter().any(|seals| seals.hold(partition)))
    }

    /// Keeps seals until the transaction ends.
    pub(crate) fn keep_seals(&mut self, table: TableId, seals: Vec<Seals>) {
        if let Some(held) = self.held.iter_mut().find(|held| held.table == table) {
            held.seals.extend(seals);
        }
    }

    /// A statement has done with a table. If it `writes`, the table is kept until the transaction ends, since others may insert the
    /// same rows; else it is given back, unless something of it was corrected.
    pub(crate) fn give_back(&mut self, table: TableId, writes: bool) {
        if writes {
            self.held.iter_mut().filter(|held| held.table == table).for_each(|held| held.kept = true);
        } else if self.done.iter().all(|correction| correction.job.table != table) {
            self.held.retain(|held| held.table != table || held.kept);
        }
    }
}

impl Engine {
    /// Keeps a table as it is for a transaction that is about to correct it.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`]; [`ErrorKind::Deadlock`] where the transaction corrects other tables too and another one does not
    /// give this one back.
    pub(crate) async fn hold_to_correct(
        self: &Arc<Self>,
        transaction: &Transaction,
        table: TableId,
        control: &JobControl,
    ) -> Result<()> {
        self.check_write()?;
        if transaction.holds(table) {
            return Ok(());
        }
        self.settle_table(table).await;
        let waiting = async {
            let used = self.locks.use_table(table).await;
            let alone = self.locks.correct_table(table).await;
            Held { table, _used: used, _alone: alone, seals: Vec::new(), kept: false }
        };
        let held = match transaction.holds_some() {
            false => control.wait(waiting).await?,
            true => control.wait(tokio::time::timeout(DEADLOCK, waiting)).await?.map_err(|_| {
                let text = "deadlock detected: another transaction corrects a table that this one needs, and may wait for one that \
                            this one corrects";
                EngineError::new(ErrorKind::Deadlock, text).with_hint("Correct tables in the same order in all transactions")
            })?,
        };
        transaction.hold(held)
    }

    /// Gives up the jobs of corrections that come to nothing.
    pub(crate) async fn give_up_corrections(self: &Arc<Self>, corrections: &[Correction], error: &EngineError) {
        for correction in corrections {
            self.give_up(&correction.job, error).await;
        }
    }

    /// COMMIT of a transaction that has corrected rows: what came and what went in one commit of the catalog, the tables that it
    /// has made with it. Where it fails, or is stopped in time, nothing is left of any.
    ///
    /// # Errors
    /// As [`Engine::commit_transaction`].
    pub(crate) async fn commit_corrections(self: &Arc<Self>, mut ended: Ended, control: &JobControl) -> Result<()> {
        let committed = caught(self.flip_corrections(&mut ended, control)).await;
        self.forget_private(&ended.rows);
        match &committed {
            Ok(()) => {
                // Who asked it to stop need not wait for this; it is done the next time.
                if control.check().is_ok() {
                    self.collect().await;
                }
            }
            Err(error) => {
                self.give_up_corrections(&ended.corrections.done, error).await;
                if let Some(job) = &ended.created {
                    self.give_up(job, error).await;
                }
            }
        }
        committed
    }

    async fn flip_corrections(self: &Arc<Self>, ended: &mut Ended, control: &JobControl) -> Result<()> {
        self.check_write()?;
        let gone = ended.corrections.gone_ids();
        let inserted = ended.rows.iter().filter(|rows| !gone.contains(&rows.segment.id)).cloned().collect();
        let _used = self.write_inserted(inserted, &mut ended.corrections.done, control).await?;
        let own: HashSet<SegmentId> = ended.rows.iter().map(|rows| rows.segment.id).collect();
        let (changes, lineage) = self.changes_of(&ended.corrections.done, &own);
        let mut jobs: Vec<Job> = ended.corrections.done.iter().map(|correction| correction.job.clone()).collect();
        jobs.extend(ended.created.clone());
        let Some((first, others)) = jobs.split_first_mut() else { return Ok(()) };
        let flipped = self.publish_and_flip_with(first, others, changes, lineage, control).await;
        if flipped.is_err()
            && let Some(correction) = ended.corrections.done.first_mut()
        {
            // It may be known by now what it would have changed: that is what has to be taken back.
            correction.job = first.clone();
        }
        flipped
    }

    /// Writes the rows that a transaction has inserted as segments, a job for each table.
    async fn write_inserted(
        self: &Arc<Self>,
        rows: Vec<PrivateRows>,
        done: &mut Vec<Correction>,
        control: &JobControl,
    ) -> Result<Vec<OwnedRwLockReadGuard<()>>> {
        let tables: BTreeSet<TableId> = rows.iter().map(|rows| rows.table.id).collect();
        let mut used = Vec::with_capacity(tables.len());
        for table in tables {
            used.push(control.wait(self.locks.use_table(table)).await?);
            let mut rows: Vec<PrivateRows> = rows.iter().filter(|rows| rows.table.id == table).cloned().collect();
            self.check_again(&mut rows)?;
            let Some(def) = rows.first().map(|rows| Arc::clone(&rows.table)) else { continue };
            let job = Job::begin(JobKind::Correct, table, CORRECTED_HOT, self.now_us());
            self.catalog.put_job(&job).await?;
            let at = done.len();
            done.push(Correction { job, gone: Vec::new(), written: Vec::new(), unseen: Vec::new() });
            let written = self.write_private(&def, &rows, &done[at].job, control).await?;
            done[at].job.rows = written.iter().map(|segment| segment.rows).sum();
            done[at].written = written;
        }
        Ok(used)
    }

    async fn write_private(
        self: &Arc<Self>,
        table: &Arc<TableDef>,
        rows: &[PrivateRows],
        job: &Job,
        control: &JobControl,
    ) -> Result<Vec<Arc<Segment>>> {
        let mut writers = SegmentWriters::new(self, table, &job.id);
        let writing = async {
            for rows in rows {
                let data = self.hot.segment(rows.segment.id).ok_or_else(|| dropped(&table.name))?;
                let batches = data.batches().to_vec();
                writers.write(&rows.segment.partition, CORRECTED_HOT, move || Ok(batches)).await?;
            }
            Ok::<(), EngineError>(())
        };
        // What is being written is waited for, so that it can be swept.
        let written = control.stoppable(writing).await;
        let segments = writers.finish().await;
        written?;
        Ok(segments?.into_iter().map(Arc::new).collect())
    }

    /// What corrections change, and where the segments that come are from. `own`: segments in hot that nobody else has seen.
    fn changes_of(&self, done: &[Correction], own: &HashSet<SegmentId>) -> (Vec<Change>, Vec<LineageEntry>) {
        let came = || done.iter().flat_map(Correction::came);
        let passing: HashSet<SegmentId> = came().map(|segment| segment.id).collect();
        let mut changes: Vec<Change> =
            came().map(|segment| Change::AddSegment(Box::new(segment.as_ref().clone()))).collect();
        let mut covered: BTreeMap<(TableId, PartitionKey), u64> = BTreeMap::new();
        for segment in done.iter().flat_map(|correction| &correction.gone).filter(|gone| !own.contains(&gone.id)) {
            changes.push(Change::RetireSegment { table: segment.table, segment: segment.id });
            if segment.tier == Tier::Hot && !passing.contains(&segment.id) {
                let lsn = covered.entry((segment.table, segment.partition.clone())).or_default();
                *lsn = hot_lsn(segment).max(*lsn);
            }
        }
        for ((table, partition), lsn) in covered {
            changes.push(Change::CoverWal { table, partition, lsn });
        }
        let at_us = self.now_us();
        let lineage = done.iter().flat_map(|correction| correction.lineage(own, at_us)).collect();
        (changes, lineage)
    }
}

impl Correction {
    /// Segments that come.
    fn came(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.written.iter().chain(&self.unseen)
    }

    /// Where they come from: from all that go, or, where those are many, from those of their partition.
    fn lineage<'a>(&'a self, own: &'a HashSet<SegmentId>, at_us: i64) -> impl Iterator<Item = LineageEntry> + 'a {
        let gone: Vec<&Arc<Segment>> = self.gone.iter().filter(|segment| !own.contains(&segment.id)).collect();
        let are_few = gone.len() <= FEW_SOURCES;
        self.came().map(move |segment| {
            let is_source = |source: &&&Arc<Segment>| are_few || source.partition == segment.partition;
            LineageEntry {
                segment: segment.id,
                job: self.job.id.clone(),
                from_segments: gone.iter().filter(is_source).map(|source| source.id).collect(),
                from_files: Vec::new(),
                at_us,
            }
        })
    }
}
