//! Commits: the one way anything changes, and the collection of what they retire.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zxq_catalog::store::Commit;
use zxq_catalog::{CatalogError, Change, Job, LineageEntry, PartitionKey, Segment, SegmentId, Snapshot, TableId, Tier};

use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// What commits leave behind in memory.
#[derive(Debug, Default)]
pub(crate) struct CommitState {
    /// The durable catalog's epoch; the in-memory epoch runs ahead of it as hot rows arrive.
    durable_epoch: u64,
    /// Hot segments retired and still readable by pinned readers, with the epoch that retired them.
    retired_hot: Vec<(u64, SegmentId)>,
    /// Dropped tables whose storage waits for its last reader.
    dropped_tables: Vec<(u64, TableId, String)>,
}

/// What a durable commit records besides its changes.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) jobs: Vec<Job>,
    pub(crate) fences: Vec<(TableId, PartitionKey, u64)>,
    pub(crate) lineage: Vec<LineageEntry>,
}

impl Engine {
    /// Commits changes that the write-ahead log already holds (hot rows arriving, hot segments merged): memory only.
    pub(crate) async fn commit_hot(&self, changes: &[Change]) -> Result<Arc<Snapshot>> {
        let mut state = self.commits.lock().await;
        self.publish(&mut state, changes)
    }

    /// Commits durably: catalog transaction first, then the swap of the in-memory snapshot. Whoever waits for it may
    /// stop waiting: the two happen together all the same.
    pub(crate) async fn commit(self: &Arc<Self>, changes: Vec<Change>, record: Record) -> Result<Arc<Snapshot>> {
        self.check_write()?;
        let engine = Arc::clone(self);
        let both = tokio::spawn(async move { engine.commit_and_swap(changes, record).await });
        both.await.map_err(|e| EngineError::internal(format!("a commit stopped: {e}")))?
    }

    async fn commit_and_swap(&self, changes: Vec<Change>, record: Record) -> Result<Arc<Snapshot>> {
        let mut state = self.commits.lock().await;
        let current = self.pins.current();
        let next = current.apply(&changes)?;
        let commit = Commit {
            base_epoch: state.durable_epoch.max(current.epoch),
            epoch: next.epoch,
            changes,
            jobs: record.jobs,
            fences: record.fences,
            lineage: record.lineage,
        };
        if let Err(error) = self.catalog.commit(&commit).await {
            if let (Some(node), CatalogError::NotWriter { .. }) = (&self.node, &error) {
                node.lose(&error);
            }
            return Err(error.into());
        }
        state.durable_epoch = next.epoch;
        self.swap(&mut state, &current, next)
    }

    fn publish(&self, state: &mut CommitState, changes: &[Change]) -> Result<Arc<Snapshot>> {
        let current = self.pins.current();
        let next = current.apply(changes)?;
        self.swap(state, &current, next)
    }

    /// The flip: remembers what became invisible and makes the new snapshot the one that readers get.
    fn swap(&self, state: &mut CommitState, current: &Snapshot, next: Snapshot) -> Result<Arc<Snapshot>> {
        let next = Arc::new(next);
        for (id, table) in &current.tables {
            let after = next.tables.get(id);
            if after.is_some_and(|after| Arc::ptr_eq(&after.segments[0], &table.segments[0])) {
                continue;
            }
            let kept: BTreeSet<SegmentId> =
                after.map(|t| t.tier(Tier::Hot).iter().map(|s| s.id).collect()).unwrap_or_default();
            for segment in table.tier(Tier::Hot).iter().filter(|s| !kept.contains(&s.id)) {
                state.retired_hot.push((next.epoch, segment.id));
            }
            if after.is_none() {
                state.dropped_tables.push((next.epoch, *id, table.def.storage_name()));
            }
        }
        self.pins.publish(Arc::clone(&next));
        Ok(next)
    }

    /// Frees hot memory that no reader can see any more. Cheap; called after every ingest.
    pub(crate) async fn collect_hot(&self) -> Result<()> {
        let oldest = self.pins.oldest();
        let freed: Vec<(u64, SegmentId)> = {
            let mut state = self.commits.lock().await;
            if state.retired_hot.is_empty() {
                return Ok(());
            }
            let (free, keep) = std::mem::take(&mut state.retired_hot).into_iter().partition(|(e, ..)| *e <= oldest);
            state.retired_hot = keep;
            free
        };
        let ids: Vec<SegmentId> = freed.iter().map(|(_, id)| *id).collect();
        self.hot.forget(&ids);
        Ok(())
    }

    /// Drops everything that is retired and that no reader can see any more, in all tiers; then cuts the write-ahead
    /// log. Returns how many warm and cold segments were dropped.
    pub(crate) async fn collect(&self) -> Result<usize> {
        self.collect_hot().await?;
        let mut oldest = self.pins.oldest();
        if let Some(node) = &self.node {
            node.check_write()?;
            oldest = oldest.min(node.oldest_reader().await?);
        }
        let mut by_place: BTreeMap<(Tier, String), Vec<Segment>> = BTreeMap::new();
        for retired in self.catalog.retired().await?.into_iter().filter(|r| r.retired_epoch <= oldest) {
            by_place.entry((retired.segment.tier, retired.storage_name)).or_default().push(retired.segment);
        }
        let mut forgotten = Vec::new();
        for ((tier, storage), segments) in by_place {
            self.store(tier).drop_segments(&storage, &segments).await?;
            forgotten.extend(segments.iter().map(|s| s.id));
        }
        if !forgotten.is_empty() {
            self.catalog.forget_retired(&forgotten).await?;
        }
        self.drop_storage_of_dropped_tables(oldest).await?;
        self.truncate_wal().await?;
        Ok(forgotten.len())
    }

    async fn drop_storage_of_dropped_tables(&self, oldest: u64) -> Result<()> {
        let ready: Vec<(u64, TableId, String)> = {
            let mut state = self.commits.lock().await;
            let (ready, keep) =
                std::mem::take(&mut state.dropped_tables).into_iter().partition(|(epoch, ..)| *epoch <= oldest);
            state.dropped_tables = keep;
            ready
        };
        for (_, _, storage) in ready {
            for store in &self.stores {
                store.drop_table(&storage).await?;
            }
        }
        Ok(())
    }

    /// Deletes write-ahead-log files whose every record lies elsewhere or belongs to a table that is gone.
    pub(crate) async fn truncate_wal(&self) -> Result<()> {
        let snapshot = self.snapshot();
        self.wal()?.truncate(|table, partition, lsn| is_covered(&snapshot, table, partition, lsn)).await?;
        Ok(())
    }
}

/// True when replay must skip the record: its rows lie in another tier, or its table is gone.
pub(crate) fn is_covered(snapshot: &Snapshot, table: TableId, partition: &PartitionKey, lsn: u64) -> bool {
    match snapshot.table_by_id(table) {
        None => true,
        Some(state) => state.wal_covered.get(partition).is_some_and(|covered| lsn <= *covered),
    }
}
