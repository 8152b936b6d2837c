//! The one trait behind which every store lies.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use futures::future::join_all;
use zxq_catalog::{JobId, PartitionKey, Segment, SegmentId, TableDef};

use crate::error::Result;

#[cfg(test)]
pub(crate) mod testing;

/// What a scan must return: the rows of exactly these segments.
#[derive(Clone)]
pub struct ScanRequest<'a> {
    /// DataFusion's session: configuration and physical expression planning.
    pub state: &'a dyn Session,
    /// The table; its [`TableDef::schema`] is the schema that `projection` indexes.
    pub table: Arc<TableDef>,
    /// The segments to read, all of this store, already pruned. Never empty.
    pub segments: Vec<Arc<Segment>>,
    /// Columns to return, in this order, as positions in the table's schema. May be empty (only row counts matter).
    pub projection: Vec<usize>,
    /// Conjuncts the store may use to return fewer rows; the caller evaluates them again, so ignoring any is correct.
    pub filters: Vec<Expr>,
    /// The caller needs only this many rows. Set only when no filter is left to evaluate above the scan.
    pub limit: Option<usize>,
}

/// Segments that a store without a better way writes at once, of those that it is given together.
const WRITES_AT_ONCE: usize = 4;

/// One of several segments to be written together ([`TierStore::write_segments`]).
#[derive(Debug)]
pub struct SegmentRows {
    /// Its id.
    pub id: SegmentId,
    /// The partition that all its rows belong to.
    pub partition: PartitionKey,
    /// Its rows, as [`TierStore::write_segment`] takes them.
    pub rows: Vec<RecordBatch>,
}

/// What writing one segment gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenSegment {
    /// Where the store will find it again ([`Segment::location`]).
    pub location: String,
    /// Size in the store, bytes.
    pub bytes: u64,
}

/// What one commit makes visible and invisible in a store that keeps a public log of its own (Delta, Iceberg).
#[derive(Debug, Clone)]
pub struct Publication<'a> {
    /// The job that commits; the store must make a second publication by the same job a no-op.
    pub job: &'a JobId,
    /// Segments that become visible.
    pub added: &'a [Segment],
    /// Segments that stop being visible (moved away, rewritten, deleted, or of a cancelled publication).
    pub removed: &'a [Segment],
    /// False when `added` holds the same rows as `removed` (a rewrite).
    pub data_change: bool,
}

/// Parts of a query that a store computes itself. A plan that another store's `scan` made is declined.
pub trait Pushdown: Send + Sync {
    /// A plan that gives the same partial-aggregate states as `aggregate` (mode Partial) over `scan`, a plan that this
    /// store's `scan` made, computed inside the store. `None` where it cannot be proven to give the same states.
    fn partial_aggregate(
        &self,
        aggregate: &AggregateExec,
        scan: &Arc<dyn ExecutionPlan>,
    ) -> Option<Arc<dyn ExecutionPlan>>;

    /// The same scan with the filter evaluated exactly inside the store, so that no filter is needed above it. `None`
    /// where the store cannot evaluate all of it with the same meaning.
    fn exact_filter(
        &self,
        scan: &Arc<dyn ExecutionPlan>,
        filter: &Arc<dyn PhysicalExpr>,
    ) -> Option<Arc<dyn ExecutionPlan>>;
}

/// Writes, reads and drops segments in one place.
///
/// Every call that changes something is idempotent: repeating it after a crash gives the same state.
#[async_trait]
pub trait TierStore: Send + Sync + Debug {
    /// Short name for messages and EXPLAIN: `hot`, `duckdb`, `delta`.
    fn name(&self) -> &'static str;

    /// Whether the store can keep a table of that definition, and its segments. Changes nothing, asks nobody.
    ///
    /// # Errors
    /// [`crate::ProviderError::Unsupported`], naming the column or option.
    fn check_table(&self, table: &TableDef) -> Result<()>;

    /// Prepares for a table that exists from now on (may do nothing until the first segment). Publishing makes up for what
    /// this could not do.
    async fn create_table(&self, table: &TableDef) -> Result<()>;

    /// The definition has changed: columns were added at the end. Segments already written stay as they are. Publishing makes
    /// up for what this could not do.
    async fn alter_table(&self, table: &TableDef) -> Result<()>;

    /// Drops everything of a table, given its [`TableDef::storage_name`]. The table may never have been seen.
    async fn drop_table(&self, storage_name: &str) -> Result<()>;

    /// Writes one segment, durably, under the job's name, invisible to anybody until [`TierStore::publish`] and the
    /// catalog's commit. `rows` have the table's schema, belong to `partition` and are sorted by the table's sort key.
    async fn write_segment(
        &self,
        table: &TableDef,
        job: &JobId,
        id: SegmentId,
        partition: &PartitionKey,
        rows: Vec<RecordBatch>,
    ) -> Result<WrittenSegment>;

    /// Writes several segments, as [`TierStore::write_segment`] writes each; a store may keep small ones together. Gives what
    /// each of them gave, in their order. Where it fails, what was written is for [`TierStore::sweep_job`], and nothing more comes.
    async fn write_segments(
        &self,
        table: &TableDef,
        job: &JobId,
        segments: Vec<SegmentRows>,
    ) -> Result<Vec<WrittenSegment>> {
        let mut written = Vec::with_capacity(segments.len());
        let mut segments = segments.into_iter();
        loop {
            let write = |one: SegmentRows| async move {
                self.write_segment(table, job, one.id, &one.partition, one.rows).await
            };
            let some: Vec<_> = segments.by_ref().take(WRITES_AT_ONCE).map(write).collect();
            if some.is_empty() {
                return Ok(written);
            }
            // All come to their end before a failure is told.
            for one in join_all(some).await {
                written.push(one?);
            }
        }
    }

    /// Commits in the store's own public log, exactly once per job. Stores without one do nothing.
    async fn publish(&self, table: &TableDef, publication: &Publication<'_>) -> Result<()>;

    /// True for a store that keeps a public log of its own.
    fn has_log(&self) -> bool {
        false
    }

    /// True when `publish` by this job has been committed (asked after a crash). Stores without a log answer false.
    async fn is_published(&self, _table: &TableDef, _job: &JobId) -> Result<bool> {
        Ok(false)
    }

    /// Plans a scan. Reads no rows: streams do the work.
    ///
    /// The plan's schema is the table's schema, projected. Its output partitioning has about
    /// `target_partitions` of the session. It declares the table's sort order only where each output partition is
    /// proven to be in that order. Segments written before a column was added give NULL (or the column's constant
    /// default) for it.
    async fn scan(&self, request: ScanRequest<'_>) -> Result<Arc<dyn ExecutionPlan>>;

    /// What the store computes itself, where it can.
    fn pushdown(&self) -> Option<&dyn Pushdown> {
        None
    }

    /// False where a segment lies in a store of another kind, or in another place, than this one: the configuration names
    /// another than the one it was written to.
    fn may_hold(&self, _table: &TableDef, _segment: &Segment) -> bool {
        true
    }

    /// True where a visible segment should be written anew in this store, now that its rows are so old (compressed, for
    /// example, which a store does to segments that nobody reads yet).
    fn is_due(&self, _table: &TableDef, _segment: &Segment, _age: Duration) -> bool {
        false
    }

    /// Drops segments nobody can see any more. Segments that are already gone are skipped.
    async fn drop_segments(&self, storage_name: &str, segments: &[Segment]) -> Result<()>;

    /// Drops whatever an unfinished job left behind in this table. (For a store with a log: a job that
    /// was never published.)
    async fn sweep_job(&self, storage_name: &str, job: &JobId) -> Result<()>;

    /// Bytes this store uses now, for status and capacity policies.
    async fn bytes_used(&self) -> Result<u64>;

    /// Flushes and releases files; the store is not used afterwards.
    async fn close(&self) -> Result<()>;
}
