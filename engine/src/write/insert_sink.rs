//! `INSERT INTO`: gathers the statement's rows and hands them to ingest as one unit; what is more than a statement gathers is
//! taken in as a load is.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use zxq_catalog::TableDef;

use crate::state::engine::Engine;
use crate::supervisor::control::JobControl;
use crate::write::bulk_load::QueryRows;
use crate::write::gathered::{Beginning, gather, gather_up_to};
use crate::write::ingest::{HotRows, IngestReport, sort_by_partition};
use crate::write::private_rows::Staged;
use crate::write::transaction::{CurrentTransaction, Transaction};

/// The plan that inserts what `input` yields. `reads_tables`: it holds a snapshot while it runs.
pub(crate) fn insert_plan(
    engine: Arc<Engine>,
    table: Arc<TableDef>,
    input: Arc<dyn ExecutionPlan>,
    reads_tables: bool,
) -> Arc<dyn ExecutionPlan> {
    // NULLs are the row checker's to find: its errors name the table's column and the row.
    let nullable = |f: &Arc<arrow::datatypes::Field>| f.as_ref().clone().with_nullable(true);
    let schema =
        Arc::new(arrow::datatypes::Schema::new(table.row_schema().fields().iter().map(nullable).collect::<Vec<_>>()));
    Arc::new(DataSinkExec::new(input, Arc::new(InsertSink { engine, table, schema, reads_tables }), None))
}

/// Sees the rows of an INSERT as rows of the table, before anybody else does; where it fails, so does the INSERT.
#[async_trait]
pub(crate) trait Onlooker: fmt::Debug + Send + Sync {
    /// The rows of the statement, as stores keep them, in the order in which they came. They may come once more, where the
    /// table was altered meanwhile.
    async fn see(&self, table: &Arc<TableDef>, rows: &[RecordBatch]) -> crate::error::Result<()>;

    /// True where it may see some of the rows, then others, and not all of them at once.
    fn takes_parts(&self) -> bool {
        false
    }
}

/// Where the sink finds the onlooker of its statement: in the configuration that it is run with.
#[derive(Debug)]
pub(crate) struct Onlooking(pub(crate) Arc<dyn Onlooker>);

/// What the sink inserts of rows, some of which are there already, and what was done with those.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// Rows that are not there yet, as stores keep them.
    pub(crate) insert: RecordBatch,
    /// Rows that were there, as they are now.
    pub(crate) updated: Vec<RecordBatch>,
}

impl Resolved {
    /// True where the statement has any effect.
    pub(crate) fn writes(&self) -> bool {
        self.insert.num_rows() > 0 || !self.updated.is_empty()
    }
}

/// Says which rows of an INSERT are there already, and does with those what is to be done.
#[async_trait]
pub(crate) trait ConflictResolver: fmt::Debug + Send + Sync {
    /// Of checked rows, in the order in which they came. What it does becomes a part of the transaction, for which it keeps the table.
    async fn resolve(
        &self,
        transaction: &Transaction,
        table: &Arc<TableDef>,
        checked: &[RecordBatch],
        control: &JobControl,
    ) -> crate::error::Result<Resolved>;
}

/// Where the sink finds the resolver of its statement: in the configuration that it is run with.
#[derive(Debug)]
pub(crate) struct Resolving(pub(crate) Arc<dyn ConflictResolver>);

/// What a statement runs in.
struct Within {
    transaction: Option<Arc<Transaction>>,
    onlooker: Option<Arc<Onlooking>>,
    resolving: Option<Arc<Resolving>>,
    /// Where the memory of its rows is counted.
    pool: Arc<dyn MemoryPool>,
}

#[derive(Clone)]
struct InsertSink {
    engine: Arc<Engine>,
    table: Arc<TableDef>,
    schema: SchemaRef,
    reads_tables: bool,
}

impl fmt::Debug for InsertSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InsertSink").field("table", &self.table.name).finish_non_exhaustive()
    }
}

impl DisplayAs for InsertSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InsertSink: table={}", self.table.name)
    }
}

#[async_trait]
impl DataSink for InsertSink {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn write_all(&self, data: SendableRecordBatchStream, context: &Arc<TaskContext>) -> Result<u64> {
        let config = context.session_config();
        let onlooker = config.get_extension::<Onlooking>();
        let transaction = config.get_extension::<CurrentTransaction>().and_then(|current| current.get());
        let resolving = config.get_extension::<Resolving>();
        let within = Within { transaction, onlooker, resolving, pool: Arc::clone(context.memory_pool()) };
        let report = match config.get_extension::<JobControl>() {
            Some(control) => self.insert(data, &within, &control).await?,
            // A plan that an embedding program runs by itself: what it begins ends as a whole, whatever becomes of the plan.
            None => {
                let sink = self.clone();
                let work = move |control: Arc<JobControl>| async move { sink.insert(data, &within, &control).await };
                self.engine.supervisor.start("INSERT", work).await?
            }
        };
        Ok(report.rows)
    }
}

impl InsertSink {
    /// Inserts what is not there yet: within the transaction, or in one of its own.
    async fn insert_resolved(
        &self,
        resolver: &dyn ConflictResolver,
        data: SendableRecordBatchStream,
        within: &Within,
        control: &JobControl,
    ) -> crate::error::Result<IngestReport> {
        let rows = control.stoppable(gather(data, &within.pool, "INSERT")).await?;
        if let Some(transaction) = &within.transaction {
            return self.resolve_within(resolver, &rows.batches, within, transaction, control).await;
        }
        let own = Transaction::begin(&self.engine, true);
        match self.resolve_within(resolver, &rows.batches, within, &own, control).await {
            Ok(report) => {
                self.engine.commit_transaction(&own, control).await?;
                Ok(report)
            }
            Err(error) => {
                self.engine.roll_back(&own).await;
                Err(error)
            }
        }
    }

    async fn resolve_within(
        &self,
        resolver: &dyn ConflictResolver,
        rows: &[RecordBatch],
        within: &Within,
        transaction: &Transaction,
        control: &JobControl,
    ) -> crate::error::Result<IngestReport> {
        let (table, checked) = self.engine.check_rows(self.table.id, rows)?;
        let Resolved { insert, updated } = resolver.resolve(transaction, &table, &checked, control).await?;
        let count: u64 = updated.iter().map(|batch| batch.num_rows() as u64).sum();
        let insert = [insert];
        if let Some(Onlooking(onlooker)) = within.onlooker.as_deref() {
            let all: Vec<RecordBatch> = updated.iter().chain(&insert).cloned().collect();
            control.stoppable(onlooker.see(&table, &all)).await?;
        }
        let mut staged = Staged::new(&self.engine);
        let parts = sort_by_partition(&table, &insert)?;
        self.engine.stage(&mut staged, transaction, &table, parts, control).await?;
        let report = self.engine.take_in(staged, transaction, control).await?;
        Ok(IngestReport { rows: report.rows + count, ..report })
    }

    async fn load(&self, rows: QueryRows, control: &JobControl) -> crate::error::Result<IngestReport> {
        // Boxed: most statements do without all that a load needs.
        Box::pin(self.engine.load_query(&self.table, false, rows, control)).await
    }

    async fn insert(
        &self,
        data: SendableRecordBatchStream,
        within: &Within,
        control: &JobControl,
    ) -> crate::error::Result<IngestReport> {
        // A statement is all or nothing, so its rows become visible together, after the last of them has arrived.
        let engine = &self.engine;
        let onlooker = within.onlooker.as_ref();
        let together = onlooker.is_some_and(|onlooker| !onlooker.0.takes_parts());
        if let Some(resolving) = &within.resolving {
            return Box::pin(self.insert_resolved(resolving.0.as_ref(), data, within, control)).await;
        }
        let mut rows = if within.transaction.is_some() || together {
            control.stoppable(gather(data, &within.pool, "INSERT")).await?
        } else {
            let most = engine.most_gathered();
            match control.stoppable(gather_up_to(most, data, &within.pool, "INSERT")).await? {
                // It would wait for the end of what it keeps in hot itself.
                Beginning::All(rows) if self.reads_tables && !engine.has_room_for(rows.memory.size()) => {
                    return self.load(QueryRows::new(rows, None, onlooker), control).await;
                }
                Beginning::All(rows) => rows,
                Beginning::Some(rows, rest) => {
                    return self.load(QueryRows::new(rows, Some(rest), onlooker), control).await;
                }
            }
        };
        let batches = std::mem::take(&mut rows.batches);
        loop {
            let (table, checked) = engine.check_rows(self.table.id, &batches)?;
            if let Some(Onlooking(onlooker)) = within.onlooker.as_deref() {
                control.stoppable(onlooker.see(&table, &checked)).await?;
            }
            let parts = sort_by_partition(&table, &checked)?;
            if let Some(transaction) = &within.transaction {
                let mut staged = Staged::new(engine);
                engine.stage(&mut staged, transaction, &table, parts, control).await?;
                return engine.take_in(staged, transaction, control).await;
            }
            // None: the table was altered since; the rows are checked again.
            if let Some(report) = engine.append_hot(vec![HotRows { table, parts }], "insert", control).await? {
                return Ok(report);
            }
        }
    }
}
