//! One temporary table: its rows in memory, checked as those of other tables are.

use std::fmt;
use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::error::Result as DfResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use parking_lot::Mutex;
use zxq_catalog::TableDef;

use super::AtCommit;
use crate::constraints::RowChecker;
use crate::error::Result;
use crate::scan::kept_columns::seen_rows;
use crate::write::gathered::gather;
use crate::write::insert_sink::Onlooking;

/// Batches of a table from which on they are put together: scans of many small ones are slow.
const MOST_BATCHES: usize = 64;

/// Rows that came together, and the memory that is counted for them.
#[derive(Debug)]
struct Chunk {
    rows: RecordBatch,
    _memory: MemoryReservation,
}

/// The rows of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct Chunks(Arc<Vec<Arc<Chunk>>>);

/// A temporary table.
#[derive(Clone)]
pub(crate) struct TemporaryTable {
    checker: Arc<RowChecker>,
    defaults: Arc<Vec<(String, Expr)>>,
    /// What queries see.
    schema: SchemaRef,
    at_commit: AtCommit,
    pool: Arc<dyn MemoryPool>,
    chunks: Arc<Mutex<Chunks>>,
}

impl fmt::Debug for TemporaryTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemporaryTable").field("table", &self.definition().name).finish_non_exhaustive()
    }
}

impl TemporaryTable {
    /// A table without rows, whose memory is counted in the pool.
    pub(crate) fn new(checker: Arc<RowChecker>, at_commit: AtCommit, pool: Arc<dyn MemoryPool>) -> Self {
        checker.begin_numbers(|_| 0);
        let (defaults, schema) = (Arc::new(checker.default_exprs()), checker.table().row_schema());
        TemporaryTable { checker, defaults, schema, at_commit, pool, chunks: Arc::default() }
    }

    /// As `CREATE TEMPORARY TABLE` and what came after it left it.
    pub(crate) fn definition(&self) -> &Arc<TableDef> {
        self.checker.table()
    }

    /// What checks its rows.
    pub(crate) fn checker(&self) -> &Arc<RowChecker> {
        &self.checker
    }

    pub(super) fn at_commit(&self) -> AtCommit {
        self.at_commit
    }

    pub(super) fn chunks(&self) -> Chunks {
        self.chunks.lock().clone()
    }

    pub(super) fn put_back(&self, chunks: Chunks) {
        *self.chunks.lock() = chunks;
    }

    /// Its rows, as queries see them.
    pub(in crate::session) fn rows(&self) -> Vec<RecordBatch> {
        self.chunks().0.iter().map(|chunk| chunk.rows.clone()).collect()
    }

    /// Puts other rows, which have been checked, in the place of all there are.
    pub(in crate::session) fn replace_checked(&self, checked: &[RecordBatch]) -> Result<()> {
        let rows = match checked.first() {
            Some(first) => seen_rows(&self.schema, &concat_batches(&first.schema(), checked)?)?,
            None => RecordBatch::new_empty(Arc::clone(&self.schema)),
        };
        let chunks = if rows.num_rows() == 0 { Vec::new() } else { vec![self.chunk(rows)?] };
        self.put_back(Chunks(Arc::new(chunks)));
        Ok(())
    }

    /// Forgets its rows.
    pub(crate) fn truncate(&self) {
        self.put_back(Chunks::default());
    }

    /// Appends rows: all, or none. The onlooker sees them before anybody else does.
    pub(crate) async fn append(&self, rows: SendableRecordBatchStream, onlooker: Option<&Onlooking>) -> Result<u64> {
        let gathered = gather(rows, &self.pool, "INSERT").await?;
        let mut checked = Vec::with_capacity(gathered.batches.len());
        let mut row = 1;
        for batch in &gathered.batches {
            checked.push(self.checker.check(batch, row)?);
            row += batch.num_rows() as u64;
        }
        if let Some(Onlooking(onlooker)) = onlooker {
            onlooker.see(self.definition(), &checked).await?;
        }
        self.append_checked(&checked)
    }

    /// Appends rows that have been checked.
    pub(super) fn append_checked(&self, checked: &[RecordBatch]) -> Result<u64> {
        let Some(first) = checked.first() else { return Ok(0) };
        let rows = seen_rows(&self.schema, &concat_batches(&first.schema(), checked)?)?;
        let count = rows.num_rows() as u64;
        if count > 0 {
            let added = self.chunk(rows)?;
            let mut chunks = self.chunks.lock();
            let all = Arc::make_mut(&mut chunks.0);
            all.push(added);
            if all.len() >= MOST_BATCHES {
                let batches: Vec<&RecordBatch> = all.iter().map(|chunk| &chunk.rows).collect();
                let together = concat_batches(&self.schema, batches)?;
                *all = vec![self.chunk(together)?];
            }
        }
        Ok(count)
    }

    /// Memory for its rows, none yet.
    pub(super) fn reservation(&self) -> MemoryReservation {
        MemoryConsumer::new("a temporary table").register(&self.pool)
    }

    fn chunk(&self, rows: RecordBatch) -> Result<Arc<Chunk>> {
        let memory = self.reservation();
        memory.try_grow(rows.get_array_memory_size())?;
        Ok(Arc::new(Chunk { rows, _memory: memory }))
    }
}

#[async_trait]
impl TableProvider for TemporaryTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.defaults.iter().find(|(name, _)| name == column).map(|(_, expr)| expr)
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(MemorySourceConfig::try_new_exec(&[self.rows()], self.schema(), projection.cloned())?)
    }

    async fn insert_into(
        &self,
        _state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        insert_op: InsertOp,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        if insert_op != InsertOp::Append {
            return datafusion::common::plan_err!("{insert_op} is not supported: zxq tables are appended to");
        }
        // NULLs are the row checker's to find: its errors name the table's column and the row.
        let fields: Vec<_> =
            self.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let sink = TemporarySink { table: self.clone(), schema: Arc::new(Schema::new(fields)) };
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
    }
}

#[derive(Debug)]
struct TemporarySink {
    table: TemporaryTable,
    schema: SchemaRef,
}

impl DisplayAs for TemporarySink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TemporarySink: table={}", self.table.definition().name)
    }
}

#[async_trait]
impl DataSink for TemporarySink {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn write_all(&self, data: SendableRecordBatchStream, context: &Arc<TaskContext>) -> DfResult<u64> {
        let onlooker = context.session_config().get_extension::<Onlooking>();
        Ok(self.table.append(data, onlooker.as_deref()).await?)
    }
}
