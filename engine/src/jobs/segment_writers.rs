//! Segments written beside the rows still being read or sorted.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use tokio::task::{JoinError, JoinSet};
use zxq_catalog::{ColumnStats, JobId, PartitionKey, Role, RowHash, Segment, SegmentId, TableDef, Tier};
use zxq_providers::{SegmentRows, WrittenSegment, row_hash, stats};

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
    running: JoinSet<Result<Vec<Segment>>>,
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
        self.wait_for_turn().await?;
        let id = self.engine.segment_ids.next().await?;
        let (engine, table, job) = (Arc::clone(&self.engine), Arc::clone(&self.table), self.job.clone());
        let partition = partition.clone();
        self.running.spawn(async move {
            let rows = tokio::task::spawn_blocking(rows).await.map_err(stopped)??;
            engine.write_rows(&table, rows, id, &partition, to, &job).await.map(|segment| vec![segment])
        });
        Ok(())
    }

    /// Begins segments that the store may keep together: one of each part that `parts` makes, on a thread for computation. Waits
    /// while enough are under way.
    ///
    /// # Errors
    /// Those of a segment begun earlier.
    pub(crate) async fn write_together(
        &mut self,
        to: Tier,
        parts: impl FnOnce() -> Result<Vec<(PartitionKey, RecordBatch)>> + Send + 'static,
    ) -> Result<()> {
        self.wait_for_turn().await?;
        let (engine, table, job) = (Arc::clone(&self.engine), Arc::clone(&self.table), self.job.clone());
        self.running.spawn(async move { engine.write_parts(&table, parts, to, &job).await });
        Ok(())
    }

    async fn wait_for_turn(&mut self) -> Result<()> {
        while self.running.len() >= WRITERS {
            let Some(done) = self.running.join_next().await else { break };
            self.written.extend(done.map_err(stopped)??);
        }
        Ok(())
    }

    /// Waits for all of them, also when one fails; in the order they were begun.
    ///
    /// # Errors
    /// The first that failed.
    pub(crate) async fn finish(mut self) -> Result<Vec<Segment>> {
        let mut failed = None;
        while let Some(done) = self.running.join_next().await {
            match done.map_err(stopped).and_then(|segments| segments) {
                Ok(segments) => self.written.extend(segments),
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
        let known = move || Facts::of(&rows).map(|facts| (rows, facts));
        let (rows, facts) = tokio::task::spawn_blocking(known).await.map_err(stopped)??;
        self.job_places.note(job, table.id, to);
        let written = self.store(to).write_segment(table, job, id, partition, rows).await?;
        Ok(facts.segment(table, job, to, id, partition.clone(), written))
    }

    /// As [`Engine::write_rows`], of the sorted rows of several partitions.
    async fn write_parts(
        &self,
        table: &TableDef,
        parts: impl FnOnce() -> Result<Vec<(PartitionKey, RecordBatch)>> + Send + 'static,
        to: Tier,
        job: &JobId,
    ) -> Result<Vec<Segment>> {
        let known = move || -> Result<Vec<(PartitionKey, RecordBatch, Facts)>> {
            let known = parts()?.into_iter().map(|(partition, rows)| {
                let facts = Facts::of(std::slice::from_ref(&rows))?;
                Ok((partition, rows, facts))
            });
            known.collect()
        };
        let parts = tokio::task::spawn_blocking(known).await.map_err(stopped)??;
        let (mut rows, mut known) = (Vec::with_capacity(parts.len()), Vec::with_capacity(parts.len()));
        for (partition, batch, facts) in parts {
            let id = self.segment_ids.next().await?;
            rows.push(SegmentRows { id, partition: partition.clone(), rows: vec![batch] });
            known.push((id, partition, facts));
        }
        self.job_places.note(job, table.id, to);
        let written = self.store(to).write_segments(table, job, rows).await?;
        let described = known.into_iter().zip(written);
        Ok(described
            .map(|((id, partition, facts), written)| facts.segment(table, job, to, id, partition, written))
            .collect())
    }
}

/// What the catalog keeps of a segment's rows. Plain computation: to be gathered off the threads that serve connections.
struct Facts {
    rows: u64,
    stats: BTreeMap<String, ColumnStats>,
    hash: RowHash,
}

impl Facts {
    fn of(rows: &[RecordBatch]) -> Result<Facts> {
        let mut hash = RowHash::default();
        for batch in rows {
            hash = hash.combine(row_hash::hash_batch(batch)?);
        }
        let count = rows.iter().map(|batch| batch.num_rows() as u64).sum();
        Ok(Facts { rows: count, stats: stats::column_stats(rows)?, hash })
    }

    /// The segment that these rows are once they are written.
    fn segment(
        self,
        table: &TableDef,
        job: &JobId,
        tier: Tier,
        id: SegmentId,
        partition: PartitionKey,
        written: WrittenSegment,
    ) -> Segment {
        Segment {
            id,
            table: table.id,
            partition,
            tier,
            role: Role::Owner,
            location: written.location,
            rows: self.rows,
            bytes: written.bytes,
            hash: self.hash,
            stats: self.stats,
            sorted: true,
            job: job.clone(),
            created_epoch: 0,
        }
    }
}

fn stopped(error: JoinError) -> EngineError {
    EngineError::internal(format!("a worker stopped: {error}"))
}
