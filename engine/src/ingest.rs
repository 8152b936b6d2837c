//! Ingest: rows in, checked, logged, fsynced, then visible. INSERT, the Rust API and loads into hot all end here.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use zxq_catalog::{Change, JobId, PartitionKey, Role, Segment, SegmentId, TableDef, TableId, Tier};
use zxq_providers::hot::HotReservation;
use zxq_providers::hot::wal::WalEntry;
use zxq_providers::{row_hash, sort, stats};

use crate::engine::Engine;
use crate::error::{EngineError, ErrorKind, Result};
use crate::partition_split::{concat, split_all};

/// What an ingest did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestReport {
    /// Rows that are now durable and visible.
    pub rows: u64,
    /// Rows refused and put into the table's rejects.
    pub rejected: u64,
}

/// Segments below this many rows are merged as they pile up.
const MERGE_BELOW_ROWS: u64 = 131_072;
/// How many segments of about one size make a merge.
const MERGE_FAN_IN: usize = 8;

/// Rows of one partition, ready to become a hot segment.
pub(crate) struct SortedRows {
    pub(crate) partition: PartitionKey,
    pub(crate) rows: RecordBatch,
}

impl Engine {
    /// Appends rows to a table's hot tier. When it returns, they survive a crash and every new statement sees them.
    ///
    /// Batches may hold any subset of the table's columns, in any order, of any types that cast: missing columns get
    /// their default or NULL, generated columns are computed. All or nothing.
    ///
    /// # Errors
    /// The first bad row's: [`ErrorKind::NotNullViolation`], [`ErrorKind::CheckViolation`],
    /// [`ErrorKind::NumericOutOfRange`] and so on, naming row and column. [`ErrorKind::OutOfMemory`] when hot stays
    /// full for the configured wait; [`ErrorKind::DiskFull`].
    pub async fn ingest(self: &Arc<Self>, table: &str, batches: Vec<RecordBatch>) -> Result<IngestReport> {
        self.ingest_checked(table, batches, "ingest").await
    }

    pub(crate) async fn ingest_checked(
        self: &Arc<Self>,
        table: &str,
        batches: Vec<RecordBatch>,
        source: &str,
    ) -> Result<IngestReport> {
        self.check_write()?;
        let state = self.own_table(table)?;
        let checker = self.checkers.of(self, &state.def)?;
        let mut checked = Vec::with_capacity(batches.len());
        let mut row = 1;
        for batch in batches {
            let rows = batch.num_rows() as u64;
            checked.push(checker.check(&batch, row)?);
            row += rows;
        }
        let sorted = sort_by_partition(&state.def, &checked)?;
        self.append_hot(&state.def, sorted, source).await
    }

    /// Logs rows and makes them visible together.
    pub(crate) async fn append_hot(
        self: &Arc<Self>,
        table: &Arc<TableDef>,
        rows: Vec<SortedRows>,
        source: &str,
    ) -> Result<IngestReport> {
        self.check_write()?;
        if rows.is_empty() {
            return Ok(IngestReport::default());
        }
        // Memory is promised before the log is written: what is logged must become visible.
        let mut parts = Vec::with_capacity(rows.len());
        for part in rows {
            let reservation = self.make_room(part.rows.get_array_memory_size() as u64).await?;
            parts.push((self.segment_ids.next().await?, part, reservation));
        }
        // In a task of its own: a caller that goes away between log and commit must not leave rows durable and unseen.
        let (engine, table, source) = (Arc::clone(self), Arc::clone(table), source.to_owned());
        tokio::spawn(async move { engine.log_and_publish(&table, parts, &source).await })
            .await
            .map_err(|e| EngineError::internal(format!("the ingest stopped: {e}")))?
    }

    async fn log_and_publish(
        &self,
        table: &Arc<TableDef>,
        parts: Vec<(SegmentId, SortedRows, HotReservation)>,
        source: &str,
    ) -> Result<IngestReport> {
        let _gate = self.ingest_gate.read().await;
        // Waiting for room may have taken longer than a lease runs.
        self.check_write()?;
        let entries: Vec<WalEntry> = parts
            .iter()
            .map(|(_, part, _)| WalEntry {
                table: table.id,
                partition: part.partition.clone(),
                batch: part.rows.clone(),
            })
            .collect();
        let lsns = self.wal()?.append(entries).await?;
        let mut changes = Vec::with_capacity(parts.len());
        let mut report = IngestReport::default();
        let mut touched = Vec::with_capacity(parts.len());
        for ((id, part, reservation), lsn) in parts.into_iter().zip(lsns) {
            report.rows += part.rows.num_rows() as u64;
            let segment = self.insert_hot(table, id, &part, reservation, lsn, source)?;
            changes.push(Change::AddSegment(Box::new(segment)));
            touched.push(part.partition);
        }
        // The rows are in the log and would come back at the next start: a failure here says so rather than nothing.
        self.commit_hot(&changes).await.map_err(|e| e.context("rows were logged but could not be made visible"))?;
        for partition in &touched {
            self.merge_small(table, partition).await?;
        }
        self.collect_hot().await?;
        Ok(report)
    }

    /// Puts rows that the log holds into the hot store and describes them.
    pub(crate) fn insert_hot(
        &self,
        table: &TableDef,
        id: SegmentId,
        part: &SortedRows,
        reservation: HotReservation,
        lsn: u64,
        source: &str,
    ) -> Result<Segment> {
        let written = self.hot.insert_reserved(reservation, id, table, part.rows.clone())?;
        let rows = std::slice::from_ref(&part.rows);
        Ok(Segment {
            id,
            table: table.id,
            partition: part.partition.clone(),
            tier: Tier::Hot,
            role: Role::Owner,
            location: hot_location(lsn),
            rows: part.rows.num_rows() as u64,
            bytes: written.bytes,
            hash: row_hash::hash_batch(&part.rows)?,
            stats: stats::column_stats(rows)?,
            sorted: true,
            job: JobId(source.to_owned()),
            created_epoch: 0,
        })
    }

    /// Backpressure: waits until hot has room; refuses when it stays full.
    async fn make_room(&self, wanted: u64) -> Result<HotReservation> {
        self.collect_hot().await?;
        self.hot.wait_for_space(wanted, self.config.hot.full_wait).await.map_err(|error| {
            EngineError::from(error).context(
                "flush hot with CALL zxq.migrate(table, 'warm'), raise hot.memory_limit, or load with --tier warm or cold",
            )
        })
    }

    /// Merges small segments of one partition, so that a trickle of inserts does not become a thousand segments.
    ///
    /// Only runs of similar size are merged, so each row is copied about log(rows) times.
    pub(crate) async fn merge_small(&self, table: &Arc<TableDef>, partition: &PartitionKey) -> Result<()> {
        let snapshot = self.snapshot();
        let Some(state) = snapshot.table_by_id(table.id) else { return Ok(()) };
        if self.sealed.lock().contains(&(table.id, partition.clone())) {
            return Ok(());
        }
        let small: Vec<&Arc<Segment>> = state
            .tier(Tier::Hot)
            .iter()
            .filter(|s| s.is_owner() && s.rows < MERGE_BELOW_ROWS && &s.partition == partition)
            .collect();
        let Some(chosen) = similar_run(&small) else { return Ok(()) };
        let mut batches = Vec::with_capacity(chosen.len());
        let mut changes = Vec::with_capacity(chosen.len() + 1);
        let mut lsn = 0;
        let schema = state.def.schema();
        for segment in &chosen {
            let Some(data) = self.hot.segment(segment.id) else { return Ok(()) };
            if data.schema() != &schema {
                // Written before a column was added: it keeps its own shape until it moves.
                return Ok(());
            }
            batches.extend(data.batches().iter().cloned());
            lsn = lsn.max(hot_lsn(segment));
            changes.push(Change::RetireSegment { table: table.id, segment: segment.id });
        }
        let rows = sort::merge_sorted(&batches, &table.sort_by)?;
        let part = SortedRows { partition: partition.clone(), rows };
        let id = self.segment_ids.next().await?;
        // The merged rows stand beside their sources until those are collected.
        let reservation = self.hot.reserve_always(part.rows.get_array_memory_size() as u64);
        let merged = self.insert_hot(&state.def, id, &part, reservation, lsn, "merge")?;
        changes.push(Change::AddSegment(Box::new(merged)));
        match self.commit_hot(&changes).await {
            Ok(_) => Ok(()),
            Err(error) => {
                // Another ingest merged the same segments first; its result stands.
                self.hot.forget(&[id]);
                if error.kind() == ErrorKind::Internal { Ok(()) } else { Err(error) }
            }
        }
    }

    /// Waits for ingests under way and marks a partition as sealed, so that its hot segments stay as they are until
    /// the returned guard is dropped. Rows that arrive meanwhile become new segments.
    pub(crate) async fn seal(
        &self,
        table: TableId,
        partition: &PartitionKey,
    ) -> (Seal<'_>, Arc<zxq_catalog::Snapshot>) {
        let _alone = self.ingest_gate.write().await;
        self.sealed.lock().insert((table, partition.clone()));
        (Seal { engine: self, table, partition: partition.clone() }, self.snapshot())
    }
}

/// Keeps a partition's hot segments from being merged.
pub(crate) struct Seal<'a> {
    engine: &'a Engine,
    table: TableId,
    partition: PartitionKey,
}

impl Drop for Seal<'_> {
    fn drop(&mut self) {
        self.engine.sealed.lock().remove(&(self.table, self.partition.clone()));
    }
}

/// Splits checked rows by partition and sorts each part by the table's sort key.
pub(crate) fn sort_by_partition(table: &TableDef, batches: &[RecordBatch]) -> Result<Vec<SortedRows>> {
    let mut parts = Vec::new();
    for (partition, batches) in split_all(table, batches)? {
        if let Some(rows) = concat(&batches)? {
            parts.push(SortedRows { partition, rows: sort::sort_batch(&rows, &table.sort_by)? });
        }
    }
    Ok(parts)
}

/// A hot segment's location: the newest log sequence number among its rows.
fn hot_location(lsn: u64) -> String {
    format!("lsn:{lsn}")
}

/// The newest log sequence number among a hot segment's rows; 0 for a replica.
pub(crate) fn hot_lsn(segment: &Segment) -> u64 {
    segment.location.strip_prefix("lsn:").and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The smallest segments, if there are enough of about the same size.
fn similar_run(small: &[&Arc<Segment>]) -> Option<Vec<Arc<Segment>>> {
    let mut by_class: [Vec<Arc<Segment>>; 24] = Default::default();
    for segment in small {
        // Classes of a factor of 8 in rows.
        let class = (segment.rows.max(1).ilog2() / 3) as usize;
        by_class[class.min(23)].push(Arc::clone(segment));
    }
    by_class.into_iter().find(|class| class.len() >= MERGE_FAN_IN)
}
