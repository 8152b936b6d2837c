//! Commits: the one way anything changes.

use std::sync::Arc;

use zxq_catalog::store::Commit;
use zxq_catalog::{
    Applied, CatalogError, Change, Job, JobKind, LineageEntry, PartitionKey, Segment, SegmentId, Snapshot, TableId,
    TableState, Tier,
};

use crate::error::{EngineError, Result};
use crate::nodes::hot_rows;
use crate::state::engine::Engine;

/// What commits leave behind in memory.
#[derive(Debug, Default)]
pub(crate) struct CommitState {
    /// The durable catalog's epoch; the in-memory epoch runs ahead of it as hot rows arrive.
    durable_epoch: u64,
    /// Hot segments retired and not dropped yet, since readers may hold an epoch that shows them.
    retired_hot: Vec<RetiredHot>,
}

/// A hot segment that no snapshot to come shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RetiredHot {
    segment: SegmentId,
    /// The first epoch that showed it.
    created: u64,
    /// The first epoch that did not.
    retired: u64,
}

impl RetiredHot {
    fn at(retired: u64, segment: &Segment) -> Self {
        RetiredHot { segment: segment.id, created: segment.created_epoch, retired }
    }

    /// True where one of these epochs, ascending, shows it.
    fn is_shown_in(&self, epochs: &[u64]) -> bool {
        let first = epochs.partition_point(|epoch| *epoch < self.created);
        epochs.get(first).is_some_and(|epoch| *epoch < self.retired)
    }
}

impl CommitState {
    /// What there is when a catalog of that epoch is opened.
    pub(crate) fn at(durable_epoch: u64) -> Self {
        CommitState { durable_epoch, ..CommitState::default() }
    }

    /// The catalog's epoch.
    pub(crate) fn durable_epoch(&self) -> u64 {
        self.durable_epoch
    }

    /// True where hot segments wait for their last reader.
    pub(crate) fn has_retired_hot(&self) -> bool {
        !self.retired_hot.is_empty()
    }

    /// Takes out the retired hot segments that none of these epochs, ascending, shows.
    pub(crate) fn take_retired_hot(&mut self, held: &[u64]) -> Vec<SegmentId> {
        let (keep, free): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.retired_hot).into_iter().partition(|retired| retired.is_shown_in(held));
        self.retired_hot = keep;
        free.into_iter().map(|retired| retired.segment).collect()
    }
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
        // An engine that is closing still commits what has to be finished.
        self.check_lease()?;
        let engine = Arc::clone(self);
        let both = tokio::spawn(async move { engine.commit_and_swap(changes, record).await });
        both.await.map_err(|e| EngineError::internal(format!("a commit stopped: {e}")))?
    }

    async fn commit_and_swap(&self, changes: Vec<Change>, record: Record) -> Result<Arc<Snapshot>> {
        let mut state = self.commits.lock().await;
        let current = self.pins.current();
        let applied = current.apply_all(&changes)?;
        let epoch = applied.snapshot.epoch;
        // What an older copy of the catalog would not know of, and nobody would miss. (Of moved rows, the log or the stores
        // tell; moves are many, too.)
        let is_told = |job: &Job| matches!(job.kind, JobKind::Load | JobKind::Correct);
        let is_noted = changes.iter().any(is_definition) || record.jobs.iter().any(is_told);
        let commit = Commit {
            base_epoch: state.durable_epoch.max(current.epoch),
            epoch,
            changes,
            jobs: record.jobs,
            fences: record.fences,
            lineage: record.lineage,
            hot: self.node.as_ref().map(|_| hot_rows(&applied.snapshot)),
        };
        if let Err(error) = self.catalog.commit(&commit).await {
            if let (Some(node), CatalogError::NotWriter { .. }) = (&self.node, &error) {
                node.lose(&error);
            }
            return Err(error.into());
        }
        state.durable_epoch = epoch;
        if is_noted
            && let Some(owner) = &self.log_owner
            && let Err(error) = owner.raise(epoch)
        {
            // Only the guard against an older copy of the catalog is weaker for it.
            tracing::warn!(%error, "the log could not note how far the catalog has come");
        }
        Ok(self.swap(&mut state, &current, applied))
    }

    fn publish(&self, state: &mut CommitState, changes: &[Change]) -> Result<Arc<Snapshot>> {
        let current = self.pins.current();
        let applied = current.apply_all(changes)?;
        Ok(self.swap(state, &current, applied))
    }

    /// The flip: remembers what became invisible and makes the new snapshot the one that readers get.
    fn swap(&self, state: &mut CommitState, current: &Snapshot, applied: Applied) -> Arc<Snapshot> {
        let next = Arc::new(applied.snapshot);
        let gone = applied.gone.iter().filter(|segment| segment.tier == Tier::Hot);
        state.retired_hot.extend(gone.map(|segment| RetiredHot::at(next.epoch, segment)));
        self.pins.publish(Arc::clone(&next));
        if let Some(node) = &self.node
            && hot_came_or_went(current, &next)
        {
            node.hot_changed.notify_one();
        }
        next
    }
}

/// True where a table has rows in hot that had none, or the other way round: readers elsewhere must not wait for the next
/// heartbeat to learn of it.
fn hot_came_or_went(before: &Snapshot, after: &Snapshot) -> bool {
    let has_rows = |table: &TableState| table.tier(Tier::Hot).totals().owners > 0;
    after.tables.iter().any(|(id, table)| match before.tables.get(id) {
        Some(earlier) if Arc::ptr_eq(earlier, table) => false,
        earlier => earlier.is_some_and(|earlier| has_rows(earlier)) != has_rows(table),
    })
}

fn is_definition(change: &Change) -> bool {
    // An older copy would also give back what was revoked.
    matches!(
        change,
        Change::CreateTable(_)
            | Change::AlterTable(_)
            | Change::DropTable(_)
            | Change::PutRole(_)
            | Change::DropRole(_)
            | Change::SetGrants { .. }
    )
}

/// True when replay must skip the record: its rows lie in another tier, or its table is gone.
pub(crate) fn is_covered(snapshot: &Snapshot, table: TableId, partition: &PartitionKey, lsn: u64) -> bool {
    match snapshot.table_by_id(table) {
        None => true,
        Some(state) => state.wal_covered.get(partition).is_some_and(|covered| lsn <= *covered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_keeps_what_its_epoch_shows_and_nothing_else() {
        let merged = RetiredHot { segment: 1, created: 5, retired: 8 };
        let none: [&[u64]; 4] = [&[], &[4], &[8], &[2, 3, 4, 8, 9]];
        assert!(none.iter().all(|epochs| !merged.is_shown_in(epochs)));
        let some: [&[u64]; 3] = [&[5], &[7], &[2, 6, 9]];
        assert!(some.iter().all(|epochs| merged.is_shown_in(epochs)));
    }
}
