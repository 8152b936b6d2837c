//! The warm tier in one DuckDB file.
//!
//! Each segment is a DuckDB table, so that segments are written, read and dropped on their own, and anybody with the
//! `duckdb` shell can look at them; small ones that are written together share a table. A scan is one `SELECT` over a `UNION ALL` of the segments; filters, limits, sorting
//! and partial aggregates go into it as far as DuckDB gives exactly the answers that DataFusion would.
//!
//! Reading order: [`DuckDbStore`] here, `database` (the file), `names` and `types` (how things are called there),
//! `write`, `pack`, `dialect` and [`crate`]'s shared `sql` (what is asked), `stream` and `rows` (what comes back), `source`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::duckdb::Connection;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::physical_plan::ExecutionPlan;
use zxq_catalog::{JobId, PartitionKey, Segment, SegmentId, TableDef};

use crate::database::sql::source::{SqlPushdown, SqlSource, plan_scan};
use crate::error::Result;
use crate::names_apart;
use crate::tier_store::{Publication, Pushdown, ScanRequest, SegmentRows, TierStore, WrittenSegment};

mod database;
mod dialect;
mod names;
mod pack;
mod rows;
mod source;
mod stream;
mod types;
mod write;

#[cfg(test)]
mod tests;

use database::DuckDbFile;
use write::{NewTable, StoredRows};

/// The store's name in messages and EXPLAIN.
const NAME: &str = "duckdb";

/// How much of the machine DuckDB may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuckDbOptions {
    /// Memory for its buffers, sorts and hash tables, bytes; at least 64 MiB is given. What does not fit goes to
    /// `temp_dir`.
    pub memory_limit_bytes: u64,
    /// Threads it computes on, at least 1.
    pub threads: usize,
    /// Folder for what does not fit into memory; made when missing.
    pub temp_dir: PathBuf,
}

/// Keeps segments as tables of one DuckDB file.
#[derive(Debug)]
pub struct DuckDbStore {
    database: Arc<DuckDbFile>,
}

impl DuckDbStore {
    /// Opens the file, or makes it. Only one process can have it open.
    ///
    /// # Errors
    /// [`crate::ProviderError::Corrupt`] when the file is damaged or is not a DuckDB file,
    /// [`crate::ProviderError::Store`] when another process has it open or its folder cannot be written.
    pub fn open(path: &Path, options: DuckDbOptions) -> Result<DuckDbStore> {
        Ok(DuckDbStore { database: Arc::new(DuckDbFile::open(path, &options)?) })
    }
}

#[async_trait]
impl TierStore for DuckDbStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check_table(&self, table: &TableDef) -> Result<()> {
        write::check_table(table)
    }

    async fn create_table(&self, table: &TableDef) -> Result<()> {
        self.check_table(table)
    }

    async fn alter_table(&self, table: &TableDef) -> Result<()> {
        self.check_table(table)
    }

    async fn drop_table(&self, storage_name: &str) -> Result<()> {
        let schema = storage_name.to_owned();
        self.database.run(move |database, connection| database.drop_schema(connection, &schema)).await
    }

    async fn write_segment(
        &self,
        table: &TableDef,
        job: &JobId,
        id: SegmentId,
        _partition: &PartitionKey,
        rows: Vec<RecordBatch>,
    ) -> Result<WrittenSegment> {
        let (schema, name) = (table.storage_name(), names::segment_table(id, job));
        let location = names::location(&schema, &name);
        let rows = names_apart::kept_rows(table, rows)?;
        let table = names_apart::kept_table(table).into_owned();
        let work = move |database: &DuckDbFile, connection: &Connection| {
            let columns = write::columns_sql(&table)?;
            let stored = StoredRows::new(&table, &name, &rows)?;
            let bytes = stored.bytes;
            let made = NewTable { schema: &schema, name: &name, columns: &columns };
            made.write(database, connection, stored.batches, bytes).map(|()| bytes)
        };
        let bytes = self.database.run(work).await?;
        Ok(WrittenSegment { location, bytes })
    }

    async fn write_segments(
        &self,
        table: &TableDef,
        job: &JobId,
        mut segments: Vec<SegmentRows>,
    ) -> Result<Vec<WrittenSegment>> {
        for segment in &mut segments {
            segment.rows = names_apart::kept_rows(table, std::mem::take(&mut segment.rows))?;
        }
        let (table, job) = (names_apart::kept_table(table).into_owned(), job.clone());
        self.database
            .run(move |database, connection| pack::write_segments(database, connection, &table, &job, &segments))
            .await
    }

    async fn publish(&self, _table: &TableDef, _publication: &Publication<'_>) -> Result<()> {
        Ok(())
    }

    async fn scan(&self, request: ScanRequest<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        names_apart::scan(request, |request| plan_scan(Arc::clone(&self.database) as Arc<dyn SqlSource>, request))
    }

    fn pushdown(&self) -> Option<&dyn Pushdown> {
        Some(&SqlPushdown)
    }

    fn may_hold(&self, table: &TableDef, segment: &Segment) -> bool {
        segment.location.split_once('.').is_some_and(|(schema, _)| schema == table.storage_name())
    }

    async fn drop_segments(&self, _storage_name: &str, segments: &[Segment]) -> Result<()> {
        let segments = segments.to_vec();
        self.database.run(move |database, connection| pack::drop_segments(database, connection, &segments)).await
    }

    async fn sweep_job(&self, storage_name: &str, job: &JobId) -> Result<()> {
        let (schema, suffix) = (storage_name.to_owned(), names::job_suffix(job));
        self.database
            .run(move |database, connection| {
                let litter = write::tables_ending_with(database, connection, &schema, &suffix)?;
                write::drop_tables(database, connection, &litter)
            })
            .await
    }

    async fn bytes_used(&self) -> Result<u64> {
        self.database.run(|database, connection| database.bytes_used(connection)).await
    }

    async fn close(&self) -> Result<()> {
        let database = Arc::clone(&self.database);
        match tokio::task::spawn_blocking(move || database.close()).await {
            Ok(closed) => closed,
            Err(failed) => Err(crate::ProviderError::store(NAME, "closing ended early", failed)),
        }
    }
}
