//! The cold tier as Apache Iceberg (format version 2): one Parquet file per segment, and a public table for each table.
//!
//! ```text
//! <root>/<storage name>/data/trade_date=2024-01-02/asset_class=FX/<segment id>-<job id>.parquet
//! <root>/<storage name>/metadata/…
//! ```
//!
//! The files are those of `parquet_files`, which also scans them. A catalog (`catalogs`) says which metadata is current;
//! `tables` commits to it. What a commit is made of: `schema`, `data_file`, `new_snapshot` with its `gate`, `retention`;
//! `snapshot_files` reads the same things back, and `metadata_files` is where they lie.
//!
//! Other programs read the tables by their catalog: at each commit they hold exactly the visible owner segments.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::physical_plan::ExecutionPlan;
use zxq_catalog::{JobId, PartitionKey, Segment, SegmentId, TableDef};

use crate::error::Result;
use crate::lake::iceberg::catalogs::TableCatalog;
use crate::lake::iceberg::catalogs::rest::RestCatalog;
use crate::lake::iceberg::catalogs::sql::SqlCatalog;
use crate::lake::iceberg::metadata_files::MetadataFiles;
use crate::lake::iceberg::snapshot_files::SnapshotReader;
use crate::lake::iceberg::tables::{IcebergTables, Keep};
use crate::lake::objects::Objects;
use crate::lake::parquet_files::layout::FileForm;
use crate::lake::parquet_files::segments::{FileSettings, SegmentFiles};
use crate::tier_store::{Publication, ScanRequest, TierStore, WrittenSegment};

mod catalogs;
mod data_file;
mod errors;
mod gate;
mod metadata_files;
mod new_snapshot;
mod options;
mod orphans;
mod retention;
mod schema;
pub(crate) mod snapshot_files;
mod tables;

pub use catalogs::rest::{RestAuth, RestOptions};
pub use options::{IcebergCatalog, IcebergOptions};

/// The name of this store in messages.
pub(crate) const STORE: &str = "iceberg";

/// The folder of a table's data files.
const DATA: &str = "data";

/// True for the location of a segment that this store wrote. In no other store's locations does `data` follow the table's
/// folder.
pub fn is_iceberg_location(location: &str) -> bool {
    let mut parts = location.split('/');
    parts.next().is_some() && parts.next() == Some(DATA) && parts.next().is_some()
}

/// Parquet files under an Iceberg table per table.
#[derive(Debug)]
pub struct IcebergStore {
    objects: Objects,
    files: SegmentFiles,
    tables: IcebergTables,
}

impl IcebergStore {
    /// Opens the store; a local folder is made when it is not there. No catalog is asked yet.
    ///
    /// # Errors
    /// [`crate::ProviderError::Unsupported`] for a compression that does not exist, [`crate::ProviderError::Store`] when
    /// the folder cannot be made.
    pub fn open(options: IcebergOptions) -> Result<IcebergStore> {
        let objects = Objects::open(options.root)?;
        let metadata = MetadataFiles::new(objects.clone());
        let catalog: Arc<dyn TableCatalog> = match options.catalog {
            IcebergCatalog::Sql(pointers) => Arc::new(SqlCatalog::new(pointers, metadata.clone())),
            IcebergCatalog::Rest(rest) => Arc::new(RestCatalog::new(rest)?),
        };
        let keep = Keep {
            snapshots: options.snapshots_kept,
            metadata_files: options.metadata_files_kept,
            merge_manifests_above: options.merge_manifests_above,
            orphan_age: options.orphan_age,
        };
        let tables = IcebergTables::new(SnapshotReader::new(metadata), catalog, keep);
        let settings = FileSettings {
            compression: &options.compression,
            row_group_rows: options.row_group_rows,
            metadata_cache_bytes: options.metadata_cache_bytes,
            pushdown_filters: options.pushdown_filters,
            form: FileForm::Iceberg,
        };
        Ok(IcebergStore { files: SegmentFiles::new(objects.clone(), &settings)?, objects, tables })
    }
}

#[async_trait]
impl TierStore for IcebergStore {
    fn name(&self) -> &'static str {
        STORE
    }

    fn check_table(&self, table: &TableDef) -> Result<()> {
        self.files.check_table(table)?;
        schema::schema(table).map(|_| ())
    }

    /// Its entry in the catalog comes with the first publication.
    async fn create_table(&self, table: &TableDef) -> Result<()> {
        self.check_table(table)
    }

    async fn alter_table(&self, table: &TableDef) -> Result<()> {
        self.check_table(table)?;
        self.tables.evolve(table).await
    }

    /// The table leaves its catalog before its files leave the disk, so that nobody meets a table without files.
    async fn drop_table(&self, storage_name: &str) -> Result<()> {
        self.tables.drop_table(storage_name).await?;
        self.files.delete_folder(storage_name).await
    }

    async fn write_segment(
        &self,
        table: &TableDef,
        job: &JobId,
        id: SegmentId,
        partition: &PartitionKey,
        rows: Vec<RecordBatch>,
    ) -> Result<WrittenSegment> {
        let folder = format!("{}/{DATA}", table.storage_name());
        self.files.write(&folder, table, job, id, partition, rows).await
    }

    async fn publish(&self, table: &TableDef, publication: &Publication<'_>) -> Result<()> {
        self.tables.publish(table, publication).await
    }

    fn has_log(&self) -> bool {
        true
    }

    async fn is_published(&self, table: &TableDef, job: &JobId) -> Result<bool> {
        self.tables.is_published(&table.storage_name(), job).await
    }

    async fn scan(&self, request: ScanRequest<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        self.files.scan(&request)
    }

    /// Snapshots that name the files go first, the current one by a new one: nobody who reads a snapshot that the catalog
    /// offers meets a file that is gone. Time travel therefore ends where zxq drops files.
    async fn drop_segments(&self, storage_name: &str, segments: &[Segment]) -> Result<()> {
        let locations: Vec<String> = segments.iter().map(|segment| segment.location.clone()).collect();
        self.tables.forget(storage_name, &locations).await?;
        self.files.delete(segments).await
    }

    async fn sweep_job(&self, storage_name: &str, job: &JobId) -> Result<()> {
        let found = self.files.of_job(&format!("{storage_name}/{DATA}"), job).await?;
        if found.is_empty() {
            return Ok(());
        }
        let mut listed = HashSet::new();
        for location in self.tables.listed(storage_name).await? {
            listed.insert(self.objects.path(&location)?);
        }
        self.objects.delete(found.into_iter().filter(|path| !listed.contains(path)).collect()).await
    }

    async fn bytes_used(&self) -> Result<u64> {
        self.files.bytes_used().await
    }

    /// Every write is on the disk when its call returns, so there is nothing left to do.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
