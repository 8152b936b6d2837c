//! The cold tier as Delta Lake: one Parquet file per segment, and a public Delta log per table.
//!
//! ```text
//! <root>/<storage name>/_delta_log/…
//! <root>/<storage name>/trade_date=2024-01-02/asset_class=FX/<segment id>-<job id>.parquet
//! ```
//!
//! Two halves that meet only in the file: writing makes a file (`encoding`, `parquet_writer`), then lists it in the log
//! (`log`, with `schema` and `stats_json`); reading takes files, sizes and statistics from the catalog's segments and
//! never looks at the log (`scan`, with `files`, `reader`, `source` and `defaults`). `layout` is what both agree on.
//!
//! The log is for everybody else: at each commit it lists exactly the visible owner segments, so Spark, DuckDB and
//! delta-rs read the same rows.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use parquet::basic::Compression;
use url::Url;
use zxq_catalog::{JobId, PartitionKey, Segment, SegmentId, TableDef};

use crate::delta::local_store::DurableLocalStore;
use crate::delta::log::DeltaLogs;
use crate::delta::options::parse_compression;
use crate::delta::scan::ColdScans;
use crate::error::{ProviderError, Result};
use crate::tier_store::{Publication, ScanRequest, TierStore, WrittenSegment};

mod defaults;
mod encoding;
mod errors;
mod files;
mod layout;
mod local_store;
mod log;
mod options;
mod parquet_writer;
mod reader;
mod scan;
mod schema;
mod source;
mod stats_json;
#[cfg(test)]
mod tests;

pub use options::{DeltaOptions, DeltaRoot};

/// The name of this store in messages.
pub(crate) const STORE: &str = "delta";

/// The table option that overrides [`DeltaOptions::compression`].
const COMPRESSION_OPTION: &str = "cold_compression";

/// Parquet files under a Delta log per table.
#[derive(Debug)]
pub struct DeltaStore {
    store: Arc<dyn ObjectStore>,
    /// The folder in `store` that locations are relative to.
    root: Path,
    compression: Compression,
    row_group_rows: usize,
    logs: DeltaLogs,
    scans: ColdScans,
}

impl DeltaStore {
    /// Opens the store; a local folder is made when it is not there.
    ///
    /// # Errors
    /// [`ProviderError::Unsupported`] for a compression that does not exist, [`ProviderError::Store`] when the folder
    /// cannot be made.
    pub fn open(options: DeltaOptions) -> Result<DeltaStore> {
        let compression = parse_compression(&options.compression)?;
        let (store, url): (Arc<dyn ObjectStore>, Url) = match options.root {
            DeltaRoot::Folder(folder) => {
                let name = folder.display().to_string();
                std::fs::create_dir_all(&folder).map_err(|e| errors::writing(&name, e))?;
                let folder = folder.canonicalize().map_err(|e| errors::writing(&name, e))?;
                let url = Url::from_directory_path(&folder).map_err(|()| ProviderError::Unsupported {
                    store: STORE,
                    what: format!("keep tables in folder {name}: its name makes no URL"),
                })?;
                (Arc::new(DurableLocalStore::new()), url)
            }
            DeltaRoot::ObjectStore { store, mut url } => {
                if !url.path().ends_with('/') {
                    url.set_path(&format!("{}/", url.path()));
                }
                (store, url)
            }
        };
        let root =
            Path::from_url_path(url.path()).map_err(|e| ProviderError::store(STORE, format!("open {url}"), e))?;
        let logs = DeltaLogs::new(Arc::clone(&store), url, options.checkpoint_interval);
        let scans =
            ColdScans::new(Arc::clone(&store), root.clone(), options.metadata_cache_bytes, options.pushdown_filters)?;
        Ok(DeltaStore { store, root, compression, row_group_rows: options.row_group_rows, logs, scans })
    }

    fn compression(&self, table: &TableDef) -> Result<Compression> {
        table.options.get(COMPRESSION_OPTION).map_or(Ok(self.compression), |text| parse_compression(text))
    }

    /// Every object under a table's folder, or under the root.
    async fn list(&self, storage_name: Option<&str>) -> Result<Vec<object_store::ObjectMeta>> {
        let prefix = match storage_name {
            Some(name) => object_path(&self.root, name)?,
            None => self.root.clone(),
        };
        match self.store.list(Some(&prefix)).try_collect().await {
            Ok(objects) => Ok(objects),
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(ProviderError::store(STORE, format!("list {prefix}"), error)),
        }
    }
}

/// The object at a location relative to the root. Locations keep their percent signs: they are names, not URLs.
pub(crate) fn object_path(root: &Path, location: &str) -> Result<Path> {
    let full = if root.as_ref().is_empty() { location.to_owned() } else { format!("{root}/{location}") };
    Path::parse(&full).map_err(|e| ProviderError::store(STORE, format!("use the location {location}"), e))
}

#[async_trait]
impl TierStore for DeltaStore {
    fn name(&self) -> &'static str {
        STORE
    }

    /// Checks that Delta Lake can keep the table; its folder and log come with the first publication.
    async fn create_table(&self, table: &TableDef) -> Result<()> {
        self.compression(table)?;
        schema::fields(table).map(|_| ())
    }

    async fn alter_table(&self, table: &TableDef) -> Result<()> {
        self.create_table(table).await?;
        self.logs.add_columns(table).await
    }

    async fn drop_table(&self, storage_name: &str) -> Result<()> {
        let paths = self.list(Some(storage_name)).await?.into_iter().map(|object| object.location).collect();
        log::delete_all(&self.store, paths).await?;
        self.logs.forget(storage_name);
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
        let location = layout::location(table, job, id, partition);
        let path = object_path(&self.root, &location)?;
        let compression = self.compression(table)?;
        let row_group_rows = self.row_group_rows;
        let (definition, key) = (table.clone(), partition.clone());
        let encoded = errors::blocking(move || {
            parquet_writer::encode_file(&definition, &key, &rows, compression, row_group_rows)
        })
        .await?;
        let bytes = encoded.len() as u64;
        // A repetition after a crash overwrites: the same name always means the same rows, and nobody reads it yet.
        self.scans.forget(&path);
        self.store.put(&path, PutPayload::from(encoded)).await.map_err(|e| errors::writing(path.as_ref(), e))?;
        Ok(WrittenSegment { location, bytes })
    }

    async fn publish(&self, table: &TableDef, publication: &Publication<'_>) -> Result<()> {
        self.logs.publish(table, publication).await
    }

    fn has_log(&self) -> bool {
        true
    }

    async fn is_published(&self, table: &TableDef, job: &JobId) -> Result<bool> {
        self.logs.is_published(&table.storage_name(), job).await
    }

    async fn scan(&self, request: ScanRequest<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        self.scans.plan(&request)
    }

    /// The files leave the log before the disk, so that no reader of the log meets a file that is gone.
    async fn drop_segments(&self, storage_name: &str, segments: &[Segment]) -> Result<()> {
        let locations: Vec<String> = segments.iter().map(|segment| segment.location.clone()).collect();
        self.logs.unlist(storage_name, &locations).await?;
        let mut paths = Vec::with_capacity(locations.len());
        for location in &locations {
            let path = object_path(&self.root, location)?;
            self.scans.forget(&path);
            paths.push(path);
        }
        log::delete_all(&self.store, paths).await
    }

    async fn sweep_job(&self, storage_name: &str, job: &JobId) -> Result<()> {
        let suffix = layout::job_suffix(job);
        let found: Vec<Path> = self
            .list(Some(storage_name))
            .await?
            .into_iter()
            .map(|object| object.location)
            .filter(|path| path.filename().is_some_and(|name| name.ends_with(&suffix)))
            .collect();
        let table = object_path(&self.root, storage_name)?;
        let location = |path: &Path| {
            let inner = path.as_ref().strip_prefix(table.as_ref()).unwrap_or_default();
            format!("{storage_name}{inner}")
        };
        let locations: Vec<String> = found.iter().map(location).collect();
        let listed: HashSet<String> = self.logs.listed(storage_name, &locations).await?;
        let litter = found.into_iter().filter(|path| !listed.contains(&location(path))).collect();
        log::delete_all(&self.store, litter).await
    }

    async fn bytes_used(&self) -> Result<u64> {
        Ok(self.list(None).await?.iter().map(|object| object.size).sum())
    }

    /// Every write is on the disk when its call returns, so there is nothing left to do.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
