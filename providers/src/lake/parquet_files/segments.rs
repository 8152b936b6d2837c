//! Segments as files, the same for every table format: written, scanned, found by their job, deleted. What a format adds is
//! the log that lists them.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use parquet::basic::Compression;
use zxq_catalog::{JobId, PartitionKey, Segment, SegmentId, TableDef};

use crate::error::Result;
use crate::lake::objects::Objects;
use crate::lake::parquet_files::compression::{compression_of, parse_compression};
use crate::lake::parquet_files::layout::FileForm;
use crate::lake::parquet_files::scan::ColdScans;
use crate::lake::parquet_files::{errors, layout, writer};
use crate::tier_store::{ScanRequest, WrittenSegment};

/// How files are written and read.
#[derive(Debug)]
pub(crate) struct FileSettings<'a> {
    /// Codec of tables that name none.
    pub(crate) compression: &'a str,
    /// Rows of a row group.
    pub(crate) row_group_rows: usize,
    /// Memory for footers, bytes.
    pub(crate) metadata_cache_bytes: u64,
    /// Evaluate filters while rows are decoded.
    pub(crate) pushdown_filters: bool,
    /// What a file holds.
    pub(crate) form: FileForm,
}

/// The segment files under one root.
#[derive(Debug)]
pub(crate) struct SegmentFiles {
    objects: Objects,
    compression: Compression,
    row_group_rows: usize,
    form: FileForm,
    scans: ColdScans,
}

impl SegmentFiles {
    /// # Errors
    /// [`crate::ProviderError::Unsupported`] for a compression that does not exist.
    pub(crate) fn new(objects: Objects, settings: &FileSettings<'_>) -> Result<SegmentFiles> {
        let compression = parse_compression(settings.compression)?;
        let scans = ColdScans::new(&objects, settings.metadata_cache_bytes, settings.pushdown_filters, settings.form)?;
        Ok(SegmentFiles { objects, compression, row_group_rows: settings.row_group_rows, form: settings.form, scans })
    }

    /// Whether files can be written for a table as its options say.
    ///
    /// # Errors
    /// [`crate::ProviderError::Unsupported`], naming the option.
    pub(crate) fn check_table(&self, table: &TableDef) -> Result<()> {
        compression_of(table, self.compression).map(drop)
    }

    /// Writes a segment's file below `folder`.
    pub(crate) async fn write(
        &self,
        folder: &str,
        table: &TableDef,
        job: &JobId,
        id: SegmentId,
        partition: &PartitionKey,
        rows: Vec<RecordBatch>,
    ) -> Result<WrittenSegment> {
        let location = layout::location(folder, table, job, id, partition);
        let path = self.objects.path(&location)?;
        let compression = compression_of(table, self.compression)?;
        let (row_group_rows, form) = (self.row_group_rows, self.form);
        let (definition, key) = (table.clone(), partition.clone());
        let encoded =
            errors::blocking(move || writer::encode_file(&definition, &key, &rows, form, compression, row_group_rows))
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

    /// Plans a scan.
    pub(crate) fn scan(&self, request: &ScanRequest<'_>) -> Result<Arc<dyn ExecutionPlan>> {
        self.scans.plan(request)
    }

    /// Deletes the files of segments that no log lists any more.
    pub(crate) async fn delete(&self, segments: &[Segment]) -> Result<()> {
        let mut paths = Vec::with_capacity(segments.len());
        for segment in segments {
            let path = self.objects.path(&segment.location)?;
            self.scans.forget(&path);
            paths.push(path);
        }
        self.objects.delete(paths).await
    }

    /// The files below `folder` that a job has written.
    pub(crate) async fn of_job(&self, folder: &str, job: &JobId) -> Result<Vec<Path>> {
        let suffix = layout::job_suffix(job);
        let written = |path: &Path| path.filename().is_some_and(|name| name.ends_with(&suffix));
        Ok(self.list(Some(folder)).await?.into_iter().map(|(path, _)| path).filter(written).collect())
    }

    /// Deletes everything below `folder`.
    pub(crate) async fn delete_folder(&self, folder: &str) -> Result<()> {
        self.objects.delete(self.list(Some(folder)).await?.into_iter().map(|(path, _)| path).collect()).await
    }

    /// Bytes of all files under the root.
    pub(crate) async fn bytes_used(&self) -> Result<u64> {
        Ok(self.list(None).await?.iter().map(|(_, size)| size).sum())
    }

    async fn list(&self, folder: Option<&str>) -> Result<Vec<(Path, u64)>> {
        Ok(self.objects.list(folder).await?.into_iter().map(|object| (object.location, object.size)).collect())
    }
}
