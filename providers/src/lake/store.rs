//! The store of a table format: segments as files of `parquet_files`, and a public log that lists them. What the formats do
//! alike is here; what is different, each says as a [`TableLog`]. Logs and files have names that differ by more than case.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::physical_plan::ExecutionPlan;
use object_store::path::Path;
use zxq_catalog::{JobId, PartitionKey, Segment, SegmentId, TableDef};

use crate::error::Result;
use crate::lake::objects::Objects;
use crate::lake::parquet_files::segments::{FileSettings, SegmentFiles};
use crate::names_apart::{self, kept_table};
use crate::tier_store::{Publication, ScanRequest, TierStore, WrittenSegment};

/// The public log of each table, in one format. It lists files; it neither writes nor deletes them.
#[async_trait]
pub trait TableLog: Send + Sync + Debug {
    /// As [`TierStore::name`].
    fn name(&self) -> &'static str;

    /// The folder of a table's files.
    fn folder(&self, storage_name: &str) -> String;

    /// Whether the format has such a table: as [`TierStore::check_table`].
    fn check_table(&self, table: &TableDef) -> Result<()>;

    /// As [`TierStore::alter_table`].
    async fn alter_table(&self, table: &TableDef) -> Result<()>;

    /// Ends a table before its files go.
    async fn drop_table(&self, storage_name: &str) -> Result<()>;

    /// Its files are gone too.
    fn forget_table(&self, storage_name: &str);

    /// As [`TierStore::publish`].
    async fn publish(&self, table: &TableDef, publication: &Publication<'_>) -> Result<()>;

    /// As [`TierStore::is_published`].
    async fn is_published(&self, storage_name: &str, job: &JobId) -> Result<bool>;

    /// Makes sure that files are not listed any more, before they go.
    async fn unlist(&self, storage_name: &str, locations: &[String]) -> Result<()>;

    /// Those of the files that are not listed.
    async fn unlisted(&self, storage_name: &str, files: Vec<Path>) -> Result<Vec<Path>>;
}

/// Parquet files, listed by a public log per table.
#[derive(Debug)]
pub struct LakeStore<L> {
    objects: Objects,
    files: SegmentFiles,
    log: L,
}

impl<L> LakeStore<L> {
    /// # Errors
    /// [`crate::ProviderError::Unsupported`] for a compression that does not exist.
    pub(super) fn new(objects: Objects, settings: &FileSettings<'_>, log: L) -> Result<LakeStore<L>> {
        Ok(LakeStore { files: SegmentFiles::new(objects.clone(), settings)?, objects, log })
    }
}

#[async_trait]
impl<L: TableLog> TierStore for LakeStore<L> {
    fn name(&self) -> &'static str {
        self.log.name()
    }

    fn check_table(&self, table: &TableDef) -> Result<()> {
        self.files.check_table(table)?;
        self.log.check_table(&kept_table(table))
    }

    /// Its folder and log come with the first publication.
    async fn create_table(&self, table: &TableDef) -> Result<()> {
        self.check_table(table)
    }

    async fn alter_table(&self, table: &TableDef) -> Result<()> {
        self.check_table(table)?;
        self.log.alter_table(&kept_table(table)).await
    }

    async fn drop_table(&self, storage_name: &str) -> Result<()> {
        self.log.drop_table(storage_name).await?;
        self.files.delete_folder(storage_name).await?;
        self.log.forget_table(storage_name);
        Ok(())
    }

    async fn write_segment(
        &self,
        table: &TableDef,
        job: &JobId,
        id: SegmentId,
        partition: &PartitionKey,
        rows: Vec<RecordBatch>,
    ) -> Result<WrittenSegment> {
        let rows = names_apart::kept_rows(table, rows)?;
        let folder = self.log.folder(&table.storage_name());
        self.files.write(&folder, &kept_table(table), job, id, partition, rows).await
    }

    async fn publish(&self, table: &TableDef, publication: &Publication<'_>) -> Result<()> {
        let added = names_apart::kept_segments(table, publication.added);
        let removed = names_apart::kept_segments(table, publication.removed);
        let publication = Publication { added: &added, removed: &removed, ..publication.clone() };
        self.log.publish(&kept_table(table), &publication).await
    }

    fn has_log(&self) -> bool {
        true
    }

    async fn is_published(&self, table: &TableDef, job: &JobId) -> Result<bool> {
        self.log.is_published(&table.storage_name(), job).await
    }

    async fn scan(&self, request: ScanRequest<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        names_apart::scan(request, |request| self.files.scan(&request))
    }

    /// The files leave the log before the disk, so that no reader of the log meets a file that is gone.
    async fn drop_segments(&self, storage_name: &str, segments: &[Segment]) -> Result<()> {
        let locations: Vec<String> = segments.iter().map(|segment| segment.location.clone()).collect();
        self.log.unlist(storage_name, &locations).await?;
        self.files.delete(segments).await
    }

    async fn sweep_job(&self, storage_name: &str, job: &JobId) -> Result<()> {
        let found = self.files.of_job(&self.log.folder(storage_name), job).await?;
        if found.is_empty() {
            return Ok(());
        }
        let litter = self.log.unlisted(storage_name, found).await?;
        self.objects.delete(litter).await
    }

    async fn bytes_used(&self) -> Result<u64> {
        self.files.bytes_used().await
    }

    /// Every write is on the disk when its call returns, so there is nothing left to do.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
