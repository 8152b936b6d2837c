//! What an Iceberg store is opened with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zxq_catalog::MetadataPointers;

use crate::lake::iceberg::catalogs::rest::RestOptions;
use crate::lake::objects::StorageRoot;

/// Who keeps the names of Iceberg tables and where their current metadata is.
#[derive(Debug, Clone)]
pub enum IcebergCatalog {
    /// Tables in zxq's own catalog database, of the form of Iceberg's JDBC catalog.
    Sql(Arc<dyn MetadataPointers>),
    /// A server that speaks Iceberg's REST protocol.
    Rest(RestOptions),
}

/// What an Iceberg store is opened with.
#[derive(Debug, Clone)]
pub struct IcebergOptions {
    /// Where the tables lie, data and metadata.
    pub root: StorageRoot,
    /// Who names them.
    pub catalog: IcebergCatalog,
    /// How data pages are compressed, as in [`crate::lake::delta::DeltaOptions`].
    pub compression: String,
    /// Bytes of Parquet footers and page indexes kept in memory.
    pub metadata_cache_bytes: u64,
    /// Largest number of rows in a row group.
    pub row_group_rows: usize,
    /// Snapshots kept per table for time travel, the current one included; at least 1. Those that name files which have
    /// been dropped go earlier.
    pub snapshots_kept: usize,
    /// Earlier metadata files kept per table. (With a REST catalog, its server decides.)
    pub metadata_files_kept: usize,
    /// Manifests of a table above which small ones are merged.
    pub merge_manifests_above: usize,
    /// Age at which a metadata file that no snapshot names counts as litter of a crashed commit.
    pub orphan_age: Duration,
    /// Evaluate filters while decoding (late materialisation).
    pub pushdown_filters: bool,
}

impl IcebergOptions {
    /// The defaults, for a folder on this machine.
    pub fn at(folder: impl Into<PathBuf>, catalog: IcebergCatalog) -> Self {
        IcebergOptions {
            root: StorageRoot::Folder(folder.into()),
            catalog,
            compression: "zstd(3)".to_owned(),
            metadata_cache_bytes: 128 * 1024 * 1024,
            row_group_rows: 131_072,
            snapshots_kept: 20,
            metadata_files_kept: 20,
            merge_manifests_above: 32,
            orphan_age: Duration::from_secs(86_400),
            pushdown_filters: false,
        }
    }
}
