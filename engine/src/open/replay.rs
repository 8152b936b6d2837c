//! Replay: hot rows that no other tier covers come back from the write-ahead log.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use zxq_catalog::{Change, PartitionKey, Snapshot, TableDef, TableId};
use zxq_providers::hot::wal::Recovery;
use zxq_providers::sort;

use crate::error::{EngineError, Result};
use crate::state::commit::is_covered;
use crate::state::engine::Engine;
use crate::write::ingest::SortedRows;

/// Records that become visible with one commit, at most.
const RECORDS_AT_ONCE: usize = 4_096;
/// Bytes of rows that do. While small ones are merged, both they and the merged rows are in memory.
const BYTES_AT_ONCE: u64 = 64 << 20;

/// Brings back hot rows that no other tier covers.
pub(super) async fn replay(engine: &Arc<Engine>, logged: Recovery) -> Result<()> {
    let snapshot: Arc<Snapshot> = engine.snapshot();
    let for_filter = Arc::clone(&snapshot);
    let (sender, mut records) = tokio::sync::mpsc::channel(16);
    let reader = tokio::task::spawn_blocking(move || {
        logged.replay(
            |table, partition, lsn| is_covered(&for_filter, table, partition, lsn),
            |lsn, table, partition, batch| {
                sender
                    .blocking_send((lsn, table, partition, batch))
                    .map_err(|_| EngineError::internal("replay was given up"))
            },
        )
    });
    let mut rows = 0;
    let mut group = Group::default();
    while let Some((lsn, table, partition, batch)) = records.recv().await {
        let Some(state) = snapshot.table_by_id(table) else { continue };
        rows += batch.num_rows();
        group.add(engine, &state.def, partition, &batch, lsn).await?;
        if group.is_full() {
            std::mem::take(&mut group).publish(engine).await?;
        }
    }
    group.publish(engine).await?;
    reader.await.map_err(|e| EngineError::internal(format!("replay stopped: {e}")))??;
    if rows > 0 {
        tracing::info!(rows, "replayed the write-ahead log");
    }
    Ok(())
}

/// Records that become visible together: a log of many small ones makes few snapshots.
#[derive(Default)]
struct Group {
    changes: Vec<Change>,
    touched: BTreeSet<(TableId, PartitionKey)>,
    bytes: u64,
}

impl Group {
    fn is_full(&self) -> bool {
        self.changes.len() >= RECORDS_AT_ONCE || self.bytes >= BYTES_AT_ONCE
    }

    async fn add(
        &mut self,
        engine: &Engine,
        table: &TableDef,
        partition: PartitionKey,
        batch: &RecordBatch,
        lsn: u64,
    ) -> Result<()> {
        let part = SortedRows { partition, rows: sort::sort_batch(batch, &table.sort_by)? };
        let id = engine.segment_ids.next().await?;
        let bytes = part.bytes();
        let reservation = engine.hot.reserve_always(bytes);
        let segment = engine.insert_hot(table, id, &part, reservation, lsn, "replay")?;
        self.changes.push(Change::AddSegment(Box::new(segment)));
        self.touched.insert((table.id, part.partition));
        self.bytes += bytes;
        Ok(())
    }

    async fn publish(self, engine: &Arc<Engine>) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        engine.commit_hot(&self.changes).await?;
        for (table, partition) in &self.touched {
            // Their rows are there, whether or not they lie together.
            if let Err(error) = engine.merge_small(*table, partition, true).await {
                tracing::warn!(%error, table, %partition, "small hot segments could not be merged");
            }
        }
        engine.collect_hot().await;
        Ok(())
    }
}
