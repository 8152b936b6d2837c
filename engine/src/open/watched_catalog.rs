//! A catalog whose writes a [`Probe`] may break.

use std::sync::Arc;

use async_trait::async_trait;
use zxq_catalog::iceberg_pointers::MetadataPointers;
use zxq_catalog::roles::RoleId;
use zxq_catalog::store::{Commit, DroppedTable, RetiredSegment};
use zxq_catalog::{CatalogError, CatalogStore, Job, JobId, LineageEntry, PartitionKey, SegmentId, Snapshot, TableId};

use crate::supervisor::probe::Probe;

type Done<T> = zxq_catalog::Result<T>;

/// The catalog, with the probe asked before each write.
#[derive(Debug)]
pub(crate) struct WatchedCatalog {
    inner: Arc<dyn CatalogStore>,
    probe: Arc<dyn Probe>,
}

impl WatchedCatalog {
    pub(crate) fn new(inner: Arc<dyn CatalogStore>, probe: Arc<dyn Probe>) -> Self {
        WatchedCatalog { inner, probe }
    }

    fn write(&self, what: &str) -> Done<&Arc<dyn CatalogStore>> {
        match self.probe.catalog_write() {
            Ok(()) => Ok(&self.inner),
            Err(reason) => Err(CatalogError::Unreachable { what: what.to_owned(), reason }),
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MetadataPointers for WatchedCatalog {
    async fn metadata_location(&self, table: &str) -> Done<Option<String>> {
        self.inner.metadata_location(table).await
    }

    async fn create_pointer(&self, table: &str, location: &str) -> Done<bool> {
        self.write("adding an Iceberg table")?.create_pointer(table, location).await
    }

    async fn swap_pointer(&self, table: &str, from: &str, to: &str) -> Done<bool> {
        self.write("changing an Iceberg table")?.swap_pointer(table, from, to).await
    }

    async fn drop_pointer(&self, table: &str) -> Done<()> {
        self.write("removing an Iceberg table")?.drop_pointer(table).await
    }

    async fn tables_with_pointers(&self) -> Done<Vec<String>> {
        self.inner.tables_with_pointers().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CatalogStore for WatchedCatalog {
    fn identity(&self) -> &str {
        self.inner.identity()
    }

    async fn load(&self) -> Done<Snapshot> {
        self.inner.load().await
    }

    async fn commit(&self, commit: &Commit) -> Done<()> {
        self.write("committing")?.commit(commit).await
    }

    async fn reserve_segment_ids(&self, count: u64) -> Done<SegmentId> {
        self.write("reserving segment ids")?.reserve_segment_ids(count).await
    }

    async fn reserve_table_id(&self) -> Done<TableId> {
        self.write("reserving a table id")?.reserve_table_id().await
    }

    async fn newest_table_id(&self) -> Done<TableId> {
        self.inner.newest_table_id().await
    }

    async fn reserve_role_id(&self) -> Done<RoleId> {
        self.write("reserving a role id")?.reserve_role_id().await
    }

    async fn lease(&self, table: TableId, partition: &PartitionKey) -> Done<u64> {
        self.write("leasing a partition")?.lease(table, partition).await
    }

    async fn lease_all(&self, table: TableId, partitions: &[PartitionKey]) -> Done<u64> {
        self.write("leasing partitions")?.lease_all(table, partitions).await
    }

    async fn fence(&self, table: TableId, partition: &PartitionKey) -> Done<u64> {
        self.inner.fence(table, partition).await
    }

    async fn put_job(&self, job: &Job) -> Done<()> {
        self.write("recording a job")?.put_job(job).await
    }

    async fn jobs(&self, limit: usize) -> Done<Vec<Job>> {
        self.inner.jobs(limit).await
    }

    async fn unfinished_jobs(&self) -> Done<Vec<Job>> {
        self.inner.unfinished_jobs().await
    }

    async fn job(&self, id: &JobId) -> Done<Option<Job>> {
        self.inner.job(id).await
    }

    async fn lineage(&self, table: TableId) -> Done<Vec<LineageEntry>> {
        self.inner.lineage(table).await
    }

    async fn retired(&self) -> Done<Vec<RetiredSegment>> {
        self.inner.retired().await
    }

    async fn forget_retired(&self, segments: &[SegmentId]) -> Done<()> {
        self.write("forgetting retired segments")?.forget_retired(segments).await
    }

    async fn dropped_tables(&self) -> Done<Vec<DroppedTable>> {
        self.inner.dropped_tables().await
    }

    async fn forget_dropped(&self, tables: &[TableId]) -> Done<()> {
        self.write("forgetting dropped tables")?.forget_dropped(tables).await
    }
}
