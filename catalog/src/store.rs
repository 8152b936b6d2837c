//! Where the catalog is kept.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::change::Change;
use crate::error::Result;
use crate::iceberg_pointers::MetadataPointers;
use crate::job::{Job, JobId, LineageEntry};
use crate::partition::PartitionKey;
use crate::roles::RoleId;
use crate::segment::{Segment, SegmentId};
use crate::snapshot::Snapshot;
use crate::table::TableId;

mod database;
pub mod postgres;
mod sql;
pub mod sqlite;
#[cfg(test)]
mod tests;

pub use postgres::{PostgresCatalog, PostgresCatalogOptions};
pub use sqlite::SqliteStore;

/// A segment that is no longer visible and waits for its data to be dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct RetiredSegment {
    /// The segment as it was.
    pub segment: Segment,
    /// Storage name of its table (the table may be gone), see [`crate::TableDef::storage_name`].
    pub storage_name: String,
    /// Readers pinned before this epoch may still read it.
    pub retired_epoch: u64,
}

/// A table that is gone and whose storage waits to be dropped in every tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedTable {
    /// Which table it was.
    pub table: TableId,
    /// Its storage name, see [`crate::TableDef::storage_name`].
    pub storage_name: String,
    /// Readers pinned before this epoch may still read it.
    pub dropped_epoch: u64,
}

/// Everything one commit does, all or nothing.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// The epoch the changes were computed against: the store refuses if its durable epoch is newer.
    pub base_epoch: u64,
    /// The epoch the commit makes; greater than `base_epoch`. (Hot appends advance the in-memory epoch without a
    /// catalog commit, so it may be more than one ahead of the durable epoch.)
    pub epoch: u64,
    /// What [`Snapshot::apply`] does to the snapshot of the base epoch.
    pub changes: Vec<Change>,
    /// Jobs whose record is inserted or replaced, as [`CatalogStore::put_job`] does.
    pub jobs: Vec<Job>,
    /// Fences to check: each `(table, partition, fence)` must be the newest lease on that partition.
    pub fences: Vec<(TableId, PartitionKey, u64)>,
    /// Lineage of the segments added.
    pub lineage: Vec<LineageEntry>,
    /// Rows in the writer's memory alone after it, by table, for those who read the same catalog elsewhere: they learn of
    /// rows that moved and of the rows that are left at once. `None` where nobody does.
    pub hot: Option<BTreeMap<TableId, u64>>,
}

/// Durable home of the catalog. Implementations serialise commits: one at a time, each all or nothing, durable when
/// `commit` returns.
///
/// Hot segments are never stored: the write-ahead log is their durable record. `load` returns tables, warm and cold
/// segments and `wal_covered`; a commit's `AddSegment`/`RetireSegment` of a hot segment is skipped by the store.
///
/// The same database holds the pointers of Iceberg tables, which other programs read by name.
#[async_trait]
pub trait CatalogStore: MetadataPointers {
    /// Names this catalog among all others, for ever.
    fn identity(&self) -> &str;

    /// The last committed snapshot (without hot segments).
    async fn load(&self) -> Result<Snapshot>;

    /// Makes a commit durable. A retired warm or cold segment (also those of a dropped table) goes to the retired list,
    /// and a dropped table to the list of dropped tables.
    ///
    /// # Errors
    /// [`crate::CatalogError::Fenced`] when a fence is stale; [`crate::CatalogError::Conflict`] when the durable epoch
    /// is newer than `commit.base_epoch`, a change does not fit or a job has ended before; then nothing was changed.
    async fn commit(&self, commit: &Commit) -> Result<()>;

    /// Reserves `count` consecutive segment ids and returns the first. Never returns the same id twice, also across
    /// crashes. It is a transaction of its own: whoever needs many reserves many.
    async fn reserve_segment_ids(&self, count: u64) -> Result<SegmentId>;

    /// Reserves a fresh table id.
    async fn reserve_table_id(&self) -> Result<TableId>;

    /// The newest table id that was ever reserved; 0 for none. A write-ahead log that names a newer table was written
    /// with a newer state of the catalog.
    async fn newest_table_id(&self) -> Result<TableId>;

    /// Reserves a fresh role id.
    async fn reserve_role_id(&self) -> Result<RoleId>;

    /// Takes (or takes over) the lease on a partition and returns its new fence token, greater than every earlier one.
    async fn lease(&self, table: TableId, partition: &PartitionKey) -> Result<u64> {
        self.lease_all(table, std::slice::from_ref(partition)).await
    }

    /// As [`CatalogStore::lease`], of several partitions at once, which get the same token.
    async fn lease_all(&self, table: TableId, partitions: &[PartitionKey]) -> Result<u64>;

    /// The fence in force on a partition: 0 where nobody ever leased it, or its table is gone.
    async fn fence(&self, table: TableId, partition: &PartitionKey) -> Result<u64>;

    /// Inserts or replaces a job record outside a commit (to record a start or a failure). The record of a job that has
    /// ended is final; putting that very record again changes nothing.
    ///
    /// # Errors
    /// [`crate::CatalogError::Conflict`] when the job has ended and its record is another one; then nothing was changed.
    async fn put_job(&self, job: &Job) -> Result<()>;

    /// The newest `limit` jobs, newest first.
    async fn jobs(&self, limit: usize) -> Result<Vec<Job>>;

    /// Jobs that are neither done nor failed: after a restart, the ones to complete or sweep.
    async fn unfinished_jobs(&self) -> Result<Vec<Job>>;

    /// The job with this id.
    async fn job(&self, id: &JobId) -> Result<Option<Job>>;

    /// Lineage of a table's segments, live and retired, oldest first.
    async fn lineage(&self, table: TableId) -> Result<Vec<LineageEntry>>;

    /// Segments retired and not yet forgotten.
    async fn retired(&self) -> Result<Vec<RetiredSegment>>;

    /// Forgets retired segments whose data has been dropped.
    async fn forget_retired(&self, segments: &[SegmentId]) -> Result<()>;

    /// Tables dropped and not yet forgotten, oldest first.
    async fn dropped_tables(&self) -> Result<Vec<DroppedTable>>;

    /// Forgets dropped tables: their storage has been dropped in every tier.
    async fn forget_dropped(&self, tables: &[TableId]) -> Result<()>;
}
