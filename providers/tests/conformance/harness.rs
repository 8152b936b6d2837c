//! One store under test, and what every case does with it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use tempfile::TempDir;
use zxq_catalog::{JobId, PartitionKey, RowHash, Segment, TableDef};
use zxq_providers::{ProviderError, Publication, ScanRequest, SegmentRows, TierStore, WrittenSegment, row_hash};
use zxq_test_support::segments;

/// What the suite must know about a store beside its trait.
#[async_trait]
pub trait StoreKind: Send + Sync {
    /// Opens the store that lives in this folder.
    async fn open(&self, folder: &Path) -> Arc<dyn TierStore>;

    /// False where what the store needs is not installed: then nothing is tested.
    fn is_available(&self) -> bool {
        true
    }

    /// False for a store whose rows live in memory only.
    fn keeps_rows(&self) -> bool {
        true
    }

    /// The rows that another program, reading the store's public log, sees in a table; `None` without such a log.
    async fn public_rows(&self, _folder: &Path, _table: &TableDef) -> Option<u64> {
        None
    }
}

/// A store in a folder of its own.
pub struct Harness {
    kind: Box<dyn StoreKind>,
    folder: TempDir,
    pub store: Arc<dyn TierStore>,
    /// Plans and runs every scan: a store may register object stores in it while it plans.
    pub context: SessionContext,
    next_id: AtomicU64,
}

struct Open(Arc<dyn TierStore>);

#[async_trait]
impl StoreKind for Open {
    async fn open(&self, _folder: &Path) -> Arc<dyn TierStore> {
        Arc::clone(&self.0)
    }
}

/// A session with several output partitions.
pub fn session() -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3))
}

impl Harness {
    pub async fn new(kind: impl StoreKind + 'static) -> Harness {
        let folder = TempDir::new().unwrap();
        let store = kind.open(folder.path()).await;
        Harness { kind: Box::new(kind), folder, store, context: session(), next_id: AtomicU64::new(1) }
    }

    /// A harness over a store that is open already, and never opened again.
    pub fn over(store: Arc<dyn TierStore>) -> Harness {
        let (kind, folder) = (Box::new(Open(Arc::clone(&store))), TempDir::new().unwrap());
        Harness { kind, folder, store, context: session(), next_id: AtomicU64::new(1) }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn keeps_rows(&self) -> bool {
        self.kind.keeps_rows()
    }

    pub async fn public_rows(&self, table: &TableDef) -> Option<u64> {
        self.kind.public_rows(self.folder.path(), table).await
    }

    /// Closes the store and opens it again from its folder.
    pub async fn reopen(self) -> Harness {
        self.store.close().await.unwrap();
        let Harness { kind, folder, store, next_id, .. } = self;
        drop(store);
        let store = kind.open(folder.path()).await;
        Harness { kind, folder, store, context: session(), next_id }
    }

    /// Writes one segment, unpublished, in a few batches.
    pub async fn write(&self, table: &TableDef, job: &JobId, key: &PartitionKey, rows: &RecordBatch) -> Segment {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.write_as(id, table, job, key, rows).await
    }

    /// As [`Harness::write`], with a given id.
    pub async fn write_as(
        &self,
        id: u64,
        table: &TableDef,
        job: &JobId,
        key: &PartitionKey,
        rows: &RecordBatch,
    ) -> Segment {
        let written = self.store.write_segment(table, job, id, key, in_thirds(rows)).await.unwrap();
        assert!(written.bytes > 0, "a segment takes space");
        segments::written(table, job, id, key, (written.location, written.bytes), rows)
    }

    /// Writes a segment of each batch, together and unpublished.
    pub async fn write_together(
        &self,
        table: &TableDef,
        job: &JobId,
        parts: &[(PartitionKey, RecordBatch)],
    ) -> Vec<Segment> {
        let first = self.next_id.fetch_add(parts.len() as u64, Ordering::Relaxed);
        let rows = |(id, (key, rows)): (u64, &(PartitionKey, RecordBatch))| SegmentRows {
            id,
            partition: key.clone(),
            rows: in_thirds(rows),
        };
        let written = self.store.write_segments(table, job, (first..).zip(parts).map(rows).collect()).await.unwrap();
        assert_eq!(written.len(), parts.len());
        let segment = |((id, (key, rows)), written): ((u64, &(PartitionKey, RecordBatch)), WrittenSegment)| {
            assert!(written.bytes > 0, "a segment takes space");
            segments::written(table, job, id, key, (written.location, written.bytes), rows)
        };
        (first..).zip(parts).zip(written).map(segment).collect()
    }

    pub async fn publish(&self, table: &TableDef, job: &JobId, added: &[Segment], removed: &[Segment]) {
        let data_change = removed.is_empty();
        self.store.publish(table, &Publication { job, added, removed, data_change }).await.unwrap();
    }

    /// Creates the table, writes one segment per batch, together, and publishes them by one job.
    pub async fn load(&self, table: &TableDef, parts: &[(PartitionKey, RecordBatch)]) -> Vec<Segment> {
        self.store.create_table(table).await.unwrap();
        let job = JobId::new();
        let segments = self.write_together(table, &job, parts).await;
        self.publish(table, &job, &segments, &[]).await;
        segments
    }

    /// Plans a scan and checks what every plan must promise.
    pub async fn plan(
        &self,
        table: &TableDef,
        segments: &[Segment],
        projection: &[usize],
        filters: Vec<Expr>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, ProviderError> {
        let state = self.context.state();
        let request = ScanRequest {
            state: &state,
            table: Arc::new(table.clone()),
            segments: segments.iter().cloned().map(Arc::new).collect(),
            projection: projection.to_vec(),
            filters,
            limit,
        };
        let plan = self.store.scan(request).await?;
        assert_eq!(plan.schema(), Arc::new(table.schema().project(projection).unwrap()), "schema of the plan");
        Ok(plan)
    }

    /// All rows of the named columns.
    pub async fn try_scan(
        &self,
        table: &TableDef,
        segments: &[Segment],
        projection: &[usize],
    ) -> Result<Vec<RecordBatch>, DataFusionError> {
        let plan = self.plan(table, segments, projection, vec![], None).await?;
        let schema = plan.schema();
        let batches = collect(plan, self.context.task_ctx()).await?;
        for batch in &batches {
            assert_eq!(batch.schema(), schema, "schema of a batch");
        }
        Ok(batches)
    }

    /// Checks that a scan of these segments gives exactly these rows, and that their hash is the same.
    pub async fn assert_rows(&self, table: &TableDef, segments: &[Segment], expected: &[RecordBatch]) {
        let all: Vec<usize> = (0..table.columns.len()).collect();
        let found = self.try_scan(table, segments, &all).await.unwrap();
        assert_same_rows(&found, expected, || format!("scan of {} segments", segments.len()));
        assert_eq!(hash(&found), hash(expected), "row hash");
    }

    /// Checks that a scan of this segment fails because it is not there.
    pub async fn assert_missing(&self, table: &TableDef, segment: &Segment) {
        let outcome = self.try_scan(table, std::slice::from_ref(segment), &[0]).await;
        let error = outcome.expect_err("the segment is gone, so a scan must not succeed");
        assert!(is_missing(&error), "not an error that says what is missing: {error:?}");
    }
}

/// The rows in three batches.
fn in_thirds(rows: &RecordBatch) -> Vec<RecordBatch> {
    let third = rows.num_rows().div_ceil(3).max(1);
    let starts = (0..rows.num_rows()).step_by(third);
    starts.map(|start| rows.slice(start, third.min(rows.num_rows() - start))).collect()
}

/// Order-insensitive hash of all rows.
pub fn hash(batches: &[RecordBatch]) -> RowHash {
    batches.iter().fold(RowHash::default(), |sum, batch| sum.combine(row_hash::hash_batch(batch).unwrap()))
}

fn is_missing(error: &DataFusionError) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(ProviderError::Missing { .. }) = error.downcast_ref() {
            return true;
        }
        next = error.source();
    }
    false
}

/// Rows as text, one line each, in no particular order.
pub fn lines(batches: &[RecordBatch]) -> Vec<String> {
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    let options = FormatOptions::default().with_null("∅");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<_> = columns.iter().map(|c| c.value(row).to_string()).collect();
            lines.push(cells.join(" | "));
        }
    }
    lines
}

/// Checks that two lists of batches hold the same rows, each as often.
pub fn assert_same_rows(found: &[RecordBatch], expected: &[RecordBatch], what: impl FnOnce() -> String) {
    let (mut found, mut expected) = (lines(found), lines(expected));
    found.sort_unstable();
    expected.sort_unstable();
    if found == expected {
        return;
    }
    let lost: Vec<_> = without(&expected, &found);
    let extra: Vec<_> = without(&found, &expected);
    panic!(
        "{}: {} rows instead of {}\n{} lost, first:\n{:#?}\n{} extra, first:\n{:#?}",
        what(),
        found.len(),
        expected.len(),
        lost.len(),
        lost.iter().take(3).collect::<Vec<_>>(),
        extra.len(),
        extra.iter().take(3).collect::<Vec<_>>()
    );
}

/// Multiset difference.
pub fn without(left: &[String], right: &[String]) -> Vec<String> {
    let mut counts = std::collections::HashMap::new();
    for line in right {
        *counts.entry(line).or_insert(0usize) += 1;
    }
    let mut rest = Vec::new();
    for line in left {
        match counts.get_mut(line) {
            Some(count) if *count > 0 => *count -= 1,
            _ => rest.push(line.clone()),
        }
    }
    rest
}
