//! The hot tier's store: segments by id, within a memory limit.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::common::DFSchema;
use datafusion::physical_plan::ExecutionPlan;
use parking_lot::RwLock;
use tokio::sync::futures::Notified;
use zxq_catalog::{JobId, PartitionKey, Segment, SegmentId, TableDef, TableId, Value};

use super::find::{Found, Wanted};
use super::memory::{HotMemory, HotReservation};
use super::project::Projector;
use super::scan_exec::HotScanExec;
use super::segment::HotSegment;
use crate::error::{ProviderError, Result};
use crate::tier_store::{Publication, ScanRequest, TierStore, WrittenSegment};

/// How a [`HotStore`] is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotOptions {
    /// Most memory that segments and reservations may take together, bytes.
    pub memory_limit_bytes: u64,
}

/// Keeps segments as sorted Arrow batches in memory.
///
/// It is not durable by itself: owners are durable through the write-ahead log, which the caller writes before it
/// inserts; replicas need no durability.
#[derive(Debug)]
pub struct HotStore {
    memory: Arc<HotMemory>,
    segments: RwLock<HashMap<SegmentId, Arc<HotSegment>>>,
}

impl HotStore {
    /// An empty store.
    pub fn new(options: HotOptions) -> Self {
        HotStore { memory: HotMemory::new(options.memory_limit_bytes), segments: RwLock::default() }
    }

    /// Inserts a segment of sorted rows of the table's schema, if memory allows. A segment of the same id is replaced.
    ///
    /// # Errors
    /// [`ProviderError::OutOfMemory`] when it does not fit under the limit, [`ProviderError::Unsupported`] when the rows
    /// are not sorted by the table's sort key.
    pub fn insert_segment(&self, id: SegmentId, table: &TableDef, rows: RecordBatch) -> Result<WrittenSegment> {
        self.insert(None, id, table, None, vec![rows])
    }

    /// As [`HotStore::insert_segment`], with memory reserved before. Never fails for lack of memory: what the rows take
    /// beyond the reservation is taken beyond the limit. For rows that are in the write-ahead log already.
    ///
    /// # Errors
    /// [`ProviderError::Unsupported`] as above.
    pub fn insert_reserved(
        &self,
        reservation: HotReservation,
        id: SegmentId,
        table: &TableDef,
        rows: RecordBatch,
    ) -> Result<WrittenSegment> {
        self.insert(Some(reservation), id, table, None, vec![rows])
    }

    fn insert(
        &self,
        reservation: Option<HotReservation>,
        id: SegmentId,
        table: &TableDef,
        job: Option<JobId>,
        rows: Vec<RecordBatch>,
    ) -> Result<WrittenSegment> {
        let segment = HotSegment::build(&self.memory, reservation, id, table, job, rows)?;
        let written = WrittenSegment { location: format!("hot/{id}"), bytes: segment.bytes() };
        let replaced = self.segments.write().insert(id, Arc::new(segment));
        drop(replaced);
        Ok(written)
    }

    /// The segment with this id.
    pub fn segment(&self, id: SegmentId) -> Option<Arc<HotSegment>> {
        self.segments.read().get(&id).cloned()
    }

    /// Ids of all segments, ascending.
    pub fn segment_ids(&self) -> Vec<SegmentId> {
        let mut ids: Vec<SegmentId> = self.segments.read().keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Bytes in use or reserved. A dropped segment counts until its last reader is done with it.
    pub fn used(&self) -> u64 {
        self.memory.used()
    }

    /// The memory limit, bytes.
    pub fn limit(&self) -> u64 {
        self.memory.limit()
    }

    /// Promises memory for rows to come.
    ///
    /// # Errors
    /// [`ProviderError::OutOfMemory`] when it does not fit under the limit now.
    pub fn reserve(&self, bytes: u64) -> Result<HotReservation> {
        self.memory.try_reserve(bytes)
    }

    /// Memory for rows that must become visible whatever the limit says (replay of the write-ahead log).
    pub fn reserve_always(&self, bytes: u64) -> HotReservation {
        self.memory.reserve_always(bytes)
    }

    /// Done when memory is given back after this was first polled, or enabled: for those whom [`HotStore::reserve`] refused.
    pub fn freed(&self) -> Notified<'_> {
        self.memory.freed()
    }

    /// The newest row whose `column` holds `value`, over the given segments (newest first), in the table's schema, and
    /// its time. Where times are equal the earlier segment in the list wins. Segments that are gone are an error, since
    /// the caller's snapshot names them.
    ///
    /// # Errors
    /// [`ProviderError::Missing`] for a segment that is not here; as [`HotSegment::lookup`].
    pub fn last_row(
        &self,
        table: &TableDef,
        newest_first: impl IntoIterator<Item = SegmentId>,
        column: &str,
        value: &Value,
    ) -> Result<Option<(i64, RecordBatch)>> {
        let mut best: Option<(i64, RecordBatch, Arc<HotSegment>)> = None;
        for id in newest_first {
            let segment = self.segment(id).ok_or_else(|| missing(id))?;
            let newest_here = segment.time_bounds().map_or(i64::MIN, |(_, newest)| newest);
            if best.as_ref().is_some_and(|(time, _, _)| newest_here <= *time) {
                continue;
            }
            if let Some((time, row)) = segment.last_row(column, value, table.time_column.as_deref())?
                && best.as_ref().is_none_or(|(known, _, _)| time > *known)
            {
                best = Some((time, row, segment));
            }
        }
        let Some((time, row, segment)) = best else { return Ok(None) };
        let schema = table.schema();
        let all: Vec<usize> = (0..table.columns.len()).collect();
        let row = Projector::new(table, &all, &schema, segment.schema())?.apply(&row)?;
        Ok(Some((time, row)))
    }

    /// The rows of one segment that pass; `None` where a scan has to read them.
    ///
    /// # Errors
    /// [`ProviderError::Missing`] for a segment that is not here; where stored columns are not of the table's types.
    pub fn find(&self, id: SegmentId, wanted: &Wanted<'_>) -> Result<Option<Found>> {
        self.segment(id).ok_or_else(|| missing(id))?.find(wanted)
    }

    /// Drops segments; ids that are not here are skipped.
    pub fn forget(&self, ids: &[SegmentId]) {
        let removed: Vec<Arc<HotSegment>> = {
            let mut segments = self.segments.write();
            ids.iter().filter_map(|id| segments.remove(id)).collect()
        };
        drop(removed);
    }

    fn remove_where(&self, gone: impl Fn(&HotSegment) -> bool) {
        let removed: Vec<Arc<HotSegment>> = {
            let mut segments = self.segments.write();
            let ids: Vec<SegmentId> = segments.values().filter(|s| gone(s)).map(|s| s.id()).collect();
            ids.iter().filter_map(|id| segments.remove(id)).collect()
        };
        // Freed outside the lock: giving back gigabytes takes a moment.
        drop(removed);
    }
}

fn missing(id: SegmentId) -> ProviderError {
    ProviderError::Missing { store: "hot", what: format!("segment {id}") }
}

/// The table's id, which ends its storage name.
fn table_of(storage_name: &str) -> Option<TableId> {
    storage_name.rsplit_once('_').and_then(|(_, id)| id.parse().ok())
}

#[async_trait]
impl TierStore for HotStore {
    fn name(&self) -> &'static str {
        "hot"
    }

    fn check_table(&self, _table: &TableDef) -> Result<()> {
        Ok(())
    }

    async fn create_table(&self, _table: &TableDef) -> Result<()> {
        Ok(())
    }

    async fn alter_table(&self, _table: &TableDef) -> Result<()> {
        Ok(())
    }

    async fn drop_table(&self, storage_name: &str) -> Result<()> {
        if let Some(table) = table_of(storage_name) {
            self.remove_where(|segment| segment.table() == table);
        }
        Ok(())
    }

    async fn write_segment(
        &self,
        table: &TableDef,
        job: &JobId,
        id: SegmentId,
        _partition: &PartitionKey,
        rows: Vec<RecordBatch>,
    ) -> Result<WrittenSegment> {
        self.insert(None, id, table, Some(job.clone()), rows)
    }

    async fn publish(&self, _table: &TableDef, _publication: &Publication<'_>) -> Result<()> {
        Ok(())
    }

    async fn scan(&self, request: ScanRequest<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        let mut segments = Vec::with_capacity(request.segments.len());
        for facts in &request.segments {
            let segment = self.segment(facts.id).ok_or_else(|| missing(facts.id))?;
            segments.push((segment, Arc::clone(facts)));
        }
        let schema = request.table.schema();
        let mut filters = Vec::with_capacity(request.filters.len());
        if !request.filters.is_empty() {
            let df_schema = DFSchema::try_from(schema.as_ref().clone())?;
            for filter in &request.filters {
                filters.push(request.state.create_physical_expr(filter.clone(), &df_schema)?);
            }
        }
        let target = request.state.config().target_partitions();
        let scan = HotScanExec::new(request.table, segments, request.projection, filters, request.limit, target)?;
        Ok(Arc::new(scan))
    }

    async fn drop_segments(&self, _storage_name: &str, segments: &[Segment]) -> Result<()> {
        let removed: Vec<Arc<HotSegment>> = {
            let mut held = self.segments.write();
            segments.iter().filter_map(|segment| held.remove(&segment.id)).collect()
        };
        drop(removed);
        Ok(())
    }

    async fn sweep_job(&self, storage_name: &str, job: &JobId) -> Result<()> {
        if let Some(table) = table_of(storage_name) {
            self.remove_where(|segment| segment.table() == table && segment.job() == Some(job));
        }
        Ok(())
    }

    async fn bytes_used(&self) -> Result<u64> {
        Ok(self.used())
    }

    async fn close(&self) -> Result<()> {
        self.remove_where(|_| true);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
