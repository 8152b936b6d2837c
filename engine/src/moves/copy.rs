//! Copying: rows of some segments, in sort order, cut into new segments of another store.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::expressions::col;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, execute_stream};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use zxq_catalog::{JobId, PartitionKey, RowHash, Segment, TableDef, Tier};
use zxq_providers::{ScanRequest, row_hash};

use crate::error::{EngineError, ErrorKind, Result};
use crate::jobs::segment_writers::SegmentWriters;
use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;
use crate::values::counted::counted;
use crate::write::ingest::sort_by_partition;

/// What was copied.
pub(crate) struct Copied {
    pub(crate) segments: Vec<Segment>,
    pub(crate) rows: u64,
    pub(crate) hash: RowHash,
}

impl Engine {
    /// All rows of the given segments (of one tier and one table), in the table's sort order, through one stream.
    pub(crate) async fn sorted_rows(
        self: &Arc<Self>,
        table: &Arc<TableDef>,
        segments: Vec<Arc<Segment>>,
    ) -> Result<SendableRecordBatchStream> {
        let context = crate::context::internal(self);
        let plan = in_sort_order(table, self.scan_all(&context, table, segments).await?)?;
        Ok(execute_stream(plan, context.task_ctx())?)
    }

    /// As [`Engine::sorted_rows`], in any order.
    async fn all_rows(
        self: &Arc<Self>,
        table: &Arc<TableDef>,
        segments: Vec<Arc<Segment>>,
    ) -> Result<SendableRecordBatchStream> {
        let context = crate::context::internal(self);
        let scan = self.scan_all(&context, table, segments).await?;
        Ok(execute_stream(scan, context.task_ctx())?)
    }

    /// A scan of all columns of segments of one tier and one table.
    async fn scan_all(
        &self,
        context: &SessionContext,
        table: &Arc<TableDef>,
        segments: Vec<Arc<Segment>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(tier) = segments.first().map(|s| s.tier) else {
            return Err(EngineError::internal("nothing to read"));
        };
        let state = context.state();
        let request = ScanRequest {
            state: &state,
            table: Arc::clone(table),
            segments,
            projection: (0..table.columns.len()).collect(),
            filters: Vec::new(),
            limit: None,
        };
        Ok(self.store(tier).scan(request).await?)
    }

    /// Writes the rows of `sources` into `to` as new segments, under the job's name and not yet visible.
    ///
    /// # Errors
    /// [`ErrorKind::DataCorrupted`] when what was read is not what the catalog says the sources hold.
    pub(crate) async fn copy_segments(
        self: &Arc<Self>,
        table: &Arc<TableDef>,
        sources: &[Arc<Segment>],
        partition: &PartitionKey,
        to: Tier,
        job: &JobId,
        control: &JobControl,
    ) -> Result<Copied> {
        let mut writers = SegmentWriters::new(self, table, job);
        // Stopped here, it drops what it reads; what is being written it waits for, so that it can be swept.
        let read = control.stoppable(self.cut_sorted_rows(table, sources, partition, to, &mut writers)).await;
        let segments = writers.finish().await;
        let (rows, hash) = read?;
        let copied = Copied { segments: segments?, rows, hash };
        check_copy(table, sources, &copied)?;
        Ok(copied)
    }

    /// As [`Engine::copy_segments`], of sources of several partitions: a segment for each of them, which the store may keep
    /// together. All rows are in memory meanwhile.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn copy_together(
        self: &Arc<Self>,
        table: &Arc<TableDef>,
        sources: &[Arc<Segment>],
        to: Tier,
        job: &JobId,
        control: &JobControl,
    ) -> Result<Copied> {
        let mut writers = SegmentWriters::new(self, table, job);
        let read = control.stoppable(self.write_by_partition(table, sources, to, &mut writers)).await;
        let segments = writers.finish().await;
        let (rows, hash) = read?;
        let copied = Copied { segments: segments?, rows, hash };
        check_copy(table, sources, &copied)?;
        Ok(copied)
    }

    /// Begins to write a segment for each partition of the sources. Says how many rows they gave, and the rows' hash.
    async fn write_by_partition(
        self: &Arc<Self>,
        table: &Arc<TableDef>,
        sources: &[Arc<Segment>],
        to: Tier,
        writers: &mut SegmentWriters,
    ) -> Result<(u64, RowHash)> {
        let mut stream = self.all_rows(table, sources.to_vec()).await?;
        let (mut rows, mut hash, mut batches) = (0, RowHash::default(), Vec::new());
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            hash = hash.combine(row_hash::hash_batch(&batch)?);
            batches.push(batch);
        }
        let table = Arc::clone(table);
        let parts = move || {
            let sorted = sort_by_partition(&table, &batches)?;
            Ok(sorted.into_iter().map(|part| (part.partition, part.rows)).collect())
        };
        writers.write_together(to, parts).await?;
        Ok((rows, hash))
    }

    /// Begins a segment for each so many rows of the sources. Says how many rows they gave, and the rows' hash.
    async fn cut_sorted_rows(
        self: &Arc<Self>,
        table: &Arc<TableDef>,
        sources: &[Arc<Segment>],
        partition: &PartitionKey,
        to: Tier,
        writers: &mut SegmentWriters,
    ) -> Result<(u64, RowHash)> {
        let mut stream = self.sorted_rows(table, sources.to_vec()).await?;
        let (mut rows, mut hash) = (0, RowHash::default());
        let mut pending: Vec<RecordBatch> = Vec::new();
        let mut pending_rows = 0;
        // A replica stands for all rows of its owners, so in hot it is one segment.
        let target = if to == Tier::Hot { usize::MAX } else { self.config.policy.segment_rows };
        while let Some(batch) = stream.next().await {
            let mut batch = batch?;
            rows += batch.num_rows() as u64;
            hash = hash.combine(row_hash::hash_batch(&batch)?);
            while batch.num_rows() > 0 {
                let taken = batch.num_rows().min(target - pending_rows);
                pending.push(batch.slice(0, taken));
                pending_rows += taken;
                batch = batch.slice(taken, batch.num_rows() - taken);
                if pending_rows == target {
                    let full = std::mem::take(&mut pending);
                    writers.write(partition, to, move || Ok(full)).await?;
                    pending_rows = 0;
                }
            }
        }
        if pending_rows > 0 {
            writers.write(partition, to, move || Ok(pending)).await?;
        }
        Ok((rows, hash))
    }

    /// Re-reads segments and says how many rows they hold and the rows' hash.
    pub(crate) async fn read_back(
        self: &Arc<Self>,
        table: &Arc<TableDef>,
        segments: Vec<Arc<Segment>>,
    ) -> Result<(u64, RowHash)> {
        if segments.is_empty() {
            return Ok((0, RowHash::default()));
        }
        let known: Vec<String> = segments
            .iter()
            .map(|s| s.stats.keys().cloned().collect::<Vec<_>>())
            .min_by_key(Vec::len)
            .unwrap_or_default();
        let mut stream = self.all_rows(table, segments).await?;
        let (mut rows, mut hash) = (0, RowHash::default());
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            let part = row_hash::hash_batch_columns(&batch, |name| known.iter().any(|k| k == name))?;
            hash = hash.combine(part);
        }
        Ok((rows, hash))
    }
}

/// Compares what was copied with what the catalog says the sources hold.
fn check_copy(table: &TableDef, sources: &[Arc<Segment>], copied: &Copied) -> Result<()> {
    let rows: u64 = sources.iter().map(|s| s.rows).sum();
    if rows != copied.rows {
        return Err(EngineError::new(
            ErrorKind::DataCorrupted,
            format!("{}: the source segments gave {} of {}", table.name, copied.rows, counted(rows, "row")),
        ));
    }
    // A column added later with a default is filled in while reading, and was not part of the source's hash.
    if sources.iter().any(|s| s.stats.len() != table.columns.len()) {
        return Ok(());
    }
    let hash = sources.iter().fold(RowHash::default(), |sum, s| sum.combine(s.hash));
    if hash != copied.hash {
        return Err(EngineError::new(
            ErrorKind::DataCorrupted,
            format!("{}: the source segments' row hash should be {hash} and is {}", table.name, copied.hash),
        ));
    }
    Ok(())
}

/// The plan in the table's sort order through one output partition.
fn in_sort_order(table: &TableDef, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = plan.schema();
    let options = SortOptions { descending: false, nulls_first: true };
    let keys = table
        .sort_by
        .iter()
        .map(|name| Ok(PhysicalSortExpr::new(col(name, &schema)?, options)))
        .collect::<Result<Vec<_>>>()?;
    let partitions = plan.properties().partitioning.partition_count();
    let Some(ordering) = LexOrdering::new(keys) else {
        return Ok(if partitions > 1 { Arc::new(CoalescePartitionsExec::new(plan)) } else { plan });
    };
    let properties = plan.equivalence_properties();
    // Of several declared orders that begin with the same column only the first is looked at, so look for this one too.
    let is_declared = properties.oeq_class().iter().any(|declared| declared.starts_with(&ordering));
    let sorted = is_declared || properties.ordering_satisfy(ordering.clone())?;
    Ok(match (sorted, partitions) {
        (true, 1) => plan,
        (true, _) => Arc::new(SortPreservingMergeExec::new(ordering, plan)),
        (false, 1) => Arc::new(SortExec::new(ordering, plan)),
        (false, _) => Arc::new(SortExec::new(ordering, Arc::new(CoalescePartitionsExec::new(plan)))),
    })
}
