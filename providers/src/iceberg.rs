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

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::physical_plan::ExecutionPlan;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use parquet::basic::Compression;
use zxq_catalog::{JobId, PartitionKey, Segment, SegmentId, TableDef};

use crate::error::Result;
use crate::iceberg::catalogs::TableCatalog;
use crate::iceberg::catalogs::rest::RestCatalog;
use crate::iceberg::catalogs::sql::SqlCatalog;
use crate::iceberg::metadata_files::MetadataFiles;
use crate::iceberg::snapshot_files::SnapshotReader;
use crate::iceberg::tables::{IcebergTables, Keep};
use crate::objects::Objects;
use crate::parquet_files::compression::{compression_of, parse_compression};
use crate::parquet_files::layout::FileForm;
use crate::parquet_files::scan::ColdScans;
use crate::parquet_files::{errors as file_errors, layout, writer};
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
    compression: Compression,
    row_group_rows: usize,
    tables: IcebergTables,
    scans: ColdScans,
}

impl IcebergStore {
    /// Opens the store; a local folder is made when it is not there. No catalog is asked yet.
    ///
    /// # Errors
    /// [`crate::ProviderError::Unsupported`] for a compression that does not exist, [`crate::ProviderError::Store`] when
    /// the folder cannot be made.
    pub fn open(options: IcebergOptions) -> Result<IcebergStore> {
        let compression = parse_compression(&options.compression)?;
        let objects = Objects::open(options.root)?;
        let files = MetadataFiles::new(objects.clone());
        let catalog: Arc<dyn TableCatalog> = match options.catalog {
            IcebergCatalog::Sql(pointers) => Arc::new(SqlCatalog::new(pointers, files.clone())),
            IcebergCatalog::Rest(rest) => Arc::new(RestCatalog::new(rest)?),
        };
        let keep = Keep {
            snapshots: options.snapshots_kept,
            metadata_files: options.metadata_files_kept,
            merge_manifests_above: options.merge_manifests_above,
            orphan_age: options.orphan_age,
        };
        let tables = IcebergTables::new(SnapshotReader::new(files), catalog, keep);
        let scans =
            ColdScans::new(&objects, options.metadata_cache_bytes, options.pushdown_filters, FileForm::Iceberg)?;
        Ok(IcebergStore { objects, compression, row_group_rows: options.row_group_rows, tables, scans })
    }
}

#[async_trait]
impl TierStore for IcebergStore {
    fn name(&self) -> &'static str {
        STORE
    }

    /// Checks that Iceberg can keep the table; its entry in the catalog comes with the first publication.
    async fn create_table(&self, table: &TableDef) -> Result<()> {
        compression_of(table, self.compression)?;
        schema::schema(table).map(|_| ())
    }

    async fn alter_table(&self, table: &TableDef) -> Result<()> {
        self.create_table(table).await?;
        self.tables.evolve(table).await
    }

    /// The table leaves its catalog before its files leave the disk, so that nobody meets a table without files.
    async fn drop_table(&self, storage_name: &str) -> Result<()> {
        self.tables.drop_table(storage_name).await?;
        let paths = self.objects.list(Some(storage_name)).await?.into_iter().map(|object| object.location).collect();
        self.objects.delete(paths).await
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
        let location = layout::location(&folder, table, job, id, partition);
        let path = self.objects.path(&location)?;
        let compression = compression_of(table, self.compression)?;
        let row_group_rows = self.row_group_rows;
        let (definition, key) = (table.clone(), partition.clone());
        let encoded = file_errors::blocking(move || {
            writer::encode_file(&definition, &key, &rows, FileForm::Iceberg, compression, row_group_rows)
        })
        .await?;
        let bytes = encoded.len() as u64;
        // A repetition after a crash overwrites: the same name always means the same rows, and nobody reads it yet.
        self.scans.forget(&path);
        self.objects
            .store
            .put(&path, PutPayload::from(encoded))
            .await
            .map_err(|e| file_errors::writing(path.as_ref(), e))?;
        Ok(WrittenSegment { location, bytes })
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
        self.scans.plan(&request)
    }

    /// Snapshots that name the files go first, the current one by a new one: nobody who reads a snapshot that the catalog
    /// offers meets a file that is gone. Time travel therefore ends where zxq drops files.
    async fn drop_segments(&self, storage_name: &str, segments: &[Segment]) -> Result<()> {
        let locations: Vec<String> = segments.iter().map(|segment| segment.location.clone()).collect();
        self.tables.forget(storage_name, &locations).await?;
        let mut paths = Vec::with_capacity(locations.len());
        for location in &locations {
            let path = self.objects.path(location)?;
            self.scans.forget(&path);
            paths.push(path);
        }
        self.objects.delete(paths).await
    }

    async fn sweep_job(&self, storage_name: &str, job: &JobId) -> Result<()> {
        let suffix = layout::job_suffix(job);
        let folder = format!("{storage_name}/{DATA}");
        let found: Vec<Path> = self
            .objects
            .list(Some(&folder))
            .await?
            .into_iter()
            .map(|object| object.location)
            .filter(|path| path.filename().is_some_and(|name| name.ends_with(&suffix)))
            .collect();
        if found.is_empty() {
            return Ok(());
        }
        let mut listed = Vec::new();
        for location in self.tables.listed(storage_name).await? {
            listed.push(self.objects.path(&location)?);
        }
        self.objects.delete(found.into_iter().filter(|path| !listed.contains(path)).collect()).await
    }

    async fn bytes_used(&self) -> Result<u64> {
        Ok(self.objects.list(None).await?.iter().map(|object| object.size).sum())
    }

    /// Every write is on the disk when its call returns, so there is nothing left to do.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
