//! The catalog in a SQL database, whichever it is.
//!
//! One connection behind one lock: commits are serialised by construction, and readers of the catalog (system views,
//! recovery) are rare and short. Queries never come here: they read the in-memory [`Snapshot`].

use std::fmt;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::database::{SqlDatabase, TransactionAccess, end};
use crate::error::Result;
use crate::job::{Job, JobId, LineageEntry};
use crate::partition::PartitionKey;
use crate::roles::RoleId;
use crate::segment::SegmentId;
use crate::snapshot::Snapshot;
use crate::store::{CatalogStore, Commit, DroppedTable, RetiredSegment};
use crate::table::TableId;

/// Begins a transaction, does something in it, ends it.
macro_rules! transaction {
    ($store:expr, $access:expr, $function:path $(, $argument:expr)*) => {{
        let db = &mut *$store.sql().db.lock().await;
        db.begin($access).await?;
        let outcome = $function(db $(, $argument)*).await;
        end(db, outcome).await
    }};
}

mod changes;
mod commit;
mod iceberg;
mod ids;
pub(super) mod meta;
mod read;
mod roles;
pub(super) mod stored;

/// The state of a store in a SQL database.
pub(super) struct SqlStore<D> {
    /// The file or server, for messages.
    pub(super) name: String,
    pub(super) db: Mutex<D>,
}

impl<D> SqlStore<D> {
    /// A store in a database that has the catalog's tables.
    pub(super) fn new(name: String, db: D) -> Self {
        SqlStore { name, db: Mutex::new(db) }
    }
}

impl<D> fmt::Debug for SqlStore<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqlStore").field(&self.name).finish()
    }
}

/// A store that keeps the catalog in a SQL database: it is a [`CatalogStore`].
pub(super) trait SqlBacked: Send + Sync + fmt::Debug {
    /// The kind of database.
    type Db: SqlDatabase;

    /// The store over its connection, whose methods are those of [`CatalogStore`].
    fn sql(&self) -> &SqlStore<Self::Db>;

    /// As [`CatalogStore::identity`].
    fn own_identity(&self) -> &str;
}

#[async_trait]
impl<T: SqlBacked> CatalogStore for T {
    fn identity(&self) -> &str {
        self.own_identity()
    }

    async fn load(&self) -> Result<Snapshot> {
        transaction!(self, TransactionAccess::Read, read::snapshot)
    }

    async fn commit(&self, commit: &Commit) -> Result<()> {
        let db = &mut *self.sql().db.lock().await;
        db.begin(TransactionAccess::Write).await?;
        match commit::run(db, commit).await {
            Ok(()) => db.commit_epoch().await,
            Err(error) => {
                db.rollback().await;
                Err(error)
            }
        }
    }

    async fn reserve_segment_ids(&self, count: u64) -> Result<SegmentId> {
        transaction!(self, TransactionAccess::Write, ids::advance, ids::NEXT_SEGMENT_ID, count.max(1))
    }

    async fn reserve_table_id(&self) -> Result<TableId> {
        transaction!(self, TransactionAccess::Write, ids::advance, ids::NEXT_TABLE_ID, 1)
    }

    async fn newest_table_id(&self) -> Result<TableId> {
        transaction!(self, TransactionAccess::Read, ids::newest, ids::NEXT_TABLE_ID)
    }

    async fn reserve_role_id(&self) -> Result<RoleId> {
        transaction!(self, TransactionAccess::Write, ids::advance, ids::NEXT_ROLE_ID, 1)
    }

    async fn lease_all(&self, table: TableId, partitions: &[PartitionKey]) -> Result<u64> {
        transaction!(self, TransactionAccess::Write, commit::lease_all, table, partitions)
    }

    async fn fence(&self, table: TableId, partition: &PartitionKey) -> Result<u64> {
        transaction!(self, TransactionAccess::Read, read::fence, table, partition)
    }

    async fn put_job(&self, job: &Job) -> Result<()> {
        transaction!(self, TransactionAccess::Write, commit::put_job, job)
    }

    async fn jobs(&self, limit: usize) -> Result<Vec<Job>> {
        transaction!(self, TransactionAccess::Read, read::jobs, limit)
    }

    async fn unfinished_jobs(&self) -> Result<Vec<Job>> {
        transaction!(self, TransactionAccess::Read, read::unfinished_jobs)
    }

    async fn job(&self, id: &JobId) -> Result<Option<Job>> {
        transaction!(self, TransactionAccess::Read, read::job, id)
    }

    async fn lineage(&self, table: TableId) -> Result<Vec<LineageEntry>> {
        transaction!(self, TransactionAccess::Read, read::lineage, table)
    }

    async fn retired(&self) -> Result<Vec<RetiredSegment>> {
        transaction!(self, TransactionAccess::Read, read::retired)
    }

    async fn forget_retired(&self, segments: &[SegmentId]) -> Result<()> {
        transaction!(self, TransactionAccess::Write, commit::forget_retired, segments)
    }

    async fn dropped_tables(&self) -> Result<Vec<DroppedTable>> {
        transaction!(self, TransactionAccess::Read, read::dropped_tables)
    }

    async fn forget_dropped(&self, tables: &[TableId]) -> Result<()> {
        transaction!(self, TransactionAccess::Write, commit::forget_dropped, tables)
    }
}
