//! The cold tier as Delta Lake: one Parquet file per segment, and a public Delta log per table.
//!
//! ```text
//! <root>/<storage name>/_delta_log/…
//! <root>/<storage name>/trade_date=2024-01-02/asset_class=FX/<segment id>-<job id>.parquet
//! ```
//!
//! The files are those of `parquet_files`, which also scans them; here they are listed in the log (`log`, with `schema` and
//! `stats_json`).
//!
//! The log is for everybody else: at each commit it lists exactly the visible owner segments, so Spark, DuckDB and
//! delta-rs read the same rows.

use std::collections::HashSet;

use async_trait::async_trait;
use object_store::path::Path;
use zxq_catalog::{JobId, TableDef};

use crate::error::Result;
use crate::lake::delta::log::DeltaLogs;
use crate::lake::objects::Objects;
use crate::lake::parquet_files::layout::FileForm;
use crate::lake::parquet_files::segments::FileSettings;
use crate::lake::store::{LakeStore, TableLog};
use crate::tier_store::Publication;

mod log;
mod log_cache;
mod options;
mod schema;
mod stats_json;
#[cfg(test)]
mod tests;

pub use options::DeltaOptions;

/// The name of this store in messages.
pub(crate) const STORE: &str = "delta";

/// Delta takes the values of partition columns from its log.
const FORM: FileForm = FileForm::WithoutFolderColumns;

/// Parquet files under a Delta log per table.
pub type DeltaStore = LakeStore<DeltaLog>;

impl DeltaStore {
    /// Opens the store; a local folder is made when it is not there.
    ///
    /// # Errors
    /// [`crate::ProviderError::Unsupported`] for a compression that does not exist, [`crate::ProviderError::Store`] when the
    /// folder cannot be made.
    pub fn open(options: DeltaOptions) -> Result<DeltaStore> {
        let objects = Objects::open(options.root)?;
        let logs = DeltaLogs::new(objects.clone(), options.checkpoint_interval);
        let settings = FileSettings {
            compression: &options.compression,
            row_group_rows: options.row_group_rows,
            metadata_cache_bytes: options.metadata_cache_bytes,
            pushdown_filters: options.pushdown_filters,
            form: FORM,
        };
        LakeStore::new(objects.clone(), &settings, DeltaLog { objects, logs })
    }
}

/// The Delta logs of all tables.
#[derive(Debug)]
pub struct DeltaLog {
    objects: Objects,
    logs: DeltaLogs,
}

#[async_trait]
impl TableLog for DeltaLog {
    fn name(&self) -> &'static str {
        STORE
    }

    fn folder(&self, storage_name: &str) -> String {
        storage_name.to_owned()
    }

    fn check_table(&self, table: &TableDef) -> Result<()> {
        schema::fields(table).map(|_| ())
    }

    async fn alter_table(&self, table: &TableDef) -> Result<()> {
        self.logs.add_columns(table).await
    }

    /// The log lies among the files.
    async fn drop_table(&self, _storage_name: &str) -> Result<()> {
        Ok(())
    }

    fn forget_table(&self, storage_name: &str) {
        self.logs.forget(storage_name);
    }

    async fn publish(&self, table: &TableDef, publication: &Publication<'_>) -> Result<()> {
        self.logs.publish(table, publication).await
    }

    async fn is_published(&self, storage_name: &str, job: &JobId) -> Result<bool> {
        self.logs.is_published(storage_name, job).await
    }

    async fn unlist(&self, storage_name: &str, locations: &[String]) -> Result<()> {
        self.logs.unlist(storage_name, locations).await
    }

    async fn unlisted(&self, storage_name: &str, files: Vec<Path>) -> Result<Vec<Path>> {
        let table = self.objects.path(storage_name)?;
        let location = |path: &Path| {
            let inner = path.as_ref().strip_prefix(table.as_ref()).unwrap_or_default();
            format!("{storage_name}{inner}")
        };
        let locations: Vec<String> = files.iter().map(location).collect();
        let listed: HashSet<String> = self.logs.listed(storage_name, &locations).await?;
        Ok(files.into_iter().filter(|path| !listed.contains(&location(path))).collect())
    }
}
