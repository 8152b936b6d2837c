//! The warm tier in a PostgreSQL server.
//!
//! Each segment is a table, so that segments are written, read and dropped on their own. People query one partitioned table
//! per zxq table with psql (see `layout`). Rows travel both ways as binary COPY. A scan is one `SELECT` over a `UNION ALL` of
//! segments per connection; filters, limits, sorting and partial aggregates go into it as far as PostgreSQL gives exactly
//! the answers that DataFusion would.
//!
//! Reading order: [`PostgresStore`] here, `options`, `tls` and `pool` (connections), `errors`, `names` and
//! `layout` (where things lie), `hypertable` (TimescaleDB), `types` and `dialect` (how they are said), `write`, `encode` and `numeric` (rows in),
//! `snapshot`, `stream` and `decode` (rows out), `source`.

use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::physical_plan::ExecutionPlan;
use zxq_catalog::{JobId, PartitionKey, Segment, SegmentId, TableDef};

use crate::database::sql::source::{SqlPushdown, SqlSource, plan_scan};
use crate::error::Result;
use crate::tier_store::{Publication, Pushdown, ScanRequest, TierStore, WrittenSegment};

mod decode;
mod dialect;
mod encode;
mod errors;
mod hypertable;
mod layout;
mod names;
mod numeric;
mod options;
mod pool;
mod snapshot;
mod source;
mod stream;
mod tls;
mod types;
mod write;

#[cfg(test)]
mod tests;

pub use options::{PoolOptions, PostgresOptions};

use pool::Pool;

/// The store's name in messages and EXPLAIN.
const NAME: &str = "postgres";

/// What a store is opened for.
enum OpenedFor {
    Read,
    Write,
}

/// Keeps segments as tables of a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    pool: Arc<Pool>,
}

impl PostgresStore {
    /// Connects, checks that the server will do, and makes the schemas that are missing.
    ///
    /// # Errors
    /// [`crate::ProviderError::Unreachable`] when no server answers, [`crate::ProviderError::Refused`] when it does not let
    /// us in, has no such database, or the role may not write. No text holds the password.
    pub async fn open(options: PostgresOptions) -> Result<PostgresStore> {
        PostgresStore::open_for(options, OpenedFor::Write).await
    }

    /// As [`PostgresStore::open`], for a process that only scans: nothing is made, and a role that may only read will do.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub async fn open_to_read(options: PostgresOptions) -> Result<PostgresStore> {
        PostgresStore::open_for(options, OpenedFor::Read).await
    }

    async fn open_for(options: PostgresOptions, access: OpenedFor) -> Result<PostgresStore> {
        let (schema, server, owner) = (options.schema.clone(), options.server(), options.owner.clone());
        let longest = names::LONGEST - names::segments_schema("").len();
        let safe = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if schema.is_empty() || schema.len() > longest || !schema.chars().all(safe) {
            return Err(crate::ProviderError::Refused {
                store: NAME,
                what: format!("schema {schema:?} cannot be used"),
                reason: format!("a schema has 1 to {longest} letters, digits and underscores"),
            });
        }
        let pool = Arc::new(Pool::new(options)?);
        let mut connection = pool.first().await?;
        match access {
            OpenedFor::Write => layout::prepare(&mut connection, &schema, &server, owner.as_deref()).await?,
            OpenedFor::Read => layout::check_readable(&mut connection, &schema, &server).await?,
        }
        connection.give_back();
        Ok(PostgresStore { pool })
    }
}

#[async_trait]
impl TierStore for PostgresStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check_table(&self, table: &TableDef) -> Result<()> {
        write::check_table(table)
    }

    async fn create_table(&self, table: &TableDef) -> Result<()> {
        layout::ensure_parent(&self.pool, table).await
    }

    async fn alter_table(&self, table: &TableDef) -> Result<()> {
        layout::ensure_parent(&self.pool, table).await
    }

    async fn drop_table(&self, storage_name: &str) -> Result<()> {
        let segments = layout::segments_like(&self.pool, storage_name, None).await?;
        layout::drop_segments(&self.pool, storage_name, &segments).await?;
        layout::drop_parent(&self.pool, storage_name).await
    }

    async fn write_segment(
        &self,
        table: &TableDef,
        job: &JobId,
        id: SegmentId,
        _partition: &PartitionKey,
        rows: Vec<RecordBatch>,
    ) -> Result<WrittenSegment> {
        write::write_segment(&self.pool, table, job, id, &rows).await
    }

    /// What people see follows what the catalog says, which alone is visible to zxq: no job has published here.
    async fn publish(&self, table: &TableDef, publication: &Publication<'_>) -> Result<()> {
        layout::publish(&self.pool, table, publication.added, publication.removed).await
    }

    async fn scan(&self, request: ScanRequest<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        plan_scan(Arc::clone(&self.pool) as Arc<dyn SqlSource>, request)
    }

    fn pushdown(&self) -> Option<&dyn Pushdown> {
        Some(&SqlPushdown)
    }

    fn may_hold(&self, _table: &TableDef, segment: &Segment) -> bool {
        let own = names::segments_schema(&self.pool.options().schema);
        names::parts(&segment.location).is_ok_and(|(schema, _)| schema == own)
    }

    fn is_due(&self, table: &TableDef, segment: &Segment, age: Duration) -> bool {
        hypertable::is_due(table, segment, age)
    }

    async fn drop_segments(&self, storage_name: &str, segments: &[Segment]) -> Result<()> {
        layout::drop_segments(&self.pool, storage_name, &layout::places(segments)?).await
    }

    async fn sweep_job(&self, storage_name: &str, job: &JobId) -> Result<()> {
        let litter = layout::segments_like(&self.pool, storage_name, Some(job)).await?;
        layout::drop_segments(&self.pool, storage_name, &litter).await
    }

    async fn bytes_used(&self) -> Result<u64> {
        layout::bytes_used(&self.pool).await
    }

    async fn close(&self) -> Result<()> {
        self.pool.close();
        Ok(())
    }
}
