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
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::physical_plan::ExecutionPlan;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use parquet::basic::Compression;
use zxq_catalog::{JobId, PartitionKey, Segment, SegmentId, TableDef};

use crate::delta::log::DeltaLogs;
use crate::error::Result;
use crate::objects::Objects;
use crate::parquet_files::compression::{compression_of, parse_compression};
use crate::parquet_files::layout::FileForm;
use crate::parquet_files::scan::ColdScans;
use crate::parquet_files::{errors, layout, writer};
use crate::tier_store::{Publication, ScanRequest, TierStore, WrittenSegment};

mod log;
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
#[derive(Debug)]
pub struct DeltaStore {
    objects: Objects,
    compression: Compression,
    row_group_rows: usize,
    logs: DeltaLogs,
    scans: ColdScans,
}

impl DeltaStore {
    /// Opens the store; a local folder is made when it is not there.
    ///
    /// # Errors
    /// [`crate::ProviderError::Unsupported`] for a compression that does not exist, [`crate::ProviderError::Store`] when the
    /// folder cannot be made.
    pub fn open(options: DeltaOptions) -> Result<DeltaStore> {
        let compression = parse_compression(&options.compression)?;
        let objects = Objects::open(options.root)?;
        let logs = DeltaLogs::new(objects.clone(), options.checkpoint_interval);
        let scans = ColdScans::new(&objects, options.metadata_cache_bytes, options.pushdown_filters, FORM)?;
        Ok(DeltaStore { objects, compression, row_group_rows: options.row_group_rows, logs, scans })
    }
}

#[async_trait]
impl TierStore for DeltaStore {
    fn name(&self) -> &'static str {
        STORE
    }

    /// Checks that Delta Lake can keep the table; its folder and log come with the first publication.
    async fn create_table(&self, table: &TableDef) -> Result<()> {
        compression_of(table, self.compression)?;
        schema::fields(table).map(|_| ())
    }

    async fn alter_table(&self, table: &TableDef) -> Result<()> {
        self.create_table(table).await?;
        self.logs.add_columns(table).await
    }

    async fn drop_table(&self, storage_name: &str) -> Result<()> {
        let paths = self.objects.list(Some(storage_name)).await?.into_iter().map(|object| object.location).collect();
        self.objects.delete(paths).await?;
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
        let location = layout::location(&table.storage_name(), table, job, id, partition);
        let path = self.objects.path(&location)?;
        let compression = compression_of(table, self.compression)?;
        let row_group_rows = self.row_group_rows;
        let (definition, key) = (table.clone(), partition.clone());
        let encoded =
            errors::blocking(move || writer::encode_file(&definition, &key, &rows, FORM, compression, row_group_rows))
                .await?;
        let bytes = encoded.len() as u64;
        // A repetition after a crash overwrites: the same name always means the same rows, and nobody reads it yet.
        self.scans.forget(&path);
        self.objects
            .store
            .put(&path, PutPayload::from(encoded))
            .await
            .map_err(|e| errors::writing(path.as_ref(), e))?;
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
            let path = self.objects.path(location)?;
            self.scans.forget(&path);
            paths.push(path);
        }
        self.objects.delete(paths).await
    }

    async fn sweep_job(&self, storage_name: &str, job: &JobId) -> Result<()> {
        let suffix = layout::job_suffix(job);
        let found: Vec<Path> = self
            .objects
            .list(Some(storage_name))
            .await?
            .into_iter()
            .map(|object| object.location)
            .filter(|path| path.filename().is_some_and(|name| name.ends_with(&suffix)))
            .collect();
        let table = self.objects.path(storage_name)?;
        let location = |path: &Path| {
            let inner = path.as_ref().strip_prefix(table.as_ref()).unwrap_or_default();
            format!("{storage_name}{inner}")
        };
        let locations: Vec<String> = found.iter().map(location).collect();
        let listed: HashSet<String> = self.logs.listed(storage_name, &locations).await?;
        let litter = found.into_iter().filter(|path| !listed.contains(&location(path))).collect();
        self.objects.delete(litter).await
    }

    async fn bytes_used(&self) -> Result<u64> {
        Ok(self.objects.list(None).await?.iter().map(|object| object.size).sum())
    }

    /// Every write is on the disk when its call returns, so there is nothing left to do.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
