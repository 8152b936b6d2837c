//! Collecting: what no reader can see any more is dropped, in all tiers, and the write-ahead log is cut.
//!
//! Nothing waits for it and nothing fails by it: what cannot be dropped now is dropped the next time, and a store that is
//! away holds up no other.

use std::collections::BTreeMap;

use zxq_catalog::store::DroppedTable;
use zxq_catalog::{Segment, Tier};

use crate::error::Result;
use crate::state::commit::is_covered;
use crate::state::engine::Engine;

impl Engine {
    /// Frees hot memory that no reader can see any more. Cheap; called after every ingest.
    pub(crate) async fn collect_hot(&self) {
        let freed = {
            let mut state = self.commits.lock().await;
            // All that is retired is so at the current epoch: who reads from now on sees none of it.
            if state.has_retired_hot() { state.take_retired_hot(&self.pins.held()) } else { Vec::new() }
        };
        if !freed.is_empty() {
            self.hot.forget(&freed);
        }
    }

    /// Drops everything that is retired and that no reader can see any more, in all tiers; then cuts the write-ahead
    /// log.
    pub(crate) async fn collect(&self) {
        self.collect_hot().await;
        if let Err(error) = self.collect_stores().await {
            tracing::warn!(%error, "what is retired could not be dropped; it is tried again");
        }
        // The log has nothing to do with stores that are away.
        if let Err(error) = self.truncate_wal().await {
            tracing::warn!(%error, "the write-ahead log could not be cut; it is tried again");
        }
        if let Err(error) = self.compact_wal().await {
            tracing::warn!(%error, "the write-ahead log could not be compacted; it is tried again");
        }
    }

    async fn collect_stores(&self) -> Result<()> {
        let mut oldest = self.pins.oldest();
        if let Some(node) = &self.node {
            node.check_write()?;
            oldest = oldest.min(node.oldest_reader().await?);
        }
        let mut by_place: BTreeMap<(Tier, String), Vec<Segment>> = BTreeMap::new();
        for retired in self.catalog.retired().await?.into_iter().filter(|r| r.retired_epoch <= oldest) {
            by_place.entry((retired.segment.tier, retired.storage_name)).or_default().push(retired.segment);
        }
        let dropped: Vec<DroppedTable> =
            self.catalog.dropped_tables().await?.into_iter().filter(|table| table.dropped_epoch <= oldest).collect();
        if by_place.is_empty() && dropped.is_empty() {
            return Ok(());
        }
        let mut forgotten = Vec::new();
        for ((tier, storage), segments) in by_place {
            match self.store(tier).drop_segments(&storage, &segments).await {
                Ok(()) => forgotten.extend(segments.iter().map(|s| s.id)),
                Err(error) => {
                    tracing::warn!(%error, %tier, storage, segments = segments.len(), "retired segments stay for now");
                }
            }
        }
        if !forgotten.is_empty() {
            self.catalog.forget_retired(&forgotten).await?;
        }
        self.drop_storage(&dropped).await
    }

    /// Drops what is left of dropped tables.
    async fn drop_storage(&self, tables: &[DroppedTable]) -> Result<()> {
        let mut gone = Vec::new();
        for table in tables {
            let mut failed = false;
            for store in &self.stores {
                if let Err(error) = store.drop_table(&table.storage_name).await {
                    tracing::warn!(%error, table = table.storage_name, "a dropped table's storage stays for now");
                    failed = true;
                }
            }
            if !failed {
                gone.push(table.table);
            }
        }
        if gone.is_empty() { Ok(()) } else { Ok(self.catalog.forget_dropped(&gone).await?) }
    }

    /// Deletes write-ahead-log files whose every record lies elsewhere or belongs to a table that is gone.
    async fn truncate_wal(&self) -> Result<()> {
        let epoch = self.commits.lock().await.durable_epoch();
        // The newest snapshot each time: rows may come, into tables that are new, while files are chosen.
        let covered = |table, partition: &_, lsn| is_covered(&self.snapshot(), table, partition, lsn);
        // From here on an older copy of the catalog would miss rows: the log remembers how far it had come.
        let before = || self.log_owner.as_ref().map_or(Ok(()), |owner| owner.raise(epoch));
        self.wal()?.truncate(covered, before).await?;
        Ok(())
    }

    /// Writes write-ahead-log files anew that hold little else than what lies elsewhere: rows that stay in hot hold back no others.
    async fn compact_wal(&self) -> Result<()> {
        let covered = |table, partition: &_, lsn| is_covered(&self.snapshot(), table, partition, lsn);
        let Some(compaction) = self.wal()?.begin_compaction(covered) else { return Ok(()) };
        // Now, when all is durable that was relied on.
        let epoch = self.commits.lock().await.durable_epoch();
        if let Some(owner) = &self.log_owner {
            owner.raise(epoch)?;
        }
        compaction.run().await?;
        Ok(())
    }
}
