//! Segments written beside the rows still being read or sorted.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use tokio::task::{JoinError, JoinSet};
use zxq_catalog::{JobId, PartitionKey, Role, RowHash, Segment, SegmentId, TableDef, Tier};
use zxq_providers::{row_hash, stats};

use crate::error::{EngineError, Result};
use crate::state::engine::Engine;

/// Segments being written at once. Each holds its rows in memory.
const WRITERS: usize = 2;

/// The segments that one job writes, a few at a time. None of them is visible.
///
/// A job that fails must still [`finish`](SegmentWriters::finish): what a writer makes after the job's litter was swept
/// would stay.
pub(crate) struct SegmentWriters {
    engine: Arc<Engine>,
    table: Arc<TableDef>,
    job: JobId,
    running: JoinSet<Result<Segment>>,
    written: Vec<Segment>,
}

impl SegmentWriters {
    pub(crate) fn new(engine: &Arc<Engine>, table: &Arc<TableDef>, job: &JobId) -> Self {
        SegmentWriters {
            engine: Arc::clone(engine),
            table: Arc::clone(table),
            job: job.clone(),
            running: JoinSet::new(),
            written: Vec::new(),
        }
    }

    /// True when no segment was begun.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.written.is_empty()
    }

    /// Begins a segment of the rows that `rows` makes, on a thread for computation. Waits while enough are under way.
    ///
    /// # Errors
    /// Those of a segment begun earlier.
    pub(crate) async fn write(
        &mut self,
        partition: &PartitionKey,
        to: Tier,
        rows: impl FnOnce() -> Result<Vec<RecordBatch>> + Send + 'static,
    ) -> Result<()> {
        while self.running.len() >= WRITERS {
            let Some(done) = self.running.join_next().await else { break };
            self.written.push(done.map_err(stopped)??);
        }
        let id = self.engine.segment_ids.next().await?;
        let (engine, table, job) = (Arc::clone(&self.engine), Arc::clone(&self.table), self.job.clone());
        let partition = partition.clone();
        self.running.spawn(async move {
            let rows = tokio::task::spawn_blocking(rows).await.map_err(stopped)??;
            engine.write_rows(&table, rows, id, &partition, to, &job).await
        });
        Ok(())
    }

    /// Waits for all of them, also when one fails; in the order they were begun.
    ///
    /// # Errors
    /// The first that failed.
    pub(crate) async fn finish(mut self) -> Result<Vec<Segment>> {
        let mut failed = None;
        while let Some(done) = self.running.join_next().await {
            match done.map_err(stopped).and_then(|segment| segment) {
                Ok(segment) => self.written.push(segment),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        self.written.sort_by_key(|segment| segment.id);
        failed.map_or(Ok(self.written), Err)
    }
}

impl Engine {
    /// Writes sorted rows of one partition as one segment of a tier and describes it; not yet visible.
    async fn write_rows(
        &self,
        table: &TableDef,
        rows: Vec<RecordBatch>,
        id: SegmentId,
        partition: &PartitionKey,
        to: Tier,
        job: &JobId,
    ) -> Result<Segment> {
        // Statistics and hashes are plain computation: off the threads that serve connections.
        let (rows, stats, hash) = tokio::task::spawn_blocking(move || -> Result<_> {
            let stats = stats::column_stats(&rows)?;
            let mut hash = RowHash::default();
            for batch in &rows {
                hash = hash.combine(row_hash::hash_batch(batch)?);
            }
            Ok((rows, stats, hash))
        })
        .await
        .map_err(stopped)??;
        let count: u64 = rows.iter().map(|b| b.num_rows() as u64).sum();
        self.job_places.note(job, table.id, to);
        let written = self.store(to).write_segment(table, job, id, partition, rows).await?;
        Ok(Segment {
            id,
            table: table.id,
            partition: partition.clone(),
            tier: to,
            role: Role::Owner,
            location: written.location,
            rows: count,
            bytes: written.bytes,
            hash,
            stats,
            sorted: true,
            job: job.clone(),
            created_epoch: 0,
        })
    }
}

fn stopped(error: JoinError) -> EngineError {
    EngineError::internal(format!("a worker stopped: {error}"))
}
