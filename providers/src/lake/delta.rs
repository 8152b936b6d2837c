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
use zxq_catalog::{JobId, PartitionKey, Segment, SegmentId, TableDef};

use crate::error::Result;
use crate::lake::delta::log::DeltaLogs;
use crate::lake::objects::Objects;
use crate::lake::parquet_files::layout::FileForm;
use crate::lake::parquet_files::segments::{FileSettings, SegmentFiles};
use crate::tier_store::{Publication, ScanRequest, TierStore, WrittenSegment};

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
#[derive(Debug)]
pub struct DeltaStore {
    objects: Objects,
    files: SegmentFiles,
    logs: DeltaLogs,
}

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
        Ok(DeltaStore { files: SegmentFiles::new(objects.clone(), &settings)?, objects, logs })
    }
}

#[async_trait]
impl TierStore for DeltaStore {
    fn name(&self) -> &'static str {
        STORE
    }

    fn check_table(&self, table: &TableDef) -> Result<()> {
        self.files.check_table(table)?;
        schema::fields(table).map(|_| ())
    }

    /// Its folder and log come with the first publication.
    async fn create_table(&self, table: &TableDef) -> Result<()> {
        self.check_table(table)
    }

    async fn alter_table(&self, table: &TableDef) -> Result<()> {
        self.check_table(table)?;
        self.logs.add_columns(table).await
    }

    async fn drop_table(&self, storage_name: &str) -> Result<()> {
        self.files.delete_folder(storage_name).await?;
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
        self.files.write(&table.storage_name(), table, job, id, partition, rows).await
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
        self.files.scan(&request)
    }

    /// The files leave the log before the disk, so that no reader of the log meets a file that is gone.
    async fn drop_segments(&self, storage_name: &str, segments: &[Segment]) -> Result<()> {
        let locations: Vec<String> = segments.iter().map(|segment| segment.location.clone()).collect();
        self.logs.unlist(storage_name, &locations).await?;
        self.files.delete(segments).await
    }

    async fn sweep_job(&self, storage_name: &str, job: &JobId) -> Result<()> {
        let found = self.files.of_job(storage_name, job).await?;
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
        self.files.bytes_used().await
    }

    /// Every write is on the disk when its call returns, so there is nothing left to do.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
