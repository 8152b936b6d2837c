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

use async_trait::async_trait;
use object_store::path::Path;
use zxq_catalog::{JobId, TableDef};

use crate::error::Result;
use crate::lake::iceberg::catalogs::TableCatalog;
use crate::lake::iceberg::catalogs::rest::RestCatalog;
use crate::lake::iceberg::catalogs::sql::SqlCatalog;
use crate::lake::iceberg::metadata_files::MetadataFiles;
use crate::lake::iceberg::snapshot_files::SnapshotReader;
use crate::lake::iceberg::tables::{IcebergTables, Keep};
use crate::lake::objects::Objects;
use crate::lake::parquet_files::layout::FileForm;
use crate::lake::parquet_files::segments::FileSettings;
use crate::lake::store::{LakeStore, TableLog};
use crate::tier_store::Publication;

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
pub type IcebergStore = LakeStore<IcebergLog>;

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
        LakeStore::new(objects.clone(), &settings, IcebergLog { objects, tables })
    }
}

/// The Iceberg tables, each with its snapshots and its entry in a catalog.
#[derive(Debug)]
pub struct IcebergLog {
    objects: Objects,
    tables: IcebergTables,
}

#[async_trait]
impl TableLog for IcebergLog {
    fn name(&self) -> &'static str {
        STORE
    }

    fn folder(&self, storage_name: &str) -> String {
        format!("{storage_name}/{DATA}")
    }

    fn check_table(&self, table: &TableDef) -> Result<()> {
        schema::schema(table).map(|_| ())
    }

    async fn alter_table(&self, table: &TableDef) -> Result<()> {
        self.tables.evolve(table).await
    }

    /// The table leaves its catalog before its files leave the disk, so that nobody meets a table without files.
    async fn drop_table(&self, storage_name: &str) -> Result<()> {
        self.tables.drop_table(storage_name).await
    }

    fn forget_table(&self, _storage_name: &str) {}

    async fn publish(&self, table: &TableDef, publication: &Publication<'_>) -> Result<()> {
        self.tables.publish(table, publication).await
    }

    async fn is_published(&self, storage_name: &str, job: &JobId) -> Result<bool> {
        self.tables.is_published(storage_name, job).await
    }

    /// Snapshots that name the files go first, the current one by a new one: nobody who reads a snapshot that the catalog
    /// offers meets a file that is gone. Time travel therefore ends where zxq drops files.
    async fn unlist(&self, storage_name: &str, locations: &[String]) -> Result<()> {
        self.tables.forget(storage_name, locations).await
    }

    async fn unlisted(&self, storage_name: &str, files: Vec<Path>) -> Result<Vec<Path>> {
        let mut listed = HashSet::new();
        for location in self.tables.listed(storage_name).await? {
            listed.insert(self.objects.path(&location)?);
        }
        Ok(files.into_iter().filter(|path| !listed.contains(path)).collect())
    }
}
