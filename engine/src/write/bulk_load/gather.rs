//! Rows of a load by partition, sorted and written out as segments.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use zxq_catalog::{JobId, PartitionKey, Segment, TableDef, Tier};
use zxq_providers::hot::{allocated_bytes, compact};
use zxq_providers::sort;

use crate::config::ages::{Ages, age, newest_us};
use crate::error::{EngineError, ErrorKind, Result};
use crate::jobs::segment_writers::SegmentWriters;
use crate::state::engine::Engine;
use crate::write::ingest::SortedRows;
use crate::write::partition_split::{concat, split};

/// Bytes of rows that a load gathers before it writes its largest partition out.
const BUFFER_BYTES: usize = 384 * 1024 * 1024;

/// What a load has gathered when its sources end.
#[derive(Default)]
pub(super) struct Gathered {
    /// Rows for hot, when the whole load belongs there.
    pub(super) hot: Vec<SortedRows>,
    /// Segments written and not yet visible.
    pub(super) segments: Vec<Segment>,
}

impl Gathered {
    pub(super) fn row_count(&self) -> u64 {
        let hot = self.hot.iter().map(|part| part.rows.num_rows() as u64);
        hot.chain(self.segments.iter().map(|segment| segment.rows)).sum()
    }
}

/// Rows of a load by partition, written out as segments when they get large.
pub(super) struct Gather {
    engine: Arc<Engine>,
    table: Arc<TableDef>,
    /// Where all rows go; `None` decides by age.
    tier: Option<Tier>,
    ages: Ages,
    pending: BTreeMap<PartitionKey, Pending>,
    bytes: usize,
    /// Bytes of rows that it may gather.
    most: usize,
    /// Newest moment seen in the table and in this load, microseconds since the epoch.
    newest: Option<i64>,
    writers: SegmentWriters,
}

#[derive(Default)]
struct Pending {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    newest: Option<i64>,
}

impl Gather {
    pub(super) fn new(engine: &Arc<Engine>, table: &Arc<TableDef>, tier: Option<Tier>, job: &JobId) -> Self {
        let newest = engine.snapshot().table_by_id(table.id).and_then(|state| newest_us(table, state.owners()));
        Gather {
            engine: Arc::clone(engine),
            table: Arc::clone(table),
            tier,
            ages: Ages::of(table, &engine.config),
            pending: BTreeMap::new(),
            bytes: 0,
            most: BUFFER_BYTES,
            newest,
            writers: SegmentWriters::new(engine, table, job),
        }
    }

    pub(super) fn table(&self) -> &Arc<TableDef> {
        &self.table
    }

    /// Bytes of rows that it has gathered and not begun to write.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gathers no more than so many bytes of rows from here on.
    pub(super) fn gather_at_most(&mut self, bytes: usize) {
        self.most = bytes.min(BUFFER_BYTES);
    }

    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        for (key, rows) in split(&self.table, batch)? {
            let newest = newest_in(&self.table, &rows);
            // In memory of their own: a batch of many partitions would be kept, and counted, by each of them.
            let rows = compact(&rows)?;
            let bytes = allocated_bytes(std::slice::from_ref(&rows)) as usize;
            let pending = self.pending.entry(key).or_default();
            pending.newest = pending.newest.max(newest);
            pending.rows += rows.num_rows();
            pending.bytes += bytes;
            pending.batches.push(rows);
            self.bytes += bytes;
            self.newest = self.newest.max(newest);
        }
        Ok(())
    }

    /// Where a partition's rows belong.
    fn tier_of(&self, pending: &Pending) -> Tier {
        self.tier.unwrap_or_else(|| self.ages.tier_for(age(pending.newest, self.newest, self.engine.now_us())))
    }

    /// Writes out full segments, and the largest partitions while the buffer is over its budget. Rows for hot stay: hot
    /// is memory too.
    pub(super) async fn write_overflow(&mut self) -> Result<()> {
        let full = self.engine.config.policy.segment_rows;
        loop {
            let candidate = self
                .pending
                .iter()
                .filter(|(_, p)| (p.rows >= full || self.bytes > self.most) && self.tier != Some(Tier::Hot))
                .max_by_key(|(_, p)| (p.rows >= full, p.bytes))
                .map(|(key, _)| key.clone());
            let Some(key) = candidate else {
                return self.check_hot_fits();
            };
            let Some(pending) = self.pending.remove(&key) else { return Ok(()) };
            self.bytes -= pending.bytes;
            // An early cut cannot know yet whether newer rows will come, so it never picks hot.
            let tier = self.tier_of(&pending).max(Tier::Warm);
            self.start_write(&key, pending, tier).await?;
        }
    }

    fn check_hot_fits(&self) -> Result<()> {
        let limit = self.engine.config.hot.memory_limit_bytes;
        if self.tier == Some(Tier::Hot) && self.bytes as u64 > limit {
            return Err(EngineError::new(
                ErrorKind::OutOfMemory,
                format!(
                    "the load needs more than hot's memory limit of {limit} bytes: load with --tier warm or cold, or raise hot.memory_limit"
                ),
            ));
        }
        Ok(())
    }

    async fn start_write(&mut self, key: &PartitionKey, pending: Pending, tier: Tier) -> Result<()> {
        let table = Arc::clone(&self.table);
        self.writers.write(key, tier, move || sorted(&table, &pending.batches)).await
    }

    /// True when nothing was written yet and all rows belong in hot, which has room for so many bytes of those that need not go
    /// there.
    pub(super) fn fits_in_hot(&self, room: u64) -> bool {
        let may_go = self.tier == Some(Tier::Hot) || self.bytes as u64 <= room;
        may_go && self.writers.is_empty() && self.pending.values().all(|p| self.tier_of(p) == Tier::Hot)
    }

    /// Waits for what is being written, of a load that fails.
    pub(super) async fn abandon(self) -> Result<()> {
        self.writers.finish().await.map(|_| ())
    }

    /// Writes what is left, or returns it where the whole load goes to hot.
    pub(super) async fn finish(mut self, in_hot: bool) -> Result<Gathered> {
        let hot = if in_hot { self.sort_rest() } else { self.write_rest().await.map(|()| Vec::new()) };
        let segments = self.writers.finish().await;
        Ok(Gathered { hot: hot?, segments: segments? })
    }

    fn sort_rest(&mut self) -> Result<Vec<SortedRows>> {
        let mut hot = Vec::new();
        for (partition, pending) in std::mem::take(&mut self.pending) {
            if let Some(rows) = sorted(&self.table, &pending.batches)?.into_iter().next() {
                hot.push(SortedRows { partition, rows });
            }
        }
        Ok(hot)
    }

    async fn write_rest(&mut self) -> Result<()> {
        for (partition, pending) in std::mem::take(&mut self.pending) {
            // The log and the catalog cannot commit together: a load that spans tiers owns nothing in hot.
            let tier = self.tier_of(&pending).max(Tier::Warm);
            self.start_write(&partition, pending, tier).await?;
        }
        Ok(())
    }
}

/// All rows in one sorted batch (none for no rows).
fn sorted(table: &TableDef, batches: &[RecordBatch]) -> Result<Vec<RecordBatch>> {
    match concat(batches)? {
        Some(rows) => Ok(vec![sort::sort_batch(&rows, &table.sort_by)?]),
        None => Ok(Vec::new()),
    }
}

/// The newest date, else the newest event time, of a batch.
fn newest_in(table: &TableDef, rows: &RecordBatch) -> Option<i64> {
    use arrow::array::AsArray;
    use arrow::compute::max;
    use arrow::datatypes::{Date32Type, TimestampMicrosecondType};
    if let Some(column) = table.partitioning.date_column.as_deref().and_then(|name| rows.column_by_name(name)) {
        let days = max(column.as_primitive_opt::<Date32Type>()?)?;
        return Some(i64::from(days) * 86_400_000_000);
    }
    let column = rows.column_by_name(table.time_column.as_deref()?)?;
    max(column.as_primitive_opt::<TimestampMicrosecondType>()?)
}
